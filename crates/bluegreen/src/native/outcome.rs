//! The ends of a judge's run.

use std::{collections::BTreeSet, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::NativeObservation;
use crate::{
    check::CheckReport,
    clock::{CLOCK_FAULT, between, span},
    engine::Control,
    error::{Failure, write_failure},
    health::session::GateId,
    migration::Override,
    preflight::{Acceptance, Finding, write_accepted, write_refusals},
};

/// A run that ended with the deployment in a state that is known and was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[must_use]
pub enum NativeOutcome {
    /// The platform has completed the deployment: green has everything.
    Promoted {
        /// The facts of every end.
        report: Report,
    },
    /// The platform has put everything back.
    RolledBack {
        /// Why.
        cause: Cause,
        /// The facts of every end.
        report: Report,
    },
    /// The deployment stays as the report says; a person continues.
    Held {
        /// Why.
        reason: HoldReason,
        /// The facts of every end.
        report: Report,
    },
    /// The run ended before it answered or stopped anything.
    Unchanged {
        /// Why.
        reason: Unchanged,
        /// The facts of every end.
        report: Report,
    },
}

impl NativeOutcome {
    /// Returns the exit code for scripts; a contract, with the same numbers as a migration's:
    ///
    /// | code | meaning |
    /// |---|---|
    /// | 0 | the deployment is complete |
    /// | 3 | ended before anything was answered or stopped |
    /// | 10 | rolled back: a gate, a check, a deadline, or the platform itself; read back |
    /// | 11 | cancelled; rolled back and read back |
    /// | 12 | held: on request, at a deadline, superseded, or stopped by a third party |
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Promoted { .. } => 0,
            Self::RolledBack { cause, .. } => match cause {
                Cause::Cancelled { .. } => 11,
                _ => 10,
            },
            Self::Held { .. } => 12,
            Self::Unchanged { .. } => 3,
        }
    }

    /// Returns the facts of every end.
    #[must_use]
    pub fn report(&self) -> &Report {
        match self {
            Self::Promoted { report }
            | Self::RolledBack { report, .. }
            | Self::Held { report, .. }
            | Self::Unchanged { report, .. } => report,
        }
    }
}

impl fmt::Display for NativeOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report();
        match self {
            Self::Promoted { .. } => {
                write!(f, "promoted: the deployment is complete, read back")?;
                match report.answers {
                    0 => f.write_str("; no pause was answered here")?,
                    1 => f.write_str("; 1 pause was answered here")?,
                    many => write!(f, "; {many} pauses were answered here")?,
                }
            }
            Self::RolledBack { cause, .. } => write!(
                f,
                "rolled back: the platform has put everything back, read back\n  why: {cause}"
            )?,
            Self::Held { reason, .. } => {
                match reason {
                    // What the deployment does is the other controller's decision by now.
                    HoldReason::TakenOver { failure } => write!(
                        f,
                        "held: another controller continues ({failure})\n  last read here: {}{}",
                        report.what_was_read(),
                        report.how_old()
                    )?,
                    _ => {
                        f.write_str("held: the deployment is left as it is")?;
                        let read = report.what_was_read();
                        match report.is_old() {
                            true => write!(f, "\n  last read: {read}{}", report.how_old())?,
                            false => write!(f, ": {read}")?,
                        }
                        write!(f, "\n  why: {reason}")?;
                    }
                }
                // A third party's deployment is not ours to roll back, so it gets no command.
                if matches!(
                    reason,
                    HoldReason::Asked { .. } | HoldReason::Deadline { .. }
                ) {
                    report.write_command(f)?;
                }
            }
            Self::Unchanged { reason, .. } => {
                write!(f, "nothing was answered and nothing was stopped: {reason}")?;
            }
        }
        for taken in &report.overrides {
            write!(f, "\n  override: {taken}")?;
        }
        write_accepted(f, &report.accepted)
    }
}

/// The facts of every end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// When the run began.
    pub started: Timestamp,
    /// When the run ended.
    pub ended: Timestamp,
    /// The service, if the survey came so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The deployment as it was last read; `None` if it was never read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<NativeObservation>,
    /// When the deployment was last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    /// How many pauses this run has answered with a continue.
    pub answers: u32,
    /// The decisions that operators took against the gates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// The risks that the plan takes on by name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub accepted: BTreeSet<Acceptance>,
    /// The command by which a person has the platform put everything back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_command: Option<String>,
}

impl Report {
    fn what_was_read(&self) -> String {
        match &self.deployment {
            Some(deployment) => deployment.to_string(),
            None => "the deployment was never read".to_owned(),
        }
    }

    /// Writes how a person puts everything back. A deployment that is over takes no order any more, so its
    /// command would only fail.
    fn write_command(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deployment = self.deployment.as_ref();
        if let Some(over) = deployment.filter(|one| one.status.is_over()) {
            f.write_str("\n  the deployment is over and cannot be stopped: ")?;
            return match &over.sources[..] {
                [] => f.write_str("deploy the revision that ran before"),
                sources => {
                    let ran: Vec<&str> = sources.iter().map(|one| one.revision.as_str()).collect();
                    write!(f, "deploy again what ran before, {}", ran.join(" and "))
                }
            };
        }
        match &self.restore_command {
            Some(command) => write!(f, "\n  to put everything back by hand:\n    {command}"),
            None => Ok(()),
        }
    }

    /// Returns whether the deployment was last read before the end, so that it may be another by then.
    fn is_old(&self) -> bool {
        self.read_at.is_some_and(|at| at < self.ended)
    }

    /// Returns how long before the end the deployment was read: `, 12s before the end`.
    fn how_old(&self) -> String {
        let age = |at| format!(", {} before the end", span(between(at, self.ended)));
        self.read_at.map(age).unwrap_or_default()
    }

