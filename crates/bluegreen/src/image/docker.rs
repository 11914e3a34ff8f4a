//! Images by the `docker` command.

mod config;
#[cfg(all(test, target_os = "linux"))]
mod killed;
mod steps;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;

use super::{
    BuildRequest, Command, ImageBuilder, ImageDigest, ImageRef, ImageRegistry, ImageTag,
    SystemCommands, Tagging,
};
use crate::{
    error::{Error, ErrorKind, Result},
    preflight::Finding,
};

/// Builds with a Dockerfile and the `docker` command of the machine, and pushes to a registry.
///
/// The user's contexts, builders and plug-ins are used as they are; with buildx if it is installed,
/// else with the client's own BuildKit, else with the classic builder.
///
/// A push gets the registry's credentials in a configuration of its own. On Unix the password is in
/// no file and in no list of processes: `config.json` of the configuration's folder is a link to
/// the client's standard input (`/dev/fd/0`). So the password ends with the processes that have it,
/// even if they are killed. [`SystemCommands`](super::SystemCommands) kills the push and removes
/// the folder if this process ends first. If everything is killed at once, a folder `bluegreen-…`
/// with links and without a password stays among the temporary files. On other systems
/// `config.json` is a file, which is removed after the push, but stays if this process is killed:
/// remove it then, since the password in it stays valid as long as the registry says (12 hours on
/// ECR).
///
/// Builds leave out attestations (`--provenance=false`): with attestations, each build of the same
/// source would have another digest.
///
/// # Examples
///
/// ```no_run
/// use bluegreen::image::{BuildSecret, DockerImageBuilder, ImageRegistry, SystemCommands};
///
/// # fn builder(registry: impl ImageRegistry + 'static) {
/// let builder = DockerImageBuilder::new(registry, SystemCommands::default())
///     .with_platform("linux/amd64")
///     .with_secret("npm", BuildSecret::Env("NPM_TOKEN".into()))
///     .on_output(|line| tracing::info!(line));
/// # }
/// ```
#[derive(Clone)]
pub struct DockerImageBuilder {
    registry: Arc<dyn ImageRegistry>,
    commands: SystemCommands,
    program: OsString,
    dockerfile: PathBuf,
    platform: Option<String>,
    required: Option<String>,
    target: Option<String>,
    build_args: Vec<(String, String)>,
    secrets: Vec<(String, BuildSecret)>,
    labels: Vec<(String, String)>,
    cache_from: Vec<String>,
    cache_to: Vec<String>,
    network: Option<String>,
    output: Arc<dyn Fn(&str) + Send + Sync>,
    user_config: Option<PathBuf>,
}

/// The source of a build's secret. The Dockerfile reads the secret by
/// [`RUN --mount=type=secret`](https://docs.docker.com/build/building/secrets/); it ends up in no
/// layer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildSecret {
    /// A file.
    File(PathBuf),
    /// The name of an environment variable of this process.
    Env(String),
}

impl DockerImageBuilder {
    /// Builds with `docker` from the `Dockerfile` in the context, for the engine's platform, and
    /// does not show output.
    pub fn new(registry: impl ImageRegistry + 'static, commands: SystemCommands) -> Self {
        Self {
            registry: Arc::new(registry),
            commands,
            program: "docker".into(),
            dockerfile: "Dockerfile".into(),
            platform: None,
            required: None,
            target: None,
            build_args: Vec::new(),
            secrets: Vec::new(),
            labels: Vec::new(),
            cache_from: Vec::new(),
            cache_to: Vec::new(),
            network: None,
            output: Arc::new(|_| {}),
            user_config: config::user_folder(),
        }
    }

    /// Sets another path or name of `docker`, or a program that takes docker's arguments and
    /// reports a push as docker does.
    #[must_use]
    pub fn with_program(mut self, program: impl Into<OsString>) -> Self {
        self.program = program.into();
        self
    }

    /// Sets another Dockerfile; a relative path is within the context.
    #[must_use]
    pub fn with_dockerfile(mut self, dockerfile: impl Into<PathBuf>) -> Self {
        self.dockerfile = dockerfile.into();
        self
    }

    /// Sets the platform that the image is for, such as `linux/arm64`.
    #[must_use]
    pub fn with_platform(mut self, platform: impl Into<String>) -> Self {
        self.platform = Some(platform.into());
        self
    }

    /// Sets the platform that a built image must have; no other image is pushed. Default: the
    /// platform of [`with_platform`](Self::with_platform), if there is one.
    #[must_use]
    pub(crate) fn requiring_platform(mut self, platform: impl Into<String>) -> Self {
        self.required = Some(platform.into());
        self
    }

