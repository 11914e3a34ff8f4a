//! Watch a migration of [`bluegreen`]: live in the terminal and in the browser, and afterwards in a
//! report.
//!
//! Everything is shown from one [`View`], which is folded from the events of a run. Feed the view from
//! the run itself, with [`Migration::on_event`](bluegreen::Migration::on_event), from the journal or
//! the events of a past run, with [`source::read`], or by reads of a run that another process drives,
//! with [`watch::Watcher`].
//!
//! # Features
//!
//! All are on by default; without one the [`View`], its sources and [`watch`] stay.
//!
//! | feature | adds |
//! |---|---|
//! | `terminal` | the screen in a terminal, drawn with `ratatui` |
//! | `report` | the report and its charts |
//! | `metrics` | figures for Prometheus |
//! | `page` | the page in a browser, with the report and the figures |
//!
//! # Examples
//!
//! ```
//! use bluegreen::{Migration, MigrationPlan, health::TargetHealthGate};
//! use bluegreen::aws::{alb::AlbTrafficSplitter, sim::Scenario};
//! use bluegreen_monitor::{Shared, report::Report};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let simulation = Scenario::Healthy.simulation(7);
//! simulation.start_paused();
//! let aws = simulation.aws();
//! let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
//!
//! let shared = Shared::default();
//! let sink = shared.clone();
//! let outcome = Migration::new(MigrationPlan::builder().build()?, AlbTrafficSplitter::new(&aws, rule, blue, green)?)
//!     .clock(aws.clock())
//!     .gate("targets", TargetHealthGate::new())
//!     .on_event(move |event| sink.take(event))
//!     .run()
//!     .await?;
//!
//! let view = shared.view();
//! assert!(Report::of(&view).html()?.contains("promoted"));
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "report")]
pub mod chart;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "page")]
pub mod page;
#[cfg(feature = "report")]
pub mod report;
mod series;
mod shared;
pub mod source;
#[cfg(feature = "terminal")]
pub mod terminal;
mod view;
pub mod watch;

pub use self::{
    series::{Point, Series, SidePoint},
    shared::Shared,
    view::{Border, GateView, Level, LogLine, Stage, StepState, StepView, View, clock},
};
