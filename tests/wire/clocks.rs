//! AWS's `Date` over real HTTP: how it corrects the clock, and which answers tell no time.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use bluegreen::{
    Aws, HealthGate as _, Percent,
    aws::{
        alb::{AlbDeadManSwitch, AlbRule, AlbTrafficSplitter},
        cloudwatch::AlbMetrics,
    },
    clock::{Clock as _, SystemClock},
    health::{Look, MetricsGate, Phase, Progress, SettledBuckets},
    traffic::DeadManSwitch as _,
};
use jiff::{SignedDuration, Timestamp};

use crate::connection::{BLUE, GREEN, RULE};

const BALANCER: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/chatbot/50dc6c495c0c9188";
const METRICS: [&str; 9] = [
    "requests",
    "codes_2xx",
    "codes_3xx",
    "codes_4xx",
    "codes_5xx",
    "latency_sum",
    "latency_samples",
    "connection_errors",
    "unhealthy_routing",
];

/// A request: its path, the time of its signature, its body.
#[derive(Debug, Clone)]
struct Seen {
    path: String,
    signed: Timestamp,
    body: Vec<u8>,
}

/// An answer: a status, headers beside the usual headers, and a body.
type Answer = (u16, Vec<String>, Vec<u8>);

/// A server on loopback; its thread ends with the test's process.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    fn new(answer: impl Fn(&Seen) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let request = request(&stream);
                log.lock().unwrap().push(request.clone());
                send(stream, &answer(&request));
            }
        });
        Self { url, seen }
    }

    fn aws(&self) -> Aws {
        let credentials = Credentials::new("testing", "testing", None, None, "tests");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(&self.url)
            .build();
        Aws::from_config(&config)
    }

    fn seen(&self, part: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        let wanted = seen.iter().filter(|seen| seen.path.contains(part));
        wanted.cloned().collect()
    }
}

fn request(stream: &TcpStream) -> Seen {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let mut headers = lines.iter().filter_map(|line| line.split_once(": "));
        let found = headers.find(|(named, _)| named.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let signed = header("x-amz-date").unwrap();
    let signed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", signed).unwrap();
    Seen {
        path: lines[0].split(' ').take(2).collect::<Vec<_>>().join(" "),
        signed: signed
            .to_zoned(jiff::tz::TimeZone::UTC)
            .unwrap()
            .timestamp(),
        body,
    }
}

fn send(mut stream: TcpStream, (status, headers, body): &Answer) {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
}

fn date(at: Timestamp) -> String {
    format!("date: {}", at.strftime("%a, %d %b %Y %H:%M:%S GMT"))
}

/// An answer that is complete and has no datapoint for any metric.
fn no_data(date: String) -> Answer {
    let text = |text: &str| {
        let mut bytes = vec![0x78, u8::try_from(text.len()).unwrap()];
        bytes.extend(text.as_bytes());
        bytes
    };
    let mut body = vec![0xa1];
    body.extend(text("MetricDataResults"));
    body.extend([0x98, 18]);
    for side in ["blue", "green"] {
        for metric in METRICS {
            body.push(0xa4);
            body.extend(text("Id"));
            body.extend(text(&format!("{side}_{metric}")));
            body.extend(text("StatusCode"));
            body.extend(text("Complete"));
            for empty in ["Timestamps", "Values"] {
                body.extend(text(empty));
                body.push(0x80);
            }
        }
    }
    let kinds = [
        "smithy-protocol: rpc-v2-cbor",
        "content-type: application/cbor",
    ];
    let mut headers: Vec<String> = kinds.map(str::to_owned).into();
    headers.push(date);
    (200, headers, body)
}

/// The time after a key of a body in CBOR: tag 1 and a number.
fn time_of(body: &[u8], key: &str) -> i64 {
    let at = body.windows(key.len()).position(|w| w == key.as_bytes());
    let value = &body[at.unwrap() + key.len()..];
    assert_eq!(value[0], 0xc1, "a time");
    match value[1] {
        0x1a => i64::from(u32::from_be_bytes(value[2..6].try_into().unwrap())),
        0x1b => i64::from_be_bytes(value[2..10].try_into().unwrap()),
        0xfb => {
            let seconds = f64::from_be_bytes(value[2..10].try_into().unwrap());
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole seconds of this century"
            )]
            let seconds = seconds as i64;
            seconds
        }
        other => panic!("no number: {other:#x}"),
    }
}

fn metrics(aws: &Aws) -> MetricsGate<AlbMetrics> {
    let [blue, green] = [BLUE, GREEN].map(|arn| arn.parse().unwrap());
    let metrics = AlbMetrics::new(aws, BALANCER.parse().unwrap(), blue, green);
    MetricsGate::new(metrics)
}

fn look(at: Timestamp) -> Look {
    let since = at - SignedDuration::from_mins(1);
    Look::new(Progress::new(at, Phase::Preflight, Percent::ZERO, since))
}

