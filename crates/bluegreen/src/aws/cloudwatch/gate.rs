//! The paved path: the gates over CloudWatch that this crate stands for.

use super::{AlbMetrics, AppMetrics};
use crate::health::{ConnectionErrors, Limits, MetricsGate, Shortfall};

/// Makes gates over CloudWatch's metrics. For another set of judges put a
/// [`MetricsGate`] together by hand.
#[derive(Debug)]
pub struct CloudWatchGate;

impl CloudWatchGate {
    /// Hard limits, connection errors and the response shortfall over the load balancer's
    /// metrics per target group.
    #[must_use]
    pub fn alb(metrics: AlbMetrics, limits: Limits) -> MetricsGate {
        let connections = ConnectionErrors::default();
        let shortfall = Shortfall::default();
        Self::with_limits(MetricsGate::new(metrics), limits)
            .with_judge("connections", &connections.clone(), move || {
                connections.judge()
            })
            .with_judge("shortfall", &shortfall.clone(), move || shortfall.judge())
    }

    /// Hard limits over the application's own metrics.
    #[must_use]
    pub fn app(metrics: AppMetrics, limits: Limits) -> MetricsGate {
        Self::with_limits(MetricsGate::new(metrics), limits)
    }

    fn with_limits(gate: MetricsGate, limits: Limits) -> MetricsGate {
        gate.with_judge("limits", &limits.clone(), move || limits.judge())
    }
}
