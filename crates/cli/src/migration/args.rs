//! The groups of options that the verbs for migrations share.

use std::path::PathBuf;

use bluegreen::problem::Problem;
use clap::Args;

use crate::common::{journal::JournalPlace, rule::NamedRule};

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

/// A migration, its sides and its journal, as a verb names them. `J` is the journal's group: a verb takes the
/// lease, or only reads.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = WHICH)]
pub(crate) struct Named<J: Args> {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) groups: Groups,
    #[command(flatten)]
    pub(crate) journal: J,
}

impl<J: Args + Clone + Into<JournalPlace>> Named<J> {
    /// The place of the journal that is named.
    pub(crate) fn place(&self) -> JournalPlace {
        self.journal.clone().into()
    }
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

/// The two target groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct GroupPair {
    /// Blue's target group, if the rule cannot tell.
    #[arg(long, value_name = "ARN")]
    pub(crate) blue_target_group: Option<String>,
    /// Green's target group.
    #[arg(long, value_name = "ARN")]
    pub(crate) green_target_group: Option<String>,
}

impl GroupPair {
    /// Adds a problem if only one of the groups is named.
    pub(crate) fn must_be_whole(&self, problems: &mut Vec<Problem>) {
        let (field, other) = match (&self.blue_target_group, &self.green_target_group) {
            (Some(_), None) => ("--blue-target-group", "--green-target-group"),
            (None, Some(_)) => ("--green-target-group", "--blue-target-group"),
            _ => return,
        };
        let message = format!("is of no use without {other}");
        let hint = "name both target groups, or none: then the rule tells them";
        problems.push(Problem::new(field, message, hint));
    }

    /// Returns the names of the options that were given.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let all = [
            ("--blue-target-group", &self.blue_target_group),
            ("--green-target-group", &self.green_target_group),
        ];
        let given = all.into_iter().filter(|(_, text)| text.is_some());
        given.map(|(field, _)| field).collect()
    }
}

/// The two sides, if no file names them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct Groups {
    #[command(flatten)]
    pub(crate) pair: GroupPair,
    /// Blue's ECS service: CLUSTER/SERVICE.
    #[arg(long, value_name = "NAME")]
    pub(crate) blue_service: Option<String>,
}

impl Groups {
    /// No side is named.
    pub(crate) const NONE: &Self = &Self {
        pair: GroupPair {
            blue_target_group: None,
            green_target_group: None,
        },
        blue_service: None,
    };

    /// Returns the names of the options that were given.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let service = self.blue_service.as_ref().map(|_| "--blue-service");
        self.pair.given().into_iter().chain(service).collect()
    }
}

/// The operator, and the form of the output.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
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
