//! One deployment, from its start to its end and on to the horizon.

use std::time::Duration;

use async_trait::async_trait;
use bluegreen::{
    Result,
    aws::{
        cloudwatch::{AlbMetrics, CloudWatchGate},
        ecs::EcsNativeDeployment,
        sim::{Behaviour, Service, Simulation, SimulationBuilder, When, Writer},
    },
    engine::{Journal, Record},
    health::{
        Limits, TargetHealthGate,
        sequential::{Sequential, Settings},
    },
    native::{Cause, NativeJudge, NativeOutcome, NativePlan},
};
use rand::{RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::{runtime::Builder, time::sleep};

use crate::{
    rules::End,
    study::Run,
    world::{real, real_of},
};

const MINUTE: Duration = Duration::from_secs(60);
/// Failed requests are counted for this long: a linear deployment of ten steps takes an hour by itself.
pub(super) const HORIZON: u32 = 120;
/// Alarms alone end a deployment long before that.
const LONGEST: u32 = 600;
const ALARM: &str = "green-errors";

/// How ECS moves the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    /// A tenth at each step, six minutes each: ECS's own defaults.
    Linear,
    /// A tenth for ten minutes, then the rest.
    Canary,
}

/// What may end a deployment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guard {
    /// The alarm's limit, in percent of green's requests.
    pub(super) alarm: Option<f64>,
    /// The version of the judge's rule; `None` without a judge.
    pub(super) judge: Option<u32>,
}

/// Green's behaviour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Green {
    /// As blue.
    Healthy,
    /// This many times as many errors as blue, from the first request on.
    Times(f64),
    /// The same from a minute on that is drawn between 0 and 18, after green's first request.
    Late(f64),
    /// Fails every request.
    Outage,
}

/// A service and its release.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) green: Green,
    /// Requests a minute.
    pub(super) rate: f64,
    /// The fraction of blue's requests that fail.
    pub(super) base: f64,
}

impl Strategy {
    fn configuration(self, guard: Guard) -> Value {
        let mut configuration = match self {
            Self::Linear => json!({
                "strategy": "LINEAR",
                "linearConfiguration": {"stepPercent": 10.0, "stepBakeTimeInMinutes": 6}
            }),
            Self::Canary => json!({
                "strategy": "CANARY",
                "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 10}
            }),
        };
        configuration["bakeTimeInMinutes"] = json!(10);
        if guard.alarm.is_some() {
            let alarms = json!({"alarmNames": [ALARM], "enable": true, "rollback": true});
            configuration["alarms"] = alarms;
        }
        if guard.judge.is_some() {
            configuration["lifecycleHooks"] = json!([{
                "targetType": "PAUSE", "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
                "timeoutConfiguration": {"timeoutInMinutes": 1_440, "action": "ROLLBACK"}
            }]);
        }
        configuration
    }
}

/// Two of three minutes above a limit of errors, of green alone: the best that an alarm can watch. Missing data
/// is healthy, as in the rule `codedeploy`.
fn alarm(limit: f64) -> Value {
    let world = Simulation::builder().build();
    let (balancer, green) = (world.listener().load_balancer(), world.green());
    let green = green.as_str().rsplit(':').next();
    let metric = |id: &str, name: &str| {
        json!({"Id": id, "ReturnData": false, "MetricStat": {
        "Period": 60, "Stat": "Sum", "Metric": {
            "Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": [
                {"Name": "LoadBalancer", "Value": balancer.dimension()},
                {"Name": "TargetGroup", "Value": green}
            ]}}})
    };
    json!({
        "AlarmName": ALARM, "Threshold": limit, "TreatMissingData": "notBreaching",
        "ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 3, "DatapointsToAlarm": 2,
        "Metrics": [
            metric("errors", "HTTPCode_Target_5XX_Count"), metric("requests", "RequestCount"),
            {"Id": "share", "Expression": "100 * FILL(errors, 0) / requests"}
        ]
    })
}

impl Case {
    fn world(self, strategy: Strategy, guard: Guard, seed: u64) -> SimulationBuilder {
        let sound = Service::new(4).with_error_rate(self.base);
        let more = |times: f64| Behaviour::Errors((times - 1.0) * self.base);
        let green = match self.green {
            Green::Healthy => sound.clone(),
            Green::Times(times) => sound.clone().with(When::Always, more(times)),
            Green::Late(times) => {
                let drawn: f64 = ChaCha8Rng::seed_from_u64(seed).random();
                let onset = When::AfterNthRise(1, MINUTE.mul_f64(18.0 * drawn), Duration::MAX);
                sound.clone().with(onset, more(times))
            }
            Green::Outage => sound.clone().with(When::Always, Behaviour::Errors(1.0)),
        };
        let mut world = Simulation::builder()
            .seed(seed)
            .traffic(self.rate / 60.0)
            .blue(sound)
            .green(green)
            .history(MINUTE * 240)
            .native(strategy.configuration(guard));
        if let Some(limit) = guard.alarm {
            world = world.metric_alarm(alarm(limit));
        }
        world.third_party_deploy_at(Duration::ZERO)
    }
}

