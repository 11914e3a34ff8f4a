//! How a migration ends.

use std::{collections::BTreeSet, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{GateId, blue};
use crate::{
    clock::{CLOCK_FAULT, between, span},
    engine::{Control, Operator},
    error::{Failure, write_failure},
    preflight::{Acceptance, Finding, write_accepted},
    traffic::{Kept, TrafficObservation, TrafficSplit},
};

/// A migration that ended in a state that is known and was read back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[must_use]
pub enum MigrationOutcome {
    /// Green serves everything.
    Promoted {
        /// Times, the last read, and the rest of the facts.
        report: Report,
    },
    /// Blue serves everything again.
    RolledBack {
        /// Why.
        cause: Cause,
        /// What the reads after the restore showed.
        restored: Restored,
        /// Times, the last read, and the rest of the facts.
        report: Report,
    },
    /// Traffic stays divided as the report says; a person decides what is next.
    Held {
        /// Why.
        reason: HoldReason,
        /// Times, the last read, and the rest of the facts.
        report: Report,
    },
    /// The run ended before it changed anything.
    Unchanged {
        /// Why.
        reason: Unchanged,
        /// Times, the last read, and the rest of the facts.
        report: Report,
    },
}

impl MigrationOutcome {
    /// Returns the exit code for scripts; a contract:
    ///
    /// | code | meaning |
    /// |---|---|
    /// | 0 | promoted, or rolled back on request |
    /// | 3 | stopped before anything changed |
    /// | 10 | rolled back by a gate, a deadline or a fault; restored and read back |
    /// | 11 | cancelled; restored and read back |
    /// | 12 | held |
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Promoted { .. } => 0,
            Self::Unchanged { .. } => 3,
            Self::RolledBack { cause, .. } => match cause {
                Cause::Cancelled { .. } => 11,
                Cause::Asked { .. } => 0,
                _ => 10,
            },
            Self::Held { .. } => 12,
        }
    }

    /// Returns the facts that every end has.
    #[must_use]
    pub fn report(&self) -> &Report {
        match self {
            Self::Promoted { report }
            | Self::RolledBack { report, .. }
            | Self::Held { report, .. }
            | Self::Unchanged { report, .. } => report,
        }
    }

    pub(crate) fn report_mut(&mut self) -> &mut Report {
        match self {
            Self::Promoted { report }
            | Self::RolledBack { report, .. }
            | Self::Held { report, .. }
            | Self::Unchanged { report, .. } => report,
        }
    }
}

impl fmt::Display for MigrationOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report();
        match self {
            Self::Promoted { .. } => write!(f, "promoted: {}", report.where_traffic_is())?,
            Self::RolledBack {
                cause, restored, ..
            } => write!(f, "rolled back: {restored}\n  why: {cause}")?,
            Self::Held { reason, .. } => {
                match reason {
                    // The split is the other controller's by now.
                    HoldReason::TakenOver { failure } => write!(
                        f,
                        "held: another controller continues ({failure})\n  last read here: {}{}",
                        report.where_traffic_is(),
                        report.how_old()
                    )?,
                    _ => write!(f, "held: {}\n  why: {reason}", report.where_traffic_is())?,
                }
                let traffic = report.traffic.as_ref();
                if let Some(advice) = traffic.and_then(TrafficObservation::restore_advice) {
                    write!(f, "\n  {advice}")?;
                }
            }
            Self::Unchanged { reason, .. } => {
                write!(f, "nothing was changed: {reason}")?;
                let is_divided = |seen: &TrafficObservation| !seen.is_all_blue();
                let is_refused = matches!(reason, Unchanged::WriteFailed { .. });
                if is_refused && report.traffic.as_ref().is_some_and(is_divided) {
                    write!(f, "\n  as before: {}", report.where_traffic_is())?;
                }
            }
        }
        write_accepted(f, &report.accepted)?;
        for given in &report.overrides {
            write!(f, "\n  override: {given}")?;
        }
        if let Some(switch) = &report.switch {
            write!(f, "{switch}")?;
        }
        if let Some(capacity) = &report.capacity {
            write!(f, "{capacity}")?;
        }
        if let Some(advice) = report.retirement_advice() {
            write!(f, "\n  {advice}")?;
        }
        Ok(())
    }
}

