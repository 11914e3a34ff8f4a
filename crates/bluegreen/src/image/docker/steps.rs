//! The commands of a build and a push, and what their failures mean.

use std::{
    collections::VecDeque,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use super::{BuildSecret, DockerImageBuilder, config};
use crate::{
    error::{Error, ErrorKind, Result},
    image::{BuildRequest, Command, Finished, ImageDigest, LineSink},
    preflight::Finding,
};

/// Lines of output that an error carries.
const TAIL: usize = 15;

/// The builder in use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frontend {
    Buildx,
    /// BuildKit as the client itself speaks it.
    BuildKit,
    /// The classic builder, without secrets and caches.
    Classic,
}

/// A command that ended, with the last lines of both streams in their order.
struct Ran {
    finished: Finished,
    tail: Vec<String>,
}

impl DockerImageBuilder {
    /// The finding about an engine that cannot build.
    pub(super) async fn engine(&self) -> Result<Option<Finding>> {
        let command = self
            .docker()
            .args(["version", "--format", "{{.Server.Version}}"]);
        let program = self.program.to_string_lossy();
        match self.run(command, quiet()).await {
            Ok(ran) if ran.finished.is_success() => Ok(None),
            Ok(ran) => {
                let said = ran.tail.last().map_or("no output", String::as_str);
                let message =
                    format!("the container engine behind `{program}` does not answer: {said}");
                Ok(Some(Finding::refusal(message).with_hint(
                    "start the engine, or check DOCKER_HOST and the Docker context in use",
                )))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let message = format!("there is no program `{program}`");
                Ok(Some(Finding::refusal(message).with_hint(format!(
                    "install `{program}`, or put its folder into PATH"
                ))))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn build_image(
        &self,
        request: &BuildRequest,
        dockerfile: &Path,
        name: &str,
    ) -> Result<()> {
        let probe = self
            .run(self.docker().args(["buildx", "version"]), quiet())
            .await?;
        let frontend = match probe.finished.is_success() {
            true => Frontend::Buildx,
            false => Frontend::BuildKit,
        };
        let build = |frontend| self.build_command(frontend, request, dockerfile, name);
        let mut ran = self.run(build(frontend), self.shown()).await?;
        let lacks_buildx = |line: &String| line.contains("buildx component is missing");
        if frontend == Frontend::BuildKit
            && !ran.finished.is_success()
            && ran.tail.iter().any(lacks_buildx)
        {
            self.refuse_without_buildkit(name)?;
            ran = self.run(build(Frontend::Classic), self.shown()).await?;
        }
        if ran.finished.is_success() {
            return Ok(());
        }
        Err(failure(
            ErrorKind::Invalid,
            format!("build `{name}`"),
            &ran.tail,
        ))
    }

    /// Checks that the built image is for the requested platform: the classic builder takes a
    /// cached image of another platform without saying so.
    pub(super) async fn confirm_platform(&self, name: &str) -> Result<()> {
        let asked = self.required.as_ref().or(self.platform.as_ref());
        // For an image of several platforms the engine shows only one.
        let Some(asked) = asked.filter(|asked| !asked.contains(',')) else {
            return Ok(());
        };
        let format = "{{.Os}}/{{.Architecture}}";
        let command = self
            .docker()
            .args(["image", "inspect", "--format", format, name]);
        let ran = self.run(command, quiet()).await?;
        let built = ran.finished.out.first().map(|line| line.trim());
        let Some(built) = built.filter(|_| ran.finished.is_success()) else {
            return Err(failure(
                ErrorKind::Unavailable,
                format!("read the platform of `{name}`"),
                &ran.tail,
            ));
        };
        let is_it = asked.strip_prefix(built);
        if is_it.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Ok(());
        }
        let message = format!("push `{name}`: it is built for {built}, and not for {asked}");
        Err(Error::new(ErrorKind::Refused, message).with_hint(
            "pull the base image for that platform (docker pull --platform), or build with buildx",
        ))
    }

    fn refuse_without_buildkit(&self, name: &str) -> Result<()> {
        if self.secrets.is_empty() && self.cache_from.is_empty() && self.cache_to.is_empty() {
            return Ok(());
        }
        let message = format!("build `{name}` with secrets or caches, without BuildKit");
        Err(Error::new(ErrorKind::Refused, message)
            .with_hint("install docker's buildx plug-in, or build without secrets and caches"))
    }

    fn build_command(
        &self,
        frontend: Frontend,
        request: &BuildRequest,
        dockerfile: &Path,
        name: &str,
    ) -> Command {
        let mut command = match frontend {
            // Without `--load`, a builder in a container keeps the image to itself.
            Frontend::Buildx => self.docker().args([
                "buildx",
                "build",
                "--load",
                "--provenance=false",
                "--progress=plain",
            ]),
            // A client without BuildKit does not know `--progress`.
            Frontend::BuildKit => self.docker().arg("build").env("DOCKER_BUILDKIT", "1"),
            Frontend::Classic => self.docker().arg("build").env("DOCKER_BUILDKIT", "0"),
        };
        command = command.arg("--file").arg(dockerfile).args(["--tag", name]);
        let revision = format!("org.opencontainers.image.revision={}", request.tag);
        command = command.args(["--label".to_owned(), revision]);
        let one = |flag: &str, value: &Option<String>| {
            value
                .iter()
                .map(|value| [flag.to_owned(), value.clone()])
                .collect()
        };
        let many = |flag: &str, values: &[String]| {
            values
                .iter()
                .map(|value| [flag.to_owned(), value.clone()])
                .collect()
        };
        let labels = self
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let arguments = self.build_args.iter().map(|(name, _)| name.clone());
        let secrets = self.secrets.iter().map(|(id, secret)| match secret {
            BuildSecret::File(path) => format!("id={id},src={}", path.display()),
            BuildSecret::Env(variable) => format!("id={id},env={variable}"),
        });
        let options: [Vec<[String; 2]>; 8] = [
            many("--label", &labels.collect::<Vec<_>>()),
            one("--platform", &self.platform),
            one("--target", &self.target),
            many("--build-arg", &arguments.collect::<Vec<_>>()),
            many("--secret", &secrets.collect::<Vec<_>>()),
            many("--cache-from", &self.cache_from),
            many("--cache-to", &self.cache_to),
            one("--network", &self.network),
        ];
        for option in options.into_iter().flatten() {
            command = command.args(option);
        }
        for (name, value) in &self.build_args {
            command = command.env(name, value);
        }
        command.arg(&request.context)
    }

    /// Pushes `name` and returns the digest that docker says it pushed.
    pub(super) async fn push(&self, name: &str) -> Result<ImageDigest> {
        let attempt = format!("push `{name}`");
        let mut command = self.docker().args(["push", name]);
        let mut hidden = Vec::new();
        // Kept until the push is over: dropping it removes the folder.
        let mut _folder = None;
        if let Some(credentials) = self.registry.credentials().await? {
            let user = self.user_config.as_deref();
            let made = config::configured(command, user, &credentials).map_err(|source| {
                let message = format!("{attempt}: make a folder for its configuration");
                Error::new(ErrorKind::Unavailable, message).with_source(source)
            })?;
            (_folder, command) = (Some(made.0), made.1);
            hidden.extend(config::secrets_of(&credentials));
        }
        let ran = self.run_hiding(command, self.shown(), hidden).await?;
        if !ran.finished.is_success() {
            return Err(registry_failure(attempt, &ran.tail));
        }
        let digest = ran
            .finished
            .out
            .iter()
            .rev()
            .find_map(|line| pushed_digest(line));
        digest.ok_or_else(|| {
            failure(
                ErrorKind::Unavailable,
                format!("{attempt}: read its digest"),
                &ran.tail,
            )
        })
    }

    async fn run(&self, command: Command, show: LineSink) -> Result<Ran> {
        self.run_hiding(command, show, Vec::new()).await
    }

    /// Runs a command and takes `hidden` out of its output. No client is known to repeat a secret,
    /// but none may.
    async fn run_hiding(
        &self,
        command: Command,
        show: LineSink,
        hidden: Vec<String>,
    ) -> Result<Ran> {
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let kept = tail.clone();
        let sink: LineSink = Arc::new(move |stream, line: &str| {
            let mut line = line.to_owned();
            for secret in hidden.iter().filter(|secret| !secret.is_empty()) {
                line = line.replace(secret, "[redacted]");
            }
            show(stream, &line);
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == TAIL {
                kept.pop_front();
            }
            kept.push_back(line);
        });
        let finished = self.commands.runner().run(command, sink).await?;
        let tail = std::mem::take(&mut *tail.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Ran {
            finished,
            tail: tail.into(),
        })
    }

    fn shown(&self) -> LineSink {
        let output = self.output.clone();
        Arc::new(move |_, line| output(line))
    }
}

fn quiet() -> LineSink {
    Arc::new(|_, _| {})
}

/// The digest in `TAG: digest: sha256:… size: N`.
fn pushed_digest(line: &str) -> Option<ImageDigest> {
    let (_, rest) = line.split_once("digest: ")?;
    let (digest, _) = rest.split_once(" size: ")?;
    digest.parse().ok()
}

/// A registry's refusal. Docker passes on the registry's words and has one exit code for all
/// refusals, so only the words tell them apart.
fn registry_failure(attempt: String, tail: &[String]) -> Error {
    let said = tail.join("\n").to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["immutable"]) {
        failure(ErrorKind::Conflict, attempt, tail)
            .with_hint("the registry holds another image under this tag; use another tag")
    } else if has(&["unauthorized", "denied", "no basic auth credentials"]) {
        failure(ErrorKind::Denied, attempt, tail)
            .with_hint("check that these credentials may push to this repository")
    } else {
        failure(ErrorKind::Unavailable, attempt, tail)
    }
}

fn failure(kind: ErrorKind, attempt: String, tail: &[String]) -> Error {
    Error::new(kind, attempt).with_source(io::Error::other(tail.join("\n")))
}