/// Plays one deployment.
pub(super) fn deploy(case: Case, strategy: Strategy, guard: Guard, seed: u64) -> Run {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    // Without its own threads and without I/O there is nothing to fail.
    let Ok(runtime) = runtime else {
        return Run::default();
    };
    let simulation = case.world(strategy, guard, seed).build();
    runtime.block_on(async {
        let ended = async {
            let end = match guard.judge {
                Some(rule) => judged(&simulation, rule).await,
                None => alone(&simulation).await,
            };
            (end, simulation.elapsed())
        };
        let harmed = async {
            sleep(MINUTE * HORIZON).await;
            let (sent, failed) = (simulation.sent().green, simulation.failed().green);
            real(failed) - real(sent) * case.base
        };
        let ((end, at), harmed) = tokio::join!(ended, harmed);
        Run {
            end,
            minutes: stopped(&simulation).unwrap_or(at).as_secs_f64() / 60.0,
            last_shift: None,
            harm: None,
            harmed,
        }
    })
}

/// When ECS put everything back, if it did.
fn stopped(simulation: &Simulation) -> Option<Duration> {
    let changes = simulation.changes();
    let (first, last) = (changes.first()?, changes.last()?);
    let is_back = last.by == Writer::Service && last.weights.green == 0;
    let after = last.at.duration_since(first.at).unsigned_abs();
    is_back.then_some(after)
}

/// ECS alone: it ends the deployment by itself.
async fn alone(simulation: &Simulation) -> End {
    for _ in 0..LONGEST * 4 {
        sleep(MINUTE / 4).await;
        let last = simulation.service_deployments().pop();
        match last.map(|(_, status)| status) {
            Some("SUCCESSFUL") => return End::Promoted,
            Some("ROLLBACK_SUCCESSFUL") => return End::Stopped,
            _ => {}
        }
    }
    End::Inconclusive
}

/// The judge with the gates that a file has without further settings.
async fn judged(simulation: &Simulation, rule: u32) -> End {
    let aws = simulation.aws();
    let Some((arn, _)) = simulation.service_deployments().pop() else {
        return End::Inconclusive;
    };
    let (Ok(deployment), Ok(plan)) = (
        EcsNativeDeployment::new(&aws, &arn),
        NativePlan::builder().build(),
    ) else {
        return End::Inconclusive;
    };
    let balancer = simulation.listener().load_balancer();
    let metrics = AlbMetrics::new(&aws, balancer, simulation.blue(), simulation.green());
    let mut limits = Limits::default();
    limits.excuses_lag = rule > 1;
    let settings = match rule {
        1 => Settings::default(),
        _ => Settings::default().by_second_rule(),
    };
    let mut gate =
        CloudWatchGate::alb(metrics, limits).with_judge("sequential", Sequential::new(settings));
    if rule > 1 {
        gate = gate.warming_once();
    }
    let ended = NativeJudge::new(plan, deployment)
        .clock(aws.clock())
        .journal(Nowhere)
        .gate("targets", TargetHealthGate::new())
        .gate("metrics", gate)
        .run()
        .await;
    match ended {
        Ok(NativeOutcome::Promoted { .. }) => End::Promoted,
        Ok(NativeOutcome::RolledBack {
            cause: Cause::Gate { .. } | Cause::Platform { .. },
            ..
        }) => End::Stopped,
        _ => End::Inconclusive,
    }
}

/// A journal that keeps nothing: these runs are never resumed.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Journal for Nowhere {
    async fn append(&self, _: Record) -> Result<()> {
        Ok(())
    }
}

/// A deployment takes this long at least, in minutes, if nothing holds it.
pub(super) fn shortest(strategy: Strategy) -> f64 {
    match strategy {
        Strategy::Linear => real_of(9 * 6 + 10),
        Strategy::Canary => real_of(10 + 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(green: Green, alarm: Option<f64>, judge: Option<u32>, seed: u64) -> Run {
        let case = Case {
            green,
            rate: 600.0,
            base: 0.01,
        };
        deploy(case, Strategy::Canary, Guard { alarm, judge }, seed)
    }

    #[test]
    fn a_good_green_is_promoted_and_an_outage_is_stopped_by_each_guard() {
        for (alarm, judge) in [(Some(5.0), None), (None, Some(2)), (Some(5.0), Some(2))] {
            let good = run(Green::Healthy, alarm, judge, 3);
            assert_eq!(good.end, End::Promoted, "{alarm:?}, {judge:?}");
            assert!(good.minutes >= shortest(Strategy::Canary), "{good:?}");
            let bad = run(Green::Outage, alarm, judge, 3);
            assert_eq!(bad.end, End::Stopped, "{alarm:?}, {judge:?}");
            assert!(bad.minutes < 10.0 && bad.harmed > 50.0, "{bad:?}");
        }
    }

    #[test]
    fn without_a_guard_an_outage_is_promoted() {
        let bad = run(Green::Outage, None, None, 1);
        assert_eq!(bad.end, End::Promoted);
        assert!(bad.harmed > 10_000.0, "{bad:?}");
    }
}
