use super::*;
use crate::{
    health::{
        SettledBuckets,
        testing::{at, bucket},
    },
    traffic::Percent,
};

fn counts(requests: u64, errors: u64) -> Counts {
    Counts::of(requests, errors).with_slow(Tally::exact(requests / 10))
}

/// A migration by the minute: blue's past, then steps with a minute of warm-up.
struct Play {
    judge: SequentialJudge,
    last: Option<Observation>,
    step: usize,
    since: i64,
    share: u8,
}

impl Play {
    /// Creates a migration with this many minutes of blue's past, ten errors in a thousand.
    fn new(past: i64) -> Self {
        Self::of(Sequential::default(), past)
    }

    fn of(sequential: Sequential, past: i64) -> Self {
        let mut play = Self {
            judge: sequential.start(),
            last: None,
            step: 0,
            since: 0,
            share: 0,
        };
        let buckets = (-past..0)
            .map(|minute| bucket(minute, counts(6_000, 6), Counts::of_requests(0)))
            .collect();
        let verdict = play.see(buckets, Phase::Preflight, 0);
        assert!(verdict.is_inconclusive(), "{verdict}");
        play
    }

    fn see(&mut self, buckets: Vec<Bucket>, phase: Phase, minute: i64) -> Verdict {
        let above = Some(Duration::from_millis(228));
        let seen = SettledBuckets::new(buckets).with_slow_above(above);
        let seen = seen.observe().unwrap();
        let green = Percent::from_whole(self.share).unwrap();
        let progress = Progress::new(at(minute), phase, green, at(self.since)).with_warm_up(MINUTE);
        self.last = Some(seen.clone());
        self.judge.take(&seen, &progress)
    }

    fn shift(&mut self, share: u8, minute: i64) {
        self.step += usize::from(self.share > 0);
        (self.share, self.since) = (share, minute);
    }

    /// Plays a minute with this many requests, of which each side fails this many in a thousand; the
    /// minute is seen two minutes later.
    fn minute(&mut self, minute: i64, requests: u64, blue: u64, green: u64) -> Verdict {
        let own = requests * u64::from(self.share) / 100;
        let other = requests - own;
        let bucket = bucket(
            minute,
            counts(other, other * blue / 1_000),
            counts(own, own * green / 1_000),
        );
        self.see(vec![bucket], Phase::Step(self.step), minute + 2)
    }

    /// Minutes until the verdict is not inconclusive, or gives up.
    fn until_decided(&mut self, from: i64, green: u64) -> (i64, Verdict) {
        for minute in from..from + 100 {
            let verdict = self.minute(minute, 6_000, 1, green);
            if !verdict.is_inconclusive() || verdict.has_given_up() {
                return (minute - from + 1, verdict);
            }
        }
        panic!("no end");
    }
}

#[test]
fn a_good_green_goes_through_and_each_step_has_its_certificate() {
    let mut play = Play::new(240);
    let mut now = 0;
    for (share, most) in [(10, 8), (50, 8), (90, 14)] {
        play.shift(share, now);
        let (took, verdict) = play.until_decided(now, 1);
        assert!(verdict.is_healthy(), "{verdict}");
        let said = &verdict.evidence().summary;
        assert!(
            said.contains("with 95% confidence green's error rate is at most 1.3 × blue's + 0."),
            "{said}"
        );
        assert!(took <= most, "{share} % took {took}");
        now += took;
    }
    // The rest follows after two minutes of watching; blue gets nothing any more.
    play.shift(100, now);
    let mut statuses = Vec::new();
    for minute in now..now + 4 {
        statuses.push(play.minute(minute, 6_000, 1, 1).status());
    }
    assert_eq!(statuses[0], "inconclusive");
    assert_eq!(statuses[3], "healthy");
}

