//! The activities of a worker: everything that reads, changes, or holds the lease.
//!
//! Every failure that the machine can judge is a value of the result; an activity fails only if its worker does.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bluegreen::{
    Aws, Error, ErrorKind, Failure,
    clock::Clock,
    host::{MigrationAnswer, MigrationWorker, Work},
    migration::Action,
    spec::MigrationSpec,
    store::{CarriedLease, Holder, JournalLog, JournalStore, Lease, Take},
};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::{
    data::{Changed, Claim, Looked, Order, Pinned, Task},
    fence::Timely,
};

/// How long after it was given to a worker a change may begin. A restore may begin later.
pub const BEGINS_WITHIN: Duration = Duration::from_secs(12);
/// How often a worker that makes a change, or waits for a lease, says that it lives.
const BEATS: Duration = Duration::from_secs(3);
/// How long a restore waits for its record in the journal.
const RESTORE_WAITS: Duration = Duration::from_secs(2);

/// The activities of a worker. The handles of AWS and of the stores are made once for each region and place.
#[derive(Default)]
pub struct Activities {
    opened: Mutex<Opened>,
}

/// Handles by region and place of the journal.
type Opened = BTreeMap<(Option<String>, String), (Aws, JournalStore)>;

impl fmt::Debug for Activities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activities").finish_non_exhaustive()
    }
}

#[activities]
impl Activities {
    /// Finds the rule and the sides, and writes them into the specification as ARNs.
    #[activity(name = "pin")]
    pub(crate) async fn pin(
        self: Arc<Self>,
        _: ActivityContext,
        order: Order,
    ) -> Result<Result<Pinned, Failure>, ActivityError> {
        Ok(self.pinned(order.spec).await.map_err(Failure::from))
    }

    /// Takes the lease of the rule.
    #[activity(name = "take")]
    pub(crate) async fn take(
        self: Arc<Self>,
        ctx: ActivityContext,
        claim: Claim,
    ) -> Result<Result<CarriedLease, Failure>, ActivityError> {
        let id = ctx.info().workflow_id.clone().unwrap_or_default();
        let taken = alive(&ctx, self.taken(&claim, &id)).await;
        Ok(taken.map_err(Failure::from))
    }

    /// Keeps the lease during a long wait.
    #[activity(name = "keep")]
    pub(crate) async fn keep(
        self: Arc<Self>,
        _: ActivityContext,
        task: Task,
    ) -> Result<Result<Option<CarriedLease>, Failure>, ActivityError> {
        Ok(match &task.lease {
            None => Ok(None),
            Some(lease) => self.renewed(&task.pinned, lease).await.map(Some),
        })
    }

    /// Carries out a read, and renews the lease beside it.
    #[activity(name = "read")]
    pub(crate) async fn read(
        self: Arc<Self>,
        _: ActivityContext,
        task: Task,
    ) -> Result<Looked, ActivityError> {
        let renewed = async {
            match &task.lease {
                None => None,
                Some(lease) => Some(self.renewed(&task.pinned, lease).await),
            }
        };
        let (answer, lease) = tokio::join!(self.looked(&task), renewed);
        let answer = answer.map_err(Failure::from);
        Ok(Looked { answer, lease })
    }

    /// Makes a change, under the lease. Has one attempt: a change is never sent twice.
    #[activity(name = "change")]
    pub(crate) async fn change(
        self: Arc<Self>,
        ctx: ActivityContext,
        task: Task,
    ) -> Result<Changed, ActivityError> {
        let given = ctx.info().started_time;
        let changed = alive(&ctx, self.changed(&task, given)).await;
        Ok(changed.unwrap_or_else(|error| Changed::NotBegun {
            failure: Failure::from(error),
        }))
    }

    /// Releases the lease, since the run has ended.
    #[activity(name = "release")]
    pub(crate) async fn release(
        self: Arc<Self>,
        _: ActivityContext,
        task: Task,
    ) -> Result<Result<(), Failure>, ActivityError> {
        let Some(lease) = &task.lease else {
            return Ok(Ok(()));
        };
        let released = async {
            let (aws, log) = self.of(&task.pinned).await?;
            log.carry_on(lease, aws.clock()).await?.release().await
        };
        Ok(released.await.map_err(Failure::from))
    }
}

impl Activities {
    /// The handles of a specification.
    async fn opened(&self, spec: &MigrationSpec) -> bluegreen::Result<(Aws, JournalStore)> {
        let place = spec.journal.as_ref().map(ToString::to_string);
        let key = (spec.region_of_all(), place.unwrap_or_default());
        let known = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(&key) {
            return Ok(found.clone());
        }
        let opened = spec.open().await?;
        known().insert(key, opened.clone());
        Ok(opened)
    }

    async fn of(&self, pinned: &Pinned) -> bluegreen::Result<(Aws, JournalLog)> {
        let (aws, store) = self.opened(&pinned.spec).await?;
        Ok((aws, store.log(pinned.rule.as_str())))
    }

