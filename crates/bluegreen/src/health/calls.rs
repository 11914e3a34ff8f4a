//! One look: a read, and the calls of all gates, some of which may be under way after the look's end.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{
    HealthGate, Look, Observation, Progress,
    session::{GateSession, Seen},
};
use crate::{
    error::{ErrorKind, Failure, Result},
    traffic::TrafficObservation,
};

/// The gates of a run, each with what it judged so far.
pub(crate) type Gates = Vec<(GateSession, GateCalls)>;

/// Returns the gates with the last observation of each, for a [`look`].
pub(crate) fn callers(gates: &Gates) -> Vec<(GateCalls, Option<Observation>)> {
    let gates = gates.iter();
    gates
        .map(|(session, calls)| (calls.clone(), session.last().cloned()))
        .collect()
}

/// Continues with the sessions that a journal led to.
pub(crate) fn resume(gates: &mut Gates, sessions: Vec<GateSession>) {
    for session in sessions {
        let mut gates = gates.iter_mut();
        if let Some((own, _)) = gates.find(|(own, _)| own.gate() == session.gate()) {
            *own = session;
        }
    }
}

/// Makes the read first, since gates are `told` of it, then lets all gates look at once. The look ends after
/// `limit`, with the gates that have answered, in their order. `unread` says that the read had no answer by then.
pub(crate) async fn look<T>(
    gates: Vec<(GateCalls, Option<Observation>)>,
    progress: Progress,
    limit: Duration,
    mut read: impl Future<Output = Result<T>> + Unpin,
    unread: &str,
    told: impl Fn(&T) -> Option<TrafficObservation>,
) -> (Result<T, Failure>, Vec<Seen>) {
    let begun = Instant::now();
    let end = begun + limit;
    // The gates look even if there is no answer to the read.
    let early = timeout_at(begun + limit / 3, &mut read).await;
    let known = early.as_ref().ok().and_then(|read| read.as_ref().ok());
    let traffic = known.and_then(told);
    let begin = |(gate, last): (GateCalls, _)| {
        let look = Look {
            progress,
            last,
            traffic: traffic.clone(),
        };
        let call = gate.call(look);
        (gate, call)
    };
    let calls: Vec<(GateCalls, Call)> = gates.into_iter().map(begin).collect();
    let read = match early {
        Ok(read) => read.map_err(Failure::from),
        Err(_) => read_by(end, read, unread).await,
    };
    let mut seen = Vec::new();
    for (gate, call) in calls {
        seen.push(gate.answer(call, end).await);
    }
    (read, seen)
}

/// Returns the answer of a read, if it comes before `end`.
pub(crate) async fn read_by<T>(
    end: Instant,
    read: impl Future<Output = Result<T>>,
    unread: &str,
) -> Result<T, Failure> {
    match timeout_at(end, read).await {
        Ok(read) => read.map_err(Failure::from),
        Err(_) => Err(Failure::new(ErrorKind::Unavailable, unread)),
    }
}

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
