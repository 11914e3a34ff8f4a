//! [`Fence`]: what a change asks at the last moment.

use std::{fmt, future::Future};

use auto_impl::auto_impl;

use crate::error::Result;

/// Whether a change may begin at this moment; asked right before the call that makes it.
///
/// A [`Lease`](crate::store::Lease) is a fence. [`Aws::fenced`](crate::Aws::fenced) asks it before every
/// changing call of all adapters.
#[auto_impl(Arc, Box)]
pub trait Fence: fmt::Debug + Send + Sync {
    /// Checks that a change may begin now. [`is_restoring`] says whether the change puts traffic back on
    /// blue: a controller may do that unless it knows of a successor.
    ///
    /// # Errors
    ///
    /// If the change may not begin, with the reason. Nothing is sent then.
    fn check(&self) -> Result<()>;
}

tokio::task_local! {
    /// Set while an engine carries out a restore.
    static RESTORING: ();
}

/// Whether the change that a [`Fence`] is asked about restores traffic or a service.
#[must_use]
pub fn is_restoring() -> bool {
    RESTORING.try_with(|()| ()).is_ok()
}

/// Carries out a change that restores traffic or a service.
pub(crate) async fn restoring<T>(change: impl Future<Output = T>) -> T {
    RESTORING.scope((), change).await
}
