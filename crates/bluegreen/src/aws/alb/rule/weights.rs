//! Weights of target groups, and the weights that express a split.

use crate::traffic::{Sides, TrafficSplit};

/// The weight of a target group in a forward action, 0 to 999
/// ([ELB API](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupTuple.html)).
/// Relative to the others; 0 sends nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::aws::alb) struct AlbWeight(u16);

impl AlbWeight {
    /// The largest weight.
    pub(super) const MAX: u16 = 999;

    /// Reads the API's value; `None` if it is out of range.
    pub(super) fn from_api(weight: i32) -> Option<Self> {
        let weight = u16::try_from(weight).ok()?;
        (weight <= Self::MAX).then_some(Self(weight))
    }

    /// The API's value.
    pub(super) fn as_api(self) -> i32 {
        i32::from(self.0)
    }
}

impl From<AlbWeight> for u32 {
    fn from(weight: AlbWeight) -> Self {
        Self::from(weight.0)
    }
}

/// Returns the weights that are exactly `split`: of 100 for whole percents, which are easy to read in
/// the console, and of 1,000 for tenths, which give no side more than 999.
pub(in crate::aws::alb) fn weights_of(split: TrafficSplit) -> Sides<AlbWeight> {
    let green = split.green().as_tenths();
    let scale = if green.is_multiple_of(10) { 10 } else { 1 };
    Sides {
        blue: AlbWeight((1000 - green) / scale),
        green: AlbWeight(green / scale),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::{Percent, TrafficObservation};

    fn pair(tenths: u16) -> (i32, i32) {
        let split = TrafficSplit::to_green(Percent::from_tenths(tenths).unwrap());
        let weights = weights_of(split);
        (weights.blue.as_api(), weights.green.as_api())
    }

    #[test]
    fn p03_every_percent_has_exact_weights_in_range() {
        for tenths in 0..=1000 {
            let split = TrafficSplit::to_green(Percent::from_tenths(tenths).unwrap());
            let weights = weights_of(split);
            let seen = TrafficObservation::new(weights.map(u32::from), Sides::default(), "v1:rule");
            assert!(seen.is_at(split), "{split}: {weights:?}");
            for weight in [weights.blue, weights.green] {
                assert_eq!(AlbWeight::from_api(weight.as_api()), Some(weight));
            }
        }
    }

    #[test]
    fn whole_percents_are_written_as_people_read_them() {
        assert_eq!(pair(0), (100, 0));
        assert_eq!(pair(100), (90, 10));
        assert_eq!(pair(1000), (0, 100));
        assert_eq!(pair(1), (999, 1));
        assert_eq!(pair(125), (875, 125));
        assert_eq!(pair(999), (1, 999));
    }

    #[test]
    fn weights_outside_of_the_api_are_none() {
        assert_eq!(AlbWeight::from_api(-1), None);
        assert_eq!(AlbWeight::from_api(1000), None);
        assert_eq!(AlbWeight::from_api(i32::MAX), None);
        assert_eq!(AlbWeight::from_api(999).map(AlbWeight::as_api), Some(999));
    }
}
