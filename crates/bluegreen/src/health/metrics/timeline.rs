//! [`Timeline`]: the settled buckets, by the step in which they happened.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::counts::as_f64;
use crate::{
    clock::{later, sooner},
    health::{
        Bucket, Counts, LatencySum, Phase, Progress, SeenSide, SeenTraffic, SettledBuckets, Tally,
        Verdict,
    },
    traffic::{Side, Sides},
};

/// The buckets that a judge saw, assigned to the steps of the migration.
///
/// The timeline learns of a shift when it is first asked in the step after it; a bucket that settles late
/// is still assigned to the step in which it happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::health) struct Timeline {
    window: Duration,
    /// When the first step began.
    began: Option<Timestamp>,
    /// Each shift, and the end of the warm-up after it.
    shifts: Vec<(Timestamp, Timestamp)>,
    /// The buckets of the window, oldest first.
    recent: VecDeque<Bucket>,
}

/// How much a bucket counts for green's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::health) enum Standing {
    /// Not at all: the bucket is from before the first step.
    Before,
    /// Less than others: caches and connections were cold for a part of the bucket.
    WarmUp,
    /// Fully.
    Full,
}

/// The newest minute: the meaning of "now" if buckets are shorter.
const MINUTE: Duration = Duration::from_secs(60);

/// How long after its end a bucket settles at the latest, with looks once a minute. A healthy verdict
/// stands for two periods more, so that one bucket may come late.
const LAG: Duration = Duration::from_secs(180);

impl Timeline {
    /// Creates a timeline that keeps the buckets of the last `window`.
    pub(in crate::health) fn new(window: Duration) -> Self {
        Self {
            window: window.max(MINUTE),
            began: None,
            shifts: Vec::new(),
            recent: VecDeque::new(),
        }
    }

