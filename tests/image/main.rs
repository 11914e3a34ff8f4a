//! Real images: a container engine builds and pushes, and a registry from another project confirms.
//!
//! `.ci/image-e2e.sh cargo test --test image -- --ignored` starts both in namespaces of their own.
//! Without them these tests are ignored, and fail if `--ignored` asks for them.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod registry;

use std::{
    env, fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use bluegreen::{
    ErrorKind, Failure, ImageBuilder as _,
    image::{BuildRequest, BuildSecret, DockerImageBuilder, ImageRef, ImageTag, SystemCommands},
};
use tempfile::TempDir;

use crate::registry::CncfRegistry;

const WHY: &str = "run it by .ci/image-e2e.sh";
const PROGRAM: &str = "/usr/bin/docker";

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: {WHY}"))
}

/// A static program that writes a file in a RUN step, and prints a greeting when it runs.
fn context() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "app.c",
        r#"#include <stdio.h>
int main(int count, char **words) {
    if (count > 1) { FILE *f = fopen(words[1], "w"); fputs("made by RUN\n", f); return fclose(f); }
    puts("hello from scratch");
    return 0;
}
"#,
    );
    let built = Command::new("cc")
        .args(["-static", "-Os", "-o", "app", "app.c"])
        .current_dir(folder.path())
        .status()
        .unwrap();
    assert!(built.success(), "cc -static");
    write(".dockerignore", "*\n!app\n");
    write("private.txt", "must not be in the context");
    write(
        "Dockerfile",
        r#"FROM scratch AS build
COPY . /
RUN ["/app", "/out.txt"]
FROM scratch
COPY --from=build /app /out.txt /
ENTRYPOINT ["/app"]
"#,
    );
    folder
}

struct World {
    context: TempDir,
    said: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new() -> Self {
        Self {
            context: context(),
            said: Arc::default(),
        }
    }

    fn builder(&self, repository: &str, password: &str) -> DockerImageBuilder {
        let said = Arc::clone(&self.said);
        let registry = CncfRegistry::new(
            &variable("BLUEGREEN_E2E_REGISTRY"),
            repository,
            &variable("BLUEGREEN_E2E_USER"),
            password,
        );
        DockerImageBuilder::new(registry, SystemCommands::default())
            .with_program(PROGRAM)
            .on_output(move |line| said.lock().unwrap().push(line.to_owned()))
    }

    fn request(&self, tag: &str) -> BuildRequest {
        BuildRequest::new(self.context.path(), tag.parse::<ImageTag>().unwrap())
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }
}

fn docker(words: &[&str]) -> String {
    let done = Command::new(PROGRAM).args(words).output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        done.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    text.trim().to_owned()
}

