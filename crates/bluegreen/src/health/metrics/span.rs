//! The start of the periods of metrics.

use std::time::Duration;

use jiff::Timestamp;

/// Returns the last multiple of `period` since the epoch that is not after `at`. Periods are whole
/// seconds; a period below a second counts as one second.
pub(in crate::health) fn floor(at: Timestamp, period: Duration) -> Timestamp {
    let period = i64::try_from(period.as_secs()).unwrap_or(i64::MAX).max(1);
    let nanos_below = i64::from(at.subsec_nanosecond() < 0);
    let seconds = at.as_second() - nanos_below;
    let floor = seconds.div_euclid(period).saturating_mul(period);
    Timestamp::from_second(floor).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_on_both_sides_of_the_epoch() {
        let minute = Duration::from_secs(60);
        let at = |text: &str| text.parse::<Timestamp>().expect("a timestamp");
        let cases = [
            ("2026-03-01T10:00:59.999Z", "2026-03-01T10:00:00Z"),
            ("2026-03-01T10:01:00Z", "2026-03-01T10:01:00Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:00Z"),
        ];
        for (given, floored) in cases {
            assert_eq!(floor(at(given), minute), at(floored));
        }
    }
}
