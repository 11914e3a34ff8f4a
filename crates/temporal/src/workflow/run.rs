//! How the workflow carries out an action: timers, local activities, activities.

use std::time::Duration;

use bluegreen::{ErrorKind, Failure, host::Work, migration::Action, store::CarriedLease};
use futures::{
    FutureExt as _,
    future::{Fuse, LocalBoxFuture},
};
use jiff::Timestamp;
use temporalio_common::RetryPolicy;
use temporalio_sdk::{
    ActivityExecutionError, ActivityOptions, ApplicationFailure, LocalActivityOptions,
    TimerOptions, WorkflowCancellationToken, WorkflowResult, WorkflowTermination,
};

use super::{Context, no_lease, running};
use crate::{
    activities::Activities,
    data::{Changed, Claim, Looked, Order, Pinned, Task, failure},
};

/// How long a worker that makes a change may be silent before the change's outcome counts as unknown. Longer than
/// [`BEGINS_WITHIN`](crate::activities::BEGINS_WITHIN).
pub const SILENT_FOR: Duration = Duration::from_secs(20);
/// The most time of a change: the library's own limit is 40 s.
const CHANGE_LIMIT: Duration = Duration::from_secs(60);
/// The most time of a read: a survey before the start takes up to two minutes.
const READ_LIMIT: Duration = Duration::from_secs(150);
/// The most time of taking the lease: the silence of another holder, and some calls.
const TAKE_LIMIT: Duration = Duration::from_secs(100);
/// How long a rise waits for a lease that is being taken. The machine does not look meanwhile.
pub(super) const LEASE_WAITS: Duration = Duration::from_secs(40);
/// A longer wait renews the lease in between.
const RENEWED_EACH: Duration = Duration::from_secs(20);
/// The pause before the lease is asked for again after a failure.
const ASKED_AGAIN: Duration = Duration::from_secs(5);

/// The answer to an action.
pub(super) enum Answer {
    /// A wait is over. The lease as the wait renewed it last, if it did.
    Waited(Option<Result<CarriedLease, Failure>>),
    Read(Box<Looked>),
    Changed(Changed),
    /// A change was not given to a worker.
    NotBegun(Failure),
    /// A worker did not answer.
    Failed(Failure),
}

pub(super) type Leased = Result<CarriedLease, Failure>;
pub(super) type Leasing<'a> = LocalBoxFuture<'a, Leased>;

/// The action that is being carried out.
pub(super) struct Outstanding<'a> {
    pub(super) answer: Fuse<LocalBoxFuture<'a, Answer>>,
    /// Cancels a read or a wait.
    token: Option<WorkflowCancellationToken>,
    pub(super) waits_for_lease: bool,
}

impl Outstanding<'_> {
    pub(super) fn none() -> Self {
        Self {
            answer: Fuse::terminated(),
            token: None,
            waits_for_lease: false,
        }
    }

    /// Another action takes its place.
    pub(super) fn replaced(&mut self) {
        if let Some(token) = self.token.take() {
            token.cancel();
        }
        self.answer = Fuse::terminated();
    }
}

/// Begins an action.
pub(super) fn begun<'a>(ctx: &'a Context, action: &Action) -> WorkflowResult<Outstanding<'a>> {
    let token = WorkflowCancellationToken::new();
    let task = running(ctx, |running| Task {
        pinned: running.pinned.clone(),
        action: action.clone(),
        judges: None,
        lease: running.lease.clone(),
    })?;
    let of = |answer: LocalBoxFuture<'a, Answer>, token| Outstanding {
        answer: answer.fuse(),
        token,
        waits_for_lease: false,
    };
    Ok(match action.work() {
        Work::Wait(until) => of(
            waited(ctx, until, task, token.clone()).boxed_local(),
            Some(token),
        ),
        Work::Read => {
            let judges = running(ctx, |running| running.judges())?;
            let task = Task { judges, ..task };
            of(looked(ctx, task, token.clone()).boxed_local(), Some(token))
        }
        Work::Change { restores } if restores || task.lease.is_some() => {
            of(changed(ctx, task).boxed_local(), None)
        }
        Work::Change { .. } => {
            let waits = timer(ctx, LEASE_WAITS, token.clone());
            let waits = async move {
                waits.await;
                no_lease()
            };
            Outstanding {
                waits_for_lease: true,
                ..of(waits.boxed_local(), Some(token))
            }
        }
    })
}

/// Waits, and renews the lease during a long wait.
async fn waited(
    ctx: &Context,
    until: Timestamp,
    mut task: Task,
    token: WorkflowCancellationToken,
) -> Answer {
    let mut lease = None;
    loop {
        let rest = match now(ctx) {
            Ok(at) => Duration::try_from(until.duration_since(at)).unwrap_or_default(),
            Err(_) => Duration::ZERO,
        };
        if rest <= RENEWED_EACH {
            timer(ctx, rest, token.clone()).await;
            return Answer::Waited(lease);
        }
        timer(ctx, RENEWED_EACH, token.clone()).await;
        if task.lease.is_some() {
            let kept = ctx
                .execute_local_activity(Activities::keep, task.clone(), read(&token))
                .await;
            if let Ok(kept) = kept {
                lease = kept.transpose();
                if let Some(Ok(newer)) = &lease {
                    task.lease = Some(newer.clone());
                }
            }
        }
    }
}

