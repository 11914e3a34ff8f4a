//! Data for programs, on stdout.

use std::io::Write as _;

/// Prints a value as a line of JSON. A reader that went away ends nothing.
pub(crate) fn json_line(value: &impl serde::Serialize) {
    let mut out = std::io::stdout().lock();
    if let Ok(line) = serde_json::to_string(value) {
        let _ = writeln!(out, "{line}");
        let _ = out.flush();
    }
}
