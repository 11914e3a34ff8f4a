use std::sync::Mutex;

use super::*;
use crate::image::{RegistryCredentials, Stream};

const REPOSITORY: &str = "127.0.0.1:5000/chatbot";

fn digest(c: char) -> ImageDigest {
    let text = format!("sha256:{}", c.to_string().repeat(64));
    text.parse().expect("a digest")
}

#[derive(Debug, Default)]
struct Registry {
    digest: Option<ImageDigest>,
}

#[async_trait]
impl ImageRegistry for Registry {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
    async fn repository(&self) -> Result<String> {
        Ok(REPOSITORY.to_owned())
    }
    async fn ensure_repository(&self) -> Result<String> {
        Ok(REPOSITORY.to_owned())
    }
    async fn credentials(&self) -> Result<Option<RegistryCredentials>> {
        Ok(Some(RegistryCredentials::new(
            "127.0.0.1:5000",
            "AWS",
            "canary-password",
        )))
    }
    async fn digest(&self, _tag: &ImageTag) -> Result<Option<ImageDigest>> {
        Ok(self.digest.clone())
    }
    async fn tag(&self, _digest: &ImageDigest, _tag: &ImageTag) -> Result<Tagging> {
        Ok(Tagging::Moved)
    }
}

/// Answers by the command, and remembers what was run.
#[derive(Debug, Default, Clone)]
struct Script {
    answers: Vec<(&'static str, i32, &'static str)>,
    ran: Arc<Mutex<Vec<Command>>>,
}

#[async_trait]
impl CommandRunner for Script {
    async fn run(&self, command: Command, lines: LineSink) -> Result<Finished> {
        let shown = command.to_string();
        self.ran.lock().expect("no panic").push(command);
        let found = self.answers.iter().find(|(sign, ..)| shown.contains(sign));
        let Some((_, code, said)) = found else {
            return Ok(Finished {
                code: Some(0),
                out: Vec::new(),
                err: Vec::new(),
            });
        };
        if *code == 127 {
            return Err(
                Error::new(ErrorKind::NotFound, "run `docker`").with_hint("install `docker`")
            );
        }
        lines(Stream::Err, said);
        let said: Vec<String> = said.lines().map(str::to_owned).collect();
        let (out, err) = if *code == 0 {
            (said, Vec::new())
        } else {
            (Vec::new(), said)
        };
        Ok(Finished {
            code: Some(*code),
            out,
            err,
        })
    }
}

const PUSHED: &str = "c1: digest: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa size: 1570";

struct Run {
    result: Result<ImageRef>,
    commands: Vec<Command>,
}

impl Run {
    fn shown(&self) -> Vec<String> {
        self.commands.iter().map(ToString::to_string).collect()
    }

    fn error(&self) -> &Error {
        self.result.as_ref().expect_err("it fails")
    }
}

async fn build(answers: &[(&'static str, i32, &'static str)], held: Option<ImageDigest>) -> Run {
    build_with(answers, held, |builder| builder).await
}

async fn build_with(
    answers: &[(&'static str, i32, &'static str)],
    held: Option<ImageDigest>,
    with: impl FnOnce(DockerImageBuilder) -> DockerImageBuilder,
) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("Dockerfile"), "FROM scratch").expect("a file");
    let script = Script {
        answers: answers.to_vec(),
        ..Script::default()
    };
    let builder = with(DockerImageBuilder::new(
        Registry { digest: held },
        script.clone(),
    ));
    let request = BuildRequest::new(folder.path(), "c1".parse().expect("a tag"));
    let result = builder.build(&request).await;
    let place = folder.path().display().to_string();
    let commands = script.ran.lock().expect("no panic").clone();
    let commands = commands
        .into_iter()
        .map(|mut command| {
            for argument in &mut command.arguments {
                *argument = argument.to_string_lossy().replace(&place, "CONTEXT").into();
            }
            command
        })
        .collect();
    Run { result, commands }
}

#[tokio::test]
async fn builds_logs_in_pushes_and_lets_the_registry_confirm_the_digest() {
    let run = build(&[("push", 0, PUSHED)], Some(digest('a'))).await;
    let image = run.result.as_ref().expect("built");
    assert_eq!(image.to_string(), format!("{REPOSITORY}@{}", digest('a')));
    assert_eq!(
        run.shown(),
        [
            "docker buildx version",
            "docker buildx build --load --provenance=false --progress=plain \
             --label org.opencontainers.image.revision=c1 --tag 127.0.0.1:5000/chatbot:c1 CONTEXT",
            "docker login --username AWS --password-stdin 127.0.0.1:5000",
            "docker push 127.0.0.1:5000/chatbot:c1",
        ]
    );
    let login = &run.commands[2];
    assert_eq!(login.input.as_deref(), Some(&b"canary-password"[..]));
    assert_eq!(login.environment[0].0, "DOCKER_CONFIG");
    assert_eq!(run.commands[3].environment, login.environment);
}

#[tokio::test]
async fn an_old_command_line_gets_no_option_that_it_does_not_know() {
    let run = build(
        &[
            ("buildx version", 1, "unknown command"),
            ("push", 0, PUSHED),
        ],
        Some(digest('a')),
    )
    .await;
    assert!(run.result.is_ok());
    let build = &run.commands[1];
    assert!(
        build.to_string().starts_with("docker build --label"),
        "{build}"
    );
    assert_eq!(build.environment, [("DOCKER_BUILDKIT".into(), "1".into())]);
}

