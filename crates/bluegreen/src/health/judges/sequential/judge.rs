//! [`Sequential`] as a judge of settled buckets, and [`SequentialJudge`] itself.

use std::{fmt::Write as _, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Minute, MinuteSide, Reason, Ruling, SequentialTest, Settings, forecast, minutes::Minutes,
};
use crate::{
    error::Result,
    health::{
        Bucket, Counts, Evidence, Figure, Judge, JudgeFactory, Needs, Observation, Phase, Progress,
        SettledBuckets, Tally, Unit, Verdict,
        metrics::{
            counts::as_f64,
            timeline::{Standing, Timeline, begins},
        },
        snapshot::{restored, saved},
    },
    json::JsonText,
    traffic::{Side, Sides},
};

/// Compares green with live blue in the same minutes, by evidence that stays valid at every look: it may
/// look each minute, stops early on harm, passes early on proof, and never passes on silence.
///
/// # Verdicts
///
/// *Unhealthy* if the evidence that green is worse reaches `1/alpha`: more errors or more slow requests
/// than blue in the same minutes, more errors than the limit, or, at the last step, more of either than
/// blue had before the migration. The probability that a green within the allowance is ever stopped, over
/// a whole migration, is at most alpha, as long as requests fail independently within a minute.
///
/// *Healthy* if the evidence that green is no worse than the step's margin reaches `1/beta`, for errors
/// and for slow requests; the verdict states the certificate that was proved. The probability that a step
/// passes although green is beyond its certificate is at most beta.
///
/// *Inconclusive* until then; for good if no request reaches green although some should, if nothing was
/// known of both sides for [some minutes](Self::most_blind), or if the step's time is over.
///
/// At 100 %, after a step above 85 % that kept a part of the traffic on blue as a control, green is
/// healthy after two minutes without evidence against it: the step before gave the proof. Without such a
/// step blue's past is the control.
///
/// In the preflight the verdict is unhealthy, so that nothing begins, if blue itself fails more than half
/// of the limit, if blue has too few requests to prove anything in time, or if it is not known which
/// requests are slow.
///
/// # Needs
///
/// Counts by the minute, four hours of blue's past, and slow requests:
/// [`AlbMetrics`](crate::aws::cloudwatch::AlbMetrics) has them. Buckets shorter than a minute are added
/// up to minutes; each longer bucket counts as one minute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[must_use]
#[non_exhaustive]
pub struct Sequential {
    settings: Settings,
    /// After how many minutes of which nothing is known the judge gives up. Default: 5.
    pub most_blind: u32,
}

impl Default for Sequential {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            most_blind: 5,
        }
    }
}

impl Sequential {
    /// How much of blue's past the judge asks for: four minutes for each minute of the last step.
    pub const HISTORY: Duration = Duration::from_secs(4 * 3_600);

    /// Creates a judge with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Starts a fresh judge.
    pub(crate) fn start(&self) -> SequentialJudge {
        SequentialJudge {
            settings: self.settings.clone(),
            most_blind: self.most_blind,
            timeline: Timeline::new(Duration::ZERO),
            slow_above: None,
            is_sticky: false,
            past: Minutes::default(),
            test: None,
            steps: Vec::new(),
            partial: None,
            certified: 0.0,
            blind: 0,
            seen: Sides::default(),
        }
    }
}

impl JudgeFactory for Sequential {
    fn judge(&self) -> Box<dyn Judge> {
        Box::new(self.start())
    }

    fn settings(&self) -> Value {
        // Numbers only, so this cannot fail.
        serde_json::to_value(self).unwrap_or_default()
    }

    fn needs(&self) -> Needs {
        let needs = Needs::history(Self::HISTORY);
        if self.settings.judges_latency {
            needs.and_slow()
        } else {
            needs
        }
    }
}

/// The judge of [`Sequential`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SequentialJudge {
    settings: Settings,
    most_blind: u32,
    timeline: Timeline,
    slow_above: Option<Duration>,
    is_sticky: bool,
    /// Blue before the first shift, oldest first.
    past: Minutes,
    test: Option<SequentialTest>,
    /// When each split began, and green's share in it.
    steps: Vec<(Timestamp, f64)>,
    /// A minute whose buckets are not all there yet.
    partial: Option<(Bucket, Standing)>,
    /// The highest share at which green was certified.
    certified: f64,
    blind: u32,
    /// Requests and errors since the first shift, without warm-ups, for people to read.
    seen: Sides<(u64, u64)>,
}

