//! Runs a deployment on the simulated AWS, and checks every run against the promises.

use std::sync::{Arc, Mutex};

use bluegreen::{
    Deployment, DeploymentError, DeploymentPlan,
    aws::{
        ecr::EcrRegistry,
        ecs::{EcsServiceDeployer, ServiceSpec, TaskDefinition},
        sim::{Simulation, Writer},
    },
    check::CheckSuite,
    deployment::{DeploymentEvent, DeploymentOutcome, ImageSource, Intent, replay},
    engine::{ControlHandle, Event, MemoryJournal, Record},
    image::{BuildRequest, DockerImageBuilder},
    service::Target,
};

use super::limit::within;

/// A deployment that has ended, with everything that a test may check.
pub(crate) struct Release {
    pub(crate) ended: Result<DeploymentOutcome, DeploymentError>,
    pub(crate) events: Vec<Event<DeploymentEvent>>,
    pub(crate) simulation: Simulation,
    pub(crate) journal: MemoryJournal,
    before: Option<(String, u32)>,
    /// The number of deployments that had begun before.
    begun: usize,
}

pub(crate) type Hand = Box<dyn FnMut(&Event<DeploymentEvent>, &ControlHandle, &Simulation) + Send>;

pub(crate) const CHECKS: &str = include_str!("../../examples/deploy/checks.toml");
const SERVICE: &str = include_str!("../../examples/deploy/service.json");
const TASK_DEFINITION: &str = include_str!("../../examples/deploy/task-definition.json");

pub(crate) fn plan() -> DeploymentPlan {
    DeploymentPlan::builder().build().expect("the default")
}

/// The deployer of the example `deploy`.
pub(crate) fn deployer(simulation: &Simulation) -> EcsServiceDeployer {
    let aws = simulation.aws();
    let mut deployer = EcsServiceDeployer::new(&aws, simulation.cluster(), simulation.service())
        .with_image_repository(simulation.repository())
        .with_http_client(simulation.http());
    if simulation.runs().is_none() {
        let definition = TaskDefinition::from_json(TASK_DEFINITION).expect("well-formed");
        let spec = ServiceSpec::from_json(SERVICE).expect("well-formed");
        deployer = deployer.with_task_definition(definition).with_service(spec);
    }
    deployer
}

/// The deployment of the example `deploy`, with all its checks.
pub(crate) fn deployment(simulation: &Simulation, plan: DeploymentPlan) -> Deployment {
    deployment_by(deployer(simulation), simulation, plan)
}

fn deployment_by(
    deployer: EcsServiceDeployer,
    simulation: &Simulation,
    plan: DeploymentPlan,
) -> Deployment {
    let aws = simulation.aws();
    let registry = EcrRegistry::new(&aws, simulation.repository());
    let builder = DockerImageBuilder::new(registry, simulation.commands());
    let suite = CheckSuite::from_toml(CHECKS).expect("well-formed");
    let health = suite.health_check(simulation.http()).expect("a base URL");
    let mut deployment = Deployment::new(plan, deployer)
        .builder(builder)
        .health(health.expect("one"))
        .clock(aws.clock());
    for smoke in suite.smoke_checks(simulation.http()).expect("a base URL") {
        deployment = deployment.smoke(smoke);
    }
    deployment
}

pub(crate) fn source() -> ImageSource {
    let context = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/deploy/service");
    let tag = "0123456789ab".parse().expect("a tag");
    ImageSource::Build {
        request: BuildRequest::new(context, tag),
        reuse: true,
    }
}

/// Deploys to the end.
pub(crate) async fn deploy(simulation: &Simulation) -> Release {
    release(simulation, plan(), Intent::Deploy { image: source() }, None).await
}

/// Deploys a file to the end.
pub(crate) async fn deploy_file(simulation: &Simulation, file: &str) -> Release {
    let definition = TaskDefinition::from_json(file).expect("well-formed");
    let deployer = deployer(simulation).with_task_definition(definition);
    let intent = Intent::Deploy { image: source() };
    release_by(deployer, simulation, plan(), intent, None, &[]).await
}

/// Deploys again, after a process that wrote these records.
pub(crate) async fn deploy_again(simulation: &Simulation, records: &[Record]) -> Release {
    let intent = Intent::Deploy { image: source() };
    release_after(simulation, plan(), intent, None, records).await
}

/// Runs an intent to its end, with a hand in it.
pub(crate) async fn release(
    simulation: &Simulation,
    plan: DeploymentPlan,
    intent: Intent,
    hand: Option<Hand>,
) -> Release {
    release_after(simulation, plan, intent, hand, &[]).await
}

async fn release_after(
    simulation: &Simulation,
    plan: DeploymentPlan,
    intent: Intent,
    hand: Option<Hand>,
    records: &[Record],
) -> Release {
    release_by(
        deployer(simulation),
        simulation,
        plan,
        intent,
        hand,
        records,
    )
    .await
}

