//! A store whose writes fail or hang, or that is slow or gone, as S3 can be, over real HTTP.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use super::request::{Request, reply, wait_for_its_end};
use crate::patience::sleep;

/// The behaviour of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// The store answers after this time.
    Slow(Duration),
    /// Writes are refused with this status and code; reads work.
    RefusesPuts(u16, &'static str),
    /// The next writes, this many, are refused with this status and code; nothing is stored.
    RefusesNext(u32, u16, &'static str),
    /// Writes are never answered; reads work.
    HangsPuts,
    /// Nothing answers.
    Down,
}

/// A proxy before an S3. It lives until this process ends.
#[derive(Debug, Clone)]
pub(crate) struct StoreProxy {
    url: String,
    mood: Arc<Mutex<Mood>>,
}

impl StoreProxy {
    pub(crate) fn before(upstream: &str) -> Self {
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listening.local_addr().expect("an address");
        let proxy = Self {
            url: format!("http://{address}"),
            mood: Arc::new(Mutex::new(Mood::Slow(Duration::ZERO))),
        };
        let mood = Arc::clone(&proxy.mood);
        thread::spawn(move || {
            for client in listening.incoming() {
                let Ok(client) = client else { continue };
                let (upstream, mood) = (upstream.clone(), Arc::clone(&mood));
                thread::spawn(move || serve(client, &upstream, &mood));
            }
        });
        proxy
    }

    /// The URL at which the proxy listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }
}

fn now(mood: &Mutex<Mood>) -> Mood {
    *mood.lock().unwrap_or_else(PoisonError::into_inner)
}

fn at_put(mood: &Mutex<Mood>) -> Mood {
    let mut mood = mood.lock().unwrap_or_else(PoisonError::into_inner);
    match *mood {
        Mood::RefusesNext(0, ..) => Mood::Slow(Duration::ZERO),
        Mood::RefusesNext(left, status, code) => {
            *mood = Mood::RefusesNext(left - 1, status, code);
            Mood::RefusesPuts(status, code)
        }
        other => other,
    }
}

fn serve(mut client: TcpStream, upstream: &str, mood: &Mutex<Mood>) -> Option<()> {
    let request = Request::of(&client).ok()?;
    let is_put = request.head.starts_with("PUT ");
    let mood = if is_put { at_put(mood) } else { now(mood) };
    match mood {
        Mood::Down => return None,
        Mood::HangsPuts if is_put => return wait_for_its_end(client),
        Mood::RefusesPuts(status, code) if is_put => {
            let body = format!("<Error><Code>{code}</Code><Message>not now</Message></Error>");
            let head = format!("HTTP/1.1 {status} No\r\nContent-Length: {}", body.len());
            return reply(&mut client, format!("{head}\r\n\r\n{body}").as_bytes());
        }
        Mood::Slow(time) => sleep(time),
        _ => {}
    }
    reply(&mut client, &request.send(upstream).ok()?)
}
