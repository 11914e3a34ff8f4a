//! The specification of a simulated world.

use super::{MigrationSpec, Name, Service, SideSpec};
use crate::aws::sim::Simulation;

impl Simulation {
    /// The specification of a migration in this world, all of it at the defaults. A
    /// [start](MigrationSpec::start) foresees from what blue got in the hour before, so a world of your own
    /// needs an hour of [`history`](crate::aws::sim::SimulationBuilder::history); a
    /// [`Scenario`](crate::aws::sim::Scenario) has a week.
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
}
