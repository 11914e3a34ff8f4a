//! [`ReqwestClient`]: sends real requests.

use std::{
    collections::HashMap,
    error::Error as _,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::fmt::friendly::SpanPrinter;
use reqwest::{
    Certificate, Client, ClientBuilder, Method, RequestBuilder, Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
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
/// system's certificate authorities, with the host of the URL as the server's name even if a `Host`
/// header names another; this check cannot be switched off. Proxies come from the environment
/// (`HTTPS_PROXY`, `NO_PROXY` …).
///
/// A request with a [`ConnectTo`](super::ConnectTo) goes to that host, and through no proxy.
///
/// It speaks HTTP/1.1 only: in HTTP/2 the host is a field that `Host` cannot replace. It asks for
/// no encoding of bodies; checks still read encoded ones.
#[derive(Clone)]
pub struct ReqwestClient {
    client: Client,
    authorities: Vec<Certificate>,
    /// The clients that connect elsewhere, by host and port: each resolves names in its own way.
    elsewhere: Arc<Mutex<HashMap<(String, u16), Client>>>,
}

impl ReqwestClient {
    /// A client that trusts the system's certificate authorities.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if TLS or the proxy settings of the environment cannot be used.
    pub fn new() -> Result<Self> {
        Self::trusting(Vec::new())
    }

    /// A client that trusts these certificate authorities too, in PEM.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if they cannot be read, or as for [`new`](Self::new).
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
        let builder = Client::builder().tls_certs_merge(authorities.clone());
        Ok(Self {
            authorities,
            ..Self::built(builder)?
        })
    }

    fn built(builder: ClientBuilder) -> Result<Self> {
        Ok(Self {
            client: Self::client(builder)?,
            authorities: Vec::new(),
            elsewhere: Arc::default(),
        })
    }

    /// The client that connects to this host and port instead of the URL's.
    fn to(&self, host: &str, port: u16) -> Result<Client> {
        let place = (host.to_owned(), port);
        let mut elsewhere = self
            .elsewhere
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = elsewhere.get(&place) {
            return Ok(client.clone());
        }
        let builder = Client::builder().tls_certs_merge(self.authorities.clone());
        let client = Self::client(builder.no_proxy().dns_resolver(Only(place.clone())))?;
        elsewhere.insert(place, client.clone());
        Ok(client)
    }

    fn client(builder: ClientBuilder) -> Result<Client> {
        let builder = builder
            .user_agent(concat!("bluegreen/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0);
        builder.build().map_err(|error| {
            Error::new(ErrorKind::Invalid, "make an HTTP client")
                .with_hint("check the proxy variables and the system's certificates")
                .with_source(error.without_url())
        })
    }

    /// The client for a request, and the request in the form that this client sends.
    fn directed(&self, request: &HttpRequest) -> Result<(Client, HttpRequest), HttpFailure> {
        let Some(to) = &request.connect_to else {
            return Ok((self.client.clone(), request.clone()));
        };
        let mut url = parsed(&request.url)?;
        let wrong = |why: &str| HttpFailure::new(format!("cannot connect to {to}: {why}"));
        let port = to
            .port()
            .or(url.port_or_known_default())
            .ok_or_else(|| wrong("no port is known"))?;
        // Only a name is looked up, so only a name can be led elsewhere.
        if url.domain().is_none() {
            return Err(wrong(
                "the URL has an address, and a certificate needs its name",
            ));
        }
        let mut directed = request.clone();
        let has_host = |(name, _): &(String, String)| name.eq_ignore_ascii_case("host");
        if let Some(own) = url.port() {
            // The client would connect to a port in the URL.
            if !request.headers.iter().any(has_host) {
                let host = format!("{}:{own}", url.host_str().unwrap_or_default());
                directed = directed.with_header("Host", host);
            }
            url.set_port(None)
                .map_err(|()| wrong("the URL's port cannot be changed"))?;
            directed.url = url.into();
        }
        let client = self
            .to(to.host(), port)
            .map_err(|error| wrong(&error.to_string()))?;
        Ok((client, directed))
    }
}

/// Resolves every name to one host.
struct Only((String, u16));

impl Resolve for Only {
    fn resolve(&self, _: Name) -> Resolving {
        let place = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host(place).await?;
            let found: Addrs = Box::new(Vec::from_iter(found).into_iter());
            Ok(found)
        })
    }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let (client, directed) = self.directed(request)?;
        let ready = to_reqwest(&client, &directed)?;
        let advice = request.connect_to.is_none();
        let exchange = async {
            let began = Instant::now();
            let sent = ready.send().await.map_err(failure);
            let answer = sent.map_err(|failure| advised(failure, advice))?;
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

/// The largest body that is read. The bodies that checks look at are far smaller.
const LARGEST_BODY: usize = 1024 * 1024;

/// Converts the request for reqwest. Messages name a header and never show its value.
fn to_reqwest(client: &Client, request: &HttpRequest) -> Result<RequestBuilder, HttpFailure> {
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| HttpFailure::new("the method is not valid"))?;
    let url = parsed(&request.url)?;
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

fn parsed(url: &str) -> Result<Url, HttpFailure> {
    Url::parse(url).map_err(|error| HttpFailure::new(format!("the URL is not valid: {error}")))
}

/// A balancer that is asked by its own name may have the certificate of another host.
fn advised(mut failure: HttpFailure, advice: bool) -> HttpFailure {
    if advice && failure.message.contains("not valid for name") {
        let what = "cannot connect, the certificate is another host's (see `connect_to`):";
        failure.message = failure.message.replacen("cannot connect:", what, 1);
    }
    failure
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
