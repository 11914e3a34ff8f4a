//! Words for people, on stderr.

use std::{fmt, io::Write as _};

/// Prints a line, with colour where a terminal wants it. A stderr that is full or gone must not
/// end a migration in the middle, so what cannot be written is dropped.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// [`say`] with a format.
macro_rules! say_line {
    ($($part:tt)*) => {
        $crate::common::say::say(format_args!($($part)*))
    };
}
pub(crate) use say_line;
