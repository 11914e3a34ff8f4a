//! When the credentials of a handle end, and whether that is the end of a run.

use aws_credential_types::{
    Credentials, credential_feature::AwsCredentialFeature as Source,
    provider::ProvideCredentials as _,
};
use jiff::Timestamp;

use super::Aws;
use crate::error::{Error, ErrorKind, Result};

/// The variable in which tools that set temporary credentials write their end, in RFC 3339:
/// `aws configure export-credentials`, botocore, saml2aws and others
/// ([SDK reference](https://docs.aws.amazon.com/AWSJavaScriptSDK/v3/latest/Package/-aws-sdk-credential-providers/#fromenv)).
const EXPIRATION: &str = "AWS_CREDENTIAL_EXPIRATION";

/// How long the credentials of an [`Aws`] handle last, as far as that can be known.
///
/// | credentials | life |
/// |---|---|
/// | a key without a session token | [`Lasting`](Self::Lasting) |
/// | variables with a session token and `AWS_CREDENTIAL_EXPIRATION` | [`Until`](Self::Until) |
/// | variables with a session token and without that variable, or a profile with a session token | [`Unknown`](Self::Unknown) |
/// | any other source that gives an expiry: roles, web identity, single sign-on, `aws login`, processes, containers, instances, a provider of your own | [`Renewed`](Self::Renewed) |
///
/// Credentials that are renewed may end all the same, and no client can know when: with the session
/// of single sign-on or of `aws login` that new credentials come from (hours; its organization sets
/// how many), with the token file of a web identity that nothing rewrites, or with a process that
/// asks a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialLife {
    /// They have no end.
    Lasting,
    /// They end, and their source gives new ones.
    Renewed,
    /// They end at this time, and nothing renews them.
    Until(Timestamp),
    /// They are temporary, nothing renews them, and nothing says when they end.
    Unknown,
}

impl Aws {
    /// How long the credentials of this handle last. Asks their source once more, which may be a
    /// program or a call of its own. [`Lasting`](CredentialLife::Lasting) for a simulation.
    ///
    /// # Errors
    ///
    /// `Denied` if there are no credentials.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    pub async fn credential_life(&self) -> Result<CredentialLife> {
        let Some(config) = &self.config else {
            return Ok(CredentialLife::Lasting);
        };
        let attempted = "ask for the credentials";
        let provider = config
            .credentials_provider()
            .ok_or_else(|| Error::new(ErrorKind::Denied, attempted))?;
        let found = provider.provide_credentials().await;
        let found =
            found.map_err(|error| Error::new(ErrorKind::Denied, attempted).with_source(error))?;
        Ok(life_of(&found, std::env::var(EXPIRATION).ok().as_deref()))
    }
}

/// Judges by the source that the SDK names, and by the variable.
fn life_of(credentials: &Credentials, expiration: Option<&str>) -> CredentialLife {
    let sources = credentials
        .get_property::<Vec<Source>>()
        .map_or(&[][..], Vec::as_slice);
    let is_of_variables = sources.contains(&Source::CredentialsEnvVars);
    let is_of_profile = sources.contains(&Source::CredentialsProfile);
    // A role that is assumed with a fixed key names both sources.
    let is_renewed = sources.iter().any(|source| {
        !matches!(
            source,
            Source::CredentialsEnvVars | Source::CredentialsProfile | Source::ResolvedAccountId
        )
    });
    match credentials.session_token() {
        None => CredentialLife::Lasting,
        Some(_) if is_renewed => CredentialLife::Renewed,
        Some(_) if is_of_variables => expiration
            .and_then(|text| text.trim().parse().ok())
            .map_or(CredentialLife::Unknown, CredentialLife::Until),
        Some(_) if is_of_profile => CredentialLife::Unknown,
        Some(_) if credentials.expiry().is_some() => CredentialLife::Renewed,
        Some(_) => CredentialLife::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use aws_config::{BehaviorVersion, SdkConfig, profile::ProfileFileCredentialsProvider};
    use aws_credential_types::provider::SharedCredentialsProvider;

    use super::*;
    use crate::aws::endpoints::testing::profile;

    fn of(sources: &[Source], token: bool, expires: bool) -> Credentials {
        let token = token.then(|| "token".to_owned());
        let expiry = expires.then_some(SystemTime::UNIX_EPOCH);
        let mut found = Credentials::new("id", "key", token, expiry, "tests");
        if !sources.is_empty() {
            *found.get_property_mut_or_default::<Vec<Source>>() = sources.to_vec();
        }
        found
    }

    #[test]
    fn only_credentials_that_nothing_renews_have_an_end() {
        use CredentialLife::{Lasting, Renewed, Unknown, Until};
        let end = "2026-11-27T20:00:00Z".parse().unwrap();
        let says = Some("2026-11-27T21:00:00+01:00");
        let variables = &[Source::CredentialsEnvVars, Source::ResolvedAccountId][..];
        let fixed = &[Source::CredentialsProfile][..];
        let role = &[Source::CredentialsProfile, Source::CredentialsStsAssumeRole][..];
        for (sources, token, expires, says, life) in [
            (variables, false, false, says, Lasting),
            (variables, true, false, says, Until(end)),
            (variables, true, false, None, Unknown),
            (variables, true, false, Some("tomorrow"), Unknown),
            (fixed, false, false, None, Lasting),
            (fixed, true, false, says, Unknown),
            (role, true, true, says, Renewed),
            (&[Source::CredentialsSso], true, true, None, Renewed),
            (&[Source::CredentialsImds], true, true, None, Renewed),
            (
                &[Source::CredentialsProfileProcess],
                true,
                true,
                None,
                Renewed,
            ),
            (&[], true, true, None, Renewed),
            (&[], true, false, None, Unknown),
        ] {
            let found = of(sources, token, expires);
            assert_eq!(life_of(&found, says), life, "{sources:?} {token} {says:?}");
        }
    }

    /// What the SDK itself says of a profile with a session token.
    #[tokio::test]
    async fn a_fixed_session_of_a_profile_has_an_end_that_nobody_knows() {
        let keys = "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = key";
        for (more, life) in [
            ("", CredentialLife::Lasting),
            ("\naws_session_token = token", CredentialLife::Unknown),
        ] {
            let provider = ProfileFileCredentialsProvider::builder()
                .profile_files(profile(&format!("{keys}{more}")))
                .profile_name("p")
                .build();
            let config = SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .credentials_provider(SharedCredentialsProvider::new(provider))
                .build();
            let found = Aws::from_config(&config).credential_life().await.unwrap();
            assert_eq!(found, life);
        }
    }
}
