//! [`Deployment`]: a plan, a deployer, a builder and checks, run to the end.

use std::{fmt, future::Future, sync::Arc};

use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    DeploymentError, DeploymentEvent, DeploymentMachine, DeploymentOutcome, DeploymentPlan,
    DeploymentState, Entry, ImageSource, Input, Intent, ReplayError, Unfinished,
    host::DeploymentHost, machine::End, replay::unfinished,
};
use crate::{
    check::ServiceCheck,
    clock::{Clock, SystemClock},
    engine::{
        ControlHandle, Event, JOURNAL_VERSION, Journal, MemoryJournal, Opening, Operator, Pace,
        Record, RunId, Runner, Sink,
    },
    image::{BuildRequest, ImageBuilder},
    problem::{PlanError, Problem},
    service::{RevisionId, ServiceDeployer},
};

/// Runs an image as a service, follows the rollout to its end, checks it, and rolls it back if
/// anything fails after the update.
///
/// A second deployment of the same image is harmless, and is how a killed run continues: an image that the
/// registry has is not built again, a revision that exists is not registered again, a rollout that is under
/// way is followed, and the target of a rollback is kept with the service.
///
/// # Examples
///
/// On the simulated AWS; on the real one the first line is `Aws::from_env()`, programs are
/// `SystemCommands`, and checks go through `ReqwestClient`.
///
/// ```
/// # #[cfg(all(feature = "sim", feature = "check"))]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen::{Deployment, DeploymentPlan};
/// use bluegreen::aws::{ecr::EcrRegistry, ecs::EcsServiceDeployer, sim::ReleaseScenario};
/// use bluegreen::check::CheckSuite;
/// use bluegreen::image::{BuildRequest, DockerImageBuilder};
///
/// let simulation = ReleaseScenario::SmokeFails.simulation(7);
/// simulation.start_paused();
/// let aws = simulation.aws();
///
/// let checks = CheckSuite::from_toml(r#"
///     base_url = "https://api.chatbot.company.com"
///     headers = { X-Bluegreen-Test = "green" }
///     [[smoke]]
///     name = "chat"
///     path = "/api/v1/chat"
/// "#)?;
/// # let source = std::env::temp_dir().join(format!("bluegreen-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&source)?;
/// # std::fs::write(source.join("Dockerfile"), "FROM scratch")?;
/// let registry = EcrRegistry::new(&aws, simulation.repository());
/// let deployer = EcsServiceDeployer::new(&aws, simulation.cluster(), simulation.service());
/// let outcome = Deployment::new(DeploymentPlan::builder().build()?, deployer)
///     .builder(DockerImageBuilder::new(registry, simulation.commands()))
///     .checks(&checks, simulation.http())?
///     .clock(aws.clock())
///     .on_event(|event| eprintln!("{event}"))
///     .run(BuildRequest::new(source.clone(), "0123456789ab".parse()?))
///     .await?;
/// # std::fs::remove_dir_all(source)?;
/// assert_eq!(outcome.exit_code(), 10, "rolled back: {outcome}");
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "sim", feature = "check")))]
/// # fn main() {}
/// ```
#[must_use = "a deployment does nothing until it is run"]
pub struct Deployment {
    plan: DeploymentPlan,
    host: DeploymentHost,
    origin: serde_json::Value,
    unfinished: Unfinished,
    /// When the process before wrote last: this run's time begins then at the earliest.
    newest: Timestamp,
    clock: Arc<dyn Clock>,
    journal: Arc<dyn Journal>,
    sinks: Vec<Sink<DeploymentEvent>>,
    cancel: Option<crate::engine::CancelFuture>,
    handle: ControlHandle,
    controls: crate::engine::Controls,
}

impl Deployment {
    /// A deployment by `plan` through `deployer`, with a journal in memory and the system's clock.
    pub fn new(plan: DeploymentPlan, deployer: impl ServiceDeployer + 'static) -> Self {
        let (handle, controls) = ControlHandle::new();
        Self {
            plan,
            host: DeploymentHost {
                builder: None,
                deployer: Arc::new(deployer),
                health: Vec::new(),
                smoke: Vec::new(),
            },
            origin: serde_json::Value::Null,
            unfinished: Unfinished::default(),
            newest: Timestamp::MIN,
            clock: Arc::new(SystemClock),
            journal: Arc::new(MemoryJournal::new()),
            sinks: Vec::new(),
            cancel: None,
            handle,
            controls,
        }
    }

    /// A deployment for a unit test: by the [plan for tests](DeploymentPlan::for_tests), on a
    /// [`TestClock`](crate::mock::TestClock). With tokio's clock paused it takes no time.
    #[cfg(feature = "mock")]
    pub fn for_tests(deployer: impl ServiceDeployer + 'static) -> Self {
        Self::new(DeploymentPlan::quick(), deployer).clock(crate::mock::TestClock::default())
    }

