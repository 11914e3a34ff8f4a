//! Data for programs, on stdout.

use std::io::{self, Write as _};

use bluegreen::text::is_acted_on;

/// Prints a value as a line of JSON. Ignores an error of stdout, such as a reader that went away.
pub(crate) fn json_line(value: &impl serde::Serialize) {
    let _ = try_json_line(value);
}

/// Prints a value as a line of JSON.
///
/// # Errors
///
/// If the line could not be written.
pub(crate) fn try_json_line(value: &impl serde::Serialize) -> io::Result<()> {
    let line = serde_json::to_string(value)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", escaped(&line))?;
    out.flush()
}

/// Returns the same JSON, with every character escaped that a terminal would act on. `serde_json` leaves
/// DEL, C1 and the marks of direction as they are; all of these can stand only within strings.
fn escaped(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    for c in line.chars() {
        if is_acted_on(c) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_json_holds_the_same_text_and_no_terminal_acts_on_it() {
        let text: String = ('\0'..='\u{2fff}').collect();
        let line = escaped(&serde_json::to_string(&text).unwrap());
        assert!(!line.contains(|c: char| c.is_control() || is_acted_on(c)));
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }
}
