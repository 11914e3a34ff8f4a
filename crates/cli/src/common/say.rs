//! Text for people: the only place from which text reaches a terminal.
//!
//! The terminal shows every character of a line, AWS's messages and names included, and acts on none:
//! [`is_acted_on`] says which are escaped. Our own colours are marks until the last moment, so every
//! real escape sequence in a text comes from outside and is escaped.

use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
};

use anstyle::{AnsiColor, Reset, Style};
use bluegreen::text::is_acted_on;

/// The look of a part of a line: `{GOOD}passed{GOOD:#}`, as a style of `anstyle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// No style.
    Plain,
    Good,
    Bad,
    Unsure,
    Dim,
    Strong,
}

pub(crate) const GOOD: Look = Look::Good;
pub(crate) const BAD: Look = Look::Bad;
pub(crate) const UNSURE: Look = Look::Unsure;
pub(crate) const DIM: Look = Look::Dim;
pub(crate) const STRONG: Look = Look::Strong;

/// The character that stands for each look: Unicode reserves these for uses within a program. A text from
/// outside that contains one gets a colour, and nothing else.
const MARKS: [(char, Look); 5] = [
    ('\u{fdd0}', Look::Good),
    ('\u{fdd1}', Look::Bad),
    ('\u{fdd2}', Look::Unsure),
    ('\u{fdd3}', Look::Dim),
    ('\u{fdd4}', Look::Strong),
];
const END: char = '\u{fdd5}';

impl Look {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Unsure => AnsiColor::Yellow.on_default(),
            Self::Dim => Style::new().dimmed(),
            Self::Strong => Style::new().bold(),
        }
    }
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match MARKS.iter().find(|(_, look)| look == self) {
            Some(_) if f.alternate() => f.write_char(END),
            Some((mark, _)) => f.write_char(*mark),
            None => Ok(()),
        }
    }
}

/// Returns a line as it is written: our looks as escape sequences, all other such characters escaped.
fn shown(line: &str) -> String {
    let mut shown = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if let Some((_, look)) = MARKS.iter().find(|(mark, _)| *mark == c) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "{}", look.style());
        } else if c == END {
            let _ = write!(shown, "{Reset}");
        } else if is_acted_on(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Returns how many columns a text takes: marks of colour take none.
pub(crate) fn width(text: &str) -> usize {
    let is_mark = |c: &char| *c == END || MARKS.iter().any(|(mark, _)| mark == c);
    text.chars().filter(|c| !is_mark(c)).count()
}

/// Prints a line, with colour on a terminal. A stderr that is full or closed must not end a migration in
/// the middle, so a line that cannot be written is dropped.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stderr().lock(), "{}", shown(&line.to_string()));
}

/// Prints the answer of a verb on stdout.
///
/// # Errors
///
/// If the answer could not be written: the verb has then no result.
pub(crate) fn answer(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", shown(text))?;
    out.flush()
}

/// [`say`] with a format.
macro_rules! say_line {
    ($($part:tt)*) => {
        $crate::common::say::say(format_args!($($part)*))
    };
}
pub(crate) use say_line;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_what_a_text_from_outside_would_do_is_shown_and_our_colours_stay() {
        let aws = "Rate\u{1b}[2J\u{1b}[31mexceeded\u{9b}8m\r\u{202e}";
        let line = format!("{BAD}{aws}{BAD:#} {}plain{:#}", Look::Plain, Look::Plain);
        let (red, reset) = (Look::Bad.style().to_string(), Reset.to_string());
        assert_eq!(
            shown(&line),
            format!(
                r"{red}Rate\u{{1b}}[2J\u{{1b}}[31mexceeded\u{{9b}}8m\u{{d}}\u{{202e}}{reset} plain"
            )
        );
    }

    #[test]
    fn every_look_has_a_mark_of_its_own_that_none_but_it_has() {
        for look in [GOOD, BAD, UNSURE, DIM, STRONG] {
            let line = format!("{look}x{look:#}");
            assert_eq!(shown(&line), format!("{}x{Reset}", look.style()));
        }
    }
}
