//! The specifications of a simulated world.

use std::path::PathBuf;

use super::{
    DeploymentSpec, JournalPlace, MigrationSpec, Name, Service, ServiceDeployment, SideSpec,
    SimulationSpec, target::invalid,
};
use crate::{
    aws::sim::{KeptSimulation, Scenario, Simulation},
    error::{Error, ErrorKind, Result},
};

impl MigrationSpec {
    /// The simulated world that it is of, as its folder keeps it; it begins if there is none yet. `None` if
    /// it is of the real AWS. It blocks for as long as the disk does.
    ///
    /// # Errors
    ///
    /// `Invalid` if the specification is not valid; else as [`Simulation::kept`].
    pub fn world(&self) -> Result<Option<KeptSimulation>> {
        let Some(world) = &self.simulation else {
            return Ok(None);
        };
        self.check().map_err(invalid)?;
        let scenario: Scenario = world.scenario.as_str().parse().map_err(
            |error: crate::aws::sim::UnknownScenario| {
                Error::new(ErrorKind::Invalid, error.to_string())
            },
        )?;
        Simulation::kept(&world.folder, scenario, world.seed).map(Some)
    }
}

impl SimulationSpec {
    /// The folder for the journals of this world: see [`KeptSimulation::journal`].
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        KeptSimulation::journal_in(&self.folder)
    }
}

impl KeptSimulation {
    /// The specification of a migration in this world, all of it at the defaults, with the journal beside
    /// the world.
    #[must_use]
    pub fn spec(&self) -> MigrationSpec {
        let mut spec = Simulation::spec(self);
        spec.journal = Some(JournalPlace::Folder(self.journal()));
        spec.simulation = Some(SimulationSpec {
            scenario: Name::known(self.scenario().name()),
            seed: self.seed(),
            folder: self.folder().to_owned(),
            ..SimulationSpec::default()
        });
        spec
    }
}

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