    async fn pinned(&self, spec: MigrationSpec) -> bluegreen::Result<Pinned> {
        let (aws, _) = self.opened(&spec).await?;
        if let Some(problem) = spec.of_another_account(&aws).await? {
            let error = Error::new(ErrorKind::Refused, format!("account {}", problem.message));
            return Err(error.with_hint(problem.hint));
        }
        let target = spec.target(&aws, None).await?;
        let rule = spec.splitter(&aws, &target)?.locate().await?;
        Ok(Pinned::new(spec, &target, rule))
    }

    async fn taken(&self, claim: &Claim, id: &str) -> bluegreen::Result<CarriedLease> {
        let (aws, log) = self.of(&claim.pinned).await?;
        let holder = Holder::workflow(
            format!("{} by {id}", claim.by),
            "Temporal",
            format!("bluegreen-temporal status {id}"),
        );
        // The lease of an earlier try, or of a run that was terminated, expires like that of a dead process.
        let standing = log.lease_state().await?.and_then(|state| state.holder);
        let how = match claim.begins && standing.is_some_and(|standing| standing != holder) {
            true => Take::IfFree,
            false => Take::IfExpired,
        };
        match log.take(holder.clone(), aws.clock(), how).await {
            Ok(lease) => Ok(lease.carry().await),
            // An earlier try of this run took the log, and its answer was lost.
            Err(error)
                if error.kind() == ErrorKind::Held
                    && log.lease_state().await?.and_then(|state| state.holder) == Some(holder) =>
            {
                let message = "take the lease: an earlier try of this run has it";
                Err(Error::new(ErrorKind::Unavailable, message))
            }
            Err(error) => Err(error),
        }
    }

    async fn renewed(
        &self,
        pinned: &Pinned,
        lease: &CarriedLease,
    ) -> Result<CarriedLease, Failure> {
        let (aws, log) = self.of(pinned).await?;
        let lease = log.carry_on(lease, aws.clock()).await?;
        Ok(lease.carry().await)
    }

    async fn looked(&self, task: &Task) -> bluegreen::Result<MigrationAnswer> {
        let spec = &task.pinned.spec;
        let (aws, store) = self.opened(spec).await?;
        let target = task.pinned.target(&aws)?;
        let mut worker = spec.worker(&aws, &target)?;
        if matches!(task.action, Action::Preflight { .. }) {
            for finding in spec.findings(&aws, &store, &target).await? {
                worker = worker.finds(finding);
            }
        }
        let worker = match &task.judges {
            Some(judges) => worker.with_judges(judges)?,
            None => worker,
        };
        let looks = worker.carry_out(&task.action);
        Ok(looks.await)
    }

    async fn changed(&self, task: &Task, given: Option<SystemTime>) -> bluegreen::Result<Changed> {
        let (aws, log) = self.of(&task.pinned).await?;
        let clock = aws.clock();
        let until = clock.uptime() + BEGINS_WITHIN.saturating_sub(since(given, &*clock));
        let restores = task.action.work() == Work::Change { restores: true };
        let lease = match &task.lease {
            Some(lease) if restores => {
                // A journal that cannot be written does not delay a restore.
                let held = log.carry_on(lease, Arc::clone(&clock));
                match tokio::time::timeout(RESTORE_WAITS, held).await {
                    Ok(Err(error)) if error.kind() == ErrorKind::TakenOver => return Err(error),
                    held => held.ok().and_then(Result::ok),
                }
            }
            Some(lease) => Some(log.carry_on(lease, Arc::clone(&clock)).await?),
            None => None,
        };
        let fence = Timely {
            clock,
            until,
            lease: lease.clone(),
        };
        let worker = self.fenced(&aws, task, fence)?;
        let answer = Box::new(worker.carry_out(&task.action).await);
        let lease = carried(lease).await;
        Ok(Changed::Answered { answer, lease })
    }

    fn fenced(&self, aws: &Aws, task: &Task, fence: Timely) -> bluegreen::Result<MigrationWorker> {
        let target = task.pinned.target(aws)?;
        task.pinned.spec.worker(&aws.fenced(fence), &target)
    }
}

async fn carried(lease: Option<Lease>) -> Option<CarriedLease> {
    Some(lease?.carry().await)
}

/// How long ago Temporal gave the work to this worker, by the clock here; zero if that is not known. A process that
/// was stopped in between finds its change late.
fn since(given: Option<SystemTime>, clock: &dyn Clock) -> Duration {
    let now = SystemTime::from(clock.now());
    given
        .and_then(|given| now.duration_since(given).ok())
        .unwrap_or_default()
}

/// Tells Temporal that this worker lives, until the work is done.
async fn alive<T>(ctx: &ActivityContext, work: impl Future<Output = T>) -> T {
    let beats = async {
        loop {
            // It fails only if nothing cannot be written as JSON.
            let _ = ctx.record_heartbeat(()).await;
            tokio::time::sleep(BEATS).await;
        }
    };
    tokio::select! {
        biased;
        done = work => done,
        never = beats => never,
    }
}
