//! The groups of options that verbs about a migration share.

use std::path::PathBuf;

use clap::Args;

use crate::common::rule::NamedRule;

/// Which migration it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = WHICH)]
pub(crate) struct Which {
    /// By its name in the journal, without a file.
    #[arg(value_name = "NAME", conflicts_with = "file", help_heading = WHICH)]
    pub(crate) name: Option<String>,
    /// Its file [default: ./bluegreen.toml].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rule: NamedRule,
}

/// The heading of what is neither.
pub(crate) const OPTIONS: &str = "Options";
/// The heading of what names a migration.
pub(crate) const WHICH: &str = "Which migration";

/// The simulated AWS of a verb that runs or plans something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Simulated AWS")]
pub(crate) struct Sim {
    /// A fresh simulated AWS; `--sim list` explains them.
    #[arg(long, value_name = "SCENARIO", num_args = 0..=1, default_missing_value = "healthy",
          conflicts_with_all = ["name", "rule_arn", "listener_arn"])]
    pub(crate) sim: Option<String>,
    /// The seed of its randomness [default: 1].
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Its seconds a second, or `max` [default: 120].
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) speed: Option<String>,
}

/// The two sides, if no file says them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = WHICH)]
pub(crate) struct Groups {
    /// The one that serves, if the rule cannot say.
    #[arg(long, value_name = "ARN", requires = "green_target_group")]
    pub(crate) blue_target_group: Option<String>,
    /// The other one.
    #[arg(long, value_name = "ARN", requires = "blue_target_group")]
    pub(crate) green_target_group: Option<String>,
    /// Blue's ECS service: CLUSTER/SERVICE.
    #[arg(long, value_name = "NAME")]
    pub(crate) blue_service: Option<String>,
}

/// Who does it, and how it is told.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = OPTIONS)]
pub(crate) struct Told {
    /// JSON on stdout, a line each, instead of words.
    #[arg(long)]
    pub(crate) json: bool,
    /// Who is responsible, as it stands in the outcome.
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
