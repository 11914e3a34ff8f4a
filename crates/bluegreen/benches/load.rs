//! The rate that a load test holds against a trivial server on loopback, on this machine.
//!
//! `cargo bench -p bluegreen --bench load`. Server and tester share the cores.

use std::{sync::Arc, thread};

use bluegreen::{
    check::{
        ReqwestClient,
        load::{LoadTest, TestSuite},
    },
    clock::SystemClock,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";

/// Serves until the process ends, and returns the URL.
fn serve() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    thread::spawn(move || {
        runtime().block_on(async move {
            let listener = TcpListener::from_std(listener).expect("a socket");
            while let Ok((mut connection, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 2_048];
                    let _ = connection.read(&mut request).await;
                    let _ = connection.write_all(ANSWER).await;
                    let _ = connection.shutdown().await;
                });
            }
        });
    });
    url
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

#[expect(clippy::print_stdout, reason = "the result")]
fn main() {
    let url = serve();
    println!("wanted/s   held/s   late   failed   tester late   p50 ms   p99 ms");
    for rate in [50, 200, 500, 1_000, 2_000, 4_000] {
        let text = format!(
            "base_url = '{url}'\nrequest = [{{ name = 'root', path = '/' }}]\n\
             test = {{ rate = {rate}, duration = '10s', compare = 0 }}\n"
        );
        let suite = TestSuite::from_toml(&text).expect("valid");
        let plan = suite.plan().expect("enough requests");
        let client = Arc::new(ReqwestClient::new().expect("a client"));
        let report = runtime().block_on(LoadTest::new(plan, client, SystemClock).run());
        println!(
            "{rate:>8} {:>8.1} {:>6} {:>8} {:>10.1} ms {:>8.1} {:>8.1}",
            report.held,
            report.late,
            report.errors.failed,
            report.behind_ms,
            report.latency[0].ms,
            report.latency[2].ms
        );
    }
}
