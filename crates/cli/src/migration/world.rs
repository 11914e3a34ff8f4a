//! Where a verb works: on the real AWS, or on a simulated one.

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

/// How fast a simulation runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Speed {
    Times(f64),
    Max,
}

/// Where a verb works.
#[derive(Debug)]
pub(crate) enum World {
    Real(Aws),
    Simulated {
        aws: Aws,
        simulation: Simulation,
        /// The world is kept while this lives.
        _kept: Option<KeptSimulation>,
        /// Keeps time at its pace while the verb works.
        _pacer: Option<Pacer>,
    },
}

impl World {
    /// A simulated world that begins now, and ends with the process.
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
        let pacer = match speed {
            Speed::Times(speed) => Some(simulation.pace(speed)),
            Speed::Max => None,
        };
        Self::Simulated {
            aws: simulation.aws(),
            simulation,
            _kept: kept,
            _pacer: pacer,
        }
    }

    /// The world of a specification. Notes are said, unless only something is asked.
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
                            "note: a world that is kept goes {FASTEST} times as fast at most"
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

    pub(crate) fn simulation(&self) -> Option<&Simulation> {
        match self {
            Self::Real(_) => None,
            Self::Simulated { simulation, .. } => Some(simulation),
        }
    }

    /// The journals at that place.
    pub(crate) fn store(&self, place: &JournalPlace) -> Result<JournalStore, Problem> {
        place.store(self.aws(), self.is_simulated())
    }
}

/// Half an hour in 15 seconds.
const USUAL_SPEED: Speed = Speed::Times(120.0);

/// A faster world passes more time while a disk works than a journal is waited for.
const FASTEST: f64 = 600.0;

/// The speed that was given.
pub(crate) fn speed(sim: Option<&Sim>, problems: &mut Vec<Problem>) -> Option<Speed> {
    let text = sim?.speed.as_deref()?;
    if text == "max" {
        return Some(Speed::Max);
    }
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && (0.1..=100_000.0).contains(&speed) => {
            Some(Speed::Times(speed))
        }
        _ => {
            problems.push(Problem::new(
                "--speed",
                format!("`{text}` is not a number from 0.1 to 100000"),
                "120 shows two virtual minutes a second; `max` does not wait at all",
            ));
            None
        }
    }
}

/// Whether `--sim list` was asked for, which is answered then.
pub(crate) fn listed(sim: &Sim) -> bool {
    let is_asked = sim.sim.as_deref() == Some("list");
    if is_asked {
        let title = "The simulated worlds of --sim NAME, and how a migration in each ends:\n";
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
