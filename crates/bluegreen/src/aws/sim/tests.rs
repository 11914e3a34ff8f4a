//! Whether the simulation is as AWS is, where that matters.

use std::time::Duration;

use aws_sdk_cloudwatch::{
    operation::get_metric_data::GetMetricDataInput,
    types::{Dimension, Metric, MetricDataQuery, MetricStat, StandardUnit, StatusCode},
};
use aws_sdk_elasticloadbalancingv2::{
    operation::{
        describe_rules::DescribeRulesInput, describe_target_health::DescribeTargetHealthInput,
        modify_rule::ModifyRuleInput,
    },
    types::{Action, TargetHealthStateEnum},
};
use aws_smithy_types::DateTime;

use super::*;
use crate::{
    error::ErrorKind,
    traffic::{Side, Sides},
};

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn stat(simulation: &Simulation, name: &str, side: Side, period: i32) -> MetricStat {
    let group = match side {
        Side::Blue => simulation.blue(),
        Side::Green => simulation.green(),
    };
    let balancer = simulation.listener().load_balancer();
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    let metric = Metric::builder()
        .namespace("AWS/ApplicationELB")
        .metric_name(name)
        .dimensions(dimension("LoadBalancer", balancer.dimension()))
        .dimensions(dimension("TargetGroup", group.resource()))
        .build();
    MetricStat::builder()
        .metric(metric)
        .period(period)
        .stat("Sum")
        .build()
}

/// The data points of a statistic over the first ten minutes, oldest first.
async fn points(simulation: &Simulation, stat: MetricStat) -> Vec<f64> {
    let start = simulation.aws().clock().now().as_second()
        - i64::try_from(simulation.elapsed().as_secs()).expect("small");
    let query = MetricDataQuery::builder()
        .id("m0")
        .metric_stat(stat)
        .build();
    let input = GetMetricDataInput::builder()
        .metric_data_queries(query)
        .start_time(DateTime::from_secs(start))
        .end_time(DateTime::from_secs(start + 600));
    let output = simulation
        .aws()
        .cloudwatch
        .get_metric_data(input)
        .await
        .expect("served");
    let result = &output.metric_data_results()[0];
    assert_eq!(result.status_code(), Some(&StatusCode::Complete));
    // Newest first, unless asked otherwise.
    result.values().iter().rev().copied().collect()
}

