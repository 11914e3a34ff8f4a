//! [`TrafficObservation`]: the routing as a splitter read it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{Percent, TrafficSplit};

/// One of the two services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The service that serves before the migration.
    Blue,
    /// The service that is to replace blue.
    Green,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blue => "blue",
            Self::Green => "green",
        })
    }
}

/// One value for each side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sides<T> {
    /// Blue's.
    pub blue: T,
    /// Green's.
    pub green: T,
}

impl<T> Sides<T> {
    /// Blue's value, then green's.
    ///
    /// # Examples
    ///
    /// ```
    /// use bluegreen::traffic::{Sides, TargetCounts};
    ///
    /// let weights = Sides::new(90, 10);
    /// assert_eq!((weights.blue, weights.green), (90, 10));
    /// assert_eq!(Sides::both(TargetCounts::all_healthy(4)).green.healthy, 4);
    /// ```
    #[must_use]
    pub const fn new(blue: T, green: T) -> Self {
        Self { blue, green }
    }

    /// The same value for both sides.
    #[must_use]
    pub fn both(value: T) -> Self
    where
        T: Clone,
    {
        Self::new(value.clone(), value)
    }

    /// The value of one side.
    #[must_use]
    pub fn get(&self, side: Side) -> &T {
        match side {
            Side::Blue => &self.blue,
            Side::Green => &self.green,
        }
    }

    /// The value of one side, to change it.
    pub(crate) fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Blue => &mut self.blue,
            Side::Green => &mut self.green,
        }
    }

    /// Both values through `f`.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Sides<U> {
        Sides {
            blue: f(self.blue),
            green: f(self.green),
        }
    }
}

impl TrafficSplit {
    /// The split as two weights, in tenths of a percent, so that every split is exact: their sum is 1000.
    ///
    /// # Examples
    ///
    /// ```
    /// use bluegreen::{Percent, TrafficSplit, traffic::Sides};
    ///
    /// assert_eq!(TrafficSplit::to_green(Percent::TEN).weights(), Sides::new(900, 100));
    /// ```
    #[must_use]
    pub fn weights(self) -> Sides<u32> {
        Sides::new(self.blue(), self.green()).map(|share| share.as_tenths().into())
    }
}

/// The number of a side's targets in each state, as the balancer sees them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TargetCounts {
    /// Pass their health checks and get traffic.
    pub healthy: u32,
    /// Fail their health checks.
    pub unhealthy: u32,
    /// Registered; health checks have not decided yet.
    pub initial: u32,
    /// Finish the requests that they have and get no new requests.
    pub draining: u32,
    /// In any other state: not attached to a rule, or checks unavailable.
    pub other: u32,
}

impl TargetCounts {
    /// `healthy` healthy targets and no others.
    #[must_use]
    pub fn all_healthy(healthy: u32) -> Self {
        Self {
            healthy,
            ..Self::default()
        }
    }

    /// All targets that are registered.
    #[must_use]
    pub fn registered(&self) -> u32 {
        self.healthy + self.unhealthy + self.initial + self.draining + self.other
    }
}

impl fmt::Display for TargetCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} healthy", self.healthy, self.registered())
    }
}

/// The traffic split as it was read, with everything that a later decision may need.
///
/// A value for the journal: plain data, nothing borrowed, no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrafficObservation {
    /// The relative weights as they stand; a share is a weight over the sum of both.
    pub weights: Sides<u32>,
    /// The targets of each side.
    pub targets: Sides<TargetCounts>,
    /// A versioned hash over everything else that routes this traffic. Two observations with
    /// equal weights and equal fingerprints describe the same routing.
    pub fingerprint: String,
    /// The content that the fingerprint is taken over, by field: it shows the difference between two
    /// fingerprints. Empty if the splitter does not tell.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rest: BTreeMap<String, String>,
    /// How long a client stays on the side that it first reached, even if the weights change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stickiness: Option<Duration>,
    /// The command by which a person puts everything back on blue without this program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_command: Option<String>,
}

impl TrafficObservation {
    /// An observation without stickiness and without a command.
    pub fn new(
        weights: Sides<u32>,
        targets: Sides<TargetCounts>,
        fingerprint: impl Into<String>,
    ) -> Self {
        Self {
            weights,
            targets,
            fingerprint: fingerprint.into(),
            rest: BTreeMap::new(),
            stickiness: None,
            restore_command: None,
        }
    }