#[tokio::test]
async fn without_buildkit_the_legacy_builder_is_used_unless_secrets_need_more() {
    let missing = "ERROR: BuildKit is enabled but the buildx component is missing or broken.";
    let answers = [("buildx version", 1, ""), ("docker build", 1, missing)];
    let run = build(&answers, None).await;
    let last = run.commands.last().expect("some");
    assert_eq!(last.environment, [("DOCKER_BUILDKIT".into(), "0".into())]);
    let secret = BuildSecret::Env("TOKEN".to_owned());
    let run = build_with(&answers, None, |builder| {
        builder.with_secret("token", secret)
    })
    .await;
    assert!(
        run.error()
            .hint()
            .is_some_and(|hint| hint.contains("buildx"))
    );
    assert_eq!(run.commands.len(), 2, "not tried without the secret");
}

#[tokio::test]
async fn every_option_reaches_the_command_line_and_no_value_of_an_argument() {
    let run = build_with(&[("push", 0, PUSHED)], Some(digest('a')), |builder| {
        builder
            .with_program("podman")
            .with_platform("linux/arm64")
            .with_target("run")
            .with_network("none")
            .with_build_arg("TOKEN", "canary-argument")
            .with_secret("pip", BuildSecret::File("/run/pip".into()))
            .with_cache_from("type=gha")
            .with_cache_to("type=gha,mode=max")
            .with_label("team", "chat")
    })
    .await;
    let build = &run.commands[1];
    assert_eq!(
        build.to_string(),
        "podman buildx build --load --provenance=false --progress=plain --platform linux/arm64 \
         --target run --network none --build-arg TOKEN --secret id=pip,src=/run/pip \
         --cache-from type=gha --cache-to type=gha,mode=max \
         --label org.opencontainers.image.revision=c1 --label team=chat \
         --tag 127.0.0.1:5000/chatbot:c1 CONTEXT"
    );
    assert_eq!(
        build.environment,
        [("TOKEN".into(), "canary-argument".into())]
    );
    assert!(!format!("{build:?}").contains("canary"));
}

#[tokio::test]
async fn failures_carry_the_last_words_and_say_what_can_be_done() {
    let cases = [
        (
            "buildx build",
            "ERROR: No matching distribution",
            ErrorKind::Invalid,
        ),
        (
            "login",
            "unauthorized: authentication required",
            ErrorKind::Denied,
        ),
        (
            "push",
            "denied: not authorized to perform ecr:PutImage",
            ErrorKind::Denied,
        ),
        (
            "push",
            "tag invalid: cannot be overwritten because the tag is immutable",
            ErrorKind::Conflict,
        ),
        (
            "push",
            "net/http: TLS handshake timeout",
            ErrorKind::Unavailable,
        ),
    ];
    for (step, said, kind) in cases {
        let run = build(&[(step, 1, said)], None).await;
        let failure = crate::Failure::from(run.error());
        assert_eq!(failure.kind, kind, "{said}");
        assert!(failure.message.contains(said), "{failure}");
        assert!(!failure.to_string().contains("canary-password"));
    }
}

#[tokio::test]
async fn p04_a_digest_that_the_registry_does_not_confirm_is_an_error() {
    let run = build(&[("push", 0, PUSHED)], Some(digest('b'))).await;
    assert_eq!(run.error().kind(), ErrorKind::Conflict);
    let run = build(&[("push", 0, PUSHED)], None).await;
    assert_eq!(run.error().kind(), ErrorKind::Unavailable);
    let run = build(&[("push", 0, "done")], Some(digest('a'))).await;
    assert!(run.error().message().contains("no digest"));
}

#[tokio::test]
async fn a_missing_program_and_an_engine_that_is_down_are_refused_before_anything() {
    for (code, said) in [(127, ""), (1, "Cannot connect to the Docker daemon")] {
        let script = Script {
            answers: vec![("version", code, said)],
            ..Script::default()
        };
        let builder = DockerImageBuilder::new(Registry::default(), script);
        let findings = builder.preflight().await.expect("it looked");
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, crate::preflight::Severity::Refuse);
        assert!(findings[0].hint.is_some());
    }
}

#[tokio::test]
async fn a_context_without_a_dockerfile_is_refused_before_any_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = Script::default();
    let builder = DockerImageBuilder::new(Registry::default(), script.clone());
    for path in [folder.path().to_owned(), folder.path().join("absent")] {
        let request = BuildRequest::new(path, "c1".parse().expect("a tag"));
        let error = builder.build(&request).await.expect_err("nothing to build");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert!(script.ran.lock().expect("no panic").is_empty());
}

#[test]
fn finds_a_digest_in_a_line_of_push_output() {
    assert_eq!(digest_in(PUSHED), Some(digest('a')));
    for line in [
        "",
        "digest: ",
        "digest: sha256:short",
        "sha256:aaaa",
        "The push refers to x",
    ] {
        assert_eq!(digest_in(line), None);
    }
}
