//! [`CheckSuite`]: the health check and smoke tests of a file.

use std::{fmt, sync::Arc, time::Duration};

use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};

use super::{ConnectTo, Expect, HttpCheck, HttpClient, HttpRequest, http::shown_url};
use crate::{
    error::{Error, ErrorKind, Result},
    problem::{Problem, SpecError},
};

pub(super) mod read;

/// What a [`SpecError`] of checks begins with.
const WHOLE: &str = "the checks are not valid";

/// A value that a program set and that is not valid.
fn invalid(field: &str, message: impl Into<String>) -> SpecError {
    SpecError::of(WHOLE, [(None, Problem::new(field, message, ""))])
}

/// A health check and smoke tests, read from TOML.
///
/// ```toml
/// base_url = "https://chatbot.company.com"     # may be given by the program instead
/// host = "api.chatbot.company.com"             # the `Host` header, if it is not the URL's
/// connect_to = "chatbot-alb-1.us-east-1.elb.amazonaws.com"    # where it is sent, if not there
/// headers = { X-Bluegreen-Test = "green" }     # sent with every request
///
/// [health]
/// path = "/health"
/// json = [{ path = "$.status", equals = "healthy" }]
/// successes = 3         # good answers in a row, default 3
/// every = "10s"         # between two tries, default 10s
/// timeout = "5s"        # of one try, default 5s
/// deadline = "5m"       # of all tries, default 5m
///
/// [[smoke]]
/// name = "chat"
/// method = "POST"       # default GET
/// path = "/api/v1/chat"
/// headers = { Content-Type = "application/json", Authorization = { env = "CHAT_TOKEN" } }
/// body = '{"message": "Hello, deployment test"}'
/// timeout = "10s"       # default 10s
/// status = "2xx"        # or 200, or [200, 404]; default 200
/// answer_headers = { Content-Type = "application/json", X-Version = true }
/// json = [{ path = "$.response" }, { path = "$.tokens", at_least = 1, at_most = 4000 }]
/// body_contains = "response"
/// max_latency = "3s"
/// ```
///
/// Every key may be left out, except `path`, and `name` of a smoke test. `[health]` takes the keys
/// of a smoke test except `name`. A header whose value is `{ env = "NAME" }` is a secret from the
/// environment; it is taken out of every report.
///
/// A JSON path may find several values; then each must be as wanted, and a path that finds none fails.
/// Without a further want a value must be neither `null` nor `false`, as `jq -e` judges it; empty text and 0
/// are values. Numbers are equal if their values are: 1 equals 1.0. Statuses are written `200`, `2xx` or
/// several of them with commas. Without a want the status must be 200.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use bluegreen::check::{CheckSuite, ReqwestClient, ServiceCheck};
///
/// let suite = CheckSuite::from_toml("[health]\npath = '/health'\n")?
///     .with_base_url("https://chatbot.company.com")?;
/// let check = suite.health_check(Arc::new(ReqwestClient::new()?))?;
/// assert_eq!(check.unwrap().name(), "health");
///
/// // Every problem is reported at once.
/// let error = CheckSuite::from_toml("[health]\npath = 'health'\nevery = '10'\n").unwrap_err();
/// assert_eq!(error.problems().len(), 2);
/// assert_eq!(error.problems()[1].at.map(|at| at.line), Some(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct CheckSuite {
    base_url: Option<Url>,
    host: Option<String>,
    connect_to: Option<ConnectTo>,
    headers: Vec<Header>,
    health: Option<HealthSpec>,
    smoke: Vec<SmokeSpec>,
}

impl CheckSuite {
    /// Replaces the base URL: `http` or `https`, without query and fragment.
    ///
    /// # Errors
    ///
    /// [`SpecError`] if it is not a base URL.
    pub fn with_base_url(mut self, url: &str) -> Result<Self, SpecError> {
        let parsed = base_url(url).map_err(|message| invalid("base_url", message))?;
        self.base_url = Some(parsed);
        Ok(self)
    }

    /// Replaces the `Host` header of every request.
    ///
    /// # Errors
    ///
    /// [`SpecError`] if it is not a host.
    pub fn with_host(mut self, host: &str) -> Result<Self, SpecError> {
        check_host(host).map_err(|message| invalid("host", message))?;
        self.host = Some(host.to_owned());
        Ok(self)
    }

