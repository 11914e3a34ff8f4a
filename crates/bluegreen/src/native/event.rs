//! [`NativeEvent`]: the facts that a judge tells.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Cause, NativeObservation, NativeOutcome, NativePlan, NativeSurvey, Pause, RollBackBy,
    Unresolved,
};
use crate::{
    check::CheckReport,
    engine::{Control, ControlEffect, OnCancel, Operator},
    error::Failure,
    health::{Phase, session::GateId},
    migration::GateStanding,
    traffic::Percent,
};

/// One fact of a judge's run, with the values behind it. Its `Display` is one line for people; its JSON, one
/// flat object named by `event`, is a contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum NativeEvent {
    /// The run begins. Nothing was called yet.
    Started {
        /// The deployment.
        deployment: String,
        /// The plan.
        plan: NativePlan,
        /// The gates.
        gates: Vec<GateId>,
    },
    /// The run continues from its journal after its process ended. The deployment is read before anything
    /// else.
    Resumed {
        /// The operator who resumed it.
        by: Operator,
    },
    /// The preflight is over and stops nothing.
    PreflightPassed {
        /// The survey, with its findings: notes and accepted risks only.
        survey: NativeSurvey,
    },
    /// A read failed, and is tried again.
    ReadFailed {
        /// Why.
        failure: Failure,
        /// When the read is tried again.
        retry_at: Timestamp,
    },
    /// The deployment and all gates were looked at.
    Looked {
        /// The phase.
        phase: Phase,
        /// The deployment, or why it could not be read.
        observed: Result<NativeObservation, Failure>,
        /// Whether the read is older than what this run knows: then it decides nothing.
        is_old: bool,
        /// Each gate's verdict at this moment.
        gates: Vec<GateStanding>,
        /// Whether a pause by an operator is on.
        paused: bool,
        /// When the next look is due, if nothing else happens.
        next_look: Timestamp,
    },
    /// Green has another share now; bake and evidence begin anew.
    ShareSeen {
        /// The share.
        green: Percent,
    },
    /// The deployment waits at a pause.
    PauseSeen {
        /// The pause.
        pause: Pause,
        /// When the plan's policy decides, if the gates are not healthy until then.
        decided_by: Timestamp,
    },
    /// A check was asked through the test route.
    Checked {
        /// Its answer.
        report: CheckReport,
    },
    /// The gates are healthy, but something else is missing for an answer.
    NotReady {
        /// What is missing.
        why: String,
    },
    /// A pause is about to be answered: the platform is to continue.
    Answering {
        /// The pause.
        pause: Pause,
        /// Green's share at the pause.
        green: Percent,
        /// The operator who overrode the gates, if one did.
        overridden: Option<Control>,
        /// The number of this try, from 1.
        attempt: u32,
    },
    /// The platform has taken the answer.
    Answered {
        /// The pause.
        pause: Pause,
        /// When a read must show it.
        visible_by: Timestamp,
    },
    /// An answer failed, or its outcome is not known. The deployment is observed before anything else.
    AnswerFailed {
        /// The pause.
        pause: Pause,
        /// Why.
        failure: Failure,
    },
    /// A read has shown what became of an answer.
    AnswerObserved {
        /// The pause.
        pause: Pause,
        /// Whether the answer has arrived.
        arrived: bool,
    },
    /// A newer deployment of the service was read for the first time. Nothing is answered any more, until a
    /// second read has shown whether it is there.
    SuccessorSeen {
        /// The newer deployment.
        successor: String,
    },
    /// A control was given.
    Controlled {
        /// The control.
        control: Control,
        /// Its effect.
        effect: ControlEffect,
    },
    /// An operator's pause is on: no pause of the platform is answered meanwhile.
    Paused {
        /// Its end at the latest.
        until: Timestamp,
    },
    /// An operator's pause ends soon.
    PauseEnds {
        /// When.
        until: Timestamp,
        /// What happens then.
        then: OnCancel,
    },
    /// Records cannot be written to the journal.
    JournalFailed {
        /// Why.
        failure: Failure,
    },
    /// Everything is to be put back.
    RollingBack {
        /// Why.
        cause: Cause,
        /// By which call; `None` if the platform rolls back by itself.
        how: Option<RollBackBy>,
    },
    /// The platform has taken the order to put everything back.
    RollBackTaken {
        /// By which call.
        how: RollBackBy,
    },
    /// The order to put everything back failed, or its outcome is not known.
    RollBackFailed {
        /// By which call.
        how: RollBackBy,
        /// Why.
        failure: Failure,
        /// When the deployment is read again.
        retry_at: Timestamp,
    },
    /// The platform is on its way back.
    WayBackSeen {
        /// The deployment.
        observed: NativeObservation,
    },
    /// The run has ended in a known state.
    Ended {
        /// The exit code for scripts.
        exit_code: u8,
        /// How.
        outcome: NativeOutcome,
    },
    /// The run has ended and a person must look now.
    Unresolved {
        /// The exit code for scripts.
        exit_code: u8,
        /// Why.
        unresolved: Unresolved,
    },
}

