use std::sync::Mutex;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::*;
use crate::{
    error::Failure,
    image::{
        CommandRunner, Finished, ImageDigest, RegistryCredentials,
        testing::{Script, ended, missing},
    },
    preflight::Severity,
};

const PASSWORD: &str = "pass-word-1";
const VERSION: &str = "docker version --format {{.Server.Version}}";
const PROBE: &str = "docker buildx version";
const PUSH: &str = "docker push r:5000/app:c1";

#[derive(Debug)]
pub(super) struct FakeRegistry {
    pub(super) digest: Option<ImageDigest>,
    pub(super) credentials: Option<RegistryCredentials>,
}

#[async_trait]
impl ImageRegistry for FakeRegistry {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        Ok(vec![Finding::note("the registry was asked")])
    }

    async fn repository(&self) -> Result<String> {
        Ok("r:5000/app".to_owned())
    }

    async fn ensure_repository(&self) -> Result<String> {
        self.repository().await
    }

    async fn credentials(&self) -> Result<Option<RegistryCredentials>> {
        Ok(self.credentials.clone())
    }

    async fn digest(&self, _: &ImageTag) -> Result<Option<ImageDigest>> {
        Ok(self.digest.clone())
    }

    async fn tag(&self, _: &ImageDigest, _: &ImageTag) -> Result<Tagging> {
        Ok(Tagging::AlreadyThere)
    }
}

/// A builder over a script, with a source to build and all output that was shown.
struct Bench {
    script: Arc<Script>,
    builder: DockerImageBuilder,
    shown: Arc<Mutex<Vec<String>>>,
    source: tempfile::TempDir,
}

impl Bench {
    fn new(script: Vec<(String, Result<Finished>)>, source: tempfile::TempDir) -> Self {
        let script = Arc::new(Script::new(script));
        let shown = Arc::new(Mutex::new(Vec::new()));
        let sink = shown.clone();
        let registry = FakeRegistry {
            digest: Some(digest('a')),
            credentials: Some(RegistryCredentials::new("r:5000", "AWS", PASSWORD)),
        };
        let mut builder =
            DockerImageBuilder::new(registry, SystemCommands::of(Shared(script.clone())))
                .on_output(move |line| sink.lock().unwrap().push(line.to_owned()));
        builder.user_config = None;
        Self {
            script,
            builder,
            shown,
            source,
        }
    }

    fn with_registry(mut self, digest: Option<ImageDigest>, log_in: bool) -> Self {
        let credentials = log_in.then(|| RegistryCredentials::new("r:5000", "AWS", PASSWORD));
        self.builder.registry = Arc::new(FakeRegistry {
            digest,
            credentials,
        });
        self
    }

    async fn build(&self) -> Result<ImageRef> {
        let request = BuildRequest::new(self.source.path(), "c1".parse().unwrap());
        let built = self.builder.build(&request).await;
        self.script.assert_done();
        built
    }

    async fn fails(&self, kind: ErrorKind) -> String {
        let error = self.build().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        let all = format!(
            "{error:?} {} {:?} {:?} {:?} {:?}",
            Failure::from(&error),
            error.hint(),
            self.builder,
            self.script.seen(),
            self.shown.lock().unwrap()
        );
        assert!(!all.contains(PASSWORD), "{all}");
        Failure::from(&error).message
    }
}

#[derive(Debug)]
struct Shared(Arc<Script>);

#[async_trait]
impl CommandRunner for Shared {
    async fn run(&self, command: Command, lines: crate::image::LineSink) -> Result<Finished> {
        self.0.run(command, lines).await
    }
}

fn digest(c: char) -> ImageDigest {
    format!("sha256:{}", c.to_string().repeat(64))
        .parse()
        .unwrap()
}

fn source() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").unwrap();
    folder
}

fn build_line(start: &str, options: &str, source: &tempfile::TempDir) -> String {
    let path = source.path().display();
    format!(
        "docker {start} --file {path}/Dockerfile --tag r:5000/app:c1 \
         --label org.opencontainers.image.revision=c1{options} {path}"
    )
}

fn ok() -> Result<Finished> {
    ended(0, &[], &[])
}

fn pushed() -> Result<Finished> {
    ended(
        0,
        &[
            "layer: Pushed",
            &format!("c1: digest: {} size: 527", digest('a')),
        ],
        &[],
    )
}

