//! The groups of options that the verbs for migrations share.

use std::path::PathBuf;

use clap::Args;

use crate::common::rule::NamedRule;

/// The options that name a migration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = WHICH)]
pub(crate) struct Which {
    /// Its name in the journal, instead of a file.
    #[arg(value_name = "NAME", conflicts_with = "file", help_heading = WHICH)]
    pub(crate) name: Option<String>,
    /// Its file [default: ./bluegreen.toml].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rule: NamedRule,
}

/// The heading of the other options.
pub(crate) const OPTIONS: &str = "Options";
/// The heading of the options that name a migration.
pub(crate) const WHICH: &str = "Which migration";

/// The options for a simulated AWS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Simulated AWS")]
pub(crate) struct Sim {
    /// A new simulated AWS: `--sim list` shows the scenarios.
    #[arg(long, value_name = "SCENARIO", num_args = 0..=1, default_missing_value = "healthy",
          conflicts_with_all = ["name", "rule_arn", "listener_arn"])]
    pub(crate) sim: Option<String>,
    /// The seed of its randomness [default: 1].
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Simulated seconds a second, or `max` [default: 120].
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) speed: Option<String>,
}

/// The two sides, if no file names them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = WHICH)]
pub(crate) struct Groups {
    /// Blue's target group, if the rule cannot tell.
    #[arg(long, value_name = "ARN", requires = "green_target_group")]
    pub(crate) blue_target_group: Option<String>,
    /// Green's target group.
    #[arg(long, value_name = "ARN", requires = "blue_target_group")]
    pub(crate) green_target_group: Option<String>,
    /// Blue's ECS service: CLUSTER/SERVICE.
    #[arg(long, value_name = "NAME")]
    pub(crate) blue_service: Option<String>,
}

/// The operator, and the form of the output.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = OPTIONS)]
pub(crate) struct Told {
    /// JSON lines on stdout, instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// Operator named in the outcome [default: $USER].
    #[arg(
        long,
        env = "USER",
        hide_env = true,
        value_name = "NAME",
        default_value = "operator",
        hide_default_value = true
    )]
    pub(crate) operator: String,
}
