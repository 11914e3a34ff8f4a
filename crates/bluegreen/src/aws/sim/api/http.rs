//! The answers of the simulated services to requests.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::shared::Shared;
use crate::{
    aws::sim::state::fleet::Fate,
    check::{HttpClient, HttpFailure, HttpRequest, HttpResponse},
};

/// Answers as the balancer and the services behind it would, by the listener's rules.
#[derive(Debug)]
pub(in crate::aws::sim) struct SimHttp(pub(in crate::aws::sim) Arc<Shared>);

#[async_trait]
impl HttpClient for SimHttp {
    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let took = Duration::from_millis(90);
        tokio::time::sleep(took).await;
        if let Some(blob) = self.0.blob(&request.url) {
            return Ok(HttpResponse::new(200, blob).with_took(took));
        }
        let header = |name: &str| {
            let mut headers = request.headers.iter();
            let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.as_str())
        };
        let without_scheme = request.url.split("://").nth(1).unwrap_or(&request.url);
        let (authority, path) = without_scheme
            .split_once('/')
            .unwrap_or((without_scheme, ""));
        let host = header("host").unwrap_or(authority);
        let path = path.split('?').next().unwrap_or_default();
        let json = |status: u16, body: &str| {
            HttpResponse::new(status, body.as_bytes())
                .with_header("content-type", "application/json")
                .with_took(took)
        };
        let asked = format!("/{path}");
        let side = self
            .0
            .side_of_request(host, &asked, |name| header(name).map(str::to_owned));
        let (fate, server) = match side {
            // Only the default rule matches, which answers by itself.
            None => return Ok(HttpResponse::new(404, "").with_took(took)),
            Some(side) => self.0.serving(side),
        };
        Ok(match (fate, path) {
            (None, _) => HttpResponse::new(503, "").with_took(took),
            (Some(Fate::Unhealthy), "health") => json(503, r#"{"status": "starting"}"#),
            (Some(Fate::Broken), "api/v1/chat") => {
                json(500, r#"{"detail": "Internal Server Error"}"#)
            }
            (_, "health") => json(
                200,
                &format!(r#"{{"status": "healthy", "server": "{server}"}}"#),
            ),
            (_, "api/v1/chat") => json(200, r#"{"response": "Hello!", "session_id": "s-1"}"#),
            (_, "metrics/performance") => json(200, r#"{"qps": 12.5}"#),
            _ => json(404, r#"{"detail": "Not Found"}"#),
        })
    }
}
