//! The real program deploys by a specification file, undoes a deployment, and rolls back if a check fails.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    thread,
};

use bluegreen::{
    Aws, ServiceDeployer as _,
    aws::{alb::RuleArn, ecs::EcsServiceDeployer},
};
use serde_json::Value;

use crate::{
    harness::{self, Emulator},
    patience::wait_for,
    program::{World, events, world},
};

const DEFINITION: &str = include_str!("../../examples/deploy/task-definition.json");
const SERVICE: &str = include_str!("../../examples/deploy/service.json");
const CLUSTER: &str = "filed";

/// Writes the specification and the definitions that it names into the world's folder.
fn write(world: &World, rule: &RuleArn, checks: &str) {
    let folder = world.folder.path();
    let mut service: Value = serde_json::from_str(SERVICE).unwrap();
    // This emulator of ECS has no load balancers.
    service.as_object_mut().unwrap().remove("loadBalancers");
    service["serviceName"] = CLUSTER.into();
    service["cluster"] = CLUSTER.into();
    let task = DEFINITION.replace("\"chatbot-fastapi\"", "\"filed\"");
    let (blue, green) = (world.topology.blue.name(), world.topology.green.name());
    let journal = folder.join("journal");
    let file = format!(
        r#"name = "chatbot"
journal = "{}"
[traffic]
rules = ["{rule}"]
[side.flask]
target_group = "{blue}"
[side.fastapi]
target_group = "{green}"
service = "{CLUSTER}/{CLUSTER}"
[side.fastapi.deployment]
task_definition = "task.json"
service_definition = "service.json"
poll_every = "1s"
also_tag = ""
accept = ["in-place", "unseen-traffic", "no-test-route"]
{checks}"#,
        journal.display()
    );
    for (name, text) in [
        ("bluegreen.toml", file),
        ("task.json", task),
        ("service.json", service.to_string()),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// Runs `deploy` with these arguments to the exit code `code`, and returns the events.
#[track_caller]
fn deploys(world: &World, code: i32, words: &[&str]) -> Vec<Value> {
    let folder = world.folder.path();
    let out = folder.join("deploy.json");
    let file = folder.join("bluegreen.toml");
    let file = ["deploy", "--file", file.to_str().unwrap()];
    let words = [&file[..], &["--single-host", "--json"], words].concat();
    let mut child = world.alone(&words, &out);
    let ended = wait_for(|| format!("end of {words:?}"), || child.try_wait().unwrap());
    let said = fs::read_to_string(out.with_extension("err")).unwrap();
    let told = events(&out);
    assert_eq!(ended.code(), Some(code), "{words:?}: {said}\n{told:#?}");
    told
}

fn image(c: char) -> String {
    format!("r/chatbot@sha256:{}", c.to_string().repeat(64))
}

fn is_told(events: &[Value], event: &str) -> bool {
    events.iter().any(|one| one["event"] == event)
}

/// Answers each request with the status that is written in a file, on a thread that ends with the process.
/// Returns the URL.
pub(crate) fn serve(status: &Path) -> String {
    let status = status.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let lines = BufReader::new(&connection).lines().map_while(Result::ok);
            let _head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let status = fs::read_to_string(&status).unwrap();
            let rest = "Content-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = write!(connection, "HTTP/1.1 {status} said\r\n{rest}");
        }
    });
    url
}

#[tokio::test]
async fn a_file_is_deployed_undone_and_taken_back_if_a_check_fails() {
    let Some(world) = world().await else {
        return;
    };
    let endpoint = harness::start(Emulator::Ministack).unwrap();
    let ecs = aws_sdk_ecs::Client::new(&endpoint.config);
    let made = ecs.create_cluster().cluster_name(CLUSTER).send().await;
    made.unwrap();
    let deployer = EcsServiceDeployer::new(&Aws::from_config(&endpoint.config), CLUSTER, CLUSTER);
    let runs = async || deployer.observe().await.unwrap().unwrap().revision;
    let rule = world.topology.split_rule(970, 100, 0).await;

    // Without a side's name `deploy` takes the side without traffic, and creates its service.
    write(&world, &rule, "");
    let told = deploys(&world, 0, &["--image", &image('a')]);
    assert!(is_told(&told, "registered"), "{told:#?}");
    let first = runs().await;
    deploys(&world, 0, &["--image", &image('b')]);
    let second = runs().await;
    assert_ne!(first, second);
    // The same image again keeps the revision.
    deploys(&world, 0, &["--image", &image('b')]);
    assert_eq!(runs().await, second);
    let told = deploys(&world, 0, &["--undo"]);
    assert_eq!(runs().await, first, "{told:#?}");

    // A check that fails rolls the deployment back.
    let status = world.folder.path().join("status");
    fs::write(&status, "500").unwrap();
    let url = serve(&status);
    let checks = format!(
        "[side.fastapi.deployment.checks]\nbase_url = \"{url}\"\n\
         smoke = [{{ name = \"chat\", path = \"/chat\" }}]\n"
    );
    write(&world, &rule, &checks);
    let told = deploys(&world, 10, &["--image", &image('b')]);
    assert!(is_told(&told, "checked"), "{told:#?}");
    assert_eq!(runs().await, first);
    fs::write(&status, "200").unwrap();
    deploys(&world, 0, &["--image", &image('b')]);
    assert_eq!(runs().await, second);
    assert_eq!(
        world.topology.weights(&rule).await,
        (100, 0),
        "no traffic was moved"
    );
}
