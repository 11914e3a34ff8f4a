//! The workflow: one migration. Deterministic: no clock but Temporal's, no I/O, no random numbers.

#![expect(
    missing_docs,
    missing_debug_implementations,
    reason = "the macros make a type and a constant of each method"
)]

mod run;
mod state;

use bluegreen::{
    ErrorKind, Failure,
    engine::Control,
    host::Next,
    migration::{Action, Input, Intent},
};
use futures::{
    FutureExt as _,
    future::{Fuse, FusedFuture as _},
};
use serde_json::Value;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{
    ContinueAsNewOptions, SyncWorkflowContext, WaitConditionOptions, WorkflowCancellationToken,
    WorkflowContext, WorkflowContextView, WorkflowResult, workflows::select,
};

pub use self::run::SILENT_FOR;
use self::{
    run::{Answer, LEASE_WAITS, Outstanding, begun, cannot, now, pinned, released, taken},
    state::{Running, State},
};
use crate::data::{Ended, Order, Status, failure};

/// One migration of one rule.
#[workflow]
#[derive(Debug)]
pub struct Migration {
    order: Option<Order>,
    state: State,
}

#[workflow_methods]
impl Migration {
    #[init]
    fn new(_: &WorkflowContextView, order: Order) -> Self {
        let state = State::default();
        Self {
            order: Some(order),
            state,
        }
    }

    /// Runs the migration to its end. The workflow fails only if traffic could not be restored or is in an
    /// unknown state.
    #[run(name = "bluegreen-migration")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Ended> {
        let ctx = &*ctx;
        let order = ctx.state_mut(|this| this.order.take());
        let order = order.ok_or_else(|| cannot("the workflow has no order"))?;
        let next = match order.carried.clone() {
            Some(carried) => {
                let action = carried.action.clone();
                let running = Running::carried(*carried)?;
                ctx.state_mut(|this| this.state.running = Some(running));
                Next::Do(action)
            }
            None => match begin(ctx, &order).await? {
                Ok(next) => next,
                Err(failure) => return Ok(Ended::not_started(&failure)),
            },
        };
        drive(ctx, order, next).await
    }

    /// Puts everything back on the old side.
    #[signal(name = "abort")]
    pub fn abort(&mut self, _: &mut SyncWorkflowContext<Self>, told: Value) {
        self.state.tell("abort", told);
    }

    /// Does not rise to the next step for a while.
    #[signal(name = "pause")]
    pub fn pause(&mut self, _: &mut SyncWorkflowContext<Self>, told: Value) {
        self.state.tell("pause", told);
    }

    /// Ends a pause.
    #[signal(name = "continue")]
    pub fn go_on(&mut self, _: &mut SyncWorkflowContext<Self>, told: Value) {
        self.state.tell("continue", told);
    }

    /// Override: rises to the next step without a healthy verdict.
    #[signal(name = "promote")]
    pub fn promote(&mut self, _: &mut SyncWorkflowContext<Self>, told: Value) {
        self.state.tell("promote", told);
    }

    /// Ends, and leaves the split as it is.
    #[signal(name = "leave")]
    pub fn leave(&mut self, _: &mut SyncWorkflowContext<Self>, told: Value) {
        self.state.tell("leave", told);
    }

    /// What the migration does now, and its newest events.
    #[query(name = "status")]
    pub fn status(&self, _: &WorkflowContextView) -> Status {
        self.state.status()
    }
}

type Context = WorkflowContext<Migration>;

/// Pins the specification, takes the lease, and starts the machine; a failure if that was not possible.
async fn begin(ctx: &Context, order: &Order) -> WorkflowResult<Result<Next<Action>, Failure>> {
    let pinned = match pinned(ctx, order).await {
        Ok(pinned) => pinned,
        Err(failure) => return Ok(Err(failure)),
    };
    let lease = match taken(ctx, &pinned, &order.by, true).await {
        Ok(lease) => lease,
        Err(failure) => return Ok(Err(failure)),
    };
    let running = Running::new(pinned, lease)?;
    let at = now(ctx)?;
    Ok(Ok(ctx.state_mut(|this| {
        let running = this.state.running.insert(running);
        running.on(at, Input::Start(Intent::Migrate))
    })))
}

/// What happened while an action was outstanding.
enum Heard {
    Answered(Box<Answer>),
    Leased(Box<run::Leased>),
    Controlled,
    Cancelled(Option<String>),
}

