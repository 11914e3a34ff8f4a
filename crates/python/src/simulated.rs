//! A simulated world as Python describes it: services, faults and the calls that they hit.

use std::time::Duration;

use bluegreen::{
    aws::sim::{Behaviour, Call, Fault, Selector, Service, Simulation, When},
    traffic::Sides,
};
use pyo3::{prelude::*, types::PyDict};

use crate::{convert, errors};

/// The arguments for a world of the caller's own.
pub(crate) struct Own<'a, 'py> {
    pub(crate) traffic: Option<f64>,
    pub(crate) history: Option<&'a Bound<'py, PyAny>>,
    pub(crate) blue: Option<&'a Bound<'py, PyAny>>,
    pub(crate) green: Option<&'a Bound<'py, PyAny>>,
    pub(crate) sticky: Option<&'a Bound<'py, PyAny>>,
    pub(crate) weights: Option<(u32, u32)>,
}

impl Own<'_, '_> {
    /// The first argument that is given.
    pub(crate) fn first(&self) -> Option<&'static str> {
        let given = [
            ("traffic", self.traffic.is_some()),
            ("history", self.history.is_some()),
            ("blue", self.blue.is_some()),
            ("green", self.green.is_some()),
            ("sticky", self.sticky.is_some()),
            ("weights", self.weights.is_some()),
        ];
        given
            .into_iter()
            .find_map(|(name, is_given)| is_given.then_some(name))
    }

    pub(crate) fn simulation(self, py: Python<'_>, seed: u64) -> PyResult<Simulation> {
        let history = match self.history {
            Some(history) => convert::span(history)?,
            None => Duration::from_secs(3600),
        };
        let mut world = Simulation::builder().seed(seed).history(history);
        if let Some(traffic) = self.traffic {
            world = world.traffic(traffic);
        }
        if let Some(blue) = self.blue {
            world = world.blue(service(py, "blue", blue)?);
        }
        if let Some(green) = self.green {
            world = world.green(service(py, "green", green)?);
        }
        if let Some(sticky) = self.sticky {
            world = world.sticky(convert::span(sticky)?);
        }
        if let Some((blue, green)) = self.weights {
            world = world.weights(Sides::new(blue, green));
        }
        Ok(world.build())
    }
}

fn service(py: Python<'_>, field: &str, given: &Bound<'_, PyAny>) -> PyResult<Service> {
    let hint = "a dict of targets, error_rate, latency, capacity, behaviours";
    let wrong = |message: &str| errors::argument(py, field, message, hint);
    let fields = given.cast::<PyDict>().map_err(|_| wrong("is no dict"))?;
    let targets = match fields.get_item("targets")? {
        Some(targets) => targets.extract()?,
        None => 4,
    };
    let mut service = Service::new(targets);
    if field == "green" {
        service = service.with_latency(Duration::from_millis(90));
    }
    for (name, value) in fields {
        let name: String = name.extract()?;
        service = match name.as_str() {
            "targets" => service,
            _ if value.is_none() => service,
            "error_rate" => service.with_error_rate(value.extract()?),
            "latency" => service.with_latency(convert::span(&value)?),
            "capacity" => service.with_capacity(value.extract()?),
            "behaviours" => {
                let mut service = service;
                for one in value.try_iter()? {
                    let (when, behaviour) = behaviour(py, &one?)?;
                    service = service.with(when, behaviour);
                }
                service
            }
            name => return Err(wrong(&format!("has no setting `{name}`"))),
        };
    }
    Ok(service)
}

fn behaviour(py: Python<'_>, given: &Bound<'_, PyAny>) -> PyResult<(When, Behaviour)> {
    let hint = "such as {\"errors\": 0.2, \"when\": \"always\"}; one of errors, leak, latency, dead, silent";
    let wrong = |message: &str| errors::argument(py, "behaviours", message, hint);
    let fields = given.cast::<PyDict>().map_err(|_| wrong("is no dict"))?;
    let (mut when, mut behaviour) = (When::Always, None);
    for (name, value) in fields {
        let name: String = name.extract()?;
        let one = match name.as_str() {
            "when" => {
                when = moment(py, &value)?;
                continue;
            }
            "errors" => Behaviour::Errors(value.extract()?),
            "leak" => Behaviour::Leak(value.extract()?),
            "latency" => Behaviour::Latency(convert::span(&value)?),
            "dead" => Behaviour::Dead,
            "silent" => Behaviour::Silent,
            name => return Err(wrong(&format!("there is no `{name}`"))),
        };
        if behaviour.replace(one).is_some() {
            return Err(wrong("is more than one"));
        }
    }
    Ok((when, behaviour.ok_or_else(|| wrong("is none"))?))
}

