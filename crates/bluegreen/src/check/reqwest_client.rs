//! [`ReqwestClient`]: requests for real.

use std::{error::Error as _, fmt};

use async_trait::async_trait;
use jiff::fmt::friendly::SpanPrinter;
use reqwest::{
    Certificate, Client, ClientBuilder, Method, RequestBuilder, Response, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect, retry,
};
use tokio::time::Instant;

use super::{HttpClient, HttpFailure, HttpRequest, HttpResponse};
use crate::error::{Error, ErrorKind, Result};

/// Sends requests through [`reqwest`](https://docs.rs/reqwest).
///
/// It answers as a new client of the service would see it: no redirect is followed, no cookie is
/// kept, nothing is sent twice, and no connection is used again, so that a balancer decides anew
/// for each request. A body of more than 1 MiB is a failure. `https` is checked against the
/// system's certificate authorities, with the host of the URL as the server's name even where a
/// `Host` header names another; there is no way to switch that off. Proxies come from the
/// environment (`HTTPS_PROXY`, `NO_PROXY` …).
///
/// It speaks HTTP/1.1 only: in HTTP/2 the host is a field that `Host` cannot replace.
#[derive(Clone)]
pub struct ReqwestClient {
    client: Client,
}

impl ReqwestClient {
    /// A client that trusts the system's certificate authorities.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] where TLS or the proxy settings of the environment cannot be used.
    pub fn new() -> Result<Self> {
        Self::trusting(Vec::new())
    }

    /// A client that trusts these certificate authorities too, in PEM.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] where they cannot be read, or as for [`new`](Self::new).
    pub fn with_authorities(pem: &[u8]) -> Result<Self> {
        let invalid = || Error::new(ErrorKind::Invalid, "read certificate authorities");
        let certificates =
            Certificate::from_pem_bundle(pem).map_err(|error| invalid().with_source(error))?;
        if certificates.is_empty() {
            let hint = "a PEM file with one BEGIN CERTIFICATE or more";
            return Err(invalid().with_hint(hint));
        }
        Self::trusting(certificates)
    }

    fn trusting(authorities: Vec<Certificate>) -> Result<Self> {
        Self::built(Client::builder().tls_certs_merge(authorities))
    }

    fn built(builder: ClientBuilder) -> Result<Self> {
        let builder = builder
            .user_agent(concat!("bluegreen/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0);
        let client = builder.build().map_err(|error| {
            Error::new(ErrorKind::Invalid, "make an HTTP client")
                .with_hint("look at the proxy variables and the system's certificates")
                .with_source(error.without_url())
        })?;
        Ok(Self { client })
    }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let ready = to_reqwest(&self.client, request)?;
        let exchange = async {
            let began = Instant::now();
            let answer = ready.send().await.map_err(failure)?;
            read(answer, began).await
        };
        match tokio::time::timeout(request.timeout, exchange).await {
            Ok(ended) => ended,
            Err(_) => {
                let limit = SpanPrinter::new().unsigned_duration_to_string(&request.timeout);
                Err(HttpFailure::new(format!("no whole answer within {limit}")))
            }
        }
    }
}

impl fmt::Debug for ReqwestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestClient").finish_non_exhaustive()
    }
}

/// A body may be so large. What a check looks at is far smaller.
const LARGEST_BODY: usize = 1024 * 1024;

/// The request in reqwest's words. Messages name a header and never show its value.
fn to_reqwest(client: &Client, request: &HttpRequest) -> Result<RequestBuilder, HttpFailure> {
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| HttpFailure::new("the method is not one"))?;
    let url = Url::parse(&request.url)
        .map_err(|error| HttpFailure::new(format!("the URL is not one: {error}")))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| HttpFailure::new(format!("`{name}` is not the name of a header")))?;
        let mut value = HeaderValue::from_str(value).map_err(|_| {
            HttpFailure::new(format!("the value of header `{name}` cannot be sent"))
        })?;
        value.set_sensitive(true);
        headers.append(parsed, value);
    }
    let mut ready = client.request(method, url).headers(headers);
    if !request.body.is_empty() {
        ready = ready.body(request.body.clone());
    }
    Ok(ready)
}

async fn read(mut answer: Response, began: Instant) -> Result<HttpResponse, HttpFailure> {
    let mut read = HttpResponse::new(answer.status().as_u16(), Vec::new());
    for (name, value) in answer.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        read = read.with_header(name.as_str(), value);
    }
    while let Some(chunk) = answer.chunk().await.map_err(failure)? {
        if read.body.len() + chunk.len() > LARGEST_BODY {
            return Err(HttpFailure::new("the body is larger than 1 MiB"));
        }
        read.body.extend_from_slice(&chunk);
    }
    Ok(read.with_took(began.elapsed()))
}

/// The innermost cause says most: `connection refused`, `invalid peer certificate: Expired`.
fn failure(error: reqwest::Error) -> HttpFailure {
    let error = error.without_url();
    let what = if error.is_connect() {
        "cannot connect"
    } else if error.is_body() || error.is_decode() {
        "the body broke off"
    } else {
        "no answer"
    };
    let mut cause = error.source();
    while let Some(inner) = cause.and_then(|cause| cause.source()) {
        cause = Some(inner);
    }
    match cause {
        Some(cause) => HttpFailure::new(format!("{what}: {cause}")),
        None => HttpFailure::new(what),
    }
}

#[cfg(test)]
mod tests;