async fn drive(ctx: &Context, order: Order, mut next: Next<Action>) -> WorkflowResult<Ended> {
    let mut leasing: Fuse<run::Leasing<'_>> = Fuse::terminated();
    let mut is_cancelled = false;
    let mut outstanding = Outstanding::none();
    loop {
        match next {
            Next::Keep => {}
            Next::End => {
                released(ctx).await;
                return ctx.state(|this| this.state.ended());
            }
            Next::Do(action) => {
                outstanding.replaced();
                let is_step_over = running(ctx, |running| running.is_step_over)?;
                // The lease that is being taken would be lost.
                let is_due =
                    (is_step_over || ctx.continue_as_new_suggested()) && leasing.is_terminated();
                running_mut(ctx, |running| running.action = Some(action.clone()))?;
                if is_due {
                    let carried = ctx.state(|this| this.state.carry())?;
                    let order = Order {
                        carried: Some(Box::new(carried)),
                        ..order
                    };
                    ctx.continue_as_new(order, ContinueAsNewOptions::default())?;
                    return Err(cannot("continue as new returned"));
                }
                outstanding = begun(ctx, &action)?;
            }
        }
        if leasing.is_terminated() && running(ctx, |running| running.wants_lease())? {
            let pinned = running(ctx, |running| running.pinned.clone())?;
            leasing = run::leasing(ctx, pinned, order.by.clone()).fuse();
        }
        let heard = {
            let calm = WaitConditionOptions::builder()
                .cancellation_token(WorkflowCancellationToken::new())
                .build();
            let mut told = Box::pin(
                ctx.wait_condition_with_options(|this| !this.state.controls.is_empty(), calm),
            );
            let mut cancelled = match is_cancelled {
                true => Fuse::terminated(),
                false => ctx.cancelled().boxed_local().fuse(),
            };
            let mut answered = &mut outstanding.answer;
            select! {
                _ = told => Heard::Controlled,
                reason = cancelled => Heard::Cancelled(reason),
                leased = leasing => Heard::Leased(Box::new(leased)),
                answer = answered => Heard::Answered(Box::new(answer)),
            }
        };
        let at = now(ctx)?;
        next = match heard {
            Heard::Controlled => match ctx.state_mut(|this| this.state.controls.pop_front()) {
                Some(control) => {
                    running_mut(ctx, |running| running.on(at, Input::Control(control)))?
                }
                None => Next::Keep,
            },
            Heard::Cancelled(reason) => {
                is_cancelled = true;
                let reason = reason.unwrap_or_else(|| "the workflow was cancelled".to_owned());
                let control = Control::Cancel { reason };
                running_mut(ctx, |running| running.on(at, Input::Control(control)))?
            }
            Heard::Leased(leased) => {
                let next = running_mut(ctx, |running| running.leased(at, *leased))?;
                let (has_lease, wants_lease) = running(ctx, |running| {
                    (running.lease.is_some(), running.wants_lease())
                })?;
                if outstanding.waits_for_lease && has_lease {
                    let action = running(ctx, |running| running.action.clone())?;
                    let action = action.ok_or_else(|| cannot("nothing is outstanding"))?;
                    outstanding.replaced();
                    outstanding = begun(ctx, &action)?;
                }
                match outstanding.waits_for_lease
                    && next == Next::Keep
                    && !has_lease
                    && !wants_lease
                {
                    true => running_mut(ctx, |running| running.answered(at, no_lease()))?,
                    false => next,
                }
            }
            Heard::Answered(answer) => {
                match running_mut(ctx, |running| running.answered(at, *answer))? {
                    Next::Keep => return Err(cannot("the machine waits for nothing")),
                    next => next,
                }
            }
        };
    }
}

/// Why a change that waited for the lease was not begun.
fn no_lease() -> Answer {
    let waited = LEASE_WAITS.as_secs();
    let message = format!("the lease of the rule could not be taken within {waited} s");
    Answer::NotBegun(failure(ErrorKind::Unavailable, message))
}

fn running<T>(ctx: &Context, read: impl FnOnce(&Running) -> T) -> WorkflowResult<T> {
    ctx.state(|this| this.state.running.as_ref().map(read))
        .ok_or_else(|| cannot("the run has not begun"))
}

fn running_mut<T>(ctx: &Context, change: impl FnOnce(&mut Running) -> T) -> WorkflowResult<T> {
    ctx.state_mut(|this| this.state.running.as_mut().map(change))
        .ok_or_else(|| cannot("the run has not begun"))
}
