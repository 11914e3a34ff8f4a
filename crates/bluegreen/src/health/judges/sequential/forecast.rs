//! [`forecast`]: how long a step will take at this traffic, before it begins.

use std::fmt;

use super::{
    Settings, StepMargins,
    accept::NoWorse,
    brakes::Brakes,
    reject::{Sample, Worse},
};

/// The forecast of one step, estimated from blue's usual traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Forecast {
    /// Green's share at the step, 0 to 1.
    pub share: f64,
    /// Requests on green per minute.
    pub green_requests: f64,
    /// Minutes until a green that is as good as blue is proved to be so, publication included; `None` if
    /// the step's time is over before.
    pub minutes: Option<u32>,
    /// The least error rate of green that is stopped before green could pass, with a probability of about
    /// 80 %; `None` if not even a total outage would be stopped.
    pub caught: Option<f64>,
}

/// Two lines for people.
impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (share, requests) = (100.0 * self.share, self.green_requests);
        write!(f, "{share:>5.1}%  {requests:.0} requests a minute: ")?;
        match self.minutes {
            Some(minutes) => write!(f, "about {minutes} min to prove green as good as blue")?,
            None => f.write_str("too few to prove green as good as blue in time")?,
        }
        f.write_str(";\n          ")?;
        match self.caught {
            Some(rate) => {
                let rate = 100.0 * rate;
                write!(
                    f,
                    "an error rate of {rate:.2}% or more is stopped with a probability of 80%"
                )
            }
            None => f.write_str("not even a total outage is stopped in time"),
        }
    }
}

/// Forecasts each step for a blue with this many requests per minute, of which this fraction fails.
///
/// An estimate by expected counts, not a bound: half of all runs take longer. If blue keeps nothing at
/// 100 %, its past is the control.
///
/// # Examples
///
/// ```
/// use bluegreen::health::sequential::{Settings, forecast};
///
/// let steps = forecast(600.0, 0.01, &[0.1, 0.5, 0.9], &Settings::default());
/// let minutes: u32 = steps.iter().filter_map(|step| step.minutes).sum();
/// assert!((25..45).contains(&minutes));
/// // With so little traffic no step can be proved.
/// let steps = forecast(2.0, 0.01, &[0.1], &Settings::default());
/// assert_eq!(steps[0].minutes, None);
/// ```
#[must_use]
pub fn forecast(requests: f64, errors: f64, shares: &[f64], settings: &Settings) -> Vec<Forecast> {
    let service = Service { requests, errors };
    let steps = shares.iter().map(|share| Forecast {
        share: *share,
        green_requests: requests * share,
        minutes: service.minutes(*share, errors, settings),
        caught: service.caught(*share, settings),
    });
    steps.collect()
}

/// Blue's usual traffic.
#[derive(Debug, Clone, Copy)]
struct Service {
    requests: f64,
    errors: f64,
}

/// The share above which a step is a last one, and the share above which blue gets nothing.
const LAST: f64 = 0.85;
const ALL: f64 = 0.999;
/// Minutes of the past that stand beside each minute of a last step.
const PAST: f64 = 4.0;

/// Returns the cost of several controls: any of them may prove green good, each at its part of the budget.
fn control_cost(controls: usize) -> f64 {
    if controls > 1 {
        std::f64::consts::LN_2
    } else {
        0.0
    }
}

/// The fraction of slow requests, by the definition of slow.
const SLOW: f64 = 0.1;
/// Minutes that pass before a minute is known.
const PUBLICATION: u32 = 2;
/// How far below its mean a count lies that is reached with a probability of 80 %, in standard deviations.
const LUCK: f64 = 0.84;

impl Service {
    /// Returns green and its control in a minute; the control has `others` times the requests of all.
    fn minute(&self, share: f64, others: f64, green: f64, blue: f64) -> (Sample, Sample) {
        let sample = |requests: f64, rate: f64| Sample {
            requests,
            bad: requests * rate,
        };
        (
            sample(self.requests * share, green),
            sample(self.requests * others, blue),
        )
    }

    fn margins(&self, share: f64, settings: &Settings) -> StepMargins {
        if self.requests > 0.0 && !settings.is_first_rule() {
            StepMargins::of_service(share, (self.requests, self.errors), settings)
        } else {
            StepMargins::of_share(share)
        }
    }

