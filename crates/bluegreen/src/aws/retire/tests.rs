use std::{collections::BTreeSet, time::Duration};

use aws_sdk_elasticloadbalancingv2::{
    operation::{add_tags::AddTagsInput, create_rule::CreateRuleInput},
    types::{Action, ActionTypeEnum, HostHeaderConditionConfig, RuleCondition, Tag},
};
use futures_util::{
    FutureExt as _,
    future::{Either, select},
};
use proptest::prelude::*;
use serde_json::json;

use super::{
    RetireReport, RetireStep, Retired, Retirement,
    standing::Standing,
    step::{steps, waits_for},
};
use crate::{
    ErrorKind,
    aws::{
        Aws,
        alb::{AlbDeadManSwitch, AlbTrafficSplitter, retire::Group},
        api::EcsCall,
        ecs::retire::ServiceStanding,
        sim::{Call, Fault, Moment, Scaling, Simulation, SimulationBuilder},
    },
    clock::{Clock as _, later},
    preflight::{Acceptance, Finding, Severity},
    traffic::{DeadManSwitch as _, Kept, Sides, TrafficSplitter as _},
};

const PROMOTED: Sides<u32> = Sides {
    blue: 0,
    green: 100,
};

/// A world after a migration, with a test route that was made for the rule.
fn promoted() -> SimulationBuilder {
    Simulation::builder()
        .traffic(2.0)
        .weights(PROMOTED)
        .test_route()
}

/// The same world after enough time that one read shows all the minutes that are needed.
async fn aged() -> Simulation {
    let simulation = promoted().build();
    assert_eq!(simulation.elapsed(), Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(40 * 60)).await;
    simulation
}

/// The retirement of blue in a world whose migration ended at its start.
fn of(simulation: &Simulation) -> Retirement {
    let aws = simulation.aws();
    let sides = Sides::new(simulation.blue(), simulation.green());
    let (cluster, service) = simulation.blue_service();
    let ended = simulation.changes()[0].at;
    Retirement::new(&aws, simulation.rule_arn(), sides, cluster, service, ended)
}

/// How many changes callers have made.
fn changes(simulation: &Simulation) -> u64 {
    let all = [
        Call::TagResource,
        Call::UpdateService,
        Call::RegisterScalableTarget,
        Call::DeleteRule,
        Call::ModifyRule,
        Call::DeleteService,
        Call::DeleteTargetGroup,
    ];
    all.into_iter().map(|call| simulation.calls(call)).sum()
}

/// What is left of blue: tasks, the groups, how many rules, whether the service is listed.
fn left(simulation: &Simulation) -> (u32, Vec<String>, usize, bool) {
    let listing = json!({"cluster": simulation.cluster()});
    let aws = simulation.aws();
    let listed = aws.ecs.call(EcsCall::ListServices, listing);
    let listed = listed
        .now_or_never()
        .expect("ready")
        .expect("listed")
        .to_string();
    let (_, service) = simulation.blue_service();
    (
        simulation.targets().blue.registered(),
        simulation.target_groups(),
        simulation.rules().len(),
        listed.contains(service),
    )
}

