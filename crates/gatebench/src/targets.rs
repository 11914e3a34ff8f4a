//! What the whole engine reaches, beside the targets that it is held to.

use std::time::Duration;

use crate::{
    engine::Setup,
    goals::Goal,
    rules::{self, Named, Steps, engine},
    scenario::Scenario,
    study::{Summary, study},
};

/// The number of migrations behind each figure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Migrations in a cell of a healthy scenario.
    pub(crate) healthy: usize,
    /// Migrations in a cell of a bad scenario.
    pub(crate) bad: usize,
    pub(crate) seed: u64,
    /// The version of the rule.
    pub(crate) rule: u32,
    /// Minutes of another final bake than the rule's own.
    pub(crate) final_bake: Option<u64>,
}

impl Effort {
    fn engine(self, steps: Steps) -> Named {
        let mut setup = match self.rule {
            1 => Setup::first(steps),
            _ => Setup::second(steps),
        };
        if let Some(minutes) = self.final_bake {
            setup.final_bake = Duration::from_secs(60 * minutes);
        }
        engine("engine", setup)
    }

    fn bad(self, scenario: &Scenario, rule: &Named) -> Summary {
        study(scenario, rule, self.bad, self.seed)
    }

    fn healthy(self, scenario: &Scenario) -> Summary {
        study(
            scenario,
            &self.engine(Steps::HoldBack),
            self.healthy,
            self.seed,
        )
    }

    fn stopped(self, scenario: &Scenario) -> Summary {
        self.bad(scenario, &self.engine(Steps::HoldBack))
    }

    fn peer(self, scenario: &Scenario, name: &str) -> Summary {
        let rules = rules::all(scenario.base, scenario.rate);
        let peer = rules.iter().find(|rule| rule.name == name);
        peer.map_or(Summary::default(), |peer| self.bad(scenario, peer))
    }
}

fn percent(fraction: f64) -> String {
    format!("{:.2} %", 100.0 * fraction)
}

fn minutes(median: Option<f64>) -> String {
    median.map_or_else(|| "–".to_owned(), |median| format!("{median:.1} min"))
}

fn within(figure: Option<f64>, most: f64) -> bool {
    figure.is_some_and(|figure| figure <= most)
}

/// Measures every target with the engine.
pub(crate) fn all(effort: Effort, told: &mut dyn FnMut(&Goal)) -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut add = |goal: Goal| {
        told(&goal);
        goals.push(goal);
    };
    late(effort, &mut add);
    early(effort, &mut add);
    healthy(effort, &mut add);
    shared(effort, &mut add);
    goals
}

/// Harm that begins late, or at a large share alone.
fn late(effort: Effort, add: &mut dyn FnMut(Goal)) {
    let at100 = |rate: f64| Scenario::public("at100", rate, 0.003);
    let own = effort.stopped(&at100(1_500.0));
    let peers = ["argo tuned", "codedeploy 1 %"].map(|peer| effort.peer(&at100(1_500.0), peer));
    add(Goal {
        name: "E1",
        what: "4 points at 100 % only, 1500 a minute, base 0.3 %: missed, failed; argo tuned, codedeploy",
        figure: format!(
            "{}, {:.0}; {:.0}, {:.0}",
            percent(own.promoted),
            own.harmed,
            peers[0].harmed,
            peers[1].harmed
        ),
        target: "none, at most 250",
        is_met: Some(own.promoted == 0.0 && own.harmed <= 250.0),
    });
    let own = effort.stopped(&at100(6_000.0));
    add(Goal {
        name: "E2",
        what: "the same at 6000 a minute: missed, minutes of harm",
        figure: format!("{}, {}", percent(own.promoted), minutes(own.harm_minutes)),
        target: "none, at most 5",
        is_met: Some(own.promoted == 0.0 && within(own.harm_minutes, 5.0)),
    });
    let sizes = [1.8, 2.5, 4.0, 6.0, 9.0];
    let cells = [
        (300.0, 0.01),
        (600.0, 0.003),
        (1_500.0, 0.01),
        (6_000.0, 0.003),
        (6_000.0, 0.01),
    ];
    let few = Effort {
        bad: (effort.bad / 5).max(20),
        ..effort
    };
    for (name, of, most) in [
        ("E3", "onset0-18", 1.0 / 8.0),
        ("E4", "late_step", 1.0 / 3.0),
        ("E5", "late_bake", 1.0 / 3.0),
    ] {
        let (mut own, mut guide, mut missed, mut clear) = (0.0, 0.0, 0.0, 0.0);
        for (rate, base) in cells {
            for ratio in sizes {
                let scenario = Scenario {
                    ratio,
                    ..Scenario::public(of, rate, base)
                };
                let ours = few.stopped(&scenario);
                own += ours.harmed;
                guide += few.peer(&scenario, "guide").harmed;
                if (ratio - 1.0) * base > 2.0 * (0.3 * base + 0.003) {
                    missed += ours.promoted;
                    clear += 1.0;
                }
            }
        }
        let missed = missed / f64::max(clear, 1.0);
        add(Goal {
            name,
            what: match of {
                "onset0-18" => {
                    "onset in minutes 0 to 18, 1.8 to 9 times: failed as a share of the guide's; missed"
                }
                "late_step" => "onset in the last step: failed as a share of the guide's; missed",
                _ => "onset at 100 %: failed as a share of the guide's; missed",
            },
            figure: format!("{:.2}; {}", own / f64::max(guide, 1.0), percent(missed)),
            target: match of {
                "onset0-18" => "at most 0.125; 2 %",
                _ => "at most 0.33",
            },
            is_met: Some(own / guide <= most && (of != "onset0-18" || missed <= 0.02)),
        });
    }
}

