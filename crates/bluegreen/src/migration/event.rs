//! The events of a migration.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cause, GateId, GatePolicy, Intent, MigrationOutcome, MigrationPlan, Unresolved};
use crate::{
    engine::{Control, ControlEffect, OnCancel, Operator},
    error::{ErrorKind, Failure},
    health::{Phase, SeenTraffic, Verdict},
    preflight::{Finding, Severity},
    traffic::{Armed, Kept, Released, TargetCounts, TrafficObservation, TrafficSplit},
};

/// One fact of a migration, with the numbers behind it.
///
/// `Display` writes one line for people. The JSON is a contract: one flat object, named by its field `event`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MigrationEvent {
    /// The run begins. Nothing was called yet.
    Started {
        /// What the run is to do.
        intent: Intent,
        /// The plan.
        plan: MigrationPlan,
        /// The gates.
        gates: Vec<GateId>,
    },
    /// The run continues from its journal after its process ended. The split is read before anything else.
    Resumed {
        /// The operator who resumed it.
        by: Operator,
        /// The split that the journal expects, unless a change was under way.
        expected: Option<TrafficObservation>,
    },
    /// The run was begun by an earlier version, and continues under the rules of this version: from a fresh
    /// observation, with bake, evidence and deadlines begun anew. Since version 4.
    Reopened {
        /// The version of the journal.
        found: u32,
        /// The version whose rules hold from here on.
        version: u32,
    },
    /// The preflight is over and stops nothing.
    PreflightPassed {
        /// The findings: notes and accepted risks only.
        findings: Vec<Finding>,
        /// The split and the targets at the start.
        traffic: TrafficObservation,
    },
    /// A read failed, and is tried again.
    ReadFailed {
        /// Why.
        failure: Failure,
        /// When the read is tried again.
        retry_at: Timestamp,
    },
    /// The split and all gates were looked at.
    Looked {
        /// The phase.
        phase: Phase,
        /// The split and the targets, or why they could not be read.
        traffic: Result<TrafficObservation, Failure>,
        /// Each gate's verdict at this moment.
        gates: Vec<GateStanding>,
        /// Whether a pause is on.
        paused: bool,
        /// The earliest time of the next rise, if the gates are healthy.
        bake_until: Timestamp,
        /// The deadline of the phase.
        deadline: Timestamp,
        /// When the next look is due, if nothing else happens.
        next_look: Timestamp,
    },
    /// The gates are healthy, but green has too few healthy targets for the next rise.
    CapacityShort {
        /// The split that waits.
        to: TrafficSplit,
        /// How many healthy targets green needs for that split.
        needed: u32,
        /// Green's targets.
        green: TargetCounts,
    },
    /// A manual step would pass, and waits for an operator who promotes the run.
    Awaiting {
        /// The step, counted from 0.
        step: usize,
        /// The time-out.
        until: Timestamp,
    },
    /// A step has passed: its gates are healthy, or an operator overrode them.
    StepPassed {
        /// The step, counted from 0.
        step: usize,
        /// The operator who overrode the gates, if one did.
        overridden: Option<Control>,
    },
    /// A change of the split is about to be written.
    Shifting {
        /// The split before.
        from: TrafficObservation,
        /// The split wanted.
        to: TrafficSplit,
        /// The number of this try, from 1.
        attempt: u32,
    },
    /// A change of the split was written and read back.
    Shifted {
        /// What was read back.
        traffic: TrafficObservation,
    },
    /// A change was accepted, and no read has shown it yet. The rule is read again.
    Accepted {
        /// The split that was accepted.
        to: TrafficSplit,
        /// When a read must show it.
        visible_by: Timestamp,
    },
    /// A change failed, or its outcome is not known. The rule is observed before anything else.
    WriteFailed {
        /// The split that was wanted.
        to: TrafficSplit,
        /// The number of that try, from 1.
        attempt: u32,
        /// Why.
        failure: Failure,
    },
    /// What an observation after a failed write showed.
    WriteObserved {
        /// The split.
        traffic: TrafficObservation,
        /// Whether the change had happened.
        happened: bool,
    },
    /// All steps have passed; blue is kept warm.
    Baking {
        /// Until then.
        until: Timestamp,
    },
    /// A control arrived.
    Controlled {
        /// The control.
        control: Control,
        /// What the control does.
        effect: ControlEffect,
    },
    /// A pause has begun.
    Paused {
        /// When the pause ends, unless the run is continued before.
        until: Timestamp,
    },
    /// A pause ends soon, and the run was not continued.
    PauseEnds {
        /// When.
        until: Timestamp,
        /// What happens then.
        then: OnCancel,
    },
    /// The journal does not keep its records any more.
    JournalFailed {
        /// Why.
        failure: Failure,
    },
    /// Everything goes back to blue.
    RollingBack {
        /// Why.
        cause: Cause,
        /// Blue's targets as last read.
        blue: Option<TargetCounts>,
        /// How many targets blue had when the migration began; with fewer, blue may be short of capacity.
        blue_at_start: Option<u32>,
    },
    /// Blue has shrunk and green is healthy, so traffic goes back a part at a time, as blue's targets come.
    Returning {
        /// Blue's healthy targets.
        healthy: u32,
        /// Blue's healthy targets at the start of the run, when blue served everything.
        at_start: u32,
        /// When the rest goes at once.
        until: Timestamp,
    },
    /// Blue has shrunk, and all that is left goes back at once.
    AllAtOnce {
        /// Blue's targets as last read.
        blue: Option<TargetCounts>,
        /// Why the run does not wait for more targets.
        why: String,
    },
    /// Blue is written without a read, since reads of the rule keep failing.
    WritingUnread {
        /// Since when reads fail.
        since: Timestamp,
    },
    /// A read shows that blue has everything.
    Restored {
        /// What was read back.
        traffic: TrafficObservation,
    },
    /// A restore that was asked for keeps watching, since a change that another controller has sent may still
    /// land. If such a change lands, blue is written again. Since version 4.
    Staying {
        /// Until when.
        until: Timestamp,
    },
    /// A settled minute without a request on green.
    Confirmed {
        /// The minute.
        seen: SeenTraffic,
    },
    /// The dead-man switch is armed, or renewed.
    SwitchArmed {
        /// The switch.
        armed: Armed,
        /// When the switch puts everything back on blue, unless it is renewed or disarmed.
        fires: Timestamp,
    },
    /// The dead-man switch could not be armed, renewed or disarmed.
    SwitchFailed {
        /// Why.
        failure: Failure,
        /// When the switch fires, as it was last armed; `None` if it was never armed for certain.
        fires: Option<Timestamp>,
    },
    /// The dead-man switch is disarmed, read back.
    SwitchDisarmed,
    /// The dead-man switch has put everything back on blue.
    SwitchFired {
        /// The split that was found.
        traffic: TrafficObservation,
    },
    /// Blue's minimum is raised, so that the tasks that run now stay.
    CapacityKept {
        /// The raised minimum, and the minimum before.
        kept: Kept,
    },
    /// Blue's minimum could not be raised, or could not be put back.
    CapacityFailed {
        /// Why.
        failure: Failure,
        /// The raised minimum, and the minimum before.
        kept: Kept,
    },
    /// The result of putting blue's old minimum back.
    CapacityReleased {
        /// The raised minimum, and the minimum before.
        kept: Kept,
        /// The result.
        #[serde(flatten)]
        released: Released,
    },
    /// A third party changed the rule.
    Drifted {
        /// The differences, a line each.
        diff: Vec<String>,
        /// The split that was found.
        traffic: TrafficObservation,
    },
    /// Green is unhealthy, and a third party's change of the rule stands against a restore.
    RestoreBlocked {
        /// Why blue is to be restored.
        cause: Cause,
        /// The command by which a person puts everything back on blue.
        command: Option<String>,
    },
    /// The run ended in a state that is known.
    Ended {
        /// The outcome.
        outcome: MigrationOutcome,
        /// The exit code.
        exit_code: u8,
    },
    /// The run ended, and a person must look now.
    Unresolved {
        /// The last known facts.
        unresolved: Unresolved,
        /// The exit code.
        exit_code: u8,
    },
}

