//! How many tasks a service runs, once a caller has set that.

use std::time::Duration;

/// The count of a service, if a caller has set it.
#[derive(Debug, Clone, Default)]
pub(in crate::aws::sim) struct Count {
    /// The time from which each task serves.
    ready: Option<Vec<Duration>>,
    /// How many tasks finish their requests, and until when.
    stopping: (u32, Duration),
}

/// How long a new task takes until it serves.
const STARTS: Duration = Duration::from_secs(60);
/// How long a task takes to finish its requests: the usual 300 s of a target group would only make
/// simulations longer.
const STOPS: Duration = Duration::from_secs(60);

impl Count {
    /// The time from which each task serves, if a caller has set the count: only then can it be zero.
    pub(super) fn ready(&self) -> Option<&[Duration]> {
        self.ready.as_deref()
    }

    /// How many tasks finish their requests.
    pub(in crate::aws::sim) fn stopping(&self, now: Duration) -> u32 {
        let (count, until) = self.stopping;
        if now < until { count } else { 0 }
    }

    /// A caller sets the count of a service whose tasks serve from these times on. Returns the new times.
    pub(super) fn set(
        &mut self,
        now: Duration,
        mut ready: Vec<Duration>,
        wanted: u32,
    ) -> Vec<Duration> {
        let runs = u32::try_from(ready.len()).unwrap_or(u32::MAX);
        if wanted < runs {
            self.stopping = (runs - wanted + self.stopping(now), now + STOPS);
        }
        ready.resize(wanted as usize, now + STARTS);
        self.ready = Some(ready.clone());
        ready
    }
}
