//! The world that a verb works on: the real AWS, or a simulated AWS.

use bluegreen::{
    Aws,
    aws::sim::{KeptSimulation, Pacer, Scenario, Simulation},
    problem::Problem,
    spec::MigrationSpec,
    store::JournalStore,
};

use super::args::Sim;
use crate::common::{
    aws,
    errors::{BAD_ARGUMENTS, failed},
    journal::JournalPlace,
    say::{answer, say_line},
};

/// The speed of a simulation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Speed {
    Times(f64),
    Max,
}

impl Speed {
    /// Reads the value of `--speed`.
    pub(crate) fn of(text: &str) -> Result<Self, Problem> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse::<f64>() {
            Ok(speed) if (0.1..=100_000.0).contains(&speed) => Ok(Self::Times(speed)),
            _ => Err(Problem::new(
                "--speed",
                format!("`{text}` is not a number from 0.1 to 100000"),
                "120 shows two minutes in a second; `max` does not wait at all",
            )),
        }
    }

    /// How many times as fast as real time; `None` if nothing waits.
    pub(crate) fn times(self) -> Option<f64> {
        match self {
            Self::Times(times) => Some(times),
            Self::Max => None,
        }
    }
}

/// The world that a verb works on.
#[derive(Debug)]
pub(crate) enum World {
    Real(Aws),
    Simulated {
        aws: Aws,
        simulation: Simulation,
        /// Keeps the world on disk until it is dropped.
        kept: Option<KeptSimulation>,
        /// Keeps simulated time at its pace until it is dropped.
        _pacer: Option<Pacer>,
    },
}

impl World {
    /// Begins a simulated world, which ends with the process.
    pub(crate) fn fresh(simulation: Simulation, scenario: Scenario, speed: Option<Speed>) -> Self {
        say_line!(
            "simulated AWS, scenario {}: {}",
            scenario.name(),
            scenario.explanation()
        );
        Self::simulated(simulation, None, speed.unwrap_or(USUAL_SPEED))
    }

    fn simulated(simulation: Simulation, kept: Option<KeptSimulation>, speed: Speed) -> Self {
        simulation.start_paused();
        let pacer = speed.times().map(|speed| simulation.pace(speed));
        Self::Simulated {
            aws: simulation.aws(),
            simulation,
            kept,
            _pacer: pacer,
        }
    }

    /// Opens the world of a specification. Prints notes, unless the verb only prints something.
    pub(crate) async fn of(
        spec: &MigrationSpec,
        is_asked: bool,
        speed: Option<Speed>,
    ) -> Result<Self, u8> {
        if let (Some(simulation), false) = (&spec.simulation, is_asked) {
            let kept = spec.world();
            let kept = kept.map_err(|error| failed(&error, BAD_ARGUMENTS))?;
            if let Some(kept) = kept {
                let scenario = kept.scenario().name();
                let folder = kept.folder().display().to_string();
                say_line!("simulated AWS, scenario {scenario}, kept in {folder}");
                let speed = match speed.unwrap_or(Speed::Times(simulation.speed)) {
                    Speed::Times(speed) if speed > FASTEST => {
                        say_line!(
                            "note: a kept world runs at most {FASTEST} times as fast as real time"
                        );
                        Speed::Times(FASTEST)
                    }
                    speed => speed,
                };
                let shared = Simulation::clone(&kept);
                return Ok(Self::simulated(shared, Some(kept), speed));
            }
        }
        let region = spec.region_of_all();
        Ok(Self::Real(match (is_asked, region) {
            (true, Some(region)) => Aws::from_env_in(region).await,
            (_, region) => aws::from_env_in(region).await,
        }))
    }

    pub(crate) fn aws(&self) -> &Aws {
        match self {
            Self::Real(aws) | Self::Simulated { aws, .. } => aws,
        }
    }

    pub(crate) fn is_simulated(&self) -> bool {
        self.simulation().is_some()
    }

    /// Whether this world ends with the process, so that no other process works in it.
    pub(crate) fn is_fresh(&self) -> bool {
        matches!(self, Self::Simulated { kept: None, .. })
    }

    pub(crate) fn simulation(&self) -> Option<&Simulation> {
        match self {
            Self::Real(_) => None,
            Self::Simulated { simulation, .. } => Some(simulation),
        }
    }

    /// Opens the journals at that place.
    pub(crate) fn store(&self, place: &JournalPlace) -> Result<JournalStore, Problem> {
        place.store(self.aws(), self.is_simulated())
    }
}

/// Half an hour in 15 seconds.
const USUAL_SPEED: Speed = Speed::Times(120.0);

/// In a faster world, more time passes during one write to disk than the wait for a journal allows.
const FASTEST: f64 = 600.0;

/// Returns the speed that was given.
pub(crate) fn speed(sim: Option<&Sim>, problems: &mut Vec<Problem>) -> Option<Speed> {
    let speed = Speed::of(sim?.speed.as_deref()?);
    speed.map_err(|problem| problems.push(problem)).ok()
}

/// Returns whether `--sim list` was given, and answers it.
pub(crate) fn listed(sim: &Sim) -> bool {
    let is_asked = sim.sim.as_deref() == Some("list");
    if is_asked {
        let title = "The scenarios for --sim NAME, each with its exit code:\n";
        let mut lines = vec![title.to_owned()];
        for scenario in Scenario::ALL {
            let (name, exit) = (scenario.name(), scenario.expected_exit());
            let explanation = scenario.explanation();
            lines.push(format!("  {name:<18} {exit:>2}  {explanation}"));
        }
        let _ = answer(&lines.join("\n"));
    }
    is_asked
}
