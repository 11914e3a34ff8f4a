//! [`MigrationForecast`]: how long each step takes at the traffic of the hour before.

use std::{fmt, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{MigrationSpec, Target, target::invalid};
use crate::{
    aws::Aws,
    error::Result,
    health::{
        MetricSource, Window,
        sequential::{Forecast, MinuteSide, forecast},
    },
    preflight::Finding,
};

/// How much of the old side's past a forecast reads.
const PAST: Duration = Duration::from_secs(3_600);
/// The time span of one read.
const PORTION: SignedDuration = SignedDuration::from_hours(6);
/// The newest minutes are not complete yet.
const SETTLING: SignedDuration = SignedDuration::from_mins(5);

/// How long each step takes at the traffic of the hour before, and which faults it would catch.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MigrationForecast {
    /// Requests a minute of the old side, on average.
    pub requests_a_minute: f64,
    /// The fraction of these requests that failed, 0 to 1.
    pub error_rate: f64,
    /// Each step that is decided by proof. Empty if there was no request.
    pub steps: Vec<Forecast>,
    /// How long green is judged at 100 % after these steps.
    pub(crate) at_all: Duration,
}

impl MigrationForecast {
    /// Whether each step can be decided in its time.
    #[must_use]
    pub(crate) fn is_decidable(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(|step| step.minutes.is_some())
    }

    /// Why the migration should not begin, if a step cannot be decided.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        if self.is_decidable() {
            return None;
        }
        Some(match self.steps.is_empty() {
            true => Finding::refusal(
                "blue had no request in the last hour, so no forecast is possible",
            )
            .with_hint(
                "check that blue's target group and the region are right; if they are, send \
                     requests (synthetic requests count), or judge by the limits alone",
            ),
            false => Finding::refusal("a step could not be decided at this traffic").with_hint(
                "give the steps larger shares, send synthetic requests, or judge by the limits alone",
            ),
        })
    }
}

/// The traffic, two lines for each step, and how long the steps take in all.
impl fmt::Display for MigrationForecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str("blue in the last hour: no request");
        }
        let (requests, rate) = (self.requests_a_minute, 100.0 * self.error_rate);
        write!(
            f,
            "blue in the last hour: {requests:.0} requests a minute, {rate:.2}% of them failed"
        )?;
        for step in &self.steps {
            write!(f, "\n  {step}")?;
        }
        let minutes: Option<u32> = self.steps.iter().map(|step| step.minutes).sum();
        let Some(minutes) = minutes else {
            return Ok(());
        };
        match self.at_all.as_secs().div_ceil(60) {
            0 => write!(f, "\n  at this traffic about {minutes} min in all"),
            more => {
                let all = u64::from(minutes) + more;
                write!(
                    f,
                    "\n  100.0%  judged for {more} min more\
                     \n  at this traffic about {all} min in all"
                )
            }
        }
    }
}

impl MigrationSpec {
    /// Forecasts how long each step takes at the traffic of the hour before. `None` if the limits alone
    /// judge: they need no proof. Reads metrics only.
    ///
    /// # Errors
    ///
    /// `Invalid` if the specification is not valid; other kinds if the read failed.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn forecast(&self, aws: &Aws, target: &Target) -> Result<Option<MigrationForecast>> {
        let plan = self.plan().map_err(invalid)?;
        let Some(settings) = self.comparison() else {
            return Ok(None);
        };
        let minutes = self.past(aws, target, PAST).await?;
        let requests: u64 = minutes.iter().map(|side| side.requests).sum();
        let errors: u64 = minutes.iter().map(|side| side.errors.low()).sum();
        if requests == 0 {
            return Ok(Some(MigrationForecast {
                requests_a_minute: 0.0,
                error_rate: 0.0,
                steps: Vec::new(),
                at_all: Duration::ZERO,
            }));
        }
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let (requests_a_minute, error_rate) = (
            requests as f64 / minutes.len() as f64,
            errors as f64 / requests as f64,
        );
        let steps = plan.steps().iter().map(|step| step.green.as_fraction());
        // After a step that holds a share back on blue, the last step only watches.
        let held = plan.steps().iter().rev().nth(1);
        let is_held = held.is_some_and(|step| step.green.as_fraction() > 0.85);
        let shares: Vec<f64> = steps.filter(|share| *share < 1.0 || !is_held).collect();
        let last = plan.steps().last().filter(|_| is_held);
        let last = last.map_or(Duration::ZERO, |step| plan.bake_of(step));
        Ok(Some(MigrationForecast {
            at_all: last.saturating_add(plan.final_bake()),
            requests_a_minute,
            error_rate,
            steps: forecast(requests_a_minute, error_rate, &shares, &settings),
        }))
    }

    /// Reads the minutes of the side that serves, oldest first, without unknown minutes. CloudWatch keeps
    /// minutes for 15 days. Input for [`calibrate`](crate::health::sequential::calibrate).
    ///
    /// # Errors
    ///
    /// `Invalid` if there are no such metrics; other kinds if the read failed.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn past(
        &self,
        aws: &Aws,
        target: &Target,
        past: Duration,
    ) -> Result<Vec<MinuteSide>> {
        let source = self.source(aws, target)?;
        let (source, now) = (source.as_dyn(), aws.clock().now());
        let there = || {
            let ahead = source.ahead(now).unwrap_or_default();
            now.saturating_add(ahead).unwrap_or(now)
        };
        let asked = there();
        let minutes = until(source, asked, past).await?;
        // The first answer may show that the source's clock differs from ours; then the window was wrong.
        match there() {
            told if told == asked => Ok(minutes),
            told => until(source, told, past).await,
        }
    }
}

/// Reads blue's minutes up to `now` by the source's clock.
async fn until(
    source: &dyn MetricSource,
    now: Timestamp,
    past: Duration,
) -> Result<Vec<MinuteSide>> {
    let period = SignedDuration::try_from(source.period()).unwrap_or(SignedDuration::from_mins(1));
    let grid = period.as_secs().max(60);
    let floor = |at: Timestamp| {
        let second = at.as_second().div_euclid(grid) * grid;
        Timestamp::from_second(second).unwrap_or(at)
    };
    let end = floor(now - SETTLING);
    let past = SignedDuration::try_from(past).unwrap_or(PORTION);
    let mut from = floor(end - past);
    let mut minutes = Vec::new();
    while from < end {
        let to = floor(from + PORTION).min(end);
        let mut buckets = source.read(&Window::new(from, to)).await?;
        buckets.sort_by_key(|bucket| bucket.start);
        let known = buckets.iter().map(|bucket| &bucket.sides.blue);
        minutes.extend(known.filter_map(MinuteSide::of));
        from = to;
    }
    Ok(minutes)
}
