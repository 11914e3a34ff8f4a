//! The rules that are compared, each as its documents or its source describe it.

mod alarms;
mod counted;
mod kayenta;
mod looks;
mod sequential;

use crate::{
    engine::Setup,
    world::{Minute, Needs, Side, real},
};

use bluegreen::health::sequential::Settings;

pub(crate) use self::sequential::{Steps, engine, sequential, with_settings};

/// How a migration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Green has everything and keeps it.
    Promoted,
    /// Rolled back, since green was judged worse.
    Stopped,
    /// Rolled back, since no verdict came in time.
    Inconclusive,
}

/// The data of a rule at the start of minute `now`: everything up to and including minute `newest`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) now: usize,
    pub(crate) newest: Option<usize>,
    pub(crate) minutes: &'a [Minute],
    /// Blue's minutes before the migration, newest first.
    pub(crate) past: &'a [Side],
}

impl<'a> Seen<'a> {
    /// Returns the newest published minute.
    pub(crate) fn newest(&self) -> Option<&'a Minute> {
        self.minutes.get(self.newest?)
    }

    /// Returns the published minutes from minute `first` on.
    pub(crate) fn from(&self, first: usize) -> &'a [Minute] {
        let end = self.newest.map_or(0, |newest| newest + 1);
        self.minutes.get(first..end).unwrap_or_default()
    }
}

/// A rule that decides at the start of each minute.
pub(crate) trait Rule {
    /// Decides; `None` continues the migration.
    fn decide(&mut self, seen: Seen<'_>) -> Option<End>;

    /// Returns green's share from now on.
    fn share(&self) -> f64;
}

/// A rule with its name, and a function that makes it.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    /// The source of the rule.
    pub(crate) source: &'static str,
    pub(crate) needs: Needs,
    pub(crate) begin: Begin,
}

/// A rule by itself, looked at once a minute, or the engine.
pub(crate) enum Begin {
    Rule(Box<dyn Fn() -> Box<dyn Rule> + Send + Sync>),
    Engine(Setup),
}

impl Named {
    /// Returns how many of these runs are made: a run of the engine costs as much as a hundred others.
    pub(crate) fn runs(&self, wanted: usize) -> usize {
        match self.begin {
            Begin::Rule(_) => wanted,
            Begin::Engine(_) => (wanted / 10).max(1),
        }
    }
}

impl std::fmt::Debug for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Named")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Returns every rule, set up for a service with this error rate and traffic.
pub(crate) fn all(base: f64, rate: f64) -> Vec<Named> {
    // The limit that an operator who knows the service would set: three times its usual error rate.
    let tuned = 1.0 - (3.0 * base).max(0.01);
    let latency = Needs {
        latency: true,
        past: false,
    };
    let rule = |name, source, begin| Named {
        name,
        source,
        needs: latency,
        begin: Begin::Rule(begin),
    };
    vec![
        rule(
            "guide",
            "the deployment guide's router: one look after 10 minutes, 5 % errors, 3 s mean, no data passes",
            Box::new(|| Box::new(looks::Guide::new())),
        ),
        rule(
            "flagger 99 %",
            "Flagger 1.x, pkg/controller/scheduler.go and scheduler_metrics.go, its documents' example: 1m, threshold 5, 10 to 50 %, p99 500 ms",
            Box::new(|| Box::new(counted::Flagger::new(0.99))),
        ),
        rule(
            "flagger tuned",
            "the same with three times the service's own error rate",
            Box::new(move || Box::new(counted::Flagger::new(tuned))),
        ),
        rule(
            "argo 95 %",
            "Argo Rollouts' analysis example: success 95 %, 5 measurements a step, failureLimit 3",
            Box::new(|| Box::new(counted::Argo::new(0.95, 3, None, false))),
        ),
        rule(
            "argo tuned",
            "the same with three times the service's own error rate, p99 500 ms, failureLimit 1, at 100 % too",
            Box::new(move || Box::new(counted::Argo::new(tuned, 1, Some(500.0), true))),
        ),
        rule(
            "codedeploy 1 %",
            "CodeDeploy ECSCanary10Percent5Minutes, 5 minutes of bake, alarm 2 of 3 minutes above 1 % or p99 500 ms, missing data not breaching",
            Box::new(|| Box::new(alarms::CodeDeploy::new(0.01))),
        ),
        rule(
            "codedeploy 5 %",
            "the same at 5 %",
            Box::new(|| Box::new(alarms::CodeDeploy::new(0.05))),
        ),
        rule(
            "kayenta",
            "Kayenta NetflixACAJudge: Mann-Whitney at 98 %, tolerance 0.25, ten points a step",
            Box::new(|| Box::new(kayenta::Kayenta::new())),
        ),
        rule(
            "z-test",
            "a one-sided two-proportion z-test at 1 %, looked at every minute: what people write first",
            Box::new(|| Box::new(looks::PeekingZ::new())),
        ),
        engine("engine, rule 1", Setup::first(Steps::HoldBack)),
        engine("engine, rule 2", Setup::second(Steps::HoldBack)),
        sequential("sequential 10/50/100", Steps::Plain),
        sequential("sequential 10/50/90", Steps::HoldBack),
        with_settings(
            "sequential 10/50/90 calibrated",
            Steps::HoldBack,
            Settings::default().with_history_ratio(1.5),
        ),
        sequential(
            "sequential with probe",
            if rate * 0.01 >= 20.0 {
                Steps::Probe
            } else {
                Steps::HoldBack
            },
        ),
    ]
}

/// Returns the fraction of a side's requests that failed.
fn error_rate(side: &Side) -> f64 {
    real(side.errors) / real(side.requests.max(1))
}