    /// Sets the stage to build. Default: the last.
    #[must_use]
    pub fn with_target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Adds a build argument. Its value reaches docker as an environment variable of that name, so
    /// that a list of processes does not show it; the image's history does, so do not put a secret
    /// into it. The client sees it too: `HTTP_PROXY` or `DOCKER_HOST` would change how the client
    /// itself works.
    #[must_use]
    pub fn with_build_arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.build_args.push((name.into(), value.into()));
        self
    }

    /// Adds a secret. Needs BuildKit.
    #[must_use]
    pub fn with_secret(mut self, id: impl Into<String>, secret: BuildSecret) -> Self {
        self.secrets.push((id.into(), secret));
        self
    }

    /// Adds a label, beside `org.opencontainers.image.revision`, which holds the tag.
    #[must_use]
    pub fn with_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// Adds a [cache](https://docs.docker.com/build/cache/backends/) to read. Needs BuildKit.
    #[must_use]
    pub fn with_cache_from(mut self, cache: impl Into<String>) -> Self {
        self.cache_from.push(cache.into());
        self
    }

    /// Adds a [cache](https://docs.docker.com/build/cache/backends/) to write. Needs buildx.
    #[must_use]
    pub fn with_cache_to(mut self, cache: impl Into<String>) -> Self {
        self.cache_to.push(cache.into());
        self
    }

    /// Sets the network of the build's `RUN` steps, such as `host` or `none`.
    #[must_use]
    pub fn with_network(mut self, network: impl Into<String>) -> Self {
        self.network = Some(network.into());
        self
    }

    /// Passes each line that building and pushing write to `output`. The call is made from the task
    /// that builds, so it should return soon.
    #[must_use]
    pub fn on_output(mut self, output: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.output = Arc::new(output);
        self
    }

    fn docker(&self) -> Command {
        Command::new(&self.program)
    }

    fn dockerfile_in(&self, context: &Path) -> Result<PathBuf> {
        let attempt = |path: &Path| {
            Error::new(
                ErrorKind::Invalid,
                format!("build from `{}`", path.display()),
            )
        };
        if !context.is_dir() {
            return Err(attempt(context).with_hint("name the folder that holds the source"));
        }
        let dockerfile = context.join(&self.dockerfile);
        if !dockerfile.is_file() {
            return Err(attempt(&dockerfile).with_hint(
                "put a Dockerfile there, or name another one, relative to the source's folder",
            ));
        }
        Ok(dockerfile)
    }
}

#[async_trait]
impl ImageBuilder for DockerImageBuilder {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::from_iter(self.engine().await?);
        findings.extend(self.registry.preflight().await?);
        Ok(findings)
    }

    async fn find(&self, tag: &ImageTag) -> Result<Option<ImageRef>> {
        let Some(digest) = self.registry.digest(tag).await? else {
            return Ok(None);
        };
        let repository = self.registry.repository().await?;
        reference(&repository, digest).map(Some)
    }

    async fn build(&self, request: &BuildRequest) -> Result<ImageRef> {
        let dockerfile = self.dockerfile_in(&request.context)?;
        let repository = self.registry.ensure_repository().await?;
        let name = format!("{repository}:{}", request.tag);
        self.build_image(request, &dockerfile, &name).await?;
        self.confirm_platform(&name).await?;
        let pushed = self.push(&name).await?;
        let held = self.registry.digest(&request.tag).await?;
        let attempt = |kind| {
            let text = match &held {
                Some(held) => {
                    format!("confirm `{name}`: pushed {pushed}, the registry holds {held}")
                }
                None => format!("confirm `{name}`: pushed {pushed}, the registry holds nothing"),
            };
            Error::new(kind, text)
        };
        match &held {
            Some(held) if *held == pushed => reference(&repository, pushed),
            Some(_) => Err(attempt(ErrorKind::Conflict)
                .with_hint("another build has pushed this tag since; build under another tag")),
            None => Err(attempt(ErrorKind::Unavailable)
                .with_hint("check that docker pushes to the registry of this repository")),
        }
    }

    async fn tag(&self, image: &ImageRef, tag: &ImageTag) -> Result<Tagging> {
        self.registry.tag(image.digest(), tag).await
    }
}

impl fmt::Debug for DockerImageBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let build_args: Vec<_> = self.build_args.iter().map(|(name, _)| name).collect();
        f.debug_struct("DockerImageBuilder")
            .field("registry", &self.registry)
            .field("program", &self.program)
            .field("dockerfile", &self.dockerfile)
            .field("platform", &self.platform)
            .field("target", &self.target)
            .field("build_args", &build_args)
            .field("secrets", &self.secrets)
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

fn reference(repository: &str, digest: ImageDigest) -> Result<ImageRef> {
    ImageRef::new(repository, digest).map_err(|source| {
        Error::new(
            ErrorKind::Invalid,
            format!("name an image of `{repository}`"),
        )
        .with_source(source)
    })
}
