//! One HTTP request and its answer: the seam behind every HTTP check.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use auto_impl::auto_impl;

use super::ConnectTo;

/// Sends one HTTP request and returns its answer, with any status.
///
/// It follows no redirect, keeps no cookie and sends nothing twice: a check judges the first
/// answer. `ReqwestClient` (feature `check`) sends real requests; a test or a simulation brings its
/// own client, and says in [`HttpResponse::took`] how long the answer took.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use async_trait::async_trait;
/// use bluegreen::check::{HttpClient, HttpFailure, HttpRequest, HttpResponse};
///
/// #[derive(Debug)]
/// struct Healthy;
///
/// #[async_trait]
/// impl HttpClient for Healthy {
///     async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
///         if request.url.ends_with("/health") {
///             let body = r#"{"status": "healthy"}"#;
///             return Ok(HttpResponse::new(200, body).with_took(Duration::from_millis(12)));
///         }
///         Err(HttpFailure::new("connection refused"))
///     }
/// }
/// ```
#[async_trait]
#[auto_impl(Arc, Box)]
pub trait HttpClient: fmt::Debug + Send + Sync {
    /// Sends the request once.
    ///
    /// # Errors
    ///
    /// [`HttpFailure`] if no whole answer came. A status such as 500 is an answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connection; effects of the request on the service stay.
    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure>;
}

/// One request. Its `Debug` and `Display` show no header value, no body, no user name or password
/// of the URL and no value of its query.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpRequest {
    /// The method in capitals, such as `GET`.
    pub method: String,
    /// The whole URL, `http` or `https`.
    pub url: String,
    /// Names and values, in the order in which they are sent. A `Host` replaces the URL's.
    pub headers: Vec<(String, String)>,
    /// The body; empty if there is none.
    pub body: Vec<u8>,
    /// The time for everything, from the connection to the last byte of the answer.
    pub timeout: Duration,
    /// The host that it is sent to instead of the URL's. A client that cannot do that must fail.
    pub connect_to: Option<ConnectTo>,
}

impl HttpRequest {
    /// A request without headers and body that may take 10 seconds.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Duration::from_secs(10),
            connect_to: None,
        }
    }

    /// Adds a header, and removes an earlier one of the same name.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.headers
            .retain(|(there, _)| !there.eq_ignore_ascii_case(&name));
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub(crate) fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets another time limit.
    #[must_use]
    pub(crate) fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends it to another host than the URL's.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn with_connect_to(mut self, to: ConnectTo) -> Self {
        self.connect_to = Some(to);
        self
    }
}

impl fmt::Display for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, shown_url(&self.url))?;
        match &self.connect_to {
            Some(to) => write!(f, " at {to}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &shown_url(&self.url))
            .field("headers", &names(&self.headers))
            .field("body_length", &self.body.len())
            .field("timeout", &self.timeout)
            .field("connect_to", &self.connect_to)
            .finish()
    }
}

/// One answer. Its `Debug` shows no header value and no body.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpResponse {
    /// The status, such as 200.
    pub status: u16,
    /// Names and values, as they came.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// How long it took, from the request to the last byte.
    pub took: Duration,
}

impl HttpResponse {
    /// An answer without headers that took no time.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            took: Duration::ZERO,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets how long the answer took.
    #[must_use]
    pub fn with_took(mut self, took: Duration) -> Self {
        self.took = took;
        self
    }

    /// The values of a header, in any case of its name.
    pub fn header(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(there, _)| there.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("headers", &names(&self.headers))
            .field("body_length", &self.body.len())
            .field("took", &self.took)
            .finish()
    }
}

/// Why no whole answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpFailure {
    /// What happened, a lower-case fragment without secrets: `no answer within 5s`.
    pub message: String,
}

impl HttpFailure {
    /// A failure; `message` is a lower-case fragment and holds no header value, body or query.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl fmt::Display for HttpFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HttpFailure {}

/// A URL fit to be shown: without user name and password, without the values of its query and
/// without its fragment. The names in the query stay, since they tell what was asked.
pub(crate) fn shown_url(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let (rest, query) = match url.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (url, None),
    };
    let mut shown = match rest.split_once("//") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}//{host}{path}")
        }
        None => rest.to_owned(),
    };
    if let Some(query) = query {
        let names = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) => format!("{name}=…"),
            // A query without names may be a secret as a whole.
            None => "…".to_owned(),
        });
        shown.push('?');
        shown.push_str(&names.collect::<Vec<_>>().join("&"));
    }
    shown
}

fn names(headers: &[(String, String)]) -> Vec<&str> {
    headers.iter().map(|(name, _)| name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_no_debug_or_display_shows_header_values_bodies_passwords_or_queries() {
        let url = "https://user:canary-1@host.example/health?token=canary-2&canary-3#canary-4";
        let request = HttpRequest::new("GET", url)
            .with_header("Authorization", "canary-5")
            .with_body("canary-6");
        let response = HttpResponse::new(200, "canary-7").with_header("Set-Cookie", "canary-8");
        let shown = format!("{request} {request:?} {response:?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(
            shown.contains("GET https://host.example/health?token=…&…"),
            "{shown}"
        );
        assert!(shown.contains("Authorization"), "{shown}");
    }

    #[test]
    fn shows_what_is_left_of_a_url_without_its_secrets() {
        for (url, wanted) in [
            ("http://h", "http://h"),
            ("http://h?a=1", "http://h?a=…"),
            ("http://u@h:1/p", "http://h:1/p"),
            ("http://u:p@ss@h/x@y", "http://h/x@y"),
            ("/next?a=1&b=2", "/next?a=…&b=…"),
            ("", ""),
        ] {
            assert_eq!(shown_url(url), wanted, "{url}");
        }
    }

    #[test]
    fn a_header_replaces_one_of_the_same_name() {
        let request = HttpRequest::new("GET", "http://h")
            .with_header("host", "a")
            .with_header("Host", "b");
        assert_eq!(request.headers, [("Host".to_owned(), "b".to_owned())]);
    }
}
