//! Answers from before the last write, and requests that are never answered, over real HTTP: as the
//! simulation's `Lag` and `Fault::HangBeforeEffect`.

use std::{
    collections::HashMap,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::request::{Request, reply, wait_for_its_end};
use crate::patience::{now, sleep};

/// The reads whose answer is from before the last accepted write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stale {
    /// All reads within this time after the write.
    ForTime(Duration),
    /// The first reads after the write, this many.
    Reads(u64),
    /// One read, the first after this time, if a read has shown the new state before.
    OnceAfter(Duration),
}

/// The fate of a request that is never answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hang {
    /// The request does not arrive.
    BeforeEffect,
    /// The request arrives, and its answer is held back.
    AfterEffect,
    /// The request arrives this much later, and is answered then.
    Late(Duration),
}

/// A proxy whose answers can be old. It lives until this process ends.
#[derive(Debug, Clone)]
pub(crate) struct StaleProxy {
    url: String,
    memory: Arc<Mutex<Memory>>,
}

impl StaleProxy {
    /// Listens on a port of its own, before a server.
    pub(crate) fn before(upstream: &str) -> Self {
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listening.local_addr().expect("an address");
        let proxy = Self {
            url: format!("http://{address}"),
            memory: Arc::default(),
        };
        let memory = Arc::clone(&proxy.memory);
        thread::spawn(move || {
            for client in listening.incoming() {
                let Ok(client) = client else { continue };
                let (upstream, memory) = (upstream.clone(), Arc::clone(&memory));
                thread::spawn(move || serve(client, &upstream, &memory));
            }
        });
        proxy
    }

    /// The URL at which the proxy listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Makes the answers of an operation old, from the next write on: `DescribeRules`.
    pub(crate) fn lag(&self, operation: &str, stale: Stale) {
        let mut memory = lock(&self.memory);
        memory.lags.push(Lagging {
            operation: operation.to_owned(),
            stale,
            seen: None,
        });
    }

    /// Never answers the `nth` request of an operation, counted from 1 since the proxy began.
    pub(crate) fn hang(&self, operation: &str, nth: u64, hang: Hang) {
        let mut memory = lock(&self.memory);
        memory.hangs.push((operation.to_owned(), nth, hang));
    }

    /// How many requests of an operation have come.
    pub(crate) fn requests(&self, operation: &str) -> u64 {
        let memory = lock(&self.memory);
        memory.requests.get(operation).copied().unwrap_or_default()
    }
}

/// The memory of the proxy.
#[derive(Debug, Default)]
struct Memory {
    lags: Vec<Lagging>,
    hangs: Vec<(String, u64, Hang)>,
    requests: HashMap<String, u64>,
    /// The newest live answer to each read.
    newest: HashMap<Vec<u8>, Vec<u8>>,
    /// The answers that were newest before the last write.
    before: HashMap<Vec<u8>, Vec<u8>>,
    /// When the last write was accepted.
    written: Option<Instant>,
}

#[derive(Debug)]
struct Lagging {
    operation: String,
    stale: Stale,
    /// The answers since the last write; `None` before the first write.
    seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    reads: u64,
    is_shown: bool,
    is_back: bool,
}

impl Memory {
    /// Counts a request, and returns whether it hangs.
    fn counted(&mut self, operation: &str) -> Option<Hang> {
        let number = self.requests.entry(operation.to_owned()).or_default();
        *number += 1;
        let number = *number;
        let mut hangs = self.hangs.iter();
        let hit = hangs.find(|(of, nth, _)| of == operation && *nth == number);
        hit.map(|(.., hang)| *hang)
    }

    /// Notes an accepted write.
    fn wrote(&mut self, at: Instant) {
        self.written = Some(at);
        self.before = self.newest.clone();
        for lag in &mut self.lags {
            lag.seen = Some(Seen::default());
        }
    }

