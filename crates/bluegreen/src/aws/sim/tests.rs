use std::time::Duration;

use aws_sdk_cloudwatch::{
    operation::{describe_alarms::DescribeAlarmsInput, get_metric_data::GetMetricDataInput},
    types::{
        AlarmType, Dimension, EvaluationState, Metric, MetricDataQuery, MetricStat, ScanBy,
        StandardUnit, StateValue,
    },
};
use aws_sdk_elasticloadbalancingv2::{
    operation::{
        describe_rules::DescribeRulesInput, modify_listener::ModifyListenerInput,
        modify_rule::ModifyRuleInput,
    },
    types::{Action, ActionTypeEnum, ForwardActionConfig, TargetGroupTuple},
};
use aws_smithy_types::DateTime;
use tokio::time::sleep;

use super::{
    Behaviour, Call, Fault, Scenario, Service, Simulation, SimulationBuilder, When, Writer,
};
use crate::{
    ErrorKind,
    aws::{
        api::ApiError,
        sim::state::alarm::{AlarmEvaluation, AlarmKind},
    },
    traffic::{Sides, TargetCounts},
};

mod alarms;
mod clock;
mod kept;
mod lag;
mod late;
mod native;

const MINUTE: Duration = Duration::from_secs(60);

fn simulation(builder: SimulationBuilder) -> Simulation {
    let simulation = builder.build();
    // Time begins with the first look.
    assert_eq!(simulation.elapsed(), Duration::ZERO);
    simulation
}

fn group(arn: &str, weight: i32) -> TargetGroupTuple {
    TargetGroupTuple::builder()
        .target_group_arn(arn)
        .weight(weight)
        .build()
}

/// A forward to blue and green.
fn forward(simulation: &Simulation, blue: i32, green: i32) -> Action {
    Action::builder()
        .r#type(ActionTypeEnum::Forward)
        .order(3)
        .forward_config(
            ForwardActionConfig::builder()
                .target_groups(group(simulation.blue().as_str(), blue))
                .target_groups(group(simulation.green().as_str(), green))
                .build(),
        )
        .build()
}

async fn write(simulation: &Simulation, blue: i32, green: i32) -> Result<(), ApiError> {
    let input = ModifyRuleInput::builder()
        .rule_arn(simulation.rule_arn().as_str())
        .actions(forward(simulation, blue, green));
    simulation.aws().elb.modify_rule(input).await.map(drop)
}

fn weights(blue: u32, green: u32) -> Sides<u32> {
    Sides { blue, green }
}

/// A metric of green's group, summed by the minute.
fn of_green(simulation: &Simulation, name: &str) -> MetricStat {
    let balancer = simulation.listener().load_balancer();
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    MetricStat::builder()
        .metric(
            Metric::builder()
                .namespace("AWS/ApplicationELB")
                .metric_name(name)
                .dimensions(dimension("LoadBalancer", balancer.dimension()))
                .dimensions(dimension("TargetGroup", simulation.green().resource()))
                .build(),
        )
        .period(60)
        .stat("Sum")
        .build()
}

/// The values of the first `minutes` minutes, oldest first, and how many pages they took.
async fn values(simulation: &Simulation, stat: MetricStat, minutes: u32) -> (Vec<f64>, u32) {
    let epoch = super::time::SimClock::epoch().as_second();
    let mut token = None;
    let mut values = Vec::new();
    for page in 1.. {
        let input = GetMetricDataInput::builder()
            .metric_data_queries(
                MetricDataQuery::builder()
                    .id("m0")
                    .metric_stat(stat.clone())
                    .build(),
            )
            .start_time(DateTime::from_secs(epoch))
            .end_time(DateTime::from_secs(epoch + i64::from(minutes) * 60))
            .scan_by(ScanBy::TimestampAscending)
            .set_next_token(token);
        let output = simulation
            .aws()
            .cloudwatch
            .get_metric_data(input)
            .await
            .unwrap();
        values.extend_from_slice(output.metric_data_results()[0].values());
        token = output.next_token().map(str::to_owned);
        if token.is_none() {
            return (values, page);
        }
    }
    unreachable!("pages end")
}

