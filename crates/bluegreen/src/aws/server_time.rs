//! The time by AWS's own clock.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept, context::BeforeDeserializationInterceptorContextRef, dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{DateTime, config_bag::ConfigBag, date_time::Format};
use jiff::{SignedDuration, Timestamp};

use crate::{
    clock::{Clock, LEAST_OFFSET, RunClock, later, span},
    preflight::Finding,
};

/// AWS's clock, as the `Date` of an answer shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServerTime {
    /// The answer's date: whole seconds, cut off, as HTTP has it.
    pub(crate) date: Timestamp,
    /// The time by the handle's clock when the answer came.
    pub(crate) received: Timestamp,
    /// The [`uptime`](Clock::uptime) of that clock when the answer came.
    pub(crate) uptime: Duration,
}

impl ServerTime {
    /// How far AWS's clock is ahead of the clock here; negative if it is behind. A time here plus
    /// the offset is AWS's time, give or take a second and the time that the answer took.
    #[must_use]
    pub(crate) fn offset(&self) -> SignedDuration {
        self.date.duration_since(self.received)
    }
}

/// An offset must show in this many answers in a row before it is reported.
const IN_A_ROW: usize = 3;

/// The dates of a handle's answers: clients note them, and users of AWS's time read them. Clones
/// share the dates.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerDates(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    /// The newest answers, oldest first.
    answers: VecDeque<ServerTime>,
    is_reported: bool,
    /// The clock of the run that made the newest call.
    run: Option<RunClock>,
}

impl ServerDates {
    /// Notes the date of an answer that has just come.
    pub(crate) fn note(&self, date: Timestamp, clock: &dyn Clock) {
        let date = Timestamp::from_second(date.as_second()).unwrap_or(date);
        let time = ServerTime {
            date,
            received: clock.now(),
            uptime: clock.uptime(),
        };
        let mut noted = self.lock();
        if let Some(run) = RunClock::of_this_task() {
            noted.run = Some(run);
        }
        if noted.answers.len() == IN_A_ROW {
            noted.answers.pop_front();
        }
        noted.answers.push_back(time);
        if !noted.is_reported
            && let Some(note) = noted.finding()
        {
            noted.is_reported = true;
            tracing::warn!("{note}");
        }
    }

    /// The newest date.
    pub(crate) fn newest(&self) -> Option<ServerTime> {
        self.lock().answers.back().copied()
    }

    /// AWS's time at this uptime; `None` before the first answer.
    pub(crate) fn time_at(&self, uptime: Duration) -> Option<Timestamp> {
        self.lock().time_at(uptime)
    }

    /// How far AWS's clock is ahead of the clock of the run that shows `at` now, or showed it some
    /// seconds ago; in whole seconds, and zero if the difference is too small to count. `None`
    /// before the first answer.
    pub(crate) fn ahead(&self, clock: &dyn Clock, at: Timestamp) -> Option<SignedDuration> {
        /// A look may have begun this long ago.
        const LOOK: SignedDuration = SignedDuration::from_secs(60);
        let noted = self.lock();
        let there = noted.time_at(clock.uptime())?;
        let run = RunClock::of_this_task().or_else(|| noted.run.clone());
        let now = run.map(|run| run.now());
        let is_its =
            |now: &Timestamp| (SignedDuration::ZERO..LOOK).contains(&now.duration_since(at));
        let here = now.filter(is_its).unwrap_or(at);
        let ahead = there.duration_since(here);
        let seconds = (ahead.as_millis() + 500).div_euclid(1_000);
        let ahead = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or_default());
        Some(if ahead.unsigned_abs() < LEAST_OFFSET {
            SignedDuration::ZERO
        } else {
            ahead
        })
    }

    /// The note of a preflight about the clock here.
    pub(crate) fn finding(&self) -> Option<Finding> {
        self.lock().finding()
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    /// The newest time that the dates show: the date of an answer that was long on its way shows an
    /// older one.
    fn time_at(&self, uptime: Duration) -> Option<Timestamp> {
        let times = self
            .answers
            .iter()
            .map(|answer| later(answer.date, uptime.saturating_sub(answer.uptime)));
        times.max()
    }

    fn finding(&self) -> Option<Finding> {
        let mut offsets = self.answers.iter().map(ServerTime::offset);
        let is_off = offsets.all(|offset| offset.unsigned_abs() >= LEAST_OFFSET);
        if self.answers.len() < IN_A_ROW || !is_off {
            return None;
        }
        let offset = self.answers.back()?.offset();
        let (length, side) = (span(offset.unsigned_abs()), direction(offset));
        let message = format!(
            "the clock of this machine is {length} {side} AWS's: times shown here are this machine's; \
             metrics and schedules are asked for in AWS's time"
        );
        let hint = "set the clock, best by NTP: AWS refuses requests that are signed more than 5 minutes off";
        Some(Finding::note(message).with_hint(hint))
    }
}