    /// Returns the answer to a read: the live answer, or an old one.
    fn answered(&mut self, operation: &str, read: &[u8], live: Vec<u8>, now: Instant) -> Vec<u8> {
        let old = self.is_stale(operation, now);
        let old = old.then(|| self.before.get(read).cloned()).flatten();
        self.newest.insert(read.to_owned(), live.clone());
        old.unwrap_or(live)
    }

    fn is_stale(&mut self, operation: &str, now: Instant) -> bool {
        let Some(written) = self.written else {
            return false;
        };
        let since = now.saturating_duration_since(written);
        let mut is_stale = false;
        let lags = self.lags.iter_mut();
        for lag in lags.filter(|lag| lag.operation == operation) {
            let Some(seen) = &mut lag.seen else { continue };
            is_stale |= match lag.stale {
                Stale::ForTime(time) => since < time,
                Stale::Reads(count) => {
                    seen.reads += 1;
                    seen.reads <= count
                }
                Stale::OnceAfter(time) => {
                    let back = seen.is_shown && !seen.is_back && since >= time;
                    seen.is_shown = true;
                    seen.is_back |= back;
                    back
                }
            };
        }
        is_stale
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves one request; then the connection ends.
fn serve(mut client: TcpStream, upstream: &str, memory: &Mutex<Memory>) -> Option<()> {
    let request = Request::of(&client).ok()?;
    let operation = request.operation();
    let hang = lock(memory).counted(&operation);
    if hang == Some(Hang::BeforeEffect) {
        return wait_for_its_end(client);
    }
    if let Some(Hang::Late(time)) = hang {
        sleep(time);
    }
    let live = request.send(upstream).ok()?;
    let answer = if Request::is_read(&operation) {
        let read = [operation.as_bytes(), &request.body].concat();
        lock(memory).answered(&operation, &read, live, now())
    } else {
        let status = live.split(|byte| *byte == b' ').nth(1);
        if status == Some(&b"200"[..]) {
            lock(memory).wrote(now());
        }
        live
    };
    if hang == Some(Hang::AfterEffect) {
        return wait_for_its_end(client);
    }
    reply(&mut client, &answer)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use aws_sdk_elasticloadbalancingv2::Client;

    use super::*;
    use crate::topology::Topology;

    #[tokio::test]
    async fn the_sdk_reads_the_weights_from_before_its_write() {
        let Some(topology) = Topology::new().await else {
            return;
        };
        let rule = topology.split_rule(10, 100, 0).await;
        let endpoint = &topology.endpoint.config;
        let proxy = StaleProxy::before(endpoint.endpoint_url().unwrap());
        proxy.lag("DescribeRules", Stale::OnceAfter(Duration::ZERO));
        let config = endpoint.to_builder().endpoint_url(proxy.url()).build();
        let client = Client::new(&config);
        let green = async || {
            let read = client.describe_rules().rule_arns(rule.as_str());
            let read = read.send().await.unwrap();
            let forward = read.rules()[0].actions()[0].forward_config().unwrap();
            let mut groups = forward.target_groups().iter();
            let group = groups.find(|one| one.target_group_arn() == Some(topology.green.as_str()));
            group.unwrap().weight().unwrap()
        };
        assert_eq!(green().await, 0);
        let write = client.modify_rule().rule_arn(rule.as_str());
        let write = write.actions(topology.forward(50, 50)).send();
        write.await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(green().await);
        }
        assert_eq!(seen, [50, 0, 50, 50]);
        assert_eq!(topology.weights(&rule).await, (50, 50));
    }

    const SECOND: Duration = Duration::from_secs(1);

    /// Whether each of the reads at these times after a write is old.
    fn reads(stale: Stale, times: &[u64]) -> Vec<bool> {
        let mut memory = Memory::default();
        memory.lags.push(Lagging {
            operation: "DescribeRules".to_owned(),
            stale,
            seen: None,
        });
        let start = now();
        let at = |memory: &mut Memory, seconds: u64, live: &str| {
            let now = start + SECOND * u32::try_from(seconds).unwrap();
            memory.answered("DescribeRules", b"one", live.into(), now)
        };
        assert_eq!(at(&mut memory, 0, "old"), b"old");
        memory.wrote(start);
        let answers = times.iter().map(|time| at(&mut memory, *time, "new"));
        answers.map(|answer| answer == b"old").collect()
    }

    #[test]
    fn answers_are_old_for_a_time_for_some_reads_or_once_again() {
        let (old, new) = (true, false);
        let stale = Stale::ForTime(SECOND * 3);
        assert_eq!(reads(stale, &[0, 2, 3, 9]), [old, old, new, new]);
        assert_eq!(reads(Stale::Reads(2), &[0, 5, 6, 9]), [old, old, new, new]);
        let stale = Stale::OnceAfter(SECOND * 3);
        assert_eq!(reads(stale, &[0, 2, 3, 9]), [new, new, old, new]);
        // A state that was never shown cannot be taken back.
        assert_eq!(reads(stale, &[4, 5, 6]), [new, old, new]);
    }

    /// A server whose state is how many writes it took.
    fn counter() -> String {
        let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listening.local_addr().unwrap();
        let writes = AtomicU64::new(0);
        thread::spawn(move || {
            for mut client in listening.incoming().map_while(Result::ok) {
                let Ok(request) = Request::of(&client) else {
                    continue;
                };
                let is_read = Request::is_read(&request.operation());
                let count = writes.fetch_add(u64::from(!is_read), Ordering::Relaxed);
                let body = count.to_string();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}", body.len());
                let _ = write!(client, "{head}\r\n\r\n{body}");
            }
        });
        format!("http://{address}")
    }

