//! A webhook: a signed POST.

use std::{fmt, time::Duration};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{answer::Answer, message::Message};
use crate::{
    check::{HttpClient as _, HttpRequest, ReqwestClient},
    error::{Error, ErrorKind, Result},
};

/// A key that is shorter can be guessed.
const SHORTEST_SECRET: usize = 16;
/// How long after a failure the message is sent again.
const AGAIN: Duration = Duration::from_secs(1);

/// A place that gets signed messages. Its URL is a secret too: chat services take each message that comes to it.
pub(crate) struct Webhook {
    url: String,
    secret: Vec<u8>,
    client: ReqwestClient,
}

impl Webhook {
    pub(super) fn new(url: &str, secret: Vec<u8>) -> Result<Self> {
        let invalid = |message: &str, hint: &str| {
            Err(Error::new(ErrorKind::Invalid, message).with_hint(hint))
        };
        let is_web = reqwest::Url::parse(url).is_ok_and(|url| url.scheme().starts_with("http"));
        if !is_web {
            return invalid(
                "the webhook's URL is not of http or https",
                "give the whole URL",
            );
        }
        if secret.len() < SHORTEST_SECRET {
            return invalid(
                "the webhook's secret is shorter than 16 bytes",
                "make one: `openssl rand -hex 32`",
            );
        }
        Ok(Self {
            url: url.to_owned(),
            secret,
            client: ReqwestClient::new()?,
        })
    }

    /// Sends a message, again and again until it is taken or refused; the caller limits the time.
    pub(super) async fn send(&self, message: &Message, limit: Duration) -> Answer {
        let body = message.json();
        let seconds = message.at.as_second().to_string();
        let signature = format!("v1={}", signature(&self.secret, &seconds, &body));
        let request = HttpRequest::new("POST", &self.url)
            .with_header("Content-Type", "application/json")
            .with_header("X-Bluegreen-Timestamp", seconds)
            .with_header("X-Bluegreen-Signature", signature)
            .with_body(body)
            .with_timeout(limit);
        loop {
            match self.client.send(&request).await.map(|answer| answer.status) {
                Ok(200..=299) => {
                    return Answer::Ended {
                        code: 0,
                        line: String::new(),
                    };
                }
                Ok(429 | 500..) | Err(_) => tokio::time::sleep(AGAIN).await,
                Ok(status) => return Answer::None(format!("the webhook answered {status}")),
            }
        }
    }
}

/// The HMAC-SHA256 of time and body, in hexadecimal digits.
fn signature(secret: &[u8], seconds: &str, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        unreachable!("HMAC takes a key of any length");
    };
    mac.update(seconds.as_bytes());
    mac.update(b".");
    mac.update(body);
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_another_program_computes() {
        // printf '%s' '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
        let secret = b"0123456789abcdef";
        let signed = signature(secret, "1700000000", br#"{"a":1}"#);
        assert_eq!(
            signed,
            "9eb18f493f8ec135d9eb2dad817c369bb4e9cbfa818657897a7437c1cd8c3a23"
        );
    }

    #[test]
    fn p12_neither_url_nor_secret_is_shown() {
        let webhook = Webhook::new("https://hooks.example/canary", b"canary-0123456789".into());
        let shown = format!("{:?}", webhook.unwrap());
        assert!(!shown.contains("canary"), "{shown}");
        for (url, secret) in [
            ("canary", "canary-0123456789"),
            ("ftp://canary", "canary-0123456789"),
            ("https://canary", "canary"),
        ] {
            let error = Webhook::new(url, secret.into()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }
}
