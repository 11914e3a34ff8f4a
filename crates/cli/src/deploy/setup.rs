//! Makes a deployment's specification of the command line, and reports every problem at once.

use std::{collections::BTreeSet, fs, path::Path, str::FromStr};

use bluegreen::{
    Aws,
    aws::sim::Simulation,
    engine::OnCancel,
    error::ParseError,
    preflight::Acceptance,
    problem::Problem,
    spec::{
        Account, DeploymentSpec, FilePath, MigrationSpec, Name, Service, ServiceDeployment,
        SideSpec, SpecError,
    },
};

use super::args::{Cli, Policy};
use crate::{
    common::accept::accepted,
    migration::file::{File, absolute, placed},
};

/// The files of the simulated worlds: the source to build, the definitions of a first release, the checks.
const OWN: [(&str, &str); 4] = [
    ("Dockerfile", include_str!("../../data/deploy/Dockerfile")),
    ("checks.toml", include_str!("../../data/deploy/checks.toml")),
    (
        "task-definition.json",
        include_str!("../../data/deploy/task-definition.json"),
    ),
    (
        "service.json",
        include_str!("../../data/deploy/service.json"),
    ),
];

/// Why there is no deployment.
pub(crate) enum Refused {
    /// Bad arguments, or files that are not valid.
    Bad(Vec<Problem>),
    /// The rule could not be read, or does not say which side is meant.
    Failed(bluegreen::Error),
}

impl From<Vec<Problem>> for Refused {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Bad(problems)
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Bad(vec![problem])
    }
}

/// A deployment, with the options that were given: a problem of a field is reported by its option's name.
pub(crate) struct Setup {
    pub(crate) deployment: ServiceDeployment,
    given: BTreeSet<&'static str>,
    /// The file's settings, which judge a deployment whose traffic ECS moves.
    pub(crate) judged_by: Option<MigrationSpec>,
    /// The folder with the source that a simulated world builds.
    _folder: Option<tempfile::TempDir>,
}

impl Setup {
    /// Returns the deployment of the file's side, changed by the options.
    pub(crate) async fn of_file(cli: &Cli, file: &File, aws: &Aws) -> Result<Self, Refused> {
        let deployment = match file.spec.native_deployment() {
            Some(deployment) => {
                no_side_of_service(cli)?;
                deployment
            }
            None => {
                let side = match side_of(cli, &file.spec)? {
                    Some(side) => side,
                    None => file.spec.idle_side(aws).await.map_err(Refused::Failed)?,
                };
                let deployment = file.spec.deployment(&side);
                deployment.map_err(|error| placed(&file.path, &error))?
            }
        };
        let folder = path_of("--file", &file.folder())?;
        let setup = Self::over(cli, deployment.within(folder))?;
        Ok(Self {
            judged_by: Some(file.spec.clone()),
            ..setup
        })
    }

