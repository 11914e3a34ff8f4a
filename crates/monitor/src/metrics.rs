//! A migration's metrics, in the form that Prometheus reads.

use std::{fmt::Write as _, sync::atomic::AtomicU64};

use bluegreen::traffic::Side;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::{SidePoint, Stage, View};

/// The content type of [`text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Number = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSide {
    side: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfGate {
    gate: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRun {
    run: String,
    stage: String,
}

/// Returns the metrics of a view, in the text format of `OpenMetrics`. Unknown values are left out.
///
/// | metric | |
/// |---|---|
/// | `bluegreen_run_info{run, stage}` | 1 |
/// | `bluegreen_green_share_asked_ratio`, `…_seen_ratio` | green's share, 0 to 1 |
/// | `bluegreen_requests_per_minute{side}` | in the newest settled minute |
/// | `bluegreen_failed_ratio{side}`, `bluegreen_mean_latency_seconds{side}`, `bluegreen_p99_latency_seconds{side}` | of these requests |
/// | `bluegreen_healthy_targets{side}` | at the newest look |
/// | `bluegreen_gate_healthy{gate}` | 1 healthy, 0 inconclusive, -1 unhealthy |
/// | `bluegreen_gate_harm_ratio{gate}`, `…_proof_ratio{gate}` | evidence as a part of its border, 0 to 1 |
/// | `bluegreen_green_requests_total`, `bluegreen_green_failed_requests_total`, `bluegreen_looks_total` | so far |
/// | `bluegreen_ended`, `bluegreen_exit_code` | 1 once the run is over; its exit code then |
/// | `bluegreen_needs_somebody` | 1 if a person must look now |
#[must_use]
pub fn text(view: &View) -> String {
    let mut registry = Registry::with_prefix("bluegreen");
    let info = Family::<OfRun, Gauge>::default();
    registry.register("run_info", "The run and what it is doing", info.clone());
    info.get_or_create(&OfRun {
        run: view.run.clone().unwrap_or_default(),
        stage: view.stage.text().to_owned(),
    })
    .set(1);
    let newest = view.series.newest().copied().unwrap_or_default();
    let mut number = |name: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            let gauge = Number::default();
            gauge.set(value);
            registry.register(name, help, gauge);
        }
    };
    let ratio = |percent: Option<f64>| percent.map(|percent| percent / 100.0);
    number(
        "green_share_asked_ratio",
        "Green's share by the weights of the rule",
        ratio(newest.asked),
    );
    number(
        "green_share_seen_ratio",
        "Green's share of the requests",
        ratio(newest.seen),
    );
    number(
        "ended",
        "Whether the run is over",
        Some(f64::from(u8::from(view.is_over()))),
    );
    number(
        "exit_code",
        "The exit code of the run",
        view.exit_code.map(f64::from),
    );
    let needs_somebody = view.stage == Stage::Unresolved;
    number(
        "needs_somebody",
        "Whether a person must look now",
        Some(f64::from(u8::from(needs_somebody))),
    );
    let sides = [(Side::Blue, newest.blue), (Side::Green, newest.green)];
    let mut of_side = |name: &str, help: &str, value: fn(&SidePoint) -> Option<f64>| {
        let family = Family::<OfSide, Number>::default();
        for (side, point) in &sides {
            if let Some(value) = value(point) {
                let side = side.to_string();
                family.get_or_create(&OfSide { side }).set(value);
            }
        }
        registry.register(name, help, family);
    };
    of_side(
        "requests_per_minute",
        "Requests in the newest settled minute",
        |side| side.rate,
    );
    of_side(
        "failed_ratio",
        "Part of these requests that failed",
        |side| side.errors.map(|errors| errors / 100.0),
    );
    of_side("mean_latency_seconds", "Their mean latency", |side| {
        side.latency.map(|latency| latency / 1000.0)
    });
    of_side("p99_latency_seconds", "Their 99th percentile", |side| {
        side.p99.map(|latency| latency / 1000.0)
    });
    of_side("healthy_targets", "Healthy targets", |side| {
        side.healthy.map(f64::from)
    });
    let healthy = Family::<OfGate, Gauge>::default();
    let (harm, proof) = (
        Family::<OfGate, Number>::default(),
        Family::<OfGate, Number>::default(),
    );
    for gate in &view.gates {
        let of = OfGate {
            gate: gate.name.clone(),
        };
        healthy.get_or_create(&of).set(match gate.status {
            "healthy" => 1,
            "unhealthy" => -1,
            _ => 0,
        });
        for (family, border) in [(&harm, gate.harm), (&proof, gate.proof)] {
            if let Some(border) = border {
                family.get_or_create(&of).set(border.percent() / 100.0);
            }
        }
    }
    registry.register(
        "gate_healthy",
        "1 healthy, 0 inconclusive, -1 unhealthy",
        healthy,
    );
    registry.register(
        "gate_harm_ratio",
        "Evidence against green; 1 rolls back",
        harm,
    );
    registry.register(
        "gate_proof_ratio",
        "Evidence for green; 1 passes the step",
        proof,
    );
    for (name, help, value) in [
        (
            "green_requests",
            "Requests that reached green",
            view.green_requests,
        ),
        (
            "green_failed_requests",
            "Requests on green that failed",
            view.green_failed,
        ),
        ("looks", "Looks", view.looks),
    ] {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    let mut text = String::new();
    if let Err(error) = encode(&mut text, &registry) {
        let _ = writeln!(text, "# not all metrics could be written: {error}");
    }
    text
}
