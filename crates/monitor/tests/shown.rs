//! The monitor's output: the terminal in its sizes, the page and its events, and a day of looks.

#![allow(clippy::print_stdout, reason = "the figures of the guide")]

use std::time::Duration;

use bluegreen_monitor::{
    Shared, View, page, source,
    terminal::{self, Theme},
};
use ratatui::{Terminal, backend::TestBackend};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const KEPT: &str = include_str!("../testdata/migration-v3.jsonl");

/// The run up to an event.
fn until(count: usize) -> View {
    let events = source::read(KEPT).expect("it was kept");
    let mut view = View::default();
    for event in events.iter().take(count) {
        view.take(event);
    }
    view
}

fn drawn(view: &View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("in memory");
    terminal
        .draw(|frame| terminal::draw(frame, view, Theme::plain(), true))
        .expect("in memory");
    terminal.backend().to_string()
}

#[test]
fn everything_has_its_place_in_a_small_and_in_a_large_terminal() {
    for (width, height) in [(80, 24), (200, 60)] {
        let live = drawn(&until(16), width, height);
        for text in [
            "migrating",
            "10.0%",
            "share by the rule",
            "share seen",
            "failed",
            "mean latency",
            "healthy targets",
            "4 of 4",
            "targets",
            "metrics",
            "green's share %",
            "events",
            "p pause",
            "A abort",
        ] {
            assert!(
                live.contains(text),
                "{text} is missing at {width}×{height}:\n{live}"
            );
        }
        let over = drawn(&until(usize::MAX), width, height);
        for text in ["rolled back", "why: gate `metrics`"] {
            assert!(
                over.contains(text),
                "{text} is missing at {width}×{height}:\n{over}"
            );
        }
        assert!(!over.contains("A abort"), "nothing is left to abort");
    }
}

#[test]
fn percentiles_are_shown_where_they_are_known() {
    let mut view = until(16);
    assert!(!drawn(&view, 80, 24).contains("p50/p90/p99"));
    let mut point = *view.series.newest().expect("a point");
    point.at += 15.0;
    (point.green.p50, point.green.p90, point.green.p99) = (Some(96.4), Some(180.0), Some(412.0));
    view.series.push(point);
    let shown = drawn(&view, 80, 24);
    assert!(shown.contains("p50/p90/p99 ms"), "{shown}");
    assert!(shown.contains("96/180/412"), "{shown}");
    assert!(shown.contains("healthy targets"), "{shown}");
}

