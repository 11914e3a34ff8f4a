//! The time at which the credentials end.

use std::time::Duration;

use bluegreen::{Aws, aws::CredentialLife};
use jiff::Timestamp;

use super::say::say_line;

/// The longest wait for the source of the credentials, which answered before, for the first call.
const LIMIT: Duration = Duration::from_secs(10);

/// Returns the end of credentials that nothing renews, if it is known, and prints a note if it is not.
/// If there are no credentials, the first call that needs them reports it.
pub(crate) async fn end(aws: &Aws) -> Option<Timestamp> {
    match tokio::time::timeout(LIMIT, aws.credential_life()).await {
        Ok(Ok(CredentialLife::Until(end))) => Some(end),
        Ok(Ok(CredentialLife::Unknown)) => {
            say_line!(
                "note: the credentials are temporary, and their end is not known: they must last until \
                 the deadline. Set AWS_CREDENTIAL_EXPIRATION to their end to have the run cancelled in time"
            );
            None
        }
        _ => None,
    }
}
