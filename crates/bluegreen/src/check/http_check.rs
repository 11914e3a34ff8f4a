//! [`HttpCheck`]: one request, and the answer that is wanted.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::{
    Answer, CheckFailure, CheckReport, Expect, HttpClient, HttpRequest, ServiceCheck,
    expect::shortened,
};

/// Sends one request a try, and compares the answer with what is wanted.
#[derive(Clone)]
pub struct HttpCheck {
    name: String,
    request: HttpRequest,
    expect: Expect,
    secrets: Vec<String>,
    client: Arc<dyn HttpClient>,
}

impl HttpCheck {
    /// A check of this name.
    pub(crate) fn new(
        name: impl Into<String>,
        request: HttpRequest,
        expect: Expect,
        client: Arc<dyn HttpClient>,
    ) -> Self {
        Self {
            name: name.into(),
            secrets: secrets_of_url(&request.url),
            request,
            expect,
            client,
        }
    }

    /// Names a secret of the request, such as a token in a header, so that it is taken out of
    /// reports if the service echoes it. User name, password and query of the URL are known
    /// already.
    #[must_use]
    pub(crate) fn with_secret(mut self, secret: impl Into<String>) -> Self {
        let secret = secret.into();
        // `Bearer abc123` is echoed without its scheme as well.
        let parts = secret.split_ascii_whitespace().map(str::to_owned);
        self.secrets.extend(parts.filter(|part| *part != secret));
        self.secrets.push(secret);
        self
    }

    /// The request of the check.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn request(&self) -> &HttpRequest {
        &self.request
    }

    fn without_secrets(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // A shorter text than 4 bytes is no secret, and would black out half of an answer.
        let mut secrets: Vec<&String> = self.secrets.iter().collect();
        // The longest first: a part that is replaced first would keep the whole from being found.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        for secret in secrets.into_iter().filter(|secret| secret.len() >= 4) {
            text = text.replace(secret.as_str(), "…");
        }
        shortened(&text)
    }
}

#[async_trait]
impl ServiceCheck for HttpCheck {
    fn name(&self) -> &str {
        &self.name
    }

    async fn check(&self) -> CheckReport {
        let asked = self.request.to_string();
        match self.client.send(&self.request).await {
            Ok(answer) => {
                let short = Answer {
                    status: answer.status,
                    took: answer.took,
                };
                let mut report = CheckReport::new(&self.name, asked, Some(short));
                for failure in self.expect.judge(&answer) {
                    let CheckFailure { what, wanted, got } = failure;
                    report = report.failing(what, wanted, self.without_secrets(&got));
                }
                report
            }
            Err(failure) => CheckReport::new(&self.name, asked, None).failing(
                "answer",
                "a whole answer",
                self.without_secrets(&failure.message),
            ),
        }
    }
}

impl fmt::Debug for HttpCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCheck")
            .field("name", &self.name)
            .field("request", &self.request)
            .field("expect", &self.expect)
            .finish_non_exhaustive()
    }
}

/// User name, password and the values of the query, as they stand in the URL.
fn secrets_of_url(url: &str) -> Vec<String> {
    let Ok(url) = reqwest::Url::parse(url) else {
        return Vec::new();
    };
    let mut secrets = vec![url.username().to_owned()];
    secrets.extend(url.password().map(str::to_owned));
    secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    let raw = url.query().unwrap_or_default().split('&');
    secrets.extend(raw.map(|pair| {
        pair.split_once('=')
            .map_or(pair, |(_, value)| value)
            .to_owned()
    }));
    secrets.retain(|secret| !secret.is_empty());
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{ExpectJson, HttpFailure, HttpResponse};

    #[derive(Debug)]
    struct Canned(Result<HttpResponse, HttpFailure>);

    #[async_trait]
    impl HttpClient for Canned {
        async fn send(&self, _: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
            self.0.clone()
        }
    }

    fn check(request: HttpRequest, answer: Result<HttpResponse, HttpFailure>) -> HttpCheck {
        let expect = Expect::default()
            .with_json(ExpectJson::present("$.response".parse().unwrap()))
            .with_body_containing("ready");
        HttpCheck::new("chat", request, expect, Arc::new(Canned(answer)))
    }

    #[tokio::test]
    async fn passes_with_status_and_time_of_the_answer() {
        let answer = HttpResponse::new(200, r#"{"response": "ready"}"#)
            .with_took(std::time::Duration::from_millis(7));
        let report = check(HttpRequest::new("GET", "http://h/x"), Ok(answer))
            .check()
            .await;
        assert!(report.is_passed(), "{report}");
        assert_eq!(report.to_string(), "chat: GET http://h/x → 200 in 7 ms");
    }

    #[tokio::test]
    async fn a_service_that_cannot_be_reached_fails_the_check() {
        let failure = HttpFailure::new("connection refused");
        let report = check(HttpRequest::new("GET", "http://h/x"), Err(failure))
            .check()
            .await;
        assert_eq!(report.answer, None);
        assert_eq!(
            report.to_string(),
            "chat: GET http://h/x; answer: wanted a whole answer, got connection refused"
        );
    }

    #[tokio::test]
    async fn p12_a_service_that_echoes_the_request_puts_no_secret_into_the_report() {
        let url = "https://user:canary-1@h/x?token=canary%202";
        let request = HttpRequest::new("POST", url)
            .with_header("Authorization", "canary-3")
            .with_body("canary-body");
        // The cut at 200 characters goes through the last one.
        let echo = format!("canary-1 canary 2 canary%202 {} canary-3", "x".repeat(165));
        for answer in [
            Ok(HttpResponse::new(500, echo.clone())),
            Err(HttpFailure::new(echo)),
        ] {
            let check = check(request.clone(), answer).with_secret("canary-3");
            let report = check.check().await;
            let json = serde_json::to_string(&report).unwrap();
            let shown = format!("{report} {report:?} {json} {check:?}");
            assert!(!report.is_passed());
            assert!(!shown.contains("cana"), "{shown}");
            assert!(shown.contains("https://h/x?token=…"), "{shown}");
        }
    }

    #[tokio::test]
    async fn p12_a_token_is_taken_out_without_its_scheme_too() {
        let request = HttpRequest::new("GET", "http://h/x");
        let answer = HttpResponse::new(401, "invalid token canary-4711, not Bearer canary-4711");
        let report = check(request, Ok(answer))
            .with_secret("Bearer canary-4711")
            .check()
            .await;
        let shown = format!("{report} {report:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
