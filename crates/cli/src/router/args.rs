//! The command line.

use std::path::PathBuf;

use crate::{
    ask::{abort::Abort, continue_run::Continue, leave::Leave, pause::Pause, promote::Promote},
    common::{journal::JournalPlace, rule::NamedRule},
};
use bluegreen::spec::MigrationSpec;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Moves live traffic from blue to green behind an Application Load Balancer, step by step,
/// under health gates, and puts everything back when green does harm.
///
/// Without --aws it runs on a simulated AWS, in virtual time, and touches nothing.
#[derive(Debug, Clone, Parser)]
#[command(name = "bluegreen router", version, max_term_width = 100, after_help = AFTER)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) rule: Rule,
    #[command(flatten)]
    pub(crate) plan: Plan,
    #[command(flatten)]
    pub(crate) gates: Gates,
    #[command(flatten)]
    pub(crate) journal: JournalPlace,
    /// Print one event a line as JSON on stdout, and nothing for people. A run that is refused
    /// before its start has no events: the exit code says so, and stderr why.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What the file says.
    #[arg(skip)]
    pub(crate) spec: Option<MigrationSpec>,
}

const AFTER: &str = "\
Exit codes:
   0  promoted; an asked-for rollback restored; status read; a request was carried out
   2  bad arguments or plan; nothing was called
   3  stopped before anything changed: the preflight refused, green was not ready, or a step
      could not be decided at this traffic; a request was refused, or not answered
  10  rolled back by a gate, a deadline or a fault; restored and read back
  11  cancelled (Ctrl-C, SIGTERM); restored and read back
  12  held: on request, on somebody else's change, or inconclusive with --on-inconclusive hold
  20  not restored, or not known: somebody must look now

Ctrl-C, SIGTERM and SIGHUP roll back and say so. A second one ends waits and confirmations, and never
a restore. Only a second Ctrl-C on a terminal stops at once, and says where traffic is. A run that is
killed leaves traffic as it is: `resume` continues it, `rollback` puts everything back. With --dead-man
it goes back by itself.

Examples:
  bluegreen router                              a healthy migration on the simulation
  bluegreen router plan                         what each step will take, and what it would catch
  bluegreen router --scenario green-errors      one that is rolled back
  bluegreen router --scenario list              all scenarios, and what each must end with
  bluegreen router --kill-at 12m                its controller dies, another one goes on
  bluegreen router --kill-at 12m --resume-after 30m --dead-man 5m
                                              it dies and nobody comes: blue is back by itself
  bluegreen router status --aws --listener-arn ARN --priority 100 \\
      --blue-target-group ARN --green-target-group ARN";

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Show the split, the targets and the stickiness as they are. Reads only.
    Status,
    /// Move green up step by step (the default).
    Migrate,
    /// Go on with a run whose process ended, on this machine or another, from its journal: with
    /// its plan and gates, unless others are given, which are compared and refused.
    Resume,
    /// Say what each step will take at this traffic, and what would be caught. Reads only.
    Plan,
    /// Try the last step's test on blue's own past, and say how far it can be trusted as a
    /// control: the value for --history-ratio. Reads only.
    Calibrate {
        /// How many days of the past; CloudWatch keeps minutes for 15.
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=15))]
        days: u32,
    },
    /// Move green to 100 % at once, from whatever split is found: your override of the gates for
    /// the way there. Capacity is still needed, and the last step bakes under the gates.
    Complete,
    /// Put everything back on blue, at once, from whatever split is found and whoever works on the
    /// rule: a controller that holds the journal is thrown out. Needs no journal, and no target groups
    /// if the journal or --to names them.
    Rollback {
        /// Go ahead even if blue has no healthy target.
        #[arg(long)]
        force: bool,
        /// The target group that is to serve everything, by its name or ARN: needed if neither
        /// --blue-target-group nor the journal says which one was live.
        #[arg(long, value_name = "GROUP")]
        to: Option<String>,
        /// Wait until a settled minute shows no request on green, as long as the plan says.
        #[arg(long)]
        confirm: bool,
    },
    /// Ask the run that holds the journal, on whatever machine, to rise no further. It keeps looking, and
    /// rolls back an unhealthy green. Needs --journal, and the rule if the journal is of several.
    Pause(Pause),
    /// Ask it to end a pause.
    Continue(Continue),
    /// Ask it to rise without a healthy verdict: your override. Capacity is still needed.
    Promote(Promote),
    /// Ask it to put everything back on blue. `rollback` does so without it.
    Abort(Abort),
    /// Ask it to end and to leave the split as it is, for the reason that you give.
    Leave(Leave),
}

