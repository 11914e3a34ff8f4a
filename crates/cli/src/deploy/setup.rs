//! From the command line to what is run; every problem at once.

use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};

use bluegreen::{
    Aws, Deployment, DeploymentPlan,
    aws::{
        ecr::EcrRegistry,
        ecs::{EcsServiceDeployer, ServiceSpec, TaskDefinition},
        sim::Simulation,
    },
    check::{CheckSuite, HttpClient, ReqwestClient},
    deployment::{HealthPolicy, ImageSource},
    engine::OnCancel,
    image::{
        BuildRequest, CommandRunner, DockerImageBuilder, ImageRef, ImageTag, SystemCommands,
        git_tag,
    },
    preflight::{Acceptance, Finding},
    problem::Problem,
};
use tempfile::TempDir;

use super::{
    args::{Cli, Command, Policy},
    validate::{refused, text_of},
};
use crate::common::{accept::accepted, say::say_line};

const CHECKS: &str = include_str!("../../data/deploy/checks.toml");
const TASK_DEFINITION: &str = include_str!("../../data/deploy/task-definition.json");
const SERVICE: &str = include_str!("../../data/deploy/service.json");

/// Everything that the command line says, checked.
pub(crate) struct Setup {
    pub(crate) plan: DeploymentPlan,
    pub(crate) cluster: String,
    pub(crate) service: String,
    repository: Option<String>,
    pub(crate) image: Option<ImageRef>,
    pub(crate) context: PathBuf,
    /// The context of a simulation, which ends with it.
    _stand_in: Option<TempDir>,
    tag: Option<ImageTag>,
    checks: Option<CheckSuite>,
    task_definition: Option<TaskDefinition>,
    spec: Option<ServiceSpec>,
    /// How long after SIGTERM it is killed.
    pub(crate) grace: Option<Duration>,
}

