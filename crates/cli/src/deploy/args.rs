//! The command line.

use std::path::PathBuf;

use bluegreen::check::ConnectTo;
use clap::{ArgAction, Parser, ValueEnum};

use crate::common::journal::JournalPlace;

/// Build, deploy and check a service, and undo it if that fails.
#[derive(Debug, Parser)]
#[command(name = "bluegreen deploy", disable_help_flag = true, after_help = AFTER)]
pub(crate) struct Cli {
    /// The side of the file [default: the one without traffic]
    #[arg(value_name = "SIDE")]
    pub(crate) side: Option<String>,
    /// The file [default: ./bluegreen.toml]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// A simulated world; `list` explains each
    #[arg(long, value_name = "WORLD", num_args = 0..=1, default_missing_value = "healthy")]
    pub(crate) sim: Option<String>,
    /// Virtual seconds a second, or max [default: 60]
    #[arg(long, value_name = "N")]
    pub(crate) speed: Option<String>,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Ask the checks alone
    #[arg(
        long,
        value_enum,
        value_name = "health|smoke",
        hide_possible_values = true
    )]
    pub(crate) only: Option<Only>,
    /// Put the service back to what ran before
    #[arg(long)]
    pub(crate) undo: bool,
    /// With --undo: to this one (ARN or family:revision)
    #[arg(long, value_name = "REVISION")]
    pub(crate) to: Option<String>,
    /// Go on with a run whose process has ended
    #[arg(long)]
    pub(crate) resume: bool,
    /// One event a line as JSON on stdout, no text
    #[arg(long)]
    pub(crate) json: bool,
    /// Print this
    #[arg(short, long, action = ArgAction::HelpShort)]
    help: Option<bool>,
    #[command(flatten)]
    pub(crate) service: Service,
    #[command(flatten)]
    pub(crate) checks: Checks,
    #[command(flatten)]
    pub(crate) journal: Journal,
    #[command(flatten)]
    pub(crate) rare: Rare,
}

const AFTER: &str = "\
The file has more fields, which `bluegreen schema` explains. Deploying again is
harmless: what is built, registered or under way is found.
Exit codes: 0 done; 1 a check of --only failed; 2 bad arguments or files; 3
stopped before a change; 10 rolled back; 11 cancelled, rolled back; 12 held, or a
third party deployed; 20 not put back, or not known: a person must look now.";

/// Which checks are asked alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// The health check, until it is good so many times in a row.
    Health,
    /// Each smoke test once.
    Smoke,
}

/// What is deployed.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Service and image, over the file's")]
pub(crate) struct Service {
    /// The cluster
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// The service
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// JSON [default: a copy of what runs]
    #[arg(long, value_name = "FILE")]
    pub(crate) task_definition: Option<String>,
    /// JSON, for the first deployment
    #[arg(long, value_name = "FILE")]
    pub(crate) service_definition: Option<String>,
    /// In ECR
    #[arg(long, value_name = "NAME")]
    pub(crate) repository: Option<String>,
    /// What is built [default: .]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) context: Option<String>,
    /// Such as linux/amd64 [default: the engine's]
    #[arg(long, value_name = "NAME")]
    pub(crate) platform: Option<String>,
    /// [default: the commit]
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// REPOSITORY@sha256:…, instead of a build
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
}

/// What must answer well, and which risks are taken.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Checks, risks and journal, over the file's")]
pub(crate) struct Checks {
    /// Health check and smoke tests, TOML
    #[arg(long, value_name = "FILE")]
    pub(crate) checks: Option<String>,
    /// Their base URL
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Where they are sent, if not there
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) connect_to: Option<ConnectTo>,
    /// Deploy though users may reach the service
    #[arg(long)]
    pub(crate) in_place: bool,
    /// A risk, by the name that a refusal gives it
    #[arg(long, value_name = "RISK")]
    pub(crate) accept: Vec<String>,
}

/// Where the journal is kept. The simulation keeps it in memory.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Checks, risks and journal, over the file's")]
pub(crate) struct Journal {
    /// The journal: s3://BUCKET/PREFIX, or a folder
    #[arg(long, env = "BLUEGREEN_JOURNAL", hide_env = true, value_name = "PLACE")]
    pub(crate) journal: Option<String>,
    /// No other machine works on this
    #[arg(long)]
    pub(crate) single_host: bool,
    /// Take the journal from a holder that lives
    #[arg(long)]
    pub(crate) steal: bool,
    /// Who is responsible [default: $USER]
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

impl Journal {
    /// The place, or else that of the file.
    pub(crate) fn or(&self, of_file: Option<String>) -> JournalPlace {
        JournalPlace {
            journal: self.journal.clone().or(of_file),
            single_host: self.single_host,
            steal: self.steal,
        }
    }
}

/// What is mostly said in the file, or not at all. Journals of the version before may hold each of these.
#[derive(Debug, clap::Args)]
pub(crate) struct Rare {
    /// The real AWS is what a file or options name.
    #[arg(long, hide = true)]
    pub(crate) aws: bool,
    #[arg(long, hide = true, value_name = "NAME")]
    pub(crate) container: Option<String>,
    #[arg(long, hide = true, value_name = "PATH")]
    pub(crate) accept_unknown: Vec<String>,
    #[arg(long, hide = true)]
    pub(crate) create_repository: bool,
    #[arg(long, hide = true, value_name = "FILE")]
    pub(crate) dockerfile: Option<String>,
    #[arg(long, hide = true, value_name = "NAME[=VALUE]")]
    pub(crate) build_arg: Vec<String>,
    #[arg(long, hide = true)]
    pub(crate) rebuild: bool,
    #[arg(long, hide = true, value_name = "TAG")]
    pub(crate) also_tag: Option<String>,
    #[arg(long, hide = true, value_name = "HOST")]
    pub(crate) host: Option<String>,
    #[arg(long, hide = true, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    #[arg(long, hide = true, value_name = "TIME")]
    pub(crate) poll_every: Option<String>,
    #[arg(long, hide = true, value_name = "TIME")]
    pub(crate) rollout_deadline: Option<String>,
    #[arg(long, hide = true, value_name = "TIME")]
    pub(crate) rollback_deadline: Option<String>,
    #[arg(long, hide = true, value_enum)]
    pub(crate) on_cancel: Option<Policy>,
    #[arg(long, hide = true)]
    pub(crate) without_test_route: bool,
    #[arg(long, hide = true, value_name = "TIME")]
    pub(crate) grace: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// Put the service back.
    RollBack,
    /// Leave it as it is, for a person to decide.
    Hold,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verb {
    Deploy,
    DryRun,
    Only(Only),
    Undo { to: Option<String> },
    Resume,
}

impl Cli {
    /// The command line of a run that the version before began: its verb was a word.
    pub(crate) fn of_before(words: &[String]) -> Option<Self> {
        let program = std::iter::once("bluegreen deploy");
        let words = program.chain(words.iter().map(String::as_str));
        let mut cli = Self::try_parse_from(words).ok()?;
        match cli.side.take().as_deref() {
            None | Some("deploy") => {}
            Some("rollback") => cli.undo = true,
            Some(_) => return None,
        }
        cli.rare.aws.then_some(cli)
    }

    pub(crate) fn verb(&self) -> Verb {
        match (self.only, self.undo, self.resume, self.dry_run) {
            (Some(only), ..) => Verb::Only(only),
            (_, true, ..) => Verb::Undo {
                to: self.to.clone(),
            },
            (_, _, true, _) => Verb::Resume,
            (_, _, _, true) => Verb::DryRun,
            _ => Verb::Deploy,
        }
    }
}
