//! What a preflight finds: notes, refusals, and refusals that a plan may accept.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// One thing that a preflight found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// Whether the finding stops a run.
    pub severity: Severity,
    /// The fact that was found.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether the plan accepts this refusal. Accepted refusals are shown if another one stopped
    /// the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_accepted: bool,
}

impl Finding {
    /// Worth knowing; stops nothing.
    pub fn note(message: impl Into<String>) -> Self {
        Self::new(Severity::Note, message)
    }

    /// Stops the run before it changes anything.
    pub fn refusal(message: impl Into<String>) -> Self {
        Self::new(Severity::Refuse, message)
    }

    /// Stops the run, unless its plan accepts this risk.
    pub fn refusal_unless(acceptance: Acceptance, message: impl Into<String>) -> Self {
        Self::new(Severity::RefuseUnless(acceptance), message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether it stops a run whose plan accepts these risks.
    #[must_use]
    pub fn stops(&self, accepted: &BTreeSet<Acceptance>) -> bool {
        match self.severity {
            Severity::Note => false,
            Severity::Refuse => true,
            Severity::RefuseUnless(risk) => !risk.is_accepted_by(accepted),
        }
    }

    /// Marks the finding as accepted if these risks are accepted.
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

/// Writes the refusals that stopped a run, a line each, and then those that the plan accepts.
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

/// Writes the risks that a run took on, if there are any.
pub(crate) fn write_accepted(
    f: &mut fmt::Formatter<'_>,
    accepted: &BTreeSet<Acceptance>,
) -> fmt::Result {
    if accepted.is_empty() {
        return Ok(());
    }
    let risks: Vec<&str> = accepted.iter().map(|risk| risk.as_str()).collect();
    write!(f, "\n  accepted: {}", risks.join(", "))
}

/// What a [`Finding`] does to the start of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Shown; stops nothing.
    Note,
    /// Stops the run.
    Refuse,
    /// Stops the run unless the plan accepts this risk by name.
    RefuseUnless(Acceptance),
}

/// A risk that a plan can accept by name.
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
    /// The service that is deployed gets live traffic already, or users may reach it in a way that
    /// has no weights, so the deployment itself replaces what serves users, without a blue beside
    /// it. Accepts `unseen-traffic` too.
    InPlace,
    /// A way in which users may reach the service could not be read, since the read was denied or
    /// the way belongs to another account.
    UnseenTraffic,
    /// No test route leads to the service that is deployed, so checks that go through the balancer
    /// ask the service that gets the traffic, and pass although the deployed one may be broken.
    NoTestRoute,
    /// Blue may be scaled in while green gets its requests, so a rollback may send everything to
    /// fewer tasks than served it before.
    BlueMayShrink,
    /// No test of green has passed that is as recent as the file asks for, or the test was of something else.
    Untested,
    /// Nothing restores blue if the controller dies and its run is not resumed.
    NoDeadMan,
    /// The journal does not keep out controllers on other machines, since it is in a folder or in
    /// memory.
    SingleHost,
    /// Infrastructure code owns what is to be deleted: its next apply makes it again, or fails.
    InfrastructureCode,
    /// A pause of the platform's deployment that is not answered in time continues, so traffic moves on
    /// without a verdict.
    PauseContinues,
}

impl Acceptance {
    /// All risks, for help texts.
    pub const ALL: [Self; 11] = [
        Self::SharedTargets,
        Self::LongStickiness,
        Self::InPlace,
        Self::UnseenTraffic,
        Self::NoTestRoute,
        Self::BlueMayShrink,
        Self::Untested,
        Self::NoDeadMan,
        Self::SingleHost,
        Self::InfrastructureCode,
        Self::PauseContinues,
    ];

    /// Whether one of these risks is this risk or includes it.
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
            Self::Untested => "untested",
            Self::NoDeadMan => "no-dead-man",
            Self::SingleHost => "single-host",
            Self::InfrastructureCode => "infrastructure-code",
            Self::PauseContinues => "pause-continues",
        }
    }
}

impl fmt::Display for Acceptance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