    /// Returns how long the run took.
    #[must_use]
    pub fn took(&self) -> std::time::Duration {
        between(self.started, self.ended)
    }
}

/// Why a deployment is put back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// A gate is unhealthy.
    Gate {
        /// The gate.
        gate: GateId,
        /// Its evidence in one sentence.
        summary: String,
    },
    /// Checks through the test route failed.
    CheckFailed {
        /// The checks that failed.
        failed: Vec<CheckReport>,
    },
    /// A pause could not be judged in time.
    Deadline {
        /// Whose deadline it was, and what was missing.
        summary: String,
    },
    /// A pause was answered, the answer was accepted, and no read has shown it in the propagation time.
    NeverVisible {
        /// The pause.
        pause: String,
    },
    /// A pause could not be answered in time.
    AnswerFailed {
        /// The last failure.
        failure: Failure,
    },
    /// The platform rolls back by itself, or as a third party asked: an alarm, a time-out, a person.
    Platform {
        /// Why, in the platform's words.
        reason: String,
    },
    /// The journal does not keep its records.
    JournalFailed {
        /// The failure.
        failure: Failure,
    },
    /// Real time did not pass with the run's clock: tokio's clock is paused and the platform is real.
    ClockFault,
    /// The run was cancelled.
    Cancelled {
        /// The control that cancelled it.
        control: Control,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gate { gate, summary } => write!(f, "gate `{gate}` is unhealthy: {summary}"),
            Self::CheckFailed { failed } => {
                f.write_str("checks of green failed before it got traffic:")?;
                for report in failed {
                    write!(f, "\n    {report}")?;
                }
                Ok(())
            }
            Self::Deadline { summary } => f.write_str(summary),
            Self::NeverVisible { pause } => write!(
                f,
                "the answer to {pause} was accepted and never became visible"
            ),
            Self::AnswerFailed { failure } => {
                write!(f, "a pause could not be answered: {failure}")
            }
            Self::Platform { reason } => write!(f, "not by this run: {reason}"),
            Self::JournalFailed { failure } => write!(f, "the journal failed: {failure}"),
            Self::ClockFault => f.write_str(CLOCK_FAULT),
            Self::Cancelled { control } => write!(f, "{control}"),
        }
    }
}

/// Why a deployment is left as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum HoldReason {
    /// An operator asked for it, or the plan holds on cancellation.
    Asked {
        /// The control.
        control: Control,
    },
    /// A pause could not be judged in time, and the plan leaves the deployment as it is then.
    Deadline {
        /// Whose deadline it was, what was missing, and what the platform does next.
        summary: String,
    },
    /// A newer deployment of the service took this one's place. This run does not fight it.
    Superseded {
        /// The newer deployment.
        by: String,
    },
    /// A third party stopped the deployment without a rollback.
    Stopped {
        /// Why, in the platform's words.
        words: String,
    },
    /// The platform does not know the deployment any more.
    Gone,
    /// Another controller has taken over the journal and continues; this process changes nothing more.
    TakenOver {
        /// The failure that names the new holder.
        failure: Failure,
    },
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked { control } => write!(f, "{control}"),
            Self::Deadline { summary } => f.write_str(summary),
            Self::Superseded { by } => {
                write!(f, "a newer deployment of the service took its place ({by})")
            }
            Self::Stopped { words } => write!(
                f,
                "a third party stopped the deployment without a rollback: {words}"
            ),
            Self::Gone => f.write_str("the platform does not know the deployment any more"),
            Self::TakenOver { failure } => write!(f, "{failure}"),
        }
    }
}

/// Why a run ended before it answered or stopped anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unchanged {
    /// The preflight refused.
    Refused {
        /// All its findings, notes included.
        findings: Vec<Finding>,
    },
    /// The survey could not be made.
    NotRead {
        /// The last failure.
        failure: Failure,
    },
    /// The deployment had ended before the run began, in this state.
    Over {
        /// The state.
        summary: String,
    },
    /// The journal does not keep its records.
    JournalFailed {
        /// The failure.
        failure: Failure,
    },
    /// Real time did not pass with the run's clock.
    ClockFault,
    /// The run was cancelled.
    Cancelled {
        /// The control that cancelled it.
        control: Control,
    },
}

impl fmt::Display for Unchanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { findings } => {
                f.write_str("the preflight refuses")?;
                write_refusals(f, findings)
            }
            Self::NotRead { failure } => write_failure(f, "the deployment cannot be read", failure),
            Self::Over { summary } => write!(f, "the deployment was over already: {summary}"),
            Self::JournalFailed { failure } => write_failure(f, "the journal failed", failure),
            Self::ClockFault => f.write_str(CLOCK_FAULT),
            Self::Cancelled { control } => write!(f, "{control}"),
        }
    }
}

/// A deployment in a wrong or unknown state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Unresolved {
    /// What happened.
    pub summary: String,
    /// Why everything was to be put back, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Whether a change was sent and its effect was not read since.
    pub change_unseen: bool,
    /// The deployment as it was last read, and the other facts of every end.
    pub report: Report,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)?;
        if let Some(cause) = &self.cause {
            write!(f, "\n  to be put back, because: {cause}")?;
        }
        if let Some(failure) = &self.failure {
            write!(f, "\n  last failure: {failure}")?;
        }
        let (read, age) = (self.report.what_was_read(), self.report.how_old());
        write!(f, "\n  last read: {read}{age}")?;
        if self.change_unseen {
            f.write_str("; a change was sent after that and may have happened")?;
        }
        self.report.write_command(f)?;
        write_accepted(f, &self.report.accepted)
    }
}

/// The end of a run, for the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum End {
    Known(NativeOutcome),
    Unresolved(Unresolved),
}
