//! What a preflight finds: notes, refusals, and refusals that a plan may accept.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// One thing that a preflight found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// Whether the run may start.
    pub severity: Severity,
    /// What was seen.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// It would have stopped the run, but the plan accepts it. Told if something else stopped it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_accepted: bool,
}

impl Finding {
    /// Worth knowing; stops nothing.
    pub fn note(message: impl Into<String>) -> Self {
        Self::new(Severity::Note, message)
    }

    /// Stops the run before it changes anything.
    pub(crate) fn refusal(message: impl Into<String>) -> Self {
        Self::new(Severity::Refuse, message)
    }

    /// Stops the run, unless its plan accepts exactly this.
    pub fn refusal_unless(acceptance: Acceptance, message: impl Into<String>) -> Self {
        Self::new(Severity::RefuseUnless(acceptance), message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether it stops a run that accepts these risks.
    #[must_use]
    pub fn stops(&self, accepted: &BTreeSet<Acceptance>) -> bool {
        match self.severity {
            Severity::Note => false,
            Severity::Refuse => true,
            Severity::RefuseUnless(risk) => !risk.is_accepted_by(accepted),
        }
    }

    /// Marks it as accepted, if these risks accept it.
    #[must_use]
    pub(crate) fn marked(mut self, accepted: impl Fn(Acceptance) -> bool) -> Self {
        self.is_accepted = match self.severity {
            Severity::RefuseUnless(risk) => accepted(risk),
            _ => false,
        };
        self
    }

    fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self {
            severity,
            message: message.into(),
            hint: None,
            is_accepted: false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Writes what stopped a run, a line each, and what would have stopped it were it not accepted.
pub(crate) fn write_refusals(f: &mut fmt::Formatter<'_>, findings: &[Finding]) -> fmt::Result {
    let told = findings.iter().filter(|one| one.severity != Severity::Note);
    let (accepted, stopped): (Vec<_>, Vec<_>) = told.partition(|one| one.is_accepted);
    for finding in stopped {
        write!(f, "\n  {finding}")?;
        if let Some(hint) = &finding.hint {
            write!(f, "\n    hint: {hint}")?;
        }
    }
    for finding in accepted {
        write!(f, "\n  accepted: {finding}")?;
    }
    Ok(())
}

/// What a [`Finding`] does to the start of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Shown; stops nothing.
    Note,
    /// Stops it.
    Refuse,
    /// Stops it unless the plan accepts this by name.
    RefuseUnless(Acceptance),
}

/// A risk that a plan can take on by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "spec", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Acceptance {
    /// Blue's or green's targets also get traffic that this migration does not steer, so shares,
    /// capacity and metrics include it.
    SharedTargets,
    /// Clients stay on a side for longer than a step bakes, so a step says less about new
    /// clients, and a rollback does not move pinned ones at once.
    LongStickiness,
    /// The service that is deployed gets live traffic already, or users may reach it by something
    /// that has no weights, so the deployment itself replaces what they are served by, without a blue
    /// beside it. Accepts `unseen-traffic` too.
    InPlace,
    /// A way by which users may reach the service could not be looked at, since a read was denied or
    /// it belongs to another account.
    UnseenTraffic,
    /// No test route leads to the service that is deployed, so checks that go through the balancer
    /// ask whoever gets the traffic, and pass for the wrong one.
    NoTestRoute,
    /// Blue may be scaled in while green gets its requests, so a rollback may send everything to
    /// fewer tasks than served it before.
    BlueMayShrink,
    /// Nothing puts traffic back if the controller dies and nobody resumes its run.
    NoDeadMan,
    /// The journal keeps no controller on another machine out, since it is in a folder or in memory.
    SingleHost,
}

impl Acceptance {
    /// All of them, for help texts.
    pub const ALL: [Self; 8] = [
        Self::SharedTargets,
        Self::LongStickiness,
        Self::InPlace,
        Self::UnseenTraffic,
        Self::NoTestRoute,
        Self::BlueMayShrink,
        Self::NoDeadMan,
        Self::SingleHost,
    ];

    /// Whether one of these risks is this one, or holds more than it.
    #[must_use]
    pub(crate) fn is_accepted_by(self, accepted: &BTreeSet<Self>) -> bool {
        accepted.contains(&self)
            || (self == Self::UnseenTraffic && accepted.contains(&Self::InPlace))
    }

    /// The name as it is written in plans and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SharedTargets => "shared-targets",
            Self::LongStickiness => "long-stickiness",
            Self::InPlace => "in-place",
            Self::UnseenTraffic => "unseen-traffic",
            Self::NoTestRoute => "no-test-route",
            Self::BlueMayShrink => "blue-may-shrink",
            Self::NoDeadMan => "no-dead-man",
            Self::SingleHost => "single-host",
        }
    }
}

impl fmt::Display for Acceptance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
