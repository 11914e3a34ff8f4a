//! [`DockerImageBuilder`]: Dockerfile builds through the `docker` command line.

mod login;
#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf, sync::Arc};

use async_trait::async_trait;

use self::login::Login;
use super::{
    BuildRequest, Command, CommandRunner, Finished, ImageBuilder, ImageDigest, ImageRef,
    ImageRegistry, ImageTag, LineSink, Tagging,
};
use crate::{
    error::{Error, ErrorKind, Result},
    preflight::Finding,
};

/// Builds a Dockerfile and pushes it, with the `docker` command line: users get the engine,
/// contexts, plugins and caches that they have, and `.dockerignore` means what it means there.
///
/// BuildKit is used where it is there. The login goes through standard input into a
/// configuration of its own, which is removed afterwards: the password stands in no argument and
/// not in the user's files. The digest is the one that the push printed, and the registry must
/// confirm it; what an engine says about an image locally counts for nothing.
#[derive(Clone)]
pub struct DockerImageBuilder {
    registry: Arc<dyn ImageRegistry>,
    commands: Arc<dyn CommandRunner>,
    program: String,
    dockerfile: Option<PathBuf>,
    platform: Option<String>,
    target: Option<String>,
    build_args: Vec<(String, String)>,
    secrets: Vec<(String, BuildSecret)>,
    labels: Vec<(String, String)>,
    cache_from: Vec<String>,
    cache_to: Vec<String>,
    network: Option<String>,
    output: Option<Arc<dyn Fn(&str) + Send + Sync>>,
}

/// Where the value of a build secret comes from. It is in no layer of the image
/// ([BuildKit](https://docs.docker.com/build/building/secrets/)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildSecret {
    /// A file.
    File(PathBuf),
    /// A variable of this process's environment.
    Env(String),
}

/// How a build is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Buildx,
    BuildKit,
    Legacy,
}

impl DockerImageBuilder {
    /// A builder that pushes to `registry`, by programs that `commands` runs.
    pub fn new(
        registry: impl ImageRegistry + 'static,
        commands: impl CommandRunner + 'static,
    ) -> Self {
        Self {
            registry: Arc::new(registry),
            commands: Arc::new(commands),
            program: "docker".to_owned(),
            dockerfile: None,
            platform: None,
            target: None,
            build_args: Vec::new(),
            secrets: Vec::new(),
            labels: Vec::new(),
            cache_from: Vec::new(),
            cache_to: Vec::new(),
            network: None,
            output: None,
        }
    }

    /// Uses a program with the same command line, such as `podman`. Default: `docker`.
    #[must_use]
    pub fn with_program(mut self, program: impl Into<String>) -> Self {
        self.program = program.into();
        self
    }

    /// The Dockerfile. Default: the context's `Dockerfile`.
    #[must_use]
    pub fn with_dockerfile(mut self, path: impl Into<PathBuf>) -> Self {
        self.dockerfile = Some(path.into());
        self
    }

    /// The platform, such as `linux/arm64`. Default: the engine's own.
    #[must_use]
    pub fn with_platform(mut self, platform: impl Into<String>) -> Self {
        self.platform = Some(platform.into());
        self
    }

    /// The stage to build. Default: the last.
    #[must_use]
    pub fn with_target(mut self, stage: impl Into<String>) -> Self {
        self.target = Some(stage.into());
        self
    }

