//! [`GateCalls`]: a gate that is called at each look, and the call that may still be under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{HealthGate, Look, Progress, session::Seen};
use crate::error::{ErrorKind, Failure};

/// A gate, and the call of it that missed a look and may still answer.
#[derive(Debug, Clone)]
pub(crate) struct GateCalls {
    gate: Arc<dyn HealthGate>,
    late: Arc<Mutex<Option<Call>>>,
}

/// A gate's call that is under way; dropped, it ends.
#[derive(Debug)]
pub(crate) struct Call {
    /// What the gate was told.
    progress: Progress,
    /// Whether a look has ended without its answer.
    is_late: bool,
    task: JoinSet<Seen>,
}

impl GateCalls {
    pub(crate) fn new(gate: Arc<dyn HealthGate>) -> Self {
        Self {
            gate,
            late: Arc::default(),
        }
    }

    /// Returns the late call, if it is about this stage, or else begins a new one.
    pub(crate) fn call(&self, look: Look) -> Call {
        let stage = |progress: &Progress| (progress.phase, progress.green, progress.since);
        let progress = look.progress;
        let is_same_stage = |call: &Call| stage(&call.progress) == stage(&progress);
        if let Some(late) = self.late().take().filter(is_same_stage) {
            return late;
        }
        let gate = Arc::clone(&self.gate);
        let mut task = JoinSet::new();
        // A task of its own: a gate that panics takes only its own look.
        task.spawn(async move { gate.observe(&look).await.map_err(Failure::from) });
        Call {
            progress,
            is_late: false,
            task,
        }
    }

    /// Returns the gate's answer, if it comes before `end`. A call that misses two looks is given up.
    pub(crate) async fn answer(&self, mut call: Call, end: Instant) -> Seen {
        let unavailable = |message| Err(Failure::new(ErrorKind::Unavailable, message));
        match timeout_at(end, call.task.join_next()).await {
            Ok(Some(Ok(seen))) => seen,
            Ok(_) => unavailable("the gate panicked while it looked"),
            Err(_) => {
                if !call.is_late {
                    call.is_late = true;
                    *self.late() = Some(call);
                }
                unavailable("the gate did not answer, so the look ended without it")
            }
        }
    }

    fn late(&self) -> MutexGuard<'_, Option<Call>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
