//! Blue's service as the container service has it: how many tasks it runs, its tags, and its end.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::rules;

/// Blue's service. It is never deployed, but its count can be set, and it can be deleted.
#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct BlueService {
    /// The time from which each task serves, once a caller has set the count of a service that nothing
    /// scales.
    ready: Option<Vec<Duration>>,
    /// How many tasks finish their requests, and until when.
    stopping: (u32, Duration),
    /// Whether a caller has set the count.
    is_set: bool,
    /// The settings that DescribeServices shows.
    pub(in crate::aws::sim) settings: Map<String, Value>,
    pub(in crate::aws::sim) tags: Vec<(String, String)>,
    pub(in crate::aws::sim) is_deleted: bool,
    /// Whether another service of the cluster registers its tasks with blue's group.
    pub(in crate::aws::sim) is_shared: bool,
}

/// How long a new task takes until it serves.
const STARTS: Duration = Duration::from_secs(60);
/// How long a task takes to finish its requests: the usual 300 s of a target group would only make
/// simulations longer.
const STOPS: Duration = Duration::from_secs(60);

impl Default for BlueService {
    fn default() -> Self {
        let settings = json!({
            "launchType": "FARGATE",
            "schedulingStrategy": "REPLICA",
            "loadBalancers": [{
                "targetGroupArn": rules::blue().as_str(),
                "containerName": "chatbot-flask",
                "containerPort": 5000
            }],
        });
        Self {
            ready: None,
            stopping: (0, Duration::ZERO),
            is_set: false,
            settings: settings.as_object().cloned().unwrap_or_default(),
            tags: Vec::new(),
            is_deleted: false,
            is_shared: false,
        }
    }
}

impl BlueService {
    /// The time from which each task serves, if a caller has set the count.
    pub(super) fn ready(&self) -> Option<&[Duration]> {
        self.ready.as_deref()
    }

    /// Whether a caller has set the count: only then can it be zero.
    pub(super) fn is_set(&self) -> bool {
        self.is_set
    }

    /// How many tasks finish their requests.
    pub(in crate::aws::sim) fn stopping(&self, now: Duration) -> u32 {
        let (count, until) = self.stopping;
        if now < until { count } else { 0 }
    }

    /// A caller sets the count of a service whose tasks serve from these times on. Returns the new times.
    pub(in crate::aws::sim) fn scale(
        &mut self,
        now: Duration,
        mut ready: Vec<Duration>,
        wanted: u32,
    ) -> Vec<Duration> {
        let runs = u32::try_from(ready.len()).unwrap_or(u32::MAX);
        if wanted < runs {
            self.stopping = (runs - wanted + self.stopping(now), now + STOPS);
        }
        ready.resize(wanted as usize, now + STARTS);
        self.is_set = true;
        self.ready = Some(ready.clone());
        ready
    }

    pub(in crate::aws::sim) fn tag(&mut self, key: &str, value: &str) {
        self.tags.retain(|(known, _)| known != key);
        self.tags.push((key.to_owned(), value.to_owned()));
    }
}