    /// Returns the deployment that the options alone describe.
    pub(crate) fn of_options(cli: &Cli) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let (cluster, service) = (
            cli.service.cluster.as_deref(),
            cli.service.service.as_deref(),
        );
        // Checks alone need no service.
        let is_needed = cli.only.is_none();
        for (field, text) in [("--cluster", cluster), ("--service", service)] {
            if is_needed && text.is_none_or(|text| text.trim().is_empty()) {
                let hint = "name the service to deploy: --cluster C --service S";
                problems.push(Problem::new(field, "is needed without a file", hint));
            }
        }
        // A cluster may be named by its ARN, which holds account and region too.
        let cluster = cluster.unwrap_or_default();
        let part = |at| match cluster.starts_with("arn:") {
            true => cluster.split(':').nth(at),
            false => None,
        };
        let name = cluster.rsplit('/').next().unwrap_or_default();
        let spec = DeploymentSpec::default();
        let mut deployment =
            ServiceDeployment::new(Service::new(name, service.unwrap_or_default()), spec);
        deployment.region = part(3).and_then(|text| text.parse().ok());
        deployment.account = part(4).and_then(|text| text.parse::<Account>().ok());
        deployment.folder = Some(path_of("--context", &absolute(Path::new("")))?);
        match Self::over(cli, deployment) {
            Ok(setup) if problems.is_empty() => Ok(setup),
            Ok(_) => Err(problems),
            Err(more) => {
                problems.extend(more);
                Err(problems)
            }
        }
    }

    /// Returns the deployment of a simulated world: its own files, changed by the file's deployment, and that
    /// changed by the options.
    pub(crate) fn simulated(
        cli: &Cli,
        file: Option<&File>,
        simulation: &Simulation,
    ) -> Result<Self, Vec<Problem>> {
        if file.is_none() {
            no_side(cli)?;
        }
        Self::in_world(cli, file, simulation, simulation.deployment())
    }

    /// Returns the deployment of the file's side in the world that the file keeps: of a side without a table, by
    /// the world's own files.
    pub(crate) async fn kept(
        cli: &Cli,
        file: &File,
        simulation: &Simulation,
    ) -> Result<Self, Refused> {
        if file.spec.native.is_some() {
            let deployment = simulation.deployment();
            return Ok(Self::in_world(cli, Some(file), simulation, deployment)?);
        }
        let side = match side_of(cli, &file.spec)? {
            Some(side) => side,
            None => {
                let idle = file.spec.idle_side(&simulation.aws()).await;
                idle.map_err(Refused::Failed)?
            }
        };
        let found = file.spec.sides.get(&side);
        let service = found.and_then(|side| side.service.clone());
        let is_any = |side: &SideSpec| side.deployment.is_some();
        let mut deployment = simulation.deployment();
        match (file.spec.sides.values().any(is_any), service) {
            (false, Some(service)) => deployment.service = service,
            _ => {
                let of_file = file.spec.deployment(&side);
                deployment.service = of_file.map_err(|error| placed(&file.path, &error))?.service;
            }
        }
        deployment.side = Some(side);
        let file = Some(file).filter(|file| file.spec.sides.values().any(is_any));
        Ok(Self::in_world(cli, file, simulation, deployment)?)
    }

    fn in_world(
        cli: &Cli,
        file: Option<&File>,
        simulation: &Simulation,
        mut deployment: ServiceDeployment,
    ) -> Result<Self, Vec<Problem>> {
        let own = tempfile::tempdir().and_then(|folder| {
            for (name, text) in OWN {
                fs::write(folder.path().join(name), text)?;
            }
            Ok(folder)
        });
        let folder = own.map_err(|error| {
            let message = format!("the files of the simulated AWS cannot be written: {error}");
            vec![Problem::new(
                "--sim",
                message,
                "set TMPDIR to a folder that can be written",
            )]
        })?;
        let in_own = |name: &str| path_of("--sim", &folder.path().join(name));
        deployment.folder = Some(path_of("--sim", folder.path())?);
        if let Some((file, of_file)) =
            file.and_then(|file| Some((file, file.spec.native_deployment()?)))
        {
            no_side_of_service(cli)?;
            let repository = deployment.spec.repository.take();
            deployment.side = None;
            deployment.spec = of_file.spec;
            deployment.spec.repository = repository;
            deployment.folder = Some(path_of("--file", &file.folder())?);
        } else if let Some(file) = file {
            let side = match side_of(cli, &file.spec)? {
                Some(side) => side,
                None => deployment.side.clone().ok_or_else(Vec::new)?,
            };
            let of_file = file.spec.deployment(&side);
            let of_file = of_file.map_err(|error| placed(&file.path, &error))?;
            let repository = deployment.spec.repository.take();
            deployment.side = Some(side);
            deployment.spec = of_file.spec;
            deployment.spec.repository = repository;
            deployment.folder = Some(path_of("--file", &file.folder())?);
        } else {
            deployment.side = None;
        }
        let spec = &mut deployment.spec;
        if spec.context.is_none() && spec.image.is_none() && cli.service.image.is_none() {
            spec.context = Some(in_own("")?);
        }
        if !spec.has_checks() {
            spec.set_checks(in_own("checks.toml")?);
        }
        if simulation.runs().is_none() {
            let own = in_own("task-definition.json")?;
            spec.task_definition.get_or_insert(own);
            spec.service_definition
                .get_or_insert(in_own("service.json")?);
        }
        let setup = Self::over(cli, deployment)?;
        Ok(Self {
            judged_by: file.map(|file| file.spec.clone()),
            _folder: Some(folder),
            ..setup
        })
    }

    /// Returns the deployment, changed by the options.
    fn over(cli: &Cli, mut deployment: ServiceDeployment) -> Result<Self, Vec<Problem>> {
        let mut options = Options::default();
        options.of_image(cli, &mut deployment.spec);
        options.of_checks(cli, &mut deployment.spec);
        options.of_plan(cli, &mut deployment.spec);
        match options.problems.is_empty() {
            true => Ok(Self {
                deployment,
                given: options.given,
                judged_by: None,
                _folder: None,
            }),
            false => Err(options.problems),
        }
    }

    /// Returns the problems of a specification, each under the option that its value came from.
    pub(crate) fn told(&self, error: &SpecError) -> Vec<Problem> {
        let own = self.deployment.field("");
        let problems = error.problems().iter().map(|one| one.problem.clone());
        let named = problems.map(|mut problem| {
            let field = problem.field.strip_prefix(&own);
            let first = |field: &str| {
                let end = field.find(['.', '[']).unwrap_or(field.len());
                field[..end].to_owned()
            };
            if let Some(field) = field
                && (self.deployment.side.is_none() || self.given.contains(first(field).as_str()))
            {
                problem.field = option(&first(field));
            }
            problem
        });
        named.collect()
    }
}