impl Setup {
    /// Checks all of it. `simulation` has its own names.
    pub(crate) fn new(cli: &Cli, simulation: Option<&Simulation>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut add = |field: &str, message: String, hint: &str| {
            problems.push(Problem::new(field, message, hint));
        };
        let command = cli.command.clone().unwrap_or(Command::Deploy);
        let deploys = command == Command::Deploy;
        let touches = deploys || matches!(command, Command::Rollback { .. } | Command::Resume);
        let named = |given: &Option<String>, own: Option<&str>| {
            given.clone().or_else(|| own.map(str::to_owned))
        };
        if cli.plan.dry_run && !deploys {
            add(
                "--dry-run",
                "it is for `deploy` and `prepare`".to_owned(),
                "`aws ecs describe-services` shows what runs, its tags where a rollback goes",
            );
        }
        let grace = cli.place.grace.as_deref();
        let grace = grace.and_then(|text| {
            let span = jiff_duration(text);
            if span.is_none() {
                let message = format!("`{text}` is not a span of time");
                add("--grace", message, "write it like `30s` or `2m`");
            }
            span
        });
        let cluster = named(&cli.service.cluster, simulation.map(Simulation::cluster));
        let service = named(&cli.service.service, simulation.map(Simulation::service));
        for (field, value) in [("--cluster", &cluster), ("--service", &service)] {
            if touches && value.is_none() {
                add(
                    field,
                    "it is needed with --aws".to_owned(),
                    "say which service is deployed",
                );
            }
        }
        let repository = named(
            &cli.image.repository,
            simulation.map(Simulation::repository),
        );
        if deploys && repository.is_none() && cli.image.image.is_none() {
            add(
                "--repository",
                "it is needed with --aws".to_owned(),
                "or give --image REPOSITORY@sha256:…",
            );
        }
        let image = cli
            .image
            .image
            .as_deref()
            .and_then(|text| match text.parse() {
                Ok(image) => Some(image),
                Err(error) => {
                    add(
                        "--image",
                        format!("{error}"),
                        "REPOSITORY@sha256:…, as a push prints it",
                    );
                    None
                }
            });
        let mut tag_of = |field: &str, text: &str| match text.parse::<ImageTag>() {
            Ok(tag) => Some(tag),
            Err(error) => {
                add(field, format!("{error}"), "a commit is best");
                None
            }
        };
        let tag = cli
            .image
            .tag
            .as_deref()
            .and_then(|text| tag_of("--tag", text));
        let also = Some(cli.image.also_tag.as_str()).filter(|text| !text.is_empty());
        let also = also.and_then(|text| tag_of("--also-tag", text));
        let mut read = |field: &str, path: &Option<PathBuf>| {
            let path = path.as_ref()?;
            match text_of(field, path) {
                Ok(text) => Some(text),
                Err(problem) => {
                    add(field, problem.message, &problem.hint);
                    None
                }
            }
        };
        let first = simulation.is_some_and(|simulation| simulation.runs().is_none());
        let own = |text: &str| first.then(|| text.to_owned());
        let definition = read("--task-definition", &cli.service.task_definition);
        let definition = definition.or_else(|| own(TASK_DEFINITION));
        let spec = read("--service-definition", &cli.service.service_definition);
        let spec = spec.or_else(|| own(SERVICE));
        let checks = read("--checks", &cli.checks.checks);
        let checks = checks.or_else(|| simulation.map(|_| CHECKS.to_owned()));
        let task_definition = definition.and_then(|text| {
            let read = TaskDefinition::from_json(&text);
            read.map_err(|error| {
                add(
                    "--task-definition",
                    chain(&error),
                    error
                        .hint()
                        .unwrap_or("see `aws ecs describe-task-definition`"),
                )
            })
            .ok()
        });
        let spec = spec.and_then(|text| {
            let read = ServiceSpec::from_json(&text);
            read.map_err(|error| {
                add(
                    "--service-definition",
                    chain(&error),
                    error
                        .hint()
                        .unwrap_or("see `aws ecs create-service --generate-cli-skeleton`"),
                )
            })
            .ok()
        });
        let unknown = &cli.service.accept_unknown;
        let task_definition = task_definition.map(|read| {
            let take = |read: TaskDefinition, path: &String| read.accept_unknown(path);
            unknown.iter().fold(read, take)
        });
        let spec = spec.map(|read| {
            let take = |read: ServiceSpec, path: &String| read.accept_unknown(path);
            unknown.iter().fold(read, take)
        });
        // Which image a deployment sets is known only once the service was looked at.
        let is_image = |one: &Finding| one.message.contains("].image: ");
        let mut findings = task_definition
            .as_ref()
            .map_or(Vec::new(), |one| one.findings());
        findings.retain(|one| !is_image(one));
        let of_service = spec.as_ref().map_or(Vec::new(), ServiceSpec::findings);
        for problem in refused("--task-definition", findings)
            .chain(refused("--service-definition", of_service))
        {
            add(&problem.field, problem.message, &problem.hint);
        }
        let checks = checks.and_then(|text| match suite(cli, &text) {
            Ok(suite) => Some(suite),
            Err(message) => {
                add("--checks", message, "CheckSuite in the docs has every key");
                None
            }
        });
        if checks.is_none()
            && matches!(command, Command::Health | Command::Smoke)
            && cli.checks.checks.is_none()
        {
            add(
                "--checks",
                "it is needed with --aws".to_owned(),
                "give a file with health check and smoke tests",
            );
        }
        let mut span = |field: &str, text: &str| match jiff_duration(text) {
            Some(duration) => duration,
            None => {
                add(
                    field,
                    format!("`{text}` is no span of time"),
                    "write it like 20m or 90s",
                );
                Duration::from_secs(60)
            }
        };
        let mut plan = DeploymentPlan::builder()
            .poll_every(span("--poll-every", &cli.plan.poll_every))
            .rollout_deadline(span("--rollout-deadline", &cli.plan.rollout_deadline))
            .rollback_deadline(span("--rollback-deadline", &cli.plan.rollback_deadline))
            .also_tag(also)
            .on_cancel(match cli.plan.on_cancel {
                Policy::RollBack => OnCancel::RollBack,
                Policy::Hold => OnCancel::Hold,
            });
        for risk in accepted(&cli.plan.accept, &mut problems) {
            plan = plan.accept(risk);
        }
        if cli.plan.in_place {
            plan = plan.accept(Acceptance::InPlace);
        }
        if cli.plan.without_test_route {
            plan = plan.accept(Acceptance::NoTestRoute);
        }
        if let Some(health) = checks.as_ref().and_then(CheckSuite::health) {
            plan = plan.health(HealthPolicy::new(
                health.successes(),
                health.every(),
                health.deadline(),
            ));
        }
        let plan = match plan.build() {
            Ok(plan) if problems.is_empty() => plan,
            Ok(_) => return Err(problems),
            Err(error) => {
                problems.extend_from_slice(error.problems());
                return Err(problems);
            }
        };
        let stand_in = match (&cli.image.context, simulation) {
            (None, Some(_)) => Some(stand_in().map_err(|error| {
                let message = format!("no folder can be made for the simulation's: {error}");
                vec![Problem::new("--context", message, "name a folder")]
            })?),
            _ => None,
        };
        let context = match (&cli.image.context, &stand_in) {
            (Some(context), _) => context.clone(),
            (None, Some(folder)) => folder.path().to_owned(),
            (None, None) => ".".into(),
        };
        Ok(Self {
            plan,
            cluster: cluster.unwrap_or_default(),
            service: service.unwrap_or_default(),
            repository,
            image,
            context,
            _stand_in: stand_in,
            tag,
            checks,
            task_definition,
            spec,
            grace,
        })
    }