    /// Returns the minutes until a green that fails at this rate passes.
    fn minutes(&self, share: f64, green: f64, settings: &Settings) -> Option<u32> {
        let margins = self.margins(share, settings);
        // Each control: its share of the requests, and the multiple that is proved against it.
        let controls: &[(f64, f64)] = if share > ALL {
            &[(PAST, settings.accept_last)]
        } else if share > LAST {
            &[(1.0 - share, settings.accept), (PAST, settings.accept_last)]
        } else {
            &[(1.0 - share, settings.accept)]
        };
        let needed = settings.ln_go_on() + control_cost(controls.len());
        let mut proofs = vec![(NoWorse::default(), NoWorse::default()); controls.len()];
        for minute in 1..=margins.most_minutes {
            for ((others, ratio), (errors, slow)) in controls.iter().zip(&mut proofs) {
                // The first minute is a warm-up, but the past has none.
                if minute > 1 || *others >= PAST {
                    let (own, other) = self.minute(share, *others, green, self.errors);
                    errors.push(own, other, *ratio);
                    let (own, other) = self.minute(share, *others, SLOW, SLOW);
                    slow.push(own, other, settings.accept_slow);
                }
            }
            let (margin, slow_margin) = match settings.is_first_rule() {
                true => margins.at(minute),
                false => margins.beside(minute, self.errors),
            };
            let best = |value: &dyn Fn(&(NoWorse, NoWorse)) -> f64| {
                proofs.iter().map(value).fold(f64::NEG_INFINITY, f64::max)
            };
            let is_proved = best(&|(errors, _)| errors.ln_value(margin)) >= needed
                && (!settings.judges_latency
                    || best(&|(_, slow)| slow.ln_value(slow_margin)) >= needed);
            if is_proved && minute >= margins.least_minutes {
                return Some(minute + PUBLICATION);
            }
        }
        None
    }

    /// Returns the least rate that is stopped in time.
    fn caught(&self, share: f64, settings: &Settings) -> Option<f64> {
        let allowed = settings.errors.ratio * self.errors + settings.errors.excess;
        // In steps of a tenth, up to a total outage.
        let mut rate = allowed * 1.1;
        loop {
            let rate_now = rate.min(1.0);
            if self.is_stopped(share, rate_now, settings) {
                return Some(rate_now);
            }
            if rate >= 1.0 {
                return None;
            }
            rate *= 1.1;
        }
    }

    fn is_stopped(&self, share: f64, rate: f64, settings: &Settings) -> bool {
        let margins = self.margins(share, settings);
        let passes = self
            .minutes(share, rate, settings)
            .unwrap_or(margins.most_minutes);
        let (others, allowed) = if share > ALL {
            (PAST, settings.alone.0)
        } else {
            (1.0 - share, settings.errors)
        };
        // The evidence that is needed from the errors' part of the budget.
        let needed = settings.ln_stop() - 0.35_f64.ln();
        let mut worse = Worse::new();
        for minute in 2..=passes.saturating_sub(PUBLICATION) {
            let (mut own, other) = self.minute(share, others, rate, self.errors);
            let so_far = f64::from(minute - 1) * own.bad;
            let unlucky = (so_far - LUCK * so_far.sqrt()).max(0.0) / so_far.max(1e-12);
            own.bad *= unlucky;
            worse.push(own, &[other], allowed, (1.0, Brakes::default().cap));
            if worse.ln_value() >= needed {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(requests: f64, errors: f64, share: f64) -> Forecast {
        forecast(requests, errors, &[share], &Settings::default())[0]
    }

    /// Near the medians of simulated whole migrations: 22, 35 and 69 minutes.
    #[test]
    fn the_minutes_are_near_those_that_were_measured() {
        for (requests, from, to) in [(6_000.0, 18, 26), (600.0, 28, 42), (60.0, 55, 85)] {
            let steps = forecast(requests, 0.01, &[0.1, 0.5, 0.9], &Settings::default());
            let minutes: u32 = steps.iter().filter_map(|step| step.minutes).sum();
            assert!((from..=to).contains(&minutes), "{requests}: {minutes}");
        }
    }

    #[test]
    fn more_traffic_takes_less_time_and_catches_less_harm() {
        let (small, large) = (of(60.0, 0.01, 0.5), of(6_000.0, 0.01, 0.5));
        assert!(small.minutes > large.minutes);
        assert!(small.caught > large.caught, "{small:?} {large:?}");
        assert!(large.caught.is_some_and(|rate| rate < 0.025), "{large:?}");
    }

    #[test]
    fn a_service_without_traffic_cannot_be_proved() {
        for requests in [0.0, 0.5, 1.0] {
            assert_eq!(of(requests, 0.01, 0.1).minutes, None);
        }
        assert_eq!(of(0.0, 0.0, 0.1).caught, None);
    }
}