    /// Takes an observation and returns its buckets that were not seen before, with the weight of each.
    pub(in crate::health) fn take<'a>(
        &mut self,
        seen: &'a SettledBuckets,
        progress: &Progress,
    ) -> Vec<(&'a Bucket, Standing)> {
        self.enter(progress);
        let mut fresh = Vec::with_capacity(seen.buckets.len());
        let mut end = self.end();
        for bucket in &seen.buckets {
            if end.is_some_and(|end| bucket.start < end) {
                continue;
            }
            end = Some(bucket.end());
            fresh.push((bucket, self.standing(bucket)));
        }
        if let Some((newest, _)) = fresh.last() {
            // A bucket longer than the window stays, and so does the one before it.
            let kept = self.window.max(newest.period.saturating_mul(2));
            let from = sooner(newest.end(), kept);
            // The first look brings hours of which minutes are kept.
            while self
                .recent
                .front()
                .is_some_and(|bucket| bucket.start < from)
            {
                self.recent.pop_front();
            }
            let kept = fresh.iter().filter(|(bucket, _)| bucket.start >= from);
            self.recent.extend(kept.map(|(bucket, _)| **bucket));
            self.recent.shrink_to(self.recent.len() + 1);
        }
        fresh
    }

    /// Returns when the first step began.
    pub(in crate::health) fn began(&self) -> Option<Timestamp> {
        self.began
    }

    /// Returns the end of the newest bucket.
    pub(in crate::health) fn end(&self) -> Option<Timestamp> {
        self.recent.back().map(Bucket::end)
    }

    /// Returns the newest bucket.
    pub(in crate::health) fn newest(&self) -> Option<&Bucket> {
        self.recent.back()
    }

    /// Returns the buckets of the window that lie wholly in the present step and after its warm-up,
    /// newest first.
    pub(in crate::health) fn step(&self, progress: &Progress) -> impl Iterator<Item = &Bucket> {
        let from = progress.warm_since();
        let newest_first = self.recent.iter().rev();
        newest_first.take_while(move |bucket| begins(bucket) >= from)
    }

    /// Returns the buckets of the newest minute, newest first; at least one if there is any.
    pub(super) fn newest_minute(&self) -> impl Iterator<Item = &Bucket> {
        let end = self.end().unwrap_or(Timestamp::MIN);
        let from = sooner(end, MINUTE);
        let newest_first = self.recent.iter().rev().enumerate();
        newest_first
            .take_while(move |(index, bucket)| *index == 0 || bucket.start >= from)
            .map(|(_, bucket)| bucket)
    }

    /// Returns all buckets that are kept, oldest first.
    pub(in crate::health) fn recent(&self) -> impl Iterator<Item = &Bucket> {
        self.recent.iter()
    }

    /// Returns why green may not be called healthy, whatever its rates: no bucket of this step, or no
    /// traffic in the newest minute.
    pub(in crate::health) fn reason_to_wait(&self, progress: &Progress) -> Option<String> {
        let Some(newest) = self.newest() else {
            return Some("no minute has settled yet".into());
        };
        if begins(newest) < progress.warm_since() {
            return Some("no minute after this step's warm-up has settled yet".into());
        }
        if self.newest_minute().any(|b| b.sides.green.has_traffic()) {
            return None;
        }
        Some(match newest.sides.green.requests {
            Some(_) => format!(
                "no request reached green in the minute up to {}",
                newest.end()
            ),
            None => format!("green's requests up to {} are unknown", newest.end()),
        })
    }

    /// Adds to a verdict the traffic that really reached each side, and the time at which the verdict
    /// expires.
    pub(in crate::health) fn dress(&self, verdict: Verdict, progress: &Progress) -> Verdict {
        let traffic = self.traffic(progress);
        let expires = self.newest().map(|newest| {
            later(
                newest.end(),
                newest.period.saturating_mul(2).saturating_add(LAG),
            )
        });
        verdict.map_evidence(|mut evidence| {
            evidence.traffic = traffic;
            evidence.expires = match (evidence.expires, expires) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            evidence
        })
    }

    /// Returns the traffic of each side in the newest minute, back to the point at which both are known
    /// and the split was as it is now; `None` if the newest bucket does not tell.
    fn traffic(&self, progress: &Progress) -> Option<SeenTraffic> {
        let mut buckets = Vec::new();
        for bucket in self.newest_minute() {
            let is_known =
                bucket.sides.blue.requests.is_some() && bucket.sides.green.requests.is_some();
            let is_other_split = !buckets.is_empty() && bucket.start < progress.since;
            if !is_known || is_other_split {
                break;
            }
            buckets.push(*bucket);
        }
        let (to, from) = (buckets.first()?.end(), buckets.last()?.start);
        let side = |side: Side| seen(buckets.iter().map(|bucket| bucket.sides.get(side)));
        let sides = Sides {
            blue: side(Side::Blue),
            green: side(Side::Green),
        };
        Some(SeenTraffic::new(from, to, sides))
    }

    fn enter(&mut self, progress: &Progress) {
        if !matches!(progress.phase, Phase::Step(_) | Phase::Bake) {
            return;
        }
        self.began.get_or_insert(progress.since);
        let shift = (progress.since, progress.warm_since());
        if self.shifts.last() != Some(&shift) {
            self.shifts.push(shift);
        }
    }

    fn standing(&self, bucket: &Bucket) -> Standing {
        let end = bucket.end();
        match self.began {
            Some(began) if end > began => {}
            _ => return Standing::Before,
        }
        let is_cold = self
            .shifts
            .iter()
            .any(|(since, warm)| begins(bucket) < *warm && end > *since);
        if is_cold {
            Standing::WarmUp
        } else {
            Standing::Full
        }
    }
}

/// Returns the start of a bucket, with a tolerance: a tenth of the bucket may lie in the warm-up, since a
/// shift at a whole minute is read back a moment after it.
pub(in crate::health) fn begins(bucket: &Bucket) -> Timestamp {
    later(bucket.start, bucket.period / 10)
}

