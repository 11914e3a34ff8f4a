//! A run that is paused, continued and aborted over HTTP.
//!
//! ```text
//! cargo run --example control_from_http
//! ```
//!
//! A server on loopback has `GET /`, `POST /pause`, `POST /continue` and `POST /abort`. The example asks it by
//! itself, as a person with `curl` would, and ends. The migration is simulated and has a paused clock, and a
//! runtime with one must not wait for sockets: so it runs on a thread of its own, and the handle reaches it
//! from here. Prints each request with its answer, and at the end where traffic is. It is aborted, so blue has
//! everything: that ends with 0, anything else with 1.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{error::Error, process::ExitCode, sync::mpsc, thread};

use axum::{Router, extract::State, routing};
use bluegreen::{
    MigrationOutcome,
    aws::sim::Scenario,
    check::{HttpClient, HttpRequest, ReqwestClient},
    engine::{Answer, ControlHandle},
    migration::MigrationState,
    store::JournalStore,
};
use tokio::sync::watch;

/// What the server knows of the run.
#[derive(Clone)]
struct Running {
    handle: ControlHandle,
    state: watch::Receiver<MigrationState>,
}

type Ended = Result<MigrationOutcome, Box<dyn Error + Send + Sync>>;

/// Runs on this thread to its end; gives the handle away as soon as there is one.
#[tokio::main(flavor = "current_thread")]
async fn migrate(started: mpsc::Sender<Running>) -> Ended {
    let simulation = Scenario::Healthy.simulation(7);
    simulation.start_paused();
    let _pacer = simulation.pace(120.0);
    let store = JournalStore::memory();
    let run = simulation
        .spec()
        .start(&simulation.aws(), &store, "ann")
        .await?;
    let handle = run.handle();
    let run = run.with(|mut migration| {
        let state = migration.watch();
        let _ = started.send(Running { handle, state });
        migration
    });
    Ok(run.run().await?)
}

async fn status(State(running): State<Running>) -> String {
    let state = running.state.borrow().clone();
    let paused = if state.paused_until.is_some() {
        ", paused"
    } else {
        ""
    };
    match state.traffic {
        Some(traffic) => format!("{:.0}% on green{paused}", traffic.green_share() * 100.0),
        None => "not read yet".to_owned(),
    }
}

/// What came of a control, once the run has taken it.
async fn answered(answer: Answer) -> String {
    format!("{:?}", answer.await)
}

async fn pause(State(running): State<Running>) -> String {
    answered(running.handle.pause("the web")).await
}

async fn go_on(State(running): State<Running>) -> String {
    answered(running.handle.continue_run("the web")).await
}

async fn abort(State(running): State<Running>) -> String {
    answered(running.handle.abort("the web")).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (sender, started) = mpsc::channel();
    let migration = thread::spawn(|| migrate(sender));
    let mut running = started.recv()?;
    let router = Router::new()
        .route("/", routing::get(status))
        .route("/pause", routing::post(pause))
        .route("/continue", routing::post(go_on))
        .route("/abort", routing::post(abort))
        .with_state(running.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });

    let has_traffic = |state: &MigrationState| {
        state
            .traffic
            .as_ref()
            .is_some_and(|traffic| !traffic.is_all_blue())
    };
    running.state.wait_for(has_traffic).await?;
    let client = ReqwestClient::new()?;
    for (method, path) in [
        ("GET", "/"),
        ("POST", "/pause"),
        ("GET", "/"),
        ("POST", "/continue"),
        ("POST", "/abort"),
    ] {
        let answer = client
            .send(&HttpRequest::new(method, format!("{url}{path}")))
            .await?;
        println!(
            "{method:<5}{path:<10} {}",
            String::from_utf8_lossy(&answer.body)
        );
    }
    let outcome = migration
        .join()
        .map_err(|_| "the migration's thread died")?;
    let outcome = outcome.map_err(|error| error.to_string())?;
    println!("the run ended with {}", outcome.exit_code());
    if let Some(traffic) = &outcome.report().traffic {
        println!("traffic: {traffic}");
    }
    Ok(u8::from(outcome.exit_code() != 11).into())
}
