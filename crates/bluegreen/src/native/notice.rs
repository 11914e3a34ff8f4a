//! What hooks are told of a judge's run.

use super::{NativeEvent, NativeOutcome};
use crate::{
    migration::{Moment, Notable},
    traffic::Percent,
};

impl Notable for NativeEvent {
    fn moments(&self, _asks: bool) -> Vec<Moment> {
        match self {
            Self::Started { .. } | Self::Resumed { .. } => vec![Moment::Start],
            // The answer lets the platform move traffic; how much is the platform's plan.
            Self::Answering { attempt: 1, .. } => vec![Moment::BeforeStep],
            Self::PauseEnds { .. } | Self::SuccessorSeen { .. } => vec![Moment::Person],
            Self::Ended { outcome, .. } => match outcome {
                NativeOutcome::RolledBack { .. } => vec![Moment::Rollback, Moment::End],
                NativeOutcome::Held { .. } => vec![Moment::Person, Moment::End],
                _ => vec![Moment::End],
            },
            Self::Unresolved { .. } => vec![Moment::Person, Moment::End],
            _ => Vec::new(),
        }
    }

    fn rises_to(&self) -> Option<Percent> {
        None
    }
}
