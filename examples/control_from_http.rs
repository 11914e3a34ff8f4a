//! A run that is paused, continued and aborted over HTTP.
//!
//! ```text
//! cargo run --example control_from_http
//! ```
//!
//! A server on loopback has `GET /`, `POST /pause`, `POST /continue` and `POST /abort`. The example sends the
//! requests itself, as an operator with `curl` would. The router is two numbers in memory, and time is real,
//! so the example takes some seconds. Prints each request with its answer, and at the end the split. The run
//! is aborted, so blue must have everything: then the exit code is 0, otherwise 1.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{error::Error, future::ready, process::ExitCode};

use axum::extract::{Path, State};
use axum::{Router, http::StatusCode, routing};
use bluegreen::check::{HttpClient, HttpRequest, ReqwestClient};
use bluegreen::{Migration, Verdict, gate_fn, mock::MemorySplitter};
use bluegreen::{engine::ControlHandle, migration::MigrationState};
use tokio::sync::watch;

/// The state of the run, as the server knows it.
#[derive(Clone)]
struct Running {
    handle: ControlHandle,
    state: watch::Receiver<MigrationState>,
}

async fn status(State(running): State<Running>) -> String {
    let state = running.state.borrow();
    let paused = state.paused_until.map_or("", |_| ", paused");
    match &state.traffic {
        Some(traffic) => format!("{:.0}% on green{paused}", traffic.green_share() * 100.0),
        None => "not read yet".to_owned(),
    }
}

/// Gives a control to the run, and answers once the run has taken the control.
async fn control(
    Path(control): Path<String>,
    State(Running { handle, .. }): State<Running>,
) -> Result<String, StatusCode> {
    let answer = match control.as_str() {
        "pause" => handle.pause("the web"),
        "continue" => handle.continue_run("the web"),
        "abort" => handle.abort("the web"),
        _ => return Err(StatusCode::NOT_FOUND),
    };
    Ok(format!("{:?}", answer.await))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let fine = gate_fn("fine", |_look| ready(Ok(Verdict::healthy("all is well"))));
    let mut migration = Migration::for_tests(MemorySplitter::new()).gate("fine", fine);
    let (handle, state) = (migration.handle(), migration.watch());
    let mut running = Running { handle, state };
    let router = Router::new()
        .route("/", routing::get(status))
        .route("/{control}", routing::post(control))
        .with_state(running.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let migration = tokio::spawn(migration.run());

    let is_divided = |state: &MigrationState| {
        let traffic = state.traffic.as_ref();
        traffic.is_some_and(|traffic| !traffic.is_all_blue())
    };
    running.state.wait_for(is_divided).await?;
    let client = ReqwestClient::new()?;
    for asked in [
        "GET /",
        "POST /pause",
        "GET /",
        "POST /continue",
        "POST /abort",
    ] {
        let (method, path) = asked.split_once(' ').unwrap_or((asked, "/"));
        let request = HttpRequest::new(method, format!("{url}{path}"));
        let answer = client.send(&request).await?;
        println!("{asked:<15} {}", String::from_utf8_lossy(&answer.body));
    }
    let outcome = migration.await??;
    println!("{outcome}");
    Ok(u8::from(outcome.exit_code() != 11).into())
}
