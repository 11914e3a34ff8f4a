//! Reads that lag.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::operation::{
    describe_rules::DescribeRulesInput, describe_target_health::DescribeTargetHealthInput,
};
use serde_json::json;
use tokio::time::sleep;

use super::{MINUTE, simulation, weights, write};
use crate::{
    aws::{
        api::EcsCall,
        sim::{Behaviour, Call, Fault, Lag, Service, Simulation, When, state::rules},
    },
    traffic::Sides,
};

const SECOND: Duration = Duration::from_secs(1);

/// The weights as `DescribeRules` shows them.
async fn read(simulation: &Simulation) -> Sides<u32> {
    let input = DescribeRulesInput::builder().rule_arns(simulation.rule_arn().as_str());
    let output = simulation.aws().elb.describe_rules(input).await.unwrap();
    let groups = rules::groups_of(output.rules()[0].actions());
    let of = |arn: &str| {
        let found = groups.iter().find(|(group, _)| group == arn);
        found.map_or(0, |(_, weight)| *weight)
    };
    weights(
        of(simulation.blue().as_str()),
        of(simulation.green().as_str()),
    )
}

/// Green's shares of the next reads.
async fn reads(simulation: &Simulation, count: usize) -> Vec<u32> {
    let mut shares = Vec::new();
    for _ in 0..count {
        shares.push(read(simulation).await.green);
    }
    shares
}

/// The states of green's targets as `DescribeTargetHealth` shows them.
async fn health(simulation: &Simulation) -> Vec<String> {
    let green = simulation.green();
    let input = DescribeTargetHealthInput::builder().target_group_arn(green.as_str());
    let elb = simulation.aws().elb;
    let output = elb.describe_target_health(input).await.unwrap();
    let targets = output.target_health_descriptions().iter();
    let states = targets.map(|one| one.target_health().unwrap().state().unwrap().to_string());
    states.collect()
}

#[tokio::test(start_paused = true)]
async fn for_a_time_reads_show_the_weights_before_the_write_and_traffic_follows_the_live_ones() {
    let simulation = simulation(Simulation::builder());
    simulation.lag(Call::DescribeRules, Lag::for_time(SECOND * 3));
    write(&simulation, 0, 100).await.unwrap();
    assert_eq!(simulation.weights(), weights(0, 100));
    assert_eq!(read(&simulation).await, weights(100, 0));
    sleep(Duration::from_millis(2_999)).await;
    assert_eq!(read(&simulation).await, weights(100, 0));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(read(&simulation).await, weights(0, 100));
    sleep(SECOND).await;
    let sent = simulation.sent();
    assert!(sent.blue == 0 && sent.green > 0, "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_read_shows_no_newer_write_without_the_older_one() {
    let simulation = simulation(Simulation::builder());
    let lag = Lag::for_time(SECOND * 3);
    simulation.lag(Call::DescribeRules, lag.behind(Call::ModifyRule.nth(1)));
    write(&simulation, 90, 10).await.unwrap();
    sleep(SECOND).await;
    write(&simulation, 50, 50).await.unwrap();
    assert_eq!(reads(&simulation, 2).await, [0, 0]);
    sleep(SECOND * 2).await;
    assert_eq!(reads(&simulation, 2).await, [50, 50]);
    // Behind the first call alone.
    write(&simulation, 0, 100).await.unwrap();
    assert_eq!(reads(&simulation, 1).await, [100]);
}

#[tokio::test(start_paused = true)]
async fn each_write_is_shown_in_its_own_time() {
    let simulation = simulation(Simulation::builder());
    simulation.lag(Call::DescribeRules, Lag::for_time(SECOND * 3));
    write(&simulation, 90, 10).await.unwrap();
    sleep(SECOND * 2).await;
    write(&simulation, 50, 50).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.extend(reads(&simulation, 1).await);
        sleep(SECOND).await;
    }
    assert_eq!(seen, [0, 10, 10, 50]);
}

