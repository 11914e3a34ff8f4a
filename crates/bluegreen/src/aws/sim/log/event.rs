//! [`Event`]: something that was done to the world, as the file keeps it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    aws::sim::{fault::Call, mutation::repeat::repeat, state::world::World},
    traffic::Sides,
};

/// Something that was done to the world at some time. Its consequences, and those of the scenario,
/// are not written down: they happen by themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(in crate::aws::sim) enum Event {
    /// Time passed.
    Passed,
    /// A call was made. Faults count calls by these events.
    Called { call: Call },
    /// A change was made, or refused for the world's own reasons.
    Changed {
        call: Call,
        input: Value,
        /// When the effect comes, in nanoseconds since the start, if that is later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lands: Option<u64>,
    },
    /// A third party wrote weights.
    Weights { weights: Sides<u32> },
    /// A third party will write weights.
    Planned {
        /// When, in nanoseconds since the start.
        at: u64,
        weights: Sides<u32>,
    },
    /// A third party changed something else of the rule.
    Edited,
    /// A third party set the fewest targets of blue's service.
    Minimum { minimum: u32 },
    /// An image was pushed.
    Pushed { tag: String, content: String },
}

impl Event {
    /// Lets the event happen.
    pub(in crate::aws::sim) fn happen(&self, world: &mut World, now: Duration) {
        match self {
            Self::Passed => {}
            Self::Called { call } => *world.calls.entry(*call).or_default() += 1,
            Self::Changed {
                call,
                input,
                lands: None,
            } => repeat(world, now, *call, input),
            Self::Changed {
                call,
                input,
                lands: Some(lands),
            } => {
                let (call, input) = (*call, input.clone());
                let lands = Duration::from_nanos(*lands);
                world.land(lands, move |world, now| repeat(world, now, call, &input));
            }
            Self::Weights { weights } => world.write_of_third_party(now, *weights),
            Self::Planned { at, weights } => world.plan(Duration::from_nanos(*at), *weights),
            Self::Edited => world.edit_of_third_party(now),
            Self::Minimum { minimum } => world.minimum_of_third_party(now, *minimum),
            Self::Pushed { tag, content } => {
                // The answer is for the handle that pushed; this world only follows.
                let _ = world.push(now, tag, content);
            }
        }
    }
}

/// A time of the world, as the file writes it.
pub(in crate::aws::sim) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