fn seen<'a>(counts: impl Iterator<Item = &'a Counts> + Clone) -> SeenSide {
    let requests = counts.clone().filter_map(|c| c.requests).sum();
    let mut side = SeenSide::of_requests(requests);
    let busy = counts.filter(|c| c.has_traffic());
    let errors: Option<Vec<Tally>> = busy.clone().map(|c| c.errors).collect();
    let errors = errors.map(|all| all.into_iter().fold(Tally::exact(0), std::ops::Add::add));
    side.error_rate = errors
        .filter(|errors| requests > 0 && errors.is_exact())
        .map(|errors| as_f64(errors.low()) / as_f64(requests));
    let mut alone = busy.clone();
    if let (Some(only), None) = (alone.next(), alone.next()) {
        side.percentiles = only.percentiles;
    }
    let latency: Option<Vec<LatencySum>> = busy.map(|c| c.latency).collect();
    side.mean_latency_ms = latency
        .and_then(|all| all.into_iter().reduce(std::ops::Add::add))
        .and_then(LatencySum::mean_ms);
    side
}

/// Returns a judge's verdict in a phase in which green is not to be judged.
pub(in crate::health) fn not_judged(progress: &Progress) -> Option<Verdict> {
    match progress.phase {
        Phase::Preflight => Some(Verdict::inconclusive("green has no traffic to judge yet")),
        Phase::Confirm => Some(Verdict::inconclusive(
            "green is no longer judged; watching for requests that still reach it",
        )),
        Phase::Step(_) | Phase::Bake => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Percent;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minute * 60).expect("in range")
    }

    fn bucket(minute: i64, blue: Option<u64>, green: Option<u64>) -> Bucket {
        let side =
            |requests: Option<u64>| requests.map_or_else(Counts::default, |n| Counts::of(n, 0));
        let sides = Sides {
            blue: side(blue),
            green: side(green),
        };
        Bucket::new(at(minute), MINUTE, sides)
    }

    fn take(timeline: &mut Timeline, buckets: Vec<Bucket>, progress: &Progress) -> Vec<Standing> {
        let seen = SettledBuckets::new(buckets);
        let fresh = timeline.take(&seen, progress);
        fresh.into_iter().map(|(_, standing)| standing).collect()
    }

    #[test]
    fn buckets_are_put_to_the_step_in_which_they_happened() {
        let mut timeline = Timeline::new(MINUTE * 5);
        let ten = Percent::from_whole(10).expect("a percent");
        let preflight = Progress::new(at(2), Phase::Preflight, Percent::ZERO, at(0));
        let both = |minute| bucket(minute, Some(9), Some(1));
        let standings = take(&mut timeline, vec![both(0)], &preflight);
        assert_eq!(standings, [Standing::Before]);

        let step = Progress::new(at(6), Phase::Step(0), ten, at(2)).with_warm_up(MINUTE);
        let standings = take(&mut timeline, (0..5).map(both).collect(), &step);
        use Standing::{Before, Full, WarmUp};
        assert_eq!(
            standings,
            [Before, WarmUp, Full, Full],
            "minute 0 came before"
        );
        assert_eq!(timeline.step(&step).count(), 2);

        // The next step's first look still brings a minute of this one.
        let next = Progress::new(at(8), Phase::Step(1), ten, at(7)).with_warm_up(MINUTE);
        let standings = take(&mut timeline, (5..9).map(both).collect(), &next);
        assert_eq!(standings, [Full, Full, WarmUp, Full]);
        assert_eq!(timeline.step(&next).count(), 1);
    }

    #[test]
    fn traffic_is_of_the_newest_minute_and_zero_is_not_unknown() {
        let mut timeline = Timeline::new(MINUTE * 5);
        let confirm = Progress::new(at(6), Phase::Confirm, Percent::ZERO, at(1));
        take(
            &mut timeline,
            vec![bucket(0, Some(9), Some(9)), bucket(1, Some(9), Some(0))],
            &confirm,
        );
        let verdict = timeline.dress(Verdict::inconclusive(""), &confirm);
        let traffic = verdict.evidence().traffic.expect("known");
        assert_eq!((traffic.from, traffic.to), (at(1), at(2)));
        assert_eq!(traffic.sides.green.requests, 0);
        assert_eq!(verdict.evidence().expires, Some(at(2 + 2 + 3)));

        take(&mut timeline, vec![bucket(2, Some(9), None)], &confirm);
        let verdict = timeline.dress(Verdict::inconclusive(""), &confirm);
        assert_eq!(verdict.evidence().traffic, None);
    }
}
