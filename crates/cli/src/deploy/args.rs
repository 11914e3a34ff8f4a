//! The command line.

use std::path::PathBuf;

use bluegreen::check::ConnectTo;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::common::{journal::JournalPlace, rule::NamedRule};

/// Builds the image, deploys the ECS service, follows the rollout to its end, checks what runs,
/// and takes it back when anything fails.
///
/// Without --aws it runs on a simulated AWS, in virtual time, and touches nothing.
#[derive(Debug, Parser)]
#[command(name = "bluegreen deploy", version, max_term_width = 100, after_help = AFTER)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) service: Service,
    #[command(flatten)]
    pub(crate) image: Image,
    #[command(flatten)]
    pub(crate) checks: Checks,
    #[command(flatten)]
    pub(crate) plan: Plan,
    #[command(flatten)]
    pub(crate) journal: JournalPlace,
    /// Print one event a line as JSON on stdout, and nothing for people.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The command line as it was typed, after the verb; a journal keeps it for `resume`.
    #[arg(skip)]
    pub(crate) words: Vec<String>,
}

const AFTER: &str = "\
Exit codes:
   0  deployed; checks passed; an asked-for rollback restored
   1  a check that was asked for on its own (`health`, `smoke`) failed
   2  bad arguments or files; nothing was called
   3  stopped before the service was changed: preflight, build, push or register failed
  10  rolled back by a failed rollout or check; read back
  11  cancelled (Ctrl-C, SIGTERM); rolled back and read back
  12  held: on request, or a third party deployed meanwhile
  20  not taken back, or not known: somebody must look now

Doing it again is harmless, and is how a run that was killed goes on: an image that was pushed is
not built again, a revision that exists is not registered again, a rollout under way is followed.

Examples:
  bluegreen deploy                                the healthy case on the simulation
  bluegreen deploy --scenario smoke-fails         one that is rolled back
  bluegreen deploy --scenario list                all scenarios, and what each must end with
  bluegreen deploy --dry-run                      what would change, and nothing changed
  bluegreen deploy prepare                        a place for green, on the simulation
  bluegreen deploy validate --service-definition service.json
  bluegreen deploy prepare --aws --listener-arn ARN --blue-target-group ARN --green-target-group NAME
  bluegreen deploy --aws --cluster C --service S --repository R --context . --checks checks.toml";

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Build, push, register, update, follow, check (the default).
    Deploy,
    /// Go on with a deployment whose process ended, with the options that it was started with, on
    /// this machine or another. Needs the service and the journal.
    Resume,
    /// Take the service back to what ran before the last deployment.
    Rollback {
        /// To this revision instead (ARN or family:revision).
        #[arg(long, value_name = "REVISION")]
        to: Option<String>,
    },
    /// Ask the health check until it is good so many times in a row. Changes nothing.
    Health,
    /// Ask each smoke test once.
    Smoke,
    /// Make the place where green is to stand: its target group, at weight 0 in the rule that
    /// divides the traffic, and a route by which tests reach green itself. Moves no traffic.
    Prepare(Prepare),
    /// Read definition files and say everything that is wrong with them. Calls nothing.
    Validate(Validate),
}

/// The files, beside --task-definition and --service-definition.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Validate {
    /// A target group, JSON as `aws elbv2 create-target-group --cli-input-json` takes it.
    #[arg(long, value_name = "FILE")]
    pub(crate) target_group_definition: Option<PathBuf>,
    /// A listener rule, JSON as `aws elbv2 create-rule --cli-input-json` takes it.
    #[arg(long, value_name = "FILE")]
    pub(crate) listener_rule: Option<PathBuf>,
    /// Green's target group, to which a rule must not send everything at once.
    #[arg(long, value_name = "ARN")]
    pub(crate) green_target_group: Option<String>,
}

/// What is prepared. With --aws the rule and both target groups are needed.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Prepare {
    #[command(flatten)]
    pub(crate) rule: NamedRule,
    /// The target group that gets the traffic now.
    #[arg(long, value_name = "ARN")]
    pub(crate) blue_target_group: Option<String>,
    /// Green's: its ARN, or a name; where no group has that name, it is made as blue's is.
    #[arg(long, value_name = "ARN|NAME")]
    pub(crate) green_target_group: Option<String>,
    /// A file that green's group is made from, instead of as blue's is.
    #[arg(long, value_name = "FILE", conflicts_with = "green_target_group")]
    pub(crate) target_group_definition: Option<PathBuf>,
    /// The port of green's group, instead of blue's.
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// The path of green's health check, instead of blue's.
    #[arg(long, value_name = "PATH")]
    pub(crate) health_path: Option<String>,
    /// The header of the test route. No secret: whoever sends it reaches green.
    #[arg(
        long,
        value_name = "NAME: VALUE",
        default_value = "X-Bluegreen-Test: green"
    )]
    pub(crate) test_header: String,
    /// Make no test route.
    #[arg(long)]
    pub(crate) no_test_route: bool,
    /// Take back what was made and attached, once green gets no traffic. What was there before
    /// stays. The simulation prepares first, to have something to take back.
    #[arg(long)]
    pub(crate) undo: bool,
}

