//! Controls: how an operator intervenes in a run.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::clock::span;

/// The person or job that gives a control, and why. The outcome names the operator of each override.
///
/// A journal or an event has the name alone; if a reason or a request is known, an object with the name,
/// the reason and the request.
///
/// # Examples
///
/// ```
/// use bluegreen::engine::Operator;
///
/// let ann = Operator::new("ann").with_reason("the cache is cold");
/// assert_eq!(ann.to_string(), "ann (the cache is cold)");
/// assert_eq!(serde_json::to_string(&Operator::new("ann"))?, r#""ann""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct Operator {
    name: String,
    reason: Option<String>,
    request: Option<String>,
}

/// The written form of an [`Operator`]. Up to version 3 it is a name.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Name(String),
    Whole {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<String>,
    },
}

impl Operator {
    /// A person or a job, as it should stand in the journal.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            reason: None,
            request: None,
        }
    }

    /// Adds the reason. Default: none.
    #[must_use]
    pub fn with_reason(self, reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..self
        }
    }

    /// Adds the nonce of the request by which another process asked.
    pub(crate) fn with_request(self, nonce: &str) -> Self {
        Self {
            request: Some(nonce.to_owned()),
            ..self
        }
    }

    /// The person or the job.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The reason, if there is one.
    #[must_use]
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The [nonce](super::Request::nonce) of the request, if another process asked.
    #[must_use]
    pub fn request(&self) -> Option<&str> {
        self.request.as_deref()
    }
}

impl From<Form> for Operator {
    fn from(form: Form) -> Self {
        match form {
            Form::Name(name) => Self::new(name),
            Form::Whole {
                name,
                reason,
                request,
            } => Self {
                name,
                reason,
                request,
            },
        }
    }
}

impl From<Operator> for Form {
    fn from(operator: Operator) -> Self {
        let Operator {
            name,
            reason,
            request,
        } = operator;
        match (&reason, &request) {
            (None, None) => Self::Name(name),
            _ => Self::Whole {
                name,
                reason,
                request,
            },
        }
    }
}

impl<T: Into<String>> From<T> for Operator {
    fn from(name: T) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.reason {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

/// What a person, a signal or a CI job's deadline asks of a run. Legal at any moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "control", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Control {
    /// Do not rise to the next step. Looks continue, and an unhealthy green is still rolled back.
    /// The step's deadline stands still, the deadline of the whole run does not. A pause has a length: near
    /// its end the run warns; at its end the run does what the plan says of a cancellation, since no
    /// operator came back.
    Pause {
        /// Who asks.
        by: Operator,
        /// For how long at most. Default: 30 minutes. At most 2 hours, and at most what is left
        /// until the deadline of the whole run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
        length: Option<Duration>,
    },
    /// End a pause. Written as `resume` up to version 3.
    #[serde(alias = "resume")]
    Continue {
        /// Who asks.
        by: Operator,
    },
    /// Skip what is left of this step's minimum bake. A healthy verdict is still needed.
    SkipWait {
        /// Who asks.
        by: Operator,
    },
    /// Override: rise to the next step without a healthy verdict. Capacity is still needed.
    Promote {
        /// Who takes the responsibility.
        by: Operator,
    },
    /// Override: rise to all green at once without a healthy verdict. Capacity is still needed.
    /// Written as `complete` in older journals.
    #[serde(alias = "complete")]
    PromoteFully {
        /// Who takes the responsibility.
        by: Operator,
    },
    /// End here and leave the split, or the service, as it is: a person continues. Written as `hold` up
    /// to version 3.
    #[serde(alias = "hold")]
    Leave {
        /// Who asks, and why.
        by: Operator,
    },
    /// Roll back.
    Abort {
        /// Who asks.
        by: Operator,
    },
    /// End in the way that the plan says for cancellation, by default roll back. A signal
    /// or a cancelled future sends this.
    Cancel {
        /// Why: `SIGINT`, `the job's deadline`.
        reason: String,
    },
    /// End at once, even if a change is under way, and say where traffic was last seen.
    Stop {
        /// Why.
        reason: String,
    },
}

impl Control {
    /// Who gives the control; `None` if no operator does.
    #[must_use]
    pub fn by(&self) -> Option<&Operator> {
        match self {
            Self::Pause { by, .. }
            | Self::Continue { by }
            | Self::SkipWait { by }
            | Self::Promote { by }
            | Self::PromoteFully { by }
            | Self::Leave { by }
            | Self::Abort { by } => Some(by),
            Self::Cancel { .. } | Self::Stop { .. } => None,
        }
    }

    /// Returns whether the control ends the run, though not at once.
    #[must_use]
    pub(crate) fn is_ending(&self) -> bool {
        matches!(
            self,
            Self::Leave { .. } | Self::Abort { .. } | Self::Cancel { .. }
        )
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause { by, length: None } => write!(f, "pause by {by}"),
            Self::Pause {
                by,
                length: Some(length),
            } => write!(f, "pause of {} by {by}", span(*length)),
            Self::Continue { by } => write!(f, "continue by {by}"),
            Self::SkipWait { by } => write!(f, "skip the wait by {by}"),
            Self::Promote { by } => write!(f, "promote now by {by}"),
            Self::PromoteFully { by } => write!(f, "promote fully by {by}"),
            Self::Leave { by } => write!(f, "leave by {by}"),
            Self::Abort { by } => write!(f, "abort by {by}"),
            Self::Cancel { reason } => write!(f, "cancel ({reason})"),
            Self::Stop { reason } => write!(f, "stop at once ({reason})"),
        }
    }
}

/// What to do when a run is cancelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "spec", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OnCancel {
    /// Restore the state before the run: the default, since the new service is not watched after that.
    #[default]
    RollBack,
    /// Leave everything as it is and end.
    Hold,
}

/// The effect of a control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", content = "why", rename_all = "snake_case")]
pub enum ControlEffect {
    /// The control is carried out now.
    Applied,
    /// The control is carried out once the change that is under way has finished.
    AfterChange,
    /// The control does nothing, for this reason.
    Ignored(String),
}

impl ControlEffect {
    /// Writes for people what `control` does.
    pub(crate) fn write(&self, control: &Control, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied => write!(f, "{control}"),
            Self::AfterChange => write!(f, "{control}, once the change under way has finished"),
            Self::Ignored(why) => write!(f, "{control} does nothing: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_of_an_earlier_version_is_read_and_a_new_one_comes_back_as_it_was() {
        let read = |text: &str| serde_json::from_str::<Control>(text).expect("a control");
        let ann = || Operator::new("ann");
        assert_eq!(
            read(r#"{"control":"hold","by":"ann"}"#),
            Control::Leave { by: ann() }
        );
        assert_eq!(
            read(r#"{"control":"resume","by":"ann"}"#),
            Control::Continue { by: ann() }
        );
        assert_eq!(
            read(r#"{"control":"complete","by":"ann"}"#),
            Control::PromoteFully { by: ann() }
        );
        let by = ann().with_reason("the cache is cold").with_request("7-b");
        for by in [ann(), by.clone(), ann().with_request("7-b")] {
            let control = Control::Leave { by };
            let written = serde_json::to_string(&control).expect("plain data");
            assert_eq!(read(&written), control, "{written}");
        }
        assert_eq!(
            Control::Leave { by }.to_string(),
            "leave by ann (the cache is cold)"
        );
    }
}
