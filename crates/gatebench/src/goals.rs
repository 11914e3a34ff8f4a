//! The goals of the gate, each with a figure, a target, and whether it is met.

use std::{fmt, time::Instant};

use bluegreen::health::{
    Tally,
    sequential::{Minute, MinuteSide, SequentialTest, Settings, StepMargins},
};

use crate::{
    rules::{Steps, sequential, with_settings},
    scenario::{BASES, RATES, Scenario},
    study::{Summary, study},
};

/// One goal.
#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) figure: String,
    pub(crate) target: &'static str,
    /// `None` for a timing, which is reported and cannot fail.
    pub(crate) is_met: Option<bool>,
}

impl Goal {
    /// Returns the target as a row of a table, beside the figure of another rule.
    pub(crate) fn row_beside(&self, other: &str) -> String {
        let word = match self.is_met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let Self {
            name,
            what,
            figure,
            target,
            ..
        } = self;
        format!("| {name} | {what} | {other} | {figure} | {target} | {word} |\n")
    }

    /// Returns the goal as a row of a table.
    pub(crate) fn row(&self) -> String {
        let Self {
            name,
            what,
            figure,
            target,
            is_met,
        } = self;
        let word = match is_met {
            Some(true) => "pass",
            Some(false) => "**fail**",
            None => "",
        };
        format!("| {name} | {what} | {figure} | {target} | {word} |\n")
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            what,
            figure,
            target,
            is_met,
        } = self;
        let word = match is_met {
            Some(true) => "pass",
            Some(false) => "FAIL",
            None => "----",
        };
        write!(f, "{word}  {name:<4} {what}: {figure} (target {target})")
    }
}

/// The number of migrations behind each figure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Migrations in a cell of false aborts.
    pub(crate) healthy: usize,
    /// Migrations in a cell of a bad scenario.
    pub(crate) bad: usize,
    pub(crate) seed: u64,
}

impl Effort {
    pub(crate) const QUICK: Self = Self {
        healthy: 20_000,
        bad: 2_000,
        seed: 1,
    };
    pub(crate) const FULL: Self = Self {
        healthy: 100_000,
        bad: 10_000,
        seed: 1,
    };
}

const BOTH: [Steps; 2] = [Steps::Plain, Steps::HoldBack];

fn cells() -> impl Iterator<Item = (f64, f64)> {
    RATES
        .into_iter()
        .flat_map(|rate| BASES.into_iter().map(move |base| (rate, base)))
}

fn percent(fraction: f64) -> String {
    format!("{:.2} %", 100.0 * fraction)
}

fn most(figures: impl IntoIterator<Item = f64>) -> f64 {
    figures.into_iter().fold(0.0, f64::max)
}

fn missing(minutes: Option<f64>) -> f64 {
    minutes.unwrap_or(f64::INFINITY)
}

