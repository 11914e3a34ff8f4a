//! Health: who looks at green, what was seen, and what it means.

mod gate;
mod observation;
mod verdict;

pub use self::{
    gate::{HealthGate, Judge, Look, Phase, Progress},
    observation::Observation,
    verdict::{Evidence, Figure, Part, SeenSide, SeenTraffic, Unit, Verdict},
};