/// Where it runs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Where")]
pub(crate) struct Place {
    /// A migration as a file, TOML or JSON: its rule, sides, plan, gates and journal, on the real AWS.
    /// Options override it. With --scenario its plan and gates are tried on the simulation.
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The side of the file that serves, or served before the run [default: the one that has all of the
    /// traffic].
    #[arg(long, global = true, value_name = "SIDE", requires = "file")]
    pub(crate) from: Option<String>,
    /// Real AWS, through the usual credential chain; AWS_ENDPOINT_URL, its per-service forms and
    /// the profile point it elsewhere, the journal's S3 too.
    #[arg(long, global = true)]
    pub(crate) aws: bool,
    /// The simulated world; `list` explains each [default: healthy].
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) scenario: Option<String>,
    /// The seed of the simulation's randomness; the same seed gives the same run.
    #[arg(long, global = true, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Virtual seconds a second, or `max` [default: 120, half an hour in 15 seconds].
    #[arg(long, global = true, value_name = "N", allow_hyphen_values = true)]
    pub(crate) speed: Option<String>,
    /// Kill the controller after so much virtual time, and let another one resume it.
    #[arg(long, global = true, value_name = "TIME")]
    pub(crate) kill_at: Option<String>,
    /// How long after --kill-at the other one comes [default: once the first is taken for dead].
    #[arg(long, global = true, value_name = "TIME", requires = "kill_at")]
    pub(crate) resume_after: Option<String>,
    /// How long the surroundings wait after SIGTERM before they kill, such as 30s: what has not
    /// ended shortly before says where traffic is. ECS waits 30s, Kubernetes too. A cancelled run may use
    /// half of it to go back gradually.
    #[arg(long, global = true, value_name = "TIME")]
    pub(crate) grace: Option<String>,
    /// Print the IAM policy with the least rights for this rule, these gates and this journal, as
    /// JSON, and call nothing.
    #[arg(long, global = true)]
    pub(crate) print_iam_policy: bool,
    /// Print the role of --dead-man-role, who may take it on and what it may do, as JSON, and call
    /// nothing.
    #[arg(long, global = true)]
    pub(crate) print_dead_man_role: bool,
    /// Who is responsible for `complete` and `rollback`, as it stands in the outcome.
    #[arg(
        long,
        global = true,
        env = "USER",
        value_name = "NAME",
        default_value = "operator"
    )]
    pub(crate) operator: String,
}

/// Which rule divides the traffic. Needed with --aws; the simulation has its own.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Rule (with --aws)")]
pub(crate) struct Rule {
    #[command(flatten)]
    pub(crate) named: NamedRule,
    /// Where traffic is now.
    #[arg(long, global = true, value_name = "ARN")]
    pub(crate) blue_target_group: Option<String>,
    /// Where it is to go.
    #[arg(long, global = true, value_name = "ARN")]
    pub(crate) green_target_group: Option<String>,
    /// The ECS service that runs blue's targets. If it scales, it keeps what runs now: its minimum is
    /// raised before the first rise, and put back after a rollback. Without this, blue may be scaled in
    /// while green gets its requests.
    #[arg(long, global = true, value_name = "CLUSTER/SERVICE")]
    pub(crate) blue_service: Option<String>,
}

