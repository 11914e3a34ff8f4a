//! The journal of a place: each step before it is taken, and the end of a run.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::step::PlaceStep;
use crate::{
    clock::{between, later},
    engine::Record,
};

/// How long reads may show the state before a change, as for the splitter.
pub(super) const PROPAGATION: Duration = Duration::from_secs(30);
/// How long a call may be under way after its record was written: the limit of a change.
const UNDER_WAY: Duration = Duration::from_secs(10);

/// The record of the end of a run that took steps, or that came after a run that was cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Finished {
    finished: bool,
}

impl Finished {
    pub(super) const RECORD: Self = Self { finished: true };
}

/// The last step of a run that was cut off. It may have been taken, and reads may not show that yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CutOff {
    pub(super) step: PlaceStep,
    at: Timestamp,
}

impl CutOff {
    /// Reads the records of a run; `None` if the run ended, or took no step.
    pub(super) fn of(records: &[Record]) -> Option<Self> {
        let last = records.last()?;
        let step = last.entry.read::<PlaceStep>().ok()?;
        Some(Self { step, at: last.at })
    }

    /// Returns how long to wait until reads show the step, if it was taken. A clock that went back makes no
    /// longer wait.
    pub(super) fn wait(&self, now: Timestamp) -> Duration {
        let whole = PROPAGATION + UNDER_WAY;
        let until = later(self.at, whole);
        match until.duration_since(now) > SignedDuration::ZERO {
            true => between(now, until).min(whole),
            false => Duration::ZERO,
        }
    }
}

/// Whether a log that begins with this record is of a place.
pub(super) fn begins(record: &Record) -> bool {
    let is_ours =
        || record.entry.read::<PlaceStep>().is_ok() || record.entry.read::<Finished>().is_ok();
    record.seq == 0 && is_ours()
}
