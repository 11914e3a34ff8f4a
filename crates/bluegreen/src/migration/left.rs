//! Changes that a run left standing, for the next one who works on the same rule.

use super::{Action, Entry, Input, StandingCapacity, snapshot::Snapshot};
use crate::{engine::Record, traffic::Kept};

/// Returns blue's minimum, if the run of these records has raised it, or may have, and did not put it
/// back. The records are a whole run's, or only the records that a [resume
/// needs](crate::store::JournalLog::newest_run_to_resume).
///
/// A [resume](super::Migration::resume) finds that out by itself. A [restore](super::Migration::restore) is a
/// run of its own, and leaves the minimum as it is.
#[must_use]
pub fn capacity_left(records: &[Record]) -> Option<StandingCapacity> {
    let mut left: Option<Kept> = None;
    for record in records {
        match record.entry.read::<Entry>() {
            Ok(Entry::Snapshot { snapshot }) => {
                let snapshot = snapshot.read::<Snapshot>().ok();
                left = snapshot.and_then(|snapshot| snapshot.machine.kept_capacity().cloned());
            }
            Ok(Entry::Change {
                action: Action::KeepCapacity { kept },
            }) => left = Some(kept),
            Ok(Entry::Input {
                input: Input::CapacityReleased(Ok(_)),
            }) => left = None,
            _ => {}
        }
    }
    left.map(|kept| StandingCapacity { kept, why: None })
}
