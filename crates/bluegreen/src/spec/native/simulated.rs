//! The specification of a simulated world in which ECS moves the traffic.

use super::NativeSpec;
use crate::{
    aws::sim::Simulation,
    spec::{DeploymentSpec, MigrationSpec, Name, Service},
};

impl Simulation {
    /// Returns the specification of a judge in this world, with all defaults, and how its service is deployed.
    /// Useful in a world of [`NativeScenario`](crate::aws::sim::NativeScenario).
    #[must_use]
    pub fn native_spec(&self) -> MigrationSpec {
        let mut native = NativeSpec::new(Service::new(self.cluster(), self.service()));
        native.deployment = Some(DeploymentSpec {
            repository: Some(Name::known(self.repository())),
            ..DeploymentSpec::default()
        });
        let mut spec = MigrationSpec::of_native(native);
        spec.name = Name::known("chatbot");
        spec
    }
}
