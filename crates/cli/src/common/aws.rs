//! The real AWS.

use bluegreen::Aws;

use super::say::say_line;

/// Returns AWS as the environment describes it. Prints a note for each endpoint that is not AWS's own,
/// since all calls go there, and a note if no region is configured.
pub(crate) async fn from_env() -> Aws {
    noted(Aws::from_env().await)
}

/// As [`from_env`], but in this region, if it is known.
pub(crate) async fn from_env_in(region: Option<String>) -> Aws {
    match region {
        Some(region) => noted(Aws::from_env_in(region).await),
        None => from_env().await,
    }
}

fn noted(aws: Aws) -> Aws {
    for note in aws.endpoint_notes() {
        say_line!("note: {note}");
    }
    if aws.region().is_none() {
        say_line!("note: no region is configured: set AWS_REGION, or `region` in the profile");
    }
    aws
}
