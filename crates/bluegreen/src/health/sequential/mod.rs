//! The sequential comparison: green against live blue, by evidence that stays valid at every look.

mod accept;
mod calibrate;
mod forecast;
mod judge;
mod margins;
mod reject;
mod rule;
mod settings;
mod temper;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use self::{
    calibrate::{Calibration, calibrate},
    forecast::{Forecast, forecast},
    judge::{Sequential, SequentialJudge},
    margins::StepMargins,
    rule::{Certificate, Minute, MinuteSide, Reason, Ruling, SequentialTest},
    settings::Settings,
};
