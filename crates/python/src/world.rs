//! The worlds in which runs happen: the real AWS, and a simulated one.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use bluegreen::{
    Aws as LibraryAws, Error,
    aws::sim::{Call, Lag, Pacer, Scenario, Simulation as LibrarySimulation, Writer},
    traffic::Sides,
};
use pyo3::{
    exceptions::{PyRuntimeError, PyTypeError},
    prelude::*,
};
use serde_json::json;

use crate::{
    convert::{self, plain_to_python, value_to_python},
    engine::{Engine, Time},
    errors,
    journal::Journal,
    simulated,
    spec::Spec,
};

/// Where a run happens.
#[derive(Debug, Clone)]
pub(crate) enum World {
    Real { region: Option<String> },
    Simulated(Arc<Simulated>),
}

/// A simulated AWS with the thread that has its clock.
pub(crate) struct Simulated {
    pub(crate) simulation: LibrarySimulation,
    engine: Arc<Engine>,
    speed: Option<f64>,
    /// How many runs are paced, and what paces them.
    pace: Mutex<(usize, Option<Pacer>)>,
}

impl std::fmt::Debug for Simulated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulated")
            .field("speed", &self.speed)
            .finish_non_exhaustive()
    }
}

/// Virtual time is tied to real time while one of these lives.
pub(crate) struct Paced(Arc<Simulated>);

impl Drop for Paced {
    fn drop(&mut self) {
        let mut pace = self.0.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.0 -= 1;
        if pace.0 == 0 {
            pace.1 = None;
        }
    }
}

impl World {
    /// The world that Python names; without one the real AWS.
    pub(crate) fn of(named: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(named) = named.filter(|named| !named.is_none()) else {
            return Ok(Self::Real { region: None });
        };
        if let Ok(simulation) = named.cast::<Simulation>() {
            return Ok(Self::Simulated(Arc::clone(&simulation.get().0)));
        }
        if let Ok(aws) = named.cast::<Aws>() {
            return Ok(Self::Real {
                region: aws.get().asked.clone(),
            });
        }
        let kind = named.get_type().name()?;
        Err(PyTypeError::new_err(format!(
            "`aws` is an Aws or a Simulation, not a `{kind}`"
        )))
    }

    /// The thread for a run here: the simulation's, or one of its own.
    pub(crate) fn engine(&self, py: Python<'_>) -> PyResult<Arc<Engine>> {
        match self {
            Self::Real { .. } => Ok(Arc::new(Engine::start(py, Time::Real).map_err(no_thread)?)),
            Self::Simulated(world) => match world.engine.is_here() {
                true => Ok(Arc::clone(&world.engine)),
                false => Err(crate::control::elsewhere()),
            },
        }
    }

    fn is_simulated(&self) -> bool {
        matches!(self, Self::Simulated(_))
    }

    /// The clients, made in the thread that uses them.
    pub(crate) async fn aws(&self) -> LibraryAws {
        match self {
            Self::Simulated(world) => world.simulation.aws(),
            Self::Real {
                region: Some(region),
            } => LibraryAws::from_env_in(region.clone()).await,
            Self::Real { region: None } => LibraryAws::from_env().await,
        }
    }

    /// The clients of a run of parts: only a simulation, which has the clock, and a far journal need them.
    pub(crate) async fn aws_for(&self, journal: Option<&Journal>) -> Option<LibraryAws> {
        match self.is_simulated() || journal.is_some_and(Journal::is_far) {
            true => Some(self.aws().await),
            false => None,
        }
    }

    /// Paces a run, if the world has a speed.
    pub(crate) fn paced(&self) -> Option<Paced> {
        let Self::Simulated(world) = self else {
            return None;
        };
        let speed = world.speed?;
        let mut pace = world.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.0 += 1;
        if pace.1.is_none() {
            pace.1 = Some(world.simulation.pace(speed));
        }
        drop(pace);
        Some(Paced(Arc::clone(world)))
    }

    /// Asks something of this world, and waits for the answer without the interpreter.
    pub(crate) fn ask<T, F, W>(&self, py: Python<'_>, work: W) -> PyResult<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
        W: FnOnce(LibraryAws) -> F + Send + 'static,
    {
        let world = self.clone();
        self.wait(py, async move { work(world.aws().await).await })
    }

    /// Does `work` in the thread of this world, and waits for its end without the interpreter.
    pub(crate) fn wait<T, F>(&self, py: Python<'_>, work: F) -> PyResult<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let engine = self.engine(py)?;
        let (sender, answer) = mpsc::channel();
        engine.spawn(async move {
            let _ = sender.send(work.await);
        });
        let answer = Mutex::new(answer);
        loop {
            let got = py.detach(|| {
                let answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
                answer.recv_timeout(Duration::from_millis(50))
            });
            match got {
                Ok(answer) => return Ok(answer),
                Err(mpsc::RecvTimeoutError::Timeout) => py.check_signals()?,
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(PyRuntimeError::new_err(
                        "the question broke off without an answer",
                    ));
                }
            }
        }
    }
}