/// Buildx is there and builds; `rest` is what follows.
fn built(rest: Vec<(&str, Result<Finished>)>) -> Bench {
    let source = source();
    let start = "buildx build --load --provenance=false --progress=plain";
    let mut script = vec![
        (PROBE.to_owned(), ok()),
        (build_line(start, "", &source), ended(0, &[], &["#1 done"])),
    ];
    script.extend(rest.into_iter().map(|(c, a)| (c.to_owned(), a)));
    Bench::new(script, source)
}

fn environment(command: &Command) -> Vec<String> {
    let names = command.environment.iter();
    names
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect()
}

#[tokio::test]
async fn p12_buildx_builds_and_the_push_has_the_password_on_its_standard_input_alone() {
    let bench = built(vec![(PUSH, pushed())]);
    let image = bench.build().await.unwrap();
    assert_eq!(image.to_string(), format!("r:5000/app@{}", digest('a')));
    let seen = bench.script.seen();
    assert!(environment(&seen[1]).is_empty());
    assert_eq!(environment(&seen[2]), ["DOCKER_CONFIG"]);
    let auth = BASE64_STANDARD.encode(format!("AWS:{PASSWORD}"));
    let config = serde_json::json!({"auths": {"r:5000": {"auth": auth}}}).to_string();
    let expected = cfg!(unix).then_some(config.as_bytes());
    assert_eq!(seen[2].input.as_deref(), expected);
    assert!(!Path::new(&seen[2].environment[0].1).exists());
    assert!(bench.shown.lock().unwrap().contains(&"#1 done".to_owned()));
    assert!(!format!("{seen:?} {:?}", bench.builder).contains(PASSWORD));
}

const INSPECT: &str = "docker image inspect --format {{.Os}}/{{.Architecture}} r:5000/app:c1";