    pub(crate) fn deployer(
        &self,
        aws: &Aws,
        cli: &Cli,
        simulation: Option<&Simulation>,
    ) -> EcsServiceDeployer {
        let mut deployer = EcsServiceDeployer::new(aws, &self.cluster, &self.service);
        // Without a client the platform of some images is not known, which is said then.
        if let Ok(client) = http(simulation) {
            deployer = deployer.with_http_client(client);
        }
        if let Some(image) = &self.image {
            deployer = deployer.with_image(image.clone());
        }
        if let Some(container) = &cli.service.container {
            deployer = deployer.with_container(container);
        }
        if let Some(definition) = &self.task_definition {
            deployer = deployer.with_task_definition(definition.clone());
        }
        if let Some(spec) = &self.spec {
            deployer = deployer.with_service(spec.clone());
        }
        let given = self.image.as_ref().map(ImageRef::repository);
        if let Some(repository) = given.or(self.repository.as_deref()) {
            deployer = deployer.with_image_repository(repository);
        }
        if let (Some(platform), None) = (&cli.image.platform, given) {
            deployer = deployer.with_image_platform(platform);
        }
        deployer
    }

    /// The builder, where there is a repository.
    pub(crate) fn builder(
        &self,
        aws: &Aws,
        cli: &Cli,
        simulation: Option<&Simulation>,
    ) -> Option<DockerImageBuilder> {
        let mut registry = EcrRegistry::new(aws, self.repository.clone()?);
        if cli.image.create_repository {
            registry = registry.create_if_absent();
        }
        let mut builder = DockerImageBuilder::new(registry, commands(simulation));
        if let Some(dockerfile) = &cli.image.dockerfile {
            builder = builder.with_dockerfile(dockerfile);
        }
        if let Some(platform) = &cli.image.platform {
            builder = builder.with_platform(platform);
        }
        let definition = self.task_definition.as_ref();
        if let Some(platform) = definition.and_then(TaskDefinition::platform) {
            builder = builder.requiring_platform(platform);
        }
        for argument in &cli.image.build_arg {
            let own = || std::env::var(argument).unwrap_or_default();
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None => (argument.as_str(), own()),
            };
            builder = builder.with_build_arg(name, value);
        }
        if !cli.json {
            builder = builder.on_output(|line| say_line!("       │ {line}"));
        }
        Some(builder)
    }

    /// Where the image comes from: by digest, or built under its commit.
    pub(crate) async fn source(
        &self,
        cli: &Cli,
        simulation: Option<&Simulation>,
    ) -> bluegreen::Result<ImageSource> {
        if let Some(image) = &self.image {
            return Ok(ImageSource::Given {
                image: image.clone(),
            });
        }
        let tag = match &self.tag {
            Some(tag) => tag.clone(),
            None => git_tag(&*commands(simulation), &self.context).await?,
        };
        // What a dirty tree holds no tag says twice.
        let reuse = !cli.image.rebuild && !tag.as_str().ends_with("-dirty");
        Ok(ImageSource::Build {
            request: BuildRequest::new(self.context.clone(), tag),
            reuse,
        })
    }

    /// Adds the checks that the command is about.
    pub(crate) fn checked(
        &self,
        mut deployment: Deployment,
        simulation: Option<&Simulation>,
    ) -> bluegreen::Result<Deployment> {
        let Some(suite) = &self.checks else {
            return Ok(deployment);
        };
        let client = http(simulation)?;
        if let Some(health) = suite.health_check(Arc::clone(&client))? {
            deployment = deployment.health(health);
        }
        for smoke in suite.smoke_checks(client)? {
            deployment = deployment.smoke(smoke);
        }
        Ok(deployment)
    }

    pub(crate) fn has_checks(&self) -> bool {
        self.checks.is_some()
    }
}

fn commands(simulation: Option<&Simulation>) -> Arc<dyn CommandRunner> {
    match simulation {
        Some(simulation) => simulation.commands(),
        None => Arc::new(SystemCommands::default()),
    }
}

fn http(simulation: Option<&Simulation>) -> bluegreen::Result<Arc<dyn HttpClient>> {
    Ok(match simulation {
        Some(simulation) => simulation.http(),
        None => Arc::new(ReqwestClient::new()?),
    })
}

fn suite(cli: &Cli, text: &str) -> Result<CheckSuite, String> {
    let said = |error: bluegreen::check::SpecError| error.to_string();
    let mut suite = CheckSuite::from_toml(text).map_err(said)?;
    if let Some(url) = &cli.checks.url {
        suite = suite.with_base_url(url).map_err(said)?;
    }
    if let Some(host) = &cli.checks.host {
        suite = suite.with_host(host).map_err(said)?;
    }
    if let Some(to) = &cli.checks.connect_to {
        suite = suite.with_connect_to(to.clone());
    }
    for header in &cli.checks.header {
        let (name, value) = header.split_once(':').ok_or_else(|| {
            format!("--header `{header}`: write it like `X-Bluegreen-Test: green`")
        })?;
        suite = suite.with_header(name.trim(), value.trim()).map_err(said)?;
    }
    Ok(suite)
}

/// A source for the simulation, which builds nothing from it; but a builder looks whether there is one.
fn stand_in() -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("bluegreen-").tempdir()?;
    fs::write(folder.path().join("Dockerfile"), "FROM scratch\n")?;
    Ok(folder)
}

fn jiff_duration(text: &str) -> Option<Duration> {
    let span: jiff::SignedDuration = text.parse().ok()?;
    Duration::try_from(span).ok()
}

fn chain(error: &bluegreen::Error) -> String {
    bluegreen::Failure::from(error).message
}
