//! What a hook is told, and at which events.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    engine::Event,
    json::JsonText,
    migration::{MigrationEvent, MigrationOutcome},
    traffic::Percent,
};

/// An event of a run that hooks may be told of.
pub(crate) trait Notable: fmt::Display + Serialize {
    /// The moments of the event, in order. A hook that is asked before steps is not told of them too.
    fn moments(&self, asks: bool) -> Vec<Moment>;

    /// Green's share after the step that the event begins, if it is known.
    fn rises_to(&self) -> Option<Percent>;
}

/// When a hook is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Moment {
    Start,
    BeforeStep,
    Rollback,
    Person,
    End,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::BeforeStep => "before-step",
            Self::Rollback => "rollback",
            Self::Person => "person",
            Self::End => "end",
        })
    }
}

impl Notable for MigrationEvent {
    fn moments(&self, asks: bool) -> Vec<Moment> {
        match self {
            Self::Started { .. } | Self::Resumed { .. } => vec![Moment::Start],
            Self::Shifting {
                from,
                to,
                attempt: 1,
            } if !asks && to.green().as_fraction() > from.green_share() => vec![Moment::BeforeStep],
            Self::Restored { .. } => vec![Moment::Rollback],
            Self::Awaiting { .. }
            | Self::PauseEnds { .. }
            | Self::Drifted { .. }
            | Self::RestoreBlocked { .. } => vec![Moment::Person],
            Self::Ended { outcome, .. } => match outcome {
                MigrationOutcome::Held { .. } => vec![Moment::Person, Moment::End],
                _ => vec![Moment::End],
            },
            Self::Unresolved { .. } => vec![Moment::Person, Moment::End],
            _ => Vec::new(),
        }
    }

    fn rises_to(&self) -> Option<Percent> {
        match self {
            Self::Shifting { to, .. } => Some(to.green()),
            _ => None,
        }
    }
}

/// What a hook is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Message {
    schema: &'static str,
    pub(super) moment: Moment,
    pub(super) run: String,
    pub(super) at: Timestamp,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Percent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<JsonText>,
}

const SCHEMA: &str = "bluegreen.hook/1";

impl Message {
    /// The message of an event.
    pub(super) fn of<E: Notable>(moment: Moment, event: &Event<E>) -> Self {
        Self {
            schema: SCHEMA,
            moment,
            run: event.run.to_string(),
            at: event.at,
            text: event.kind.to_string(),
            to: event.kind.rises_to(),
            // Each event is plain data.
            event: JsonText::of(event).ok(),
        }
    }

    /// The question before a step.
    pub(super) fn question(at: Timestamp, to: Percent) -> Self {
        Self {
            schema: SCHEMA,
            moment: Moment::BeforeStep,
            run: String::new(),
            at,
            text: format!("may green get {to}?"),
            to: Some(to),
            event: None,
        }
    }

    /// The message for a service that carries messages.
    #[cfg(feature = "aws")]
    pub(super) fn letter(&self) -> super::deliver::Letter {
        super::deliver::Letter {
            title: format!("bluegreen {}: {}", self.moment, self.text),
            json: String::from_utf8_lossy(&self.json()).into_owned(),
        }
    }

    pub(super) fn json(&self) -> Vec<u8> {
        // Everything in it is plain data.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
