//! The metrics of this world by the names that CloudWatch knows them by.

use super::{metrics::Metric, rules};
use crate::traffic::Side;

/// A metric of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::aws::sim) struct Series {
    pub(in crate::aws::sim) metric: Metric,
    pub(super) side: Side,
}

impl Series {
    /// Returns the metric of exactly these dimensions. Another set of dimensions is another metric, which has
    /// no data.
    pub(in crate::aws::sim) fn of(
        namespace: &str,
        name: &str,
        mut dimensions: Vec<(&str, &str)>,
    ) -> Option<Self> {
        dimensions.sort_unstable();
        let (metric, side) = match namespace {
            "AWS/ApplicationELB" => of_balancer(name, &dimensions)?,
            "ChatBot/Flask" => (of_application(name, &dimensions)?, Side::Blue),
            "ChatBot/FastAPI" => (of_application(name, &dimensions)?, Side::Green),
            _ => return None,
        };
        Some(Self { metric, side })
    }
}

fn of_balancer(name: &str, dimensions: &[(&str, &str)]) -> Option<(Metric, Side)> {
    let balancer = rules::listener().load_balancer();
    let balancer = ("LoadBalancer", balancer.dimension());
    if dimensions == [balancer] {
        let made_here = name == "HTTPCode_ELB_5XX_Count";
        return made_here.then_some((Metric::BalancerErrors, Side::Blue));
    }
    let (blue, green) = (rules::blue(), rules::green());
    let of = |group: &str| dimensions == [balancer, ("TargetGroup", group)];
    let side = if of(blue.resource()) {
        Side::Blue
    } else if of(green.resource()) {
        Side::Green
    } else {
        return None;
    };
    let metric = match name {
        "RequestCount" => Metric::Requests,
        "HTTPCode_Target_2XX_Count" => Metric::Ok,
        "HTTPCode_Target_4XX_Count" => Metric::ClientErrors,
        "HTTPCode_Target_5XX_Count" => Metric::Errors,
        "TargetConnectionErrorCount" => Metric::Refused,
        "TargetResponseTime" => Metric::Latency,
        _ => return None,
    };
    Some((metric, side))
}

fn of_application(name: &str, dimensions: &[(&str, &str)]) -> Option<Metric> {
    if dimensions != [("Endpoint", "/api/v1/chat")] {
        return None;
    }
    Some(match name {
        "ErrorCount" => Metric::AppErrors,
        "SuccessCount" => Metric::AppSuccesses,
        "RequestLatency" => Metric::AppLatency,
        _ => return None,
    })
}