/// The facts that every end of a migration has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// When the run began.
    pub started: Timestamp,
    /// When the run ended.
    pub ended: Timestamp,
    /// The last split that was read; `None` if it was never read.
    pub traffic: Option<TrafficObservation>,
    /// When that split was read.
    pub traffic_read_at: Option<Timestamp>,
    /// The risks that the plan takes on by name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub accepted: BTreeSet<Acceptance>,
    /// The gates that operators overrode.
    pub overrides: Vec<Override>,
    /// The dead-man switch, if it may still be armed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<StandingSwitch>,
    /// Blue's minimum, if this run has raised it and the raised minimum may still stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<StandingCapacity>,
    /// The split of a change that was sent and that no read has shown. It may be live by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<TrafficSplit>,
    /// From when blue may be retired, if everything moved to green: a day after the end. Besides, 15 settled
    /// minutes without a request on blue are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blue_kept_until: Option<Timestamp>,
}

/// A dead-man switch that a run left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StandingSwitch {
    /// When the switch puts everything back on blue.
    pub fires: Timestamp,
    /// The command by which a person disarms the switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disarm_command: Option<String>,
}

impl fmt::Display for StandingSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fires = self.fires;
        write!(
            f,
            "\n  the dead-man switch stands: it puts everything back on blue at {fires:.0}"
        )?;
        match &self.disarm_command {
            Some(command) => write!(f, "\n  to disarm it by hand:\n    {command}"),
            None => Ok(()),
        }
    }
}

/// A minimum of blue that a run raised and did not put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StandingCapacity {
    /// The raised minimum, and the minimum before.
    pub kept: Kept,
    /// Why the old minimum was not put back, if the run should have done so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl fmt::Display for StandingCapacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (now, before) = (self.kept.minimum, self.kept.before);
        write!(f, "\n  blue's minimum stays at {now}; it was {before}")?;
        if let Some(why) = &self.why {
            write!(f, ", and was not put back: {why}")?;
        }
        match self.kept.release_command() {
            Some(command) => write!(
                f,
                "\n  to put it back by hand, once blue is no longer needed or serves everything again:\n    \
                 {command}"
            ),
            None => Ok(()),
        }
    }
}

impl Report {
    pub(crate) fn where_traffic_is(&self) -> String {
        match &self.traffic {
            Some(traffic) => match self.unseen {
                None => format!("{traffic}"),
                Some(to) => format!(
                    "last read {traffic}; a change to {to} was sent after that and may be live"
                ),
            },
            None => "the split was never read".to_owned(),
        }
    }

    /// Returns how long before the end the split was read: `, 12s before the end`.
    fn how_old(&self) -> String {
        let age = |at| format!(", {} before the end", span(between(at, self.ended)));
        self.traffic_read_at.map(age).unwrap_or_default()
    }

    /// The same facts of a migration that moved everything to green.
    pub(super) fn promoted(mut self) -> Self {
        self.blue_kept_until = Some(blue::free_from(self.ended, blue::KEEP));
        self
    }

    /// Returns from when blue may be retired, and what else that needs; `None` if green does not serve
    /// everything.
    #[must_use]
    pub fn retirement_advice(&self) -> Option<String> {
        let until = self.blue_kept_until?;
        Some(format!(
            "blue may be retired from {until:.0}, after {} minutes without a request: `bluegreen cleanup`",
            blue::QUIET_MINUTES
        ))
    }

    /// Returns how long the run took.
    #[must_use]
    pub fn took(&self) -> std::time::Duration {
        between(self.started, self.ended)
    }
}

/// A decision that an operator took against a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// When.
    pub at: Timestamp,
    /// The operator.
    pub by: Operator,
    /// The decision, and what the gates said at that moment.
    pub what: String,
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (taken by {} at {:.0})", self.what, self.by, self.at)
    }
}