async fn release_by(
    deployer: EcsServiceDeployer,
    simulation: &Simulation,
    plan: DeploymentPlan,
    intent: Intent,
    hand: Option<Hand>,
    records: &[Record],
) -> Release {
    let journal = MemoryJournal::new();
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let mut deployment = deployment_by(deployer, simulation, plan)
        .journal(journal.clone())
        .on_event(move |event| {
            seen.lock()
                .expect("no test panics in it")
                .push(event.clone())
        });
    if !records.is_empty() {
        deployment = deployment.goes_on_from(records).expect("P9: it replays");
    }
    if let Some(mut hand) = hand {
        let (handle, world) = (deployment.handle(), simulation.clone());
        deployment = deployment.on_event(move |event| hand(event, &handle, &world));
    }
    let before = simulation.runs();
    let begun = simulation.deployments().len();
    let ended = within("a deployment", async {
        match intent {
            Intent::Deploy { image } => deployment.run_image(image).await,
            Intent::RollBack { by, to } => deployment.roll_back(by, to).await,
            Intent::CheckHealth => deployment.check_health().await,
            _ => deployment.smoke_test().await,
        }
    })
    .await;
    let events = events.lock().expect("no test panics in it").clone();
    Release {
        ended,
        events,
        simulation: simulation.clone(),
        journal,
        before,
        begun,
    }
}

impl Release {
    pub(crate) fn exit_code(&self) -> u8 {
        match &self.ended {
            Ok(outcome) => outcome.exit_code(),
            Err(error) => error.exit_code(),
        }
    }

    pub(crate) fn last_words(&self) -> String {
        let last = self.events.last();
        last.map(ToString::to_string).unwrap_or_default()
    }

    /// Checks the run against every promise that each run must keep.
    pub(crate) fn check_promises(&self) {
        self.check_what_runs();
        self.check_writes();
        self.check_replay();
        self.check_secrets();
    }

    /// P4 and P5: the reported revision is the revision that runs.
    fn check_what_runs(&self) {
        let live = self.simulation.runs();
        let words = self.last_words();
        let revision = live.as_ref().map(|(revision, _)| revision.as_str());
        match &self.ended {
            Ok(DeploymentOutcome::Deployed {
                revision: deployed, ..
            }) => {
                assert_eq!(revision, Some(deployed.as_str()), "P4: {words}");
                assert!(live.is_some_and(|(_, running)| running > 0), "P4: {words}");
            }
            Ok(DeploymentOutcome::RolledBack { to, .. }) => match to {
                Target::Revision(to) => assert_eq!(revision, Some(to.as_str()), "P4: {words}"),
                Target::Nothing => {
                    assert!(live.is_none_or(|(_, running)| running == 0), "P4: {words}");
                }
            },
            Ok(DeploymentOutcome::Unchanged { .. }) => {
                let before = self.before.as_ref().map(|(revision, _)| revision.as_str());
                let strange = self.writers().any(|by| by == Writer::Stranger);
                assert!(strange || revision == before, "P4: {words}");
                assert!(self.writers().all(|by| by != Writer::Caller), "P4: {words}");
            }
            Ok(DeploymentOutcome::Held { report, .. }) => {
                let read = report
                    .service
                    .as_ref()
                    .map(|service| service.revision.as_str());
                assert_eq!(read, revision, "P4: {words}");
            }
            Ok(_) => {}
            Err(DeploymentError::Unresolved(unresolved)) => {
                let read = unresolved.report.service.as_ref();
                let read = read.map(|service| service.revision.as_str());
                assert!(read == revision || unresolved.change_unseen, "P4: {words}");
            }
            Err(error) => panic!("{error}"),
        }
        let code = self.exit_code();
        match &self.events.last().expect("at least one event").kind {
            DeploymentEvent::Ended { exit_code, .. }
            | DeploymentEvent::Unresolved { exit_code, .. } => assert_eq!(*exit_code, code),
            other => panic!("the last event is {other}"),
        }
    }

    fn writers(&self) -> impl Iterator<Item = Writer> {
        let all = self.simulation.deployments();
        all.into_iter().skip(self.begun).map(|(_, by)| by)
    }

    /// P7 and P10: at most one update and one rollback, and no write after a third party's.
    fn check_writes(&self) {
        let writers: Vec<Writer> = self.writers().collect();
        let ours = writers.iter().filter(|by| **by == Writer::Caller).count();
        assert!(ours <= 2, "P10: {writers:?}");
        let stranger = writers.iter().position(|by| *by == Writer::Stranger);
        if let Some(stranger) = stranger {
            let after = &writers[stranger + 1..];
            assert!(
                after.iter().all(|by| *by != Writer::Caller),
                "P7: {writers:?}"
            );
        }
    }

    /// P9: the journal gives the same changes and events again.
    fn check_replay(&self) {
        let replayed = replay(&self.journal.records()).expect("P9: the same again");
        let kinds: Vec<_> = self.events.iter().map(|event| event.kind.clone()).collect();
        assert_eq!(replayed.events, kinds, "P9");
    }

    /// P12: the registry's password is nowhere.
    fn check_secrets(&self) {
        let records = serde_json::to_string(&self.journal.records()).expect("plain data");
        let events = serde_json::to_string(&self.events).expect("plain data");
        for text in [records, events, format!("{:?}", self.events)] {
            assert!(!text.contains("simulated-password"), "P12");
        }
    }
}
