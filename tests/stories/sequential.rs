//! The sequential comparison end to end: the simulated AWS, the real adapters, the engine.

use std::time::Duration;

use bluegreen::{
    MigrationPlan, Percent,
    aws::{
        cloudwatch::{AlbMetrics, CloudWatchGate},
        sim::{Behaviour, Service, Simulation, SimulationBuilder, When},
    },
    health::{
        Limits, MetricsGate, SettledBuckets,
        sequential::{
            Minute, MinuteSide, Ruling, Sequential, SequentialTest, Settings, StepMargins,
        },
    },
    migration::{Intent, MigrationEvent},
};
use jiff::Timestamp;

use crate::common::{Gates, Run, compare, comparing, comparing_plan, run_under};

fn world(green: Service, traffic: f64) -> SimulationBuilder {
    let day = Duration::from_secs(24 * 3_600);
    Simulation::builder()
        .traffic(traffic)
        .green(green)
        .history(day)
}

fn good() -> Service {
    Service::new(4)
}

async fn compared(simulation: &Simulation) -> Run {
    let run = compare(simulation).await;
    run.check_promises(false);
    run
}

/// The gate by itself, without the limits beside it.
fn alone(aws: &bluegreen::Aws, simulation: &Simulation) -> Gates {
    let balancer = simulation.listener().load_balancer();
    let source = AlbMetrics::new(aws, balancer, simulation.blue(), simulation.green());
    let gate = MetricsGate::new(source).with_judge("sequential", Sequential::default());
    vec![("sequential".into(), std::sync::Arc::new(gate))]
}

