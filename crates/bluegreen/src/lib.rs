//! Moves live production traffic from one service to another behind an AWS Application Load
//! Balancer: a step at a time, under gates that watch what users get, and back again when green
//! does harm.
//!
//! Blue is the service that serves now, green the one that is to take over. A [`Migration`] runs
//! a [`MigrationPlan`] through a [`TrafficSplitter`] under [`HealthGate`]s, and ends in an
//! [`MigrationOutcome`] that was read back, never assumed. A [`Deployment`] brings green about: it builds an
//! image ([`ImageBuilder`]), runs it ([`ServiceDeployer`]), checks it ([`ServiceCheck`]), and takes
//! it back when it is not well.
//!
//! # Examples
//!
//! ```
//! # #[cfg(feature = "sim")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use bluegreen::aws::alb::AlbTrafficSplitter;
//! use bluegreen::aws::cloudwatch::{AlbMetrics, CloudWatchGate};
//! use bluegreen::aws::sim::Scenario;
//! use bluegreen::health::{Limits, TargetHealthGate};
//! use bluegreen::{Migration, MigrationPlan};
//!
//! // The simulated AWS; on the real one this is `let aws = Aws::from_env().await;`.
//! let simulation = Scenario::GreenErrors.simulation(7);
//! simulation.start_paused();
//! let aws = simulation.aws();
//!
//! let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
//! let balancer = rule.listener().load_balancer();
//! let metrics = AlbMetrics::new(&aws, balancer, blue.clone(), green.clone());
//!
//! let outcome = Migration::new(
//!         MigrationPlan::builder().build()?,
//!         AlbTrafficSplitter::new(&aws, rule, blue, green)?,
//!     )
//!     .clock(aws.clock())
//!     .gate("targets", TargetHealthGate::new())
//!     .gate("metrics", CloudWatchGate::alb(metrics, Limits::default()))
//!     .on_event(|event| eprintln!("{event}"))
//!     .run()
//!     .await?;
//!
//! assert_eq!(outcome.exit_code(), 10, "rolled back: {outcome}");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sim"))]
//! # fn main() {}
//! ```
//!
//! # The recommended defaults
//!
//! On AWS a migration is one file, or one value, of which only the first part here is needed. The rest is what
//! the library, the command and the monitor take if it is left out:
//!
//! ```
//! # #[cfg(feature = "spec")]
//! # fn main() -> Result<(), bluegreen::spec::SpecError> {
//! use bluegreen::spec::MigrationSpec;
//!
//! let needed = r#"
//!     name = "chatbot"
//!     [traffic]
//!     rules = ["arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2"]
//!     [side.flask]
//!     target_group = "chatbot-flask-tg"
//!     [side.fastapi]
//!     target_group = "chatbot-fastapi-tg"
//! "#;
//! let default = r#"
//!     [plan]
//!     steps = ["10%", "50%", "100%"]
//!     hold_back = "10%"                # stays on blue in one more step, as a live control
//!     bake = "3m"                      # the least time of a step
//!     step_deadline = "65m"            # the most
//!     deadline = "2h"                  # of the whole run
//!     look_interval = "15s"
//!     warm_up = "1m"                   # does not count after a rise
//!     final_bake = "0s"
//!     gradual_restore = "15m"          # if blue has shrunk and green is healthy
//!     capacity_ratio = 1.0
//!     on_inconclusive = "roll-back"    # at a deadline
//!     on_cancel = "roll-back"
//!     on_resume = "go-on"
//!     [judge]
//!     by = "sequential"
//!     max_error_rate = "5%"
//!     max_latency = "3s"
//!     metrics = "alb"
//!     period = "1m"
//! "#;
//! let mut written = MigrationSpec::from_toml(&format!("{needed}{default}"))?;
//! // The plan writes it down only if it was said; unsaid, it is 15 minutes too.
//! written.plan.gradual_restore = None;
//! let left_out = MigrationSpec::from_toml(needed)?;
//! assert_eq!(written.plan()?, left_out.plan()?);
//! assert_eq!(written.judge, left_out.judge);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "spec"))]
//! # fn main() {}
//! ```
//!
//! Each default stands with its reason in one place, the docs of its field:
//!
//! | default | in a file | in a program without a file |
//! |---|---|---|
//! | steps, times, ends | [`PlanSpec`](spec::PlanSpec) | [`MigrationPlanBuilder`](migration::MigrationPlanBuilder) |
//! | limits and comparison | [`JudgeSpec`](spec::JudgeSpec) | [`Limits`](health::Limits), [`Sequential`](health::sequential::Sequential) |
//! | dead-man switch, accepted risks: none | [`SafetySpec`](spec::SafetySpec), [`DeadManSpec`](spec::DeadManSpec) | [`DeadManSwitch`](traffic::DeadManSwitch) |
//! | a side's deployment | [`DeploymentSpec`](spec::DeploymentSpec) | [`DeploymentPlan`] |
//!
//! # What it promises
//!
//! - Green's share rises only after a healthy verdict, or by a named operator's override. No data
//!   never passes, inconclusive never promotes, and a healthy verdict expires.
//! - No write gives weight to a target group with too few healthy targets for it. Blue is not scaled in
//!   while green gets its requests, if a [`CapacityKeeper`](traffic::CapacityKeeper) is supplied.
//! - An edit of a rule changes two weights and nothing else; what cannot be kept is refused.
//! - Every write is read back, and reads may be old: for a
//!   [propagation time](TrafficSplitter::propagation) after a write a read of an older state means
//!   *not seen yet*, never a third party. An accepted rise is never written twice. A write whose
//!   outcome is not known is observed before anything rises.
//! - A rollback always makes a write that is accepted. It is *restored* when two reads say so and
//!   *confirmed* when a settled minute shows no request on green, and the outcome says which.
//! - A third party's change, seen in two reads, stops the run's writing with a diff; the run does
//!   not fight, and warns until the deadline of its stage.
//! - Cancelling ends in the plan's policy, roll back by default, and in a state that is stated.
//! - A run that was killed at any moment is resumed from its journal, on any machine that reaches
//!   it, and ends in a known place. Of two controllers that share a journal exactly one raises
//!   green's share; restoring blue is open to all, and no journal stands in its way.
//! - Every decision leaves its evidence in the journal, from which [`migration::replay`] judges
//!   it again.
//! - Secrets reach no event, journal, error, log or `Debug`.
//!
//! # What it does not do
//!
//! - It cannot prevent a race with a third party's write: the load balancer's API has no version
//!   to write against. It detects the change at the next look.
//! - Green is not watched while no controller runs: a killed run leaves the split as it is until it is
//!   resumed from its journal ([`store`], [`Migration::resume`]) or put back
//!   ([`Migration::restore`]), unless its plan keeps a dead-man switch
//!   ([`traffic::DeadManSwitch`]).
//! - A [`Deployment`] changes a service's task definition and nothing else of it.
//!
//! # Guides
//!
//! | you want to | read |
//! |---|---|
//! | run migrations: file, verbs, rollback, rights, exit codes | [`operating`] |
//! | know what happens if a controller dies, and what bluegreen cannot do | [`safety`] |
//! | build, deploy and check green | [`deploying`] |
//! | let the gates answer a deployment that ECS moves itself | [`native`] |
//! | test green before it gets traffic | [`testing`] |
//! | understand how green is judged, without statistics | [`gates`] |
//! | see a run live, replay it, write a report | [`monitoring`] |
//! | keep Terraform, CDK and CloudFormation out of the way | [`infrastructure`] |
//! | run migrations from a Python program | [`python`] |
//! | test what you build on the library | [unit tests](https://docs.rs/bluegreen/latest/bluegreen/unit_tests/) |
//! | look a word up | [`glossary`] |
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `run` | yes | the loop that runs a machine, on tokio: [`Migration`], [`Deployment`], [`engine::ControlHandle`], the workers of [`host`], [`clock::SystemClock`] |
//! | `docker` | yes | images by the `docker` command: [`image::DockerImageBuilder`] |
//! | `check` | yes | HTTP health checks and smoke tests in [`check`] |
//! | `store` | yes | journals that outlive the process in [`store`]: memory, a folder, with `aws` S3. Needs `run` |
//! | `aws` | yes | [`aws`]: load balancer, CloudWatch, ECS and ECR. Needs `run` |
//! | `spec` | yes | a migration as one file in [`spec`], with all roles on AWS wired. Needs all above |
//! | `sim` | no | [`aws::sim`]: a simulated AWS behind the same adapters. Needs `aws` and `docker` |
//! | `mock` | no | [`mock`]: `mockall` mocks of the role traits |
//!
//! A feature adds API and changes no behaviour. Without any feature the library has no tokio: it has the values,
//! the roles, the plans, the machines with their events, the gates with their judges, and
//! [`migration::replay`]. A host that runs the machines itself needs no more: see [`host`].