    /// Sends every request to another host than the base URL's.
    pub fn with_connect_to(mut self, to: ConnectTo) -> Self {
        self.connect_to = Some(to);
        self
    }

    /// Sends a header with every request that does not set it itself.
    ///
    /// # Errors
    ///
    /// [`SpecError`] if name or value cannot be sent.
    pub fn with_header(self, name: &str, value: &str) -> Result<Self, SpecError> {
        self.with(name, value, false)
    }

    /// [`with_header`](Self::with_header), with a value that is taken out of every report.
    ///
    /// # Errors
    ///
    /// [`SpecError`] if name or value cannot be sent.
    pub fn with_secret_header(self, name: &str, value: &str) -> Result<Self, SpecError> {
        self.with(name, value, true)
    }

    /// The base URL without user name and password, if there is one.
    #[must_use]
    pub fn base_url(&self) -> Option<String> {
        self.base_url.as_ref().map(|url| shown_url(url.as_str()))
    }

    /// The health check.
    #[must_use]
    pub fn health(&self) -> Option<&HealthSpec> {
        self.health.as_ref()
    }

    /// The smoke tests in the file's order.
    pub fn smoke(&self) -> &[SmokeSpec] {
        &self.smoke
    }

    /// Makes the health check, named `health`; `None` if the file has none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] without a base URL.
    pub fn health_check(&self, client: Arc<dyn HttpClient>) -> Result<Option<HttpCheck>> {
        let make = |health: &HealthSpec| self.check("health", &health.request, client.clone());
        self.health.as_ref().map(make).transpose()
    }

    /// Makes the smoke tests, in the file's order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] without a base URL.
    pub fn smoke_checks(&self, client: Arc<dyn HttpClient>) -> Result<Vec<HttpCheck>> {
        let make = |smoke: &SmokeSpec| self.check(&smoke.name, &smoke.request, client.clone());
        self.smoke.iter().map(make).collect()
    }

    fn with(mut self, name: &str, value: &str, is_secret: bool) -> Result<Self, SpecError> {
        let header = Header::new(name, value.to_owned(), is_secret)
            .map_err(|message| invalid("headers", message))?;
        self.headers
            .retain(|there| !there.name.eq_ignore_ascii_case(name));
        self.headers.push(header);
        Ok(self)
    }

    /// The requests of the smoke tests, ready to be sent, and the answers that are wanted.
    pub(super) fn requests(&self) -> Result<Vec<Ready>> {
        let ready = |smoke: &SmokeSpec| {
            Ok(Ready {
                name: smoke.name.clone(),
                path: without_query(&smoke.request.path).to_owned(),
                request: self.ready(&smoke.name, &smoke.request)?,
                expect: smoke.request.expect.clone(),
            })
        };
        self.smoke.iter().map(ready).collect()
    }

    /// Whether the smoke test of this place may change something, by its method.
    pub(super) fn writes(&self, place: usize) -> bool {
        let test = self.smoke.get(place);
        test.is_some_and(|test| !matches!(test.request.method.as_str(), "GET" | "HEAD"))
    }

    /// Adds tests.
    pub(super) fn with_smoke(mut self, smoke: Vec<SmokeSpec>) -> Self {
        self.smoke = smoke;
        self
    }

    fn ready(&self, name: &str, request: &RequestSpec) -> Result<HttpRequest> {
        let Some(base) = &self.base_url else {
            let error = Error::new(ErrorKind::Invalid, format!("make the check `{name}`"));
            return Err(error.with_hint("name the service's URL in `base_url`"));
        };
        let url = format!("{}{}", base.as_str().trim_end_matches('/'), request.path);
        let mut ready = HttpRequest::new(&request.method, url)
            .with_body(request.body.clone())
            .with_timeout(request.timeout);
        if let Some(host) = &self.host {
            ready = ready.with_header("Host", host);
        }
        ready.connect_to.clone_from(&self.connect_to);
        for header in self.headers.iter().chain(&request.headers) {
            ready = ready.with_header(&header.name, &header.value);
        }
        Ok(ready)
    }

