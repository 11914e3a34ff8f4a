//! How the world stands before a run.

use std::thread;

use aws_sdk_ecs::types::{ContainerDefinition, LoadBalancer};
use bluegreen::{
    Aws,
    aws::{alb::TargetGroupArn, sim::Scenario},
    clock::{Clock as _, SystemClock},
    engine::{Journal as _, Record},
    store::{Holder, JournalStore, Take},
};
use jiff::SignedDuration;

use super::guarded::{BUCKET, Guarded, TASKS};
use crate::{
    cleanup::requests_of_green,
    deploy::serve,
    harness::REGION,
    topology::{forward, group},
};

const CLUSTER: &str = "rights";

/// How the world stands before a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Before {
    /// The rule has both groups, with these weights.
    Weights(i32, i32),
    /// The rule has blue alone, and there is no place for green.
    Alone,
    /// The rule has blue alone, and green's place is beside it.
    Prepared,
    /// A test route leads to green, and a server answers its requests.
    Routed,
    /// Green has no service.
    Undeployed,
    /// Green's service runs an earlier revision.
    Deployed,
    /// A migration has moved everything to green long ago, and blue runs.
    Promoted,
    /// The same, and blue runs nothing. A test route leads to its group.
    Emptied,
}

impl Guarded {
    /// Makes what stays as it is from run to run.
    pub(super) async fn furnish(&self, before: Before) {
        let ecs = aws_sdk_ecs::Client::new(&self.topology.endpoint.config);
        let made = ecs.create_cluster().cluster_name(CLUSTER).send().await;
        made.unwrap();
        for name in ["blue", "green"] {
            let container = ContainerDefinition::builder().name("web").image("web:1");
            let definition = ecs.register_task_definition().family(name);
            let definition = definition.container_definitions(container.memory(128).build());
            definition.send().await.unwrap();
            self.serve_by(name).await;
        }
        match before {
            Before::Routed => {
                self.write("status", "200");
                let url = serve(&self.folder.path().join("status"));
                let requests = format!(
                    "base_url = \"{url}\"\n[test]\nrate = 20\nduration = \"3s\"\nmax_error_rate = \"20%\"\n\
                     max_latency = {{ p50 = \"30s\" }}\n[[request]]\nname = \"health\"\npath = \"/health\"\n"
                );
                self.write("requests.toml", &requests);
            }
            Before::Undeployed | Before::Deployed => {
                self.write("task.json", TASK);
                let group = self.topology.green.as_str();
                self.write("service.json", &SERVICE.replace("GROUP", group));
            }
            Before::Promoted | Before::Emptied => {
                // Minutes older than 20 minutes count after one look.
                let past = SystemClock.now() - SignedDuration::from_mins(30);
                requests_of_green(&self.topology, &self.metrics, past).await;
                self.remember(migrated()).await;
            }
            Before::Weights(..) | Before::Alone | Before::Prepared => {}
        }
    }

    /// Makes the world stand like this, with every call allowed.
    pub(super) async fn reset(&mut self, before: Before) {
        self.is_asked(false);
        self.resets += 1;
        let (blue, green) = match before {
            Before::Weights(blue, green) => (blue, green),
            Before::Promoted | Before::Emptied => (0, 100),
            _ => (100, 0),
        };
        if before == Before::Emptied {
            self.regroup().await;
        }
        match before {
            Before::Alone | Before::Prepared => {
                let new = format!("{}-new", self.topology.green.name());
                self.write_spec(&new, "");
                self.run(&["prepare", "--undo"]);
                let alone = vec![forward(&[(&self.topology.blue, 1)])];
                self.topology.write(&self.rule, alone).await;
            }
            _ => {
                let name = self.topology.green.name().to_owned();
                self.write_spec(&name, &self.deployment(before));
                let action = self.topology.forward(blue, green);
                self.topology.write(&self.rule, vec![action]).await;
            }
        }
        match before {
            Before::Weights(..) | Before::Alone => {}
            Before::Prepared | Before::Routed => self.runs(&["prepare"]),
            Before::Undeployed => self.delete_service("green").await,
            Before::Deployed => self.serve_by("green").await,
            Before::Promoted => self.serve_by("blue").await,
            Before::Emptied => {
                self.serve_by("blue").await;
                let ecs = aws_sdk_ecs::Client::new(&self.topology.endpoint.config);
                let scaled = ecs.update_service().cluster(CLUSTER).service("blue");
                scaled.desired_count(0).send().await.unwrap();
                self.runs(&["prepare"]);
            }
        }
    }

