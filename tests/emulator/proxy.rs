//! Proxies between a program and an emulator: one loses, delays, cuts and refuses; one gives old
//! answers; one fails writes.

mod request;
pub(crate) mod stale;
pub(crate) mod store;

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

/// The fate of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passes,
    /// The connection is closed before anything is read.
    Dropped,
    /// Each answer comes late.
    Delayed,
    /// The request arrives, but its answer does not.
    Reset,
    /// The first bytes of an answer arrive, but the rest does not.
    Truncated,
    /// The service asks for fewer calls.
    Throttled,
}

impl Fate {
    /// One connection of six has a fate.
    fn of(number: u64) -> Self {
        match number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 59 {
            0 => Self::Dropped,
            1 => Self::Delayed,
            2 => Self::Reset,
            3 => Self::Truncated,
            4 => Self::Throttled,
            _ => Self::Passes,
        }
    }
}

/// Listens on a port of its own until this process ends, and returns its address.
pub(crate) fn before(upstream: &str) -> String {
    static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
    let upstream = upstream.trim_start_matches("http://").to_owned();
    let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listening.local_addr().expect("an address");
    thread::spawn(move || {
        for client in listening.incoming() {
            let Ok(client) = client else { continue };
            let fate = Fate::of(CONNECTIONS.fetch_add(1, Ordering::Relaxed));
            let upstream = upstream.clone();
            thread::spawn(move || serve(client, &upstream, fate));
        }
    });
    format!("http://{address}")
}

/// Serves a connection. A broken connection ends, and is reported only to its two ends.
fn serve(mut client: TcpStream, upstream: &str, fate: Fate) -> Option<()> {
    if fate == Fate::Dropped {
        return None;
    }
    if fate == Fate::Throttled {
        let mut request = [0; 64 * 1024];
        let _ = client.read(&mut request).ok()?;
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code>\
                    <Message>Rate exceeded</Message></Error></ErrorResponse>";
        let length = body.len();
        let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/xml\r\nConnection: close";
        write!(client, "{head}\r\nContent-Length: {length}\r\n\r\n{body}").ok()?;
        return None;
    }
    let server = TcpStream::connect(upstream).ok()?;
    let (mut from_client, mut to_server) = (client.try_clone().ok()?, server.try_clone().ok()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let mut answers = server;
    let mut chunk = [0; 16 * 1024];
    loop {
        let read = answers.read(&mut chunk).ok().filter(|read| *read > 0)?;
        let whole = &chunk[..read];
        match fate {
            Fate::Reset => break,
            Fate::Truncated => {
                let _ = client.write_all(&whole[..read / 2]);
                break;
            }
            Fate::Delayed => pause(Duration::from_millis(400)),
            _ => {}
        }
        client.write_all(whole).ok()?;
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = answers.shutdown(Shutdown::Both);
    None
}

#[expect(
    clippy::disallowed_methods,
    reason = "a real connection is slow in real time"
)]
fn pause(time: Duration) {
    thread::sleep(time);
}
