//! A hook of a deployment that is asked, or was.

use std::time::Duration;

use super::{
    configuration::{Action, HookSetting},
    stage::{FUNCTION, HookStatus},
};

/// A hook that is asked, or was.
#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Hook {
    pub(in crate::aws::sim) id: String,
    pub(super) setting: HookSetting,
    pub(super) status: HookStatus,
    begun: Duration,
}

impl Hook {
    pub(super) fn new(id: String, setting: &HookSetting, begun: Duration) -> Self {
        let status = match setting.function {
            Some(_) => HookStatus::InProgress,
            None => HookStatus::Awaiting,
        };
        Self {
            id,
            setting: setting.clone(),
            status,
            begun,
        }
    }

    pub(in crate::aws::sim) fn function(&self) -> Option<&str> {
        self.setting.function.as_deref()
    }

    pub(in crate::aws::sim) fn status(&self) -> &'static str {
        self.status.as_str()
    }

    pub(in crate::aws::sim) fn expires(&self) -> Duration {
        self.begun + self.setting.waits
    }

    pub(in crate::aws::sim) fn on_timeout(&self) -> Action {
        self.setting.on_timeout
    }

    /// When it ends by itself.
    pub(super) fn due(&self) -> Duration {
        match self.setting.function {
            Some(_) => (self.begun + FUNCTION).min(self.expires()),
            None => self.expires(),
        }
    }
}