/// Why a migration rolls back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// A required gate says that green does harm.
    Gate {
        /// The gate.
        gate: GateId,
        /// The gate's summary, with the value that failed.
        summary: String,
    },
    /// A deadline came without healthy gates.
    Deadline {
        /// The deadline, and what was missing.
        summary: String,
    },
    /// Green's rise could not be written.
    WriteFailed {
        /// The last failure.
        failure: Failure,
    },
    /// Green's rise was accepted, and no read has shown it in its propagation time.
    NeverVisible {
        /// The split that was accepted.
        to: TrafficSplit,
    },
    /// The journal does not keep its records.
    JournalFailed {
        /// The failure.
        failure: Failure,
    },
    /// Real time did not pass with the run's clock: tokio's clock is paused and the AWS is real.
    ClockFault,
    /// The run was cancelled.
    Cancelled {
        /// The control that cancelled the run.
        control: Control,
    },
    /// The dead-man switch could not be renewed, and would have fired.
    SwitchFailed {
        /// The last failure.
        failure: Failure,
    },
    /// The dead-man switch has fired, since it was not renewed in time.
    SwitchFired,
    /// The run was asked to restore blue.
    Asked {
        /// The operator who asked.
        by: Operator,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gate { gate, summary } => write!(f, "gate `{gate}`: {summary}"),
            Self::Deadline { summary } => f.write_str(summary),
            Self::WriteFailed { failure } => {
                write!(f, "green's rise could not be written: {failure}")
            }
            Self::NeverVisible { to } => {
                write!(f, "the write of {to} was accepted and never became visible")
            }
            Self::JournalFailed { failure } => write!(f, "the journal failed: {failure}"),
            Self::ClockFault => f.write_str(CLOCK_FAULT),
            Self::Cancelled { control } => write!(f, "{control}"),
            Self::SwitchFailed { failure } => {
                write!(f, "the dead-man switch could not be renewed: {failure}")
            }
            Self::SwitchFired => {
                f.write_str("the dead-man switch fired, since it was not renewed in time")
            }
            Self::Asked { by } => write!(f, "as {by} asked"),
        }
    }
}

/// What the reads after a restore showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Restored {
    /// When a read showed that blue has everything.
    pub at: Timestamp,
    /// The end of the first settled minute without a request on green; `None` if no such minute was seen.
    pub confirmed: Option<Timestamp>,
    /// Why no metric of this run can confirm the restore, if none can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmable: Option<String>,
    /// Until when clients that are pinned to green by stickiness may stay there.
    pub pinned_until: Option<Timestamp>,
    /// How traffic went back if blue had shrunk; `None` if blue could serve everything at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_blue: Option<ShortBlue>,
}

/// How everything went back to blue while blue had too few healthy targets to serve everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ShortBlue {
    /// Blue's healthy targets when the rollback began.
    pub healthy: u32,
    /// Blue's healthy targets at the start of the run, when blue served everything.
    pub at_start: u32,
    /// How many changes moved a part of the traffic, before the last change moved the rest.
    pub stages: u32,
    /// Why the rest went at once although blue could not serve everything; `None` if blue's targets had come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once: Option<String>,
}

impl fmt::Display for ShortBlue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            healthy,
            at_start,
            stages,
            at_once,
        } = self;
        write!(
            f,
            "blue had {healthy} healthy targets and {at_start} at the start; "
        )?;
        let parts = match stages {
            1 => "1 part".to_owned(),
            stages => format!("{stages} parts"),
        };
        match (stages, at_once) {
            (0, Some(why)) => write!(f, "everything went back at once: {why}"),
            (0, None) => f.write_str("everything went back once blue's targets had come"),
            (_, Some(why)) => write!(
                f,
                "{parts} went back as blue's targets came, the rest at once: {why}"
            ),
            (_, None) => write!(f, "{parts} went back as blue's targets came, then the rest"),
        }
    }
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("blue serves everything, read back")?;
        match (self.confirmed, &self.unconfirmable) {
            (Some(_), _) => f.write_str(" and confirmed by a minute without requests on green")?,
            (None, Some(why)) => write!(f, "; metrics cannot confirm it: {why}")?,
            (None, None) => f.write_str(", not yet confirmed by the metrics")?,
        }
        if let Some(until) = self.pinned_until {
            write!(f, "; pinned clients may stay on green until {until:.0}")?;
        }
        if let Some(short) = &self.short_blue {
            write!(f, "\n  {short}")?;
        }
        Ok(())
    }
}

