//! What happened, second by second, and how CloudWatch publishes it.

use std::time::Duration;

use crate::traffic::{Side, Sides};

/// One side's second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Second {
    pub(super) requests: u32,
    pub(super) ok: u32,
    pub(super) client_errors: u32,
    pub(super) errors: u32,
    pub(super) refused: u32,
    /// Of all responses, in seconds.
    pub(super) latency_sum: f64,
    pub(super) latency_min: f64,
    pub(super) latency_max: f64,
    pub(super) is_silent: bool,
}

impl Second {
    pub(super) fn responses(&self) -> u32 {
        self.ok + self.client_errors + self.errors
    }
}

/// All seconds since the start.
#[derive(Debug, Default)]
pub(super) struct Seconds(Vec<Sides<Second>>);

/// A metric that the simulation publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
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

/// What CloudWatch keeps of a metric's period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Statistics {
    pub(super) sum: f64,
    pub(super) count: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Statistics {
    /// A statistic by its name; none for what the simulation does not keep.
    pub(super) fn get(&self, name: &str) -> Option<f64> {
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
        self.0.push(second);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn totals(&self) -> Sides<(u64, u64)> {
        let mut totals = Sides::<(u64, u64)>::default();
        for second in &self.0 {
            for side in [Side::Blue, Side::Green] {
                let (at, total) = (second.get(side), totals.get_mut(side));
                total.0 += u64::from(at.requests);
                total.1 += u64::from(at.errors + at.refused);
            }
        }
        totals
    }

    /// A metric over the seconds `from..to`; `None` where CloudWatch has no data point.
    pub(super) fn statistics(
        &self,
        metric: Metric,
        side: Side,
        from: usize,
        to: usize,
    ) -> Option<Statistics> {
        let seconds = self.0.get(from..to.min(self.0.len()))?;
        let mut all: Option<Statistics> = None;
        for second in seconds {
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

/// A count has a data point only where it is not zero.
fn counted(count: u32) -> Option<Statistics> {
    (count > 0).then(|| Statistics {
        sum: f64::from(count),
        count: 1.0,
        min: f64::from(count),
        max: f64::from(count),
    })
}

/// How soon CloudWatch shows what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Publication {
    /// A balancer's minute is complete this long after its end.
    pub(super) complete_after: Duration,
}

/// Before it is complete, a part of a balancer's minute shows from this long after its end.
const PART_AFTER: Duration = Duration::from_secs(15);
/// That part, in percent of the minute.
const PART: u64 = 70;
/// An application's metrics show this long after each second.
const APP_AFTER: Duration = Duration::from_secs(10);

impl Publication {
    /// Of the period `from..to`, in seconds since the start, what shows at `now`: its end.
    pub(super) fn visible(self, metric: Metric, from: u64, to: u64, now: Duration) -> u64 {
        if matches!(
            metric,
            Metric::AppErrors | Metric::AppSuccesses | Metric::AppLatency
        ) {
            return now.saturating_sub(APP_AFTER).as_secs().clamp(from, to);
        }
        // A longer period shows minute by minute.
        let mut shown = from;
        let mut minute = from;
        while minute < to {
            let end = (minute + 60).min(to);
            let ended = Duration::from_secs(end);
            if now >= ended + self.complete_after {
                shown = end;
            } else if now >= ended + PART_AFTER {
                return minute + (end - minute) * PART / 100;
            } else {
                return shown;
            }
            minute = end;
        }
        shown
    }
}