fn moment(py: Python<'_>, given: &Bound<'_, PyAny>) -> PyResult<When> {
    let hint =
        "\"always\", {\"from\": s, \"to\": s}, or {\"after_rise\": n, \"from\": s, \"to\": s}";
    let wrong = || errors::argument(py, "when", "is no time", hint);
    if given.extract::<String>().is_ok_and(|text| text == "always") {
        return Ok(When::Always);
    }
    let fields = given.cast::<PyDict>().map_err(|_| wrong())?;
    let at = |name: &str, else_: Duration| match fields.get_item(name)? {
        Some(span) => convert::span(&span),
        None => Ok(else_),
    };
    let (from, to) = (at("from", Duration::ZERO)?, at("to", Duration::MAX)?);
    match fields.get_item("after_rise")? {
        Some(rise) => Ok(When::AfterNthRise(rise.extract()?, from, to)),
        None => Ok(When::Between(from, to)),
    }
}

/// An operation as AWS spells it.
pub(crate) fn call(py: Python<'_>, name: &str) -> PyResult<Call> {
    serde_json::from_value(name.into()).map_err(|_| {
        let hint = "an operation as AWS spells it, such as ModifyRule or GetMetricData";
        errors::argument(
            py,
            "call",
            &format!("there is no `{name}` in the simulation"),
            hint,
        )
    })
}

pub(crate) fn selector(
    py: Python<'_>,
    name: &str,
    nth: Option<u64>,
    from_nth: Option<u64>,
    between: Option<(Duration, Duration)>,
) -> PyResult<Selector> {
    let wrong = |hint: &str| errors::argument(py, "fail", "the calls are not clear", hint);
    if name == "any" {
        return match (nth, from_nth, between) {
            (Some(nth), None, None) => Ok(Call::any().nth(nth)),
            (None, from_nth, None) => Ok(Call::any().from_nth(from_nth.unwrap_or(1))),
            _ => Err(wrong("with \"any\" give one of nth and from_nth")),
        };
    }
    let call = call(py, name)?;
    match (nth, from_nth, between) {
        (None, None, None) => Ok(call.every()),
        (Some(nth), None, None) => Ok(call.nth(nth)),
        (None, Some(nth), None) => Ok(call.from_nth(nth)),
        (None, None, Some((from, to))) => Ok(call.between(from, to)),
        _ => Err(wrong("give one of nth, from_nth and between")),
    }
}

pub(crate) fn fault(
    py: Python<'_>,
    name: &str,
    after: Option<Duration>,
    weights: Option<(u32, u32)>,
) -> PyResult<Fault> {
    Ok(match (name, after, weights) {
        ("throttle", ..) => Fault::Throttle,
        ("denied", ..) => Fault::Denied,
        ("expired", ..) => Fault::Expired,
        ("missing", ..) => Fault::Missing,
        ("unavailable", ..) => Fault::Unavailable,
        ("timeout_before_effect", ..) => Fault::TimeoutBeforeEffect,
        ("timeout_after_effect", ..) => Fault::TimeoutAfterEffect,
        ("hang_before_effect", ..) => Fault::HangBeforeEffect,
        ("hang_after_effect", ..) => Fault::HangAfterEffect,
        ("late_effect", Some(after), _) => Fault::LateEffect { after },
        ("third_party_write", _, Some((blue, green))) => Fault::ThirdPartyWrite {
            weights: Sides::new(blue, green),
        },
        _ => {
            let hint = "throttle, denied, expired, missing, unavailable, timeout_before_effect, \
                timeout_after_effect, hang_before_effect, hang_after_effect, late_effect with `after`, or \
                third_party_write with `weights`";
            let message = format!("`{name}` is no fault, or lacks an argument");
            return Err(errors::argument(py, "fault", &message, hint));
        }
    })
}
