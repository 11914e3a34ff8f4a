//! Two simulated chatbots, blue and green, in the time of the runtime.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bluegreen::check::{HttpClient, HttpFailure, HttpRequest, HttpResponse};
use clap::ValueEnum;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Scenario {
    /// Green serves as blue does.
    Healthy,
    /// A tenth of green's chats fail.
    Erring,
    /// Green takes four seconds for a chat.
    Slow,
    /// Green stalls for a second in every ten.
    Stalling,
    /// Green answers as FastAPI does, and blue as Flask.
    Differing,
    /// Green refuses connections.
    Dead,
    /// Blue fails after 20 seconds.
    BlueWorse,
}

impl Scenario {
    /// The behaviour of green in a scenario of the simulated AWS.
    pub(super) fn of_world(name: &str) -> Self {
        match name {
            _ if name.contains("error") || name.contains("leak") => Self::Erring,
            _ if name.contains("slow") => Self::Slow,
            _ if name.contains("dead") || name.contains("dies") => Self::Dead,
            _ => Self::Healthy,
        }
    }
}

/// Answers as both services would. The test header leads to green.
#[derive(Debug)]
pub(super) struct Answerer {
    scenario: Scenario,
    header: (String, String),
    requests: AtomicU64,
    /// The first request, from which behaviours count.
    began: Mutex<Option<Instant>>,
}

impl Answerer {
    /// `header` is `NAME: VALUE`.
    pub(super) fn new(scenario: Scenario, header: &str) -> Arc<Self> {
        let (name, value) = header.split_once(':').unwrap_or((header, ""));
        Arc::new(Self {
            scenario,
            header: (name.trim().to_owned(), value.trim().to_owned()),
            requests: AtomicU64::new(0),
            began: Mutex::new(None),
        })
    }

    fn elapsed(&self) -> Duration {
        let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        began.get_or_insert_with(Instant::now).elapsed()
    }

    fn is_of_green(&self, request: &HttpRequest) -> bool {
        let (name, value) = &self.header;
        let mut headers = request.headers.iter();
        headers.any(|(own, given)| own.eq_ignore_ascii_case(name) && given == value)
    }

    /// How long an answer takes: 80 to 120 ms, and what the scenario adds.
    fn latency(&self, number: u64, is_green: bool, is_chat: bool) -> Duration {
        let usual = Duration::from_millis(80 + number * 7 % 40);
        let added = match self.scenario {
            Scenario::Slow if is_green && is_chat => Duration::from_secs(4),
            Scenario::Stalling if is_green => {
                let in_cycle = self.elapsed().as_secs_f64() % 10.0;
                Duration::from_secs_f64((1.0 - in_cycle).max(0.0))
            }
            _ => Duration::ZERO,
        };
        usual + added
    }
}

#[async_trait]
impl HttpClient for Answerer {
    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let elapsed = self.elapsed();
        let is_green = self.is_of_green(request);
        let is_chat = request.url.ends_with("/api/v1/chat");
        if is_green && self.scenario == Scenario::Dead {
            return Err(HttpFailure::new("cannot connect: connection refused"));
        }
        let took = self.latency(number, is_green, is_chat);
        if took > request.timeout {
            sleep(request.timeout).await;
            return Err(HttpFailure::new("no whole answer in time"));
        }
        sleep(took).await;
        let is_fast_api = is_green && self.scenario == Scenario::Differing;
        let fails = match self.scenario {
            Scenario::Erring => is_green && is_chat && number % 10 == 3,
            Scenario::BlueWorse => !is_green && elapsed > Duration::from_secs(20),
            _ => false,
        };
        let (status, said) = match (fails, is_chat) {
            (true, _) => (500, json!({"error": "Internal Server Error"})),
            (false, true) => chat(&request.body, number, is_fast_api),
            (false, false) if request.url.ends_with("/metrics/performance") => {
                let qps = if is_fast_api {
                    json!("12.5")
                } else {
                    json!(12.5)
                };
                (200, json!({"qps": qps}))
            }
            (false, false) if request.url.ends_with("/health") => {
                (200, json!({"status": "healthy"}))
            }
            (false, false) => (404, json!({"error": "Not Found"})),
        };
        Ok(HttpResponse::new(status, said.to_string())
            .with_header("Content-Type", "application/json")
            .with_took(took))
    }
}

fn chat(body: &[u8], number: u64, is_fast_api: bool) -> (u16, Value) {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let session = format!("s-{number}");
    match (asked["message"].is_string(), is_fast_api) {
        (true, false) => {
            let at = "Tue, 01 Jan 2030 00:00:00 GMT";
            let said = json!({"response": "Hello!", "session_id": session, "at": at, "user": null});
            (200, said)
        }
        (true, true) => {
            let at = "2030-01-01T00:00:00Z";
            (
                200,
                json!({"response": "Hello!", "session_id": session, "at": at}),
            )
        }
        (false, false) => (400, json!({"error": "message is required"})),
        (false, true) => {
            let detail = json!([{"loc": ["body", "message"], "msg": "Field required"}]);
            (422, json!({"detail": detail}))
        }
    }
}
