//! The forms in which frameworks write dates.

use serde_json::Value;

/// Returns the form of a date in a string, if it is a date: `2030-01-01T00:00:00Z`, without offset, with
/// fraction, or `Tue, 01 Jan 2030 00:00:00 GMT` as Flask writes it.
pub(super) fn form(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if is_http_date(text) {
        return Some("date of RFC 1123".to_owned());
    }
    let is_like = |at: usize, wanted: u8| bytes.get(at) == Some(&wanted);
    let digits = |from: usize, to: usize| {
        let part = bytes.get(from..to);
        part.is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let is_day = digits(0, 4) && is_like(4, b'-') && digits(5, 7) && is_like(7, b'-');
    if !is_day || !digits(8, 10) {
        return None;
    }
    if bytes.len() == 10 {
        return Some("date without time".to_owned());
    }
    let between = match bytes.get(10)? {
        b'T' | b't' => "T",
        b' ' => "a space",
        _ => return None,
    };
    let is_time = digits(11, 13) && is_like(13, b':') && digits(14, 16) && is_like(16, b':');
    if !is_time || !digits(17, 19) {
        return None;
    }
    let rest = text.get(19..)?;
    let after = rest.strip_prefix('.');
    let offset = after.map_or(rest, |part| {
        part.trim_start_matches(|c: char| c.is_ascii_digit())
    });
    let offset = match offset {
        "" => "without offset",
        "Z" | "z" => "with Z",
        _ if offset.starts_with(['+', '-']) => "with an offset",
        _ => return None,
    };
    let fraction = match after {
        Some(_) => ", a fraction",
        None => "",
    };
    Some(format!("date with {between}{fraction}, {offset}"))
}

/// Returns the form of a number that may be a date: seconds or milliseconds since 1970, from 2001 to 2096.
pub(super) fn form_of_number(value: &Value) -> Option<&'static str> {
    let number = value.as_f64()?;
    if (1e9..4e9).contains(&number) {
        return Some("seconds since 1970");
    }
    (1e12..4e12)
        .contains(&number)
        .then_some("milliseconds since 1970")
}

fn is_http_date(text: &str) -> bool {
    const DAYS: [&str; 7] = [
        "Mon, ", "Tue, ", "Wed, ", "Thu, ", "Fri, ", "Sat, ", "Sun, ",
    ];
    text.len() == 29 && DAYS.iter().any(|day| text.starts_with(day)) && text.ends_with(" GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_dates_are_told_apart() {
        for (text, wanted) in [
            ("Tue, 01 Jan 2030 00:00:00 GMT", Some("date of RFC 1123")),
            ("2030-01-01T00:00:00Z", Some("date with T, with Z")),
            (
                "2030-01-01T00:00:00+00:00",
                Some("date with T, with an offset"),
            ),
            (
                "2030-01-01T00:00:00.123456",
                Some("date with T, a fraction, without offset"),
            ),
            (
                "2030-01-01 00:00:00",
                Some("date with a space, without offset"),
            ),
            ("2030-01-01", Some("date without time")),
            ("2030-01-01T00:00", None),
            ("2030-01-01 is a day", None),
            ("2030", None),
            ("ä030-01-01T00:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(form(text).as_deref(), wanted, "{text}");
        }
        assert_eq!(
            form_of_number(&1_893_456_000.into()),
            Some("seconds since 1970")
        );
        assert_eq!(
            form_of_number(&1_893_456_000_000_i64.into()),
            Some("milliseconds since 1970")
        );
        assert_eq!(form_of_number(&17.into()), None);
    }
}