    /// Adds the content that the fingerprint is taken over, by field.
    #[must_use]
    pub fn with_rest(mut self, rest: impl IntoIterator<Item = (String, String)>) -> Self {
        self.rest = rest.into_iter().collect();
        self
    }

    /// Adds how long clients stay on a side.
    #[must_use]
    pub fn with_stickiness(mut self, stickiness: Duration) -> Self {
        self.stickiness = Some(stickiness);
        self
    }

    /// Adds the command that restores blue by hand.
    #[must_use]
    pub fn with_restore_command(mut self, command: impl Into<String>) -> Self {
        self.restore_command = Some(command.into());
        self
    }

    /// The command that restores blue by hand, with a sentence before it. If blue had no healthy target,
    /// the sentence says so: everything would go to a side that cannot serve.
    #[must_use]
    pub fn restore_advice(&self) -> Option<String> {
        let command = self.restore_command.as_deref()?;
        let words = if self.targets.blue.healthy == 0 {
            "blue had no healthy target when last read: check blue first; to put everything back \
             on blue by hand"
        } else {
            "to put everything back on blue by hand"
        };
        Some(format!("{words}:\n    {command}"))
    }

    /// Green's share as a fraction, 0 to 1; 0 if no side has weight.
    #[must_use]
    pub fn green_share(&self) -> f64 {
        let sum = f64::from(self.weights.blue) + f64::from(self.weights.green);
        if sum > 0.0 {
            f64::from(self.weights.green) / sum
        } else {
            0.0
        }
    }

    /// Whether blue gets everything. `false` if both weights are 0.
    #[must_use]
    pub fn is_all_blue(&self) -> bool {
        self.weights.green == 0 && self.weights.blue > 0
    }

    /// Whether the weights are exactly this split, in any scale.
    #[must_use]
    pub fn is_at(&self, split: TrafficSplit) -> bool {
        let tenths = u64::from(split.green().as_tenths());
        let (blue, green) = (u64::from(self.weights.blue), u64::from(self.weights.green));
        blue + green > 0 && green * 1000 == tenths * (blue + green)
    }

    /// Whether both describe the same routing: equal weights, and the same rest.
    #[must_use]
    pub(crate) fn is_same_routing(&self, other: &Self) -> bool {
        self.weights == other.weights && self.is_same_rest(other)
    }

    /// Whether everything but the weights is the same. Fingerprints of different versions (`v1:…` and
    /// `v2:…`) cannot be compared, so they count as the same: they meet only if a newer program resumes
    /// a run.
    #[must_use]
    pub(crate) fn is_same_rest(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.fingerprint, &other.fingerprint);
        ours == theirs || matches!((version(ours), version(theirs)), (Some(a), Some(b)) if a != b)
    }

    /// The split rounded to a tenth of a percent, for people.
    #[must_use]
    pub fn nearest_split(&self) -> TrafficSplit {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a fraction of 0 to 1 times 1000 fits"
        )]
        let tenths = (self.green_share() * 1000.0).round() as u16;
        TrafficSplit::to_green(Percent::from_tenths(tenths).unwrap_or(Percent::HUNDRED))
    }

    /// The differences from `expected`, a line each; empty if the routing is the same.
    #[must_use]
    pub(crate) fn drift_from(&self, expected: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for side in [Side::Blue, Side::Green] {
            let (was, is) = (expected.weights.get(side), self.weights.get(side));
            if was != is {
                lines.push(format!("{side} weight: expected {was}, found {is}"));
            }
        }
        if !self.is_same_rest(expected) {
            let rest = self.rest_from(expected);
            if rest.is_empty() {
                lines.push(format!(
                    "the rest of the rule: expected {}, found {}",
                    expected.fingerprint, self.fingerprint
                ));
            }
            lines.extend(rest);
        }
        lines
    }

    /// The fields that differ, a line each.
    fn rest_from(&self, expected: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = expected.rest.keys().chain(self.rest.keys()).collect();
        let line = |name: &String| {
            let (was, is) = (expected.rest.get(name), self.rest.get(name));
            let shown = |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
            (was != is).then(|| format!("{name}: expected {}, found {}", shown(was), shown(is)))
        };
        names.into_iter().filter_map(line).collect()
    }
}