    /// Sets a build argument. It stands in the image's history: secrets go by
    /// [`with_secret`](Self::with_secret).
    #[must_use]
    pub fn with_build_arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.build_args.push((name.into(), value.into()));
        self
    }

    /// Gives the build a secret, by the id that its `RUN --mount=type=secret` names. Needs
    /// BuildKit.
    #[must_use]
    pub fn with_secret(mut self, id: impl Into<String>, secret: BuildSecret) -> Self {
        self.secrets.push((id.into(), secret));
        self
    }

    /// Adds a label beside `org.opencontainers.image.revision`, which is always the tag.
    #[must_use]
    pub fn with_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// Takes layers from a cache, in docker's own words. Needs BuildKit.
    #[must_use]
    pub fn with_cache_from(mut self, cache: impl Into<String>) -> Self {
        self.cache_from.push(cache.into());
        self
    }

    /// Writes layers to a cache, in docker's own words. Needs BuildKit.
    #[must_use]
    pub fn with_cache_to(mut self, cache: impl Into<String>) -> Self {
        self.cache_to.push(cache.into());
        self
    }

    /// The network of the build's commands. Default: the engine's.
    #[must_use]
    pub fn with_network(mut self, network: impl Into<String>) -> Self {
        self.network = Some(network.into());
        self
    }

    /// Hands each line of build and push to `output` as it comes.
    #[must_use]
    pub fn on_output(mut self, output: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.output = Some(Arc::new(output));
        self
    }

    fn command(&self) -> Command {
        Command::new(&self.program)
    }

    fn lines(&self) -> LineSink {
        match self.output.clone() {
            Some(output) => Arc::new(move |_, line| output(line)),
            None => silent(),
        }
    }

    fn needs_buildkit(&self) -> bool {
        !(self.secrets.is_empty() && self.cache_from.is_empty() && self.cache_to.is_empty())
    }

    fn build_command(&self, request: &BuildRequest, repository: &str, way: Way) -> Command {
        let mut command = match way {
            Way::Buildx => self.command().args([
                "buildx",
                "build",
                "--load",
                "--provenance=false",
                "--progress=plain",
            ]),
            Way::BuildKit => self.command().arg("build").env("DOCKER_BUILDKIT", "1"),
            Way::Legacy => self.command().arg("build").env("DOCKER_BUILDKIT", "0"),
        };
        if let Some(path) = &self.dockerfile {
            command = command.arg("--file").arg(path.as_os_str());
        }
        let options = [
            ("--platform", &self.platform),
            ("--target", &self.target),
            ("--network", &self.network),
        ];
        for (option, value) in options {
            if let Some(value) = value {
                command = command.args([option, value]);
            }
        }
        for (name, value) in &self.build_args {
            // The value goes by the environment: an argument shows in every list of processes.
            command = command.args(["--build-arg", name]).env(name, value);
        }
        for (id, secret) in &self.secrets {
            let source = match secret {
                BuildSecret::File(path) => format!("id={id},src={}", path.display()),
                BuildSecret::Env(name) => format!("id={id},env={name}"),
            };
            command = command.arg("--secret").arg(source);
        }
        for (option, caches) in [
            ("--cache-from", &self.cache_from),
            ("--cache-to", &self.cache_to),
        ] {
            for cache in caches {
                command = command.args([option, cache]);
            }
        }
        let revision = format!("org.opencontainers.image.revision={}", request.tag);
        command = command.arg("--label").arg(revision);
        for (name, value) in &self.labels {
            command = command.arg("--label").arg(format!("{name}={value}"));
        }
        let reference = format!("{repository}:{}", request.tag);
        command
            .args(["--tag".to_owned(), reference])
            .arg(request.context.as_os_str())
    }

    async fn build_image(&self, request: &BuildRequest, repository: &str) -> Result<()> {
        let attempted = format!("build {}", request.context.display());
        let probe = self.command().args(["buildx", "version"]);
        let has_buildx = self.commands.run(probe, silent()).await?.is_success();
        let first = if has_buildx {
            Way::Buildx
        } else {
            Way::BuildKit
        };
        let command = self.build_command(request, repository, first);
        let mut done = self.commands.run(command, self.lines()).await?;
        let no_buildkit = done
            .err
            .iter()
            .any(|line| line.contains("buildx component is missing"));
        if first == Way::BuildKit && !done.is_success() && no_buildkit {
            if self.needs_buildkit() {
                return Err(Error::new(ErrorKind::Invalid, attempted).with_hint(
                    "secrets and caches need BuildKit: install docker's buildx plugin",
                ));
            }
            let command = self.build_command(request, repository, Way::Legacy);
            done = self.commands.run(command, self.lines()).await?;
        }
        if done.is_success() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Invalid, attempted)
            .with_hint("the last lines of the build are above; nothing was pushed")
            .with_source(last_words(&done)))
    }

    async fn push(&self, repository: &str, tag: &ImageTag) -> Result<ImageDigest> {
        let reference = format!("{repository}:{tag}");
        let attempted = format!("push {reference}");
        let mut command = self.command().args(["push", &reference]);
        // Held until the push is over: dropping it removes the password from the disk.
        let login = match self.registry.credentials().await? {
            Some(credentials) => {
                let login = Login::new(&credentials)?;
                login
                    .log_in(self.command(), &*self.commands, &credentials)
                    .await?;
                Some(login)
            }
            None => None,
        };
        if let Some(login) = &login {
            command = login.in_use(command);
        }
        let done = self.commands.run(command, self.lines()).await?;
        drop(login);
        if !done.is_success() {
            let error = Error::new(kind_of_push(&done), attempted.clone());
            let error = match error.kind() {
                ErrorKind::Denied => error.with_hint(
                    "the credentials in use may not push there: see the policies of the repository",
                ),
                ErrorKind::Conflict => error.with_hint("the repository does not let this tag move"),
                _ => error,
            };
            return Err(error.with_source(last_words(&done)));
        }
        let lines = done.out.iter().chain(&done.err);
        lines.rev().find_map(|line| digest_in(line)).ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                format!("{attempted}: its output has no digest"),
            )
        })
    }
}