    /// Sets the builder. It also gives the image its further tag at the end.
    pub fn builder(mut self, builder: impl ImageBuilder + 'static) -> Self {
        self.host.builder = Some(Arc::new(builder));
        self
    }

    /// Adds a health check: asked until it has passed as many times in a row as the plan says.
    pub fn health(mut self, check: impl ServiceCheck + 'static) -> Self {
        self.host.health.push(Arc::new(check));
        self
    }

    /// Adds a smoke test: asked once, after the health checks.
    pub fn smoke(mut self, check: impl ServiceCheck + 'static) -> Self {
        self.host.smoke.push(Arc::new(check));
        self
    }

    /// Adds the checks of a suite, health check and smoke tests, asked through `client`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if the suite has no base URL.
    ///
    /// # Examples
    ///
    /// See [`Deployment`].
    #[cfg(feature = "check")]
    pub fn checks(
        mut self,
        suite: &crate::check::CheckSuite,
        client: Arc<dyn crate::check::HttpClient>,
    ) -> crate::Result<Self> {
        if let Some(health) = suite.health_check(Arc::clone(&client))? {
            self = self.health(health);
        }
        let smoke = suite.smoke_checks(client)?;
        Ok(smoke.into_iter().fold(self, Self::smoke))
    }

    /// Calls `sink` with every event, in order. A slow sink holds the deployment up.
    pub fn on_event(mut self, sink: impl FnMut(&Event<DeploymentEvent>) + Send + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// Cancels the deployment when `future` is ready. After the service was changed, the run then
    /// does what the plan says, by default roll back.
    pub fn cancel_on(mut self, future: impl Future<Output = ()> + Send + 'static) -> Self {
        self.cancel = Some(Box::pin(future));
        self
    }

    /// Uses another clock, such as a simulation's.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Uses another journal. Default: in memory.
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.journal = Arc::new(journal);
        self
    }

    /// Keeps a value of your own with the run, such as the options that it was started with:
    /// [`origin_of`](super::origin_of) returns it to the process that resumes the run. No secrets: the
    /// value stands in the journal as it is.
    pub fn origin(mut self, origin: serde_json::Value) -> Self {
        self.origin = origin;
        self
    }

    /// Continues a deployment whose process ended, from its journal's records: call [`run`](Self::run) then.
    /// An image, a revision or a rollout of that process is found and not made twice. A revision that was
    /// never proved is rolled back if a check fails, and a rollback that was begun is finished,
    /// as that process would have done. An earlier version's run continues under today's rules, and
    /// says so; see [`store`](crate::store#versions).
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the journal does not replay, or is of a newer version.
    pub fn goes_on_from(mut self, records: &[Record]) -> Result<Self, ReplayError> {
        self.unfinished = unfinished(records)?;
        let newest = records.iter().map(|record| record.at).max();
        self.newest = newest.unwrap_or(Timestamp::MIN);
        Ok(self)
    }

    /// A handle to cancel, abort, leave or stop the run from anywhere.
    #[must_use]
    pub fn handle(&self) -> ControlHandle {
        self.handle.clone()
    }

    /// Returns a receiver that always holds the newest [`DeploymentState`], the end included. Clones
    /// follow on their own; a slow reader does not hold the run up.
    #[must_use]
    pub fn watch(&mut self) -> watch::Receiver<DeploymentState> {
        let (sender, receiver) = watch::channel(DeploymentState::default());
        self.sinks.push(Box::new(move |event| {
            sender.send_modify(|state| state.take(event));
        }));
        receiver
    }

    /// Builds and deploys a source. If the registry holds an image under the tag already, that image is
    /// used as it is.
    ///
    /// # Errors
    ///
    /// [`DeploymentError::Plan`] without a builder; nothing was called.
    /// [`DeploymentError::Unresolved`] if the service was to be rolled back and could not be,
    /// or its state is not known. A rollback that worked is a [`DeploymentOutcome`].
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping it leaves the service as it is, at worst in the middle of a
    /// rollout. End the run with [`cancel_on`](Self::cancel_on) or the [`handle`](Self::handle).
    pub async fn run(self, request: BuildRequest) -> Result<DeploymentOutcome, DeploymentError> {
        let image = ImageSource::Build {
            request,
            reuse: true,
        };
        self.run_image(image).await
    }

