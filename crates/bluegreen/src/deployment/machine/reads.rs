//! Judging a read of the service by the changes that this run has sent.
//!
//! Reads may be older than the newest change. Each deployment has an id of its own, and the answer of
//! an accepted change carries the id. So a read is old if it shows a deployment that the newest change has
//! replaced. A deployment that this run has neither begun nor replaced is a third party's.

use std::time::Duration;

use jiff::Timestamp;

use super::{DeploymentMachine, state::Reads};
use crate::{
    clock::{between, later},
    engine::retry::APART,
    service::{DeploymentId, Rollout, ServiceObservation, Target, Update},
};

/// The meaning of one read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// It shows the state that this run expects.
    Current,
    /// It does not show the newest change yet.
    NotSeenYet,
    /// The propagation time is over, and no read has shown the newest change.
    NeverSeen,
    /// The first sign of a third party, which is not believed: the service is read again.
    Suspect,
    /// It shows a third party's change.
    ThirdParty,
}

impl DeploymentMachine {
    /// Begins a run. Reads may not show the changes of an earlier process of the run yet.
    pub(super) fn begin_reads(&mut self, at: Timestamp) {
        self.reads = Reads {
            ended: at,
            older: self.unfinished.older.clone(),
            was_absent: self.unfinished.was_absent,
            ..Reads::default()
        };
    }

    /// Notes that a change is about to be sent: the deployment that it replaces is old from then on.
    pub(super) fn sends(&mut self, at: Timestamp, update: &Update) {
        let reads = &mut self.reads;
        // Cleared before the clone, or each change would keep all changes before it.
        reads.before = None;
        let before = Box::new(reads.clone());
        let own = reads.accepted.take();
        // If the service is to run nothing, it keeps its deployment, with another count.
        let replaces = match (&update.from, &update.to) {
            (Some(from), Target::Revision(_)) => Some(from.deployment.clone()),
            _ => None,
        };
        let own = own.filter(|_| replaces.is_some());
        let is_new = |id: &DeploymentId| !reads.older.contains(id);
        let replaced = replaces.filter(is_new);
        let own = own.filter(|own| Some(own) != replaced.as_ref() && is_new(own));
        reads.older.extend(replaced.into_iter().chain(own));
        reads.was_absent |= update.from.is_none();
        reads.before = Some(before);
        reads.ended = at;
        reads.answer = None;
        reads.seen = false;
        reads.foreign = None;
    }

    /// Notes that the change was accepted. Its answer counts as an observation.
    pub(super) fn accepted(&mut self, at: Timestamp, update: &Update, deployment: &DeploymentId) {
        let reads = &mut self.reads;
        reads.ended = at;
        reads.before = None;
        reads.older.retain(|older| older != deployment);
        reads.accepted = Some(deployment.clone());
        reads.answer = update.from.clone().map(|from| match &update.to {
            Target::Revision(revision) => ServiceObservation {
                revision: revision.clone(),
                deployment: deployment.clone(),
                rollout: Rollout::InProgress,
                running: 0,
                ..from
            },
            Target::Nothing => ServiceObservation { desired: 0, ..from },
        });
    }

    /// Notes that the change has no answer: it may take effect until the propagation time is over.
    pub(super) fn unanswered(&mut self, at: Timestamp) {
        self.reads.ended = at;
    }

    /// Notes that the change was refused, or did not happen: the earlier deployment is the newest again.
    pub(super) fn not_sent(&mut self) {
        if let Some(before) = self.reads.before.take() {
            self.reads = *before;
        }
    }

    /// Expects reads to show this deployment from now on, even if another run began it.
    pub(super) fn expect(&mut self, at: Timestamp, deployment: &DeploymentId) {
        let reads = &mut self.reads;
        let own = reads.accepted.replace(deployment.clone());
        reads.older.extend(own);
        reads.older.retain(|older| older != deployment);
        reads.ended = at;
        reads.before = None;
        reads.answer = None;
        reads.seen = true;
        reads.foreign = None;
    }

    /// Expects reads to show the service's own rollback from now on; for the propagation time they may still
    /// show this run's deployment.
    pub(super) fn expect_the_way_back(&mut self, at: Timestamp) {
        let reads = &mut self.reads;
        reads.ended = at;
        reads.foreign = None;
    }

    /// The time from which reads must show the newest change, if it happened.
    pub(super) fn shown_by(&self) -> Timestamp {
        later(self.reads.ended, self.propagation)
    }

