//! The real AWS.

use bluegreen::Aws;

use super::say::say_line;

/// AWS as the environment describes it. Names the endpoints that are not AWS's own, since whatever
/// follows happens there, and says if there is no region.
pub(crate) async fn from_env() -> Aws {
    noted(Aws::from_env().await)
}

/// The same in a region, if one is known.
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
