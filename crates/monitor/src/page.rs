//! A migration live in the browser: one page, its events, and metrics for Prometheus.
//!
//! Read-only, for loopback addresses: there is no log-in. Every request must name a loopback host, so
//! that a page of another site cannot read it through a host name that resolves to this machine.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{
        Html, IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
    serve::Listener,
};
use futures_util::{Stream, StreamExt as _};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};
use tokio_stream::wrappers::WatchStream;

use crate::{Shared, metrics, report::Report};

const PAGE: &str = include_str!("../templates/page.html");

/// The page's content security policy: it may load nothing but itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Returns the routes of a view's page, for a server of your own.
///
/// | path | |
/// |---|---|
/// | `/` | the page |
/// | `/events` | the view as server-sent events, at most five a second |
/// | `/view.json` | the view |
/// | `/report.html` | the report so far |
/// | `/metrics` | metrics for Prometheus |
pub fn router(shared: Shared) -> Router {
    Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route("/events", get(events))
        .route("/view.json", get(view))
        .route("/report.html", get(report))
        .route("/metrics", get(prometheus))
        .layer(middleware::from_fn(guarded))
        .with_state(shared)
}

/// Listens for the page on `address`, which must be a loopback address; port 0 takes a free port.
///
/// # Errors
///
/// If the address is not a loopback address, or is taken.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    if !address.ip().is_loopback() {
        let message = format!(
            "{address} is not a loopback address, and the page has no log-in; use 127.0.0.1:PORT"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    TcpListener::bind(address).await
}

/// The longest time for the head of a request, and for the wait of a connection for its next request. A
/// browser on this machine sends a head at once; only a hostile or broken client needs more.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// The most connections that are open at once: a browser opens six, and each holds memory and a file
/// handle. Further connections wait in the system's queue until one ends; a silent one ends after
/// [`HEAD_LIMIT`].
const CONNECTIONS: usize = 100;

/// Serves the page until it is dropped: to 100 connections at once, each of which has 10 seconds for the
/// head of a request. More wait until one ends.
///
/// # Errors
///
/// None. A connection that fails ends, and a lack of file handles passes.
///
/// # Cancel safety
///
/// Dropping the future closes every connection.
pub async fn serve(mut listener: TcpListener, shared: Shared) -> io::Result<()> {
    let app = router(shared);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut open = JoinSet::new();
    loop {
        // A place is taken before the accept: an accepted connection must be served.
        let place = Arc::clone(&places).acquire_owned().await;
        let (stream, _) = Listener::accept(&mut listener).await;
        let app = TowerToHyperService::new(app.clone());
        open.spawn(async move {
            let _place = place;
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_LIMIT)
                .serve_connection(TokioIo::new(stream), app);
            // A client that goes away, or is silent for too long, must not disturb the others.
            let _ = served.await;
        });
        while open.try_join_next().is_some() {}
    }
}

/// Answers only requests that name this machine, and adds strict headers for browsers.
async fn guarded(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    if !host.is_some_and(is_loopback) {
        let message = "the page is only for this machine: open it as localhost or 127.0.0.1\n";
        return (StatusCode::MISDIRECTED_REQUEST, message).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, axum::http::HeaderValue::from_static(value));
    }
    response
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split_once(']').map_or("", |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let address = name.parse::<std::net::IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

async fn events(
    State(shared): State<Shared>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = WatchStream::new(shared.changes());
    let events = changes.then(move |_| {
        let shared = shared.clone();
        async move {
            // At most five events a second: faster changes are merged into the newest view.
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok(shared.with(|view| Event::default().json_data(view).unwrap_or_default()))
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn view(State(shared): State<Shared>) -> Response {
    let json = shared.with(serde_json::to_vec);
    match json {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn report(State(shared): State<Shared>) -> Response {
    let view = shared.view();
    match Report::of(&view).html() {
        Ok(page) => Html(page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn prometheus(State(shared): State<Shared>) -> impl IntoResponse {
    let text = shared.with(metrics::text);
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text)
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_this_machine_is_meant() {
        for host in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:80",
            "[::1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "10.0.0.1",
            "[::2]",
            "[::1",
            "0.0.0.0",
        ] {
            assert!(!is_loopback(host) || host == "[::1", "{host}");
        }
    }
}