    /// Whether reads may still show the state before the newest change.
    pub(super) fn may_be_old(&self, at: Timestamp) -> bool {
        at < self.shown_by()
    }

    /// When to read again: after `wait`, or earlier if reads must show the newest change by then.
    pub(super) fn read_again(&self, at: Timestamp, wait: Duration) -> Timestamp {
        let until = later(at, wait);
        match self.may_be_old(at) {
            true => until.min(self.shown_by()),
            false => until,
        }
    }

    /// Whether a read shows the state before the newest change.
    pub(super) fn is_older(&self, at: Timestamp, found: Option<&ServiceObservation>) -> bool {
        match found {
            Some(found) => self.is_older_deployment(&found.deployment),
            None => self.reads.was_absent && (!self.reads.seen || self.may_be_old(at)),
        }
    }

    /// Whether a read may be older than the changes of an earlier process of this run. Until the propagation
    /// time is over, only that process's mark on the service proves that a read is not older: a deployment
    /// that this run does not know may be older still.
    pub(super) fn may_precede(&self, at: Timestamp, found: Option<&ServiceObservation>) -> bool {
        let is_marked = match (&self.unfinished.unproven, found) {
            (Some(unproven), Some(found)) => {
                let point = found.rollback_point.as_ref();
                found.revision == *unproven
                    || point.is_some_and(|point| point.deployed == *unproven)
            }
            (unproven, _) => unproven.is_none(),
        };
        self.may_be_old(at) && (!is_marked || self.is_older(at, found))
    }

    pub(super) fn is_older_deployment(&self, deployment: &DeploymentId) -> bool {
        self.reads.older.contains(deployment)
    }

    pub(super) fn is_accepted(&self, deployment: &DeploymentId) -> bool {
        self.reads.accepted.as_ref() == Some(deployment)
    }

    /// Whether a change was accepted that no read has shown.
    pub(super) fn is_unseen(&self) -> bool {
        self.reads.accepted.is_some() && !self.reads.seen
    }

    /// The service as the newest accepted change left it.
    pub(super) fn as_accepted(&self) -> Option<ServiceObservation> {
        self.reads.answer.clone()
    }

    /// Deployments of this run and before this run, which an old read may show.
    pub(super) fn known(&self) -> Vec<DeploymentId> {
        let own = self.reads.accepted.iter();
        self.reads.older.iter().chain(own).cloned().collect()
    }

    /// Returns the reads that another process of this run must take for old: the deployments, and whether a
    /// read without a service is old too.
    pub(super) fn outdated(&self) -> (Vec<DeploymentId>, bool) {
        (self.reads.older.clone(), self.reads.was_absent)
    }

    /// Takes a read that shows the expected state, the state before, or neither.
    pub(super) fn read(&mut self, at: Timestamp, is_expected: bool, is_older: bool) -> Read {
        if is_older {
            let may_be_old = self.may_be_old(at);
            if may_be_old || !self.reads.seen {
                self.reads.foreign = None;
                return match may_be_old {
                    true => Read::NotSeenYet,
                    false => Read::NeverSeen,
                };
            }
        } else if is_expected {
            self.shown();
            return Read::Current;
        }
        match self.is_first_sign(at) {
            true => Read::Suspect,
            false => Read::ThirdParty,
        }
    }

    /// Takes a read of the service, which is expected to run the deployed revision.
    pub(super) fn read_service(
        &mut self,
        at: Timestamp,
        found: Option<&ServiceObservation>,
    ) -> Read {
        let is_expected = found.is_some_and(|found| {
            self.is_accepted(&found.deployment) || Some(&found.revision) == self.deployed.as_ref()
        });
        self.read(at, is_expected, self.is_older(at, found))
    }

    /// Notes that a read shows the newest change.
    pub(super) fn shown(&mut self) {
        self.reads.seen = true;
        self.reads.foreign = None;
    }

    /// Notes that a read shows nothing new, and nothing that this run does not explain.
    pub(super) fn explained(&mut self) {
        self.reads.foreign = None;
    }

    /// Takes a read that nothing explains, and returns whether it is the first sign of a third party.
    pub(super) fn is_first_sign(&mut self, at: Timestamp) -> bool {
        let first = *self.reads.foreign.get_or_insert(at);
        between(first, at) < APART
    }
}
