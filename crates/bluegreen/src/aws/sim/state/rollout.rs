//! A service with its deployments.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::change::Writer;

pub(in crate::aws::sim) const CLUSTER: &str = "chatbot-cluster";
pub(in crate::aws::sim) const BLUE_SERVICE: &str = "chatbot-flask";
pub(in crate::aws::sim) const SERVICE: &str = "chatbot-fastapi";

/// One deployment of the service.
#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Deployment {
    pub(in crate::aws::sim) id: String,
    pub(in crate::aws::sim) revision: String,
    pub(in crate::aws::sim) begun: Duration,
    pub(in crate::aws::sim) desired: u32,
    pub(in crate::aws::sim) by: Writer,
    /// When it was given up, if it was.
    pub(in crate::aws::sim) failed: Option<Duration>,
    pub(in crate::aws::sim) reason: String,
}

#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Service {
    pub(super) name: &'static str,
    /// The settings with which the service was created.
    pub(in crate::aws::sim) settings: Map<String, Value>,
    pub(in crate::aws::sim) desired: u32,
    pub(in crate::aws::sim) tags: Vec<(String, String)>,
    /// The newest first.
    pub(in crate::aws::sim) deployments: Vec<Deployment>,
    pub(super) completed: Option<String>,
    pub(in crate::aws::sim) events: Vec<(Duration, String)>,
    /// Every deployment that ever began, for tests.
    pub(in crate::aws::sim) history: Vec<(String, Writer)>,
}

impl Service {
    pub(in crate::aws::sim) fn new(settings: Map<String, Value>, desired: u32) -> Self {
        Self {
            name: SERVICE,
            settings,
            desired,
            tags: Vec::new(),
            deployments: Vec::new(),
            completed: None,
            events: Vec::new(),
            history: Vec::new(),
        }
    }

    pub(super) fn breaker(&self, switch: &str) -> bool {
        let path = format!("/deploymentConfiguration/deploymentCircuitBreaker/{switch}");
        let settings = Value::Object(self.settings.clone());
        settings.pointer(&path) == Some(&json!(true))
    }

    pub(in crate::aws::sim) fn tag(&mut self, key: &str, value: &str) {
        self.tags.retain(|(known, _)| known != key);
        self.tags.push((key.to_owned(), value.to_owned()));
    }
}
