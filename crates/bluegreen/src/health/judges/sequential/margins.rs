//! [`StepMargins`]: the proof that a step needs.

use serde::{Deserialize, Serialize};

use super::{Settings, accept::NoWorse, reject::Sample};

/// The minutes in which a green that is as good as blue should be able to prove the tight margin.
const PROOF: f64 = 6.0;
/// The tightest margin: green is healthy within 0.03 points.
const TIGHTEST: f64 = 0.0003;
/// The fraction of slow requests, by the definition of slow.
const SLOW: f64 = 0.1;
/// The share above which a step is a last one, and the share above which blue gets nothing.
const LAST: f64 = 0.85;
const ALL: f64 = 0.999;
/// The least minutes of a last step that is followed by a judged bake at 100 %.
const LEAST_IN_LAST: u32 = 5;

/// The proof that a step needs before it passes, by green's share.
///
/// A margin begins tight and doubles as time passes, up to its widest. The certificate with which a step
/// passes is always the margin that was proved. Small steps ask for little, since little is at stake
/// there; roughly `3.7 / margin` requests on green prove a margin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepMargins {
    /// Green's share at this step, 0 to 1.
    pub share: f64,
    /// The margin of the error rate, tight and widest, as fractions.
    pub errors: (f64, f64),
    /// The margin of the fraction of slow requests, tight and widest.
    pub slow: (f64, f64),
    /// For how many minutes the margins stay tight.
    pub patience: u32,
    /// In how many minutes they double after that.
    pub doubling: u32,
    /// Minutes with traffic on green that the step takes at least.
    pub least_minutes: u32,
    /// Minutes after which the step is given up.
    pub most_minutes: u32,
}

impl StepMargins {
    /// Returns the margins of a step to this share, 0 to 1.
    ///
    /// | share | errors | slow | minutes |
    /// |---|---|---|---|
    /// | below 5 % (a probe) | 20 % to 40 % | 30 % to 60 % | 2 to 20 |
    /// | below 30 % | 1 % to 5 % | 5 % to 20 % | 3 to 60 |
    /// | to 85 % | 0.3 % to 2 % | 5 % to 15 % | 3 to 60 |
    /// | above | 0.1 % to 1 % | 5 % to 10 % | 10 to 60 |
    #[must_use]
    pub fn of_share(share: f64) -> Self {
        let (errors, slow, patience, doubling, least_minutes, most_minutes) = if share < 0.05 {
            ((0.2, 0.4), (0.3, 0.6), 6, 5, 2, 20)
        } else if share < 0.3 {
            ((0.01, 0.05), (0.05, 0.2), 6, 5, 3, 60)
        } else if share <= 0.85 {
            ((0.003, 0.02), (0.05, 0.15), 6, 5, 3, 60)
        } else {
            ((0.001, 0.01), (0.05, 0.1), 10, 6, 10, 60)
        };
        Self {
            share,
            errors,
            slow,
            patience,
            doubling,
            least_minutes,
            most_minutes,
        }
    }

    /// Returns the margins of a step to this share of a service with so many requests a minute, of which
    /// this fraction fails: those of [the share](Self::of_share), except that the tight margin is what
    /// green could prove in [`PROOF`] minutes if it were as good as blue.
    ///
    /// Busy services so prove more in the same time, and quiet ones do not wait for a proof that cannot
    /// come. The margin of slow requests is never tighter than that of the share: green may be slow a
    /// little more often than blue.
    #[must_use]
    pub(super) fn of_service(
        share: f64,
        (requests, rate): (f64, f64),
        settings: &Settings,
    ) -> Self {
        let mut margins = Self::of_share(share);
        if share > LAST {
            (margins.patience, margins.doubling, margins.least_minutes) = (6, 5, LEAST_IN_LAST);
        }
        if share > ALL {
            margins.least_minutes = 10;
            return margins;
        }
        let provable = |bad: f64, ratio: f64| {
            let side = |requests: f64| Sample {
                requests: PROOF * requests,
                bad: PROOF * requests * bad,
            };
            let mut proof = NoWorse::default();
            proof.push(
                side(share * requests),
                side((1.0 - share) * requests),
                ratio,
            );
            proof.certificate(settings.ln_go_on()).unwrap_or(1.0)
        };
        let (tightest, widest) = (TIGHTEST, margins.errors.1);
        margins.errors.0 = provable(rate, settings.accept).clamp(tightest, widest);
        let (usual, widest) = margins.slow;
        margins.slow.0 = provable(SLOW, settings.accept_slow).clamp(usual, widest);
        margins
    }

    /// Returns the margins after this many minutes: errors and slow requests. `rate` is blue's error rate
    /// in this step: a margin need not be tighter than that rate.
    #[must_use]
    pub(super) fn beside(&self, minutes: u32, rate: f64) -> (f64, f64) {
        let (tight, widest) = self.errors;
        let widened = Self {
            errors: (tight, widest.max(rate)),
            ..*self
        };
        widened.at(minutes)
    }

    /// Returns the margins after this many minutes: errors and slow requests.
    #[must_use]
    pub(crate) fn at(&self, minutes: u32) -> (f64, f64) {
        // A minute is known one to two minutes after its end: that wait has passed already.
        let waited = f64::from((minutes + 1).saturating_sub(self.patience));
        let grown = (waited / f64::from(self.doubling.max(1))).exp2();
        let relaxed = |(tight, widest): (f64, f64)| (tight * grown).min(widest);
        (relaxed(self.errors), relaxed(self.slow))
    }
}
