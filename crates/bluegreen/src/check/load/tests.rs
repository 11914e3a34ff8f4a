//! Whole tests in virtual time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use super::*;
use crate::{
    check::{HttpClient, HttpFailure, HttpRequest, HttpResponse},
    clock::SystemClock,
};

const SERVICE: Duration = Duration::from_millis(20);

/// A service that answers in 20 ms, and stalls for the first second of every ten.
#[derive(Debug)]
struct Stalling(Instant);

/// How long an answer takes to a request that is sent at this time.
fn stalled(sent: Duration) -> Duration {
    let in_cycle = sent.as_secs_f64() % 10.0;
    match in_cycle < 1.0 {
        true => Duration::from_secs_f64(1.0 - in_cycle) + SERVICE,
        false => SERVICE,
    }
}

#[async_trait]
impl HttpClient for Stalling {
    async fn send(&self, _: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let took = stalled(self.0.elapsed());
        sleep(took).await;
        Ok(HttpResponse::new(200, "{}").with_took(took))
    }
}

type Answer = dyn Fn(u64, &HttpRequest) -> Result<HttpResponse, HttpFailure> + Send + Sync;

/// A service that answers to the request with each number as a closure says.
struct Answering(AtomicU64, Box<Answer>);

impl std::fmt::Debug for Answering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answering")
    }
}

#[async_trait]
impl HttpClient for Answering {
    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let answer = (self.1)(number, request)?;
        sleep(answer.took).await;
        Ok(answer)
    }
}

fn is_green(request: &HttpRequest) -> bool {
    let mut headers = request.headers.iter();
    headers.any(|(name, value)| name == "X-Bluegreen-Test" && value == "green")
}

