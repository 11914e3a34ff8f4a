//! [`Hooks`]: all hooks of a run.

use std::{fmt, sync::Arc};

use super::Caller;
use crate::clock::Clock;

/// Is told of a failure.
type Told = Box<dyn FnMut(&str) + Send>;

/// The hooks of a run, and who is told of their failures.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) callers: Vec<Arc<Caller>>,
    pub(crate) told: Option<Told>,
}

impl Hooks {
    /// Returns how many hooks are asked before steps.
    pub(crate) fn asked(&self) -> usize {
        self.callers.iter().filter(|caller| caller.asks).count()
    }

    /// Sets the clock of the run.
    pub(crate) fn on(self, clock: &dyn Clock) -> Self {
        for caller in &self.callers {
            caller.is_virtual(clock.is_virtual());
        }
        self
    }

    /// Waits for the calls that are left, and tells which failed.
    pub(crate) async fn finish(mut self) {
        for caller in &self.callers {
            for failure in caller.finish().await {
                if let Some(told) = &mut self.told {
                    told(&failure);
                }
            }
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("callers", &self.callers)
            .finish_non_exhaustive()
    }
}
