//! The runtime of a verb.

use std::{future::Future, process::ExitCode};

use super::{errors::UNCHANGED, say::say_line};

/// Runs a verb, and returns its exit code. The runtime has one thread, and only a simulation pauses its
/// clock.
pub(crate) fn block_on(verb: impl Future<Output = u8>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    ExitCode::from(match runtime {
        Ok(runtime) => runtime.block_on(verb),
        Err(error) => {
            say_line!("error: cannot start: {error}");
            UNCHANGED
        }
    })
}
