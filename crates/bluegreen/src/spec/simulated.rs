//! The specification of a simulated world.

use super::{MigrationSpec, Name, Service, SideSpec};
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
        let sides = [
            ("flask", "ChatBot/Flask", blue),
            ("fastapi", "ChatBot/FastAPI", SideSpec::new(self.green())),
        ];
        let sides = sides.map(|(name, namespace, mut side)| {
            side.namespace = Some(Name::known(namespace));
            side.endpoint = Some(Name::known("/api/v1/chat"));
            (Name::known(name), side)
        });
        let mut spec = MigrationSpec::new(Name::known("chatbot"), self.rule(), sides);
        let alarms = self.alarms();
        let alarms = alarms.iter().filter_map(|alarm| alarm.parse().ok());
        spec.judge.alarms = alarms.collect();
        spec
    }
}