/// What happens when.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(next_help_heading = "Plan")]
pub(crate) struct Plan {
    /// Green's shares in percent, ascending, the last 100; tenths are possible [default: 10,50,100].
    #[arg(long, global = true, value_name = "LIST")]
    pub(crate) steps: Option<String>,
    /// The share in percent that stays on blue for one step more before the last, as a live
    /// control; 0 for none [default: 10 with --judge sequential, else none].
    #[arg(long, global = true, value_name = "PERCENT")]
    pub(crate) hold_back: Option<String>,
    /// How long green is watched at each step at least, such as 10m or 90s [default: 3m with
    /// --judge sequential, which waits until it has proof, else 10m].
    #[arg(long, global = true, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) bake: Option<String>,
    /// How long after a shift the gates must be healthy at the latest [default: 65m with --judge
    /// sequential, else three bakes].
    #[arg(long, global = true, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) step_deadline: Option<String>,
    /// When the whole migration must be over, pauses included, whatever the steps' deadlines still
    /// allow [default: 2h]. It must hold all bakes, and credentials that cannot be renewed must last as
    /// long.
    #[arg(long, global = true, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) deadline: Option<String>,
    /// How often everything is looked at [default: 15s].
    #[arg(
        long,
        alias = "look-every",
        global = true,
        value_name = "TIME",
        allow_hyphen_values = true
    )]
    pub(crate) look_interval: Option<String>,
    /// How long after each shift green's figures do not count [default: 1m].
    #[arg(long, global = true, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) warm_up: Option<String>,
    /// How long blue is kept warm after the last step [default: 0s].
    #[arg(long, global = true, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) final_bake: Option<String>,
    /// How long going back may take if blue has fewer targets than it needs and green is healthy: a part
    /// goes as they come. 0s: everything goes at once [default: 15m].
    #[arg(long, global = true, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) gradual_restore: Option<String>,
    /// How many of blue's targets one target of green can stand in for [default: 1].
    #[arg(long, alias = "green-target-worth", global = true, value_name = "X")]
    pub(crate) capacity_ratio: Option<f64>,
    /// At a deadline without healthy gates [default: roll-back].
    #[arg(long, global = true, value_enum)]
    pub(crate) on_inconclusive: Option<Policy>,
    /// On Ctrl-C or SIGTERM [default: roll-back].
    #[arg(long, global = true, value_enum)]
    pub(crate) on_cancel: Option<Policy>,
    /// When a run is resumed while traffic is divided [default: go-on].
    #[arg(long, global = true, value_enum)]
    pub(crate) on_resume: Option<ResumePolicy>,
    /// Keep a dead-man switch while traffic is divided: a schedule outside of this process that
    /// puts everything back on blue, this long after it was last renewed. It is renewed each
    /// minute, so it fires only if this process is dead and no other one resumes the run. 5m to 1h
    /// [default: 10m with --dead-man-role, else none].
    #[arg(long, global = true, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) dead_man: Option<String>,
    /// The role as which the schedule writes the rule: keeps a dead-man switch. Needed for --dead-man
    /// with --aws; --print-dead-man-role says what it needs.
    #[arg(long, global = true, value_name = "ARN")]
    pub(crate) dead_man_role: Option<String>,
    /// A topic of SNS that is told when the dead-man switch fires, since the controller that would say
    /// so is dead.
    #[arg(long, global = true, value_name = "ARN")]
    pub(crate) dead_man_topic: Option<String>,
    /// Take on a risk that the preflight would refuse: shared-targets, long-stickiness,
    /// blue-may-shrink, no-dead-man. May be given several times.
    #[arg(long, global = true, value_name = "RISK")]
    pub(crate) accept: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// Put everything back on blue.
    RollBack,
    /// Leave the split as it is, for a person to decide.
    Hold,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ResumePolicy {
    /// Go on where it was.
    GoOn,
    /// Put everything back on blue.
    RollBack,
}

/// What must be healthy.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(next_help_heading = "Gates")]
pub(crate) struct Gates {
    /// Where requests, errors and latencies come from: the load balancer's metrics per target
    /// group, or the application's own [default: alb].
    #[arg(long, global = true, value_enum)]
    pub(crate) metrics: Option<Metrics>,
    /// What judges the metrics beside the limits [default: sequential].
    #[arg(long, global = true, value_enum)]
    pub(crate) judge: Option<JudgedBy>,
    /// How far blue's error rate may have moved since before the migration, as a multiple, if
    /// its past is a control: `calibrate` finds it [default: 3 beside a live blue, 1.5 alone].
    #[arg(long, global = true, value_name = "X")]
    pub(crate) history_ratio: Option<f64>,
    /// The limit of green's error rate, in percent [default: 5].
    #[arg(
        long,
        global = true,
        value_name = "PERCENT",
        allow_hyphen_values = true
    )]
    pub(crate) max_error_rate: Option<String>,
    /// The limit of green's mean latency [default: 3s].
    #[arg(long, global = true, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) max_latency: Option<String>,
    /// Seconds that one data point covers: a multiple of 60, or with --metrics app also
    /// 1, 5, 10 or 30 for high-resolution metrics [default: 60].
    #[arg(long, global = true, value_name = "SECONDS")]
    pub(crate) period: Option<u32>,
    /// Green's namespace, with --metrics app [default: ChatBot/FastAPI].
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Blue's namespace, with --metrics app; empty if blue has no such metrics [default: ChatBot/Flask].
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) blue_namespace: Option<String>,
    /// Green's dimension `Endpoint`, with --metrics app [default: /api/v1/chat].
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) endpoint: Option<String>,
    /// Blue's dimension `Endpoint` [default: green's].
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) blue_endpoint: Option<String>,
    /// A CloudWatch alarm that must not fire. May be given several times.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) alarm: Vec<String>,
    /// An alarm of these that may be firing already. May be given several times.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) ignore_alarm: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum JudgedBy {
    /// Green against live blue, by evidence that stays valid at every look.
    Sequential,
    /// The limits alone.
    Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Metrics {
    /// AWS/ApplicationELB, per target group.
    Alb,
    /// ErrorCount, SuccessCount and RequestLatency of the application.
    App,
}
