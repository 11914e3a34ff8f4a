//! The identity behind the credentials of a handle.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_sts::{
    Client,
    config::Builder,
    error::{DisplayErrorContext, SdkError},
};

use super::{Aws, DateReader, endpoints::Service};
use crate::error::{Error, ErrorKind, Result};

/// The limit of the call to STS: its answer is only a name, and nothing waits for it.
const LIMIT: Duration = Duration::from_secs(5);

impl Aws {
    /// Asks STS for the identity behind the credentials of this handle: an ARN, such as
    /// `arn:aws:sts::123456789012:assumed-role/deployer/ann`. Needs no right
    /// ([API](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html)).
    ///
    /// The first answer holds for the handle, for its clones, and for the handles that are
    /// [fenced](Self::fenced) from it: STS is asked once.
    ///
    /// # Errors
    ///
    /// `Invalid` for a simulation, which has no credentials. `Unavailable` if STS does not answer
    /// within 5 s.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    pub async fn caller(&self) -> Result<String> {
        let caller = self.caller.get_or_try_init(|| self.ask_for_caller());
        caller.await.cloned()
    }

    async fn ask_for_caller(&self) -> Result<String> {
        let attempted = "ask STS whose credentials these are";
        let config = self.config.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                format!("{attempted}: a simulation has none"),
            )
        })?;
        let limits = TimeoutConfig::builder().operation_timeout(LIMIT).build();
        let reader = DateReader {
            dates: self.dates(),
            clock: self.clock(),
        };
        let mut config = Builder::from(config)
            .timeout_config(limits)
            .interceptor(reader);
        let endpoint = self.endpoints.get(Service::Sts);
        config.set_endpoint_url(endpoint.map(|one| one.as_str().to_owned()));
        let client = Client::from_conf(config.build());
        let identity = client.get_caller_identity().send().await.map_err(|error| {
            let why = match &error {
                SdkError::TimeoutError(_) => format!("no answer within {} s", LIMIT.as_secs()),
                error => DisplayErrorContext(error).to_string(),
            };
            Error::new(ErrorKind::Unavailable, attempted).with_source(why)
        })?;
        let arn = identity.arn().filter(|arn| !arn.is_empty());
        let missing = || {
            Error::new(
                ErrorKind::Unavailable,
                format!("{attempted}: the answer has no ARN"),
            )
        };
        arn.map(str::to_owned).ok_or_else(missing)
    }
}