impl fmt::Display for NativeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started {
                deployment, gates, ..
            } => {
                let gates: Vec<&str> = gates.iter().map(GateId::as_str).collect();
                write!(f, "judges {deployment} by {}", gates.join(", "))
            }
            Self::Resumed { by } => write!(f, "resumed by {by}"),
            Self::PreflightPassed { survey } => write_survey(f, survey),
            Self::ReadFailed { failure, retry_at } => {
                write!(f, "{failure}; again at {retry_at:.0}")
            }
            Self::Looked {
                phase,
                observed,
                is_old,
                gates,
                paused,
                ..
            } => {
                write!(f, "{phase}: ")?;
                match observed {
                    Ok(_) if *is_old => f.write_str("this read is old")?,
                    Ok(observed) => write!(f, "{observed}")?,
                    Err(failure) => write!(f, "deployment unknown: {failure}")?,
                }
                for standing in gates {
                    write!(f, "; {} {}", standing.gate, standing.verdict)?;
                }
                match paused {
                    true => f.write_str("; paused"),
                    false => Ok(()),
                }
            }
            Self::ShareSeen { green } => write!(f, "green has {green}"),
            Self::PauseSeen { pause, decided_by } => {
                write!(f, "{pause} waits for the gates, until {decided_by:.0}")
            }
            Self::Checked { report } => write!(f, "{report}"),
            Self::NotReady { why } => write!(f, "not ready: {why}"),
            Self::Answering {
                pause,
                green,
                overridden,
                attempt,
            } => {
                write!(f, "continuing {pause}, at {green}")?;
                if let Some(control) = overridden {
                    write!(f, ", overridden: {control}")?;
                }
                match attempt {
                    0 | 1 => Ok(()),
                    more => write!(f, ", try {more}"),
                }
            }
            Self::Answered { pause, visible_by } => write!(
                f,
                "the answer to {pause} was accepted; a read must show it by {visible_by:.0}"
            ),
            Self::AnswerFailed { pause, failure } => {
                write!(f, "could not answer {pause}: {failure}")
            }
            Self::AnswerObserved { pause, arrived } => match arrived {
                true => write!(f, "the answer to {pause} has arrived"),
                false => write!(f, "the answer to {pause} has not arrived"),
            },
            Self::SuccessorSeen { successor } => write!(
                f,
                "a newer deployment of the service was read ({successor}); a second read decides"
            ),
            Self::Controlled { control, effect } => effect.write(control, f),
            Self::Paused { until } => write!(f, "paused until {until:.0} at the latest"),
            Self::PauseEnds { until, then } => {
                let then = match then {
                    OnCancel::RollBack => "everything is put back",
                    OnCancel::Hold => "the run ends and leaves the deployment as it is",
                };
                write!(
                    f,
                    "the pause ends at {until:.0}: then {then}, unless the run is continued"
                )
            }
            Self::JournalFailed { failure } => write!(f, "the journal failed: {failure}"),
            Self::RollingBack { cause, how } => match how {
                Some(how) => write!(f, "rolling back by {how}, {cause}"),
                None => write!(f, "the platform rolls back, {cause}"),
            },
            Self::RollBackTaken { how } => write!(f, "the platform has taken {how}"),
            Self::RollBackFailed {
                how,
                failure,
                retry_at,
            } => write!(f, "{how} failed: {failure}; again at {retry_at:.0}"),
            Self::WayBackSeen { observed } => write!(f, "on the way back: {observed}"),
            Self::Ended { outcome, .. } => write!(f, "{outcome}"),
            Self::Unresolved { unresolved, .. } => write!(f, "A PERSON MUST LOOK: {unresolved}"),
        }
    }
}

fn write_survey(f: &mut fmt::Formatter<'_>, survey: &NativeSurvey) -> fmt::Result {
    let pauses: Vec<String> = survey
        .pauses()
        .flat_map(|hook| hook.stages.iter().cloned())
        .collect();
    write!(
        f,
        "{}: {}; pauses at {}",
        survey.service,
        survey.strategy,
        pauses.join(", ")
    )?;
    for finding in &survey.findings {
        let word = if finding.is_accepted {
            "accepted"
        } else {
            "note"
        };
        write!(f, "\n  {word}: {finding}")?;
    }
    Ok(())
}