fn names(report: &RetireReport) -> Vec<String> {
    report.done.iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn blue_is_scaled_to_zero_and_its_raised_minimum_is_put_back() {
    let simulation = promoted().blue_scales(Scaling::between(1, 8)).build();
    let kept = Kept::new("service/chatbot-cluster/chatbot-flask", 1, 4);
    simulation.third_party_minimum(4);
    let report = of(&simulation)
        .with_kept(Some(kept.clone()))
        .run()
        .await
        .unwrap();
    assert_eq!(
        names(&report),
        [
            "record in a tag that service chatbot-flask ran 4 tasks",
            "put the minimum of service/chatbot-cluster/chatbot-flask back to 1",
            "scale service chatbot-flask to zero",
        ]
    );
    assert_eq!(simulation.blue_minimum(), Some(1));
    let notes = format!("{:?}", report.notes);
    assert!(notes.contains("web sockets"), "{notes}");
    assert!(notes.contains("may start tasks again"), "{notes}");
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(simulation.targets().blue.registered(), 0);
    assert_eq!(simulation.target_groups().len(), 2, "nothing is deleted");

    let before = changes(&simulation);
    let again = of(&simulation).with_kept(Some(kept)).run().await.unwrap();
    assert_eq!((again.done, changes(&simulation)), (Vec::new(), before));
}

#[tokio::test(start_paused = true)]
async fn p03_a_deletion_removes_what_is_blues_and_nothing_else() {
    let simulation = promoted().rules_before(3).build();
    let rules = simulation.rules().len();
    let preview = of(&simulation).deleting().preview().await.unwrap();
    assert_eq!(changes(&simulation), 0);
    let report = of(&simulation).deleting().run().await.unwrap();
    assert_eq!(
        report.done, preview.done,
        "never what its plan did not list"
    );
    let kinds: Vec<bool> = report.done.iter().map(RetireStep::is_final).collect();
    assert_eq!(kinds, [false, false, true, true, true, true]);
    let green = vec!["chatbot-fastapi-tg".to_owned()];
    assert_eq!(left(&simulation), (0, green, rules - 1, false));
    assert_eq!(simulation.weights(), PROMOTED, "no traffic moved");
    assert_eq!(simulation.revisions(), 1, "no task definition is touched");
    let again = of(&simulation).deleting().run().await.unwrap();
    assert!(again.done.is_empty(), "{again:?}");
}

/// A fact that forbids the next step, in the words of the refusal.
#[derive(Debug, Clone, Copy)]
enum Fact {
    BlueServes,
    GreenHasNoWeight,
    SwitchIsArmed,
    AnotherRule,
    GroupIsOwned,
    ServiceIsOwned,
}

const FACTS: [Fact; 6] = [
    Fact::BlueServes,
    Fact::GreenHasNoWeight,
    Fact::SwitchIsArmed,
    Fact::AnotherRule,
    Fact::GroupIsOwned,
    Fact::ServiceIsOwned,
];

impl Fact {
    fn words(self) -> &'static str {
        match self {
            Self::BlueServes => "has weight 1 in rule",
            Self::GreenHasNoWeight => "green has no weight",
            Self::SwitchIsArmed => "the dead-man switch of rule",
            Self::AnotherRule => "is named by rule",
            Self::GroupIsOwned => "target group chatbot-flask-tg belongs to CloudFormation",
            Self::ServiceIsOwned => "service chatbot-flask belongs to terraform",
        }
    }

    /// Lets a third party make the fact true. Returns whether that was still possible.
    async fn happen(self, simulation: &Simulation) -> bool {
        let aws = simulation.aws();
        match self {
            Self::BlueServes => {
                simulation.third_party_write(Sides::new(1, 99));
                simulation.weights().blue == 1
            }
            Self::GreenHasNoWeight => {
                simulation.third_party_write(Sides::new(0, 0));
                true
            }
            Self::SwitchIsArmed => arm(simulation, &aws).await.is_ok(),
            Self::AnotherRule => another_rule(simulation, &aws).await,
            Self::GroupIsOwned => {
                let tag = Tag::builder()
                    .key("aws:cloudformation:stack-name")
                    .value("shop");
                let input = AddTagsInput::builder()
                    .resource_arns(simulation.blue().as_str())
                    .tags(tag.build());
                aws.elb.add_tags(input).await.is_ok()
            }
            Self::ServiceIsOwned => {
                let (cluster, service) = simulation.blue_service();
                let arn = format!("arn:aws:ecs:us-east-1:123456789012:service/{cluster}/{service}");
                let tags = json!([{"key": "ManagedBy", "value": "terraform"}]);
                let input = json!({"resourceArn": arn, "tags": tags});
                aws.ecs.call(EcsCall::TagResource, input).await.is_ok()
            }
        }
    }
}

async fn arm(simulation: &Simulation, aws: &Aws) -> crate::Result<()> {
    let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
    let splitter = AlbTrafficSplitter::new(aws, rule, blue, green)?;
    let traffic = splitter.observe().await?;
    let role = "arn:aws:iam::123456789012:role/blue-again"
        .parse()
        .expect("a role");
    let fires = later(aws.clock().now(), Duration::from_secs(7200));
    let switch = AlbDeadManSwitch::new(aws, splitter.into(), role);
    switch.arm(&traffic, fires).await.map(drop)
}

