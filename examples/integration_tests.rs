//! The successor of the guide's `tests/integration_tests.py`: asks a released service what its users will ask.
//!
//! Without arguments it runs on a simulated AWS; it takes those of `bluegreen check`.
//!
//! ```text
//! cargo run --example integration_tests -- --help
//! ```

use std::process::ExitCode;

fn main() -> ExitCode {
    let words = ["bluegreen", "check"].map(Into::into);
    bluegreen_cli::run(words.into_iter().chain(std::env::args_os().skip(1)))
}
