//! The requests from outside that a run has taken already.

use jiff::Timestamp;

use super::{Entry, Input, snapshot::Snapshot};
use crate::engine::Record;

/// Returns the nonces of the requests in these records, and when each was taken.
pub(super) fn requests_taken(records: &[Record]) -> Vec<(Timestamp, String)> {
    let mut taken = Vec::new();
    for record in records {
        match record.entry.read::<Entry>() {
            Ok(Entry::Input {
                input: Input::Control(control),
            }) => {
                let nonce = control.by().and_then(|by| by.request());
                taken.extend(nonce.map(|nonce| (record.at, nonce.to_owned())));
            }
            Ok(Entry::Snapshot { snapshot }) => {
                let snapshot = snapshot.read::<Snapshot>();
                taken.extend(snapshot.map_or(Vec::new(), |snapshot| snapshot.requests));
            }
            _ => {}
        }
    }
    taken
}