/// The digest in a line such as `a1b2c3: digest: sha256:… size: 1570`.
fn digest_in(line: &str) -> Option<ImageDigest> {
    let (_, rest) = line.split_once("digest: ")?;
    rest.split_whitespace().next()?.parse().ok()
}

fn kind_of_push(done: &Finished) -> ErrorKind {
    let words = done.err.join("\n").to_lowercase();
    let has = |signs: &[&str]| signs.iter().any(|sign| words.contains(sign));
    if has(&["immutable", "tag_invalid"]) {
        ErrorKind::Conflict
    } else if has(&["unauthorized", "denied", "no basic auth", "not authorized"]) {
        ErrorKind::Denied
    } else {
        ErrorKind::Unavailable
    }
}

/// What a program said last.
fn last_words(done: &Finished) -> std::io::Error {
    const LINES: usize = 15;
    let all: Vec<&str> = done
        .out
        .iter()
        .chain(&done.err)
        .map(String::as_str)
        .collect();
    let said = all[all.len().saturating_sub(LINES)..].join("\n    ");
    let ended = match done.code {
        Some(code) => format!("exit code {code}"),
        None => "ended by a signal".to_owned(),
    };
    std::io::Error::other(format!("{ended}\n    {said}"))
}

fn silent() -> LineSink {
    Arc::new(|_, _| {})
}

#[async_trait]
impl ImageBuilder for DockerImageBuilder {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let probe = self
            .command()
            .args(["version", "--format", "{{.Server.Version}}"]);
        match self.commands.run(probe, silent()).await {
            Ok(done) if done.is_success() => {}
            Ok(done) => {
                let said = done.err.last().cloned().unwrap_or_default();
                let message = format!(
                    "the container engine does not answer `{}`: {said}",
                    self.program
                );
                findings.push(Finding::refusal(message).with_hint(
                    "start it, point DOCKER_HOST at one, or give an image that exists by --image",
                ));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let message = format!("there is no program `{}`", self.program);
                let hint = error.hint().unwrap_or("install it").to_owned();
                findings.push(Finding::refusal(message).with_hint(hint));
            }
            Err(error) => return Err(error),
        }
        findings.extend(self.registry.preflight().await?);
        Ok(findings)
    }

    async fn find(&self, tag: &ImageTag) -> Result<Option<ImageRef>> {
        match self.registry.digest(tag).await? {
            Some(digest) => image(self.registry.repository().await?, digest).map(Some),
            None => Ok(None),
        }
    }

    async fn build(&self, request: &BuildRequest) -> Result<ImageRef> {
        let context = &request.context;
        let missing = |what: &str| {
            Error::new(
                ErrorKind::Invalid,
                format!("build {}: {what}", context.display()),
            )
            .with_hint("give the folder that holds the Dockerfile")
        };
        if !context.is_dir() {
            return Err(missing("it is no folder"));
        }
        let dockerfile = self.dockerfile.clone();
        if !dockerfile
            .unwrap_or_else(|| context.join("Dockerfile"))
            .is_file()
        {
            return Err(missing("there is no Dockerfile"));
        }
        let repository = self.registry.ensure_repository().await?;
        self.build_image(request, &repository).await?;
        let pushed = self.push(&repository, &request.tag).await?;
        match self.registry.digest(&request.tag).await? {
            Some(held) if held == pushed => image(repository, held),
            Some(held) => {
                let message = format!(
                    "push {repository}:{}: pushed {pushed}, the registry has {held}",
                    request.tag
                );
                Err(Error::new(ErrorKind::Conflict, message)
                    .with_hint("somebody else pushed the same tag meanwhile; try again"))
            }
            None => {
                let message = format!(
                    "push {repository}:{}: the registry does not show it",
                    request.tag
                );
                Err(Error::new(ErrorKind::Unavailable, message))
            }
        }
    }

    async fn tag(&self, image: &ImageRef, tag: &ImageTag) -> Result<Tagging> {
        self.registry.tag(image.digest(), tag).await
    }
}

fn image(repository: String, digest: ImageDigest) -> Result<ImageRef> {
    ImageRef::new(repository, digest)
        .map_err(|error| Error::new(ErrorKind::Invalid, "name the image").with_source(error))
}

impl fmt::Debug for DockerImageBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.build_args.iter().map(|(name, _)| name).collect();
        f.debug_struct("DockerImageBuilder")
            .field("registry", &self.registry)
            .field("program", &self.program)
            .field("platform", &self.platform)
            .field("build_args", &names)
            .finish_non_exhaustive()
    }
}