/// Returns the name of a field's option.
fn option(field: &str) -> String {
    let name = match field {
        "headers" => "header",
        "build_args" => "build-arg",
        field => field,
    };
    format!("--{}", name.replace('_', "-"))
}

/// Reports a side that was named without a file.
pub(crate) fn no_side(cli: &Cli) -> Result<(), Vec<Problem>> {
    match &cli.side {
        None => Ok(()),
        Some(side) => {
            let hint = match moved(side) {
                Some(hint) => hint.to_owned(),
                None => format!("name the file with the side `{side}`: -f FILE"),
            };
            Err(vec![Problem::new(
                "SIDE",
                format!("there is no file with a side `{side}`"),
                hint,
            )])
        }
    }
}

/// Reports a side that was named although the file has none.
fn no_side_of_service(cli: &Cli) -> Result<(), Vec<Problem>> {
    match &cli.side {
        None => Ok(()),
        Some(side) => {
            let hint = moved(side).unwrap_or(
                "the file is about one service, whose traffic ECS moves: leave the side out",
            );
            let message = format!("there is no side `{side}`");
            Err(vec![Problem::new("SIDE", message, hint)])
        }
    }
}

/// Returns the present command for a word that was a verb of `deploy` in the previous version.
fn moved(word: &str) -> Option<&'static str> {
    Some(match word {
        "prepare" => "use `bluegreen prepare`",
        "validate" => "use `bluegreen lint`",
        "rollback" => "use `bluegreen deploy --undo`",
        "resume" => "use `bluegreen deploy --resume`",
        "health" => "use `bluegreen deploy --only health`",
        "smoke" => "use `bluegreen deploy --only smoke`",
        "deploy" => "leave it out",
        _ => return None,
    })
}

