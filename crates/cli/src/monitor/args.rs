//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use crate::{
    common::journal::ReadJournal,
    migration::{
        args::{Named, OPTIONS},
        rights::PrintPolicy,
    },
};

/// Show a migration, live or afterwards, and write its report.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) named: Named<ReadJournal>,
    /// Run a migration on a simulated AWS; keys control it.
    #[arg(long, value_name = "SCENARIO", num_args = 0..=1, default_missing_value = "healthy",
          help_heading = OPTIONS, conflicts_with_all = ["replay", "name", "file", "rule_arn", "listener_arn"])]
    pub(crate) sim: Option<String>,
    /// The seed of the simulation.
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = OPTIONS)]
    pub(crate) seed: u64,
    /// Seconds of the run a second, or `max`.
    #[arg(long, value_name = "N", default_value = "120", help_heading = OPTIONS)]
    pub(crate) speed: String,
    /// Show a past run: its journal, or a file of events.
    #[arg(long, value_name = "PLACE", help_heading = OPTIONS)]
    pub(crate) replay: Option<String>,
    /// The log to show, if that place has several.
    #[arg(long, value_name = "NAME", requires = "replay", help_heading = OPTIONS)]
    pub(crate) log: Option<String>,
    /// Judge the past run again by this file's settings.
    #[arg(long, value_name = "FILE", requires = "replay", help_heading = OPTIONS)]
    pub(crate) judge_with: Option<PathBuf>,
    /// Time from one look to the next, if it only watches.
    #[arg(long, value_name = "TIME", default_value = "15s", help_heading = OPTIONS)]
    pub(crate) look_interval: String,
    /// Stop watching after this time [default: on Ctrl-C].
    #[arg(long, value_name = "TIME", help_heading = OPTIONS)]
    pub(crate) watch_for: Option<String>,
    /// Write a report: HTML, and beside it SVG, PNG, CSV, JSON.
    #[arg(long, value_name = "FILE", help_heading = OPTIONS)]
    pub(crate) report: Option<PathBuf>,
    /// Serve a page for browsers on this loopback address.
    #[arg(long, help_heading = OPTIONS, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:0")]
    pub(crate) serve: Option<SocketAddr>,
    /// Keep the page open this long after the end.
    #[arg(long, value_name = "TIME", requires = "serve", help_heading = OPTIONS)]
    pub(crate) linger: Option<String>,
    /// Print plain lines even on a terminal.
    #[arg(long, help_heading = OPTIONS)]
    pub(crate) plain: bool,
    /// Operator who uses the keys [default: $USER].
    #[arg(long, env = "USER", hide_env = true, value_name = "NAME", default_value = "operator",
          hide_default_value = true, help_heading = OPTIONS)]
    pub(crate) operator: String,
    #[command(flatten, next_help_heading = OPTIONS)]
    pub(crate) policy: PrintPolicy,
}

const AFTER: &str = "\
Exit codes: with --sim those of `bluegreen migrate`; else
   0  shown to the end
   2  bad arguments, or a file with neither a journal nor events
   3  AWS could not be read, or a file could not be written
  10  --judge-with: the run would have gone another way

Examples:
  bluegreen monitor --sim green-errors --serve --report report.html
  bluegreen monitor --replay s3://BUCKET/PREFIX --speed max --report report.html
  bluegreen monitor --replay FOLDER --judge-with stricter.toml";