/// The side of AWS's clock on which this machine's clock stands, by the offset of AWS's.
fn direction(offset: SignedDuration) -> &'static str {
    if offset.is_negative() {
        "ahead of"
    } else {
        "behind"
    }
}

/// Reads the `Date` of every answer that a client gets, refusals and each attempt included.
#[derive(Clone)]
pub(crate) struct DateReader {
    pub(crate) dates: ServerDates,
    pub(crate) clock: Arc<dyn Clock>,
}

impl fmt::Debug for DateReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DateReader").finish_non_exhaustive()
    }
}

#[dyn_dispatch_hint]
impl Intercept for DateReader {
    fn name(&self) -> &'static str {
        "DateReader"
    }

    /// An answer with the status of a failed server may come from something before AWS, and an
    /// answer with an age from a cache: neither tells AWS's time.
    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response();
        let is_current =
            !answer.status().is_server_error() && !answer.headers().contains_key("age");
        let date = answer
            .headers()
            .get("date")
            .filter(|_| is_current)
            .and_then(|date| DateTime::from_str(date, Format::HttpDate).ok())
            .and_then(|date| Timestamp::from_second(date.secs()).ok());
        if let Some(date) = date {
            self.dates.note(date, &*self.clock);
        }
        Ok(())
    }
}

/// The time that changes are signed by: AWS's, or the machine's until AWS's is known and while both
/// agree.
#[derive(Debug)]
pub(crate) struct SigningTime {
    pub(crate) reader: DateReader,
    pub(crate) here: SharedTimeSource,
}

