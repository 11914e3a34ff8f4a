//! Measures the sequential gate: its goals, and every public scenario beside the rules that
//! people use.
//!
//! ```text
//! cargo run --release -p gatebench -- --quick
//! ```

mod charts;
mod engine;
mod goals;
#[cfg(feature = "native")]
mod native;
mod rules;
mod scenario;
mod study;
mod tables;
mod targets;
mod world;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;

use crate::goals::Effort;

/// Measures the sequential gate on simulated migrations, from a seed.
///
/// Without options: every goal with all of its runs, then every rule in every public scenario as
/// Markdown tables on stdout.
#[derive(Debug, Parser)]
#[command(name = "gatebench", version, max_term_width = 100)]
struct Cli {
    /// Print only the goals, with fewer runs: one line for each goal, and exit code 1 if a goal fails.
    #[arg(long)]
    quick: bool,
    /// Print only the tables.
    #[arg(long, conflicts_with = "quick")]
    tables: bool,
    /// Print only what the engine reaches beside its targets.
    #[arg(long, conflicts_with_all = ["quick", "tables"])]
    targets: bool,
    /// Print only the table of deployments that ECS moves itself: alarms alone beside the judge.
    #[cfg(feature = "native")]
    #[arg(long, conflicts_with_all = ["quick", "tables", "targets"])]
    native: bool,
    /// The rule of the engine whose targets are measured, as `judge.rule` in a file: 1 or 2.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=2))]
    rule: u32,
    /// Minutes of the engine's final bake, for the frontier of bake and harm. Default: the rule's own.
    #[arg(long, value_name = "MINUTES")]
    final_bake: Option<u64>,
    /// Write the pages of the docs, tables and charts, into this folder.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["quick", "tables"])]
    docs: Option<PathBuf>,
    /// Try your own scenarios, a TOML file: see --example-file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "tables"])]
    scenarios: Option<PathBuf>,
    /// Print an example file of scenarios with every field, and end.
    #[arg(long)]
    example_file: bool,
    /// Migrations in each cell of the tables.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    runs: usize,
    /// The seed of all randomness.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

const EXAMPLE: &str = include_str!("../scenarios.toml");

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.example_file {
        say(EXAMPLE.trim_end());
        return ExitCode::SUCCESS;
    }
    if let Some(path) = &cli.scenarios {
        let read = fs::read_to_string(path).map_err(|error| error.to_string());
        return match read.and_then(|text| scenario::read(&text)) {
            Ok(scenarios) => {
                say(&tables::of_file(&scenarios, cli.runs, cli.seed));
                ExitCode::SUCCESS
            }
            Err(error) => {
                progress(&format!("error: {}: {error}", path.display()));
                progress("  hint: `--example-file` prints one with every field");
                ExitCode::from(2)
            }
        };
    }
    if let Some(folder) = &cli.docs {
        return match docs(folder, &cli) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                progress(&format!("error: {}: {error}", folder.display()));
                ExitCode::from(2)
            }
        };
    }
    #[cfg(feature = "native")]
    if cli.native {
        let mut told = progress;
        say(&native::table(cli.runs, cli.seed, cli.rule, &mut told));
        return ExitCode::SUCCESS;
    }
    if cli.targets {
        let effort = effort(&cli, cli.rule);
        let targets = targets::all(effort, &mut |target| say(&target.to_string()));
        return match targets.iter().all(|target| target.is_met != Some(false)) {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        };
    }
    let mut is_met = true;
    if !cli.tables {
        let effort = if cli.quick {
            Effort::QUICK
        } else {
            Effort::FULL
        };
        let effort = Effort {
            seed: cli.seed,
            ..effort
        };
        let effort_of_engine = self::effort(&cli, cli.rule);
        let goals = goals::all(effort, &mut |goal| say(&goal.to_string()));
        is_met = goals.iter().all(|goal| goal.is_met != Some(false));
        if cli.quick {
            // Told, and no reason to fail: with so few runs a figure moves by tenths.
            let effort = targets::Effort {
                healthy: 40,
                bad: 20,
                ..effort_of_engine
            };
            targets::all(effort, &mut |target| say(&target.to_string()));
        }
    }
    if !cli.quick {
        say(&tables::sources());
        say(&tables::compare(cli.runs, cli.seed, &mut |name| {
            progress(&format!("{name} …"));
        }));
    }
    if is_met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Writes the pages of the docs: the measurements and the charts.
fn docs(folder: &Path, cli: &Cli) -> Result<(), Box<dyn std::error::Error>> {
    charts::write(folder, cli.runs, cli.seed)?;
    let effort = Effort {
        seed: cli.seed,
        ..Effort::FULL
    };
    let mut page = format!(
        "# What was measured\n\n\
         By `cargo run --release -p gatebench -- --docs FOLDER`, seed {}: {} healthy migrations a cell \
         and {} bad ones for the goals, {} a cell for the tables, a tenth of these for the engine. All of it is simulation: Poisson \
         traffic, independent errors, lognormal latency, metrics one minute late for half of the \
         runs and two for the other half.\n\n\
         ## Goals\n\n| goal | what | measured | target | |\n|---|---|---|---|---|\n",
        cli.seed, effort.healthy, effort.bad, cli.runs
    );
    goals::all(effort, &mut |goal| {
        progress(&goal.to_string());
        page.push_str(&goal.row());
    });
    page.push_str(&engine_page(cli));
    page.push_str("\n## Rules\n\n");
    page.push_str(&tables::sources());
    page.push_str("\n## Every rule in every public scenario\n");
    page.push_str(&tables::compare(cli.runs, cli.seed, &mut |name| {
        progress(&format!("{name} …"));
    }));
    fs::write(folder.join("measured.md"), page)?;
    Ok(())
}

/// Returns the section of the page with the figures of the whole engine, both rules side by side.
fn engine_page(cli: &Cli) -> String {
    let [first, second] = [1, 2].map(|rule| {
        targets::all(effort(cli, rule), &mut |target| {
            progress(&target.to_string())
        })
    });
    let mut page = format!(
        "\n## The engine\n\n\
         The real gate, settler, judges and machine in virtual time, over a splitter and metrics in \
         memory, by `gatebench --targets --rule N`: {} migrations in a healthy cell, {} in a bad one. A \
         minute shows in part 15 s after its end, and whole after 30 s in half of the runs and after 90 s \
         in the others.\n\n| | what | rule 1 | rule 2 | target | rule 2 |\n|---|---|---|---|---|---|\n",
        cli.runs,
        effort(cli, 1).bad
    );
    for (first, second) in first.iter().zip(&second) {
        page.push_str(&second.row_beside(&first.figure));
    }
    page
}

fn effort(cli: &Cli, rule: u32) -> targets::Effort {
    targets::Effort {
        healthy: cli.runs,
        bad: (cli.runs / 4).max(1),
        seed: cli.seed,
        rule,
        final_bake: cli.final_bake,
    }
}

/// Prints a line of the result. Ignores an error of stdout, such as a reader that went away.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

fn progress(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
