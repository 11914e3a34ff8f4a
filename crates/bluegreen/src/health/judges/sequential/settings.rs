//! [`Settings`]: the settings of the test.

use serde::{Deserialize, Serialize};

use super::reject::Allowance;

/// Everything that decides a [`SequentialTest`](super::SequentialTest). The published figures were
/// measured with the defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[must_use]
pub struct Settings {
    /// The version of the rule. A journal without it was judged by the first.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub(super) rule: u32,
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) suspicion: f64,
    /// Green is healthy within these allowances: `1.1 × blue + 0.03 %` errors, `1.1 × blue + 1 %` slow.
    pub(super) errors: Allowance,
    pub(super) slow: Allowance,
    /// The same against blue's past: beside a live blue, and alone at 100 %.
    pub(super) beside: (Allowance, Allowance),
    pub(super) alone: (Allowance, Allowance),
    /// The multiples of blue's rate in the certificate.
    pub(super) accept: f64,
    pub(super) accept_last: f64,
    pub(super) accept_slow: f64,
    pub(super) limit: f64,
    pub(super) limit_in_warm_up: f64,
    pub(super) missing_requests: f64,
    pub(super) weights_hold: bool,
    pub(super) judges_latency: bool,
}

fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_first(rule: &u32) -> bool {
    *rule == first()
}

const fn allow(ratio: f64, excess: f64) -> Allowance {
    Allowance { ratio, excess }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rule: first(),
            alpha: 0.01,
            beta: 0.05,
            suspicion: 10.0,
            errors: allow(1.1, 0.0003),
            slow: allow(1.1, 0.01),
            beside: (allow(3.0, 0.001), allow(2.8, 0.02)),
            alone: (allow(1.5, 0.0005), allow(1.4, 0.02)),
            accept: 1.3,
            accept_last: 1.5,
            accept_slow: 1.0,
            limit: 0.05,
            limit_in_warm_up: 0.25,
            missing_requests: 20.0,
            weights_hold: true,
            judges_latency: true,
        }
    }
}

impl Settings {
    /// Sets the highest probability at which a healthy green may ever be stopped, over a whole migration,
    /// 0 to 1. Default: 1 %.
    pub fn with_alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha.clamp(1e-12, 0.5);
        self
    }

    /// Sets the error rate that green must not have, whatever blue's is, 0 to 1. Default: 5 %; in a
    /// warm-up it is 25 %, or this limit if that is higher.
    pub fn with_limit(mut self, limit: f64) -> Self {
        self.limit = limit.clamp(0.0, 1.0);
        self.limit_in_warm_up = limit.clamp(0.25, 1.0);
        self
    }

    /// Sets how far blue's own error rate may have moved since before the migration, as a multiple, for a
    /// last step that uses blue's past as a control. Default: 3 beside a live blue, 1.5 alone;
    /// [`calibrate`](super::calibrate()) finds the ratio that fits a service.
    pub fn with_history_ratio(mut self, ratio: f64) -> Self {
        let ratio = ratio.max(1.0);
        self.alone.0.ratio = ratio;
        // A past that is known to be steady needs no wider excess beside a live blue.
        self.beside.0 = self.alone.0;
        self
    }

    /// Judges by the second rule. Default: the first.
    ///
    /// The second rule judges green at 100 % against blue's past and against blue's live minutes before;
    /// takes brakes and margins from the past of the service; excuses green for faults of both that
    /// reach it up to two minutes after blue; and lets a margin be as wide as blue's present error rate.
    /// Use it with [`MetricsGate::warming_once`](crate::health::MetricsGate::warming_once),
    /// [`Limits::excuses_lag`](crate::health::Limits::excuses_lag) and a
    /// [final bake](crate::migration::MigrationPlanBuilder::final_bake) of 10 minutes.
    pub fn by_second_rule(mut self) -> Self {
        self.rule = 2;
        self
    }

    /// Judges errors only, for sources that do not report how many requests are slow.
    pub fn without_latency(mut self) -> Self {
        self.judges_latency = false;
        self
    }

    /// Does not expect a share of the requests by weight: with stickiness clients do not follow the weights.
    pub(crate) fn without_weights(mut self) -> Self {
        self.weights_hold = false;
        self
    }

    /// Returns the allowances against blue's past at 100 %: errors and slow requests. Blue's errors rose by
    /// the factor `rise` before.
    pub(super) fn alone_after(&self, rise: f64) -> (Allowance, Allowance) {
        let (mut errors, slow) = self.alone;
        errors.ratio *= rise;
        (errors, slow)
    }

    /// Returns whether a journal of an earlier version is judged, by the rule of that version.
    pub(super) fn is_first_rule(&self) -> bool {
        self.rule < 2
    }

    pub(super) fn ln_stop(&self) -> f64 {
        -self.alpha.ln()
    }

    pub(super) fn ln_go_on(&self) -> f64 {
        -self.beta.ln()
    }

    pub(super) fn ln_suspicion(&self) -> f64 {
        self.suspicion.ln()
    }
}