#[tokio::test]
async fn p11_a_date_that_is_off_moves_the_windows_of_metrics() {
    let here: Timestamp = "2026-03-01T10:00:30Z".parse().unwrap();
    for minutes in [10, -10] {
        let off = SignedDuration::from_mins(minutes);
        let server = Server::new(move |_| no_data(date(here + off)));
        let gate = metrics(&server.aws());
        let seen = gate.observe(&look(here)).await.unwrap();
        let asked: Vec<_> = server
            .seen("GetMetricData")
            .iter()
            .map(|seen| ["StartTime", "EndTime"].map(|key| time_of(&seen.body, key)))
            .collect();
        // The first answer tells the time, so the question is asked again at once.
        let end = here.as_second() - 90;
        let wanted = [end, end + minutes * 60];
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert_eq!([asked[0][1], asked[1][1]], wanted);
        assert_eq!(asked[1][0] - asked[0][0], minutes * 60);
        assert_eq!(seen, None, "nothing is old enough for one read");
    }
}

#[tokio::test]
async fn p11_what_settled_is_dated_by_aws_and_says_how_far_that_is_ahead() {
    let here: Timestamp = "2026-03-01T10:00:30Z".parse().unwrap();
    let off = SignedDuration::from_mins(60);
    let server = Server::new(move |_| no_data(date(here + off)));
    let gate = metrics(&server.aws());
    // An hour of history, so that one read settles most of it.
    let mut look = look(here);
    look.progress.since = here - SignedDuration::from_hours(1);
    let seen = gate.observe(&look).await.unwrap().unwrap();
    let seen = SettledBuckets::read(&seen).unwrap();
    assert_eq!(seen.ahead, off);
    let end = here + off - SignedDuration::from_secs(30) - SignedDuration::from_mins(20);
    assert_eq!(seen.end(), Some(end));
}

#[tokio::test]
async fn p11_a_change_is_signed_by_the_time_that_reads_have_shown() {
    let off = SignedDuration::from_mins(10);
    let gone = br#"{"Message":"it is gone"}"#;
    let server = Server::new(move |request| {
        let date = date(SystemClock.now() + off);
        if request.path.contains("GetMetricData") {
            return no_data(date);
        }
        let json = "content-type: application/json".to_owned();
        if request.path.starts_with("DELETE") {
            return (200, vec![json, date], b"{}".to_vec());
        }
        let kind = "x-amzn-errortype: ResourceNotFoundException".to_owned();
        (404, vec![json, date, kind], gone.to_vec())
    });
    let aws = server.aws();
    metrics(&aws)
        .observe(&look(SystemClock.now()))
        .await
        .unwrap();
    let rule = AlbRule::Arn(RULE.parse().unwrap());
    let [blue, green] = [BLUE, GREEN].map(|arn| arn.parse().unwrap());
    let splitter = AlbTrafficSplitter::new(&aws, rule, blue, green).unwrap();
    let role = "arn:aws:iam::123456789012:role/blue-again".parse().unwrap();
    let switch = AlbDeadManSwitch::new(&aws, Arc::new(splitter), role);
    switch.disarm().await.unwrap();
    let first = server.seen("GetMetricData").remove(0).signed;
    let change = server.seen("DELETE").remove(0).signed;
    let apart = change.duration_since(first) - off;
    assert!(apart.unsigned_abs() < Duration::from_secs(60), "{apart:#}");
}

#[tokio::test]
async fn p11_an_offset_is_noted_after_three_answers_and_what_is_not_awss_tells_no_time() {
    let off = SignedDuration::from_mins(-10);
    let late = |line: String| (501, vec![line], Vec::new());
    let dated = move || date(SystemClock.now() + off);
    let server = Server::new(move |_| late(dated()));
    let aws = server.aws();
    metrics(&aws)
        .observe(&look(SystemClock.now()))
        .await
        .unwrap_err();
    assert_eq!(
        aws.clock_offset(),
        None,
        "a failed server's, maybe a proxy's"
    );

    let server = Server::new(move |_| {
        let (status, mut headers, body) = no_data(dated());
        headers.push("age: 600".to_owned());
        (status, headers, body)
    });
    let aws = server.aws();
    metrics(&aws)
        .observe(&look(SystemClock.now()))
        .await
        .unwrap();
    assert_eq!(aws.clock_offset(), None, "a cache's");

    // A refusal comes from AWS, so its date counts.
    let server = Server::new(move |_| (403, vec![dated()], Vec::new()));
    let aws = server.aws();
    for answers in 1..=3 {
        assert_eq!(aws.clock_note(), None, "after {} answers", answers - 1);
        metrics(&aws)
            .observe(&look(SystemClock.now()))
            .await
            .unwrap_err();
    }
    let note = aws.clock_note().unwrap().message;
    assert!(note.contains("ahead of AWS's"), "{note}");
    let offset = aws.clock_offset().unwrap() - off;
    assert!(
        offset.unsigned_abs() < Duration::from_secs(60),
        "{offset:#}"
    );
}
