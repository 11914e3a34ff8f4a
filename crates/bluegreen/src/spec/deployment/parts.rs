//! Making the roles of a deployment from its specification.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Checks, FilePath, ServiceDeployment, check, check::below};
use crate::{
    aws::{
        Aws,
        ecr::EcrRegistry,
        ecs::{EcsServiceDeployer, ServiceSpec, TaskDefinition},
    },
    check::CheckSuite,
    deployment::{Deployment, DeploymentPlan, ImageSource},
    error::{Failure, Result},
    image::{BuildRequest, DockerImageBuilder, ImageRef, git_tag},
    preflight::{Finding, Severity},
    problem::Problem,
    spec::{SpecError, SpecProblem},
};

type Output = Arc<dyn Fn(&str) + Send + Sync>;

/// A deployment with all of its files read: its plan, and the makers of its roles.
#[derive(Clone)]
#[must_use]
pub struct DeploymentParts {
    pub(super) of: ServiceDeployment,
    plan: DeploymentPlan,
    checks: Option<CheckSuite>,
    task_definition: Option<TaskDefinition>,
    service_definition: Option<ServiceSpec>,
    output: Option<Output>,
    /// Whether a judge follows the deployment.
    is_judged: bool,
}

impl fmt::Debug for DeploymentParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeploymentParts")
            .field("of", &self.of)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl ServiceDeployment {
    /// Reads the files that the specification names, and the variables that its checks need. Calls nothing.
    ///
    /// # Errors
    ///
    /// [`SpecError`] with every problem of the specification and of the files, under the field that names
    /// the file.
    pub fn load(&self) -> std::result::Result<DeploymentParts, SpecError> {
        self.load_with(|name| std::env::var(name).ok())
    }

    /// [`load`](Self::load) with variables of your own: for a program that only shows a file, for example.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_with(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> std::result::Result<DeploymentParts, SpecError> {
        let mut found = self.spec.problems();
        let mut text = |field: &str, path: &Option<FilePath>| {
            let path = self.path(path.as_ref()?);
            let text = fs::read_to_string(&path).map_err(|error| {
                let message = format!("{}: {error}", path.display());
                found.push(Problem::new(field, message, "give a file that can be read"));
            });
            Some((path, text.ok()?))
        };
        let task_definition = text("task_definition", &self.spec.task_definition);
        let service_definition = text("service_definition", &self.spec.service_definition);
        let file = match &self.spec.checks {
            Some(Checks::File(path)) => text("checks", &Some(path.clone())),
            _ => None,
        };
        let unknown = || self.spec.accept_unknown.iter().map(|path| path.as_str());
        let task_definition = task_definition.and_then(|(_, text)| {
            let read = TaskDefinition::from_json(&text);
            let read = read.map_err(|error| {
                let hint = error
                    .hint()
                    .unwrap_or("see `aws ecs describe-task-definition`");
                let message = Failure::from(&error).message;
                found.push(Problem::new("task_definition", message, hint));
            });
            Some(unknown().fold(read.ok()?, TaskDefinition::accept_unknown))
        });
        let service_definition = service_definition.and_then(|(_, text)| {
            let read = ServiceSpec::from_json(&text);
            let read = read.map_err(|error| {
                let hint = "see `aws ecs create-service --generate-cli-skeleton`";
                let hint = error.hint().unwrap_or(hint);
                let message = Failure::from(&error).message;
                found.push(Problem::new("service_definition", message, hint));
            });
            Some(unknown().fold(read.ok()?, ServiceSpec::accept_unknown))
        });
        // Only a read of the service shows which container's image the deployment replaces.
        let is_image = |one: &Finding| one.message.contains("].image: ");
        let of_task = task_definition.as_ref().map(TaskDefinition::findings);
        let of_task = of_task.unwrap_or_default().into_iter();
        let of_task = of_task.filter(|one| !is_image(one)).collect();
        let of_service = service_definition.as_ref().map(ServiceSpec::findings);
        found.extend(refused("task_definition", of_task));
        found.extend(refused(
            "service_definition",
            of_service.unwrap_or_default(),
        ));
        let checks = self.checks(file, &variable, &mut found);
        let policy = checks.as_ref().and_then(check::policy);
        match self.spec.plan_by(policy) {
            Ok(plan) if found.is_empty() => Ok(DeploymentParts {
                of: self.clone(),
                plan,
                checks,
                task_definition,
                service_definition,
                output: None,
                is_judged: false,
            }),
            Ok(_) => Err(self.told(found)),
            Err(problems) => {
                found.extend(
                    problems
                        .into_iter()
                        .filter(|one| !found.contains(one))
                        .collect::<Vec<_>>(),
                );
                Err(self.told(found))
            }
        }
    }

    /// Returns the checks, with URL, host and headers of the deployment in place of their own.
    fn checks(
        &self,
        file: Option<(PathBuf, String)>,
        variable: &dyn Fn(&str) -> Option<String>,
        found: &mut Vec<Problem>,
    ) -> Option<CheckSuite> {
        let suite = match (&self.spec.checks, file) {
            (Some(Checks::Here(checks)), _) => checks
                .suite(variable)
                .map_err(|problems| below("checks", problems)),
            (_, Some((path, text))) => {
                CheckSuite::from_toml_with_env(&text, variable).map_err(|error| {
                    let problems = error.problems().iter();
                    let problem = |one: &SpecProblem| {
                        let place = one.at.map(|at| format!(", {at}")).unwrap_or_default();
                        let Problem {
                            field,
                            message,
                            hint,
                        } = &one.problem;
                        let field = match field.as_str() {
                            "" => String::new(),
                            field => format!("{field}: "),
                        };
                        let message = format!("{}{place}: {field}{message}", path.display());
                        Problem::new("checks", message, hint.as_str())
                    };
                    problems.map(problem).collect()
                })
            }
            _ => return None,
        };
        let suite = suite.and_then(|suite| self.spec.over(suite, variable));
        match suite {
            Ok(suite) if suite.base_url().is_none() => {
                let hint = "name the service's URL in `base_url` of the checks, or in `url`";
                found.push(Problem::new("checks", "have no base URL", hint));
                None
            }
            Ok(suite) => Some(suite),
            Err(problems) => {
                // Some problems were found already, without the variables.
                let new = problems.into_iter().filter(|one| !found.contains(one));
                let new: Vec<_> = new.collect();
                found.extend(new);
                None
            }
        }
    }

    fn path(&self, path: &FilePath) -> PathBuf {
        match &self.folder {
            Some(folder) => folder.as_path().join(path.as_path()),
            None => path.as_path().to_owned(),
        }
    }

    /// The folder to build.
    fn context(&self) -> PathBuf {
        match (&self.spec.context, &self.folder) {
            (Some(context), _) => self.path(context),
            (None, Some(folder)) => folder.as_path().to_owned(),
            (None, None) => Path::new(".").to_owned(),
        }
    }
}

