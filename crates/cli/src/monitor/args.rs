//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;

use crate::common::rule::NamedRule;

/// Shows a migration while it goes on, and writes a report of it: in the terminal, in the browser
/// with --serve, and as plain lines where there is no terminal.
///
/// Without --aws and --replay it runs one on a simulated AWS, in virtual time, with the keys to take
/// it in hand. With --aws it watches one that somebody else runs, and only reads.
#[derive(Debug, Parser)]
#[command(name = "bluegreen monitor", version, max_term_width = 100, after_help = AFTER)]
pub(crate) struct Cli {
    /// The simulated world; `bluegreen router --scenario list` explains each.
    #[arg(long, value_name = "NAME", default_value = "healthy", conflicts_with_all = ["aws", "replay"])]
    pub(crate) scenario: String,
    /// The seed of the simulation's randomness.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Seconds of the run a second, or `max`: of the simulation, or of what is replayed.
    #[arg(long, value_name = "N", default_value = "120")]
    pub(crate) speed: String,
    /// Play what a run left behind: its journal, as --journal of bluegreen router named it
    /// (s3://BUCKET/PREFIX, or a folder), of which the newest run is taken; or a file with its
    /// records, or with the events that `bluegreen router --json` printed, a line of JSON each.
    #[arg(long, value_name = "PLACE", conflicts_with = "aws")]
    pub(crate) replay: Option<String>,
    /// The journal of --replay by its name, where there are several; else the rule says which.
    #[arg(long, value_name = "NAME", requires = "replay")]
    pub(crate) log: Option<String>,
    /// Judge the journal of --replay again with the plan, limits and settings of this TOML file, and
    /// say where the run would have gone another way.
    #[arg(long, value_name = "FILE", requires = "replay")]
    pub(crate) judge_with: Option<PathBuf>,
    /// Watch a migration on real AWS. Reads only.
    #[arg(long)]
    pub(crate) aws: bool,
    #[command(flatten)]
    pub(crate) rule: NamedRule,
    /// Where traffic was, with --aws.
    #[arg(long, value_name = "ARN", requires = "aws")]
    pub(crate) blue_target_group: Option<String>,
    /// Where it goes, with --aws.
    #[arg(long, value_name = "ARN", requires = "aws")]
    pub(crate) green_target_group: Option<String>,
    /// How often to look, with --aws.
    #[arg(long, alias = "look-every", value_name = "TIME", default_value = "15s")]
    pub(crate) look_interval: String,
    /// Stop watching after this time, with --aws [default: on Ctrl-C].
    #[arg(long, value_name = "TIME", requires = "aws")]
    pub(crate) watch_for: Option<String>,
    /// Write a report: this HTML file, and beside it the charts (SVG, PNG), the table (CSV) and
    /// everything (JSON).
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Show it in the browser, too, on this loopback address; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:0")]
    pub(crate) serve: Option<SocketAddr>,
    /// Keep the page open so long after the end.
    #[arg(long, value_name = "TIME", requires = "serve")]
    pub(crate) linger: Option<String>,
    /// Plain lines even on a terminal.
    #[arg(long)]
    pub(crate) plain: bool,
    /// Who is responsible for what the keys do.
    #[arg(long, env = "USER", value_name = "NAME", default_value = "operator")]
    pub(crate) operator: String,
}

const AFTER: &str = "\
Exit codes: that of the run, as bluegreen router gives it, where it runs one itself; else
   0  shown to its end
   2  bad arguments, or a file that is no journal and no events
   3  AWS could not be read, or a file not be written
  10  --judge-with: the run would have gone another way

Examples:
  bluegreen monitor                                  a healthy migration, live
  bluegreen monitor --scenario green-errors --report report.html
  bluegreen monitor --serve --speed 20               and in the browser
  bluegreen monitor --replay s3://BUCKET/PREFIX --speed max --report report.html
  bluegreen monitor --replay DIRECTORY --judge-with stricter.toml
  bluegreen monitor --aws --rule-arn ARN --blue-target-group ARN --green-target-group ARN";
