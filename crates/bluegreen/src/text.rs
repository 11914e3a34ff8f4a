//! Text from outside, fit to be shown.
//!
//! Messages of AWS, names of rules and alarms, stopped reasons, bodies of checks and journals are
//! kept and journalled as they came. A character that a terminal would act on instead of showing it
//! is escaped in text for people, and only there: the command escapes every line.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// Whether a terminal would act on this character instead of showing it: every control character but
/// a line's end and a tab (C0, DEL and C1), and the marks that change the order in which letters are
/// shown ([bidirectional controls](https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters)).
///
/// A carriage return is among them: it lets a text write over the beginning of its line.
#[must_use]
pub fn is_acted_on(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            true
        }
        c => c.is_control(),
    }
}

/// The text with each character that a terminal would act on as `\u{…}`.
///
/// # Examples
///
/// ```
/// use bluegreen::text::visible;
///
/// assert_eq!(visible("Access\u{1b}[2JDenied"), r"Access\u{1b}[2JDenied");
/// assert_eq!(visible("größer als 5 %\n"), "größer als 5 %\n");
/// ```
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_acted_on) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_acted_on(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// A name for a file or a folder: readable, and different for each subject.
pub(crate) fn file_name_of(subject: &str) -> String {
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    let readable: String = subject.chars().map(kept).collect();
    let from = readable.len().saturating_sub(80);
    let digest = Sha256::digest(subject);
    let short = digest[..4].iter().map(|byte| format!("{byte:02x}"));
    format!("{}-{}", &readable[from..], short.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_on_is_left() {
        let all: String = ('\0'..='\u{2fff}').collect();
        let shown = visible(&all);
        assert!(!shown.contains(is_acted_on));
        for c in shown.chars().filter(|c| c.is_control()) {
            assert!(matches!(c, '\n' | '\t'), "{c:?}");
        }
        assert_eq!(
            visible("\u{1b}]0;x\u{7}\r\u{7f}\u{9b}2J\u{202e}"),
            r"\u{1b}]0;x\u{7}\u{d}\u{7f}\u{9b}2J\u{202e}"
        );
    }

    #[test]
    fn letters_of_all_scripts_stay() {
        for text in ["", "a\tb\n", "größer", "שלום", "مرحبا", "✓ 👩\u{200d}🚀"] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text));
        }
    }
}
