//! When the credentials end.

use std::time::Duration;

use bluegreen::{Aws, aws::CredentialLife};
use jiff::Timestamp;

use super::say::say_line;

/// Their source may take so long: it was asked before, for the first call.
const LIMIT: Duration = Duration::from_secs(10);

/// The end of credentials that nothing renews, if it is known. Says so if it is not. Credentials that
/// cannot be had are told by the first call that needs them.
pub(crate) async fn end(aws: &Aws) -> Option<Timestamp> {
    match tokio::time::timeout(LIMIT, aws.credential_life()).await {
        Ok(Ok(CredentialLife::Until(end))) => Some(end),
        Ok(Ok(CredentialLife::Unknown)) => {
            say_line!(
                "note: the credentials are temporary, and nothing says when they end: they must last \
                 until the deadline; a run is cancelled in time if AWS_CREDENTIAL_EXPIRATION has their end"
            );
            None
        }
        _ => None,
    }
}
