//! [`RunClock`].

use std::{future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Clock, later};

/// The clock of a run: wall time, taken once, plus the [`uptime`](Clock::uptime) since.
///
/// A run dates its events and its journal by this clock, and measures every wait and deadline by
/// it. So a wall clock that is set during the run changes nothing, and a wall clock that is off
/// shifts all times of the run by the same amount. The clock of a run never goes back, and time in
/// which the machine was suspended counts.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sim")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use bluegreen::{aws::sim::Simulation, clock::{Clock, RunClock}};
/// use jiff::SignedDuration;
///
/// let simulation = Simulation::builder().build();
/// simulation.start_paused();
/// let run = RunClock::start(simulation.aws().clock());
/// let start = run.now();
/// simulation.set_clock(SignedDuration::from_hours(-1));
/// tokio::time::sleep(std::time::Duration::from_secs(60)).await;
/// assert_eq!(run.now().duration_since(start).as_secs(), 60);
/// # }
/// # #[cfg(not(feature = "sim"))]
/// # fn main() {}
/// ```
#[derive(Debug, Clone)]
pub struct RunClock {
    clock: Arc<dyn Clock>,
    start: Timestamp,
    /// The uptime at `start`.
    uptime: Duration,
}

impl RunClock {
    /// Starts now, by the wall clock of `clock`.
    #[must_use]
    pub fn start(clock: impl Clock + 'static) -> Self {
        Self {
            start: clock.now(),
            uptime: clock.uptime(),
            clock: Arc::new(clock),
        }
    }

    /// Starts no earlier than `at`. For a run that is resumed: its records must not lie in its
    /// future, even if the clock of the machine before was ahead.
    #[must_use]
    pub(crate) fn not_before(self, at: Timestamp) -> Self {
        if self.now() >= at {
            return self;
        }
        Self {
            start: at,
            uptime: self.clock.uptime(),
            clock: self.clock,
        }
    }

    /// Runs `work` as work of this run: see [`of_this_task`](Self::of_this_task).
    pub(crate) fn during<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        OF_THIS_TASK.scope(self, work)
    }

    /// The clock of the run that this task works for. `None` outside of a run, and in a task that
    /// was spawned.
    #[cfg_attr(
        not(any(feature = "aws", test)),
        expect(
            dead_code,
            reason = "adapters compare its times with those of a service"
        )
    )]
    pub(crate) fn of_this_task() -> Option<Self> {
        OF_THIS_TASK.try_with(Clone::clone).ok()
    }
}

tokio::task_local! {
    /// Roles are told times by the run's clock, and some must compare them with times by a
    /// service's clock.
    static OF_THIS_TASK: RunClock;
}

impl Clock for RunClock {
    fn now(&self) -> Timestamp {
        let passed = self.clock.uptime().saturating_sub(self.uptime);
        later(self.start, passed)
    }

    fn uptime(&self) -> Duration {
        self.clock.uptime()
    }

    fn is_virtual(&self) -> bool {
        self.clock.is_virtual()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::clock::{between, moved};

    /// A machine whose wall clock and uptime are set by hand.
    #[derive(Debug)]
    struct ByHand(Mutex<(Timestamp, Duration)>);

    impl ByHand {
        fn new() -> Arc<Self> {
            Arc::new(Self(Mutex::new((at(0), Duration::from_secs(77)))))
        }

        fn pass(&self, time: Duration) {
            let mut this = self.0.lock().unwrap();
            *this = (later(this.0, time), this.1 + time);
        }

        fn set(&self, by: SignedDuration) {
            let mut this = self.0.lock().unwrap();
            this.0 = moved(this.0, by);
        }
    }

    impl Clock for ByHand {
        fn now(&self) -> Timestamp {
            self.0.lock().unwrap().0
        }

        fn uptime(&self) -> Duration {
            self.0.lock().unwrap().1
        }

        fn is_virtual(&self) -> bool {
            true
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Passes(u64),
        IsSet(i64),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let passes = (0..10_000_000_u64).prop_map(Event::Passes);
        let is_set = any::<i64>().prop_map(Event::IsSet);
        prop::collection::vec(prop_oneof![passes, is_set], 0..50)
    }

    proptest! {
        #[test]
        fn p11_whatever_sets_the_wall_clock_a_run_measures_uptime_and_never_goes_back(
            events in events(),
            newest in prop::option::of(-1_000_000..1_000_000_i64),
        ) {
            let machine = ByHand::new();
            let mut run = RunClock::start(Arc::clone(&machine));
            if let Some(newest) = newest {
                run = run.not_before(at(newest));
            }
            let start = run.now();
            prop_assert_eq!(start, at(newest.unwrap_or_default().max(0)));
            let (mut last, mut passed) = (start, Duration::ZERO);
            for event in events {
                match event {
                    Event::Passes(millis) => {
                        let time = Duration::from_millis(millis);
                        machine.pass(time);
                        passed += time;
                    }
                    Event::IsSet(seconds) => machine.set(SignedDuration::from_secs(seconds)),
                }
                let now = run.now();
                prop_assert!(now >= last);
                prop_assert_eq!(between(start, now), passed);
                last = now;
            }
        }
    }

    #[tokio::test]
    async fn an_action_knows_the_clock_of_its_run_and_nothing_else_does() {
        let run = RunClock::start(ByHand::new());
        let now = run.now();
        assert!(RunClock::of_this_task().is_none());
        let known = run.during(async { RunClock::of_this_task() }).await;
        assert_eq!(known.map(|run| run.now()), Some(now));
        assert!(RunClock::of_this_task().is_none());
    }
}