#[tokio::test(start_paused = true)]
async fn the_same_happens_however_often_it_is_looked_at() {
    let often = Simulation::builder()
        .seed(3)
        .sticky(Duration::from_secs(90))
        .build();
    let once = Simulation::builder()
        .seed(3)
        .sticky(Duration::from_secs(90))
        .build();
    for simulation in [&often, &once] {
        assert_eq!(simulation.sent(), Sides::default());
        simulation.third_party_write(Sides {
            blue: 50,
            green: 50,
        });
    }
    for _ in 0..300 {
        pass(1).await;
        assert!(often.sent().blue > 0 || often.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(often.sent(), once.sent());
    assert_eq!(often.failed(), once.failed());
    assert_ne!(often.sent(), Simulation::builder().seed(4).build().sent());
}

#[tokio::test(start_paused = true)]
async fn a_minute_shows_late_and_in_parts() {
    let simulation = Simulation::builder().traffic(100.0).build();
    assert_eq!(simulation.sent(), Sides::default());
    let requests = || stat(&simulation, "RequestCount", Side::Blue, 60);
    pass(70).await;
    assert!(
        points(&simulation, requests()).await.is_empty(),
        "nothing right after its end"
    );
    pass(10).await;
    let part = points(&simulation, requests()).await;
    pass(60).await;
    let whole = points(&simulation, requests()).await[0];
    assert!(
        part[0] > whole * 0.6 && part[0] < whole * 0.8,
        "{part:?} of {whole}"
    );
    pass(600).await;
    assert_eq!(
        points(&simulation, requests()).await[0],
        whole,
        "and it stays"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_zero_or_asked_in_another_way_is_absent() {
    let simulation = Simulation::builder()
        .blue(Service::new(4).with_error_rate(0.0))
        .build();
    assert_eq!(simulation.sent(), Sides::default());
    pass(300).await;
    let mut in_bytes = stat(&simulation, "RequestCount", Side::Blue, 60);
    in_bytes.unit = Some(StandardUnit::Bytes);
    let absent = [
        stat(&simulation, "HTTPCode_Target_5XX_Count", Side::Blue, 60),
        stat(&simulation, "RequestCount", Side::Green, 60),
        stat(&simulation, "RequestCount", Side::Blue, 10),
        stat(&simulation, "NoSuchMetric", Side::Blue, 60),
        in_bytes,
    ];
    for stat in absent {
        assert!(
            points(&simulation, stat.clone()).await.is_empty(),
            "{stat:?}"
        );
    }
    assert_eq!(
        points(
            &simulation,
            stat(&simulation, "RequestCount", Side::Blue, 60)
        )
        .await
        .len(),
        4
    );
    // Five minutes have begun, the fifth is not over, and the fourth shows in part.
    assert_eq!(
        points(
            &simulation,
            stat(&simulation, "RequestCount", Side::Blue, 120)
        )
        .await
        .len(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn rules_come_in_pages_and_the_default_one_is_not_modified_as_a_rule() {
    let simulation = Simulation::builder().rules_before(12).page_size(5).build();
    let elb = simulation.aws().elb;
    let listed = DescribeRulesInput::builder().listener_arn(simulation.listener().as_str());
    let first = elb.describe_rules(listed.clone()).await.expect("served");
    assert_eq!(first.rules().len(), 5);
    let next = first.next_marker().expect("another page").to_owned();
    let second = elb
        .describe_rules(listed.marker(next))
        .await
        .expect("served");
    assert_eq!(second.rules().len(), 5);
    assert_ne!(first.rules()[0].rule_arn(), second.rules()[0].rule_arn());

    let simulation = Simulation::builder().default_rule().build();
    let input = ModifyRuleInput::builder().rule_arn(simulation.rule_arn().as_str());
    let error = simulation
        .aws()
        .elb
        .modify_rule(input)
        .await
        .expect_err("refused");
    assert_eq!(error.code.as_deref(), Some("OperationNotPermitted"));
}

/// The main rule's actions as AWS shows them.
async fn actions(simulation: &Simulation) -> Vec<Action> {
    let input = DescribeRulesInput::builder().rule_arns(simulation.rule_arn().as_str());
    let output = simulation
        .aws()
        .elb
        .describe_rules(input)
        .await
        .expect("served");
    output.rules()[0].actions().to_vec()
}

#[tokio::test(start_paused = true)]
async fn refuses_what_aws_refuses() {
    let simulation = Simulation::builder().login().build();
    let before = simulation.rule_without_weights();
    let mut unconfirmed = actions(&simulation).await;
    let mut heavy = unconfirmed.clone();
    for action in &mut heavy {
        if let Some(login) = action.authenticate_oidc_config.as_mut() {
            login.use_existing_client_secret = Some(true);
        }
        for group in action
            .forward_config
            .iter_mut()
            .flat_map(|c| c.target_groups.iter_mut().flatten())
        {
            group.weight = Some(1000);
        }
    }
    let scalar = unconfirmed[1]
        .forward_config
        .as_ref()
        .expect("a forward")
        .target_groups()[0]
        .target_group_arn
        .clone();
    unconfirmed[1].target_group_arn = None;
    let mut both = heavy.clone();
    for group in both[1]
        .forward_config
        .iter_mut()
        .flat_map(|c| c.target_groups.iter_mut().flatten())
    {
        group.weight = Some(1);
    }
    both[1].target_group_arn = scalar;
    for actions in [unconfirmed, heavy, both, Vec::new()] {
        let input = ModifyRuleInput::builder()
            .rule_arn(simulation.rule_arn().as_str())
            .set_actions(Some(actions));
        let error = simulation
            .aws()
            .elb
            .modify_rule(input)
            .await
            .expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    }
    assert_eq!(before, simulation.rule_without_weights());
    assert_eq!(
        simulation.weights(),
        Sides {
            blue: 100,
            green: 0
        }
    );
}

#[tokio::test(start_paused = true)]
async fn p12_a_client_secret_is_never_shown() {
    let simulation = Simulation::builder().login().build();
    let mut secret = actions(&simulation).await;
    if let Some(login) = secret[0].authenticate_oidc_config.as_mut() {
        login.client_secret = Some("hunter2".to_owned());
    }
    let input = ModifyRuleInput::builder()
        .rule_arn(simulation.rule_arn().as_str())
        .set_actions(Some(secret));
    let output = simulation
        .aws()
        .elb
        .modify_rule(input)
        .await
        .expect("served");
    assert!(!format!("{output:?}").contains("hunter2"));
    assert!(!format!("{:?}", actions(&simulation).await).contains("hunter2"));
    assert!(!simulation.rule_without_weights().contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn faults_come_before_or_after_the_effect() {
    let write = |simulation: &Simulation, actions: Vec<Action>| {
        let input = ModifyRuleInput::builder()
            .rule_arn(simulation.rule_arn().as_str())
            .set_actions(Some(actions));
        let elb = simulation.aws().elb;
        async move { elb.modify_rule(input).await }
    };
    for (fault, kind, happened) in [
        (Fault::Throttle, ErrorKind::Throttled, false),
        (Fault::Denied, ErrorKind::Denied, false),
        (Fault::Unavailable, ErrorKind::OutcomeUnknown, false),
        (Fault::TimeoutBeforeEffect, ErrorKind::OutcomeUnknown, false),
        (Fault::TimeoutAfterEffect, ErrorKind::OutcomeUnknown, true),
    ] {
        let simulation = Simulation::builder().build();
        let mut wanted = actions(&simulation).await;
        for group in wanted[0]
            .forward_config
            .iter_mut()
            .flat_map(|c| c.target_groups.iter_mut().flatten())
        {
            group.weight = Some(7);
        }
        simulation.fail(Call::ModifyRule.nth(1), fault);
        let error = write(&simulation, wanted.clone())
            .await
            .expect_err("made to fail");
        assert_eq!(error.kind, kind, "{fault:?}");
        let expected = if happened { 7 } else { 0 };
        assert_eq!(simulation.weights().green, expected, "{fault:?}");
        write(&simulation, wanted)
            .await
            .expect("only the first fails");
    }
    let simulation = Simulation::builder().build();
    let weights = Sides { blue: 3, green: 4 };
    simulation.fail(
        Call::DescribeRules.nth(1),
        Fault::ThirdPartyWrite { weights },
    );
    actions(&simulation).await;
    assert_eq!(simulation.weights(), weights);
    assert_eq!(
        simulation.changes().last().map(|c| c.by),
        Some(Writer::Stranger)
    );
}

#[tokio::test(start_paused = true)]
async fn targets_warm_up_die_late_and_are_unused_without_a_rule() {
    let dies = When::Between(Duration::from_secs(300), Duration::MAX);
    let green = Service::new(3)
        .warming(Duration::from_secs(60), Duration::from_secs(60))
        .with(dies, Behaviour::Dead);
    let simulation = Simulation::builder().green(green).build();
    assert_eq!(simulation.targets().green.initial, 3);
    pass(130).await;
    assert_eq!(
        (
            simulation.targets().green.healthy,
            simulation.targets().green.initial
        ),
        (2, 1)
    );
    pass(250).await;
    assert_eq!(
        simulation.targets().green.healthy,
        3,
        "the balancer has not noticed yet"
    );
    pass(20).await;
    assert_eq!(simulation.targets().green.unhealthy, 3);

    let simulation = Simulation::builder().detached_green().build();
    let input = DescribeTargetHealthInput::builder().target_group_arn(simulation.green().as_str());
    let output = simulation
        .aws()
        .elb
        .describe_target_health(input)
        .await
        .expect("served");
    let states = output.target_health_descriptions().iter();
    let states: Vec<_> = states
        .filter_map(|d| d.target_health()?.state().cloned())
        .collect();
    assert_eq!(states, vec![TargetHealthStateEnum::Unused; 4]);
}

#[tokio::test(start_paused = true)]
async fn pinned_clients_follow_the_weights_late() {
    let share_after = async |builder: SimulationBuilder| {
        let simulation = builder.traffic(200.0).build();
        assert_eq!(simulation.sent(), Sides::default());
        simulation.third_party_write(Sides {
            blue: 0,
            green: 100,
        });
        pass(60).await;
        let sent = simulation.sent();
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let share = sent.green as f64 / (sent.blue + sent.green) as f64;
        share
    };
    assert!(share_after(Simulation::builder()).await > 0.999);
    let sticky = share_after(Simulation::builder().sticky(Duration::from_secs(3600))).await;
    assert!(sticky > 0.15 && sticky < 0.3, "{sticky}");
}

#[test]
fn every_scenario_has_a_name_and_explains_itself() {
    for scenario in Scenario::ALL {
        assert_eq!(scenario.name().parse(), Ok(scenario));
        assert!(scenario.explanation().len() > 20);
    }
    let error = "helthy".parse::<Scenario>().expect_err("no such");
    assert!(error.to_string().contains("healthy"));
}
