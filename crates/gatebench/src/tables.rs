//! The tables of the docs, as Markdown.

use std::fmt::Write as _;

use crate::{
    rules,
    scenario::{BASES, PUBLIC, RATES, Scenario},
    study::{Summary, study},
};

/// Returns the tables of every rule in every public cell.
pub(crate) fn compare(runs: usize, seed: u64, told: &mut dyn FnMut(&str)) -> String {
    let mut text = String::new();
    for name in PUBLIC {
        told(name);
        let scenarios: Vec<Vec<Scenario>> = vec![
            RATES
                .into_iter()
                .flat_map(|rate| BASES.map(|base| Scenario::public(name, rate, base)))
                .collect(),
        ];
        for cells in scenarios {
            text.push_str(&table(name, &cells, runs, seed));
        }
    }
    text
}

/// Returns a table for each scenario of a file.
pub(crate) fn of_file(scenarios: &[Scenario], runs: usize, seed: u64) -> String {
    let tables = scenarios
        .iter()
        .map(|scenario| table(&scenario.name, std::slice::from_ref(scenario), runs, seed));
    tables.collect()
}

fn table(name: &str, cells: &[Scenario], runs: usize, seed: u64) -> String {
    let is_bad = cells.iter().any(|cell| cell.is_bad);
    let mut text = String::new();
    let what = if is_bad {
        "missed / median minutes to rollback / requests harmed in the first hour"
    } else {
        "rolled back (+ inconclusive) / median minutes to the end"
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\n**{name}**: {what}\n");
    let _ = write!(text, "| rule |");
    for cell in cells {
        let _ = write!(text, " {:.0}/min, {:.1} % |", cell.rate, 100.0 * cell.base);
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(cells.len()));
    let rules_of: Vec<Vec<rules::Named>> = cells
        .iter()
        .map(|cell| rules::all(cell.base, cell.rate))
        .collect();
    let count = rules_of.first().map_or(0, Vec::len);
    for place in 0..count {
        let name = rules_of[0][place].name;
        let _ = write!(text, "| {name} |");
        for (cell, rules) in cells.iter().zip(&rules_of) {
            let rule = &rules[place];
            let summary = study(cell, rule, rule.runs(runs), seed);
            let shown = if is_bad {
                bad(&summary)
            } else {
                sound(&summary)
            };
            let _ = write!(text, " {shown} |");
        }
        text.push('\n');
    }
    text
}

fn minutes(median: Option<f64>) -> String {
    median.map_or_else(|| "–".to_owned(), |median| format!("{median:.0}"))
}

pub(crate) fn bad(summary: &Summary) -> String {
    format!(
        "{:.1} / {} / {}",
        100.0 * summary.promoted,
        minutes(summary.minutes_to_stop),
        count(summary.harmed)
    )
}

pub(crate) fn sound(summary: &Summary) -> String {
    let unsure = if summary.inconclusive > 0.0005 {
        format!("+{:.1}", 100.0 * summary.inconclusive)
    } else {
        String::new()
    };
    let end = summary.minutes_to_promote.map(|(median, _)| median);
    format!("{:.1}{unsure} / {}", 100.0 * summary.stopped, minutes(end))
}

fn count(figure: f64) -> String {
    if figure.abs() < 0.5 {
        "0".to_owned()
    } else if figure >= 10_000.0 {
        format!("{:.0}k", figure / 1_000.0)
    } else {
        format!("{figure:.0}")
    }
}

/// Returns the table of the rules' sources.
pub(crate) fn sources() -> String {
    let mut text = String::from("| rule | what it is |\n|---|---|\n");
    for rule in rules::all(0.01, 600.0) {
        let _ = writeln!(text, "| {} | {} |", rule.name, rule.source);
    }
    text
}