/// The share at which a comparison of both sides needs the least traffic.
const BEST: f64 = 0.5;
/// A certified share above this means that blue was a live control to the end.
const HELD_BACK: f64 = 0.85;
/// Minutes at 100 % after that.
const LAST_MINUTES: u32 = 2;
const MINUTE: Duration = Duration::from_secs(60);

impl Judge for SequentialJudge {
    fn take(&mut self, observation: &Observation, progress: &Progress) -> Verdict {
        let seen = match SettledBuckets::shared(observation) {
            Ok(seen) => seen,
            Err(error) => return Verdict::inconclusive(error.to_string()),
        };
        let fresh = self.timeline.take(&seen, progress);
        self.slow_above = seen.slow_above;
        self.is_sticky |= seen.is_sticky;
        self.enter(progress);
        for (bucket, standing) in fresh {
            if let Some((minute, standing)) = self.assemble(*bucket, standing) {
                self.push(&minute, standing, progress);
            }
        }
        let verdict = match progress.phase {
            Phase::Preflight => self.preflight(),
            Phase::Confirm => Verdict::inconclusive(
                "green is no longer judged; watching for requests that still reach it",
            ),
            Phase::Step(_) | Phase::Bake => self.judge(progress),
        };
        self.timeline.dress(verdict, progress)
    }

    fn snapshot(&self) -> Option<JsonText> {
        saved(self)
    }

    fn restore(&mut self, snapshot: &JsonText) -> Result<()> {
        *self = restored(snapshot)?;
        Ok(())
    }
}

impl SequentialJudge {
    /// Returns blue's error rate, and its requests per minute, before the first shift.
    fn usual(&self) -> Option<(f64, f64)> {
        let requests: u64 = self.past.iter().map(|side| side.requests).sum();
        let errors: u64 = self.past.iter().map(|side| side.errors.high()).sum();
        #[expect(clippy::cast_precision_loss, reason = "minutes")]
        let minutes = self.past.len() as f64;
        (requests > 0).then(|| {
            (
                as_f64(errors) / as_f64(requests),
                as_f64(requests) / minutes,
            )
        })
    }

    fn preflight(&self) -> Verdict {
        let limit = self.settings.limit;
        if let Some((rate, _)) = self.usual()
            && rate > limit / 2.0
        {
            return Verdict::unhealthy(format!(
                "blue itself fails {:.2}% of its requests, more than half of the limit of {:.2}%: \
                 mend blue first, or raise the limit",
                100.0 * rate,
                100.0 * limit
            ));
        }
        if let Some((rate, requests)) = self.usual()
            && forecast(requests, rate, &[BEST], &self.settings)[0]
                .minutes
                .is_none()
        {
            return Verdict::unhealthy(format!(
                "blue has {requests:.0} requests a minute: too few to prove anything of green in \
                 time, whatever its share; send synthetic requests, or judge by limits alone"
            ));
        }
        if self.settings.judges_latency && self.slow_above.is_none() && !self.past.is_empty() {
            return Verdict::unhealthy(
                "nothing says what is slow: blue had too little traffic in the hour before, or \
                 its metrics tell no percentiles; leave latency out, or wait for traffic",
            );
        }
        Verdict::inconclusive("green has no traffic to judge yet")
    }

    /// Begins a step if the migration has begun one.
    fn enter(&mut self, progress: &Progress) {
        if !matches!(progress.phase, Phase::Step(_) | Phase::Bake) {
            return;
        }
        let test = self.test.get_or_insert_with(|| {
            let past = self.past.reversed();
            let settings = self.settings.clone();
            let settings = if self.is_sticky {
                settings.without_weights()
            } else {
                settings
            };
            SequentialTest::of_history(settings, past)
        });
        let share = progress.green.as_fraction();
        if self.steps.last() != Some(&(progress.since, share)) {
            self.steps.push((progress.since, share));
            test.begin(share);
        }
    }

    /// Adds buckets up to minutes.
    fn assemble(&mut self, bucket: Bucket, standing: Standing) -> Option<(Bucket, Standing)> {
        if bucket.period >= MINUTE {
            return Some((bucket, standing));
        }
        let (mut minute, standing) = match self.partial.take() {
            Some((minute, before)) if is_same_minute(&minute, &bucket) => {
                (added(&minute, &bucket), before.min(standing))
            }
            _ => (bucket, standing),
        };
        if is_end_of_minute(&bucket) {
            minute.period = MINUTE;
            return Some((minute, standing));
        }
        self.partial = Some((minute, standing));
        None
    }

