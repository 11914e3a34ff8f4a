//! The successor of the guide's `deploy/traffic_router.py`: moves live traffic from blue to green.
//!
//! Without arguments it runs on a simulated AWS; it takes those of `bluegreen router`.
//!
//! ```text
//! cargo run --example traffic_router -- --help
//! ```

use std::process::ExitCode;

fn main() -> ExitCode {
    let words = ["bluegreen", "router"].map(Into::into);
    bluegreen_cli::run(words.into_iter().chain(std::env::args_os().skip(1)))
}
