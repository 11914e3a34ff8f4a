//! The successor of the guide's `deploy/deploy.sh`: builds, pushes, deploys, checks, and rolls back.
//!
//! Without arguments it runs on a simulated AWS; it takes those of `bluegreen deploy`.
//!
//! ```text
//! cargo run --example deploy -- --help
//! ```

use std::process::ExitCode;

fn main() -> ExitCode {
    let words = ["bluegreen", "deploy"].map(Into::into);
    let mut words: Vec<std::ffi::OsString> = words.into();
    words.extend(std::env::args_os().skip(1));
    if words.len() == 2 {
        words.push("--sim".into());
    }
    bluegreen_cli::run(words)
}