    /// Deploys an image from any source.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn run_image(self, image: ImageSource) -> Result<DeploymentOutcome, DeploymentError> {
        self.has_builder(&image)?;
        self.drive(Intent::Deploy { image }).await
    }

    /// Begins a deployment of an image, and ends as soon as the platform has accepted the update: for a service
    /// whose traffic its platform moves. [`NativeJudge`](crate::native::NativeJudge) follows it from there.
    /// The checks are not asked: give them to the judge.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn begin(self, image: ImageSource) -> Result<DeploymentOutcome, DeploymentError> {
        self.has_builder(&image)?;
        self.drive(Intent::Begin { image }).await
    }

    fn has_builder(&self, image: &ImageSource) -> Result<(), PlanError> {
        let builds = matches!(image, ImageSource::Build { .. });
        if builds && self.host.builder.is_none() {
            let problem = Problem::new(
                "builder",
                "an image is to be built, and there is no builder",
                "supply a builder, or give the image by digest",
            );
            return Err(PlanError::new(vec![problem]));
        }
        Ok(())
    }

    /// Rolls the service back to the state before the last recorded deployment, or to a revision
    /// that you name.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn roll_back(
        self,
        by: impl Into<Operator>,
        to: Option<RevisionId>,
    ) -> Result<DeploymentOutcome, DeploymentError> {
        let by = by.into();
        self.drive(Intent::RollBack { by, to }).await
    }

    /// Asks the health checks until they pass, or until the plan's deadline; changes nothing.
    ///
    /// # Errors
    ///
    /// [`DeploymentError::Plan`] if there are no health checks.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing; dropping it ends the request that is under way.
    pub async fn check_health(self) -> Result<DeploymentOutcome, DeploymentError> {
        some(self.host.health.len(), "health")?;
        self.drive(Intent::CheckHealth).await
    }

    /// Asks each smoke test once; changes nothing that the tests themselves do not change.
    ///
    /// # Errors
    ///
    /// [`DeploymentError::Plan`] if there are no smoke tests.
    ///
    /// # Cancel safety
    ///
    /// As [`check_health`](Self::check_health).
    pub async fn smoke_test(self) -> Result<DeploymentOutcome, DeploymentError> {
        some(self.host.smoke.len(), "smoke")?;
        self.drive(Intent::Smoke).await
    }

    #[tracing::instrument(name = "deployment", skip_all)]
    async fn drive(self, intent: Intent) -> Result<DeploymentOutcome, DeploymentError> {
        let intent = match (intent, &self.unfinished.restoring) {
            (Intent::Deploy { .. } | Intent::RollBack { .. }, Some(_)) => Intent::RollBack {
                by: "an earlier process of this run".into(),
                to: self.unfinished.restoring_to.clone(),
            },
            (intent, _) => intent,
        };
        let run = RunId::from_start(self.clock.now());
        let names = |checks: &[Arc<dyn ServiceCheck>]| {
            checks.iter().map(|check| check.name().to_owned()).collect()
        };
        let opening = Entry::Opened {
            version: JOURNAL_VERSION,
            run: run.clone(),
            plan: Box::new(self.plan.clone()),
            health: names(&self.host.health),
            smoke: names(&self.host.smoke),
            by_hand: self.host.deployer.by_hand(),
            propagation: self.host.deployer.propagation(),
            unfinished: self.unfinished.clone(),
            origin: self.origin,
        };
        let (health, smoke) = (self.host.health.len(), self.host.smoke.len());
        let machine = DeploymentMachine::new(self.plan, health, smoke)
            .with_by_hand(self.host.deployer.by_hand())
            .with_propagation(self.host.deployer.propagation())
            .with_unfinished(self.unfinished);
        let clock = Arc::clone(&self.clock);
        let mut runner = Runner::new(run, self.clock, self.journal, self.controls);
        runner.not_before(self.newest);
        runner.sinks = self.sinks;
        runner.cancel = self.cancel;
        // Always the quick pace: users may be on the new revision at any moment.
        let listener = runner.listener(&self.handle, &clock, &Pace::default());
        let (opening, first) = (Opening::New(opening.text()), Input::Start(intent));
        let run = runner.drive(machine, self.host, opening, first);
        let end = match listener {
            // Boxed, since the future is large and its caller may have a small stack.
            Some(listener) => Box::pin(listener.during(run)).await,
            None => run.await,
        };
        match end {
            End::Known(outcome) => Ok(outcome),
            End::Unresolved(unresolved) => Err(DeploymentError::Unresolved(Box::new(unresolved))),
        }
    }
}

fn some(count: usize, field: &str) -> Result<(), PlanError> {
    if count > 0 {
        return Ok(());
    }
    let problem = Problem::new(field, "there is no such check", "supply at least one");
    Err(PlanError::new(vec![problem]))
}

impl fmt::Debug for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployment")
            .field("plan", &self.plan)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}
