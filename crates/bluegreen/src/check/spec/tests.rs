use async_trait::async_trait;

use super::*;
use crate::{
    check::{HttpFailure, HttpResponse, ServiceCheck},
    problem::SpecProblem,
};

#[derive(Debug)]
struct Silent;

#[async_trait]
impl HttpClient for Silent {
    async fn send(&self, _: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        Err(HttpFailure::new("connection refused"))
    }
}

fn read(text: &str) -> Result<CheckSuite, SpecError> {
    CheckSuite::from_toml_with_env(text, |name| match name {
        "CHAT_TOKEN" => Some("canary-token".to_owned()),
        "EMPTY" => Some(String::new()),
        "BROKEN" => Some("canary\nbroken".to_owned()),
        _ => None,
    })
}

/// The problems without their hints.
fn problems(text: &str) -> Vec<String> {
    let error = read(text).expect_err("problems");
    let shown = |problem: &SpecProblem| {
        let line = problem.at.map(|at| at.line).unwrap_or_default();
        format!(
            "{line} {}: {}",
            problem.problem.field, problem.problem.message
        )
    };
    error.problems().iter().map(shown).collect()
}

const WHOLE: &str = r#"
base_url = "https://user:canary-password@chatbot.company.com/v2/"
host = "api.chatbot.company.com"
headers = { X-Bluegreen-Test = "green", Accept = "application/json" }

[health]
path = "/health"
status = [200, "3xx"]
json = { path = "$.status", equals = "healthy" }
successes = 2
every = "15s"
timeout = "1s 500ms"
deadline = "10m"

[[smoke]]
name = "chat"
method = "POST"
path = "/api/v1/chat?key=canary-query"
headers = { Accept = "text/plain", Authorization = { env = "CHAT_TOKEN" } }
body = '{"message": "canary-body"}'
timeout = "10s"
status = "2xx"
answer_headers = { Content-Type = "application/json", X-Version = true }
json = [{ path = "$.response" }, { path = "$.n", equals = 0x10 }, { path = "$.q", at_least = 0.5, at_most = 1_000 }]
body_contains = ["a", "b"]
max_latency = "3s"

[[smoke]]
name = "metrics"
path = "/metrics/performance"
"#;