/// Returns the findings of a file that stop a run, as problems of the field that names the file.
fn refused(field: &str, findings: Vec<Finding>) -> impl Iterator<Item = Problem> {
    let stops = findings
        .into_iter()
        .filter(|one| one.severity != Severity::Note);
    stops.map(move |one| Problem::new(field, one.message, one.hint.unwrap_or_default()))
}

impl DeploymentParts {
    /// The plan.
    pub fn plan(&self) -> &DeploymentPlan {
        &self.plan
    }

    /// The specification that the parts were made from.
    #[must_use]
    pub fn of(&self) -> &ServiceDeployment {
        &self.of
    }

    /// Whether there are checks to ask once the rollout has ended.
    #[must_use]
    pub fn has_checks(&self) -> bool {
        self.checks.is_some()
    }

    /// Only begins deployments: for a service whose traffic ECS moves, and a judge that follows. The checks are
    /// the judge's, then.
    pub fn for_judge(mut self) -> Self {
        self.is_judged = true;
        self
    }

    /// Whether a judge follows the deployment.
    pub(super) fn is_judged(&self) -> bool {
        self.is_judged
    }

    /// Hands each line that a build or a push prints to `output`.
    pub fn on_output(mut self, output: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.output = Some(Arc::new(output));
        self
    }

    /// Returns the deployer of the service.
    #[must_use]
    pub fn deployer(&self, aws: &Aws) -> EcsServiceDeployer {
        let spec = &self.of.spec;
        let (cluster, service) = (&self.of.service.cluster, &self.of.service.name);
        let mut deployer = EcsServiceDeployer::new(aws, cluster, service);
        // Without a client the platform of some images is not known; the preflight says so then.
        if let Ok(client) = aws.http() {
            deployer = deployer.with_http_client(client);
        }
        if let Some(image) = &spec.image {
            deployer = deployer.with_image(image.clone());
        }
        if let Some(container) = &spec.container {
            deployer = deployer.with_container(container.as_str());
        }
        if let Some(definition) = &self.task_definition {
            deployer = deployer.with_task_definition(definition.clone());
        }
        if let Some(definition) = &self.service_definition {
            deployer = deployer.with_service(definition.clone());
        }
        let given = spec.image.as_ref().map(ImageRef::repository);
        let repository = spec.repository.as_ref().map(|name| name.as_str());
        if let Some(repository) = given.or(repository) {
            deployer = deployer.with_image_repository(repository);
        }
        if let (Some(platform), None) = (&spec.platform, given) {
            deployer = deployer.with_image_platform(platform.as_str());
        }
        match self.is_judged {
            true => deployer.for_judge(),
            false => deployer,
        }
    }

