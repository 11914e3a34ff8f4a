//! A small simulated chatbot on loopback. It closes each connection after one answer, and knows only
//! the HTTP that the checks need.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use super::args::Scenario;

/// Serves the chatbot until the runtime ends, and returns its URL.
pub(crate) async fn serve(scenario: Scenario) -> std::io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let looks = Arc::new(AtomicU32::new(0));
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let looks = looks.clone();
            tokio::spawn(async move {
                // A client that hangs up must not disturb the others.
                let _ = answer(connection, scenario, &looks).await;
            });
        }
    });
    Ok(url)
}

async fn answer(
    connection: TcpStream,
    scenario: Scenario,
    looks: &AtomicU32,
) -> std::io::Result<()> {
    let mut connection = BufReader::new(connection);
    let mut first = String::new();
    connection.read_line(&mut first).await?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).await? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = Vec::new();
    (&mut connection)
        .take(length)
        .read_to_end(&mut body)
        .await?;
    let asked: Vec<&str> = first.split(' ').take(2).collect();
    if scenario == Scenario::Starting && looks.load(Ordering::Relaxed) < 3 {
        looks.fetch_add(1, Ordering::Relaxed);
        // The connection closes without an answer.
        return Ok(());
    }
    let (status, said) = match asked[..] {
        ["GET", "/health"] => health(scenario, looks.fetch_add(1, Ordering::Relaxed)),
        ["GET", "/metrics/performance"] => ("200 OK", json!({"qps": 12.5})),
        ["POST", "/api/v1/chat"] => chat(scenario, &body).await,
        _ => ("404 Not Found", json!({"detail": "Not Found"})),
    };
    let said = said.to_string();
    let length = said.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{said}"
    );
    connection.write_all(answer.as_bytes()).await?;
    connection.shutdown().await
}

fn health(scenario: Scenario, looks: u32) -> (&'static str, Value) {
    let is_ready = match scenario {
        Scenario::NeverHealthy => false,
        Scenario::Starting => looks >= 5,
        _ => looks >= 1,
    };
    if !is_ready {
        ("503 Service Unavailable", json!({"status": "starting"}))
    } else {
        ("200 OK", json!({"status": "healthy"}))
    }
}

async fn chat(scenario: Scenario, body: &[u8]) -> (&'static str, Value) {
    let asked: Value = match serde_json::from_slice(body) {
        Ok(asked) => asked,
        Err(_) => return ("400 Bad Request", json!({"detail": "no JSON"})),
    };
    if !asked["message"].is_string() {
        return ("422 Unprocessable Entity", json!({"detail": "no message"}));
    }
    match scenario {
        Scenario::BrokenChat => (
            "500 Internal Server Error",
            json!({"detail": "the model is not loaded"}),
        ),
        _ => {
            if scenario == Scenario::Slow {
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
            let session = &asked["session_id"];
            (
                "200 OK",
                json!({"response": "Hello!", "session_id": session}),
            )
        }
    }
}