/// The classic builder takes a cached image of another platform.
#[tokio::test]
async fn an_image_of_another_platform_is_not_pushed() {
    let of = |shown: Result<Finished>| built(vec![(INSPECT, shown)]);
    let requiring = |mut bench: Bench| {
        bench.builder = bench.builder.requiring_platform("linux/arm64/v8");
        bench
    };
    let other = requiring(of(ended(0, &["linux/amd64"], &[])));
    let error = other.build().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(
        error
            .message()
            .contains("built for linux/amd64, and not for linux/arm64/v8")
    );
    let unknown = requiring(of(ended(1, &[], &["No such image"])));
    assert_eq!(
        unknown.build().await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    let shown = (INSPECT, ended(0, &["linux/arm64"], &[]));
    let right = requiring(built(vec![shown, (PUSH, pushed())]));
    right.build().await.unwrap();
}

#[tokio::test]
async fn without_buildx_the_clients_buildkit_builds_with_every_option() {
    let source = source();
    let options = " --label team=web --platform linux/arm64 --target run --build-arg TOKEN \
                   --secret id=f,src=/s --secret id=e,env=E --cache-from a --cache-to b --network none";
    let script = vec![
        (PROBE.to_owned(), ended(1, &[], &["unknown"])),
        (build_line("build", options, &source), ok()),
        (INSPECT.to_owned(), ended(0, &["linux/arm64"], &[])),
        (PUSH.to_owned(), pushed()),
    ];
    let mut bench = Bench::new(script, source).with_registry(Some(digest('a')), false);
    bench.builder = bench
        .builder
        .with_label("team", "web")
        .with_platform("linux/arm64")
        .with_target("run")
        .with_build_arg("TOKEN", "value-1")
        .with_secret("f", BuildSecret::File("/s".into()))
        .with_secret("e", BuildSecret::Env("E".to_owned()))
        .with_cache_from("a")
        .with_cache_to("b")
        .with_network("none");
    bench.build().await.unwrap();
    let seen = bench.script.seen();
    assert_eq!(environment(&seen[1]), ["DOCKER_BUILDKIT", "TOKEN"]);
    assert!(environment(&seen[2]).is_empty());
    assert!(!format!("{seen:?} {:?}", bench.builder).contains("value-1"));
}

fn without_buildkit(classic: bool) -> Bench {
    let source = source();
    let lacks = "ERROR: BuildKit is enabled but the buildx component is missing or broken.";
    let options = if classic { "" } else { " --secret id=e,env=E" };
    let line = build_line("build", options, &source);
    let mut script = vec![
        (PROBE.to_owned(), ended(1, &[], &[])),
        (line.clone(), ended(1, &[], &[lacks])),
    ];
    if classic {
        script.extend([(line, ok()), (PUSH.to_owned(), pushed())]);
    }
    Bench::new(script, source)
}

#[tokio::test]
async fn without_any_buildkit_the_classic_builder_builds() {
    let bench = without_buildkit(true);
    bench.build().await.unwrap();
    assert_eq!(bench.script.seen()[2].environment[0].1, "0");
}

#[tokio::test]
async fn without_any_buildkit_secrets_are_refused() {
    let mut bench = without_buildkit(false);
    bench.builder = bench
        .builder
        .with_secret("e", BuildSecret::Env("E".to_owned()));
    bench.fails(ErrorKind::Refused).await;
}

#[tokio::test]
async fn preflight_refuses_a_missing_program_and_a_silent_engine() {
    let down = ended(1, &[], &["Cannot connect to the Docker daemon"]);
    for (answer, refused) in [(missing("docker"), 1), (down, 1), (ok(), 0)] {
        let bench = Bench::new(vec![(VERSION.to_owned(), answer)], source());
        let findings = bench.builder.preflight().await.unwrap();
        let refusals: Vec<_> = findings
            .iter()
            .filter(|f| f.severity == Severity::Refuse)
            .collect();
        assert_eq!(refusals.len(), refused);
        assert!(refusals.iter().all(|finding| finding.hint.is_some()));
        assert_eq!(findings.last().unwrap().message, "the registry was asked");
    }
}

#[tokio::test]
async fn a_missing_folder_or_dockerfile_is_invalid_before_anything_runs() {
    let bench = Bench::new(Vec::new(), tempfile::tempdir().unwrap());
    assert!(bench.fails(ErrorKind::Invalid).await.contains("Dockerfile"));
    let request = BuildRequest::new("/no/such/folder", "c1".parse().unwrap());
    let error = bench.builder.build(&request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_failed_build_tells_the_last_lines() {
    let source = source();
    let lines: Vec<_> = (0..20).map(|n| format!("line-{n}")).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let start = "buildx build --load --provenance=false --progress=plain";
    let script = vec![
        (PROBE.to_owned(), ok()),
        (build_line(start, "", &source), ended(1, &[], &lines)),
    ];
    let message = Bench::new(script, source).fails(ErrorKind::Invalid).await;
    assert!(message.contains("line-19") && message.contains("line-5\n"));
    assert!(!message.contains("line-4\n"));
}

#[tokio::test]
async fn p12_a_client_that_repeats_the_password_is_not_heard() {
    let auth = BASE64_STANDARD.encode(format!("AWS:{PASSWORD}"));
    let said = format!("unauthorized: {PASSWORD} or {auth} is wrong");
    let bench = built(vec![(PUSH, ended(1, &[], &[&said]))]);
    let message = bench.fails(ErrorKind::Denied).await;
    assert!(message.contains("[redacted] or [redacted]"), "{message}");
    assert!(!message.contains(&auth));
}

#[tokio::test]
async fn a_refused_push_is_told_by_its_words() {
    for (said, kind) in [
        (
            "denied: requested access to the resource is denied",
            ErrorKind::Denied,
        ),
        ("no basic auth credentials", ErrorKind::Denied),
        (
            "tag invalid: cannot be overwritten because the tag is immutable",
            ErrorKind::Conflict,
        ),
        ("connection reset by peer", ErrorKind::Unavailable),
    ] {
        let bench = built(vec![(PUSH, ended(1, &[], &[said]))]);
        assert!(bench.fails(kind).await.contains(said));
    }
}

#[tokio::test]
async fn another_digest_in_the_registry_is_a_conflict_and_none_is_unavailable() {
    let bench = built(vec![(PUSH, pushed())]).with_registry(Some(digest('b')), true);
    let message = bench.fails(ErrorKind::Conflict).await;
    assert!(message.contains(digest('a').as_str()) && message.contains(digest('b').as_str()));
    let bench = built(vec![(PUSH, pushed())]).with_registry(None, true);
    bench.fails(ErrorKind::Unavailable).await;
}

#[tokio::test]
async fn a_push_that_names_no_digest_is_unavailable() {
    let bench = built(vec![(PUSH, ended(0, &["layer: Pushed"], &[]))]);
    bench.fails(ErrorKind::Unavailable).await;
}

#[tokio::test]
async fn finding_and_tagging_ask_the_registry_alone() {
    let bench = Bench::new(Vec::new(), source());
    let tag = "c1".parse().unwrap();
    let image = bench.builder.find(&tag).await.unwrap().unwrap();
    assert_eq!(
        bench.builder.tag(&image, &tag).await.unwrap(),
        Tagging::AlreadyThere
    );
    let bench = bench.with_registry(None, false);
    assert_eq!(bench.builder.find(&tag).await.unwrap(), None);
}