/// Keys that change traffic are capitals; a key that is held down asks for nothing more.
#[test]
fn keys_ask_for_what_the_last_line_says() {
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
    use terminal::Key;
    let key = |c: char| Key::of(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    let all = [
        ('p', Some(Key::Pause)),
        ('s', Some(Key::SkipWait)),
        ('P', Some(Key::Promote)),
        ('H', Some(Key::Hold)),
        ('A', Some(Key::Abort)),
        ('q', Some(Key::Quit)),
        ('a', None),
        ('h', None),
        ('x', None),
    ];
    for (c, wanted) in all {
        assert_eq!(key(c), wanted, "{c}");
    }
    let mut held = KeyEvent::new(KeyCode::Char('A'), KeyModifiers::NONE);
    held.kind = KeyEventKind::Repeat;
    assert_eq!(Key::of(held), None);
}

#[test]
fn a_terminal_that_is_too_small_is_no_reason_to_fall_over() {
    for (width, height) in [(1, 1), (10, 3), (40, 10), (79, 12)] {
        drawn(&until(16), width, height);
    }
}

/// Asks the page over a real socket.
async fn ask(address: std::net::SocketAddr, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = vec![0; 64 * 1024];
    let mut length = 0;
    // The stream of events never ends, so the read ends after the first whole event.
    loop {
        let read = stream.read(&mut answer[length..]).await.expect("an answer");
        length += read;
        let text = String::from_utf8_lossy(&answer[..length]);
        if read == 0 || length == answer.len() || text.contains("\ndata: ") {
            return text.into_owned();
        }
    }
}

#[tokio::test]
async fn the_page_answers_this_machine_alone() {
    let shared = Shared::default();
    shared.update(|view| *view = until(16));
    let listener = page::listen("127.0.0.1:0".parse().expect("an address"))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(page::serve(listener, shared));

    for host in ["localhost", &address.to_string()] {
        let page = ask(address, "/", host).await;
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        assert!(page.contains("content-security-policy: default-src 'none'"));
        assert!(!page.contains("http://") || page.contains("http://www.w3.org/2000/svg"));
    }
    let stranger = ask(address, "/view.json", "evil.example").await;
    assert!(stranger.starts_with("HTTP/1.1 421"), "{stranger}");
    assert!(!stranger.contains("stage"), "{stranger}");

    let events = ask(address, "/events", "localhost").await;
    assert!(
        events.contains("content-type: text/event-stream"),
        "{events}"
    );
    assert!(events.contains("\"stage\":\"migrating\""), "{events}");
    let metrics = ask(address, "/metrics", "localhost").await;
    assert!(
        metrics.contains("bluegreen_healthy_targets{side=\"blue\"} 4"),
        "{metrics}"
    );
    let report = ask(address, "/report.html", "localhost").await;
    assert!(report.contains("not over yet"), "{report}");
    server.abort();
}

#[tokio::test]
async fn the_page_is_not_opened_to_others() {
    let address = "0.0.0.0:0".parse().expect("an address");
    let error = page::listen(address).await.expect_err("it has no log-in");
    assert!(
        error.to_string().contains("not a loopback address"),
        "{error}"
    );
}

/// The page on a free port.
async fn served() -> (
    std::net::SocketAddr,
    tokio::task::JoinHandle<std::io::Result<()>>,
) {
    let listener = page::listen("127.0.0.1:0".parse().expect("an address"));
    let listener = listener.await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let shared = Shared::default();
    shared.update(|view| *view = until(16));
    (address, tokio::spawn(page::serve(listener, shared)))
}

/// The number of connections that are served at once.
const CONNECTIONS: usize = 100;
/// A time that is longer than every wait.
const VIRTUAL: Duration = Duration::from_secs(30 * 24 * 3600);

/// The clock is paused: it advances only when every task waits.
#[tokio::test(start_paused = true)]
async fn half_sent_requests_end_and_keep_nobody_out() {
    let (address, server) = served().await;
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS + 20 {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let head = b"GET / HTTP/1.1\r\nHost: localhost\r\n";
        stream.write_all(head).await.expect("sent");
        silent.push(stream);
    }
    // All of them are closed without an answer, and the page still serves other clients.
    for mut stream in silent {
        let ended = tokio::time::timeout(VIRTUAL, stream.read(&mut [0; 1024])).await;
        let ended = ended.expect("a half-sent request is open for ever");
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    }
    let page = ask(address, "/view.json", "localhost").await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    server.abort();
}

#[tokio::test(start_paused = true)]
async fn a_connection_too_many_waits_until_one_ends() {
    let (address, server) = served().await;
    let request = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(request).await.expect("sent");
        let read = stream.read(&mut [0; 1024]).await;
        assert!(read.expect("events") > 0);
        open.push(stream);
    }
    let mut next = TcpStream::connect(address).await.expect("in the queue");
    next.write_all(request).await.expect("sent");
    let mut answer = [0; 1024];
    let waits = tokio::time::timeout(Duration::from_secs(600), next.read(&mut answer)).await;
    assert!(waits.is_err(), "answered though all places are taken");
    drop(open.pop());
    let read = next.read(&mut answer).await.expect("a place is free");
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
    server.abort();
}

/// A day of looks every 8.64 seconds: memory, events and charts stay small.
#[test]
fn ten_thousand_looks_stay_small() {
    let events = source::read(KEPT).expect("it was kept");
    let look = events.iter().find(|event| {
        let json = serde_json::to_value(event).expect("JSON");
        json["event"] == "looked" && json["gates"][1]["verdict"]["evidence"]["traffic"].is_object()
    });
    let look = look.expect("a look with figures");
    let mut view = until(12);
    let mut biggest = 0;
    for index in 0..10_000_u64 {
        let mut event = look.clone();
        event.seq = index;
        event.elapsed = std::time::Duration::from_millis(index * 8_640);
        event.at = events[0].at + event.elapsed;
        view.take(&event);
        if index % 500 == 0 {
            let size = serde_json::to_vec(&view).expect("JSON").len();
            biggest = biggest.max(size);
        }
    }
    assert_eq!(view.looks, 10_000 + until(12).looks);
    assert!(view.series.len() <= 1_442);
    assert!(biggest < 700_000, "{biggest} bytes an event");
    let page = bluegreen_monitor::report::Report::of(&view)
        .html()
        .expect("a page");
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    println!("at most {biggest} bytes of view, {} of report", page.len());
}