/// Where it runs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where")]
pub(crate) struct Place {
    /// Real AWS, through the usual credential chain.
    #[arg(long, global = true)]
    pub(crate) aws: bool,
    /// The simulated world; `list` explains each [default: healthy; of `prepare`: unprepared].
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "aws")]
    pub(crate) scenario: Option<String>,
    /// Virtual seconds a second, or `max` [default: 60].
    #[arg(long, global = true, value_name = "N", conflicts_with = "aws")]
    pub(crate) speed: Option<String>,
    /// How long the surroundings wait after SIGTERM before they kill, such as 30s: what has not
    /// ended shortly before says what the service runs. ECS waits 30s, Kubernetes too.
    #[arg(long, global = true, value_name = "TIME")]
    pub(crate) grace: Option<String>,
    /// Who is responsible for `rollback`, as it stands in the outcome.
    #[arg(
        long,
        global = true,
        env = "USER",
        value_name = "NAME",
        default_value = "operator"
    )]
    pub(crate) operator: String,
}

/// What is deployed where. Needed with --aws; the simulation has its own.
#[derive(Debug, Args)]
#[command(next_help_heading = "Service (with --aws)")]
pub(crate) struct Service {
    /// The cluster.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// The service.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// The container that gets the image [default: the one behind the load balancer].
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) container: Option<String>,
    /// A task definition, JSON as the AWS CLI prints it [default: a copy of what runs].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) task_definition: Option<PathBuf>,
    /// The service's definition, used where it does not exist yet.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) service_definition: Option<PathBuf>,
    /// A field or value in a definition that is newer than this program's model of AWS, by the
    /// path that its refusal names. It is sent as it is. May be given more than once.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) accept_unknown: Vec<String>,
}

/// Where the image comes from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Image")]
pub(crate) struct Image {
    /// The repository in ECR (needed with --aws, unless --image is given).
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) repository: Option<String>,
    /// Make the repository where it is absent.
    #[arg(long, global = true)]
    pub(crate) create_repository: bool,
    /// The folder to build [default: .].
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) context: Option<PathBuf>,
    /// The Dockerfile [default: the context's].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) dockerfile: Option<PathBuf>,
    /// The platform, such as linux/amd64 [default: the engine's].
    #[arg(long, global = true, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// A build argument; without a value it is taken from the environment. May be repeated.
    #[arg(long, global = true, value_name = "NAME[=VALUE]")]
    pub(crate) build_arg: Vec<String>,
    /// The tag [default: the commit, with -dirty where the tree is].
    #[arg(long, global = true, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Build even where the registry has the tag already.
    #[arg(long, global = true)]
    pub(crate) rebuild: bool,
    /// An image by digest, REPOSITORY@sha256:…, instead of a build.
    #[arg(long, global = true, value_name = "IMAGE", conflicts_with_all = ["context", "tag", "rebuild"])]
    pub(crate) image: Option<String>,
    /// The further tag that the image gets at the very end; empty for none.
    #[arg(long, global = true, value_name = "TAG", default_value = "latest")]
    pub(crate) also_tag: String,
}

/// What must answer well.
#[derive(Debug, Args)]
#[command(next_help_heading = "Checks")]
pub(crate) struct Checks {
    /// Health check and smoke tests [default with --aws: none; else the built-in ones].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) checks: Option<PathBuf>,
    /// The base URL, instead of the file's.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The Host header, instead of the URL's host.
    #[arg(long, global = true, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Where requests are sent, instead of to the URL's host: the load balancer's own name, if the
    /// service's leads elsewhere yet. Certificates are checked against the URL's host.
    #[arg(long, global = true, value_name = "HOST[:PORT]")]
    pub(crate) connect_to: Option<ConnectTo>,
    /// A header of every request, such as that of the test route. May be repeated.
    #[arg(long, global = true, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
}

/// How long, and what then.
#[derive(Debug, Args)]
#[command(next_help_heading = "Plan")]
pub(crate) struct Plan {
    /// How often a rollout is looked at.
    #[arg(long, global = true, value_name = "TIME", default_value = "10s")]
    pub(crate) poll_every: String,
    /// How long a rollout may take before it is taken back.
    #[arg(long, global = true, value_name = "TIME", default_value = "20m")]
    pub(crate) rollout_deadline: String,
    /// How long a rollback may take before somebody must look.
    #[arg(long, global = true, value_name = "TIME", default_value = "30m")]
    pub(crate) rollback_deadline: String,
    /// On Ctrl-C or SIGTERM after the service was changed.
    #[arg(long, global = true, value_enum, default_value = "roll-back")]
    pub(crate) on_cancel: Policy,
    /// Deploy even into a service that gets live traffic already, or that users may reach.
    #[arg(long, global = true)]
    pub(crate) in_place: bool,
    /// A risk that is taken, by the name that a refusal gives it, such as unseen-traffic. May be
    /// repeated.
    #[arg(long, global = true, value_name = "RISK")]
    pub(crate) accept: Vec<String>,
    /// Deploy though no test route leads to the service: the checks must reach it otherwise.
    #[arg(long, global = true)]
    pub(crate) without_test_route: bool,
    /// Print the plan and what would change in the task definition, and change nothing.
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// Take the service back.
    RollBack,
    /// Leave it as it is, for a person to decide.
    Hold,
}
