//! [`Percentile`]: a percentile by its usual name, such as `p99`.

use std::{fmt, str::FromStr};

/// A percentile from p1 to p99.99, in hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Percentile(u32);

impl Percentile {
    pub(super) const P50: Self = Self(5_000);
    pub(super) const P90: Self = Self(9_000);
    pub(super) const P99: Self = Self(9_900);

    /// The share of requests below it, 0 to 1.
    pub(super) fn share(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }
}

impl FromStr for Percentile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not a percentile");
        let number = text.strip_prefix('p').ok_or_else(wrong)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let is_short = (1..=2).contains(&whole.len()) && part.len() <= 2;
        if !is_short || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(wrong());
        }
        let hundredths: u32 = format!("{whole}{part:0<2}").parse().map_err(|_| wrong())?;
        match hundredths {
            100..=9_999 => Ok(Self(hundredths)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Percentile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "p{whole}"),
            _ if part % 10 == 0 => write!(f, "p{whole}.{}", part / 10),
            _ => write!(f, "p{whole}.{part:02}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_read_and_written_alike() {
        for text in ["p1", "p50", "p99", "p99.9", "p99.99", "p99.05"] {
            assert_eq!(text.parse::<Percentile>().unwrap().to_string(), text);
        }
        assert!((Percentile::P99.share() - 0.99).abs() < 1e-12);
        for text in [
            "", "p", "p0", "p100", "99", "p99.999", "p9x", "p.5", "p1.2.3", "p-1",
        ] {
            assert!(text.parse::<Percentile>().is_err(), "{text}");
        }
    }
}