#[test]
fn a_bad_green_is_stopped_with_the_reason_and_the_numbers() {
    let mut play = Play::new(240);
    play.shift(50, 0);
    let (took, verdict) = play.until_decided(0, 3);
    assert!(verdict.is_unhealthy() && took <= 10, "{took}: {verdict}");
    let said = &verdict.evidence().summary;
    assert!(
        said.starts_with("green fails more than 1.1 × blue's rate + 0.03%"),
        "{said}"
    );
    assert!(said.contains("100 was enough"), "{said}");
    let names: Vec<&str> = verdict
        .evidence()
        .figures
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    for name in ["harm", "harm by errors", "proof on errors", "margin"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    // It stays stopped, whatever comes later.
    assert!(play.minute(50, 6_000, 1, 1).is_unhealthy());
}

/// Harm that shows only when blue gets nothing any more is compared with blue's past.
#[test]
fn at_100_percent_the_past_is_the_control() {
    let mut play = Play::new(240);
    play.shift(100, 0);
    let (_, verdict) = play.until_decided(0, 10);
    assert!(verdict.is_unhealthy(), "{verdict}");
    let mut blind = Play::new(0);
    blind.shift(100, 0);
    let (_, verdict) = blind.until_decided(0, 1);
    assert!(
        verdict.has_given_up(),
        "without a past nothing passes: {verdict}"
    );
}

/// Blue fails 1 in 1,000 for 20 minutes and 3 in 1,000 for 10, which is 5 in 3,000 over all. So the newest
/// minutes are 1.8 times as bad as all of them, and the ratio of 1.5 becomes 2.7.
#[test]
fn a_stop_at_100_percent_names_the_ratio_that_was_allowed() {
    let mut play = Play::of(Sequential::new(Settings::default().by_second_rule()), 240);
    play.shift(50, 0);
    for minute in 0..30 {
        let rate = if minute < 20 { 1 } else { 3 };
        play.minute(minute, 6_000, rate, rate);
    }
    play.shift(100, 30);
    let (_, verdict) = play.until_decided(30, 40);
    assert!(verdict.is_unhealthy(), "{verdict}");
    let said = &verdict.evidence().summary;
    assert!(
        said.starts_with("green fails more than 2.7 × blue's rate before + 0.05% of its requests"),
        "{said}"
    );
}

#[test]
fn p01_silence_gives_up_and_never_passes() {
    let unknown = |minute| bucket(minute, Counts::default(), Counts::default());
    let mut play = Play::new(30);
    play.shift(10, 0);
    let verdicts: Vec<Verdict> = (0..7)
        .map(|minute| play.see(vec![unknown(minute)], Phase::Step(0), minute + 2))
        .collect();
    assert!(verdicts.iter().all(Verdict::is_inconclusive));
    assert!(!verdicts[4].has_given_up() && verdicts[6].has_given_up());

    let mut play = Play::new(30);
    play.shift(50, 0);
    let dead = bucket(0, counts(3_000, 3), Counts::of_requests(0));
    let verdict = play.see(vec![dead], Phase::Step(0), 2);
    assert!(verdict.has_given_up(), "{verdict}");
    assert!(
        verdict
            .evidence()
            .summary
            .contains("no request reached green where about 3000")
    );

    // A valid proof says nothing of a minute that is not known.
    let mut play = Play::new(30);
    play.shift(50, 0);
    play.until_decided(0, 1);
    let verdict = play.see(vec![unknown(50)], Phase::Step(0), 52);
    assert!(verdict.is_inconclusive(), "{verdict}");
}

#[test]
fn nothing_begins_with_a_blue_that_is_ill_or_a_threshold_that_nobody_knows() {
    let see = |errors, above: Option<Duration>, sequential: Sequential| {
        let mut judge = sequential.start();
        let buckets =
            (0..60).map(|minute| bucket(minute, counts(1_000, errors), Counts::default()));
        let seen = SettledBuckets::new(buckets.collect()).with_slow_above(above);
        let progress = Progress::new(at(61), Phase::Preflight, Percent::ZERO, at(60));
        judge.take(&seen.observe().unwrap(), &progress)
    };
    let above = Some(Duration::from_millis(200));
    let ill = see(30, above, Sequential::default());
    assert!(ill.is_unhealthy());
    assert!(
        ill.evidence().summary.contains("blue itself fails 3.00%"),
        "{ill}"
    );
    assert!(see(20, above, Sequential::default()).is_inconclusive());
    let unknown = see(1, None, Sequential::default());
    assert!(
        unknown.evidence().summary.contains("what is slow"),
        "{unknown}"
    );
    let errors_only = Sequential::new(Settings::default().without_latency());
    assert!(see(1, None, errors_only).is_inconclusive());
}

/// The same buckets in other portions, twice, and in looks of another rhythm: the same verdicts in the
/// same minutes.
#[test]
fn p09_how_the_minutes_arrive_changes_no_decision() {
    let all: Vec<Bucket> = (0..30)
        .map(|minute| {
            bucket(
                minute,
                counts(3_000, 3),
                counts(3_000, if minute > 8 { 12 } else { 3 }),
            )
        })
        .collect();
    let run = |portion: usize, overlap: usize| {
        let mut play = Play::new(60);
        play.shift(50, 0);
        let mut statuses = Vec::new();
        for end in (portion..=all.len()).step_by(portion) {
            let from = (end - portion).saturating_sub(overlap);
            let now = i64::try_from(end).unwrap() + 1;
            let verdict = play.see(all[from..end].to_vec(), Phase::Step(0), now);
            statuses.push(verdict.is_unhealthy());
        }
        let first = statuses
            .iter()
            .position(|stopped| *stopped)
            .map(|place| (place + 1) * portion);
        (first, play.judge.test.map(|test| test.ln_worse()))
    };
    let (single, evidence) = run(1, 0);
    assert_eq!(run(1, 3), (single, evidence), "seen twice counts once");
    let (by_three, same) = run(3, 0);
    assert_eq!(same, evidence);
    assert_eq!(by_three, single.map(|minute| minute.div_ceil(3) * 3));
}

/// A controller that starts again plays the journal and decides as the first would have.
#[test]
fn p05_a_restart_changes_nothing() {
    let mut play = Play::new(60);
    play.shift(50, 0);
    let observations: Vec<(Observation, i64)> = (0..25)
        .map(|minute| {
            play.minute(minute, 6_000, 1, 3);
            (play.last.clone().unwrap(), minute)
        })
        .collect();
    let green = Percent::from_whole(50).unwrap();
    let progress = |minute: i64| {
        Progress::new(at(minute + 2), Phase::Step(0), green, at(0)).with_warm_up(MINUTE)
    };
    let verdicts = |mut judge: SequentialJudge, from: usize| -> Vec<Verdict> {
        let rest = observations[from..].iter();
        rest.map(|(seen, minute)| judge.take(seen, &progress(*minute)))
            .collect()
    };
    let fresh = || Play::new(60).judge;
    let whole = verdicts(fresh(), 0);
    for restart in 0..observations.len() {
        let mut judge = fresh();
        for (seen, minute) in &observations[..restart] {
            let text = serde_json::to_string(seen).unwrap();
            let seen: Observation = serde_json::from_str(&text).unwrap();
            judge.take(&seen, &progress(*minute));
        }
        assert_eq!(verdicts(judge, restart), whole[restart..]);
    }
}

#[test]
fn short_buckets_are_added_up_to_minutes() {
    let tens = |minute: i64, missing: bool| -> Vec<Bucket> {
        (0..6)
            .map(|part| {
                let start = at(minute) + Duration::from_secs(part * 10);
                let green = if missing && part == 3 {
                    Counts::default()
                } else {
                    counts(100, 1)
                };
                let sides = Sides {
                    blue: counts(900, 9),
                    green,
                };
                Bucket::new(start, Duration::from_secs(10), sides)
            })
            .collect()
    };
    let mut judge = Sequential::default().start();
    judge.steps.push((at(0), 0.1));
    let minutes: Vec<_> = tens(1, false)
        .into_iter()
        .filter_map(|bucket| judge.assemble(bucket, Standing::Full))
        .collect();
    assert_eq!(minutes.len(), 1);
    let (minute, _) = &minutes[0];
    assert_eq!((minute.start, minute.period), (at(1), MINUTE));
    assert_eq!(minute.sides.green.requests, Some(600));
    assert_eq!(minute.sides.blue.errors, Some(Tally::exact(54)));
    let unknown = tens(2, true)
        .into_iter()
        .filter_map(|one| judge.assemble(one, Standing::Full));
    let unknown: Vec<_> = unknown.collect();
    assert_eq!(
        unknown[0].0.sides.green.requests, None,
        "a part that is missing is not zero"
    );
}

#[test]
fn its_settings_survive_the_journal() {
    let mut sequential = Sequential::new(Settings::default().with_alpha(0.02));
    sequential.most_blind = 9;
    let text = JudgeFactory::settings(&sequential).to_string();
    let back: Sequential = serde_json::from_str(&text).unwrap();
    assert_eq!(back, sequential);
    assert!(sequential.needs().slow);
}
