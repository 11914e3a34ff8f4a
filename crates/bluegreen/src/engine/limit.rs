//! Limits of what the roles do: an answer that never comes holds no run up.

use std::{future::Future, time::Duration};

use tokio::time::timeout;

use crate::{
    clock::span,
    error::{ErrorKind, Failure, Result},
};

/// What a read brings within its limit; nothing is lost if it is given up.
pub(crate) async fn read<T>(
    what: &str,
    limit: Duration,
    call: impl Future<Output = Result<T>>,
) -> Result<T, Failure> {
    answer(what, limit, ErrorKind::Unavailable, call).await
}

/// What a change brings within its limit. After that its outcome is unknown, and it is observed.
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
