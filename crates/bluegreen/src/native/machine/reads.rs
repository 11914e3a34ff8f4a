//! Judges each read: whether it is old, and what it shows of this run's changes and of third parties.

use jiff::Timestamp;

use super::{Failure, NativeEvent, NativeMachine, NativeObservation, state::Fate};
use crate::{
    clock::{between, later},
    engine::retry::APART,
    error::ErrorKind,
    native::NativeStatus,
};

/// What a read is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Read {
    /// It shows the deployment as it is.
    Current,
    /// It is older than what this run knows: not seen yet. It decides nothing.
    Old,
    /// The first sign of a third party: a second read decides.
    Suspect,
    /// A newer deployment of the service is there, as two reads show.
    Superseded(String),
    /// The platform does not know the deployment, as two reads show.
    Gone,
    /// An answer was accepted, and two reads after its time do not show it. With the pause.
    NeverVisible(String),
    /// The deployment could not be read.
    Failed,
}

impl NativeMachine {
    /// Takes a read, and remembers it if it is not old.
    pub(super) fn read(
        &mut self,
        at: Timestamp,
        observed: &Result<NativeObservation, Failure>,
    ) -> Read {
        let observed = match observed {
            Ok(observed) => observed,
            Err(failure) if failure.kind == ErrorKind::NotFound => {
                let first = *self.absent.get_or_insert(at);
                return match between(first, at) >= APART {
                    true => Read::Gone,
                    false => Read::Suspect,
                };
            }
            Err(_) => return Read::Failed,
        };
        self.absent = None;
        if self.is_old(at, observed) {
            return Read::Old;
        }
        if let Some(read) = self.compare_sent(at, observed) {
            return read;
        }
        self.last = Some((at, observed.clone()));
        self.look_for_successor(at, observed)
    }

    /// Returns whether a read is older than the newest read.
    fn is_old(&self, at: Timestamp, observed: &NativeObservation) -> bool {
        let Some((read_at, last)) = &self.last else {
            return false;
        };
        let is_before = |new: Option<Timestamp>, old: Option<Timestamp>| matches!((new, old), (Some(new), Some(old)) if new < old);
        if is_before(observed.updated, last.updated) {
            return true;
        }
        let places = (observed.status.place(), last.status.place());
        if matches!(places, (Some(new), Some(old)) if new < old) {
            return true;
        }
        // Under way, green's share only grows; after the propagation time the read is believed.
        observed.status == NativeStatus::InProgress
            && last.status == NativeStatus::InProgress
            && observed.green() < last.green()
            && at < later(*read_at, self.propagation)
    }

    /// Compares a read with the newest answer. `None`: the read is worth taking.
    fn compare_sent(&mut self, at: Timestamp, observed: &NativeObservation) -> Option<Read> {
        let sent = self.sent.as_mut()?;
        let waits = sent.awaits_in(observed);
        let is_due = at >= sent.visible_by && matches!(sent.fate, Fate::Accepted | Fate::Unknown);
        let is_denied = waits && is_due && sent.is_denied(at);
        let told = match sent.fate {
            // The call is under way, and its answer decides.
            Fate::Calling => return None,
            Fate::Arrived if waits && at < later(sent.visible_by, self.propagation) => {
                return Some(Read::Old);
            }
            Fate::Arrived => {
                if waits {
                    // The platform waits again: this is another pause of the same name.
                    self.sent = None;
                }
                return None;
            }
            Fate::Accepted | Fate::Unknown
                if at < sent.visible_by && (waits || sent.is_unknown_to(observed)) =>
            {
                return Some(Read::Old);
            }
            Fate::Accepted | Fate::Unknown if waits && !is_denied => return Some(Read::Old),
            Fate::Accepted if waits => return Some(Read::NeverVisible(sent.pause.to_string())),
            Fate::Unknown if waits => {
                let pause = sent.pause.clone();
                self.sent = None;
                NativeEvent::AnswerObserved {
                    pause,
                    arrived: false,
                }
            }
            Fate::Accepted | Fate::Unknown => {
                self.answers += u32::from(sent.fate == Fate::Unknown);
                sent.fate = Fate::Arrived;
                NativeEvent::AnswerObserved {
                    pause: sent.pause.clone(),
                    arrived: true,
                }
            }
        };
        self.tell(told);
        None
    }

    fn look_for_successor(&mut self, at: Timestamp, observed: &NativeObservation) -> Read {
        let Some(successor) = &observed.successor else {
            self.successor = None;
            return Read::Current;
        };
        // A deployment that is over needs no second read: its status is the platform's last word.
        if observed.status.is_over() {
            return Read::Current;
        }
        match &self.successor {
            Some((known, first)) if known == successor => match between(*first, at) >= APART {
                true => Read::Superseded(successor.clone()),
                false => Read::Suspect,
            },
            _ => {
                self.successor = Some((successor.clone(), at));
                self.tell(NativeEvent::SuccessorSeen {
                    successor: successor.clone(),
                });
                Read::Suspect
            }
        }
    }

    /// Returns whether a change was sent and no read has shown its effect.
    pub(super) fn is_unseen(&self) -> bool {
        let answer = self.sent.as_ref();
        let answer = answer.is_some_and(|sent| sent.fate != Fate::Arrived);
        let ordered =
            self.ordered.is_some() && self.seen().is_none_or(|seen| !seen.status.is_going_back());
        answer || ordered
    }

    /// Returns until when the newest answer may not be visible yet, if no read has shown it.
    pub(super) fn unseen_until(&self) -> Option<Timestamp> {
        let sent = self.sent.as_ref()?;
        (sent.fate != Fate::Arrived).then_some(sent.visible_by)
    }
}
