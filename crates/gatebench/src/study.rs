//! Many migrations of one scenario under one rule, in parallel, and their results.

use rayon::prelude::*;

use crate::{
    engine,
    rules::{Begin, End, Named, Seen},
    scenario::Scenario,
    world::{HORIZON, World, real_of},
};

/// The longest simulated migration, in minutes.
const LONGEST: usize = 400;

/// The result of one migration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) end: End,
    /// Minutes to the end: a rollback ends with its write.
    pub(crate) minutes: f64,
    /// Minutes to the shift to 100 %, of a migration that was promoted by the engine.
    pub(crate) last_shift: Option<f64>,
    /// Minutes from the first harm to the end.
    pub(crate) harm: Option<f64>,
    pub(crate) harmed: f64,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            end: End::Inconclusive,
            minutes: 0.0,
            last_shift: None,
            harm: None,
            harmed: 0.0,
        }
    }
}

/// The result of many migrations.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Summary {
    pub(crate) runs: usize,
    pub(crate) promoted: f64,
    pub(crate) stopped: f64,
    pub(crate) inconclusive: f64,
    /// The median of the minutes to a rollback; `None` if there was no rollback.
    pub(crate) minutes_to_stop: Option<f64>,
    /// Median and 95th percentile of the minutes to the end, of the promoted migrations.
    pub(crate) minutes_to_promote: Option<(f64, f64)>,
    /// Median and 95th percentile of the minutes to the shift to 100 %, of the same: the engine's alone.
    pub(crate) minutes_to_shift: Option<(f64, f64)>,
    /// The median of the minutes from the first harm to a rollback.
    pub(crate) harm_minutes: Option<f64>,
    /// The mean of the requests that failed beyond blue's rate in the first hour.
    pub(crate) harmed: f64,
}

/// Runs half of the migrations with metrics one minute late, half with two.
pub(crate) fn study(scenario: &Scenario, rule: &Named, runs: usize, seed: u64) -> Summary {
    let all: Vec<Run> = (0..runs)
        .into_par_iter()
        .map(|number| {
            let seed = mix(seed, number);
            match &rule.begin {
                Begin::Rule(_) => migrate(scenario, rule, seed, 1 + number % 2),
                Begin::Engine(setup) => engine::migrate(scenario, setup, seed, number),
            }
        })
        .collect();
    summarise(&all)
}

/// Runs one migration. At the start of minute `m` the controller sees minutes up to `m - 1 - delay`.
fn migrate(scenario: &Scenario, named: &Named, seed: u64, delay: usize) -> Run {
    let Begin::Rule(begin) = &named.begin else {
        return Run::default();
    };
    let mut world = World::new(scenario, seed, named.needs);
    let mut rule = begin();
    let mut ended: Option<(End, usize)> = None;
    for now in 0..LONGEST {
        if ended.is_none() {
            let seen = Seen {
                now,
                newest: now.checked_sub(1 + delay),
                minutes: &world.minutes,
                past: &world.past,
            };
            ended = rule.decide(seen).map(|end| (end, now));
        }
        if ended.is_some() && now >= HORIZON {
            break;
        }
        world.happen(match ended {
            None => rule.share(),
            Some((End::Promoted, _)) => 1.0,
            Some(_) => 0.0,
        });
    }
    let (end, minutes) = ended.unwrap_or((End::Inconclusive, LONGEST));
    let minutes = real_of(minutes);
    Run {
        end,
        minutes,
        last_shift: None,
        harm: world.harmed_since.map(|since| (minutes - since).max(0.0)),
        harmed: world.harmed,
    }
}

pub(crate) fn summarise(runs: &[Run]) -> Summary {
    #[expect(clippy::cast_precision_loss, reason = "thousands of runs")]
    let of_all = |count: usize| count as f64 / runs.len().max(1) as f64;
    let ended = |end: End| of_all(runs.iter().filter(|run| run.end == end).count());
    let sorted = |value: &dyn Fn(&Run) -> Option<f64>| -> Vec<f64> {
        let mut values: Vec<f64> = runs.iter().filter_map(value).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let both = |sorted: &[f64]| quantile(sorted, 0.5).zip(quantile(sorted, 0.95));
    let stops = sorted(&|run| (run.end != End::Promoted).then_some(run.minutes));
    let promotions = sorted(&|run| (run.end == End::Promoted).then_some(run.minutes));
    let shifts = sorted(&|run| run.last_shift);
    let harms = sorted(&|run| run.harm.filter(|_| run.end != End::Promoted));
    Summary {
        runs: runs.len(),
        promoted: ended(End::Promoted),
        stopped: ended(End::Stopped),
        inconclusive: ended(End::Inconclusive),
        minutes_to_stop: quantile(&stops, 0.5),
        minutes_to_promote: both(&promotions),
        minutes_to_shift: both(&shifts),
        harm_minutes: quantile(&harms, 0.5),
        harmed: runs.iter().map(|run| run.harmed).sum::<f64>() / real_of(runs.len().max(1)),
    }
}

fn quantile(sorted: &[f64], at: f64) -> Option<f64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into thousands"
    )]
    let index = (at * real_of(sorted.len().checked_sub(1)?)).round() as usize;
    sorted.get(index).copied()
}

/// Returns a seed for each run (SplitMix64).
pub(crate) fn mix(seed: u64, number: usize) -> u64 {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    let mut z = seed
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(number.wrapping_mul(0xBF58_476D_1CE4_E5B9));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