    fn push(&mut self, bucket: &Bucket, standing: Standing, progress: &Progress) {
        if standing == Standing::Before {
            if let Some(blue) = MinuteSide::of(&bucket.sides.blue) {
                self.past.push(&blue);
            }
            return;
        }
        let begun = begins(bucket);
        let steps = self.steps.iter().rev();
        let share = steps.clone().find(|(since, _)| *since <= begun);
        let share = share.map_or(0.0, |(_, share)| *share);
        let blue = match MinuteSide::of(&bucket.sides.blue) {
            None if share >= 1.0 => Some(MinuteSide::new(0, Tally::exact(0), None)),
            blue => blue,
        };
        let (Some(green), Some(blue), Some(test)) = (
            MinuteSide::of(&bucket.sides.green),
            blue,
            self.test.as_mut(),
        ) else {
            self.blind += 1;
            return;
        };
        self.blind = 0;
        let is_warm_up = standing == Standing::WarmUp;
        let mut minute = Minute::new(green, blue, share).warming(is_warm_up);
        if begun < progress.since {
            minute = minute.of_earlier_step();
        }
        test.take(&minute);
        if !is_warm_up {
            for (sum, side) in [(&mut self.seen.green, green), (&mut self.seen.blue, blue)] {
                sum.0 += side.requests;
                sum.1 += side.errors.low();
            }
        }
    }

    fn judge(&mut self, progress: &Progress) -> Verdict {
        let Some(test) = &self.test else {
            return Verdict::inconclusive("no minute has settled yet");
        };
        let ruling = test.ruling();
        if let Ruling::Stop(reason) = ruling {
            return Verdict::Unhealthy(self.evidence(test, self.against(test, reason)));
        }
        if self.blind > self.most_blind {
            let said = format!("nothing was known of both sides for {} minutes", self.blind);
            return Verdict::Inconclusive(self.evidence(test, said).giving_up());
        }
        if ruling == Ruling::NoTraffic {
            let said = format!(
                "no request reached green where about {:.0} should have",
                test.missing()
            );
            return Verdict::Inconclusive(self.evidence(test, said).giving_up());
        }
        if let Some(waiting) = self.timeline.reason_to_wait(progress) {
            return Verdict::Inconclusive(self.evidence(test, waiting));
        }
        if self.blind > 0 {
            let said = "the newest minute is not known of both sides".to_owned();
            return Verdict::Inconclusive(self.evidence(test, said));
        }
        let share = progress.green.as_fraction();
        if share >= 1.0 && (self.certified > HELD_BACK || progress.phase == Phase::Bake) {
            return self.last(test, progress);
        }
        match ruling {
            Ruling::GoOn => {
                let said = self.certificate(test);
                let evidence = self.evidence(test, said);
                self.certified = self.certified.max(share);
                Verdict::Healthy(evidence)
            }
            Ruling::TooLong => {
                let said = format!("not proved in time: {}", self.so_far(test));
                Verdict::Inconclusive(self.evidence(test, said).giving_up())
            }
            _ => Verdict::Inconclusive(self.evidence(test, self.so_far(test))),
        }
    }

    /// Judges at 100 % after all is proved: only harm counts now.
    fn last(&self, test: &SequentialTest, progress: &Progress) -> Verdict {
        let said = "nothing speaks against green at 100%".to_owned();
        if test.minutes_with_traffic() >= LAST_MINUTES || progress.phase == Phase::Bake {
            return Verdict::Healthy(self.evidence(test, said));
        }
        Verdict::Inconclusive(self.evidence(test, "watching the first minutes at 100%".to_owned()))
    }

    /// Returns the reason with the strongest evidence, in words, with the counts.
    fn against(&self, test: &SequentialTest, reason: Reason) -> String {
        let Some(allowed) = test.allowed(reason) else {
            return format!(
                "green's error rate is above {:.2}%: {}",
                100.0 * self.settings.limit,
                self.rates()
            );
        };
        let (what, whose) = match reason {
            Reason::Errors => ("fails", "blue's rate"),
            Reason::Slow => ("is slow for", "blue's rate"),
            Reason::ErrorsThanBefore => ("fails", "blue's rate before"),
            _ => ("is slow for", "blue's rate before"),
        };
        let mut said = format!(
            "green {what} more than {:.1} × {whose} + {:.2}% of its requests: {}",
            allowed.ratio,
            100.0 * allowed.excess,
            self.rates()
        );
        // Writing to a string cannot fail.
        let _ = write!(
            said,
            "; evidence {:.0}, {:.0} was enough",
            test.ln_worse().min(30.0).exp(),
            1.0 / self.settings.alpha
        );
        said
    }