/// Pulls an image with a login of its own, and runs it.
fn run(image: &ImageRef) -> String {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().to_str().unwrap();
    let mut login = Command::new(PROGRAM)
        .args([
            "--config",
            config,
            "login",
            "--username",
            "AWS",
            "--password-stdin",
        ])
        .arg(variable("BLUEGREEN_E2E_REGISTRY"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let password = variable("BLUEGREEN_E2E_PASSWORD");
    let mut input = login.stdin.take().unwrap();
    input.write_all(password.as_bytes()).unwrap();
    drop(input);
    assert!(login.wait().unwrap().success());
    docker(&["--config", config, "run", "--rm", &image.to_string()])
}

#[tokio::test]
#[ignore = "needs a container engine and a registry: .ci/image-e2e.sh"]
async fn builds_pushes_and_runs_by_the_digest_that_push_and_registry_agree_on() {
    let world = World::new();
    let password = variable("BLUEGREEN_E2E_PASSWORD");
    let builder = world.builder("team/app", &password);
    assert_eq!(builder.preflight().await.unwrap(), []);
    let tag = "0123abcd".parse().unwrap();
    assert_eq!(builder.find(&tag).await.unwrap(), None);
    let image = builder.build(&world.request("0123abcd")).await.unwrap();

    let said = world.said();
    assert!(
        said.contains(image.digest().as_str()),
        "the push printed it: {said}"
    );
    let registry = CncfRegistry::new(
        &variable("BLUEGREEN_E2E_REGISTRY"),
        "team/app",
        "AWS",
        &password,
    );
    let (header, manifest) = registry.manifest("0123abcd").await.unwrap();
    assert_eq!(
        header.as_deref(),
        Some(image.digest().as_str()),
        "the registry's header"
    );
    assert_eq!(
        registry::sha256(&manifest),
        image.digest().as_str(),
        "the manifest's bytes"
    );
    assert_eq!(
        builder.find(&tag).await.unwrap().as_ref(),
        Some(&image),
        "it need not be built again"
    );

    docker(&[
        "image",
        "rm",
        "--force",
        &format!("{}:0123abcd", image.repository()),
    ]);
    assert_eq!(
        run(&image),
        "hello from scratch",
        "pulled and run by digest"
    );
    let label = "{{index .Config.Labels \"org.opencontainers.image.revision\"}}";
    assert_eq!(
        docker(&["inspect", "--format", label, &image.to_string()]),
        "0123abcd"
    );
    assert!(!said.contains(&password), "p12");
    let left = fs::read_to_string(Path::new(&variable("DOCKER_CONFIG")).join("config.json"));
    assert!(
        !left.unwrap_or_default().contains("auth"),
        "p12: the user's configuration is untouched"
    );
}

#[tokio::test]
#[ignore = "needs a container engine and a registry: .ci/image-e2e.sh"]
async fn wrong_credentials_are_refused_and_nothing_is_pushed() {
    let world = World::new();
    let error = world
        .builder("team/refused", "wrong-password")
        .build(&world.request("c1"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    let failure = Failure::from(&error);
    let said = failure.message.to_lowercase();
    assert!(
        said.contains("unauthorized") || said.contains("no basic auth"),
        "{failure}"
    );
    assert!(!failure.message.contains("wrong-password"), "p12");
    let password = variable("BLUEGREEN_E2E_PASSWORD");
    let found = world
        .builder("team/refused", &password)
        .find(&"c1".parse().unwrap())
        .await;
    assert_eq!(found.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs a container engine and a registry: .ci/image-e2e.sh"]
async fn a_build_that_fails_says_its_last_words_and_pushes_nothing() {
    let world = World::new();
    let dockerfile = world.context.path().join("Dockerfile");
    fs::write(
        &dockerfile,
        "FROM scratch\nCOPY app /app\nRUN [\"/no-such-program\"]\n",
    )
    .unwrap();
    let password = variable("BLUEGREEN_E2E_PASSWORD");
    let builder = world.builder("team/broken", &password);
    let error = builder.build(&world.request("c1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        Failure::from(&error).message.contains("no-such-program"),
        "{error:?}"
    );
    assert_eq!(builder.find(&"c1".parse().unwrap()).await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs a container engine and a registry: .ci/image-e2e.sh"]
async fn a_secret_reaches_the_build_and_no_layer() {
    let world = World::new();
    let secret = world.context.path().join("token");
    fs::write(&secret, "canary-token").unwrap();
    let dockerfile = world.context.path().join("Dockerfile");
    let text = "FROM scratch AS build\nCOPY app /app\n\
                RUN --mount=type=secret,id=token,required=true [\"/app\", \"/out.txt\"]\n\
                FROM scratch\nCOPY --from=build /app /out.txt /\nENTRYPOINT [\"/app\"]\n";
    fs::write(&dockerfile, text).unwrap();
    let password = variable("BLUEGREEN_E2E_PASSWORD");
    let without = world.builder("team/secret", &password);
    assert!(
        without.build(&world.request("c1")).await.is_err(),
        "it is required"
    );
    let builder = without.with_secret("token", BuildSecret::File(secret));
    let image = builder.build(&world.request("c1")).await.unwrap();
    assert_eq!(run(&image), "hello from scratch");
    let history = docker(&["history", "--no-trunc", &image.to_string()]);
    assert!(!history.contains("canary-token"), "p12");
}