    /// Returns the builder, which builds and pushes the image, if there is a repository.
    #[must_use]
    pub fn builder(&self, aws: &Aws) -> Option<DockerImageBuilder> {
        let spec = &self.of.spec;
        let mut registry = EcrRegistry::new(aws, spec.repository.as_ref()?.as_str());
        if spec.create_repository {
            registry = registry.create_if_absent();
        }
        let mut builder = DockerImageBuilder::new(registry, aws.commands());
        if let Some(dockerfile) = &spec.dockerfile {
            builder = builder.with_dockerfile(self.of.path(dockerfile));
        }
        if let Some(platform) = &spec.platform {
            builder = builder.with_platform(platform.as_str());
        }
        let definition = self.task_definition.as_ref();
        if let Some(platform) = definition.and_then(TaskDefinition::platform) {
            builder = builder.requiring_platform(platform);
        }
        for argument in &spec.build_args {
            let own = || std::env::var(&argument.name).unwrap_or_default();
            let value = argument.value.clone().unwrap_or_else(own);
            builder = builder.with_build_arg(&argument.name, value);
        }
        Some(match &self.output {
            Some(output) => {
                let output = Arc::clone(output);
                builder.on_output(move |line| output(line))
            }
            None => builder,
        })
    }

    /// Returns the source of the image: a digest, or a build under a tag. Asks git for the commit, unless
    /// there is a tag.
    ///
    /// # Errors
    ///
    /// `Invalid` if there is neither an image nor a repository. Other kinds if the commit cannot be told.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn source(&self, aws: &Aws) -> Result<ImageSource> {
        let spec = &self.of.spec;
        if let Some(image) = &spec.image {
            let image = image.clone();
            return Ok(ImageSource::Given { image });
        }
        let context = self.of.context();
        let tag = match &spec.tag {
            Some(tag) => tag.clone(),
            None => git_tag(aws.commands().runner(), &context).await?,
        };
        // Two builds of a dirty tree have the same tag and may differ, so such an image is not reused.
        let reuse = !spec.rebuild && !tag.as_str().ends_with("-dirty");
        let request = BuildRequest::new(context, tag);
        Ok(ImageSource::Build { request, reuse })
    }

    /// Checks that the specification names an image or a repository.
    ///
    /// # Errors
    ///
    /// [`SpecError`] if there is neither an image nor a repository.
    pub fn names_an_image(&self) -> std::result::Result<(), SpecError> {
        let spec = &self.of.spec;
        if spec.image.is_some() || spec.repository.is_some() {
            return Ok(());
        }
        let hint = "name the repository in ECR, or give an image: REPOSITORY@sha256:…";
        let problem = Problem::new("repository", "is missing, and no image is given", hint);
        Err(self.of.told(vec![problem]))
    }

    /// Returns every check, health checks first.
    pub(in crate::spec) fn all_checks(
        &self,
        aws: &Aws,
    ) -> Result<Vec<Box<dyn crate::check::ServiceCheck>>> {
        let mut checks: Vec<Box<dyn crate::check::ServiceCheck>> = Vec::new();
        let Some(suite) = &self.checks else {
            return Ok(checks);
        };
        let client = aws.http()?;
        if let Some(health) = suite.health_check(Arc::clone(&client))? {
            checks.push(Box::new(health));
        }
        for smoke in suite.smoke_checks(client)? {
            checks.push(Box::new(smoke));
        }
        Ok(checks)
    }

    /// Returns the deployment with every role: deployer, builder and checks, and with the clock of `aws`.
    ///
    /// # Errors
    ///
    /// `Invalid` if a check has no URL.
    pub fn deployment(&self, aws: &Aws) -> Result<Deployment> {
        let mut deployment =
            Deployment::new(self.plan.clone(), self.deployer(aws)).clock(aws.clock());
        if let Some(builder) = self.builder(aws) {
            deployment = deployment.builder(builder);
        }
        let Some(suite) = self.checks.as_ref().filter(|_| !self.is_judged) else {
            return Ok(deployment);
        };
        let client = aws.http()?;
        if let Some(health) = suite.health_check(Arc::clone(&client))? {
            deployment = deployment.health(health);
        }
        for smoke in suite.smoke_checks(client)? {
            deployment = deployment.smoke(smoke);
        }
        Ok(deployment)
    }
}
