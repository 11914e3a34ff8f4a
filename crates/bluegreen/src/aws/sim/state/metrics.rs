//! The traffic, second by second, and how CloudWatch publishes it.

use std::time::Duration;

use crate::traffic::{Side, Sides};

/// The requests of one side in one second.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Second {
    pub(in crate::aws::sim) requests: u32,
    pub(in crate::aws::sim) ok: u32,
    pub(super) client_errors: u32,
    pub(in crate::aws::sim) errors: u32,
    pub(in crate::aws::sim) refused: u32,
    /// The sum over all responses, in seconds.
    pub(super) latency_sum: f64,
    pub(super) latency_min: f64,
    pub(super) latency_max: f64,
    /// The latency of each response, in seconds.
    pub(super) latencies: Vec<f32>,
    pub(super) is_silent: bool,
}

impl Second {
    pub(super) fn responses(&self) -> u32 {
        self.ok + self.client_errors + self.errors
    }
}

/// All seconds since the start, and as many before it as calls have asked for.
#[derive(Debug, Default)]
pub(in crate::aws::sim) struct Seconds {
    since: Vec<Sides<Second>>,
    /// The last one before the start comes first.
    before: Vec<Sides<Second>>,
}

/// A metric that the simulation publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::aws::sim) enum Metric {
    Requests,
    Ok,
    ClientErrors,
    Errors,
    Refused,
    Latency,
    /// Made by the balancer itself; known per balancer only.
    BalancerErrors,
    AppErrors,
    AppSuccesses,
    AppLatency,
}

/// The statistics that CloudWatch keeps of a metric's period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::aws::sim) struct Statistics {
    pub(in crate::aws::sim) sum: f64,
    pub(in crate::aws::sim) count: f64,
    pub(in crate::aws::sim) min: f64,
    pub(in crate::aws::sim) max: f64,
}

impl Statistics {
    /// A statistic by its name; `None` if the simulation does not keep it.
    pub(in crate::aws::sim) fn get(&self, name: &str) -> Option<f64> {
        match name {
            "Sum" => Some(self.sum),
            "SampleCount" => Some(self.count),
            "Average" => Some(self.sum / self.count),
            "Minimum" => Some(self.min),
            "Maximum" => Some(self.max),
            _ => None,
        }
    }
}

impl Seconds {
    pub(super) fn push(&mut self, second: Sides<Second>) {
        self.since.push(second);
    }

    pub(in crate::aws::sim) fn len(&self) -> usize {
        self.since.len()
    }

    /// How many seconds before the start are known.
    pub(in crate::aws::sim) fn past(&self) -> usize {
        self.before.len()
    }

    pub(super) fn push_past(&mut self, second: Sides<Second>) {
        self.before.push(second);
    }

    /// The seconds `from..to` since the start, negative ones before it, as far as they are known.
    fn range(&self, from: i64, to: i64) -> impl Iterator<Item = &Sides<Second>> {
        (from..to).filter_map(|second| match usize::try_from(second) {
            Ok(since) => self.since.get(since),
            Err(_) => self.before.get(usize::try_from(-1 - second).ok()?),
        })
    }

    pub(in crate::aws::sim) fn totals(&self) -> Sides<(u64, u64)> {
        let mut totals = Sides::<(u64, u64)>::default();
        for second in &self.since {
            for side in [Side::Blue, Side::Green] {
                let (at, total) = (second.get(side), totals.get_mut(side));
                total.0 += u64::from(at.requests);
                total.1 += u64::from(at.errors + at.refused);
            }
        }
        totals
    }

    /// A metric over the seconds `from..to`; `None` if CloudWatch has no data point.
    pub(in crate::aws::sim) fn statistics(
        &self,
        metric: Metric,
        side: Side,
        from: i64,
        to: i64,
    ) -> Option<Statistics> {
        let mut all: Option<Statistics> = None;
        for second in self.range(from, to) {
            let one = match metric {
                Metric::BalancerErrors => {
                    let refused = second.blue.refused + second.green.refused;
                    counted(refused)
                }
                _ => one(metric, second.get(side)),
            };
            let Some(one) = one else { continue };
            all = Some(match all {
                None => one,
                Some(all) => Statistics {
                    sum: all.sum + one.sum,
                    count: all.count + one.count,
                    min: all.min.min(one.min),
                    max: all.max.max(one.max),
                },
            });
        }
        all
    }

