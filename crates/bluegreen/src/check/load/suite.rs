//! [`TestSuite`]: the requests of a file, and how they are sent.

use std::fmt;

use super::{schedule::Schedule, settings::TestSettings, tally::Limits};
use crate::{
    check::{CheckSuite, SpecError, http::shown_url, spec::Ready},
    problem::Problem,
};

/// The requests of a test, read from TOML.
///
/// ```toml
/// base_url = "https://chatbot.company.com"      # as in a file of checks: host, connect_to, headers
/// writes = true                # allow other methods than GET and HEAD; default false
/// writes_to_both = false       # send such requests to blue too, to compare the answers; default false
///
/// [test]                       # each may be left out
/// rate = 20                    # requests a second; default 5
/// ramp = "30s"                 # the rate rises from zero in this time; default none
/// duration = "2m"              # default 2m, or as long as the bounds need, up to 30m
/// max_in_flight = 256          # requests that wait for an answer at once; default 256
/// max_error_rate = "1%"        # default 5%
/// max_latency = { p50 = "300ms", p99 = "2s" }   # default { p99 = "3s" }
/// confidence = "99%"           # of each bound; default 99%
/// test_header = "X-Bluegreen-Test: green"       # leads to green; this is the default, "" for none
/// blue_url = "https://old.company.com"          # default: base_url without that header
/// compare = 5                  # how often each request is compared with blue's answer; default 5
/// ignore = ["$.session_id"]    # places that are not compared
/// ignore_headers = ["X-Version"]
/// tolerances = [{ path = "$.score", within = 0.01 }]
/// accept = ["validation-status", "error-body"]  # kinds of differences that do not fail the test
///
/// [[request]]
/// name = "chat"                # the keys of a smoke test, and:
/// weight = 3                   # default 1
/// method = "POST"
/// path = "/api/v1/chat"
/// headers = { Content-Type = "application/json", Authorization = { env = "CHAT_TOKEN" } }
/// body = '{"message": "Hello"}'
/// json = [{ path = "$.response" }]
/// ```
///
/// # Examples
///
/// ```
/// use bluegreen::check::load::TestSuite;
///
/// let suite = TestSuite::from_toml(r#"
///     base_url = "https://chatbot.company.com"
///     test = { rate = 20, duration = "1m" }
///     request = [{ name = "health", path = "/health" }]
/// "#)?;
/// assert_eq!(suite.plan().unwrap().requests(), 1200);
///
/// // A request that may write must be allowed.
/// let text = "[[request]]\nname = 'chat'\npath = '/chat'\nmethod = 'POST'\n";
/// let error = TestSuite::from_toml(text).unwrap_err();
/// assert_eq!(error.problems()[0].problem.field, "request[0].method");
/// # Ok::<(), bluegreen::check::SpecError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct TestSuite {
    /// The requests are its smoke tests.
    pub(super) checks: CheckSuite,
    pub(super) weights: Vec<u32>,
    pub(super) writes_to_both: bool,
    pub(super) settings: TestSettings,
}

impl TestSuite {
    /// Changes the service that is asked: URL, host, headers of all requests.
    ///
    /// # Errors
    ///
    /// As `change`.
    pub fn with_service(
        mut self,
        change: impl FnOnce(CheckSuite) -> Result<CheckSuite, SpecError>,
    ) -> Result<Self, SpecError> {
        self.checks = change(self.checks)?;
        Ok(self)
    }

    /// Uses these settings instead of the file's, as far as they are set.
    pub fn with_settings(mut self, settings: TestSettings) -> Self {
        self.settings = self.settings.overridden(settings);
        self
    }

    /// The settings.
    pub fn settings(&self) -> &TestSettings {
        &self.settings
    }

    /// The base URL without user name and password, if there is one.
    #[must_use]
    pub(crate) fn base_url(&self) -> Option<String> {
        self.checks.base_url()
    }

    /// Returns the plan of the test.
    ///
    /// # Errors
    ///
    /// Every problem: there is no base URL, or the requests are too few to show the bounds.
    pub fn plan(&self) -> Result<TestPlan, Vec<Problem>> {
        let mut problems = Vec::new();
        let settings = &self.settings;
        let schedule = Schedule::new(settings.rate(), settings.ramp(), settings.duration());
        let needed = settings.needed();
        if schedule.len() < needed {
            let hint = format!(
                "give at least {needed} requests: a longer duration, a higher rate or wider bounds"
            );
            let message = format!(
                "{} requests cannot show the bounds at a confidence of {} %, even if none fails",
                schedule.len(),
                100.0 * settings.confidence()
            );
            problems.push(Problem::new("duration", message, hint));
        }
        let header = self.header().map_err(|problem| problems.push(problem));
        let header = header.unwrap_or_default();
        let mut rounds = settings.rounds();
        if rounds > 0 && header.is_none() && settings.blue_url.is_none() {
            if settings.compare.is_some() {
                let hint = "give a `test_header` that leads to green, or `blue_url`";
                let message = "green and blue have the same URL, and no header tells them apart";
                problems.push(Problem::new("compare", message, hint));
            }
            rounds = 0;
        }
        let requests = self.checks.requests().map_err(|error| {
            let hint = error.hint().unwrap_or_default();
            problems.push(Problem::new("base_url", "is needed", hint));
        });
        let blue = self.blue().map_err(|problem| problems.push(problem));
        let (Ok(requests), Ok(blue), true) = (requests, blue, problems.is_empty()) else {
            return Err(problems);
        };
        let kinds = requests.into_iter().zip(blue).enumerate();
        let kinds = kinds.map(|(place, (green, blue))| {
            let is_compared = self.writes_to_both || !self.checks.writes(place);
            TestRequest::new(green, blue, header.as_ref(), is_compared)
        });
        Ok(TestPlan {
            kinds: kinds.collect(),
            weights: self.weights.clone(),
            schedule,
            rounds,
            header: header.map(|(name, value)| format!("{name}: {value}")),
            url: self.base_url().unwrap_or_default(),
            settings: settings.clone(),
        })
    }

