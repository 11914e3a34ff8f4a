//! [`Brakes`]: how much one minute may win, set by the service's own past.

use serde::{Deserialize, Serialize};

use super::reject::Sample;

/// The most that a bet may win in one minute, in nats, and how many minutes of pure chance count as seen
/// before the first. The more of either, the faster harm is stopped, and the more a burst of green's own
/// counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Brakes {
    pub(super) cap: f64,
    pub(super) chance: f64,
}

/// For a service that is bursty, or of which too little is known: three minutes decide at the earliest.
impl Default for Brakes {
    fn default() -> Self {
        Self {
            cap: 2.5,
            chance: 2.0,
        }
    }
}

/// For a service whose bad requests come by chance alone: one minute may decide.
const FAST: Brakes = Brakes {
    cap: 10.0,
    chance: 10.0,
};
/// Two neighbours with fewer bad requests than this together say nothing of bursts.
const LEAST_BAD: f64 = 5.0;
/// Fewer pairs of neighbours than this prove nothing.
const LEAST_PAIRS: f64 = 100.0;
/// How far above chance the spread may lie, in standard deviations.
const TOLERANCE: f64 = 2.5;

impl Brakes {
    /// Returns the brakes for a side with these minutes, in the order of time or against it.
    ///
    /// The squared difference of two neighbouring rates, over the variance that independent requests give
    /// it, has a mean of 1. A steady change of the rate hardly moves the mean, and bursts raise it. Over
    /// `m` pairs its standard deviation is about `sqrt(3 / m)`, since each minute stands in two pairs.
    pub(super) fn of_past(minutes: impl Iterator<Item = Sample>) -> Self {
        let (mut sum, mut pairs, mut last) = (0.0, 0.0, None::<Sample>);
        for minute in minutes {
            if minute.requests <= 0.0 {
                last = None;
                continue;
            }
            if let Some(before) = last.replace(minute)
                && before.bad + minute.bad >= LEAST_BAD
            {
                let rate = (before.bad + minute.bad) / (before.requests + minute.requests);
                let chance = rate * (1.0 - rate) * (1.0 / before.requests + 1.0 / minute.requests);
                let difference = minute.bad / minute.requests - before.bad / before.requests;
                sum += difference.powi(2) / chance.max(1e-12);
                pairs += 1.0;
            }
        }
        let is_by_chance =
            pairs >= LEAST_PAIRS && sum / pairs <= 1.0 + TOLERANCE * (3.0 / pairs).sqrt();
        if is_by_chance { FAST } else { Self::default() }
    }

    pub(super) fn are_fast(self) -> bool {
        self == FAST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minutes of 1,000 requests whose bad ones alternate around 20 by `swing`.
    fn past(minutes: usize, swing: f64) -> impl Iterator<Item = Sample> {
        (0..minutes).map(move |minute| Sample {
            requests: 1_000.0,
            bad: 20.0
                + if minute.is_multiple_of(2) {
                    swing
                } else {
                    -swing
                },
        })
    }

    /// Two neighbours differ by `2 s / 1000`. Chance gives a variance of `2 · 0.02 · 0.98 / 1000`, so the
    /// index is `4 s² / 39.2`. Over 239 pairs the border is `1 + 2.5 sqrt(3 / 239)`, which is 1.2801, and
    /// so `s` is 3.5419 there.
    #[test]
    fn the_border_lies_where_chance_ends() {
        assert_eq!(Brakes::of_past(past(240, 3.541)), FAST);
        assert_eq!(Brakes::of_past(past(240, 3.543)), Brakes::default());
    }

    #[test]
    fn what_is_not_known_keeps_its_brakes() {
        assert_eq!(Brakes::of_past(past(101, 0.0)), FAST);
        assert_eq!(
            Brakes::of_past(past(100, 0.0)),
            Brakes::default(),
            "99 pairs"
        );
        let rare = (0..240).map(|_| Sample {
            requests: 60.0,
            bad: 1.0,
        });
        assert_eq!(Brakes::of_past(rare), Brakes::default());
        assert_eq!(Brakes::of_past(std::iter::empty()), Brakes::default());
    }

    /// A rate that triples in four hours is no burst.
    #[test]
    fn a_steady_change_is_no_burst() {
        let drifts = (0..240).map(|minute| Sample {
            requests: 1_000.0,
            bad: 20.0 + f64::from(minute) / 6.0,
        });
        assert!(Brakes::of_past(drifts).are_fast());
    }
}