/// Harm from the first request on, beside Kayenta.
fn early(effort: Effort, add: &mut dyn FnMut(Goal)) {
    let beside = |name: &str, base: f64| {
        let scenario = Scenario::public(name, 6_000.0, base);
        let own = effort.stopped(&scenario);
        (own, effort.peer(&scenario, "kayenta").harmed)
    };
    let shown = |(own, kayenta): &(Summary, f64)| {
        format!(
            "{} missed, {}, {:.0} failed, {:.2} of Kayenta's {kayenta:.0}",
            percent(own.promoted),
            minutes(own.minutes_to_stop),
            own.harmed,
            own.harmed / kayenta.max(1.0)
        )
    };
    for (name, what, of, base, target, most_minutes, most) in [
        (
            "E6",
            "2 times, base 1 %, 6000 a minute",
            "x2",
            0.01,
            "8 min, 65, 0.62",
            8.0,
            65.0,
        ),
        (
            "E7",
            "5 times, base 1 %, 6000 a minute",
            "x5",
            0.01,
            "75, 0.28",
            f64::MAX,
            75.0,
        ),
        (
            "E8",
            "1.5 times, base 1 %, 6000 a minute",
            "x1.5",
            0.01,
            "200",
            f64::MAX,
            200.0,
        ),
        (
            "E9",
            "2 times, base 0.1 %, 6000 a minute",
            "x2",
            0.001,
            "159",
            f64::MAX,
            159.0,
        ),
    ] {
        let both = beside(of, base);
        add(Goal {
            name,
            what,
            figure: shown(&both),
            target,
            is_met: Some(within(both.0.minutes_to_stop, most_minutes) && both.0.harmed <= most),
        });
    }
    let outage = Scenario::public("outage", 6_000.0, 0.01);
    let (plain, probed) = (
        effort.stopped(&outage).harmed,
        effort.bad(&outage, &effort.engine(Steps::Probe)).harmed,
    );
    add(Goal {
        name: "E10",
        what: "outage at 6000 a minute: failed without and with a probe",
        figure: format!("{plain:.0}, {probed:.0}"),
        target: "at most 1500, 170",
        is_met: Some(plain <= 1_500.0 && probed <= 170.0),
    });
}

