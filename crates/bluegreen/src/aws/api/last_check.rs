//! The fence, asked a second time: in the last hook before a request leaves the process.

use std::{fmt, sync::Arc, time::Duration};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept, context::BeforeTransmitInterceptorContextRef, dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

use crate::{
    clock::{Clock, span},
    engine::{Fence, is_restoring},
    error::{Error, ErrorKind, Result},
};

/// A change must leave within this time after the read that it is based on; later it is not sent.
/// With the 10 s that the call may take, nothing lands later than 13 s after that read. A
/// controller that writes the rule in between sees the change by then; a later change is not sent,
/// since its read shows that controller's write. A read that is 2 s late makes that 15 s.
const SENT_WITHIN: Duration = Duration::from_secs(3);

/// The fence that lets changes through or stops them, and the clock that times them.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) fence: Arc<dyn Fence>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A change that is being sent.
#[derive(Debug)]
struct Sending {
    guard: Guard,
    /// When the read that the change is based on began; without such a read, when its call began.
    /// By the clock that runs while the process is stopped.
    begun: Duration,
}

tokio::task_local! {
    static READ_AT: Duration;
    static SENDING: Sending;
}

/// Makes a change that is based on a read which began at `read_at`, by the
/// [`uptime`](Clock::uptime).
pub(crate) async fn after_read<T>(read_at: Duration, change: impl Future<Output = T>) -> T {
    READ_AT.scope(read_at, change).await
}

impl Guard {
    /// Makes the call of a change if the fence lets it; [`LastCheck`] asks again once the request
    /// is signed.
    pub(crate) async fn send<T>(&self, call: impl Future<Output = T>) -> Result<T> {
        let read_at = READ_AT.try_with(|read_at| *read_at);
        let sending = Sending {
            guard: self.clone(),
            begun: read_at.unwrap_or_else(|_| self.clock.uptime()),
        };
        sending.check()?;
        Ok(SENDING.scope(sending, call).await)
    }
}

impl Sending {
    /// A change that restores blue does no harm if it is late.
    fn check(&self) -> Result<()> {
        let waited = self.guard.clock.uptime().saturating_sub(self.begun);
        if waited > SENT_WITHIN && !is_restoring() {
            let message = format!(
                "nothing was sent: the request was held up for {}, and a change leaves within {} or \
                 not at all",
                span(waited),
                span(SENT_WITHIN)
            );
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        self.guard.fence.check()
    }
}

/// Stops a change whose permit has ended since the change began, for example because the process
/// was stopped in between. Only the connection is between this hook and the socket.
#[derive(Debug)]
pub(crate) struct LastCheck;

#[dyn_dispatch_hint]
impl Intercept for LastCheck {
    fn name(&self) -> &'static str {
        "LastCheck"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let checked = SENDING.try_with(Sending::check);
        match checked.unwrap_or(Ok(())) {
            Ok(()) => Ok(()),
            Err(error) => Err(NotSent(error).into()),
        }
    }
}

/// Why a change was not sent, as an error of the SDK.
#[derive(Debug)]
pub(crate) struct NotSent(pub(crate) Error);

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message())
    }
}

impl std::error::Error for NotSent {}