fn no_thread(error: std::io::Error) -> PyErr {
    PyRuntimeError::new_err(format!("no thread for the run: {error}"))
}

/// The real AWS, by the environment and the profile, as other AWS tools are configured: `AWS_PROFILE`,
/// `AWS_REGION`, `AWS_ENDPOINT_URL` and so on. Each run has its own clients in its own thread.
#[pyclass(module = "bluegreen", frozen)]
#[derive(Debug)]
pub(crate) struct Aws {
    asked: Option<String>,
    #[pyo3(get)]
    region: Option<String>,
}

#[pymethods]
impl Aws {
    /// Reads the configuration once, to tell a mistake early. Blocks; makes no call that changes
    /// anything.
    #[staticmethod]
    #[pyo3(signature = (region=None))]
    fn from_env(py: Python<'_>, region: Option<String>) -> PyResult<Self> {
        let world = World::Real {
            region: region.clone(),
        };
        let found = world.ask(py, |aws| async move { aws.region().map(str::to_owned) })?;
        if found.is_none() {
            let hint = "set AWS_REGION, give the profile a region, or pass `region`";
            return Err(errors::argument(py, "region", "is not configured", hint));
        }
        Ok(Self {
            asked: region,
            region: found,
        })
    }

    /// The account of the credentials, by STS. Blocks.
    fn caller(&self, py: Python<'_>) -> PyResult<String> {
        let world = World::Real {
            region: self.asked.clone(),
        };
        let answer: Result<String, Error> =
            world.ask(py, |aws| async move { aws.caller().await })?;
        answer.map_err(|error| errors::of_call(py, &error))
    }

    fn __repr__(&self) -> String {
        format!(
            "<Aws {}>",
            self.region.as_deref().unwrap_or("without a region")
        )
    }
}

/// A simulated AWS in virtual time, the same for the same seed.
///
/// `scenario` is a name of `scenarios()`, and `None` is a world in which nothing goes wrong, with an hour of
/// history. `speed` is virtual seconds a second; `None` is as fast as possible. `blue` and `green` describe
/// the services: `{"targets": 4, "error_rate": 0.001, "latency": 0.09, "capacity": None, "behaviours":
/// [{"errors": 0.2, "when": "always"}]}`. A behaviour is one of `errors`, `leak`, `latency`, `dead`, `silent`;
/// `when` is `"always"`, `{"from": s, "to": s}`, or `{"after_rise": n, "from": s, "to": s}`. A scenario has
/// its own services, so the arguments after `speed` are for `scenario=None` only.
#[pyclass(module = "bluegreen", frozen)]
#[derive(Debug)]
pub(crate) struct Simulation(pub(crate) Arc<Simulated>);

impl Simulation {
    /// Looks at the world by its own clock, without the interpreter.
    fn look<T: Send>(
        &self,
        py: Python<'_>,
        look: impl FnOnce(&LibrarySimulation) -> T + Send,
    ) -> PyResult<T> {
        let world = &self.0;
        if !world.engine.is_here() {
            return Err(crate::control::elsewhere());
        }
        Ok(py.detach(|| world.engine.within(|| look(&world.simulation))))
    }
}

fn pair<T>(sides: Sides<T>) -> (T, T) {
    (sides.blue, sides.green)
}

#[pymethods]
impl Simulation {
    #[new]
    #[pyo3(signature = (scenario=None, *, seed=1, speed=None, traffic=None, history=None, blue=None, green=None,
                        sticky=None, weights=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn new(
        py: Python<'_>,
        scenario: Option<&str>,
        seed: u64,
        speed: Option<f64>,
        traffic: Option<f64>,
        history: Option<&Bound<'_, PyAny>>,
        blue: Option<&Bound<'_, PyAny>>,
        green: Option<&Bound<'_, PyAny>>,
        sticky: Option<&Bound<'_, PyAny>>,
        weights: Option<(u32, u32)>,
    ) -> PyResult<Self> {
        let own = simulated::Own {
            traffic,
            history,
            blue,
            green,
            sticky,
            weights,
        };
        let simulation = match scenario {
            Some(name) => {
                if let Some(field) = own.first() {
                    let hint = "leave the scenario out to describe a world of your own";
                    return Err(errors::argument(py, field, "is the scenario's own", hint));
                }
                let scenario: Scenario =
                    name.parse()
                        .map_err(|error: bluegreen::error::ParseError| {
                            errors::argument(
                                py,
                                "scenario",
                                &error.to_string(),
                                "`bluegreen.scenarios()` explains them",
                            )
                        })?;
                scenario.simulation(seed)
            }
            None => own.simulation(py, seed)?,
        };
        let engine = Engine::start(py, Time::Virtual).map_err(no_thread)?;
        // The world begins now, by the clock that stands.
        engine.within(|| simulation.elapsed());
        Ok(Self(Arc::new(Simulated {
            simulation,
            engine: Arc::new(engine),
            speed,
            pace: Mutex::default(),
        })))
    }