impl TimeSource for SigningTime {
    fn now(&self) -> SystemTime {
        let here = self.here.now();
        let uptime = self.reader.clock.uptime();
        let there = self.reader.dates.time_at(uptime);
        let Some(there) = there else {
            return here;
        };
        let is_close = Timestamp::try_from(here)
            .is_ok_and(|here| there.duration_since(here).unsigned_abs() < LEAST_OFFSET);
        if is_close { here } else { there.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::moved;

    /// A machine whose wall clock and uptime are set by hand.
    #[derive(Debug, Clone, Default)]
    struct ByHand(Arc<Mutex<(SignedDuration, Duration)>>);

    impl ByHand {
        fn pass(&self, seconds: u64) {
            self.0.lock().unwrap().1 += Duration::from_secs(seconds);
        }

        fn set(&self, seconds: i64) {
            self.0.lock().unwrap().0 += SignedDuration::from_secs(seconds);
        }

        /// The true time.
        fn truth(&self) -> Timestamp {
            let epoch = Timestamp::from_second(1_800_000_000).unwrap();
            later(epoch, self.uptime())
        }
    }

    impl Clock for ByHand {
        fn now(&self) -> Timestamp {
            moved(self.truth(), self.0.lock().unwrap().0)
        }

        fn uptime(&self) -> Duration {
            self.0.lock().unwrap().1
        }

        fn is_virtual(&self) -> bool {
            true
        }
    }

    fn seconds(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    #[test]
    fn an_offset_counts_after_three_answers_in_a_row_and_only_from_five_seconds_on() {
        for (off, is_told) in [
            (600, true),
            (-600, true),
            (5, true),
            (-5, true),
            (4, false),
            (0, false),
        ] {
            let (machine, dates) = (ByHand::default(), ServerDates::default());
            machine.set(off);
            for answers in 1..=5 {
                dates.note(machine.truth(), &machine);
                let is_noted = dates.finding().is_some();
                assert_eq!(
                    is_noted,
                    is_told && answers >= 3,
                    "{off} s, {answers} answers"
                );
                assert_eq!(dates.lock().is_reported, is_noted);
                machine.pass(10);
            }
            // One right answer ends the finding; that the offset was reported once is kept.
            machine.set(-off);
            dates.note(machine.truth(), &machine);
            assert_eq!(dates.finding(), None, "{off} s");
            assert_eq!(dates.lock().is_reported, is_told, "{off} s");
        }
    }

    #[test]
    fn the_offset_is_told_in_words() {
        let said = |off| {
            let (machine, dates) = (ByHand::default(), ServerDates::default());
            machine.set(off);
            (0..3).for_each(|_| dates.note(machine.truth(), &machine));
            dates.finding().unwrap().message
        };
        let (ahead, behind) = (said(600), said(-90));
        assert!(ahead.contains("is 10m ahead of AWS's"), "{ahead}");
        assert!(behind.contains("is 1m 30s behind AWS's"), "{behind}");
    }

    #[test]
    fn small_differences_are_not_corrected_and_late_answers_say_less() {
        let (machine, dates) = (ByHand::default(), ServerDates::default());
        let ahead = || dates.ahead(&machine, machine.now());
        assert_eq!(ahead(), None);
        machine.set(-4);
        dates.note(machine.truth(), &machine);
        assert_eq!(ahead(), Some(SignedDuration::ZERO));
        machine.set(-596);
        assert_eq!(ahead(), Some(seconds(600)));
        // Two answers that were twenty seconds on their way.
        for _ in 0..2 {
            dates.note(machine.truth() - seconds(20), &machine);
            machine.pass(1);
            assert_eq!(ahead(), Some(seconds(600)));
        }
        assert_eq!(dates.time_at(machine.uptime()), Some(machine.truth()));
    }

    #[tokio::test]
    async fn p11_in_a_run_its_own_clock_counts_and_not_the_walls() {
        let (machine, dates) = (ByHand::default(), ServerDates::default());
        machine.set(600);
        let run = RunClock::start(machine.clone());
        let noted = async { dates.note(machine.truth(), &machine) };
        run.clone().during(noted).await;
        machine.set(-3_600);
        machine.pass(30);
        assert_eq!(dates.ahead(&machine, run.now()), Some(seconds(-600)));
        // A look that began twenty seconds ago is of the same run.
        let began = run.now() - seconds(20);
        assert_eq!(dates.ahead(&machine, began), Some(seconds(-600)));
        // A time of no run, or of another run, has its own offset.
        assert_eq!(dates.ahead(&machine, machine.now()), Some(seconds(3_000)));
    }

    #[test]
    fn a_change_is_signed_by_the_clock_here_until_awss_is_known_to_differ() {
        let machine = ByHand::default();
        let here = SharedTimeSource::new(aws_smithy_async::time::StaticTimeSource::from_secs(
            1_800_000_000,
        ));
        let reader = DateReader {
            dates: ServerDates::default(),
            clock: Arc::new(machine.clone()),
        };
        let signs = SigningTime {
            reader: reader.clone(),
            here: here.clone(),
        };
        assert_eq!(signs.now(), here.now());
        reader.dates.note(machine.truth() + seconds(3), &machine);
        assert_eq!(signs.now(), here.now());
        reader.dates.note(machine.truth() + seconds(600), &machine);
        assert_eq!(signs.now(), here.now() + Duration::from_secs(600));
    }
}