    fn check(
        &self,
        name: &str,
        request: &RequestSpec,
        client: Arc<dyn HttpClient>,
    ) -> Result<HttpCheck> {
        let ready = self.ready(name, request)?;
        let headers = || self.headers.iter().chain(&request.headers);
        let check = HttpCheck::new(name, ready, request.expect.clone(), client);
        Ok(headers()
            .filter(|header| header.is_secret)
            .fold(check, |check, header| check.with_secret(&header.value)))
    }
}

impl fmt::Debug for CheckSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckSuite")
            .field("base_url", &self.base_url())
            .field("host", &self.host)
            .field("connect_to", &self.connect_to)
            .field("headers", &self.headers)
            .field("health", &self.health)
            .field("smoke", &self.smoke)
            .finish()
    }
}

/// The health check of a [`CheckSuite`], and when the service counts as healthy.
#[derive(Debug, Clone)]
#[must_use]
pub struct HealthSpec {
    request: RequestSpec,
    successes: u32,
    every: Duration,
    deadline: Duration,
}

impl HealthSpec {
    /// How many good answers in a row are wanted. Default: 3, since one may be luck.
    #[must_use]
    pub fn successes(&self) -> u32 {
        self.successes
    }

    /// The time from the start of a try to the start of the next. Default: 10 seconds, as in the
    /// guide.
    #[must_use]
    pub fn every(&self) -> Duration {
        self.every
    }

    /// The limit of one try, to the last byte. Default: 5 seconds.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn timeout(&self) -> Duration {
        self.request.timeout
    }

    /// The time after which the check gives up. Default: 5 minutes, as in the guide.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }
}

/// One smoke test of a [`CheckSuite`].
#[derive(Debug, Clone)]
#[must_use]
pub struct SmokeSpec {
    name: String,
    request: RequestSpec,
}

impl SmokeSpec {
    /// The test's name for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The method, such as `GET`.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.request.method
    }

    /// The path without the values of its query.
    #[must_use]
    pub fn path(&self) -> String {
        shown_url(&self.request.path)
    }
}

/// A request that is ready to be sent, and the answer that is wanted.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) name: String,
    /// The path without its query, which may hold a secret.
    pub(super) path: String,
    pub(super) request: HttpRequest,
    pub(super) expect: Expect,
}

#[derive(Clone)]
struct RequestSpec {
    method: String,
    path: String,
    headers: Vec<Header>,
    body: String,
    expect: Expect,
    timeout: Duration,
}

impl fmt::Debug for RequestSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestSpec")
            .field("method", &self.method)
            .field("path", &shown_url(&self.path))
            .field("headers", &self.headers)
            .field("body_length", &self.body.len())
            .field("expect", &self.expect)
            .field("timeout", &self.timeout)
            .finish()
    }
}

#[derive(Clone)]
struct Header {
    name: String,
    value: String,
    is_secret: bool,
}

impl Header {
    /// Makes a header. Errors do not show the value.
    fn new(name: &str, value: String, is_secret: bool) -> Result<Self, String> {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(format!("`{name}` is not the name of a header"));
        }
        if name.eq_ignore_ascii_case("host") {
            return Err("`Host` is given in `host`".into());
        }
        let set_by_client = ["content-length", "transfer-encoding", "connection"];
        if set_by_client.iter().any(|it| name.eq_ignore_ascii_case(it)) {
            return Err(format!("`{name}` is set by the client"));
        }
        if HeaderValue::from_str(&value).is_err() {
            return Err(format!("the value of `{name}` cannot be sent in a header"));
        }
        Ok(Self {
            name: name.to_owned(),
            value,
            is_secret,
        })
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

/// Reads a base URL. Errors do not show the URL, which may hold a password.
fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{}` is neither http nor https", url.scheme()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment, which belong in `path`".into());
    }
    Ok(url)
}

fn check_host(host: &str) -> Result<(), String> {
    let url = Url::parse(&format!("http://{host}/"));
    match url {
        Ok(url)
            if url.path() == "/"
                && url.username().is_empty()
                && url.password().is_none()
                && !host.contains(['/', '?', '#', '@'])
                && !host.contains(char::is_whitespace) =>
        {
            Ok(())
        }
        _ => Err("is not a host such as `api.chatbot.company.com`".into()),
    }
}

#[cfg(test)]
mod tests;
