//! Time limits for calls of the roles: a call that never answers does not hold a run up.

use std::{future::Future, time::Duration};

use tokio::time::timeout;

use crate::{
    clock::span,
    error::{ErrorKind, Failure, Result},
};

/// Returns what a read brings within its limit. A read may be given up without loss.
pub(crate) async fn read<T>(
    what: &str,
    limit: Duration,
    call: impl Future<Output = Result<T>>,
) -> Result<T, Failure> {
    answer(what, limit, ErrorKind::Unavailable, call).await
}

/// Returns what a change brings within its limit. After the limit the outcome of the change is unknown, and
/// an observation must decide.
pub(crate) async fn change<T>(
    what: &str,
    limit: Duration,
    call: impl Future<Output = Result<T>>,
) -> Result<T, Failure> {
    answer(what, limit, ErrorKind::OutcomeUnknown, call).await
}

async fn answer<T>(
    what: &str,
    limit: Duration,
    kind: ErrorKind,
    call: impl Future<Output = Result<T>>,
) -> Result<T, Failure> {
    match timeout(limit, call).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(_) => {
            let message = format!("{what} was not answered in {}", span(limit));
            Err(Failure::new(kind, message))
        }
    }
}