#[test]
fn reads_everything_that_a_file_can_say() {
    let suite = read(WHOLE).unwrap();
    let client: Arc<dyn HttpClient> = Arc::new(Silent);

    let health = suite.health().unwrap();
    assert_eq!(health.successes(), 2);
    assert_eq!(health.every(), Duration::from_secs(15));
    assert_eq!(health.timeout(), Duration::from_millis(1500));
    assert_eq!(health.deadline(), Duration::from_secs(600));
    let check = suite.health_check(client.clone()).unwrap().unwrap();
    assert_eq!(check.name(), "health");
    let expected = HttpRequest::new(
        "GET",
        "https://user:canary-password@chatbot.company.com/v2/health",
    )
    .with_header("Host", "api.chatbot.company.com")
    .with_header("Accept", "application/json")
    .with_header("X-Bluegreen-Test", "green")
    .with_timeout(Duration::from_millis(1500));
    assert_eq!(*check.request(), expected);

    let checks = suite.smoke_checks(client).unwrap();
    let names: Vec<&str> = checks.iter().map(ServiceCheck::name).collect();
    assert_eq!(names, ["chat", "metrics"]);
    let chat = checks[0].request();
    assert_eq!(chat.method, "POST");
    assert_eq!(chat.body, br#"{"message": "canary-body"}"#);
    let header = |name: &str| chat.headers.iter().filter(|(n, _)| n == name).count();
    assert_eq!(header("Accept"), 1, "the test's own replaces the suite's");
    assert_eq!(header("Authorization"), 1);
}

#[test]
fn wants_what_the_file_says_of_an_answer() {
    let suite = read(WHOLE).unwrap();
    let expect = &suite.smoke[0].request.expect;
    let body = r#"{"response": "a b", "n": 16, "q": 1000}"#;
    let good = HttpResponse::new(201, body)
        .with_header("content-type", "application/json")
        .with_header("x-version", "7")
        .with_took(Duration::from_secs(3));
    assert_eq!(expect.failures(&good), []);
    let bad = HttpResponse::new(301, r#"{"n": 17, "q": 0.4}"#).with_took(Duration::from_secs(4));
    let failed = expect.failures(&bad);
    let what: Vec<&str> = failed.iter().map(|failure| failure.what.as_str()).collect();
    assert_eq!(
        what,
        [
            "status",
            "header Content-Type",
            "header X-Version",
            "$.response",
            "$.n",
            "$.q",
            "body",
            "body",
            "latency"
        ]
    );
}

#[test]
fn the_defaults_are_the_guides_but_for_three_good_answers_in_a_row() {
    let suite = read("[health]\npath = '/health'").unwrap();
    let health = suite.health().unwrap();
    assert_eq!(health.successes(), 3);
    assert_eq!(health.every(), Duration::from_secs(10));
    assert_eq!(health.timeout(), Duration::from_secs(5));
    assert_eq!(health.deadline(), Duration::from_secs(300));
}

#[test]
fn reports_every_problem_at_once_with_its_line() {
    let text = r#"base_url = "ftp://h"
host = "a/b"
colour = "green"
[health]
path = "health"
status = 99
successes = 0
every = "10"
timeout = "0s"
deadline = "-5m"
json = [{ path = "response" }, { equals = 1 }, { path = "$.a", at_most = "1" }]
[[smoke]]
name = " "
method = "post"
path = "/a b"
headers = { "a b" = "x", X-A = 1, X-B = { env = "GONE" }, X-C = { env = "EMPTY", x = 1 }, Host = "h" }
timeout = "2s"
max_latency = "3s"
[[smoke]]
path = "/x"
body = "{}"
answer_headers = { X = false }
json = [{ path = "$.a", equals = 2026-01-01 }, { path = "$.a", at_least = inf }]
body_contains = 1
"#;
    assert_eq!(
        problems(text),
        [
            "1 base_url: `ftp` is neither http nor https",
            "2 host: is not a host such as `api.chatbot.company.com`",
            "3 colour: is not known",
            "5 health.path: does not begin with `/`",
            "6 health.status: `99` is not a status",
            "7 health.successes: is not a number from 1 to 1000",
            "8 health.every: `10` is not a span of time up to a day",
            "9 health.timeout: `0s` is not a span of time up to a day",
            "10 health.deadline: `-5m` is not a span of time up to a day",
            "11 health.json[0].path: `response` is not a JSON path",
            "11 health.json[1].path: is missing",
            "11 health.json[2].at_most: is not a number",
            "13 smoke[0].name: is empty, or more than a line",
            "14 smoke[0].method: is not a method",
            "15 smoke[0].path: has a fragment, a space or a control character",
            "16 smoke[0].headers.a b: `a b` is not the name of a header",
            "16 smoke[0].headers.X-A: is not a header's value",
            "16 smoke[0].headers.X-B.env: the variable `GONE` is not set",
            "16 smoke[0].headers.X-C.env: the variable `EMPTY` is not set",
            "16 smoke[0].headers.X-C.x: is not known",
            "16 smoke[0].headers.Host: `Host` is given in `host`",
            "18 smoke[0].max_latency: is longer than the time-out, so it is never checked",
            "19 smoke[1].name: is missing",
            "21 smoke[1].body: does not go with GET",
            "22 smoke[1].answer_headers.X: is not a wanted value",
            "23 smoke[1].json[0].equals: is not a JSON value",
            "23 smoke[1].json[1].at_least: is not a number",
            "24 smoke[1].body_contains: is not text",
        ]
    );
}

#[test]
fn refuses_what_can_never_pass_or_checks_nothing() {
    for (text, problem) in [
        ("", "1 : there is no check"),
        ("smoke = []", "1 : there is no check"),
        ("health = 1", "1 health: is not a table"),
        ("smoke = [1]", "1 smoke[0]: is not a table"),
        (
            "[health]\npath = '/'\nsuccesses = 4\nevery = '1m'\ndeadline = '3m'",
            "1 health.deadline: ends before 4 tries are made",
        ),
        (
            "[[smoke]]\nname = 'a'\npath = '/'\n[[smoke]]\nname = 'a'\npath = '/'",
            "0 smoke: two smoke tests are called `a`",
        ),
    ] {
        assert_eq!(problems(text), [problem], "{text}");
    }
}

#[test]
fn reports_mistakes_of_syntax_alone() {
    let found = problems("[health]\npath = '/health\nevery = \n[[smoke]]\ncolour = 1\n");
    assert!(found.len() >= 2, "{found:?}");
    assert!(found[0].starts_with("2 : "), "{found:?}");
    assert!(found.iter().all(|it| !it.contains("colour")), "{found:?}");
    let found = problems("[health]\npath = '/a'\npath = '/b'\n");
    assert!(found[0].starts_with("3 : "), "{found:?}");
}

#[test]
fn a_program_replaces_where_it_goes_and_what_is_sent() {
    let suite = read("headers = { X-Side = 'blue' }\n[health]\npath = '/h?deep=1'").unwrap();
    let error = suite.health_check(Arc::new(Silent)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.hint().is_some());

    let suite = suite
        .with_base_url("http://[::1]:8080")
        .and_then(|suite| suite.with_host("chat.example:8443"))
        .and_then(|suite| suite.with_header("x-side", "green"))
        .and_then(|suite| suite.with_secret_header("Authorization", "canary-1"))
        .unwrap();
    let check = suite.health_check(Arc::new(Silent)).unwrap().unwrap();
    let expected = HttpRequest::new("GET", "http://[::1]:8080/h?deep=1")
        .with_header("Host", "chat.example:8443")
        .with_header("x-side", "green")
        .with_header("Authorization", "canary-1")
        .with_timeout(Duration::from_secs(5));
    assert_eq!(*check.request(), expected);
    assert!(suite.smoke_checks(Arc::new(Silent)).unwrap().is_empty());

    for bad in [
        "",
        "host",
        "file:///x",
        "http://",
        "http://h?q",
        "http://h#f",
    ] {
        assert!(suite.clone().with_base_url(bad).is_err(), "{bad}");
    }
    for bad in ["", "a b", "a/b", "u@h", "h:port", "h?", "h\r\nX: y"] {
        assert!(suite.clone().with_host(bad).is_err(), "{bad}");
    }
    for (name, value) in [
        ("a b", "x"),
        ("X", "a\nb"),
        ("", "x"),
        ("Content-Length", "3"),
    ] {
        assert!(suite.clone().with_header(name, value).is_err(), "{name}");
    }
}

#[test]
fn p12_no_debug_and_no_problem_shows_a_secret() {
    let suite = read(WHOLE).unwrap();
    let checks = suite.smoke_checks(Arc::new(Silent)).unwrap();
    let mut shown = format!("{suite:?} {suite:#?} {checks:?} {:?}", suite.base_url());
    let bad = r#"
base_url = "http://user:canary-1@[bad?canary-2"
headers = { X-A = { env = "BROKEN" }, X-B = "canary\u0000-3" }
[[smoke]]
name = "a"
path = "canary"
body = 1
"#;
    let error = read(bad).unwrap_err();
    assert_eq!(error.problems().len(), 5, "{error}");
    shown += &format!("{error} {error:?}");
    for (name, value) in [("X", "canary\n4"), ("Host", "canary-5")] {
        let error = suite.clone().with_secret_header(name, value).unwrap_err();
        shown += &format!("{error} {error:?}");
    }
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn p12_a_secret_of_the_environment_is_taken_out_of_an_echo() {
    #[derive(Debug)]
    struct Echo;

    #[async_trait]
    impl HttpClient for Echo {
        async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
            let said: Vec<&str> = request.headers.iter().map(|(_, v)| v.as_str()).collect();
            Ok(HttpResponse::new(500, said.join(" ")))
        }
    }

    let suite = read(WHOLE).unwrap();
    let report = suite.smoke_checks(Arc::new(Echo)).unwrap()[0].check().await;
    assert!(report.to_string().contains("text/plain …"), "{report}");
    assert!(
        !format!("{report} {report:?}").contains("canary"),
        "{report}"
    );
}

#[test]
fn where_requests_are_sent_is_read_and_checked() {
    let text = |to: &str| {
        format!("base_url = 'https://a.com'\nconnect_to = '{to}'\n[health]\npath = '/'\n")
    };
    let suite = CheckSuite::from_toml(&text("alb-1.elb.amazonaws.com:8443")).unwrap();
    let client = std::sync::Arc::new(crate::check::ReqwestClient::new().unwrap());
    let check = suite.health_check(client).unwrap().unwrap();
    assert_eq!(
        check.request().to_string(),
        "GET https://a.com/ at alb-1.elb.amazonaws.com:8443"
    );
    let error = CheckSuite::from_toml(&text("https://alb-1")).unwrap_err();
    assert_eq!(
        error.problems()[0].to_string().split(" (").next(),
        Some("line 2, column 14: connect_to: `https://alb-1` is neither HOST nor HOST:PORT")
    );
}

#[test]
fn a_path_that_is_not_found_exactly_is_a_problem_of_the_file() {
    let text = "[health]\npath = '/'\njson = [{ path = '$[?@.id==9007199254740993]' }]\n";
    let error = CheckSuite::from_toml(text).unwrap_err();
    assert!(
        error.problems()[0]
            .problem
            .message
            .contains("does not compare exactly"),
        "{error}"
    );
}
