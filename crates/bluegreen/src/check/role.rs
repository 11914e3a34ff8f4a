//! The role that asks a service something.

use std::fmt;

use async_trait::async_trait;
use auto_impl::auto_impl;

use super::CheckReport;

/// Asks a service something once, and says whether the answer is what it should be.
///
/// How often it is asked, how many good answers in a row are wanted and when the check gives up is
/// set by the deployment's plan.
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait ServiceCheck: fmt::Debug + Send + Sync {
    /// The check's name for people.
    fn name(&self) -> &str;

    /// Makes one try. A service that cannot be reached fails the check; there is no other error.
    ///
    /// # Cancel safety
    ///
    /// Dropping it ends the request; effects of the request on the service stay.
    async fn check(&self) -> CheckReport;
}