    /// Writes the file of the migration, whose green is this target group.
    fn write_spec(&self, green: &str, deployment: &str) {
        let blue = self.topology.blue.name();
        let rule = self.rule.as_str();
        let text = format!(
            "name = \"chatbot\"\nregion = \"{REGION}\"\njournal = \"s3://{BUCKET}/production\"\n\
             [traffic]\nrules = [\"{rule}\"]\n\
             [side.flask]\ntarget_group = \"{blue}\"\nservice = \"{CLUSTER}/blue\"\n\
             [side.fastapi]\ntarget_group = \"{green}\"\nservice = \"{CLUSTER}/green\"\n{deployment}\
             [judge]\nby = \"limits\"\n\
             [safety]\naccept = [\"no-dead-man\", \"shared-targets\"]\n"
        );
        self.write("bluegreen.toml", &text);
    }

    /// How green is deployed: an image that no earlier run has had.
    fn deployment(&self, before: Before) -> String {
        if !matches!(before, Before::Undeployed | Before::Deployed) {
            return String::new();
        }
        format!(
            "[side.fastapi.deployment]\nimage = \"r/web@sha256:{:064x}\"\n\
             task_definition = \"task.json\"\nservice_definition = \"service.json\"\n\
             poll_every = \"1s\"\nalso_tag = \"\"\n\
             accept = [\"in-place\", \"unseen-traffic\", \"no-test-route\"]\n",
            self.resets
        )
    }

    /// Makes the service of this side anew, behind its group and without tags.
    async fn serve_by(&self, name: &str) {
        let ecs = aws_sdk_ecs::Client::new(&self.topology.endpoint.config);
        let group = match name {
            "blue" => &self.topology.blue,
            _ => &self.topology.green,
        };
        let behind = LoadBalancer::builder().target_group_arn(group.as_str());
        let behind = behind.container_name("web").container_port(8080);
        let service = ecs.create_service().cluster(CLUSTER).service_name(name);
        let service = service.task_definition(name).desired_count(TASKS);
        service.load_balancers(behind.build()).send().await.unwrap();
    }

    async fn delete_service(&self, name: &str) {
        let ecs = aws_sdk_ecs::Client::new(&self.topology.endpoint.config);
        let deleted = ecs.delete_service().cluster(CLUSTER).service(name);
        // It may be gone already.
        let _ = deleted.force(true).send().await;
    }

    /// Makes blue's group anew if a run has deleted it, and at first: without targets, since moto takes none out
    /// when a service is scaled to zero.
    async fn regroup(&mut self) {
        let raw = &self.topology.raw;
        let of = |group: &TargetGroupArn| {
            let found = raw
                .describe_target_groups()
                .target_group_arns(group.as_str());
            found.send()
        };
        let green = of(&self.topology.green).await.unwrap();
        let vpc = green.target_groups()[0].vpc_id().unwrap().to_owned();
        if of(&self.topology.blue).await.is_ok() && self.resets > 1 {
            return;
        }
        let name = format!("emptied-{}", self.resets);
        self.topology.blue = group(raw, name, &vpc, 0).await;
    }

    /// Writes the journal of a run of this rule.
    async fn remember(&self, records: Vec<Record>) {
        let aws = Aws::from_config(&self.topology.endpoint.config);
        let log = aws.journals(BUCKET, "production").unwrap();
        let log = log.log(self.rule.as_str());
        let holder = Holder::this_process("ann");
        let lease = log.take(holder, SystemClock, Take::IfFree).await.unwrap();
        for record in records {
            lease.append(record).await.unwrap();
        }
        lease.release().await.unwrap();
    }
}

/// The journal of a simulated run that moved everything from `flask` to `fastapi`, in January 2026. A real run
/// would have to end half an hour before the test, since 15 minutes without a request on blue must be settled.
fn migrated() -> Vec<Record> {
    let run = async {
        let simulation = Scenario::Healthy.simulation(1);
        let (aws, store) = (simulation.aws(), JournalStore::memory());
        let run = simulation.spec().start(&aws, &store, "ann").await.unwrap();
        let ended = run.run().await.unwrap();
        assert_eq!(ended.exit_code(), 0, "{ended}");
        let log = store.log(simulation.rule_arn().as_str());
        log.newest_run().await.unwrap()
    };
    // Simulated time, beside the real time of the emulators.
    let simulated = thread::spawn(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(run)
    });
    simulated.join().unwrap()
}

const TASK: &str = r#"{
  "family": "green",
  "containerDefinitions": [{
    "name": "web",
    "image": "set by every deployment, by digest",
    "essential": true,
    "memory": 128,
    "portMappings": [{ "containerPort": 8080, "protocol": "tcp" }]
  }]
}"#;

const SERVICE: &str = r#"{
  "serviceName": "green",
  "cluster": "rights",
  "desiredCount": 2,
  "launchType": "EC2",
  "loadBalancers": [{ "targetGroupArn": "GROUP", "containerName": "web", "containerPort": 8080 }]
}"#;