fn plan(settings: &str) -> TestPlan {
    let text = format!(
        "base_url = 'https://h'\n[test]\n{settings}\n[[request]]\nname = 'chat'\npath = '/chat'\n"
    );
    let suite = TestSuite::from_toml(&text).unwrap_or_else(|error| panic!("{error}"));
    suite
        .plan()
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

async fn run(
    settings: &str,
    answer: impl Fn(u64, &HttpRequest) -> Result<HttpResponse, HttpFailure> + Send + Sync + 'static,
) -> TestReport {
    let client = Answering(AtomicU64::new(0), Box::new(answer));
    LoadTest::new(plan(settings), Arc::new(client), SystemClock)
        .run()
        .await
}

fn good() -> HttpResponse {
    HttpResponse::new(200, r#"{"a": 1}"#).with_took(SERVICE)
}

/// The percentile of a sorted list, as the histogram defines it.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.max(1) - 1]
}

/// Within a bucket of three significant digits, and the millisecond of tokio's timer.
fn assert_near(got: f64, wanted: f64, what: &str) {
    let apart = (got - wanted).abs();
    assert!(
        apart <= wanted / 1_000.0 + 1.0,
        "{what}: {got}, wanted {wanted}"
    );
}

/// The latency of each request is known by its schedule: an open model does not wait during the stall.
#[tokio::test(start_paused = true)]
async fn latencies_of_a_stalling_service_are_those_that_users_had() {
    let settings = "rate = 50\nduration = '60s'\ncompare = 0\nmax_latency = { p99 = '9s' }";
    let client = Stalling(Instant::now());
    let report = LoadTest::new(plan(settings), Arc::new(client), SystemClock)
        .run()
        .await;
    let due = (0..3_000).map(|n| Duration::from_millis(20 * n));
    let mut wanted: Vec<f64> = due.map(|due| stalled(due).as_secs_f64() * 1e3).collect();
    wanted.sort_by(f64::total_cmp);
    assert_eq!(
        (report.sent, report.late, report.errors.failed),
        (3_000, 0, 0)
    );
    let of = |name: &str| {
        let mut all = report.latency.iter();
        all.find(|one| one.percentile == name).unwrap().ms
    };
    // A tenth of the requests meets the stall: p50 does not, p99 does.
    assert_near(of("p50"), percentile(&wanted, 0.5), "p50");
    assert_near(of("p90"), percentile(&wanted, 0.9), "p90");
    assert_near(of("p99"), percentile(&wanted, 0.99), "p99");
    assert_near(of("max"), 1_020.0, "max");
    assert!(of("p99") > 900.0 && of("p50") < 25.0);
}

/// With one request at a time, a stall holds later requests back in the tester. Their latency still counts
/// from the times at which they were due.
#[tokio::test(start_paused = true)]
async fn requests_that_wait_in_the_tester_count_their_wait() {
    let settings = "rate = 25\nduration = '60s'\nmax_in_flight = 1\ncompare = 0\n\
                    max_latency = { p50 = '9s' }";
    let client = Stalling(Instant::now());
    let report = LoadTest::new(plan(settings), Arc::new(client), SystemClock)
        .run()
        .await;
    // Computed: a single server takes the requests in order, 20 ms each; in a stall the first one waits.
    let (mut free, mut wanted) = (0.0_f64, Vec::new());
    for number in 0..1_500 {
        let due = f64::from(number) * 0.04;
        let sent = free.max(due);
        free = sent + stalled(Duration::from_secs_f64(sent)).as_secs_f64();
        wanted.push((free - due) * 1e3);
    }
    wanted.sort_by(f64::total_cmp);
    assert_eq!(report.sent, 1_500);
    assert!(report.late > 200, "{}", report.late);
    for (figure, share) in report.latency.iter().zip([0.5, 0.9, 0.99]) {
        let wanted = percentile(&wanted, share);
        // The timer rounds each answer in a row up to a millisecond; none is rounded here.
        assert!(
            (figure.ms - wanted).abs() <= wanted / 1_000.0 + 2.0,
            "{figure:?}, {wanted}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_service_passes_with_its_evidence() {
    let report = run(
        "rate = 20\nramp = '10s'\nduration = '1m'",
        |_, _| Ok(good()),
    )
    .await;
    assert_eq!(
        report.verdict,
        super::report::TestVerdict::Passed,
        "{report}"
    );
    assert_eq!(
        (report.exit_code(), report.sent, report.compared),
        (0, 1_100, 5)
    );
    // 1 - 0.01^(1/1100).
    assert!(
        (report.errors.at_most - 0.004_177_7).abs() < 1e-6,
        "{:?}",
        report.errors
    );
    let told = report.to_string();
    assert!(
        told.contains("errors    0 of 1100: at most 0.42 %, limit 5 %"),
        "{told}"
    );
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<TestReport>(&json).unwrap(), report);
}

#[tokio::test(start_paused = true)]
async fn a_green_that_fails_hard_is_stopped_early() {
    let report = run("rate = 20\nduration = '2m'", |number, request| {
        Ok(match is_green(request) && number % 2 == 0 {
            true => HttpResponse::new(500, "canary").with_took(SERVICE),
            false => good(),
        })
    })
    .await;
    assert_eq!(
        report.verdict,
        super::report::TestVerdict::Failed,
        "{report}"
    );
    assert!(report.sent < 100, "{report}");
    assert_eq!(
        report.reasons[0],
        "stopped: green's error rate is above 5 %"
    );
    assert!(
        report.failures.contains_key("chat: status 500, wanted 200"),
        "{report:?}"
    );
    assert!(!format!("{report:?}{report}").contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_green_is_stopped_early() {
    let report = run(
        "rate = 20\nduration = '2m'\nmax_latency = { p90 = '1s' }",
        |_, request| {
            let took = if is_green(request) { 4 } else { 1 };
            Ok(good().with_took(Duration::from_secs(took)))
        },
    )
    .await;
    assert_eq!(
        report.verdict,
        super::report::TestVerdict::Failed,
        "{report}"
    );
    assert!(report.seconds < 10.0, "{report}");
    assert_eq!(report.reasons[0], "stopped: green's p90 is above 1000 ms");
}

/// 4 % of errors are within 5 %, but 600 requests do not show that.
#[tokio::test(start_paused = true)]
async fn what_is_not_shown_does_not_pass() {
    let report = run("rate = 10\nduration = '1m'\ncompare = 0", |number, _| {
        Ok(match number % 25 == 24 {
            true => HttpResponse::new(500, "").with_took(SERVICE),
            false => good(),
        })
    })
    .await;
    assert_eq!(
        report.verdict,
        super::report::TestVerdict::Inconclusive,
        "{report}"
    );
    assert_eq!((report.exit_code(), report.errors.failed), (1, 24));
    assert!(
        report.reasons[0].starts_with("errors within 5 % are not shown"),
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dead_green_counts_what_it_never_got() {
    let settings = "rate = 20\nduration = '30s'\nmax_in_flight = 5\ncompare = 0\n\
                    max_error_rate = '50%'\nmax_latency = { p50 = '1h' }";
    let report = run(settings, |_, _| {
        Ok(good().with_took(Duration::from_secs(40)))
    })
    .await;
    assert_eq!((report.planned, report.sent), (600, 10), "{report}");
    assert!(report.unsent > 500 && report.late > 0, "{report}");
    assert_eq!(
        report.verdict,
        super::report::TestVerdict::Failed,
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_test_stops_when_blue_gets_worse() {
    let report = run(
        "rate = 20\nduration = '2m'\ncompare = 20",
        |number, request| {
            Ok(match !is_green(request) && number > 500 {
                true => HttpResponse::new(502, "").with_took(SERVICE),
                false => good(),
            })
        },
    )
    .await;
    assert_eq!(
        report.verdict,
        super::report::TestVerdict::BlueWorse,
        "{report}"
    );
    assert!(report.seconds < 60.0, "{report}");
    assert_eq!(report.exit_code(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_difference_fails_the_test_unless_it_is_accepted() {
    let answer = |_, request: &HttpRequest| {
        Ok(match is_green(request) {
            true => HttpResponse::new(200, r#"{"a": "1"}"#).with_took(SERVICE),
            false => good(),
        })
    };
    let report = run("rate = 20", answer).await;
    assert_eq!(
        report.verdict,
        super::report::TestVerdict::Failed,
        "{report}"
    );
    let told = report.to_string();
    assert!(
        told.contains("    5 number-string     number -> string at $.a (chat)"),
        "{told}"
    );
    let report = run("rate = 20\naccept = ['number-string']", answer).await;
    assert_eq!(
        report.verdict,
        super::report::TestVerdict::Passed,
        "{report}"
    );
    assert!(report.to_string().contains("(chat), accepted"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_test_ends_at_once_and_says_so() {
    let client = Answering(AtomicU64::new(0), Box::new(|_, _| Ok(good())));
    let report = LoadTest::new(plan("rate = 20"), Arc::new(client), SystemClock)
        .cancel_on(sleep(Duration::from_secs(7)))
        .run()
        .await;
    assert_eq!(
        (report.verdict, report.exit_code()),
        (super::report::TestVerdict::Cancelled, 11)
    );
    assert!((report.seconds - 7.0).abs() < 0.1, "{report}");
}

/// A request that may write goes to green alone, unless the file says otherwise.
#[tokio::test(start_paused = true)]
async fn p14_writes_never_reach_blue_unless_that_is_allowed() {
    for (both, wanted) in [(false, 0), (true, 10)] {
        let text = format!(
            "base_url = 'https://h'\nwrites = true\nwrites_to_both = {both}\ntest.rate = 20\n\
             [[request]]\nname = 'chat'\npath = '/chat'\nmethod = 'POST'\nbody = 'x'\n"
        );
        let plan = TestSuite::from_toml(&text).unwrap().plan().unwrap();
        let to_blue = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&to_blue);
        let answer = move |_, request: &HttpRequest| {
            counted.fetch_add(u64::from(!is_green(request)), Ordering::Relaxed);
            Ok(good())
        };
        let client = Answering(AtomicU64::new(0), Box::new(answer));
        let report = LoadTest::new(plan, Arc::new(client), SystemClock)
            .run()
            .await;
        assert!(report.is_passed(), "{report}");
        assert_eq!(to_blue.load(Ordering::Relaxed), wanted, "{both}");
    }
}

#[test]
fn every_problem_of_a_file_is_reported_at_once_with_its_place() {
    let text = "\
writes = 1
typo = 2
[test]
rate = 0
ramp = '5m'
duration = '2m'
max_latency = { p99 = '1', p0 = '2s' }
confidence = 99
tolerances = [{ path = 'x' }]
accept = ['nothing']
[[request]]
name = 'chat'
path = '/chat'
method = 'POST'
weight = 0
[[request]]
name = 'chat'
path = 'chat'
";
    let error = TestSuite::from_toml(text).unwrap_err();
    let told: Vec<String> = error
        .problems()
        .iter()
        .map(|one| format!("{:?} {}", one.at.map(|at| at.line), one.problem.field))
        .collect();
    assert_eq!(
        told,
        [
            "Some(1) writes",
            "Some(2) typo",
            "Some(4) test.rate",
            "Some(6) test.duration",
            "Some(7) test.max_latency.p99",
            "Some(7) test.max_latency.p0",
            "Some(8) test.confidence",
            "Some(9) test.tolerances[0].within",
            "Some(9) test.tolerances[0].path",
            "Some(10) test.accept[0]",
            "Some(14) request[0].method",
            "Some(15) request[0].weight",
            "Some(18) request[1].path",
        ]
    );
    let error = TestSuite::from_toml("base_url = 'https://h'\n").unwrap_err();
    assert_eq!(error.problems()[0].problem.message, "there is no request");
}

#[test]
fn too_few_requests_for_the_bounds_are_refused_before_anything_is_sent() {
    let text = "test = { rate = 1, duration = '10s' }\n[[request]]\nname = 'a'\npath = '/'\n";
    let suite = TestSuite::from_toml(text).unwrap();
    let problems = suite.plan().unwrap_err();
    let fields: Vec<&str> = problems.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(fields, ["duration", "base_url"]);
    assert!(
        problems[0].hint.contains("at least 459 requests"),
        "{problems:?}"
    );
    // Without a duration the test is as long as the bounds need: 1.3 times 459 requests.
    let suite = suite.with_settings(TestSettings::from_toml("rate = 1").unwrap());
    let mut settings = suite.settings().clone();
    settings.duration = None;
    assert_eq!(settings.duration().as_secs(), 597);
}

#[test]
fn p12_no_plan_and_no_settings_show_a_secret() {
    let text = "base_url = 'https://user:canary-1@h'\ntest.blue_url = 'https://user:canary-2@b'\n\
                [[request]]\nname = 'a'\npath = '/x?token=canary-3'\n\
                headers = { Authorization = 'canary-4' }\n";
    let suite = TestSuite::from_toml(text).unwrap();
    let plan = suite.plan().unwrap();
    let shown = format!("{suite:?} {plan:?} {plan} {:?}", suite.settings());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("https://h"), "{shown}");
}
