//! A judge of a deployment that ECS moves decides at the same minutes as the rule by itself, fed with the same
//! counts: neither adapters nor settling, machine or pauses move a decision.

use std::time::Duration;

use bluegreen::{
    Aws, HealthGate,
    aws::{
        cloudwatch::AlbMetrics,
        sim::{Behaviour, Service, Simulation, SimulationBuilder, When},
    },
    engine::Event,
    health::{
        MetricsGate, Tally,
        sequential::{Minute, MinuteSide, Ruling, Sequential, SequentialTest, Settings},
    },
    native::{NativeEvent, NativePlan},
    traffic::Sides,
};
use jiff::Timestamp;
use serde_json::json;
use tokio::time::sleep;

use crate::common::{Gates, cases::each, native::Story};

const MINUTE: Duration = Duration::from_secs(60);
/// Blue has served for this long before the deployment begins.
const BEFORE: u32 = 30;
/// The base rate of errors.
const BASE: f64 = 0.01;

/// The scenarios of the gate's benchmark, as this world can play them: green's figures, and its name there.
fn scenarios() -> [(&'static str, Service); 6] {
    let green = || Service::new(4).with_error_rate(BASE);
    let after = |nth: u32, from: Duration, to: Duration, errors: f64| {
        green().with(When::AfterNthRise(nth, from, to), Behaviour::Errors(errors))
    };
    let ever = Duration::MAX;
    [
        ("healthy", green()),
        ("coldstart", after(1, Duration::ZERO, MINUTE, 0.10)),
        ("x2", green().with_error_rate(2.0 * BASE)),
        ("x5", green().with_error_rate(5.0 * BASE)),
        ("outage", green().with_error_rate(1.0)),
        // Five times as many errors, from the third minute at 100 % on.
        ("late_bake", after(4, MINUTE * 2, ever, 4.0 * BASE)),
    ]
}

/// A linear deployment by quarters that pauses at once after each shift, so that the gate alone decides.
fn world(green: Service) -> SimulationBuilder {
    let pause = json!({
        "targetType": "PAUSE", "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
        "timeoutConfiguration": {"timeoutInMinutes": 600, "action": "ROLLBACK"}
    });
    Simulation::builder()
        .traffic(50.0)
        .blue(Service::new(4).with_error_rate(BASE))
        .green(green)
        .native(json!({
            "strategy": "LINEAR", "bakeTimeInMinutes": 30, "lifecycleHooks": [pause],
            "linearConfiguration": {"stepPercent": 25.0, "stepBakeTimeInMinutes": 0}
        }))
        .third_party_deploy_at(MINUTE * BEFORE)
}

/// One gate with one judge: the comparison of errors.
fn gates(aws: &Aws, simulation: &Simulation, settings: &Settings) -> Gates {
    let balancer = simulation.listener().load_balancer();
    let metrics = AlbMetrics::new(aws, balancer, simulation.blue(), simulation.green());
    let gate =
        MetricsGate::new(metrics).with_judge("sequential", Sequential::new(settings.clone()));
    vec![(
        "metrics".into(),
        std::sync::Arc::new(gate) as std::sync::Arc<dyn HealthGate>,
    )]
}

/// Requests and errors of both sides in each minute, as the world itself counts them.
async fn counted(simulation: &Simulation, minutes: &mut Vec<Sides<(u64, u64)>>) {
    let mut before = Sides::<(u64, u64)>::default();
    loop {
        let next = MINUTE * u32::try_from(minutes.len() + 1).expect("few minutes");
        sleep(next.saturating_sub(simulation.elapsed())).await;
        let (sent, failed) = (simulation.sent(), simulation.failed());
        let now = Sides {
            blue: (sent.blue, failed.blue),
            green: (sent.green, failed.green),
        };
        let of = |now: (u64, u64), before: (u64, u64)| (now.0 - before.0, now.1 - before.1);
        minutes.push(Sides {
            blue: of(now.blue, before.blue),
            green: of(now.green, before.green),
        });
        before = now;
    }
}

/// A decision at a share in tenths of a percent, by the minutes up to this one.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Continue { share: u16, minute: usize },
    Stop { share: u16, minute: usize },
}

/// What the judge decided: by what it told.
fn decided(events: &[Event<NativeEvent>], start: Timestamp) -> Vec<Decision> {
    let (mut minute, mut share) = (0, 0);
    let mut decisions = Vec::new();
    for event in events {
        match &event.kind {
            NativeEvent::Looked { .. } => minute = newest(event, start).unwrap_or(minute),
            NativeEvent::ShareSeen { green } => share = green.as_tenths(),
            NativeEvent::Answering { green, .. } if green.as_tenths() > 0 => {
                decisions.push(Decision::Continue { share, minute });
            }
            NativeEvent::RollingBack { .. } => decisions.push(Decision::Stop { share, minute }),
            _ => {}
        }
    }
    decisions
}

/// How many minutes since the start of the world had settled at a look.
fn newest(look: &Event<NativeEvent>, start: Timestamp) -> Option<usize> {
    let NativeEvent::Looked { gates, .. } = &look.kind else {
        return None;
    };
    let traffic = gates.first()?.verdict.evidence().traffic.as_ref()?;
    let seconds = traffic.to.as_second() - start.as_second();
    usize::try_from(seconds / 60).ok()
}