/// Returns the side that is named, or the side of the named service.
fn side_of(cli: &Cli, spec: &MigrationSpec) -> Result<Option<Name>, Vec<Problem>> {
    let names: Vec<&str> = spec.sides.keys().map(Name::as_str).collect();
    if let Some(side) = &cli.side {
        let found = spec.sides.keys().find(|name| name.as_str() == side);
        let found = found.ok_or_else(|| {
            let known = || format!("the sides are {}", names.join(" and "));
            let hint = moved(side).map_or_else(known, str::to_owned);
            vec![Problem::new(
                "SIDE",
                format!("there is no side `{side}`"),
                hint,
            )]
        })?;
        return Ok(Some(found.clone()));
    }
    let (cluster, service) = (&cli.service.cluster, &cli.service.service);
    if cluster.is_none() && service.is_none() {
        return Ok(None);
    }
    let name = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    let is_it = |of: &Service| {
        service.as_ref().is_none_or(|text| of.name == *text)
            && cluster.as_ref().is_none_or(|text| of.cluster == name(text))
    };
    let mut found = spec
        .sides
        .iter()
        .filter(|(_, side)| side.service.as_ref().is_some_and(is_it));
    match (found.next(), found.next()) {
        (Some((side, _)), None) => Ok(Some(side.clone())),
        (first, _) => {
            let message = match first {
                Some(_) => "matches both sides of the file",
                None => "matches no side of the file",
            };
            let field = if service.is_some() {
                "--service"
            } else {
                "--cluster"
            };
            let hint = format!("name the side instead: {}", names.join(" or "));
            Err(vec![Problem::new(field, message, hint)])
        }
    }
}

fn path_of(field: &str, path: &Path) -> Result<FilePath, Vec<Problem>> {
    let text = path.to_str().unwrap_or_default();
    text.parse().map_err(|_| {
        let message = format!("the path `{}` is not UTF-8", path.display());
        vec![Problem::new(field, message, "use a path in UTF-8")]
    })
}

#[derive(Default)]
struct Options {
    given: BTreeSet<&'static str>,
    problems: Vec<Problem>,
}

impl Options {
    /// Sets a field to the value of its option.
    fn set<T: FromStr<Err = ParseError>>(
        &mut self,
        field: &'static str,
        text: Option<&str>,
        into: &mut Option<T>,
    ) {
        let Some(text) = text else { return };
        self.given.insert(field);
        match text.parse() {
            Ok(value) => *into = Some(value),
            Err(error) => {
                let error: ParseError = error;
                let problem = Problem::new(option(field), error.to_string(), error.hint());
                self.problems.push(problem);
            }
        }
    }

    /// Sets a field to a path. A relative path starts at the folder of the process.
    fn path(&mut self, field: &'static str, text: Option<&str>, into: &mut Option<FilePath>) {
        let Some(text) = text else { return };
        self.given.insert(field);
        let path = match text.is_empty() {
            true => Err(vec![Problem::new(option(field), "is empty", "name a file")]),
            false => path_of(&option(field), &absolute(Path::new(text))),
        };
        match path {
            Ok(path) => *into = Some(path),
            Err(problems) => self.problems.extend(problems),
        }
    }

    fn list<T: FromStr<Err = ParseError>>(
        &mut self,
        field: &'static str,
        texts: &[String],
        into: &mut Vec<T>,
    ) {
        for text in texts {
            let mut value = None;
            self.set(field, Some(text), &mut value);
            into.extend(value);
        }
    }

    fn flag(&mut self, field: &'static str, is_given: bool, into: &mut bool) {
        if is_given {
            self.given.insert(field);
            *into = true;
        }
    }

