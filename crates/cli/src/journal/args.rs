//! The command line.

use clap::{Args, Parser, Subcommand};

/// Say which journals there are, and delete what is old.
///
/// A journal grows with each run of its rule. It is read from its end, so its age costs no time; only
/// space.
#[derive(Debug, Parser)]
#[command(name = "bluegreen journal", version, max_term_width = 100, after_help = AFTER)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Where they are [default: as ./bluegreen.toml says].
    #[arg(long, global = true, env = "BLUEGREEN_JOURNAL", value_name = "PLACE")]
    pub(crate) journal: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say which journals there are, and who holds each.
    List,
    /// Delete the records of old runs. The newest run of each journal always stays.
    Prune(Prune),
}

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// The journal by its name, as `list` says it [default: all of them].
    #[arg(long, value_name = "NAME", conflicts_with = "rule_arn")]
    pub(crate) log: Option<String>,
    /// The journal of this rule.
    #[arg(long, value_name = "ARN")]
    pub(crate) rule_arn: Option<String>,
    /// So many of the newest runs stay, however old they are.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) keep_runs: usize,
    /// Runs that began within this time stay, however many they are: 90 days, so that a quarter can be
    /// looked at.
    #[arg(long, value_name = "DAYS", default_value_t = 90,
          value_parser = clap::value_parser!(u32).range(..=36_500))]
    pub(crate) keep_days: u32,
    /// Say what would be deleted, and delete nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

const AFTER: &str = "\
Exit codes:
   0  done
   2  bad arguments; nothing was deleted
   3  the store could not be read, or did not delete; what was deleted by then stays deleted

Pruning needs s3:DeleteObject below the prefix, and no lock: a controller may work meanwhile.

Examples:
  bluegreen journal list --journal s3://BUCKET/migrations
  bluegreen journal prune --journal s3://BUCKET/migrations --dry-run
  bluegreen journal prune --journal s3://BUCKET/migrations --keep-runs 5 --keep-days 30";