/// What a sound release costs.
fn healthy(effort: Effort, add: &mut dyn FnMut(Goal)) {
    let mut stopped: f64 = 0.0;
    for (name, rate, target, most) in [
        ("E11a", 6_000.0, "at most 18 min to the last shift", 18.0),
        ("E11b", 600.0, "at most 30 min", 30.0),
        ("E11c", 60.0, "at most 55 min", 55.0),
    ] {
        let cells =
            [0.001, 0.01].map(|base| effort.healthy(&Scenario::public("healthy", rate, base)));
        let latest = |value: fn(&Summary) -> Option<(f64, f64)>| {
            let both = cells.iter().filter_map(value);
            both.reduce(|a, b| if a.0 >= b.0 { a } else { b })
        };
        let shift = latest(|one| one.minutes_to_shift);
        let end = latest(|one| one.minutes_to_promote);
        stopped = cells.iter().map(|one| one.stopped).fold(stopped, f64::max);
        let unsure = cells.iter().map(|one| one.inconclusive).fold(0.0, f64::max);
        let of = |pair: Option<(f64, f64)>| {
            pair.map_or_else(
                || "–".to_owned(),
                |(half, late)| format!("{half:.0} ({late:.0})"),
            )
        };
        add(Goal {
            name,
            what: match name {
                "E11a" => {
                    "healthy at 6000 a minute, slower base: last shift (95 %), end, inconclusive"
                }
                "E11b" => "the same at 600 a minute",
                _ => "the same at 60 a minute",
            },
            figure: format!("{}, {}, {}", of(shift), of(end), percent(unsure)),
            target,
            is_met: Some(within(shift.map(|(half, _)| half), most)),
        });
    }
    let noisy = |common_cv: f64, own_cv: f64| {
        let cells = [
            (600.0, 0.001),
            (600.0, 0.01),
            (6_000.0, 0.001),
            (6_000.0, 0.01),
        ];
        let stopped = cells.map(|(rate, base)| {
            let scenario = Scenario {
                common_cv,
                common_rho: 0.8,
                own_cv,
                ..Scenario::public("healthy", rate, base)
            };
            effort.healthy(&scenario).stopped
        });
        stopped.into_iter().fold(0.0, f64::max)
    };
    let (own, common) = (noisy(0.0, 0.5), noisy(1.0, 0.0));
    add(Goal {
        name: "E12",
        what: "healthy stopped, worst cell: no noise; own noise cv 0.5; shared noise cv 1",
        figure: format!(
            "{}; {}; {}",
            percent(stopped),
            percent(own),
            percent(common)
        ),
        target: "at most 0.1 %; 1 %; 1.5 %",
        is_met: Some(stopped <= 0.001 && own <= 0.01 && common <= 0.015),
    });
}

/// Faults and rates that both sides share, and warm-ups.
fn shared(effort: Effort, add: &mut dyn FnMut(Goal)) {
    let lagged = effort
        .healthy(&Scenario::public("lagged_bursts", 1_500.0, 0.01))
        .stopped;
    add(Goal {
        name: "E13",
        what: "shared bursts of 10 % that reach green a minute after blue, 1500 a minute: healthy stopped",
        figure: percent(lagged),
        target: "at most 1 %",
        is_met: Some(lagged <= 0.01),
    });
    let drifts = [60.0, 600.0].map(|rate| effort.stopped(&Scenario::public("drift3x", rate, 0.01)));
    add(Goal {
        name: "E14",
        what: "base rate triples in 30 minutes, 60 and 600 a minute: inconclusive, stopped",
        figure: format!(
            "{}, {}; {}, {}",
            percent(drifts[0].inconclusive),
            percent(drifts[0].stopped),
            percent(drifts[1].inconclusive),
            percent(drifts[1].stopped)
        ),
        target: "at most 5 % inconclusive",
        is_met: Some(
            drifts
                .iter()
                .all(|one| one.inconclusive <= 0.05 && one.stopped <= 0.01),
        ),
    });
    let jit = effort.healthy(&Scenario::public("jit", 1_500.0, 0.01));
    let plain = effort.healthy(&Scenario::public("healthy", 1_500.0, 0.01));
    let added = jit.minutes_to_promote.zip(plain.minutes_to_promote);
    let added = added.map(|(warming, plain)| warming.0 - plain.0);
    add(Goal {
        name: "E15",
        what: "a JIT's warm-up over ten minutes, declared: healthy stopped, minutes added",
        figure: format!("{}, {}", percent(jit.stopped), minutes(added)),
        target: "at most 1 %, 12 min",
        is_met: Some(jit.stopped <= 0.01 && within(added, 12.0)),
    });
}