    fn rates(&self) -> String {
        let rate = |(requests, errors): (u64, u64)| {
            let rate = as_f64(errors) / as_f64(requests.max(1));
            format!("{:.2}% of {requests}", 100.0 * rate)
        };
        format!(
            "green failed {}, blue {}",
            rate(self.seen.green),
            rate(self.seen.blue)
        )
    }

    fn certificate(&self, test: &SequentialTest) -> String {
        match test.certificate() {
            Some(certificate) => format!(
                "with {:.0}% confidence green's error rate is at most {:.1} × blue's + {:.2}%",
                100.0 * (1.0 - self.settings.beta),
                certificate.ratio,
                100.0 * certificate.margin
            ),
            None => "green is no worse than blue was before".to_owned(),
        }
    }

    /// Returns how far the evidence for both sides is.
    fn so_far(&self, test: &SequentialTest) -> String {
        let needed = self.settings.ln_go_on();
        let part = |ln: f64, of: f64| (100.0 * ln / of).clamp(0.0, 100.0);
        let (errors, slow) = test.ln_no_worse();
        let (margin, _) = test.margins_now();
        let mut said = format!("proof {:.0}% on errors", part(errors, needed));
        if self.settings.judges_latency {
            let _ = match test.lacks_slow() {
                true => write!(said, ", slow requests unknown"),
                false => write!(said, ", {:.0}% on latency", part(slow, needed)),
            };
        }
        let _ = write!(
            said,
            " (margin {:.1} × blue + {:.2}%); harm {:.0}%",
            test.accept_ratio(),
            100.0 * margin,
            part(test.ln_worse(), self.settings.ln_stop())
        );
        let least = test.step_margins().least_minutes;
        if test.minutes_with_traffic() < least {
            let _ = write!(
                said,
                "; {} of at least {least} minutes",
                test.minutes_with_traffic()
            );
        }
        said
    }

    /// Returns the numbers behind a verdict.
    fn evidence(&self, test: &SequentialTest, summary: String) -> Evidence {
        let stop = self.settings.ln_stop();
        let go_on = self.settings.ln_go_on();
        let figure = |name: &str, value: f64, limit: f64| {
            Figure::new(name, value, Unit::LogEvidence).with_limit(limit)
        };
        let mut evidence =
            Evidence::new(summary).with_figure(figure("harm", test.ln_worse(), stop));
        for (reason, value) in Reason::ALL.into_iter().zip(test.evidence()) {
            evidence = evidence.with_figure(figure(reason.name(), value, stop));
        }
        let (errors, slow) = test.ln_no_worse();
        evidence = evidence.with_figure(figure("proof on errors", errors, go_on));
        if self.settings.judges_latency {
            evidence = evidence.with_figure(figure("proof on latency", slow, go_on));
        }
        let (margin, _) = test.margins_now();
        evidence = evidence.with_figure(Figure::new("margin", margin, Unit::Fraction));
        if let Some(certificate) = test.certificate() {
            let figure = Figure::new("certified margin", certificate.margin, Unit::Fraction);
            evidence = evidence.with_figure(figure.of(Side::Green));
        }
        evidence
    }
}

fn minute_of(bucket: &Bucket) -> i64 {
    bucket.start.as_second().div_euclid(60)
}

fn is_same_minute(minute: &Bucket, bucket: &Bucket) -> bool {
    minute_of(minute) == minute_of(bucket)
}

fn is_end_of_minute(bucket: &Bucket) -> bool {
    bucket.end().as_second().rem_euclid(60) == 0
}

/// Adds two buckets; a count that is unknown in either of them is unknown in the sum.
fn added(a: &Bucket, b: &Bucket) -> Bucket {
    let side = |side: Side| {
        let (a, b) = (a.sides.get(side), b.sides.get(side));
        Counts {
            requests: a.requests.zip(b.requests).map(|(a, b)| a + b),
            errors: a.errors.zip(b.errors).map(|(a, b)| a + b),
            slow: a.slow.zip(b.slow).map(|(a, b)| a + b),
            ..Counts::default()
        }
    };
    let sides = Sides {
        blue: side(Side::Blue),
        green: side(Side::Green),
    };
    Bucket::new(a.start, a.period, sides)
}

#[cfg(test)]
mod tests;
