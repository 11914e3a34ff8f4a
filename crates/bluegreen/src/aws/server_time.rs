//! What AWS's own clock says.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;

/// AWS's clock, as the `Date` of an answer shows it. Given by
/// [`Aws::server_time`](super::Aws::server_time).
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen::{TrafficSplitter, aws::{alb::AlbTrafficSplitter, sim::Simulation}};
/// use jiff::SignedDuration;
///
/// let ten_minutes = SignedDuration::from_mins(10);
/// let simulation = Simulation::builder().clock_off_by(ten_minutes).build();
/// simulation.start_paused();
/// let aws = simulation.aws();
/// assert!(aws.server_time().is_none(), "AWS has answered nothing yet");
///
/// let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
/// AlbTrafficSplitter::new(&aws, rule, blue, green)?.observe().await?;
/// let server = aws.server_time().ok_or("no answer had a date")?;
/// assert_eq!(server.offset(), -ten_minutes, "AWS is behind the clock here");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerTime {
    /// The answer's date: whole seconds, cut off, as HTTP has it.
    pub date: Timestamp,
    /// The time by [`Aws::clock`](super::Aws::clock) when the answer came.
    pub received: Timestamp,
    /// That clock's [`uptime`](Clock::uptime) at that moment.
    pub uptime: Duration,
}

impl ServerTime {
    /// How far AWS's clock is ahead of the clock here; negative if it is behind. To add to a time
    /// here gives AWS's, give or take a second and the time that the answer took.
    #[must_use]
    pub fn offset(&self) -> SignedDuration {
        self.date.duration_since(self.received)
    }
}

/// Where the dates of a handle's answers are noted: by whatever receives them, for whatever needs
/// them. Clones are one note.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerDates(Arc<Mutex<Option<ServerTime>>>);

impl ServerDates {
    /// Notes the date of an answer that has come just now.
    #[cfg_attr(
        not(feature = "sim"),
        expect(dead_code, reason = "the simulation alone notes dates")
    )]
    pub(crate) fn note(&self, date: Timestamp, clock: &dyn Clock) {
        let date = Timestamp::from_second(date.as_second()).unwrap_or(date);
        let time = ServerTime {
            date,
            received: clock.now(),
            uptime: clock.uptime(),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
    }

    /// The newest one.
    pub(crate) fn newest(&self) -> Option<ServerTime> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