async fn timer(ctx: &Context, length: Duration, token: WorkflowCancellationToken) {
    if !length.is_zero() {
        let timer = TimerOptions::builder(length).cancellation_token(token);
        let _ = ctx.timer(timer.build()).await;
    }
}

fn once() -> RetryPolicy {
    RetryPolicy::builder().maximum_attempts(1).build()
}

fn read(token: &WorkflowCancellationToken) -> LocalActivityOptions {
    LocalActivityOptions::builder()
        .start_to_close_timeout(READ_LIMIT)
        .retry_policy(once())
        .cancellation_token(token.clone())
        .build()
}

async fn looked(ctx: &Context, task: Task, token: WorkflowCancellationToken) -> Answer {
    match ctx
        .execute_local_activity(Activities::read, task, read(&token))
        .await
    {
        Ok(looked) => Answer::Read(Box::new(looked)),
        Err(error) => Answer::Failed(lost(ErrorKind::Unavailable, "the read", &error)),
    }
}

async fn changed(ctx: &Context, task: Task) -> Answer {
    let options = ActivityOptions::with_start_to_close_timeout(CHANGE_LIMIT)
        .heartbeat_timeout(SILENT_FOR)
        .retry_policy(once())
        .cancellation_token(WorkflowCancellationToken::new())
        .build();
    match ctx
        .execute_activity(Activities::change, task, options)
        .await
    {
        Ok(changed) => Answer::Changed(changed),
        Err(error) => Answer::Failed(lost(ErrorKind::OutcomeUnknown, "the change", &error)),
    }
}

fn lost(kind: ErrorKind, what: &str, error: &ActivityExecutionError) -> Failure {
    failure(
        kind,
        format!("{what} was given to a worker, which did not answer: {error}"),
    )
}

/// Asks for the lease, after a pause if that failed.
pub(super) fn leasing(ctx: &Context, pinned: Pinned, by: String) -> Leasing<'_> {
    async move {
        let taken = taken(ctx, &pinned, &by, false).await;
        if taken
            .as_ref()
            .is_err_and(|failure| failure.kind.is_transient())
        {
            timer(ctx, ASKED_AGAIN, WorkflowCancellationToken::new()).await;
        }
        taken
    }
    .boxed_local()
}

/// Takes the lease of the rule.
pub(super) async fn taken(ctx: &Context, pinned: &Pinned, by: &str, begins: bool) -> Leased {
    let claim = Claim {
        pinned: pinned.clone(),
        by: by.to_owned(),
        begins,
    };
    let options = ActivityOptions::with_start_to_close_timeout(TAKE_LIMIT)
        .heartbeat_timeout(SILENT_FOR)
        .retry_policy(RetryPolicy::builder().maximum_attempts(3).build())
        .cancellation_token(WorkflowCancellationToken::new())
        .build();
    match ctx.execute_activity(Activities::take, claim, options).await {
        Ok(taken) => taken,
        Err(error) => Err(lost(ErrorKind::Unavailable, "taking the lease", &error)),
    }
}

/// Finds rule and sides.
pub(super) async fn pinned(ctx: &Context, order: &Order) -> Result<Pinned, Failure> {
    let options = LocalActivityOptions::builder()
        .start_to_close_timeout(READ_LIMIT)
        .retry_policy(RetryPolicy::builder().maximum_attempts(3).build())
        .cancellation_token(WorkflowCancellationToken::new())
        .build();
    let pinned = ctx.execute_local_activity(Activities::pin, order.clone(), options);
    match pinned.await {
        Ok(pinned) => pinned,
        Err(error) => Err(lost(ErrorKind::Unavailable, "the first read", &error)),
    }
}

/// Releases the lease, since the run has ended. If that fails, the lease expires.
pub(super) async fn released(ctx: &Context) {
    let task = running(ctx, |running| {
        let lease = running.lease.clone()?;
        Some(Task {
            pinned: running.pinned.clone(),
            action: Action::Observe,
            judges: None,
            lease: Some(lease),
        })
    });
    if let Ok(Some(task)) = task {
        let token = WorkflowCancellationToken::new();
        let _ = ctx
            .execute_local_activity(Activities::release, task, read(&token))
            .await;
    }
}

/// The time of the newest workflow task, by the server's clock.
pub(super) fn now(ctx: &Context) -> WorkflowResult<Timestamp> {
    let at = ctx
        .workflow_time()
        .and_then(|at| Timestamp::try_from(at).ok());
    at.ok_or_else(|| cannot("the workflow has no time"))
}

/// A failure that ends the workflow.
pub(super) fn cannot(message: impl Into<String>) -> WorkflowTermination {
    let message: String = message.into();
    ApplicationFailure::non_retryable(message).into()
}
