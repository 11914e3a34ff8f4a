//! The rule of this project.

use bluegreen::health::{
    Tally,
    sequential::{Minute as GateMinute, MinuteSide, Ruling, SequentialTest, Settings},
};

use super::{Begin, End, Named, Rule, Seen};
use crate::{
    engine::Setup,
    world::{Needs, Side},
};

/// The steps of the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Steps {
    /// 10, 50, 100 %: the last step is compared with blue's past.
    Plain,
    /// 10, 50, 90 %, then 100: in the last step a tenth stays on blue as a live control.
    HoldBack,
    /// The same after a probe of 1 %.
    Probe,
}

impl Steps {
    fn shares(self) -> &'static [f64] {
        match self {
            Self::Plain => &[0.1, 0.5, 1.0],
            Self::HoldBack => &[0.1, 0.5, 0.9],
            Self::Probe => &[0.01, 0.1, 0.5, 0.9],
        }
    }

    /// Returns the steps of the engine in per cent, which end at 100 %.
    pub(crate) fn engine(self) -> &'static [u8] {
        match self {
            Self::Plain => &[10, 50, 100],
            Self::HoldBack => &[10, 50, 90, 100],
            Self::Probe => &[1, 10, 50, 90, 100],
        }
    }
}

pub(crate) fn sequential(name: &'static str, steps: Steps) -> Named {
    with_settings(name, steps, Settings::default())
}

/// Returns the engine: this rule behind the real gate, settler and machine, up to its end at 100 %.
pub(crate) fn engine(name: &'static str, setup: Setup) -> Named {
    Named {
        name,
        source: "this project, the whole engine in virtual time: settling, warm-up, and 100 % too",
        needs: Needs {
            latency: false,
            past: true,
        },
        begin: Begin::Engine(setup),
    }
}

pub(crate) fn with_settings(name: &'static str, steps: Steps, settings: Settings) -> Named {
    Named {
        name,
        source: "this project",
        needs: Needs {
            latency: false,
            past: true,
        },
        begin: Begin::Rule(Box::new(move || {
            Box::new(Sequential::new(steps, settings.clone()))
        })),
    }
}

#[derive(Debug)]
struct Sequential {
    shares: &'static [f64],
    step: usize,
    since: usize,
    settings: Settings,
    test: Option<SequentialTest>,
}

impl Sequential {
    fn new(steps: Steps, settings: Settings) -> Self {
        Self {
            shares: steps.shares(),
            step: 0,
            since: 0,
            settings,
            test: None,
        }
    }
}

fn side(side: &Side) -> MinuteSide {
    let slow = Some(Tally::exact(side.slow));
    MinuteSide::new(side.requests, Tally::exact(side.errors), slow)
}

impl Rule for Sequential {
    fn decide(&mut self, seen: Seen<'_>) -> Option<End> {
        let newest = seen.newest?;
        let minute = seen.newest()?;
        let (settings, first) = (&self.settings, self.shares[0]);
        let test = self.test.get_or_insert_with(|| {
            let past = seen.past.iter().map(side).collect();
            let mut test = SequentialTest::new(settings.clone(), past);
            test.begin(first);
            test
        });
        let mut judged = GateMinute::new(side(&minute.green), side(&minute.blue), minute.share)
            .warming(newest == 0);
        if newest < self.since {
            judged = judged.of_earlier_step();
        }
        match test.take(&judged) {
            Ruling::Stop(_) => Some(End::Stopped),
            Ruling::NoTraffic | Ruling::TooLong => Some(End::Inconclusive),
            Ruling::GoOn if self.step + 1 == self.shares.len() => Some(End::Promoted),
            Ruling::GoOn => {
                self.step += 1;
                self.since = seen.now;
                test.begin(self.shares[self.step]);
                None
            }
            _ => None,
        }
    }

    fn share(&self) -> f64 {
        self.shares[self.step]
    }
}