#[tokio::test(start_paused = true)]
async fn p09_what_happens_does_not_depend_on_who_asks_when() {
    let run = async |every: Duration| {
        let cold = When::AfterRise(Duration::ZERO, Duration::from_secs(40));
        let green = Service::new(4).with(cold, Behaviour::Errors(0.5));
        let simulation = simulation(Simulation::builder().green(green).sticky(MINUTE * 2));
        simulation.third_party_write_at(Duration::from_millis(60_400), weights(50, 50));
        simulation.third_party_write_at(Duration::from_millis(180_900), weights(10, 90));
        while simulation.elapsed() < MINUTE * 6 {
            sleep(every).await;
            let _ = simulation.sent();
        }
        (simulation.sent(), simulation.failed(), simulation.changes())
    };
    let once = run(MINUTE * 6).await;
    assert!(once.0.green > 0 && once.1.green > 0);
    for millis in [500, 7_500, 60_000] {
        assert_eq!(
            run(Duration::from_millis(millis)).await,
            once,
            "every {millis} ms"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn another_seed_is_another_world() {
    let run = async |seed| {
        let simulation = simulation(Simulation::builder().seed(seed));
        sleep(MINUTE).await;
        simulation.sent().blue
    };
    assert_eq!(run(1).await, run(1).await);
    assert_ne!(run(1).await, run(2).await);
}

#[tokio::test(start_paused = true)]
async fn p01_a_count_of_zero_is_absent() {
    let simulation = simulation(Simulation::builder().green(Service::new(4).with_error_rate(0.0)));
    write(&simulation, 50, 50).await.unwrap();
    sleep(MINUTE * 3).await;
    for (name, is_there) in [
        ("RequestCount", true),
        ("HTTPCode_Target_2XX_Count", true),
        ("HTTPCode_Target_5XX_Count", false),
        ("TargetConnectionErrorCount", false),
        ("TargetResponseTime", true),
    ] {
        let (values, _) = values(&simulation, of_green(&simulation, name), 1).await;
        assert_eq!(!values.is_empty(), is_there, "{name}: {values:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn p01_a_minute_shows_first_not_at_all_then_in_part_then_whole() {
    let simulation = simulation(Simulation::builder().weights(weights(0, 100)));
    let at = async |seconds: u64| {
        sleep(Duration::from_secs(seconds).saturating_sub(simulation.elapsed())).await;
        let (values, _) = values(&simulation, of_green(&simulation, "RequestCount"), 1).await;
        values.first().copied()
    };
    assert_eq!(at(74).await, None);
    let part = at(75).await.unwrap();
    assert_eq!(at(134).await, Some(part));
    let whole = at(135).await.unwrap();
    assert!(part < whole, "{part} {whole}");
    assert_eq!(at(600).await, Some(whole));
}

#[tokio::test(start_paused = true)]
async fn p01_metrics_that_nobody_publishes_have_no_data() {
    let simulation = simulation(Simulation::builder().weights(weights(0, 100)));
    sleep(MINUTE * 3).await;
    let right = || of_green(&simulation, "RequestCount");
    let changed = |change: &dyn Fn(&mut MetricStat)| {
        let mut stat = right();
        change(&mut stat);
        stat
    };
    let cases = [
        ("right", right(), true),
        (
            "finer than a minute",
            changed(&|stat| stat.period = Some(30)),
            false,
        ),
        (
            "a unit",
            changed(&|stat| stat.unit = Some(StandardUnit::Count)),
            false,
        ),
        (
            "a statistic that is not kept",
            changed(&|stat| stat.stat = Some("p99".into())),
            false,
        ),
        ("another metric", of_green(&simulation, "Requests"), false),
        (
            "a dimension less",
            changed(&|stat| {
                let metric = stat.metric.as_mut().unwrap();
                metric.dimensions.as_mut().unwrap().remove(0);
            }),
            false,
        ),
        (
            "a whole ARN",
            changed(&|stat| {
                let metric = stat.metric.as_mut().unwrap();
                metric.dimensions.as_mut().unwrap()[1].value = Some(simulation.green().to_string());
            }),
            false,
        ),
    ];
    for (case, stat, is_there) in cases {
        let (values, _) = values(&simulation, stat, 1).await;
        assert_eq!(!values.is_empty(), is_there, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn data_points_come_in_pages() {
    let builder = || Simulation::builder().weights(weights(0, 100));
    let (paged, whole) = (
        simulation(builder().data_page_size(50)),
        simulation(builder()),
    );
    sleep(MINUTE * 123).await;
    let (in_pages, pages) = values(&paged, of_green(&paged, "RequestCount"), 120).await;
    let (at_once, page) = values(&whole, of_green(&whole, "RequestCount"), 120).await;
    assert_eq!((pages, page, in_pages.len()), (3, 1, 120));
    assert_eq!(in_pages, at_once);
}

#[tokio::test(start_paused = true)]
async fn rules_come_in_pages() {
    let simulation = simulation(Simulation::builder().rules_before(11).page_size(4));
    let mut marker = None;
    let mut sizes = Vec::new();
    loop {
        let input = DescribeRulesInput::builder()
            .listener_arn(simulation.listener().as_str())
            .set_marker(marker);
        let output = simulation.aws().elb.describe_rules(input).await.unwrap();
        sizes.push(output.rules().len());
        marker = output.next_marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(
        sizes,
        [4, 4, 4, 1],
        "eleven, the main one and the default one"
    );
}

#[tokio::test(start_paused = true)]
async fn p03_the_default_rule_is_written_by_its_listener_only() {
    let simulation = simulation(Simulation::builder().default_rule());
    let error = write(&simulation, 50, 50).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("OperationNotPermitted"));
    let input = ModifyListenerInput::builder()
        .listener_arn(simulation.listener().as_str())
        .default_actions(forward(&simulation, 50, 50));
    simulation.aws().elb.modify_listener(input).await.unwrap();
    assert_eq!(simulation.weights(), weights(50, 50));
}

#[tokio::test(start_paused = true)]
async fn p03_writes_that_aws_refuses_are_refused_and_change_nothing() {
    let simulation = simulation(Simulation::builder().login());
    for weight in [-1, 1000] {
        let error = write(&simulation, weight, 0).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{weight}");
    }
    let read = DescribeRulesInput::builder().rule_arns(simulation.rule_arn().as_str());
    let rules = simulation.aws().elb.describe_rules(read).await.unwrap();
    let described = rules.rules()[0].actions().to_vec();
    // Sent back as it was described, the log-in lacks its secret.
    let send = async |actions: Vec<Action>| {
        let input = ModifyRuleInput::builder()
            .rule_arn(simulation.rule_arn().as_str())
            .set_actions(Some(actions));
        simulation.aws().elb.modify_rule(input).await
    };
    let error = send(described.clone()).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("InvalidLoadBalancerAction"));
    assert_eq!(simulation.changes().len(), 1);
    let mut confirmed = described;
    let login = confirmed[0].authenticate_oidc_config.as_mut().unwrap();
    login.use_existing_client_secret = Some(true);
    send(confirmed).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn p10_a_lost_answer_takes_ten_seconds_and_tells_nothing_of_the_effect() {
    let faults = [
        (Fault::TimeoutBeforeEffect, weights(100, 0)),
        (Fault::TimeoutAfterEffect, weights(50, 50)),
    ];
    for (fault, wanted) in faults {
        let simulation = simulation(Simulation::builder());
        simulation.fail(Call::ModifyRule.nth(1), fault);
        let error = write(&simulation, 50, 50).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::OutcomeUnknown);
        assert_eq!(simulation.elapsed(), Duration::from_secs(10));
        assert_eq!(simulation.weights(), wanted, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn faults_hit_the_calls_that_they_are_for() {
    let simulation = simulation(Simulation::builder());
    simulation.fail(Call::ModifyRule.nth(2), Fault::Throttle);
    simulation.fail(Call::ModifyRule.from_nth(4), Fault::Denied);
    let mut kinds = Vec::new();
    for green in 1..=5 {
        kinds.push(
            write(&simulation, 100, green)
                .await
                .err()
                .map(|error| error.kind),
        );
    }
    let (throttled, denied) = (Some(ErrorKind::Throttled), Some(ErrorKind::Denied));
    assert_eq!(kinds, [None, throttled, None, denied, denied]);
    assert_eq!(
        (simulation.weights(), simulation.calls(Call::ModifyRule)),
        (weights(100, 3), 5)
    );
}

#[tokio::test(start_paused = true)]
async fn p07_somebody_else_writes_right_before_a_call() {
    let simulation = simulation(Simulation::builder());
    let weights_of_theirs = weights(70, 30);
    simulation.fail(
        Call::ModifyRule.nth(1),
        Fault::ThirdPartyWrite {
            weights: weights_of_theirs,
        },
    );
    write(&simulation, 50, 50).await.unwrap();
    let changes = simulation.changes();
    let seen: Vec<_> = changes
        .iter()
        .map(|change| (change.by, change.weights))
        .collect();
    assert_eq!(
        seen,
        [
            (Writer::Start, weights(100, 0)),
            (Writer::Stranger, weights_of_theirs),
            (Writer::Caller, weights(50, 50)),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn p04_a_sticky_share_lags_behind_the_weights() {
    let share_after = async |builder: SimulationBuilder| {
        let simulation = simulation(builder.traffic(100.0));
        simulation.third_party_write(weights(0, 100));
        sleep(MINUTE * 2).await;
        let sent = simulation.sent();
        sent.green * 100 / (sent.blue + sent.green)
    };
    let sticky = || Simulation::builder().sticky(MINUTE * 60);
    assert_eq!(share_after(Simulation::builder()).await, 100);
    let lagging = share_after(sticky()).await;
    assert!((20..30).contains(&lagging), "{lagging} %");
    // Clients are pinned by the weights of the start, even ones included.
    let lagging = share_after(sticky().weights(weights(50, 50))).await;
    assert!((55..65).contains(&lagging), "{lagging} %");
}

#[tokio::test(start_paused = true)]
async fn p02_targets_of_a_group_in_no_rule_are_unused() {
    let simulation = simulation(Simulation::builder().detached_green());
    let unused = TargetCounts {
        other: 4,
        ..TargetCounts::default()
    };
    assert_eq!(simulation.targets().green, unused);
    write(&simulation, 100, 0).await.unwrap();
    assert_eq!(simulation.targets().green, TargetCounts::all_healthy(4));
}

#[tokio::test(start_paused = true)]
async fn p02_dead_targets_are_unhealthy_only_after_three_checks() {
    let dies = When::Between(MINUTE, Duration::MAX);
    let simulation =
        simulation(Simulation::builder().green(Service::new(4).with(dies, Behaviour::Dead)));
    sleep(Duration::from_secs(149)).await;
    assert_eq!(simulation.targets().green.healthy, 4);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(simulation.targets().green.unhealthy, 4);
}

#[tokio::test(start_paused = true)]
async fn p02_targets_warm_up_one_by_one() {
    let simulation =
        simulation(Simulation::builder().green(Service::new(3).warming(MINUTE, MINUTE)));
    for healthy in 0..=3 {
        let green = simulation.targets().green;
        assert_eq!((green.healthy, green.initial), (healthy, 3 - healthy));
        sleep(MINUTE).await;
    }
}

#[test]
fn every_scenario_is_found_by_its_name_and_explains_itself() {
    for scenario in Scenario::ALL {
        assert_eq!(scenario.to_string().parse(), Ok(scenario));
        assert!(!scenario.explanation().is_empty());
        assert!(
            [0, 3, 10, 12, 20].contains(&scenario.expected_exit()),
            "{scenario}"
        );
    }
    let error = "heathy".parse::<Scenario>().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("`heathy` is none of healthy, green-errors")
    );
}

/// The names in each list of the answer: metric alarms, composite ones, log alarms.
async fn alarms(simulation: &Simulation, types: &[AlarmType]) -> [Vec<String>; 3] {
    let input = DescribeAlarmsInput::builder().set_alarm_types(Some(types.to_vec()));
    let answer = simulation.aws().cloudwatch.describe_alarms(input).await;
    let answer = answer.unwrap();
    let name = |name: Option<String>| name.unwrap_or_default();
    [
        answer
            .metric_alarms
            .unwrap_or_default()
            .into_iter()
            .map(|a| name(a.alarm_name))
            .collect(),
        answer
            .composite_alarms
            .unwrap_or_default()
            .into_iter()
            .map(|a| name(a.alarm_name))
            .collect(),
        answer
            .log_alarms
            .unwrap_or_default()
            .into_iter()
            .map(|a| name(a.alarm_name))
            .collect(),
    ]
}

#[tokio::test(start_paused = true)]
async fn alarms_are_listed_by_their_types_and_without_types_only_metric_ones() {
    let world = Simulation::builder()
        .alarm("metric", When::Always)
        .alarm_of(AlarmKind::Composite, "composite", When::Always)
        .alarm_of(AlarmKind::Log, "log", When::Always);
    let simulation = simulation(world);
    let own = |name: &str| vec![name.to_owned()];
    let none = Vec::new;
    assert_eq!(
        alarms(&simulation, &[]).await,
        [own("metric"), none(), none()]
    );
    let all = [
        AlarmType::MetricAlarm,
        AlarmType::CompositeAlarm,
        AlarmType::LogAlarm,
    ];
    let listed = alarms(&simulation, &all).await;
    assert_eq!(listed, [own("metric"), own("composite"), own("log")]);
    assert_eq!(
        alarms(&simulation, &all[1..2]).await,
        [none(), own("composite"), none()]
    );
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_cannot_be_evaluated_keeps_its_state_and_says_so() {
    let minute = When::Between(Duration::ZERO, MINUTE);
    let world = Simulation::builder()
        .alarm("green-errors", When::Between(9 * MINUTE, 10 * MINUTE))
        .alarm_fails(AlarmEvaluation::Failure, minute);
    let simulation = simulation(world);
    for expected in [Some(EvaluationState::EvaluationFailure), None] {
        let input = DescribeAlarmsInput::builder().alarm_names("green-errors");
        let answer = simulation.aws().cloudwatch.describe_alarms(input).await;
        let answer = answer.unwrap();
        let alarm = &answer.metric_alarms()[0];
        assert_eq!(alarm.state_value(), Some(&StateValue::Ok));
        assert_eq!(alarm.evaluation_state(), expected.as_ref());
        sleep(2 * MINUTE).await;
    }
}