    /// The header that leads to green.
    fn header(&self) -> Result<Option<(String, String)>, Problem> {
        let text = self.settings.test_header().trim();
        if text.is_empty() {
            return Ok(None);
        }
        match text.split_once(':') {
            Some((name, value)) if !name.trim().is_empty() => {
                Ok(Some((name.trim().to_owned(), value.trim().to_owned())))
            }
            _ => Err(Problem::new(
                "test_header",
                "is not a header",
                "write it like `X-Bluegreen-Test: green`",
            )),
        }
    }

    /// The same requests to blue.
    fn blue(&self) -> Result<Vec<Ready>, Problem> {
        let of_blue = match &self.settings.blue_url {
            Some(url) => self.checks.clone().with_base_url(url),
            None => Ok(self.checks.clone()),
        };
        let told = |message: String| Problem::new("blue_url", message, "such as `https://h`");
        let of_blue = of_blue.map_err(|error| told(error.problems()[0].problem.message.clone()))?;
        // A base URL that is missing is reported once.
        Ok(of_blue.requests().unwrap_or_default())
    }
}

/// What a test does: its requests, their times and its limits.
#[derive(Debug, Clone)]
#[must_use]
pub struct TestPlan {
    pub(super) kinds: Vec<TestRequest>,
    pub(super) weights: Vec<u32>,
    pub(super) schedule: Schedule,
    pub(super) rounds: u32,
    header: Option<String>,
    url: String,
    pub(super) settings: TestSettings,
}

/// A request to green, and the same to blue.
#[derive(Debug, Clone)]
pub(super) struct TestRequest {
    pub(super) green: Ready,
    /// `None` if blue must not get it.
    pub(super) blue: Option<Ready>,
}

impl TestRequest {
    fn new(
        mut green: Ready,
        blue: Ready,
        header: Option<&(String, String)>,
        is_compared: bool,
    ) -> Self {
        if let Some((name, value)) = header {
            green.request = green.request.with_header(name, value);
        }
        Self {
            green,
            blue: is_compared.then_some(blue),
        }
    }
}

impl TestPlan {
    /// The number of requests to green, without those of the comparison.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.schedule.len()
    }

    /// The header that leads to green, as `NAME: VALUE`.
    #[must_use]
    pub fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// The requests a second, once the ramp is over.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.settings.rate()
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            max_error_rate: self.settings.max_error_rate(),
            max_latency: self.settings.max_latency(),
            confidence: self.settings.confidence(),
        }
    }

    /// The requests that are compared.
    pub(super) fn compared(&self) -> Vec<usize> {
        let kinds = self.kinds.iter().enumerate();
        let compared = kinds.filter(|(_, kind)| self.rounds > 0 && kind.blue.is_some());
        compared.map(|(place, _)| place).collect()
    }
}

/// Three lines: the load, the limits, and the comparison.
impl fmt::Display for TestPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        write!(
            f,
            "{} requests to {}",
            self.requests(),
            shown_url(&self.url)
        )?;
        if let Some(header) = &self.header {
            write!(f, " with `{header}`")?;
        }
        let span = |span: std::time::Duration| {
            jiff::fmt::friendly::SpanPrinter::new().unsigned_duration_to_string(&span)
        };
        write!(
            f,
            ": {} a second for {}",
            settings.rate(),
            span(settings.duration())
        )?;
        if !settings.ramp().is_zero() {
            write!(f, ", after a ramp of {}", span(settings.ramp()))?;
        }
        let latency = settings.max_latency();
        let latency = latency.iter();
        let latency =
            latency.map(|(percentile, most)| format!(", {percentile} at most {}", span(*most)));
        write!(
            f,
            "\nwanted: errors at most {} %{}, each at a confidence of {} %",
            100.0 * settings.max_error_rate(),
            String::from_iter(latency),
            100.0 * settings.confidence()
        )?;
        let (compared, all) = (self.compared().len(), self.kinds.len());
        match (compared, self.rounds) {
            (0, _) => write!(f, "\nno answer is compared with blue's"),
            _ => write!(
                f,
                "\nanswers of {compared} of {all} requests are compared with blue's, {} times each",
                self.rounds
            ),
        }
    }
}
