//! The guide's `tests/integration_tests.py` with the library: sends a released service the requests of its
//! users, as `examples/integration_tests/checks.toml` lists them.
//!
//! ```text
//! cargo run --example integration_tests                             # a small chatbot on loopback
//! cargo run --example integration_tests https://chat.example.com    # a service of yours
//! ```
//!
//! Prints a line for each check, and each failure. The exit code is 0 if all checks passed, otherwise 1.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{env, error::Error, process::ExitCode, sync::Arc};

use axum::{Json, Router, http::StatusCode, routing};
use bluegreen::{
    ServiceCheck,
    check::{CheckSuite, ReqwestClient},
};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let url = match env::args().nth(1) {
        Some(url) => url,
        None => chatbot().await?,
    };
    println!("asking {url}");
    let suite = CheckSuite::from_toml(include_str!("integration_tests/checks.toml"))?;
    let suite = suite.with_base_url(&url)?;
    let client = Arc::new(ReqwestClient::new()?);
    let health = suite.health_check(client.clone())?;
    let smoke = suite.smoke_checks(client)?;

    let (mut asked, mut failed) = (0, 0);
    for check in health.iter().chain(&smoke) {
        let report = check.check().await;
        let answer = report.answer.as_ref();
        let took = answer.map_or_else(String::new, |answer| {
            format!("{} ms", answer.took.as_millis())
        });
        let mark = if report.is_passed() { "ok" } else { "FAILED" };
        println!("{mark:<8}{:<50}{took:>10}", check.name());
        for failure in &report.failures {
            println!("{:8}{}: wanted {}", "", failure.what, failure.wanted);
            println!("{:8}got {}", "", failure.got);
        }
        asked += 1;
        failed += usize::from(!report.is_passed());
    }
    println!("{} of {asked} checks passed", asked - failed);
    Ok(u8::from(failed > 0).into())
}

/// Serves a chatbot on loopback until the program ends, and returns its URL.
async fn chatbot() -> std::io::Result<String> {
    let health = || async { Json(json!({ "status": "healthy" })) };
    let metrics = || async { Json(json!({ "qps": 12.5 })) };
    let router = Router::new()
        .route("/health", routing::get(health))
        .route("/metrics/performance", routing::get(metrics))
        .route("/api/v1/chat", routing::post(chat));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

/// Answers a message. `axum` refuses a body that is not JSON before this call.
async fn chat(Json(asked): Json<Value>) -> Result<Json<Value>, StatusCode> {
    let message = asked["message"]
        .as_str()
        .ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    let session = asked["session_id"].as_str().unwrap_or("s-1");
    Ok(Json(
        json!({ "response": format!("You said: {message}"), "session_id": session }),
    ))
}
