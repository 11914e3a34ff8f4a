//! The role that asks a service something.

use std::{fmt, future::Future};

use async_trait::async_trait;
use auto_impl::auto_impl;

use super::CheckReport;

/// Asks a service something once, and says whether the answer is what it should be.
///
/// The deployment's plan sets how often the check is asked, how many good answers in a row are wanted, and
/// when the check gives up.
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait ServiceCheck: fmt::Debug + Send + Sync {
    /// Returns the check's name for people.
    fn name(&self) -> &str;

    /// Makes one try. A service that cannot be reached fails the check; there is no other error.
    ///
    /// # Cancel safety
    ///
    /// A dropped try ends the request; effects of the request on the service stay.
    async fn check(&self) -> CheckReport;
}

/// Creates a check from a closure, for a service that is not asked over HTTP. Each call of the closure makes
/// one try.
///
/// # Examples
///
/// ```
/// use bluegreen::{ServiceCheck, check::{CheckReport, check_fn}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let check = check_fn("queue", || async {
///     let waiting = 900;
///     let report = CheckReport::new("queue", "messages that wait", None);
///     match waiting < 100 {
///         true => report,
///         false => report.failing("messages", "fewer than 100", waiting.to_string()),
///     }
/// });
/// assert_eq!(check.name(), "queue");
/// assert!(!check.check().await.is_passed());
/// # }
/// ```
///
/// # Cancel safety
///
/// The same as of the closure's future.
pub fn check_fn<F, R>(name: impl Into<String>, check: F) -> impl ServiceCheck
where
    F: Fn() -> R + Send + Sync,
    R: Future<Output = CheckReport> + Send,
{
    CheckFn {
        name: name.into(),
        check,
    }
}

struct CheckFn<F> {
    name: String,
    check: F,
}

impl<F> fmt::Debug for CheckFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CheckFn").field(&self.name).finish()
    }
}

#[async_trait]
impl<F, R> ServiceCheck for CheckFn<F>
where
    F: Fn() -> R + Send + Sync,
    R: Future<Output = CheckReport> + Send,
{
    fn name(&self) -> &str {
        &self.name
    }

    async fn check(&self) -> CheckReport {
        (self.check)().await
    }
}
