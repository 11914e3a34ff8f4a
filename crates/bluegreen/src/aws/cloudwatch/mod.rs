//! CloudWatch: the source of requests, errors and latencies.
//!
//! [`CloudWatchGate`] is the usual gate, over [`AlbMetrics`] (what the balancer counts) or
//! [`AppMetrics`] (what the applications publish); [`AlarmGate`] judges by alarms that exist.

mod alarms;
mod alb;
mod app;
mod buckets;
mod gate;
mod query;
mod slow;
#[cfg(test)]
mod testing;

pub use self::{
    alarms::AlarmGate,
    alb::AlbMetrics,
    app::{AppMetrics, AppNamespace},
    gate::CloudWatchGate,
};