/// Measures every goal.
pub(crate) fn all(effort: Effort, told: &mut dyn FnMut(&Goal)) -> Vec<Goal> {
    let Effort { healthy, bad, seed } = effort;
    let of = |name: &str, (rate, base): (f64, f64), steps: Steps, runs: usize| -> Summary {
        let scenario = Scenario::public(name, rate, base);
        study(&scenario, &sequential("sequential", steps), runs, seed)
    };
    let mut goals: Vec<Goal> = Vec::new();
    let mut add = |name, what, figure, target, is_met| {
        let goal = Goal {
            name,
            what,
            figure,
            target,
            is_met,
        };
        told(&goal);
        goals.push(goal);
    };

    let sound: Vec<_> = cells()
        .flat_map(|cell| BOTH.map(|steps| (cell, steps, of("healthy", cell, steps, healthy))))
        .collect();
    let stopped = most(sound.iter().map(|(_, _, summary)| summary.stopped));
    add(
        "G1",
        "healthy releases stopped, worst of 12 cells",
        percent(stopped),
        "at most 0.1 %",
        Some(stopped <= 0.001),
    );

    let noisy = |rate: f64, base: f64, common: f64, own: f64| {
        let scenario = Scenario {
            common_cv: common,
            common_rho: 0.8,
            own_cv: own,
            quiet_past: true,
            ..Scenario::public("healthy", rate, base)
        };
        let rule = sequential("sequential", Steps::HoldBack);
        study(&scenario, &rule, healthy / 5, seed).stopped
    };
    let common = most(cells().map(|(rate, base)| noisy(rate, base, 1.0, 0.0)));
    add(
        "G2a",
        "stopped under noise that both share (cv 1), with a quiet past, 10/50/90",
        percent(common),
        "at most 1.5 %",
        Some(common <= 0.015),
    );
    let own = most([600.0, 6000.0].map(|rate| noisy(rate, 0.01, 0.0, 0.5)));
    add(
        "G2b",
        "stopped under noise of green's own (cv 0.5), with a quiet past, 10/50/90",
        percent(own),
        "at most 1 %",
        Some(own <= 0.01),
    );

    let shared = most(cells().map(|cell| of("common_outage", cell, Steps::HoldBack, bad).stopped));
    add(
        "G3",
        "stopped by an outage of both",
        percent(shared),
        "at most 0.5 %",
        Some(shared <= 0.005),
    );

    let outages: Vec<Summary> = BASES
        .map(|base| of("outage", (6000.0, base), Steps::HoldBack, bad))
        .into();
    let (minutes, harmed) = (
        most(outages.iter().map(|one| missing(one.minutes_to_stop))),
        most(outages.iter().map(|one| one.harmed)),
    );
    add(
        "G4a",
        "outage at 6000 a minute: minutes to rollback, failed requests",
        format!("{minutes:.0} min, {harmed:.0}"),
        "at most 3 min, 1600",
        Some(minutes <= 3.0 && harmed <= 1_600.0),
    );
    let probed = most(BASES.map(|base| of("outage", (6000.0, base), Steps::Probe, bad).harmed));
    add(
        "G4b",
        "the same after a probe of 1 %: failed requests",
        format!("{probed:.0}"),
        "at most 170",
        Some(probed <= 170.0),
    );

    let five: Vec<Summary> = [600.0, 6000.0]
        .map(|rate| of("x5", (rate, 0.01), Steps::HoldBack, bad))
        .into();
    let missed = most(five.iter().map(|one| one.promoted));
    add(
        "G5",
        "five times the errors, base 1 %: missed, failed requests at 600 and 6000 a minute",
        format!(
            "{}, {:.0}, {:.0}",
            percent(missed),
            five[0].harmed,
            five[1].harmed
        ),
        "none missed, at most 30 and 150",
        Some(missed == 0.0 && five[0].harmed <= 30.0 && five[1].harmed <= 150.0),
    );

    let two = of("x2", (6000.0, 0.01), Steps::HoldBack, bad);
    let minutes = missing(two.minutes_to_stop);
    add(
        "G6",
        "twice the errors, base 1 %, 6000 a minute: missed, minutes, failed requests",
        format!(
            "{}, {minutes:.0} min, {:.0}",
            percent(two.promoted),
            two.harmed
        ),
        "none missed, at most 11 min, 110",
        Some(two.promoted == 0.0 && minutes <= 11.0 && two.harmed <= 110.0),
    );

    let leaks = BASES.map(|base| of("leak", (6000.0, base), Steps::HoldBack, bad));
    let (missed, minutes, harmed) = (
        most(leaks.map(|one| one.promoted)),
        most(leaks.map(|one| missing(one.minutes_to_stop))),
        most(leaks.map(|one| one.harmed)),
    );
    add(
        "G7",
        "a leak of 0.5 points a minute at 6000 a minute: missed, minutes, failed requests",
        format!("{}, {minutes:.0} min, {harmed:.0}", percent(missed)),
        "none missed, at most 16 min, 800",
        Some(missed == 0.0 && minutes <= 16.0 && harmed <= 800.0),
    );

    let missed = most(cells().map(|cell| of("load", cell, Steps::HoldBack, bad).promoted));
    add(
        "G8",
        "5 points more errors from half the load on: missed",
        percent(missed),
        "none",
        Some(missed == 0.0),
    );

    let slower: Vec<Summary> = cells()
        .filter(|(rate, _)| *rate >= 600.0)
        .map(|cell| of("lat20", cell, Steps::HoldBack, bad))
        .collect();
    let much: Vec<Summary> = cells()
        .map(|cell| of("lat100", cell, Steps::HoldBack, bad))
        .collect();
    let figures = |all: &[Summary]| {
        let minutes = most(all.iter().map(|one| missing(one.minutes_to_stop)));
        (most(all.iter().map(|one| one.promoted)), minutes)
    };
    let ((missed_20, minutes_20), (missed_100, minutes_100)) = (figures(&slower), figures(&much));
    add(
        "G9",
        "latency +20 % from 600 a minute on, and +100 % everywhere: missed, minutes",
        format!(
            "{}, {minutes_20:.0} min; {}, {minutes_100:.0} min",
            percent(missed_20),
            percent(missed_100)
        ),
        "none missed, at most 17 and 9 min",
        Some(missed_20 == 0.0 && missed_100 == 0.0 && minutes_20 <= 17.0 && minutes_100 <= 9.0),
    );

    let silent =
        cells().flat_map(|cell| BOTH.map(|steps| of("blackout_outage", cell, steps, bad).promoted));
    let silent = most(silent);
    add(
        "G10",
        "an outage without metrics: promoted",
        percent(silent),
        "none",
        Some(silent == 0.0),
    );

    let by_rate = |rate: f64| {
        let of_rate = sound
            .iter()
            .filter(|((own, _), steps, _)| *own == rate && *steps == Steps::HoldBack);
        let minutes: Vec<(f64, f64)> = of_rate
            .map(|(_, _, summary)| {
                summary
                    .minutes_to_promote
                    .unwrap_or((f64::INFINITY, f64::INFINITY))
            })
            .collect();
        (
            most(minutes.iter().map(|one| one.0)),
            most(minutes.iter().map(|one| one.1)),
        )
    };
    let (low, middle, high) = (by_rate(60.0), by_rate(600.0), by_rate(6000.0));
    let shown = |(median, late): (f64, f64)| format!("{median:.0} ({late:.0})");
    add(
        "G11",
        "healthy, median and 95th percentile of minutes at 6000, 600, 60 a minute, 10/50/90",
        [high, middle, low].map(shown).join(", "),
        "at most 22 (25), 37 (46), 70 (95)",
        Some(
            high.0 <= 22.0
                && high.1 <= 25.0
                && middle.0 <= 37.0
                && middle.1 <= 46.0
                && low.0 <= 70.0
                && low.1 <= 95.0,
        ),
    );

    let unsure = most(sound.iter().map(|(_, _, summary)| summary.inconclusive));
    add(
        "G12",
        "healthy, and inconclusive in the end, worst of 12 cells",
        percent(unsure),
        "at most 1 %",
        Some(unsure <= 0.01),
    );

    let calibrated = with_settings(
        "sequential",
        Steps::HoldBack,
        Settings::default().with_history_ratio(1.5),
    );
    let scenario = Scenario::public("x5", 600.0, 0.001);
    let missed = study(&scenario, &calibrated, healthy, seed).promoted;
    let stopped = most(cells().map(|(rate, base)| {
        let scenario = Scenario::public("healthy", rate, base);
        study(&scenario, &calibrated, healthy, seed).stopped
    }));
    add(
        "S1",
        "10/50/90 calibrated to 1.5: five times the errors, base 0.1 %, 600 a minute, missed; healthy stopped",
        format!("{}, {}", percent(missed), percent(stopped)),
        "below 5 %, at most 0.1 %",
        Some(missed < 0.05 && stopped <= 0.001),
    );

    add(
        "G13",
        "one minute judged",
        format!("{:.2} µs", tick()),
        "below 50 µs; a timing never fails",
        None,
    );
    goals
}

/// Returns the microseconds that the judgement of one minute takes.
#[expect(clippy::disallowed_methods, reason = "it measures real time")]
fn tick() -> f64 {
    const MINUTES: u32 = 200_000;
    let side = |requests: u64, errors: u64| {
        let slow = Some(Tally::exact(requests / 10));
        MinuteSide::new(requests, Tally::exact(errors), slow)
    };
    let mut test = SequentialTest::new(Settings::default(), vec![side(600, 6); 240]);
    test.enter(StepMargins::of_share(0.9));
    let begun = Instant::now();
    for number in 0..MINUTES {
        let errors = u64::from(number % 7);
        let minute = Minute::new(side(540, errors), side(60, errors % 2), 0.9);
        std::hint::black_box(test.take(std::hint::black_box(&minute)));
    }
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(MINUTES)
}
