//! Many migrations of one scenario under one rule, in parallel, and their results.

use rayon::prelude::*;

use crate::{
    rules::{End, Named, Seen},
    scenario::Scenario,
    world::{HORIZON, World},
};

/// The longest simulated migration, in minutes.
const LONGEST: usize = 400;

/// The result of one migration.
#[derive(Debug, Clone, Copy)]
struct Run {
    end: End,
    minutes: usize,
    harmed: f64,
}

/// The result of many migrations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    pub(crate) runs: usize,
    pub(crate) promoted: f64,
    pub(crate) stopped: f64,
    pub(crate) inconclusive: f64,
    /// The median of the minutes to a rollback; `None` if there was no rollback.
    pub(crate) minutes_to_stop: Option<f64>,
    /// Median and 95th percentile of the minutes to the end, of the promoted migrations.
    pub(crate) minutes_to_promote: Option<(f64, f64)>,
    /// The mean of the requests that failed beyond blue's rate in the first hour.
    pub(crate) harmed: f64,
}

/// Runs half of the migrations with metrics one minute late, half with two.
pub(crate) fn study(scenario: &Scenario, rule: &Named, runs: usize, seed: u64) -> Summary {
    let all: Vec<Run> = (0..runs)
        .into_par_iter()
        .map(|number| {
            let delay = 1 + number % 2;
            migrate(scenario, rule, mix(seed, number), delay)
        })
        .collect();
    summarise(&all)
}

/// Runs one migration. At the start of minute `m` the controller sees minutes up to `m - 1 - delay`.
fn migrate(scenario: &Scenario, named: &Named, seed: u64, delay: usize) -> Run {
    let mut world = World::new(scenario, seed, named.needs);
    let mut rule = (named.begin)();
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
    Run {
        end,
        minutes,
        harmed: world.harmed,
    }
}

fn summarise(runs: &[Run]) -> Summary {
    #[expect(clippy::cast_precision_loss, reason = "thousands of runs")]
    let of_all = |count: usize| count as f64 / runs.len().max(1) as f64;
    let ended = |end: End| of_all(runs.iter().filter(|run| run.end == end).count());
    let minutes = |wanted: &dyn Fn(End) -> bool| -> Vec<usize> {
        let of = runs.iter().filter(|run| wanted(run.end));
        let mut minutes: Vec<usize> = of.map(|run| run.minutes).collect();
        minutes.sort_unstable();
        minutes
    };
    let stops = minutes(&|end| end != End::Promoted);
    let promotions = minutes(&|end| end == End::Promoted);
    #[expect(clippy::cast_precision_loss, reason = "thousands of runs")]
    let harmed = runs.iter().map(|run| run.harmed).sum::<f64>() / runs.len().max(1) as f64;
    Summary {
        runs: runs.len(),
        promoted: ended(End::Promoted),
        stopped: ended(End::Stopped),
        inconclusive: ended(End::Inconclusive),
        minutes_to_stop: quantile(&stops, 0.5),
        minutes_to_promote: quantile(&promotions, 0.5).zip(quantile(&promotions, 0.95)),
        harmed,
    }
}

fn quantile(sorted: &[usize], at: f64) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into thousands"
    )]
    let index = (at * (sorted.len().checked_sub(1)?) as f64).round() as usize;
    #[expect(clippy::cast_precision_loss, reason = "minutes")]
    let value = sorted[index] as f64;
    Some(value)
}

/// Returns a seed for each run (SplitMix64).
fn mix(seed: u64, number: usize) -> u64 {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    let mut z = seed
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(number.wrapping_mul(0xBF58_476D_1CE4_E5B9));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
