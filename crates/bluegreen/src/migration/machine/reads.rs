//! The meaning of a read of the routing, given what this run has written.
//!
//! Reads may be older than the newest write. So a read is compared with the state before that
//! write (its *base*) and the state that it wants (its *target*); anything else is *foreign*.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Failure, MigrationMachine,
    state::{Contact, Reads, Sent},
};
use crate::{
    clock::{between, later},
    engine::retry::APART,
    error::ErrorKind,
    traffic::{Sides, TrafficObservation, TrafficSplit},
};

/// How long reads may contradict each other before that counts as drift.
const FLAPPING: Duration = Duration::from_secs(60);
/// How long reads must have failed before a restore is written without one.
const UNREAD: Duration = Duration::from_secs(20);

/// The meaning of one read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// The routing is as it should be.
    Current,
    /// The newest change is not seen yet.
    NotSeenYet,
    /// The newest change did not become visible in its propagation time, in no read.
    NeverSeen,
    /// The first sign of a third party: nothing rises, and the rule is read again.
    Suspect,
    /// A third party changed the routing.
    Drift,
    /// The read failed.
    Failed,
    /// The rule or a target group does not exist, in two reads.
    Gone,
}

impl MigrationMachine {
    /// Notes that a change to `to` was sent: its call ended at `at`, and the weights `accepted` were
    /// accepted.
    pub(super) fn sent(&mut self, at: Timestamp, to: TrafficSplit, accepted: Option<Sides<u32>>) {
        let (mut base, mut older) = (Vec::new(), Vec::new());
        // A change that no read has shown may take effect at any time, and so may a change that only old
        // reads have shown.
        let may_show = |sent: &Sent| !sent.seen || at < later(sent.ended, self.propagation);
        if let Some(before) = self.sent.take().filter(may_show) {
            (base, older) = (before.base, before.older);
            if !older.contains(&before.to) {
                older.push(before.to);
            }
        }
        if let Some(expected) = &self.expected
            && !base.contains(&expected.weights)
        {
            base.push(expected.weights);
        }
        self.sent = Some(Sent {
            to,
            ended: at,
            accepted,
            seen: false,
            base,
            older,
        });
        self.reads = Reads::default();
    }

    /// Notes that the newest change did not happen: the routing before the change stands.
    pub(super) fn forget_sent(&mut self) {
        self.sent = None;
        self.reads = Reads::default();
    }

    /// The clock of another process proves nothing: the propagation time begins anew, and an accepted
    /// change counts as unknown.
    pub(super) fn outdate_sent(&mut self, at: Timestamp) {
        if let Some(sent) = &mut self.sent {
            sent.ended = at;
            sent.accepted = None;
        }
        self.reads = Reads::default();
    }

    /// Returns the split of the newest change, unless a read has shown it.
    pub(super) fn unseen(&self) -> Option<TrafficSplit> {
        let sent = self.sent.as_ref()?;
        (!sent.seen).then_some(sent.to)
    }

    /// Returns the splits that changes of this run may have left.
    pub(super) fn own_splits(&self) -> Vec<TrafficSplit> {
        let splits = |sent: &Sent| sent.older.iter().copied().chain([sent.to]).collect();
        self.sent.as_ref().map(splits).unwrap_or_default()
    }

    /// Returns whether this run explains the newest read.
    pub(super) fn is_explained(&self) -> bool {
        self.reads.foreign.is_none()
    }

    /// Returns since when each read has shown the routing as it should be.
    pub(super) fn steady_since(&self) -> Option<Timestamp> {
        self.reads.steady
    }

    /// Takes the result of a read at `at`.
    pub(super) fn take_read(
        &mut self,
        at: Timestamp,
        read: &Result<TrafficObservation, Failure>,
    ) -> Read {
        let failure = match read {
            Ok(found) => return self.read(at, found),
            Err(failure) => failure,
        };
        self.contact.failing.get_or_insert(at);
        if failure.kind != ErrorKind::NotFound {
            self.contact.missing = None;
            return Read::Failed;
        }
        let missing = *self.contact.missing.get_or_insert(at);
        match between(missing, at) >= APART {
            true => Read::Gone,
            false => Read::Failed,
        }
    }

    /// Returns whether a restore may be written without a read: reads have failed for long enough, and
    /// this process's knowledge of the rule was fresh when they began to fail.
    pub(super) fn may_write_unread(&self, at: Timestamp) -> bool {
        let Contact {
            held: Some(held),
            failing: Some(failing),
            ..
        } = self.contact
        else {
            return false;
        };
        self.plan.blind_restore()
            && between(failing, at) >= UNREAD
            && between(held, failing) <= self.plan.look_interval() * 2
    }

    /// Takes the routing that was read at `at`.
    pub(super) fn read(&mut self, at: Timestamp, found: &TrafficObservation) -> Read {
        self.contact = Contact {
            held: Some(at),
            ..Contact::default()
        };
        let read = self.compare(at, found);
        // A read that shows an older state than an earlier read is no news, and a first sign is not believed.
        let is_older = read == Read::NotSeenYet && self.unseen().is_none();
        if !is_older && read != Read::Suspect {
            self.remember(at, found);
        }
        read
    }

    fn compare(&mut self, at: Timestamp, found: &TrafficObservation) -> Read {
        let Some(expected) = &self.expected else {
            self.expected = Some(found.clone());
            self.reads.steady = Some(at);
            return Read::Current;
        };
        let is_same_rule = expected.is_same_rest(found);
        let is_current = match &self.sent {
            Some(sent) if !sent.seen => {
                let is_accepted = |weights| found.weights == weights;
                sent.accepted.map_or(found.is_at(sent.to), is_accepted)
            }
            _ => found.weights == expected.weights,
        };
        if is_same_rule && is_current {
            return self.read_current(at, found);
        }
        let is_older = |sent: &&Sent| {
            let is_split = |split: &TrafficSplit| found.is_at(*split);
            is_same_rule && (sent.base.contains(&found.weights) || sent.older.iter().any(is_split))
        };
        if let Some(sent) = self.sent.as_ref().filter(is_older) {
            self.reads.steady = None;
            if at < later(sent.ended, self.propagation) {
                self.reads.foreign = None;
                return Read::NotSeenYet;
            }
            if !sent.seen {
                self.reads.foreign = None;
                return Read::NeverSeen;
            }
        }
        self.read_foreign(at)
    }

    fn read_current(&mut self, at: Timestamp, found: &TrafficObservation) -> Read {
        let propagation = self.propagation;
        if let Some(sent) = &mut self.sent {
            // A read that also fits the routing before the change is no sign of a write without an answer.
            let proves_nothing = sent.accepted.is_none() && sent.base.contains(&found.weights);
            sent.seen |= !proves_nothing || at >= later(sent.ended, propagation);
        }
        self.expected = Some(found.clone());
        self.reads.foreign = None;
        let steady = *self.reads.steady.get_or_insert(at);
        if between(steady, at) >= APART {
            self.reads.flapping = None;
        }
        Read::Current
    }

    fn read_foreign(&mut self, at: Timestamp) -> Read {
        self.reads.steady = None;
        let first = *self.reads.foreign.get_or_insert(at);
        let flapping = *self.reads.flapping.get_or_insert(at);
        if between(first, at) >= APART || between(flapping, at) >= FLAPPING {
            Read::Drift
        } else {
            Read::Suspect
        }
    }
}
