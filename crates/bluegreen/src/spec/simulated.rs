//! The specifications of a simulated world.

use std::path::PathBuf;

use super::{
    DeploymentSpec, JournalPlace, MigrationSpec, Name, Run, Service, ServiceDeployment, SideSpec,
    SimulationSpec, StartError, target::invalid,
};
use crate::{
    aws::sim::{KeptSimulation, Scenario, Simulation},
    error::{Error, ErrorKind, ParseError, Result},
    store::JournalStore,
};

impl MigrationSpec {
    /// Returns the simulated world of the specification, as its folder keeps it; creates the world if the
    /// folder has none yet. `None` if the specification is of the real AWS. Blocks while the disk works.
    ///
    /// # Errors
    ///
    /// `Invalid` if the specification is not valid; other kinds as [`Simulation::kept`].
    pub fn world(&self) -> Result<Option<KeptSimulation>> {
        let Some(world) = &self.simulation else {
            return Ok(None);
        };
        self.check().map_err(invalid)?;
        let scenario: Scenario = world
            .scenario
            .as_str()
            .parse()
            .map_err(|error: ParseError| Error::new(ErrorKind::Invalid, error.to_string()))?;
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
    /// Returns the specification of a migration in this world, with all defaults, and with the journal beside
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
    /// Returns the specification of a migration in this world, or of a judge if ECS moves the traffic, with all
    /// defaults. A
    /// [start](MigrationSpec::start) makes its forecast from blue's requests in the hour before. So a world
    /// of your own needs an hour of [`history`](crate::aws::sim::SimulationBuilder::history); a
    /// [`Scenario`](crate::aws::sim::Scenario) has a week.
    #[must_use]
    pub fn spec(&self) -> MigrationSpec {
        if self.is_native() {
            return self.native_spec();
        }
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

    /// Returns a migration in this world that is ready to run: its [`spec`](Self::spec), started with a journal in
    /// memory. For another specification, or a journal of your own, see [`MigrationSpec::start`].
    ///
    /// # Errors
    ///
    /// As [`MigrationSpec::start`]; nothing was changed.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves nothing behind.
    ///
    /// # Examples
    ///
    /// ```
    /// use bluegreen::aws::sim::Scenario;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let simulation = Scenario::GreenErrors.simulation(7);
    /// simulation.start_paused();
    /// let outcome = simulation.start().await?.run().await?;
    /// assert_eq!(outcome.exit_code(), 10, "rolled back: {outcome}");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start(&self) -> std::result::Result<Run, StartError> {
        let (aws, store) = (self.aws(), JournalStore::memory());
        self.spec().start(&aws, &store, "a simulation").await
    }

    /// Returns the deployment of green's service in this world, without checks, and with all other defaults.
    /// It builds the folder of the process: set another folder.
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
