//! The registry's password, kept while it is valid.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_ecr::operation::get_authorization_token::GetAuthorizationTokenInput;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;

use crate::{
    aws::Aws,
    clock::later,
    error::{Error, ErrorKind, Result},
    image::RegistryCredentials,
};

/// A password with less than this left is replaced by a new one: a push of large layers must not
/// outlive it.
const MARGIN: Duration = Duration::from_secs(3600);

/// The last password, with its end. A password lives twelve hours
/// ([ECR API](https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html)).
#[derive(Default)]
pub(super) struct TokenCache {
    held: Mutex<Option<(Timestamp, RegistryCredentials)>>,
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").finish_non_exhaustive()
    }
}

impl TokenCache {
    pub(super) async fn credentials(&self, aws: &Aws) -> Result<RegistryCredentials> {
        let now = aws.time_there();
        if let Some((expires, held)) = &*self.held.lock().unwrap_or_else(PoisonError::into_inner)
            && later(now, MARGIN) < *expires
        {
            return Ok(held.clone());
        }
        let attempted = "ask for the registry's password";
        let input = GetAuthorizationTokenInput::builder();
        let output = aws
            .ecr
            .get_authorization_token(input)
            .await
            .map_err(|error| error.into_error(attempted))?;
        let unreadable = || {
            Error::new(
                ErrorKind::Unavailable,
                format!("{attempted}: it cannot be read"),
            )
        };
        let data = output.authorization_data().first().ok_or_else(unreadable)?;
        let token = data.authorization_token().ok_or_else(unreadable)?;
        let decoded = BASE64_STANDARD.decode(token).map_err(|_| unreadable())?;
        let decoded = String::from_utf8(decoded).map_err(|_| unreadable())?;
        let (user, password) = decoded.split_once(':').ok_or_else(unreadable)?;
        let endpoint = data.proxy_endpoint().unwrap_or_default();
        let host = endpoint.split("://").last().unwrap_or_default();
        let credentials = RegistryCredentials::new(host.trim_end_matches('/'), user, password);
        let expires = data
            .expires_at()
            .and_then(|at| Timestamp::from_second(at.secs()).ok());
        // A password that has expired when it comes is tried, and not kept: clocks differ.
        if let Some(expires) = expires.filter(|expires| *expires > now) {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            *held = Some((expires, credentials.clone()));
        }
        Ok(credentials)
    }
}
