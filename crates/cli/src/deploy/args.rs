//! The command line.

use std::path::PathBuf;

use bluegreen::check::ConnectTo;
use clap::{ArgAction, Parser, ValueEnum};

use crate::{
    common::journal::JournalPlace,
    migration::{args::Told, rights::PrintPolicy},
};

/// Build, deploy and check a service, and roll it back if that fails.
#[derive(Debug, Parser)]
#[command(name = "bluegreen deploy", disable_help_flag = true, after_help = AFTER)]
pub(crate) struct Cli {
    /// The side of the file [default: the side without traffic]
    #[arg(value_name = "SIDE")]
    pub(crate) side: Option<String>,
    /// The file [default: ./bluegreen.toml]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// A simulated AWS; `--sim list` explains each
    #[arg(long, value_name = "WORLD", num_args = 0..=1, default_missing_value = "healthy")]
    pub(crate) sim: Option<String>,
    /// Simulated seconds a second, or max [default: 60]
    #[arg(long, value_name = "N")]
    pub(crate) speed: Option<String>,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Run only these checks, and deploy nothing
    #[arg(
        long,
        value_enum,
        value_name = "health|smoke",
        hide_possible_values = true
    )]
    pub(crate) only: Option<Only>,
    /// Restore the revision that ran before
    #[arg(long)]
    pub(crate) undo: bool,
    /// With --undo: this revision (ARN or family:number)
    #[arg(long, value_name = "REVISION")]
    pub(crate) to: Option<String>,
    /// Continue a run whose process has ended
    #[arg(long)]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) told: Told,
    #[command(flatten)]
    pub(crate) policy: PrintPolicy,
    /// Print help
    #[arg(short, long, action = ArgAction::HelpShort)]
    help: Option<bool>,
    #[command(flatten)]
    pub(crate) service: Service,
    #[command(flatten)]
    pub(crate) checks: Checks,
    #[command(flatten, next_help_heading = CHECKS)]
    pub(crate) journal: JournalPlace,
    #[command(flatten)]
    pub(crate) rare: Rare,
}

const AFTER: &str = "\
The file has more fields, which `bluegreen schema` explains. A second deploy is
harmless: it continues with what is already built, registered or under way.
If ECS moves the service's traffic itself, `bluegreen judge` follows by itself.
Exit codes: 0 done; 1 a check of --only failed; 2 bad arguments or files;
3 stopped before a change; 10 rolled back; 11 cancelled, rolled back; 12 held,
or a third party deployed; 20 not restored, or not known: look now.";

/// The checks that run alone, without a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// The health check, until it passes as many times in a row as the file says.
    Health,
    /// Each smoke test once.
    Smoke,
}

/// The service and the image to deploy.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Service and image, instead of the file's")]
pub(crate) struct Service {
    /// The ECS cluster
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// The ECS service
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// A JSON file [default: a copy of what runs]
    #[arg(long, value_name = "FILE")]
    pub(crate) task_definition: Option<String>,
    /// A JSON file, for the first deployment
    #[arg(long, value_name = "FILE")]
    pub(crate) service_definition: Option<String>,
    /// The repository in ECR
    #[arg(long, value_name = "NAME")]
    pub(crate) repository: Option<String>,
    /// The folder to build [default: .]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) context: Option<String>,
    /// Such as linux/amd64 [default: the engine's]
    #[arg(long, value_name = "NAME")]
    pub(crate) platform: Option<String>,
    /// The image's tag [default: the commit]
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Build nothing, deploy REPOSITORY@sha256:…
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
}

/// The heading of what a run is held against.
const CHECKS: &str = "Checks, risks and journal, instead of the file's";

/// The checks that must pass, and the accepted risks.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = CHECKS)]
pub(crate) struct Checks {
    /// Health check and smoke tests, a TOML file
    #[arg(long, value_name = "FILE")]
    pub(crate) checks: Option<String>,
    /// The base URL of the checks
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Send the checks here, not to the URL's host
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) connect_to: Option<ConnectTo>,
    /// Deploy even if users may reach the service
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Accept a risk, by its name in the refusal
    #[arg(long, value_name = "RISK")]
    pub(crate) accept: Vec<String>,
}

/// Options for fields that the file usually holds. Journals of the previous version may hold each of them.
#[derive(Debug, clap::Args)]
pub(crate) struct Rare {
    /// Accepted for journals of the previous version: the real AWS is now the default.
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
    /// Restore the revision that ran before.
    RollBack,
    /// Leave the service as it is, for a person to decide.
    Hold,
}

/// The act that the options ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verb {
    Deploy,
    DryRun,
    Only(Only),
    Undo { to: Option<String> },
    Resume,
}

impl Cli {
    /// Returns the command line of a run that the previous version began: there the verb was a word.
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