async fn another_rule(simulation: &Simulation, aws: &Aws) -> bool {
    let host = HostHeaderConditionConfig::builder().values("old.company.com");
    let condition = RuleCondition::builder()
        .field("host-header")
        .host_header_config(host.build());
    let forward = Action::builder()
        .r#type(ActionTypeEnum::Forward)
        .target_group_arn(simulation.blue().as_str());
    let input = CreateRuleInput::builder()
        .listener_arn(simulation.listener().as_str())
        .priority(7)
        .conditions(condition.build())
        .actions(forward.build());
    aws.elb.create_rule(input).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn p14_each_reason_is_said_before_anything_is_changed() {
    for fact in FACTS {
        let simulation = promoted().build();
        assert!(fact.happen(&simulation).await);
        let before = changes(&simulation);
        let error = of(&simulation).deleting().run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{fact:?}");
        assert!(error.message().contains(fact.words()), "{fact:?}: {error}");
        assert!(error.hint().is_some(), "{fact:?}");
        assert_eq!(changes(&simulation), before, "{fact:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn p14_each_reason_of_the_world_itself_is_said_too() {
    let lattice = json!([{"registryArn": "arn:aws:servicediscovery:us-east-1:1:service/srv-1"}]);
    let strange = json!([{"targetGroupArn": format!("{}9", promoted().build().green().as_str())}]);
    let deploying = json!("DAEMON");
    let build = |builder: SimulationBuilder| builder.build();
    for (simulation, deletes, words, accepted) in [
        (
            build(promoted().blue_setting("serviceRegistries", lattice)),
            false,
            "by Cloud Map, service srv-1",
            Some(Acceptance::UnseenTraffic),
        ),
        (
            build(promoted().blue_setting("loadBalancers", strange)),
            false,
            "does not register its tasks with chatbot-flask-tg",
            None,
        ),
        (
            build(promoted().blue_setting("schedulingStrategy", deploying)),
            false,
            "is a daemon",
            None,
        ),
        (
            build(promoted().shared_blue()),
            true,
            "service chatbot-batch registers its tasks with chatbot-flask-tg too",
            Some(Acceptance::SharedTargets),
        ),
        (
            build(promoted().green(crate::aws::sim::Service::new(0))),
            false,
            "green has no healthy target",
            None,
        ),
        (build(promoted().third_group(5)), true, "weight", None),
    ] {
        let wanted = || match deletes {
            true => of(&simulation).deleting(),
            false => of(&simulation),
        };
        let error = wanted().run().await.unwrap_err();
        assert!(error.message().contains(words), "{words}: {error}");
        assert_eq!(
            (error.kind(), changes(&simulation)),
            (ErrorKind::Refused, 0)
        );
        if let Some(risk) = accepted {
            let hint = error.hint().unwrap();
            assert!(hint.contains(risk.as_str()), "{hint}");
            let report = wanted().accept(risk).run().await.unwrap();
            let is_accepted = |note: &&Finding| note.severity != Severity::Note;
            let accepted = report.notes.iter().filter(is_accepted).count();
            assert_eq!(accepted, 1, "{report:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_data_is_never_zero_and_one_request_on_blue_stops_it() {
    use crate::aws::sim::{Behaviour, Service, When};
    let silent = Service::new(4).with(When::Always, Behaviour::Silent);
    let simulation = promoted().green(silent).build();
    let error = of(&simulation).run().await.unwrap_err();
    assert!(
        error.message().contains("only 0 of 15 settled minutes"),
        "{error}"
    );
    assert_eq!(changes(&simulation), 0);

    // A sticky client of blue's stays there, whatever the weights.
    let simulation = promoted().sticky(Duration::from_secs(86_400)).build();
    simulation.third_party_write(Sides::new(50, 50));
    tokio::time::sleep(Duration::from_secs(1800)).await;
    simulation.third_party_write(PROMOTED);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let error = of(&simulation).run().await.unwrap_err();
    assert!(error.message().contains("blue got "), "{error}");
    assert_eq!(
        (error.kind(), changes(&simulation)),
        (ErrorKind::Refused, 0)
    );
}

/// A fact that changes between the announcement of a step and the step stops that step.
#[tokio::test(start_paused = true)]
async fn p14_what_changes_between_plan_and_act_stops_each_step() {
    for step in 0..6 {
        for fact in FACTS {
            let simulation = aged().await;
            let world = simulation.clone();
            let seen = std::sync::Mutex::new((0, 0, false));
            let seen = std::sync::Arc::new(seen);
            let at = std::sync::Arc::clone(&seen);
            let retirement = of(&simulation).deleting().on_step(move |_| {
                let mut seen = at.lock().unwrap();
                if seen.0 == step {
                    // The simulation answers at once.
                    seen.2 = fact.happen(&world).now_or_never().unwrap();
                    seen.1 = changes(&world);
                }
                seen.0 += 1;
            });
            let ended = retirement.run().await;
            let (told, then, has_happened) = *seen.lock().unwrap();
            if !has_happened {
                // What the fact is about is gone by this step.
                assert!(step >= 4 && ended.is_ok(), "{fact:?} at step {step}");
                continue;
            }
            assert_eq!(told, step + 1, "{fact:?} at step {step}");
            assert_eq!(changes(&simulation), then, "{fact:?} at step {step}");
            let error = ended.expect_err("stopped");
            assert!(
                error.message().contains(fact.words()),
                "{fact:?} at step {step}: {error}"
            );
        }
    }
}

/// The run is held at some of its calls, in every phase, and a third party changes a fact there: at most the
/// step whose last look was under way is still taken.
#[tokio::test(start_paused = true)]
async fn p14_no_order_of_changes_deletes_without_a_check() {
    let calls = {
        let simulation = aged().await;
        of(&simulation).deleting().run().await.unwrap();
        simulation.calls_in_all()
    };
    let mut held = 0;
    for (number, fact) in (1..=calls).step_by(5).zip(FACTS.into_iter().cycle()) {
        let simulation = aged().await;
        let mut stop = simulation.stop_at(Call::any().nth(number), Moment::BeforeEffect);
        let retirement = of(&simulation).deleting();
        let run = std::pin::pin!(retirement.run());
        let run = match select(run, std::pin::pin!(stop.reached())).await {
            Either::Left(_) => continue,
            Either::Right(((), run)) => run,
        };
        let has_happened = fact.happen(&simulation).await;
        let then = changes(&simulation);
        stop.go_on();
        let ended = run.await;
        if !has_happened {
            continue;
        }
        held += 1;
        let more = changes(&simulation) - then;
        assert!(
            more <= 1,
            "{fact:?} at call {number}: {more} changes followed"
        );
        let is_gone = simulation.target_groups().len() == 1;
        assert!(ended.is_err() || is_gone, "{fact:?} at call {number}");
    }
    assert!(held > 20, "{held}");
}

/// Killed at each call, before its effect and after it, and run again, it ends the same.
#[tokio::test(start_paused = true)]
async fn p05_killed_at_each_call_and_run_again_it_ends_the_same() {
    let whole = aged().await;
    of(&whole).deleting().run().await.unwrap();
    let calls = whole.calls_in_all();
    for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
        for number in 1..=calls {
            let simulation = aged().await;
            let mut stop = simulation.stop_at(Call::any().nth(number), moment);
            let retirement = of(&simulation).deleting();
            {
                let run = std::pin::pin!(retirement.run());
                let reached = std::pin::pin!(stop.reached());
                select(run, reached).await;
            }
            drop(stop);
            of(&simulation).deleting().run().await.unwrap();
            assert_eq!(
                left(&simulation),
                left(&whole),
                "{moment:?} of call {number}"
            );
            assert_eq!(simulation.weights(), PROMOTED);
        }
    }
}

/// The answer of each change is lost, or the change itself is, or it is throttled: it ends the same.
#[tokio::test(start_paused = true)]
async fn p10_a_change_whose_answer_is_lost_is_looked_at_and_taken_once() {
    let whole = aged().await;
    of(&whole).deleting().run().await.unwrap();
    let each = [
        Call::TagResource,
        Call::UpdateService,
        Call::DeleteRule,
        Call::ModifyRule,
        Call::DeleteService,
        Call::DeleteTargetGroup,
    ];
    for call in each {
        for fault in [
            Fault::TimeoutAfterEffect,
            Fault::TimeoutBeforeEffect,
            Fault::Throttle,
        ] {
            let simulation = aged().await;
            simulation.fail(call.nth(1), fault);
            of(&simulation).deleting().run().await.unwrap();
            assert_eq!(left(&simulation), left(&whole), "{call:?}, {fault:?}");
            let expected = if fault == Fault::TimeoutAfterEffect {
                1
            } else {
                2
            };
            assert_eq!(simulation.calls(call), expected, "{call:?}, {fault:?}");
        }
        let simulation = aged().await;
        simulation.fail(call.every(), Fault::Denied);
        let error = of(&simulation).deleting().run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{call:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reads_that_lag_behind_its_own_changes_are_waited_for() {
    use crate::aws::sim::Lag;
    for read in [
        Call::DescribeServices,
        Call::DescribeRules,
        Call::DescribeTargetGroups,
    ] {
        let simulation = promoted().build();
        simulation.lag(read, Lag::for_time(Duration::from_secs(8)));
        of(&simulation).deleting().run().await.unwrap();
        assert_eq!(
            simulation.target_groups(),
            ["chatbot-fastapi-tg"],
            "{read:?}"
        );
        for change in [Call::UpdateService, Call::ModifyRule, Call::DeleteService] {
            assert_eq!(simulation.calls(change), 1, "{read:?}: {change:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_way_back_scales_up_to_what_ran() {
    let simulation = promoted().build();
    let (cluster, service) = simulation.blue_service();
    let aws = simulation.aws();
    let look = || Retired::of(&aws, cluster, service);
    assert!(look().await.unwrap().is_none(), "not retired yet");
    of(&simulation).run().await.unwrap();
    let retired = look().await.unwrap().expect("retired");
    assert_eq!(retired.tasks(), 4);
    assert_eq!(
        retired.command(),
        "aws ecs update-service --region us-east-1 --cluster chatbot-cluster --service chatbot-flask \
         --desired-count 4"
    );
    retired.wake().await.unwrap();
    assert!(
        look().await.unwrap().is_some(),
        "a second rollback waits too"
    );
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert_eq!(simulation.targets().blue.healthy, 4);
    retired.is_back().await.unwrap();
    assert!(look().await.unwrap().is_none());
}

fn any_standing() -> impl Strategy<Value = Standing> {
    let weight = || prop_oneof![Just(None), Just(Some(0)), Just(Some(1))];
    let group = prop::option::of((0_usize..2, 0_usize..2, 0_i32..2, any::<bool>()));
    let service = prop::option::of((0_u32..3, 0_u32..3, any::<bool>(), any::<bool>()));
    (
        weight(),
        weight(),
        0_u32..2,
        group,
        service,
        any::<[bool; 5]>(),
    )
        .prop_map(|(blue, green, green_healthy, group, service, flags)| {
            let simulation = promoted().build();
            let own = simulation.blue();
            let [deletes, armed, owned, shared, routed] = flags;
            Standing {
                rule: simulation.rule_arn(),
                blue: own.clone(),
                service_name: "chatbot-flask".to_owned(),
                deletes,
                weights: Sides::new(blue, green),
                green_healthy,
                group: group.map(|(draining, serving, weight, is_named)| Group {
                    named_by: is_named
                        .then(|| ("rule 7".to_owned(), weight))
                        .into_iter()
                        .collect(),
                    draining,
                    serving,
                }),
                test_routes: routed.then(|| simulation.rule_arn()).into_iter().collect(),
                owned: owned
                    .then(|| ("it".to_owned(), "the CDK".to_owned()))
                    .into_iter()
                    .collect(),
                unwritable: Vec::new(),
                service: service.map(|(desired, tasks, is_own, is_deploying)| ServiceStanding {
                    arn: "arn".to_owned(),
                    desired,
                    tasks,
                    groups: is_own.then_some(own).into_iter().collect(),
                    ways: BTreeSet::new(),
                    tags: [].into(),
                    is_deploying,
                    is_daemon: false,
                }),
                kept: None,
                minimum: None,
                fires: armed.then(|| simulation.aws().clock().now()),
                others: shared.then(|| "other".to_owned()).into_iter().collect(),
            }
        })
}

proptest! {
    /// Whatever a look shows: a step is allowed only if every fact that it rests on is there, and nothing is
    /// deleted while anything runs, serves or is used.
    #[test]
    fn p14_a_step_is_allowed_only_by_all_of_its_facts(standing in any_standing()) {
        let stops = standing.findings().iter().any(|one| one.stops(&BTreeSet::new()));
        let first = steps(&standing).into_iter().next();
        let Some(step) = first.filter(|_| !stops) else { return Ok(()) };
        prop_assert!(standing.weights.blue.unwrap_or_default() == 0);
        prop_assert!(standing.weights.green > Some(0) && standing.green_healthy > 0);
        prop_assert!(standing.fires.is_none());
        let named: Vec<_> = standing.group.iter().flat_map(|group| &group.named_by).collect();
        prop_assert!(named.iter().all(|(_, weight)| *weight == 0));
        if let Some(service) = &standing.service {
            prop_assert!(service.groups == [standing.blue.clone()] && !service.is_deploying);
        }
        if step.is_final() && waits_for(&standing, &step).is_none() {
            prop_assert!(standing.deletes && standing.owned.is_empty() && standing.others.is_empty());
            prop_assert!(named.is_empty());
            let runs = standing.service.as_ref().is_some_and(|one| one.desired + one.tasks > 0);
            let group = standing.group.clone().unwrap_or_default();
            prop_assert!(!runs && group.draining == 0 && group.serving == 0);
        }
    }
}
