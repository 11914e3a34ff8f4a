//! Comparing the numbers of JSON by their values.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// How two numbers compare; `None` if one of them is not a number. A float above 2^53 stands for
/// one whole number, and is compared as that number.
pub(super) fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    let (Value::Number(one), Value::Number(other)) = (one, other) else {
        return None;
    };
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

/// The number for people: 13 and 13.0 are `13`.
pub(super) fn shown(number: &Value) -> String {
    let whole = number.as_number().and_then(whole);
    whole.map_or_else(|| number.to_string(), |whole| whole.to_string())
}

/// The number, if it is whole and below 1e38.
fn whole(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_i128() {
        return Some(number);
    }
    // Up to here, each float is exactly one `i128`.
    const MOST: f64 = 1e38;
    let float = number.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it has no fraction, and is not too large"
    )]
    let whole = float as i128;
    (float.fract() == 0.0 && float.abs() < MOST).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_compared_as_such() {
        for (one, other, wanted) in [
            ("1", "1.0", Ordering::Equal),
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("9007199254740992.0", "9007199254740993", Ordering::Less),
            ("9007199254740992", "9007199254740992.0", Ordering::Equal),
            ("-9007199254740993", "-9007199254740992", Ordering::Less),
            (
                "18446744073709551615",
                "9223372036854775807",
                Ordering::Greater,
            ),
            ("1e3", "1000", Ordering::Equal),
            ("0.5", "1", Ordering::Less),
            ("1e300", "18446744073709551615", Ordering::Greater),
            ("0.1", "0.1", Ordering::Equal),
        ] {
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            let got = compare(&read(one), &read(other));
            assert_eq!(got, Some(wanted), "{one} and {other}");
            let got = compare(&read(other), &read(one));
            assert_eq!(got, Some(wanted.reverse()), "{other} and {one}");
        }
        assert_eq!(compare(&Value::from("1"), &Value::from(1)), None);
    }
}