/// The version of a fingerprint: `v2` of `v2:0123456789abcdef`.
fn version(fingerprint: &str) -> Option<&str> {
    let (version, _) = fingerprint.split_once(':')?;
    let digits = version.strip_prefix('v')?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(version)
}

impl fmt::Display for TrafficObservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let green = (self.green_share() * 1000.0).round() / 10.0;
        write!(
            f,
            "blue {}% / green {green}% (weights {}:{})",
            (1000.0 - green * 10.0).round() / 10.0,
            self.weights.blue,
            self.weights.green
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_weights(blue: u32, green: u32) -> TrafficObservation {
        TrafficObservation::new(Sides { blue, green }, Sides::default(), "v1:x")
    }

    /// The guide's rule reads weight 1 and prints "1%" while green gets everything.
    #[test]
    fn p04_weights_are_relative() {
        let sole = with_weights(0, 1);
        assert!(sole.is_at(TrafficSplit::ALL_GREEN));
        assert_eq!(sole.to_string(), "blue 0% / green 100% (weights 0:1)");
        assert!(with_weights(1, 0).is_all_blue());
        assert!(!with_weights(0, 0).is_all_blue());
        assert!(!with_weights(0, 0).is_at(TrafficSplit::ALL_BLUE));
    }

    #[test]
    fn the_way_back_by_hand_warns_of_a_blue_that_cannot_serve() {
        let mut seen = with_weights(0, 100);
        assert_eq!(seen.restore_advice(), None);
        seen = seen.with_restore_command("aws …");
        let advice = seen.restore_advice().expect("a command");
        assert!(advice.starts_with("blue had no healthy target"), "{advice}");
        assert!(advice.ends_with(":\n    aws …"), "{advice}");
        seen.targets.blue.healthy = 1;
        let advice = seen.restore_advice();
        let usual = "to put everything back on blue by hand:\n    aws …";
        assert_eq!(advice.as_deref(), Some(usual));
    }

    #[test]
    fn drift_names_each_difference() {
        let mut found = with_weights(70, 30);
        found.fingerprint = "v1:y".into();
        assert_eq!(
            found.drift_from(&with_weights(90, 10)),
            [
                "blue weight: expected 90, found 70",
                "green weight: expected 10, found 30",
                "the rest of the rule: expected v1:x, found v1:y",
            ]
        );
        assert!(found.drift_from(&found).is_empty());
    }

    #[test]
    fn fingerprints_of_two_versions_cannot_differ() {
        let of = |fingerprint: &str| {
            let mut seen = with_weights(90, 10);
            seen.fingerprint = fingerprint.to_owned();
            seen
        };
        assert!(of("v1:a").is_same_rest(&of("v2:b")));
        for (one, other) in [
            ("v1:a", "v1:b"),
            ("a", "b"),
            ("v:a", "v1:b"),
            ("vx:a", "v1:a"),
        ] {
            assert!(!of(one).is_same_rest(&of(other)), "{one} {other}");
        }
    }

    #[test]
    fn drift_names_the_fields_before_and_after() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let before =
            with_weights(90, 10).with_rest([field("host", "a.example"), field("path", "/")]);
        let mut found = before
            .clone()
            .with_rest([field("path", "/chat"), field("port", "443")]);
        assert!(
            found.drift_from(&before).is_empty(),
            "the fingerprint decides"
        );
        found.fingerprint = "v1:y".into();
        assert_eq!(
            found.drift_from(&before),
            [
                "host: expected a.example, found nothing",
                "path: expected /, found /chat",
                "port: expected nothing, found 443",
            ]
        );
    }

    proptest! {
        #[test]
        fn nearest_split_of_an_exact_one_is_itself(tenths in 0_u16..=1000) {
            let split = TrafficSplit::to_green(Percent::from_tenths(tenths).expect("in range"));
            let seen = with_weights(1000 - u32::from(tenths), u32::from(tenths));
            prop_assert!(seen.is_at(split));
            prop_assert_eq!(seen.nearest_split(), split);
        }
    }
}