/// Why a migration is held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum HoldReason {
    /// A control asked for it, or the plan holds on cancellation.
    Asked {
        /// The control.
        control: Control,
    },
    /// A third party changed the rule. This run does not write against that change.
    Drift {
        /// The differences from what this run wrote, a line each.
        diff: Vec<String>,
        /// The gate that says that green does harm, if there is one.
        unhealthy: Option<String>,
    },
    /// The rule or a target group was deleted during the run.
    Gone {
        /// The answer of AWS.
        failure: Failure,
    },
    /// A deadline came without healthy gates, and the plan says hold.
    Deadline {
        /// The deadline, and what was missing.
        summary: String,
    },
    /// Another controller has taken over the journal and continues; this run writes nothing more.
    #[serde(alias = "superseded")]
    TakenOver {
        /// The failure, which names the other controller.
        failure: Failure,
    },
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked { control } => write!(f, "{control}"),
            Self::Drift { diff, unhealthy } => {
                write!(f, "a third party changed the rule ({})", diff.join("; "))?;
                match unhealthy {
                    Some(gate) => write!(f, " while green is unhealthy ({gate})"),
                    None => Ok(()),
                }
            }
            Self::Gone { failure } => {
                write!(
                    f,
                    "the rule or a target group was deleted during the run: {failure}"
                )
            }
            Self::Deadline { summary } => f.write_str(summary),
            Self::TakenOver { failure } => write!(f, "{failure}"),
        }
    }
}

/// Why a migration ended before anything was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unchanged {
    /// The preflight refused.
    Refused {
        /// All findings, notes included.
        findings: Vec<Finding>,
    },
    /// Green was not ready for the first step in time.
    NotReady {
        /// What was missing.
        summary: String,
    },
    /// A third party changed the rule before the first shift.
    Drift {
        /// The differences, a line each.
        diff: Vec<String>,
    },
    /// The first shift did not happen: it was refused, or a read showed that it had no effect.
    WriteFailed {
        /// The last failure.
        failure: Failure,
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
        /// The control that cancelled the run.
        control: Control,
    },
}

impl fmt::Display for Unchanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { findings } => {
                f.write_str("the preflight refuses")?;
                crate::preflight::write_refusals(f, findings)
            }
            Self::NotReady { summary } => f.write_str(summary),
            Self::Drift { diff } => {
                write!(f, "a third party changed the rule ({})", diff.join("; "))
            }
            Self::WriteFailed { failure } => write_failure(f, "the first shift failed", failure),
            Self::JournalFailed { failure } => write!(f, "the journal failed: {failure}"),
            Self::ClockFault => f.write_str(CLOCK_FAULT),
            Self::Cancelled { control } => write!(f, "{control}"),
        }
    }
}

/// Traffic that is not on the side that it should be on, or whose split is not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Unresolved {
    /// What happened.
    pub summary: String,
    /// Why blue was to be restored, if it was.
    pub cause: Option<Cause>,
    /// The last failure.
    pub failure: Option<Failure>,
    /// Whether a change was sent and no read has shown its effect. The split in `report` is then
    /// the split before that change.
    pub change_unseen: bool,
    /// The last split that was read, and the rest of the facts.
    pub report: Report,
}

impl Unresolved {
    /// Returns the command by which a person puts everything back on blue.
    #[must_use]
    pub fn restore_command(&self) -> Option<&str> {
        self.report.traffic.as_ref()?.restore_command.as_deref()
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.summary)?;
        if let Some(cause) = &self.cause {
            write!(f, "\n  why blue was to be restored: {cause}")?;
        }
        if let Some(failure) = &self.failure {
            write!(f, "\n  last failure: {failure}")?;
            if let Some(hint) = &failure.hint {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        let (split, age) = (self.report.where_traffic_is(), self.report.how_old());
        write!(f, "\n  last read: {split}{age}")?;
        if self.change_unseen && self.report.unseen.is_none() {
            f.write_str("; a change was sent after that and may have happened")?;
        }
        let traffic = self.report.traffic.as_ref();
        if let Some(advice) = traffic.and_then(TrafficObservation::restore_advice) {
            write!(f, "\n  {advice}")?;
        }
        write_accepted(f, &self.report.accepted)?;
        if let Some(switch) = &self.report.switch {
            write!(f, "{switch}")?;
        }
        if let Some(capacity) = &self.report.capacity {
            write!(f, "{capacity}")?;
        }
        Ok(())
    }
}

/// How a migration ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// In a state that was read.
    Known(MigrationOutcome),
    /// Not restored, or not known.
    Unresolved(Unresolved),
}