    /// Lets calls fail: `fail("ModifyRule", "timeout_after_effect", nth=2)`.
    ///
    /// `call` is an operation as AWS spells it, or `"any"`. Without `nth`, `from_nth` or `between` all such
    /// calls fail. `fault` is one of `throttle`, `denied`, `expired`, `missing`, `unavailable`,
    /// `timeout_before_effect`, `timeout_after_effect`, `late_effect` (with `after`), `hang_before_effect`,
    /// `hang_after_effect`, `third_party_write` (with `weights`).
    #[pyo3(signature = (call, fault, *, nth=None, from_nth=None, between=None, after=None, weights=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn fail(
        &self,
        py: Python<'_>,
        call: &str,
        fault: &str,
        nth: Option<u64>,
        from_nth: Option<u64>,
        between: Option<(Bound<'_, PyAny>, Bound<'_, PyAny>)>,
        after: Option<&Bound<'_, PyAny>>,
        weights: Option<(u32, u32)>,
    ) -> PyResult<()> {
        let between = match between {
            Some((from, to)) => Some((convert::span(&from)?, convert::span(&to)?)),
            None => None,
        };
        let calls = simulated::selector(py, call, nth, from_nth, between)?;
        let fault = simulated::fault(py, fault, after.map(convert::span).transpose()?, weights)?;
        self.look(py, |world| world.fail(calls, fault))
    }

    /// Lets reads of `call` show writes this much later.
    fn lag(&self, py: Python<'_>, call: &str, by: &Bound<'_, PyAny>) -> PyResult<()> {
        let (call, by) = (simulated::call(py, call)?, convert::span(by)?);
        self.look(py, |world| world.lag(call, Lag::for_time(by)))
    }

    /// A third party writes weights: now, or this long after the start.
    #[pyo3(signature = (blue, green, *, after=None))]
    fn third_party_write(
        &self,
        py: Python<'_>,
        blue: u32,
        green: u32,
        after: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let (weights, after) = (
            Sides::new(blue, green),
            after.map(convert::span).transpose()?,
        );
        self.look(py, |world| match after {
            Some(after) => world.third_party_write_at(after, weights),
            None => world.third_party_write(weights),
        })
    }

    /// The specification of a migration in this world, with all defaults.
    #[getter]
    fn spec(&self, py: Python<'_>) -> PyResult<Spec> {
        self.look(py, LibrarySimulation::spec).map(Spec::of)
    }

    /// The truth: blue's weight and green's.
    #[getter]
    fn weights(&self, py: Python<'_>) -> PyResult<(u32, u32)> {
        self.look(py, LibrarySimulation::weights).map(pair)
    }

    /// The ARN of the rule that divides the traffic.
    #[getter]
    fn rule(&self, py: Python<'_>) -> PyResult<String> {
        self.look(py, |world| world.rule_arn().as_str().to_owned())
    }

    /// The ARN of blue's target group.
    #[getter]
    fn blue(&self, py: Python<'_>) -> PyResult<String> {
        self.look(py, |world| world.blue().as_str().to_owned())
    }

    #[getter]
    fn green(&self, py: Python<'_>) -> PyResult<String> {
        self.look(py, |world| world.green().as_str().to_owned())
    }

    #[getter]
    fn elapsed(&self, py: Python<'_>) -> PyResult<Duration> {
        self.look(py, LibrarySimulation::elapsed)
    }

    /// How many requests each side has got.
    #[getter]
    fn sent(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        self.look(py, LibrarySimulation::sent).map(pair)
    }

    #[getter]
    fn failed(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        self.look(py, LibrarySimulation::failed).map(pair)
    }

    /// How many calls were made: of one operation as AWS spells it, or of all.
    #[pyo3(signature = (call=None))]
    fn calls(&self, py: Python<'_>, call: Option<&str>) -> PyResult<u64> {
        let call: Option<Call> = call.map(|call| simulated::call(py, call)).transpose()?;
        self.look(py, |world| match call {
            Some(call) => world.calls(call),
            None => world.calls_in_all(),
        })
    }

    /// Every write of the rule: `at`, `by`, `blue`, `green`.
    #[getter]
    fn changes(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let changes = self.look(py, LibrarySimulation::changes)?;
        let changes = changes.iter().map(|change| {
            json!({
                "at": change.at,
                "by": match change.by {
                    Writer::Start => "start",
                    Writer::Caller => "caller",
                    Writer::Stranger => "third_party",
                    Writer::Service => "service",
                    Writer::Schedule => "schedule",
                },
                "blue": change.weights.blue,
                "green": change.weights.green,
            })
        });
        value_to_python(py, &changes.collect())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (blue, green) = self.weights(py)?;
        Ok(format!("<Simulation blue {blue}, green {green}>"))
    }
}

/// The scenarios of a migration: `name`, `exit_code`, `explanation`.
#[pyfunction]
pub(crate) fn scenarios(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let all = Scenario::ALL.iter().map(|scenario| {
        json!({
            "name": scenario.name(),
            "exit_code": scenario.expected_exit(),
            "explanation": scenario.explanation(),
        })
    });
    plain_to_python(py, &all.collect())
}
