//! CloudWatch: where requests, errors and latencies come from, and alarms.

mod alarms;
mod alb;
mod app;
mod gate;
mod query;

pub use self::{alarms::AlarmGate, alb::AlbMetrics, app::AppMetrics, gate::CloudWatchGate};
