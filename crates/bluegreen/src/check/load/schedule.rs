//! [`Schedule`]: when each request is due, whatever the service answers.

use std::time::Duration;

use crate::health::as_f64;

/// When requests are due: at a constant rate, after a linear ramp from zero.
///
/// The times are fixed before the first request, so a slow service gets as many requests as a fast service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Schedule {
    rate: f64,
    ramp: f64,
    duration: f64,
}

impl Schedule {
    /// A schedule of `rate` requests a second, which is reached after `ramp`, until `duration`.
    pub(crate) fn new(rate: f64, ramp: Duration, duration: Duration) -> Self {
        Self {
            rate,
            ramp: ramp.min(duration).as_secs_f64(),
            duration: duration.as_secs_f64(),
        }
    }

    /// The number of requests.
    pub(crate) fn len(&self) -> u64 {
        let in_ramp = self.rate * self.ramp / 2.0;
        let all = in_ramp + self.rate * (self.duration - self.ramp);
        // A request that is due at the very end is not sent.
        whole((all - 1e-9).ceil())
    }

    /// The time at which the request with this number, counted from 0, is due.
    pub(crate) fn due(&self, number: u64) -> Duration {
        let number = as_f64(number);
        let in_ramp = self.rate * self.ramp / 2.0;
        let seconds = match number < in_ramp {
            // In the ramp, `rate t² / (2 ramp)` requests are due until `t`.
            true => (2.0 * self.ramp * number / self.rate).sqrt(),
            false => self.ramp + (number - in_ramp) / self.rate,
        };
        Duration::from_secs_f64(seconds)
    }

    /// The requests that are due in the second with this number.
    pub(crate) fn due_in(&self, second: u64) -> u64 {
        let until = |second: u64| {
            let t = as_f64(second).min(self.duration);
            let due = match t < self.ramp {
                true => self.rate * t * t / (2.0 * self.ramp),
                false => self.rate * self.ramp / 2.0 + self.rate * (t - self.ramp),
            };
            whole((due - 1e-9).ceil())
        };
        until(second + 1) - until(second)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count that is not negative, far below 2^53"
)]
fn whole(count: f64) -> u64 {
    count.max(0.0) as u64
}

/// Chooses requests by their weights, evenly: of weights 3 and 1, every fourth request is of the second kind.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    weights: Vec<i64>,
    standing: Vec<i64>,
}

impl Choice {
    pub(crate) fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let weights: Vec<i64> = weights.into_iter().map(i64::from).collect();
        Self {
            standing: vec![0; weights.len()],
            weights,
        }
    }

    /// Returns the place of the next request in the list.
    pub(crate) fn next(&mut self) -> usize {
        let sum: i64 = self.weights.iter().sum();
        for (standing, weight) in self.standing.iter_mut().zip(&self.weights) {
            *standing += weight;
        }
        // The first of the highest.
        let highest = self.standing.iter().copied().max().unwrap_or_default();
        let chosen = self.standing.iter().position(|one| *one == highest);
        let chosen = chosen.unwrap_or_default();
        if let Some(standing) = self.standing.get_mut(chosen) {
            *standing -= sum;
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_constant_rate_is_due_at_equal_intervals() {
        let schedule = Schedule::new(20.0, Duration::ZERO, secs(3.0));
        assert_eq!(schedule.len(), 60);
        let due: Vec<f64> = (0..3).map(|n| schedule.due(n).as_secs_f64()).collect();
        assert_eq!(due, [0.0, 0.05, 0.1]);
        assert_eq!(schedule.due(59), secs(2.95));
        assert_eq!(schedule.due_in(2), 20);
        assert_eq!(schedule.due_in(3), 0);
    }

    /// Half of the rate on average while it rises: 10 s to 20 a second are 100 requests, then 20 a second.
    #[test]
    fn a_ramp_rises_evenly_to_the_rate() {
        let schedule = Schedule::new(20.0, secs(10.0), secs(12.0));
        assert_eq!(schedule.len(), 140);
        assert_eq!(schedule.due(100), secs(10.0));
        assert_eq!(schedule.due(120), secs(11.0));
        // 25 of 100 requests are due in the first half of the ramp.
        assert_eq!(schedule.due(25), secs(5.0));
        let by_second: Vec<u64> = (0..12).map(|second| schedule.due_in(second)).collect();
        assert_eq!(by_second.iter().sum::<u64>(), 140);
        for (second, wanted) in (0_u64..).zip(&by_second) {
            let due = (0..140).filter(|n| schedule.due(*n).as_secs() == second);
            assert_eq!(due.count() as u64, *wanted, "in second {second}");
        }
    }

    #[test]
    fn less_than_one_request_a_second_is_a_schedule_too() {
        let schedule = Schedule::new(0.4, Duration::ZERO, secs(10.0));
        assert_eq!(schedule.len(), 4);
        assert_eq!(schedule.due(3), secs(7.5));
    }

    #[test]
    fn requests_are_chosen_by_their_weights() {
        let mut choice = Choice::new([3, 1]);
        let chosen: Vec<usize> = (0..8).map(|_| choice.next()).collect();
        assert_eq!(chosen, [0, 0, 1, 0, 0, 0, 1, 0]);
        let mut choice = Choice::new([1]);
        assert_eq!((choice.next(), choice.next()), (0, 0));
    }
}
