//! The command line.

use clap::{Args, Parser, Subcommand};

/// List journals, and delete the records of old runs.
///
/// A journal grows with each run of its rule. It is read from its end, so old records cost space, but no
/// time.
#[derive(Debug, Parser)]
#[command(name = "bluegreen journal", version, max_term_width = 100, after_help = AFTER)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// The place of the journals [default: as in ./bluegreen.toml].
    #[arg(long, global = true, env = "BLUEGREEN_JOURNAL", value_name = "PLACE")]
    pub(crate) journal: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the journals, each with its holder.
    List,
    /// Delete the records of old runs. The newest run of each journal always stays.
    Prune(Prune),
}

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// The journal of this name, as `list` shows it [default: all journals].
    #[arg(long, value_name = "NAME", conflicts_with = "rule_arn")]
    pub(crate) log: Option<String>,
    /// The journal of this rule.
    #[arg(long, value_name = "ARN")]
    pub(crate) rule_arn: Option<String>,
    /// The newest N runs stay, even if they are old.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) keep_runs: usize,
    /// Runs that began in the last DAYS days stay, even if they are many. The default is a quarter.
    #[arg(long, value_name = "DAYS", default_value_t = 90,
          value_parser = clap::value_parser!(u32).range(..=36_500))]
    pub(crate) keep_days: u32,
    /// Show what would be deleted, and delete nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

const AFTER: &str = "\
Exit codes:
   0  done
   2  bad arguments; nothing was deleted
   3  the store could not be read, or a delete failed; deleted records are gone

Pruning needs s3:DeleteObject below the prefix, and no lease: a controller may
run at the same time.

Examples:
  bluegreen journal list --journal s3://BUCKET/migrations
  bluegreen journal prune --journal s3://BUCKET/migrations --dry-run
  bluegreen journal prune --journal s3://BUCKET/migrations --keep-runs 5 --keep-days 30";