/// A gate's verdict at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateStanding {
    /// The gate.
    pub gate: GateId,
    /// What the gate's verdict does.
    pub policy: GatePolicy,
    /// The verdict, with failures of looks and expiry taken into account.
    #[serde(with = "crate::health::verdict::shared")]
    pub verdict: Arc<Verdict>,
    /// Whether the gate saw something new at this look.
    pub is_new: bool,
}

impl MigrationEvent {
    /// Returns the split that this event reports as read, if it reports one.
    #[must_use]
    pub fn traffic(&self) -> Option<&TrafficObservation> {
        match self {
            Self::PreflightPassed { traffic, .. }
            | Self::Looked {
                traffic: Ok(traffic),
                ..
            }
            | Self::Shifted { traffic }
            | Self::WriteObserved { traffic, .. }
            | Self::Restored { traffic }
            | Self::SwitchFired { traffic }
            | Self::Drifted { traffic, .. } => Some(traffic),
            Self::Ended { outcome, .. } => outcome.report().traffic.as_ref(),
            Self::Unresolved { unresolved, .. } => unresolved.report.traffic.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for MigrationEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started {
                intent,
                plan,
                gates,
            } => match intent {
                Intent::Migrate => {
                    let shares: Vec<String> =
                        plan.steps().iter().map(|s| s.green.to_string()).collect();
                    let gates: Vec<&str> = gates.iter().map(GateId::as_str).collect();
                    write!(
                        f,
                        "green gets {} under {}",
                        shares.join(", "),
                        gates.join(", ")
                    )
                }
                Intent::Complete { by } => write!(f, "green gets everything at once, by {by}"),
                Intent::Restore(order) => {
                    write!(f, "everything goes back to blue, by {}", order.by)
                }
            },
            Self::PreflightPassed { findings, traffic } => {
                write!(
                    f,
                    "preflight passed: {traffic}; blue {}, green {}",
                    traffic.targets.blue, traffic.targets.green
                )?;
                for finding in findings {
                    let kind = match finding.severity {
                        Severity::Note => "note",
                        _ => "accepted",
                    };
                    write!(f, "\n      {kind}: {finding}")?;
                }
                Ok(())
            }
            Self::Resumed { by, expected } => {
                write!(f, "resumed by {by}")?;
                match expected {
                    Some(traffic) => write!(f, "; the split was last seen at {traffic}"),
                    None => Ok(()),
                }
            }
            Self::Reopened { found, version } => write!(
                f,
                "the run was begun by version {found}; it continues under the rules of version \
                 {version}: the split is read first, then bake, evidence and deadlines begin anew"
            ),
            Self::ReadFailed { failure, .. } => write!(f, "could not read: {failure}"),
            Self::Looked {
                phase,
                traffic,
                gates,
                paused,
                ..
            } => {
                write!(f, "{phase}: ")?;
                match traffic {
                    Ok(traffic) => write!(f, "{traffic}")?,
                    Err(failure) => write!(f, "split unknown: {failure}")?,
                }
                for standing in gates {
                    write!(f, "; {} {}", standing.gate, standing.verdict)?;
                }
                if *paused {
                    f.write_str("; paused")?;
                }
                Ok(())
            }
            Self::CapacityShort { to, needed, green } => write!(
                f,
                "waiting for capacity: {to} needs {needed} healthy green targets, there are {}",
                green.healthy
            ),
            Self::StepPassed { step, overridden } => {
                write!(f, "step {} passed", step + 1)?;
                match overridden {
                    Some(control) => write!(f, ", overridden: {control}"),
                    None => Ok(()),
                }
            }
            Self::Shifting { from, to, attempt } => {
                write!(f, "shifting from {from} to {to}")?;
                if *attempt > 1 {
                    write!(f, ", try {attempt}")?;
                }
                Ok(())
            }
            Self::Shifted { traffic } => write!(f, "read back: {traffic}"),
            Self::WriteFailed { to, failure, .. } => {
                write!(f, "could not write {to}: {failure}")?;
                match (&failure.kind, &failure.hint) {
                    // Only a person can mend it, and it is tried again all the while. A refusal without a code
                    // leaves the outcome open.
                    (ErrorKind::Denied | ErrorKind::OutcomeUnknown, Some(hint)) => {
                        write!(f, "; {hint}")
                    }
                    _ => Ok(()),
                }
            }
            Self::Accepted { to, visible_by } => write!(
                f,
                "{to} was accepted and is not seen yet; it must be by {visible_by:.0}"
            ),
            Self::RestoreBlocked { cause, command } => {
                write!(
                    f,
                    "BLUE IS NEEDED ({cause}), and a third party changed the rule, so nothing is \
                     written"
                )?;
                match command {
                    Some(command) => write!(f, "; by hand:\n    {command}"),
                    None => Ok(()),
                }
            }
            Self::WriteObserved { traffic, happened } => {
                let what = if *happened {
                    "had happened"
                } else {
                    "had not happened"
                };
                write!(f, "the change {what}: {traffic}")
            }
            Self::Awaiting { step, until } => write!(
                f,
                "step {} waits until {until} for an operator: bluegreen promote",
                step + 1
            ),
            Self::Baking { until } => {
                write!(f, "all steps passed; blue is kept warm until {until:.0}")
            }
            Self::Controlled { control, effect } => effect.write(control, f),
            Self::Paused { until } => write!(f, "paused until {until:.0} at the latest"),
            Self::PauseEnds { until, then } => {
                let then = match then {
                    OnCancel::RollBack => "blue is restored",
                    OnCancel::Hold => "the run ends and leaves the split as it is",
                };
                write!(
                    f,
                    "the pause ends at {until:.0}: then {then}, unless the run is continued"
                )
            }
            Self::JournalFailed { failure } => write!(f, "the journal failed: {failure}"),
            Self::RollingBack {
                cause,
                blue,
                blue_at_start,
            } => {
                write!(f, "rolling back, {cause}")?;
                if let (Some(blue), Some(start)) = (blue, blue_at_start)
                    && blue.healthy < *start
                {
                    write!(
                        f,
                        "; blue is short: {} healthy targets, {start} at the start",
                        blue.healthy
                    )?;
                }
                Ok(())
            }
            Self::Returning {
                healthy,
                at_start,
                until,
            } => write!(
                f,
                "green is healthy and blue has {healthy} of {at_start} targets, so traffic goes back as blue's targets \
                 come; the rest at {until:.0} at the latest"
            ),
            Self::AllAtOnce { blue, why } => {
                f.write_str("everything goes to blue at once")?;
                if let Some(blue) = blue {
                    write!(f, ", which has {} healthy targets", blue.healthy)?;
                }
                write!(f, ": {why}")
            }
            Self::WritingUnread { since } => write!(
                f,
                "reads of the rule have failed since {since:.0}, so blue is written without one: what \
                 a third party changed since then is lost"
            ),
            Self::Staying { until } => write!(
                f,
                "staying until {until:.0}: a change of another controller may still land, and would be \
                 written over"
            ),
            Self::Restored { traffic } => write!(f, "restored, read back: {traffic}"),
            Self::Confirmed { seen } => write!(
                f,
                "confirmed: no request on green from {:.0} to {:.0}",
                seen.from, seen.to
            ),
            Self::SwitchArmed { fires, .. } => {
                write!(f, "the dead-man switch is armed: blue at {fires:.0}")
            }
            Self::SwitchFailed { failure, fires } => {
                write!(f, "the dead-man switch could not be changed: {failure}")?;
                match fires {
                    Some(fires) => write!(f, "; it fires at {fires:.0}"),
                    None => Ok(()),
                }
            }
            Self::SwitchDisarmed => f.write_str("the dead-man switch is disarmed, read back"),
            Self::SwitchFired { traffic } => {
                write!(f, "the dead-man switch has fired: {traffic}")
            }
            Self::CapacityKept { kept } => write!(
                f,
                "blue keeps its capacity: its minimum is raised from {} to {}, read back",
                kept.before, kept.minimum
            ),
            Self::CapacityFailed { failure, .. } => {
                write!(f, "blue's minimum could not be changed: {failure}")
            }
            Self::CapacityReleased { kept, released } => match released {
                Released::PutBack => {
                    write!(f, "blue's minimum is {} again, read back", kept.before)
                }
                Released::Changed { minimum: Some(now) } => write!(
                    f,
                    "a third party has set blue's minimum to {now}, and it is left so"
                ),
                Released::Changed { minimum: None } => {
                    f.write_str("nothing scales blue any more, so there is no minimum to put back")
                }
            },
            Self::Drifted { diff, .. } => {
                write!(f, "a third party changed the rule: {}", diff.join("; "))
            }
            Self::Ended { outcome, .. } => write!(f, "{outcome}"),
            Self::Unresolved { unresolved, .. } => write!(f, "{unresolved}"),
        }
    }
}