// What serves a feature that is off has no caller, but stands in its place. With the default features
// unused code is an error.
#![cfg_attr(
    not(all(feature = "run", feature = "docker", feature = "spec")),
    allow(dead_code)
)]
// The pages link to what every feature brings. With all features a link that leads nowhere is an error.
#![cfg_attr(
    not(all(feature = "mock", feature = "sim", feature = "spec")),
    allow(rustdoc::broken_intra_doc_links)
)]

#[cfg(feature = "aws")]
pub mod aws;
pub mod check;
pub mod clock;
pub mod deployment;
#[cfg(feature = "aws")]
mod document;
pub mod engine;
pub mod error;
pub mod health;
pub mod host;
pub mod image;
mod json;
pub mod migration;
#[cfg(feature = "mock")]
pub mod mock;
pub mod native;
#[cfg(test)]
mod pointers;
pub mod preflight;
pub mod problem;
pub mod service;
#[cfg(feature = "spec")]
pub mod spec;
#[cfg(feature = "store")]
pub mod store;
pub mod text;
pub mod traffic;

#[cfg(feature = "aws")]
#[doc(inline)]
pub use self::aws::Aws;
#[doc(inline)]
pub use self::{
    check::ServiceCheck,
    deployment::{DeploymentError, DeploymentPlan},
    error::{Error, ErrorKind, Failure, Result},
    health::{HealthGate, Verdict, gate_fn},
    image::ImageBuilder,
    migration::{MigrationError, MigrationOutcome, MigrationPlan},
    service::ServiceDeployer,
    traffic::{Percent, TrafficSplit, TrafficSplitter},
};
#[cfg(feature = "run")]
#[doc(inline)]
pub use self::{deployment::Deployment, migration::Migration};

#[doc = include_str!("../docs/operating.md")]
pub mod operating {}

#[doc = include_str!("../docs/safety.md")]
pub mod safety {}

#[doc = include_str!("../docs/deploying.md")]
pub mod deploying {}

#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/gate.md")]
pub mod gates {}

#[doc = include_str!("../docs/monitor.md")]
pub mod monitoring {}

#[doc = include_str!("../docs/infrastructure.md")]
pub mod infrastructure {}

#[doc = include_str!("../docs/python.md")]
pub mod python {}

#[cfg(feature = "mock")]
#[doc = include_str!("../docs/unit-tests.md")]
pub mod unit_tests {}

#[doc = include_str!("../docs/glossary.md")]
pub mod glossary {}

/// The examples of the project's front page are tests too.
#[cfg(all(doctest, feature = "sim"))]
#[doc = include_str!("../README.md")]
struct Readme;
