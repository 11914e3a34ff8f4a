//! The table of the docs.

use std::fmt::Write as _;

use rayon::prelude::*;

use super::drive::{Case, Green, Guard, HORIZON, Strategy, deploy, shortest};
use crate::{
    study::{Summary, mix, summarise},
    tables::{bad, sound},
};

/// The rows: green, its name in the table, requests a minute, blue's error rate.
const ROWS: [(Green, &str, f64, f64); 17] = [
    (Green::Healthy, "healthy", 60.0, 0.001),
    (Green::Healthy, "healthy", 60.0, 0.01),
    (Green::Healthy, "healthy", 600.0, 0.001),
    (Green::Healthy, "healthy", 600.0, 0.01),
    (Green::Healthy, "healthy", 6_000.0, 0.001),
    (Green::Healthy, "healthy", 6_000.0, 0.01),
    (Green::Times(2.0), "2 times", 600.0, 0.01),
    (Green::Times(2.0), "2 times", 6_000.0, 0.001),
    (Green::Times(2.0), "2 times", 6_000.0, 0.01),
    (Green::Times(5.0), "5 times", 600.0, 0.001),
    (Green::Times(5.0), "5 times", 600.0, 0.01),
    (Green::Times(5.0), "5 times", 6_000.0, 0.001),
    (Green::Times(5.0), "5 times", 6_000.0, 0.01),
    (Green::Late(5.0), "5 times, late", 600.0, 0.01),
    (Green::Late(5.0), "5 times, late", 6_000.0, 0.01),
    (Green::Outage, "outage", 600.0, 0.01),
    (Green::Outage, "outage", 6_000.0, 0.01),
];

/// Returns both tables, as Markdown: `runs` deployments of a healthy green in a cell, a quarter of them of a bad
/// one.
pub(crate) fn table(runs: usize, seed: u64, rule: u32, told: &mut dyn FnMut(&str)) -> String {
    let few = (runs / 4).max(1);
    let mut text = format!(
        "Seed {seed}, rule {rule}: {runs} deployments in a cell of a healthy green, {few} in one of a bad green. \
         Healthy: rolled back in per cent (+ not decided) / median minutes to the end. Bad: promoted in per cent / \
         median minutes to the rollback / requests that failed in {HORIZON} minutes beyond blue's rate, on average.\n"
    );
    let guards = [
        ("alarm 1 %", Some(1.0), None),
        ("alarm 5 %", Some(5.0), None),
        ("judge", None, Some(rule)),
        ("judge and alarm 5 %", Some(5.0), Some(rule)),
    ];
    for strategy in [Strategy::Linear, Strategy::Canary] {
        let (name, least) = match strategy {
            Strategy::Linear => (
                "linear, 10 % at each step, 6 minutes each",
                shortest(strategy),
            ),
            Strategy::Canary => ("canary, 10 % for 10 minutes", shortest(strategy)),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "\n**{name}**, 10 minutes of bake: {least:.0} minutes at least\n"
        );
        let _ = write!(text, "| green | a minute | blue fails |");
        for (guard, ..) in guards {
            let _ = write!(text, " {guard} |");
        }
        let _ = writeln!(text, "\n|---|---|---|---|---|---|---|");
        for (green, name, rate, base) in ROWS {
            told(&format!("{strategy:?}, {name}, {rate} a minute, {base}"));
            let _ = write!(text, "| {name} | {rate:.0} | {:.1} % |", 100.0 * base);
            for (_, alarm, judge) in guards {
                let case = Case { green, rate, base };
                let guard = Guard { alarm, judge };
                let is_sound = green == Green::Healthy;
                let runs = if is_sound { runs } else { few };
                let summary = cell(case, strategy, guard, runs, seed);
                let shown = match is_sound {
                    true => sound(&summary),
                    false => bad(&summary),
                };
                let _ = write!(text, " {shown} |");
            }
            text.push('\n');
        }
    }
    text
}

fn cell(case: Case, strategy: Strategy, guard: Guard, runs: usize, seed: u64) -> Summary {
    let all = (0..runs).into_par_iter();
    let all = all.map(|number| deploy(case, strategy, guard, mix(seed, number)));
    summarise(&all.collect::<Vec<_>>())
}
