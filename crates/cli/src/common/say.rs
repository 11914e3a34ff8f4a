//! Words for people: the one place where text reaches a terminal.
//!
//! Whatever stands in a line, AWS's messages and names among it, is shown and never carried out:
//! [`is_acted_on`] says what is escaped. Colours of our own are marks until the last moment, so that
//! every real escape sequence in a text is one from outside.

use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
};

use anstyle::{AnsiColor, Reset, Style};
use bluegreen::text::is_acted_on;

/// How a part of a line looks: `{GOOD}passed{GOOD:#}`, as a style of `anstyle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// As the rest.
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

/// What stands for a look: characters that Unicode keeps out of texts, for uses like this. A text from
/// outside that has one all the same gets a colour, and nothing else.
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

/// A line as it is written: our looks as escape sequences, all else escaped.
fn shown(line: &str) -> String {
    let mut shown = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if let Some((_, look)) = MARKS.iter().find(|(mark, _)| *mark == c) {
            // Writing to a text cannot fail.
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

/// How many columns a text takes: marks of colour take none.
pub(crate) fn width(text: &str) -> usize {
    let is_mark = |c: &char| *c == END || MARKS.iter().any(|(mark, _)| mark == c);
    text.chars().filter(|c| !is_mark(c)).count()
}

/// Prints a line, with colour where a terminal wants it. A stderr that is full or gone must not
/// end a migration in the middle, so what cannot be written is dropped.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stderr().lock(), "{}", shown(&line.to_string()));
}

/// Prints an answer that was asked for, on stdout.
///
/// # Errors
///
/// Where it could not be written: without it, there is none.
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
