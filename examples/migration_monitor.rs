//! The successor of the guide's `deploy/migration_monitor.py`: shows a migration, live and afterwards.
//!
//! Without arguments it runs on a simulated AWS; it takes those of `bluegreen monitor`.
//!
//! ```text
//! cargo run --example migration_monitor -- --help
//! ```

use std::process::ExitCode;

fn main() -> ExitCode {
    let words = ["bluegreen", "monitor"].map(Into::into);
    bluegreen_cli::run(words.into_iter().chain(std::env::args_os().skip(1)))
}