/// Every observation of the gate, with its time.
fn observations(run: &Run) -> Vec<(Timestamp, SettledBuckets)> {
    fn find(value: &serde_json::Value, found: &mut Vec<SettledBuckets>) {
        match value {
            serde_json::Value::Object(object) => {
                if object.get("schema").and_then(|schema| schema.as_str())
                    == Some(SettledBuckets::SCHEMA)
                {
                    found.extend(serde_json::from_value(object["body"].clone()).ok());
                }
                object.values().for_each(|inner| find(inner, found));
            }
            serde_json::Value::Array(values) => values.iter().for_each(|inner| find(inner, found)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    let records = run.journal.records().into_iter();
    // A snapshot holds the last observation once more.
    for record in records.filter(|record| !record.is_snapshot) {
        let mut found = Vec::new();
        find(record.entry.value(), &mut found);
        all.extend(found.into_iter().map(|seen| (record.at, seen)));
    }
    all
}

/// The decisions with their times: the steps that passed by proof, and a rollback.
fn decisions(run: &Run) -> Vec<(Timestamp, &'static str)> {
    let decided = run.events.iter().filter_map(|event| match &event.kind {
        MigrationEvent::StepPassed { step, .. } if *step < 3 => Some((event.at, "go on")),
        MigrationEvent::RollingBack { .. } => Some((event.at, "stop")),
        _ => None,
    });
    decided.collect()
}

/// The bare rule on the counts that the journal holds, with the splits that were read back.
fn by_the_bare_rule(run: &Run) -> Vec<(Timestamp, &'static str)> {
    let mut shifts = Vec::new();
    for event in &run.events {
        if let MigrationEvent::Shifted { traffic, .. } = &event.kind {
            shifts.push((event.at, traffic.green_share()));
        }
    }
    let mut past = Vec::new();
    let mut test: Option<SequentialTest> = None;
    let (mut entered, mut decided) = (0, Vec::new());
    let tenth = Duration::from_secs(6);
    for (at, seen) in observations(run) {
        let now = shifts.iter().filter(|(since, _)| *since < at).count();
        for bucket in &seen.buckets {
            let (first, _) = shifts[0];
            if bucket.end() <= first {
                past.extend(MinuteSide::of(&bucket.sides.blue));
                continue;
            }
            let test = test.get_or_insert_with(|| {
                let past = past.iter().rev().copied().collect();
                SequentialTest::new(Settings::default(), past)
            });
            if entered < now {
                entered = now;
                test.enter(StepMargins::of_share(shifts[now - 1].1));
            }
            let begins = bucket.start + tenth;
            let own = shifts.iter().rev().find(|(since, _)| *since <= begins);
            let share = own.map_or(0.0, |(_, share)| *share);
            let is_cold = shifts.iter().any(|(since, _)| {
                begins < *since + Duration::from_secs(60) && bucket.end() > *since
            });
            let side = |counts| MinuteSide::of(counts).expect("known");
            let (green, blue) = (side(&bucket.sides.green), side(&bucket.sides.blue));
            let mut minute = Minute::new(green, blue, share).warming(is_cold);
            if begins < shifts[now - 1].0 {
                minute = minute.of_earlier_step();
            }
            match test.take(&minute) {
                Ruling::GoOn if decided.len() < now && now < 4 => decided.push((at, "go on")),
                Ruling::Stop(_) => {
                    decided.push((at, "stop"));
                    return decided;
                }
                _ => {}
            }
        }
    }
    decided
}

/// Six worlds in which the gate on the simulated AWS decides in the same minute as the bare rule on the
/// same counts.
#[tokio::test(start_paused = true)]
async fn p08_p09_the_adapters_decide_in_the_minute_of_the_bare_rule() {
    let always = When::Always;
    let from = |minute: u64| When::Between(Duration::from_secs(60 * minute), Duration::MAX);
    let worlds: [(&str, Service, &str); 6] = [
        ("healthy", good(), "go on"),
        ("x5", good().with(always, Behaviour::Errors(0.004)), "stop"),
        ("abs20", good().with(always, Behaviour::Errors(0.2)), "stop"),
        ("leak", good().with(from(8), Behaviour::Leak(0.005)), "stop"),
        (
            "lat100",
            good().with(always, Behaviour::Latency(Duration::from_millis(240))),
            "stop",
        ),
        (
            "late",
            good().with(from(20), Behaviour::Errors(0.05)),
            "stop",
        ),
    ];
    for (name, green, last) in worlds {
        let simulation = world(green, 100.0).build();
        let run = run_under(&simulation, comparing_plan(), Intent::Migrate, None, alone).await;
        run.check_promises(false);
        let decided = decisions(&run);
        assert_eq!(decided, by_the_bare_rule(&run), "{name}");
        assert_eq!(
            decided.last().map(|(_, what)| *what),
            Some(last),
            "{name}: {decided:?}"
        );
    }
}

/// With any interval of looks the same minutes settle, and the decisions are the same.
#[tokio::test(start_paused = true)]
async fn p09_looking_every_5_seconds_decides_as_looking_every_minute() {
    let decided = |every: u64, errors: f64| async move {
        let green = good().with(When::Always, Behaviour::Errors(errors));
        let simulation = world(green, 100.0).build();
        let plan = comparing_plan().to_builder();
        let plan = plan
            .look_interval(Duration::from_secs(every))
            .build()
            .expect("valid");
        let run = run_under(&simulation, plan, Intent::Migrate, None, alone).await;
        // The newest minute that was known at the first decision.
        let first = decisions(&run)[0].0;
        let mut known = observations(&run)
            .into_iter()
            .filter(|(at, _)| *at <= first);
        let newest = known.next_back().and_then(|(_, seen)| seen.end());
        (run.exit_code(), newest)
    };
    for (errors, exit) in [(0.01, 10), (0.0, 0)] {
        let (slow, fast) = (decided(60, errors).await, decided(5, errors).await);
        assert_eq!(slow.0, exit);
        assert_eq!(fast, slow, "the same minutes were needed");
    }
}

#[tokio::test(start_paused = true)]
async fn what_hurts_both_is_waited_out() {
    let common = Behaviour::Errors(0.10);
    let when = When::Between(Duration::from_secs(4 * 60), Duration::from_secs(7 * 60));
    let simulation = world(good().with(when, common), 100.0)
        .blue(good().with(when, common))
        .build();
    let run = compared(&simulation).await;
    assert_eq!(run.exit_code(), 0, "{}", run.last_words());
}

#[tokio::test(start_paused = true)]
async fn p01_a_green_that_goes_silent_is_rolled_back() {
    let after = When::Between(Duration::from_secs(5 * 60), Duration::MAX);
    let simulation = world(good().with(after, Behaviour::Silent), 100.0).build();
    let run = compared(&simulation).await;
    assert_eq!(run.exit_code(), 10, "{}", run.last_words());
    let minutes = run
        .events
        .last()
        .map_or(0, |event| event.elapsed.as_secs() / 60);
    assert!(minutes < 20, "not at the deadline: {minutes}");
}

#[tokio::test(start_paused = true)]
async fn a_blue_that_is_ill_is_no_measure() {
    let ill = Service::new(4).with_error_rate(0.04);
    let simulation = world(good(), 100.0).blue(ill).build();
    let run = compared(&simulation).await;
    assert_eq!(run.exit_code(), 3, "{}", run.last_words());
    assert!(
        run.last_words().contains("blue itself fails"),
        "{}",
        run.last_words()
    );
}

/// 10, 50, 100 without blue at the end: its past is the control.
#[tokio::test(start_paused = true)]
async fn a_plain_last_step_is_held_against_blues_past() {
    let plan = |green: Service| async move {
        let simulation = world(green, 100.0).build();
        let plan = comparing_plan().to_builder().hold_back(Percent::ZERO);
        let shares = ["10", "50", "100"].map(|share| share.parse().expect("a percent"));
        let plan: MigrationPlan = plan.steps(shares).build().expect("valid");
        let run = run_under(&simulation, plan, Intent::Migrate, None, comparing).await;
        run.check_promises(false);
        run.exit_code()
    };
    assert_eq!(plan(good()).await, 0);
    // Green breaks once it serves alone.
    let third = When::AfterNthRise(3, Duration::from_secs(60), Duration::MAX);
    assert_eq!(plan(good().with(third, Behaviour::Errors(0.02))).await, 10);
}

/// The whole gate by the second rule, and its final bake.
#[tokio::test(start_paused = true)]
async fn by_the_second_rule_harm_at_100_percent_is_rolled_back_and_a_good_green_stays() {
    let gates = |aws: &bluegreen::Aws, simulation: &Simulation| -> Gates {
        let balancer = simulation.listener().load_balancer();
        let source = AlbMetrics::new(aws, balancer, simulation.blue(), simulation.green());
        let settings = Settings::default().by_second_rule();
        let mut limits = Limits::default();
        limits.excuses_lag = true;
        let gate = CloudWatchGate::alb(source, limits)
            .with_judge("sequential", Sequential::new(settings))
            .warming_once();
        vec![("metrics".into(), std::sync::Arc::new(gate))]
    };
    let ten_minutes = Duration::from_secs(600);
    let run = |green: Service, bake: Duration| async move {
        let simulation = world(green, 100.0).build();
        let plan = comparing_plan().to_builder().final_bake(bake);
        let plan = plan.build().expect("valid");
        let run = run_under(&simulation, plan, Intent::Migrate, None, gates).await;
        run.check_promises(false);
        run
    };
    let good_run = run(good(), ten_minutes).await;
    assert_eq!(good_run.exit_code(), 0, "{}", good_run.last_words());
    // The fourth rise is the one to 100 %; the harm begins five minutes after it, in the bake.
    let late = When::AfterNthRise(4, Duration::from_secs(300), Duration::MAX);
    let bad = good().with(late, Behaviour::Errors(0.04));
    let bad_run = run(bad, ten_minutes).await;
    assert_eq!(bad_run.exit_code(), 10, "{}", bad_run.last_words());
    let said = bad_run.last_words();
    // The ratio is 1.5 times the rise of blue's live minutes, which is chance here; the excess of 0.05% is
    // that of a green with all requests.
    assert!(said.contains("× blue's rate before + 0.05%"), "{said}");
}