    /// A statistic over the distribution of latencies: a percentile or a trimmed count; `None` if
    /// CloudWatch has no data point, or the simulation no such statistic.
    pub(in crate::aws::sim) fn distribution(
        &self,
        metric: Metric,
        side: Side,
        from: i64,
        to: i64,
        statistic: &str,
    ) -> Option<f64> {
        let unit = match metric {
            Metric::Latency => 1.0,
            Metric::AppLatency => 1_000.0,
            _ => return None,
        };
        let seconds = self.range(from, to).map(|second| second.get(side));
        let heard = seconds.filter(|second| !second.is_silent);
        let mut values: Vec<f64> = heard
            .flat_map(|second| &second.latencies)
            .map(|latency| f64::from(*latency) * unit)
            .collect();
        if values.is_empty() {
            return None;
        }
        values.sort_by(f64::total_cmp);
        if let Some(limit) = statistic.strip_prefix("TC(:") {
            let limit: f64 = limit.strip_suffix(')')?.parse().ok()?;
            return Some(trimmed_count(&values, limit));
        }
        let percent: f64 = statistic.strip_prefix('p')?.parse().ok()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        let index = ((percent / 100.0) * values.len() as f64).ceil() as usize;
        values.get(index.clamp(1, values.len()) - 1).copied()
    }
}

/// How many of the sorted values are up to a limit: an interpolated approximation, as CloudWatch's
/// is, from bins that are a tenth wide.
fn trimmed_count(sorted: &[f64], limit: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let up_to = |edge: f64| sorted.partition_point(|value| *value <= edge) as f64;
    let bin = (limit.ln() / 1.1_f64.ln()).floor();
    let (low, high) = (1.1_f64.powf(bin), 1.1_f64.powf(bin + 1.0));
    let part = ((limit - low) / (high - low)).clamp(0.0, 1.0);
    up_to(low) + part * (up_to(high) - up_to(low))
}

fn one(metric: Metric, second: &Second) -> Option<Statistics> {
    if second.is_silent {
        return None;
    }
    let latency = |unit: f64| {
        (second.responses() > 0).then(|| Statistics {
            sum: second.latency_sum * unit,
            count: f64::from(second.responses()),
            min: second.latency_min * unit,
            max: second.latency_max * unit,
        })
    };
    match metric {
        Metric::Requests => counted(second.requests),
        Metric::Ok => counted(second.ok),
        Metric::ClientErrors => counted(second.client_errors),
        Metric::Errors | Metric::AppErrors => counted(second.errors),
        Metric::Refused => counted(second.refused),
        Metric::AppSuccesses => counted(second.ok + second.client_errors),
        Metric::Latency => latency(1.0),
        Metric::AppLatency => latency(1000.0),
        Metric::BalancerErrors => None,
    }
}

/// A count has a data point only if it is not zero.
fn counted(count: u32) -> Option<Statistics> {
    (count > 0).then(|| Statistics {
        sum: f64::from(count),
        count: 1.0,
        min: f64::from(count),
        max: f64::from(count),
    })
}

/// The delays of CloudWatch.
#[derive(Debug, Clone, Copy)]
pub(in crate::aws::sim) struct Publication {
    /// A balancer's minute is complete this long after its end.
    pub(in crate::aws::sim) complete_after: Duration,
}

/// Before it is complete, a part of a balancer's minute shows from this long after its end.
const PART_AFTER: Duration = Duration::from_secs(15);
/// That part, in percent of the minute.
const PART: i64 = 70;
/// An application's metrics show this long after each second.
const APP_AFTER: Duration = Duration::from_secs(10);

impl Publication {
    /// The end of the part of the period `from..to`, in seconds since the start, that shows at `now`.
    pub(in crate::aws::sim) fn visible(
        self,
        metric: Metric,
        from: i64,
        to: i64,
        now: Duration,
    ) -> i64 {
        let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let after = |delay: Duration| i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        if matches!(
            metric,
            Metric::AppErrors | Metric::AppSuccesses | Metric::AppLatency
        ) {
            return (now - after(APP_AFTER)).div_euclid(1_000).clamp(from, to);
        }
        // A longer period shows minute by minute.
        let mut shown = from;
        let mut minute = from;
        while minute < to {
            let end = (minute + 60).min(to);
            let ended = end * 1_000;
            if now >= ended + after(self.complete_after) {
                shown = end;
            } else if now >= ended + after(PART_AFTER) {
                return minute + (end - minute) * PART / 100;
            } else {
                return shown;
            }
            minute = end;
        }
        shown
    }
}
