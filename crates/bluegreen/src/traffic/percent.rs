//! [`Percent`] and [`TrafficSplit`].

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::ParseError;

/// A share of traffic: 0 to 100 percent in steps of 0.1.
///
/// A tenth of a percent is the finest share that two target groups of an Application Load
/// Balancer can hold, whose weights go from 0 to 999
/// ([ELB API](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupTuple.html)):
/// 1 to 999. So every `Percent` can be written exactly.
///
/// # Examples
///
/// ```
/// use bluegreen::Percent;
///
/// let probe: Percent = "0.5".parse()?;
/// assert!(probe < Percent::from_whole(10)?);
/// assert_eq!(probe.to_string(), "0.5%");
///
/// let error = "10.25".parse::<Percent>().unwrap_err();
/// assert_eq!(error.to_string(), "`10.25` is finer than a tenth of a percent");
/// # Ok::<(), bluegreen::error::ParseError>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Percent(u16);

impl Percent {
    /// No traffic.
    pub const ZERO: Self = Self(0);
    /// The first step of the guide.
    pub const TEN: Self = Self(100);
    /// Half of the traffic.
    pub const FIFTY: Self = Self(500);
    /// All traffic.
    pub const HUNDRED: Self = Self(1000);

    /// From whole percents, 0 to 100.
    ///
    /// # Errors
    ///
    /// [`ParseError`] above 100.
    pub fn from_whole(percent: u8) -> Result<Self, ParseError> {
        Self::from_tenths(u16::from(percent) * 10).map_err(|_| out_of_range(percent))
    }

    /// From tenths of a percent, 0 to 1,000.
    ///
    /// # Errors
    ///
    /// [`ParseError`] above 1,000.
    pub fn from_tenths(tenths: u16) -> Result<Self, ParseError> {
        if tenths > 1000 {
            let percent = f64::from(tenths) / 10.0;
            return Err(out_of_range(percent));
        }
        Ok(Self(tenths))
    }

    /// In tenths of a percent, 0 to 1,000.
    #[must_use]
    pub fn as_tenths(self) -> u16 {
        self.0
    }

    /// As a fraction, 0 to 1.
    #[must_use]
    pub fn as_fraction(self) -> f64 {
        f64::from(self.0) / 1000.0
    }

    /// The rest to 100%.
    #[must_use]
    pub(crate) fn complement(self) -> Self {
        Self(1000 - self.0)
    }
}

impl FromStr for Percent {
    type Err = ParseError;

    /// Reads `10`, `0.5` or `10%`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.trim();
        let number = number.strip_suffix('%').unwrap_or(number).trim_end();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(not_a_number(text));
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > 1 {
            return Err(too_fine(text));
        }
        let out_of_range = || out_of_range(text);
        let whole: u16 = whole.parse().map_err(|_| out_of_range())?;
        let tenth: u16 = if fraction.is_empty() {
            0
        } else {
            fraction.parse().map_err(|_| out_of_range())?
        };
        let tenths = whole.checked_mul(10).and_then(|t| t.checked_add(tenth));
        match tenths {
            Some(tenths) if tenths <= 1000 => Ok(Self(tenths)),
            _ => Err(out_of_range()),
        }
    }
}

impl TryFrom<f64> for Percent {
    type Error = ParseError;

    /// From percent, 0 to 100.
    fn try_from(percent: f64) -> Result<Self, Self::Error> {
        if percent.is_finite() && percent >= 0.0 {
            percent.to_string().parse()
        } else {
            Err(out_of_range(percent))
        }
    }
}

impl From<Percent> for f64 {
    /// In percent, 0 to 100.
    fn from(percent: Percent) -> Self {
        f64::from(percent.0) / 10.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(*self))
    }
}

impl fmt::Debug for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn not_a_number(text: &str) -> ParseError {
    ParseError::new(format!(
        "`{text}` is not a percentage such as `10` or `0.5`"
    ))
}

fn out_of_range(percent: impl fmt::Display) -> ParseError {
    ParseError::new(format!("`{percent}` is not between 0 and 100 percent"))
}

fn too_fine(text: &str) -> ParseError {
    ParseError::new(format!("`{text}` is finer than a tenth of a percent"))
}

/// How traffic is divided between blue and green. Stores green's share; blue gets the rest.
///
/// # Examples
///
/// ```
/// use bluegreen::{Percent, TrafficSplit};
///
/// let split = TrafficSplit::to_green(Percent::from_whole(10)?);
/// assert_eq!(split.blue(), Percent::from_whole(90)?);
/// assert_eq!(split.to_string(), "blue 90% / green 10%");
/// # Ok::<(), bluegreen::error::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TrafficSplit {
    green: Percent,
}

impl TrafficSplit {
    /// Everything on blue: where every migration starts and every rollback ends.
    pub const ALL_BLUE: Self = Self::to_green(Percent::ZERO);
    /// Everything on green: where a migration is to end.
    pub const ALL_GREEN: Self = Self::to_green(Percent::HUNDRED);

    /// Gives `green` to green and the rest to blue.
    #[must_use]
    pub const fn to_green(green: Percent) -> Self {
        Self { green }
    }

    /// Green's share.
    #[must_use]
    pub fn green(self) -> Percent {
        self.green
    }

    /// Blue's share.
    #[must_use]
    pub fn blue(self) -> Percent {
        self.green.complement()
    }
}

impl fmt::Display for TrafficSplit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blue {} / green {}", self.blue(), self.green)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_is_no_percentage() {
        for text in ["", "ten", "-1", "+1", "1e1", ".5", "5.", "1,5", "NaN"] {
            assert_eq!(text.parse::<Percent>(), Err(not_a_number(text)));
        }
        for text in ["101", "100.1", "99999999999999999999"] {
            assert_eq!(text.parse::<Percent>(), Err(out_of_range(text)));
        }
        assert!(Percent::try_from(f64::NAN).is_err());
        assert!(Percent::try_from(-0.1).is_err());
    }

    proptest! {
        #[test]
        fn every_tenth_survives_text_and_json(tenths in 0_u16..=1000) {
            let percent = Percent::from_tenths(tenths).expect("in range");
            prop_assert_eq!(percent.to_string().parse::<Percent>(), Ok(percent));
            let json = serde_json::to_string(&percent).expect("a number");
            prop_assert_eq!(serde_json::from_str::<Percent>(&json).expect("a percent"), percent);
            let sum = percent.as_tenths() + percent.complement().as_tenths();
            prop_assert_eq!(sum, 1000);
        }
    }
}
