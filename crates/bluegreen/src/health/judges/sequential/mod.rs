//! The sequential comparison: green against live blue, by evidence that stays valid at every look.
//!
//! [`Sequential`] is the judge for a [`MetricsGate`](crate::health::MetricsGate). [`SequentialTest`] is
//! the rule by itself, a minute at a time. [`forecast`](forecast()) tells how long a step will take at
//! some traffic, and [`calibrate`](calibrate()) how far a service's past can be trusted as a control.
//!
//! How the comparison works, what it guarantees and what not, the measurements, and the papers:
//! `docs/gate.md` beside this crate's source.
//!
//! # Example
//!
//! ```
//! use bluegreen::health::{MetricSource, MetricsGate, Limits, sequential::{Sequential, Settings}};
//!
//! fn watch(source: impl MetricSource) -> MetricsGate<impl MetricSource> {
//!     MetricsGate::new(source)
//!         .with_judge("limits", Limits::default())
//!         .with_judge("sequential", Sequential::new(Settings::default().with_alpha(0.005)))
//! }
//! ```

mod accept;
mod brakes;
mod calibrate;
mod forecast;
mod judge;
mod margins;
mod minutes;
mod reject;
mod rule;
mod settings;
mod temper;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod whole;

pub use self::{
    calibrate::{Calibration, calibrate},
    forecast::{Forecast, forecast},
    judge::Sequential,
    margins::StepMargins,
    minutes::MinuteSide,
    rule::{Certificate, Minute, Reason, Ruling, SequentialTest},
    settings::Settings,
};
