//! The specifications of a simulated world.

use super::{DeploymentSpec, MigrationSpec, Name, Service, ServiceDeployment, SideSpec};
use crate::aws::sim::Simulation;

impl Simulation {
    /// The specification of a migration in this world, all of it at the defaults.
    #[must_use]
    pub fn spec(&self) -> MigrationSpec {
        let mut blue = SideSpec::new(self.blue());
        if self.blue_minimum().is_some() {
            let (cluster, service) = self.blue_service();
            blue.service = Some(Service::new(cluster, service));
        }
        let sides = [("flask", blue), ("fastapi", SideSpec::new(self.green()))];
        let sides = sides.map(|(name, side)| (Name::known(name), side));
        let mut spec = MigrationSpec::new(Name::known("chatbot"), self.rule(), sides);
        let alarms = self.alarms();
        let alarms = alarms.iter().filter_map(|alarm| alarm.parse().ok());
        spec.judge.alarms = alarms.collect();
        spec
    }

    /// The deployment of green's service in this world, without checks, and with all else at the defaults.
    /// What is built is the folder of the process: set another one.
    #[must_use]
    pub fn deployment(&self) -> ServiceDeployment {
        let service = Service::new(self.cluster(), self.service());
        let spec = DeploymentSpec {
            repository: Some(Name::known(self.repository())),
            ..DeploymentSpec::default()
        };
        let mut deployment = ServiceDeployment::new(service, spec);
        deployment.side = Some(Name::known("fastapi"));
        deployment
    }
}