    fn of_image(&mut self, cli: &Cli, spec: &mut DeploymentSpec) {
        let (given, rare) = (&cli.service, &cli.rare);
        if let Some(text) = &given.image {
            self.given.insert("image");
            match text.parse() {
                Ok(image) => {
                    spec.image = Some(image);
                    // The file's fields for a build have no meaning beside a given image.
                    (spec.context, spec.dockerfile, spec.tag) = (None, None, None);
                    (spec.build_args, spec.rebuild) = (Vec::new(), false);
                }
                Err(error) => {
                    let hint = "REPOSITORY@sha256:…, as a push prints it";
                    let problem = Problem::new("--image", format!("{error}"), hint);
                    self.problems.push(problem);
                }
            }
        }
        self.set(
            "repository",
            given.repository.as_deref(),
            &mut spec.repository,
        );
        self.flag(
            "create_repository",
            rare.create_repository,
            &mut spec.create_repository,
        );
        self.path("context", given.context.as_deref(), &mut spec.context);
        self.path(
            "dockerfile",
            rare.dockerfile.as_deref(),
            &mut spec.dockerfile,
        );
        self.set("platform", given.platform.as_deref(), &mut spec.platform);
        self.list("build_args", &rare.build_arg, &mut spec.build_args);
        if let Some(text) = &given.tag {
            self.given.insert("tag");
            match text.parse() {
                Ok(tag) => spec.tag = Some(tag),
                Err(error) => {
                    let problem = Problem::new(
                        "--tag",
                        format!("{error}"),
                        "use the commit's hash, for example",
                    );
                    self.problems.push(problem);
                }
            }
        }
        self.flag("rebuild", rare.rebuild, &mut spec.rebuild);
        self.set("also_tag", rare.also_tag.as_deref(), &mut spec.also_tag);
        self.set("container", rare.container.as_deref(), &mut spec.container);
        let definition = given.task_definition.as_deref();
        self.path("task_definition", definition, &mut spec.task_definition);
        let definition = given.service_definition.as_deref();
        self.path(
            "service_definition",
            definition,
            &mut spec.service_definition,
        );
        self.list(
            "accept_unknown",
            &rare.accept_unknown,
            &mut spec.accept_unknown,
        );
    }

    fn of_checks(&mut self, cli: &Cli, spec: &mut DeploymentSpec) {
        let mut file = None;
        self.path("checks", cli.checks.checks.as_deref(), &mut file);
        if let Some(file) = file {
            spec.set_checks(file);
        }
        self.set("url", cli.checks.url.as_deref(), &mut spec.url);
        self.set("host", cli.rare.host.as_deref(), &mut spec.host);
        if let Some(to) = &cli.checks.connect_to {
            self.given.insert("connect_to");
            spec.connect_to = Some(to.clone());
        }
        for header in &cli.rare.header {
            self.given.insert("headers");
            let named = header.split_once(':').and_then(|(name, value)| {
                let name = name.trim().parse::<Name>().ok()?;
                Some((name, value.trim().to_owned()))
            });
            match named {
                Some((name, value)) => spec.insert_header(name, value),
                None => {
                    let hint = "write it like `X-Bluegreen-Test: green`";
                    let problem = Problem::new("--header", "is not a header", hint);
                    self.problems.push(problem);
                }
            }
        }
    }

    fn of_plan(&mut self, cli: &Cli, spec: &mut DeploymentSpec) {
        let rare = &cli.rare;
        for (field, text, into) in [
            ("poll_every", &rare.poll_every, &mut spec.poll_every),
            (
                "rollout_deadline",
                &rare.rollout_deadline,
                &mut spec.rollout_deadline,
            ),
            (
                "rollback_deadline",
                &rare.rollback_deadline,
                &mut spec.rollback_deadline,
            ),
            ("grace", &rare.grace, &mut spec.grace),
        ] {
            self.set(field, text.as_deref(), into);
        }
        if let Some(policy) = rare.on_cancel {
            spec.on_cancel = match policy {
                Policy::RollBack => OnCancel::RollBack,
                Policy::Hold => OnCancel::Hold,
            };
        }
        let risks = accepted(&cli.checks.accept, &mut self.problems);
        spec.accept.extend(risks);
        let in_place = cli.checks.in_place.then_some(Acceptance::InPlace);
        spec.accept.extend(in_place);
        let no_route = rare.without_test_route.then_some(Acceptance::NoTestRoute);
        spec.accept.extend(no_route);
    }
}