#[tokio::test(start_paused = true)]
async fn so_many_reads_after_each_write_show_the_state_before_it() {
    let simulation = simulation(Simulation::builder());
    simulation.lag(Call::DescribeRules, Lag::reads(2));
    assert_eq!(reads(&simulation, 3).await, [0, 0, 0]);
    write(&simulation, 90, 10).await.unwrap();
    assert_eq!(reads(&simulation, 4).await, [0, 0, 10, 10]);
    write(&simulation, 100, 0).await.unwrap();
    assert_eq!(reads(&simulation, 4).await, [10, 10, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_read_goes_back_once_after_the_new_state_was_shown() {
    let world = simulation(Simulation::builder());
    world.lag(Call::DescribeRules, Lag::back_once());
    write(&world, 90, 10).await.unwrap();
    assert_eq!(reads(&world, 5).await, [10, 0, 10, 10, 10]);

    let world = simulation(Simulation::builder());
    world.lag(Call::DescribeRules, Lag::back_once_after(MINUTE));
    write(&world, 90, 10).await.unwrap();
    assert_eq!(reads(&world, 3).await, [10, 10, 10]);
    sleep(MINUTE).await;
    assert_eq!(reads(&world, 3).await, [0, 10, 10]);
}

#[tokio::test(start_paused = true)]
async fn what_another_lag_hides_is_not_shown_and_so_nothing_goes_back_from_it() {
    let simulation = simulation(Simulation::builder());
    simulation.lag(Call::DescribeRules, Lag::back_once());
    simulation.lag(Call::DescribeRules, Lag::reads(2));
    write(&simulation, 90, 10).await.unwrap();
    assert_eq!(reads(&simulation, 6).await, [0, 0, 10, 0, 10, 10]);
}

#[tokio::test(start_paused = true)]
async fn writes_of_third_parties_are_shown_late_too_and_refused_ones_are_none() {
    let simulation = simulation(Simulation::builder());
    write(&simulation, 90, 10).await.unwrap();
    simulation.lag(Call::DescribeRules, Lag::reads(1));
    assert_eq!(reads(&simulation, 1).await, [10], "written before the lag");
    simulation.third_party_write(weights(100, 0));
    assert_eq!(reads(&simulation, 2).await, [10, 0]);
    write(&simulation, -1, 0).await.unwrap_err();
    assert_eq!(reads(&simulation, 1).await, [0]);
    let lost = Fault::TimeoutAfterEffect;
    simulation.fail(Call::ModifyRule.nth(3), lost);
    write(&simulation, 50, 50).await.unwrap_err();
    assert_eq!(reads(&simulation, 2).await, [0, 50]);
}

#[tokio::test(start_paused = true)]
async fn a_write_acts_on_the_live_state() {
    let simulation = simulation(Simulation::builder());
    simulation.lag(Call::ModifyRule, Lag::for_time(MINUTE));
    simulation.lag(Call::DescribeRules, Lag::for_time(MINUTE));
    write(&simulation, 90, 10).await.unwrap();
    write(&simulation, 50, 50).await.unwrap();
    let seen: Vec<_> = simulation.changes().iter().map(|one| one.weights).collect();
    assert_eq!(seen, [weights(100, 0), weights(90, 10), weights(50, 50)]);
}

#[tokio::test(start_paused = true)]
async fn health_is_shown_as_it_was_right_before_the_write() {
    let dies = When::AfterRise(Duration::ZERO, Duration::MAX);
    let green = Service::new(2).with(dies, Behaviour::Dead);
    let simulation = simulation(Simulation::builder().green(green));
    simulation.lag(Call::DescribeTargetHealth, Lag::for_time(MINUTE * 2));
    write(&simulation, 90, 10).await.unwrap();
    sleep(Duration::from_secs(119)).await;
    assert_eq!(health(&simulation).await, ["healthy", "healthy"]);
    assert_eq!(simulation.targets().green.unhealthy, 2, "which is not so");
    sleep(SECOND).await;
    assert_eq!(health(&simulation).await, ["unhealthy", "unhealthy"]);

    let detached = self::simulation(Simulation::builder().detached_green());
    detached.lag(Call::DescribeTargetHealth, Lag::reads(1));
    write(&detached, 90, 10).await.unwrap();
    assert_eq!(health(&detached).await[0], "unused");
    assert_eq!(health(&detached).await[0], "healthy");
}

#[tokio::test(start_paused = true)]
async fn a_service_is_shown_with_the_deployments_before_the_write() {
    let simulation = simulation(Simulation::builder());
    let ask = async |call, input| simulation.aws().ecs.call(call, input).await.unwrap();
    let newest = async || {
        let input = json!({"cluster": simulation.cluster(), "services": [simulation.service()]});
        let answer = ask(EcsCall::DescribeServices, input).await;
        let revision = answer.pointer("/services/0/deployments/0/taskDefinition");
        revision.and_then(|arn| arn.as_str()?.rsplit(':').next().map(str::to_owned))
    };
    let definition = json!({"family": "chatbot-fastapi", "containerDefinitions": []});
    let made = ask(EcsCall::RegisterTaskDefinition, definition).await;
    simulation.lag(Call::DescribeServices, Lag::back_once());
    let update = json!({
        "cluster": simulation.cluster(),
        "service": simulation.service(),
        "taskDefinition": made.pointer("/taskDefinition/taskDefinitionArn"),
    });
    let answer = ask(EcsCall::UpdateService, update).await;
    let deployments = answer.pointer("/service/deployments").unwrap();
    assert_eq!(
        deployments.as_array().unwrap().len(),
        2,
        "its answer is live"
    );
    let mut seen = Vec::new();
    for _ in 0..4 {
        // A write to the balancer does not change the service.
        write(&simulation, 90, 10).await.unwrap();
        seen.extend(newest().await);
    }
    assert_eq!(seen, ["2", "1", "2", "2"]);
    assert_eq!(simulation.deployments().len(), 2);
}