    fn send(proxy: &StaleProxy, operation: &str) -> TcpStream {
        let mut client = TcpStream::connect(proxy.url().trim_start_matches("http://")).unwrap();
        let form = format!("Version=1&Action={operation}&RuleArns.member.1=r");
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {}", form.len());
        write!(client, "{head}\r\n\r\n{form}").unwrap();
        client
    }

    /// The body of the answer.
    fn ask(proxy: &StaleProxy, operation: &str) -> String {
        let mut answer = String::new();
        let mut client = send(proxy, operation);
        client.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    #[test]
    fn a_read_is_answered_with_what_it_was_answered_before_the_write() {
        let proxy = StaleProxy::before(&counter());
        proxy.lag("DescribeRules", Stale::Reads(2));
        let read = || ask(&proxy, "DescribeRules");
        assert_eq!([read(), read()], ["0", "0"]);
        for writes in 1..3 {
            ask(&proxy, "ModifyRule");
            let (old, new) = ((writes - 1).to_string(), writes.to_string());
            assert_eq!(ask(&proxy, "DescribeListeners"), new, "another operation");
            assert_eq!([read(), read(), read()], [&*old, &*old, &*new]);
        }
        assert_eq!(proxy.requests("DescribeRules"), 8);
    }

    #[test]
    fn a_request_is_never_answered_and_others_are() {
        let proxy = StaleProxy::before(&counter());
        proxy.hang("ModifyRule", 1, Hang::BeforeEffect);
        proxy.hang("ModifyRule", 2, Hang::AfterEffect);
        for wanted in ["0", "1"] {
            let mut client = send(&proxy, "ModifyRule");
            let patience = Some(Duration::from_millis(200));
            client.set_read_timeout(patience).unwrap();
            let error = client.read(&mut [0]).unwrap_err();
            let kinds = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
            assert!(kinds.contains(&error.kind()), "{error}");
            // It may still be on its way.
            let mut reads = (0..1_000).map(|_| ask(&proxy, "DescribeRules"));
            assert!(reads.any(|read| read == wanted), "{wanted}");
        }
        ask(&proxy, "ModifyRule");
        assert_eq!(ask(&proxy, "DescribeRules"), "2");
    }
}
