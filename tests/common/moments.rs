//! The moments of a call at which a kill makes a difference.

use bluegreen::aws::sim::{Call, Moment, Simulation};

const CHANGES: [Call; 13] = [
    Call::ModifyRule,
    Call::ModifyListener,
    Call::CreateService,
    Call::UpdateService,
    Call::RegisterTaskDefinition,
    Call::TagResource,
    Call::PutImage,
    Call::CreateSchedule,
    Call::UpdateSchedule,
    Call::DeleteSchedule,
    Call::RegisterScalableTarget,
    Call::ContinueServiceDeployment,
    Call::StopServiceDeployment,
];

/// Kills at each call of a run, one after the other: before and after the effect of a change, and once at a
/// read, which has no effect.
#[derive(Debug, Default)]
pub(crate) struct Moments {
    changes: u64,
    is_change: bool,
}

impl Moments {
    /// Whether a kill at this moment of the call differs from the kill before its effect.
    pub(crate) fn differs(&self, moment: Moment) -> bool {
        moment == Moment::BeforeEffect || self.is_change
    }

    /// Takes note of the changes that were called until the kill.
    pub(crate) fn killed(&mut self, simulation: &Simulation, moment: Moment) {
        let changes = CHANGES.iter().map(|call| simulation.calls(*call)).sum();
        if moment == Moment::BeforeEffect {
            self.is_change = changes > self.changes;
            self.changes = changes;
        }
    }
}
