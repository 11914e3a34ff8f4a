//! What a process that is killed in the middle of a push leaves behind: a test with real processes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command as Process, Stdio},
    time::Duration,
};

use super::DockerImageBuilder;
use crate::image::{RegistryCredentials, SystemCommands, docker::tests::FakeRegistry};

/// Tells the test that it is the process that pushes, and which client it runs.
const HERE: &str = "BLUEGREEN_TEST_PUSH";
const NAME: &str = "image::docker::killed::p12_a_killed_process_leaves_neither_push_nor_password";

/// Reads its configuration as the real client does, twice, since a wrapper around the client may
/// have read it before. Then it pushes for ten minutes, in a process of its own.
const CLIENT: &str = r#"#!/bin/sh
cat "$DOCKER_CONFIG/config.json" "$DOCKER_CONFIG/config.json" >"$0.config"
sleep 600 &
echo "$$ $!" >"$0.new" && mv "$0.new" "$0.processes"
wait
"#;

#[test]
fn p12_a_killed_process_leaves_neither_push_nor_password() {
    if let Some(client) = std::env::var_os(HERE) {
        return pushes(PathBuf::from(client));
    }
    let folder = tempfile::tempdir().unwrap();
    let (client, temporary) = (folder.path().join("client"), folder.path().join("tmp"));
    fs::create_dir(&temporary).unwrap();
    fs::write(&client, CLIENT).unwrap();
    let runnable = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700);
    fs::set_permissions(&client, runnable).unwrap();

    let mut pushing = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(HERE, &client)
        .env("TMPDIR", &temporary)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let seen = folder.path().join("client.processes");
    until("the client pushes", || seen.exists());
    let password = "QVdTOnBhc3M=";
    let config = fs::read_to_string(folder.path().join("client.config")).unwrap();
    assert_eq!(config.matches(password).count(), 2, "{config}");
    for file in files_in(&temporary) {
        // A link leads to the standard input of its reader.
        let text = (!file.is_symlink())
            .then(|| fs::read_to_string(&file))
            .and_then(|text| text.ok())
            .unwrap_or_default();
        assert!(!text.contains(password), "{file:?}");
    }

    // SIGKILL: nothing in the process runs any more.
    pushing.kill().unwrap();
    pushing.wait().unwrap();
    let processes = fs::read_to_string(&seen).unwrap();
    for process in processes.split_whitespace() {
        until("the push has ended", || has_ended(process));
    }
    until("its folder is gone", || files_in(&temporary).is_empty());
}

/// The process that is killed.
fn pushes(client: PathBuf) {
    let registry = FakeRegistry {
        digest: None,
        credentials: Some(RegistryCredentials::new("r:5000", "AWS", "pass")),
    };
    let builder = DockerImageBuilder::new(registry, SystemCommands::default()).with_program(client);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let pushed = runtime.block_on(builder.push("r:5000/app:c1"));
    panic!("it is killed before: {pushed:?}");
}

/// A zombie has ended; another process has to reap it.
fn has_ended(process: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    stat.map_or(true, |stat| {
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('Z'))
    })
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
            files.push(entry.path());
        }
    }
    files
}

/// Waits for real processes, at most a minute.
#[expect(
    clippy::disallowed_methods,
    reason = "what is waited for are other processes"
)]
fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..1200 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not within a minute: {what}");
}
