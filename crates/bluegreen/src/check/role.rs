//! The role that asks a service something.

use std::fmt;

use async_trait::async_trait;
use auto_impl::auto_impl;

use super::CheckReport;

/// Asks a service something once, and says whether the answer is what it should be.
///
/// How often it is asked, how many good answers in a row are wanted and when it is given up are
/// the deployment's plan.
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait ServiceCheck: fmt::Debug + Send + Sync {
    /// What people call it.
    fn name(&self) -> &str;

    /// One try. A service that cannot be reached fails the check; there is no other error.
    ///
    /// # Cancel safety
    ///
    /// Dropping it ends the request; whatever the request did to the service stays.
    async fn check(&self) -> CheckReport;
}