/// What the rule by itself decides on the counts of each minute, in the steps that ECS made.
fn ruled(
    events: &[Event<NativeEvent>],
    counts: &[Sides<(u64, u64)>],
    settings: &Settings,
    start: Timestamp,
) -> Vec<Decision> {
    let side =
        |(requests, errors): (u64, u64)| MinuteSide::new(requests, Tally::exact(errors), None);
    let mut past = Vec::new();
    let mut rule: Option<SequentialTest> = None;
    // When each share was seen, and the share.
    let mut steps: Vec<(Timestamp, u16)> = Vec::new();
    let mut taken = 0;
    let mut is_decided = false;
    let mut has_begun = 0;
    let mut decisions = Vec::new();
    for event in events {
        if let NativeEvent::ShareSeen { green } = &event.kind {
            steps.push((event.at, green.as_tenths()));
            is_decided = false;
            continue;
        }
        let Some(known) = newest(event, start) else {
            continue;
        };
        if let Some((_, share)) = steps.get(has_begun) {
            let rule = rule.get_or_insert_with(|| {
                let newest_first = past.iter().rev().copied();
                SequentialTest::new(settings.clone(), newest_first.collect())
            });
            rule.begin(f64::from(*share) / 1_000.0);
            has_begun += 1;
        }
        let mut ruling = None;
        let minutes = counts.iter().enumerate().take(known).skip(taken);
        for (minute, count) in minutes {
            let begins = start + MINUTE * u32::try_from(minute).expect("few minutes");
            let ends = begins + MINUTE;
            // A shift is seen a moment after it: a tenth of a minute does not count.
            let begun = begins + MINUTE / 10;
            let Some(rule) = rule.as_mut().filter(|_| ends > steps[0].0) else {
                past.push(side(count.blue));
                continue;
            };
            let share = steps.iter().rev().find(|(since, _)| *since <= begun);
            let share = share.map_or(0.0, |(_, share)| f64::from(*share) / 1_000.0);
            let cold = |(since, _): &(Timestamp, u16)| begun < *since + MINUTE && ends > *since;
            let mut judged = Minute::new(side(count.green), side(count.blue), share);
            judged = judged.warming(steps.iter().any(cold));
            if steps.last().is_some_and(|(since, _)| begun < *since) {
                judged = judged.of_earlier_step();
            }
            ruling = Some(rule.take(&judged));
        }
        taken = taken.max(known);
        let Some((_, share)) = steps.last().copied().filter(|_| !is_decided) else {
            continue;
        };
        let minute = taken;
        match ruling {
            Some(Ruling::Stop(_)) => {
                decisions.push(Decision::Stop { share, minute });
                return decisions;
            }
            Some(Ruling::GoOn) if share < 1_000 => {
                decisions.push(Decision::Continue { share, minute });
                is_decided = true;
            }
            _ => {}
        }
    }
    decisions
}

#[test]
fn decisions_fall_at_the_minutes_of_the_rule_by_itself() {
    let rules = [
        ("rule 1", Settings::default().without_latency()),
        (
            "rule 2",
            Settings::default().by_second_rule().without_latency(),
        ),
    ];
    let cases = rules.into_iter().flat_map(|rule| {
        let cases = scenarios()
            .into_iter()
            .map(move |scenario| (rule.clone(), scenario));
        cases.collect::<Vec<_>>()
    });
    let cases: Vec<_> = cases.collect();
    let ends = each(cases, async |((rule, settings), (name, green))| {
        let simulation = world(green).seed(11).build();
        let start = simulation.aws().clock().now();
        let mut counts = Vec::new();
        let story = async {
            sleep(MINUTE * BEFORE + Duration::from_secs(1)).await;
            let plan = NativePlan::builder()
                .bake(MINUTE)
                .answer_within(MINUTE * 500);
            let plan = plan.build().expect("valid");
            let story = Story::new(simulation.clone(), plan, |aws, world| {
                gates(aws, world, &settings)
            });
            let ended = story.run().await;
            let code = story.check(&ended);
            // The minutes of the end.
            sleep(MINUTE).await;
            (story, code)
        };
        let (story, code) = tokio::select! {
            biased;
            ended = story => ended,
            () = counted(&simulation, &mut counts) => unreachable!("it counts for ever"),
        };
        let events = story.events.lock().expect("no panic").clone();
        let decisions = decided(&events, start);
        let place = format!("{name}, {rule}: {}", story.last_words());
        assert!(!decisions.is_empty(), "{place}");
        assert_eq!(
            decisions,
            ruled(&events, &counts, &settings, start),
            "{place}"
        );
        let stops = decisions
            .iter()
            .any(|one| matches!(one, Decision::Stop { .. }));
        assert_eq!(code, if stops { 10 } else { 0 }, "{place}");
        (name, stops)
    });
    // The worlds are what their names say.
    for (name, stops) in ends {
        let is_bad = !matches!(name, "healthy" | "coldstart");
        assert_eq!(stops, is_bad, "{name}");
    }
}
