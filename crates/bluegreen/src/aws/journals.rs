//! Journals in S3, with the credentials of everything else.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::{
    BackoffConfig, ClientOptions, CredentialProvider, RetryConfig,
    aws::{AmazonS3Builder, AwsCredential},
};

use super::Aws;
use crate::{
    clock::Clock,
    error::{Error, ErrorKind, Result},
    store::JournalStore,
};

/// One try may take so long.
const TRY_LIMIT: Duration = Duration::from_secs(4);
/// All tries of a call may take so long; a record must be there well within a permit.
const LIMIT: Duration = Duration::from_secs(7);

impl Aws {
    /// Journals below `prefix` of an S3 bucket, which controllers on all machines share: the lock
    /// holds between all of them. Uses the region and the credentials of this handle, and
    /// `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` where the store is elsewhere.
    ///
    /// Records are created with `If-None-Match: *`
    /// ([S3](https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html)), and
    /// never changed or deleted. An expiration of a month or more in the bucket's life-cycle rules
    /// takes old ones away.
    ///
    /// # IAM
    ///
    /// `s3:PutObject` and `s3:GetObject` below the prefix, `s3:ListBucket` of the bucket.
    ///
    /// # Errors
    ///
    /// `Invalid` where this handle is not made from a configuration with credentials, as that of a
    /// simulation, or the bucket is no name.
    pub fn journals(&self, bucket: &str, prefix: &str) -> Result<JournalStore> {
        let attempted = || format!("open the journals in `s3://{bucket}/{prefix}`");
        let invalid = |why: &str| Error::new(ErrorKind::Invalid, format!("{}: {why}", attempted()));
        let config = self.config.as_ref();
        let config = config.ok_or_else(|| invalid("a simulation has no S3"))?;
        let provider = config.credentials_provider();
        let provider = provider.ok_or_else(|| invalid("there are no credentials"))?;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_credentials(Arc::new(Credentials::new(provider, self.clock())))
            .with_client_options(
                ClientOptions::new()
                    .with_connect_timeout(TRY_LIMIT)
                    .with_timeout(TRY_LIMIT),
            )
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: 3,
                retry_timeout: LIMIT,
            });
        if let Some(region) = self.region() {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = endpoint(config) {
            let is_plain = endpoint.starts_with("http://");
            builder = builder.with_endpoint(endpoint).with_allow_http(is_plain);
        }
        let store = builder
            .build()
            .map_err(|error| Error::new(ErrorKind::Invalid, attempted()).with_source(error))?;
        let place = format!("s3://{bucket}/{prefix}");
        Ok(JournalStore::of_objects(
            Arc::new(store),
            prefix,
            place,
            true,
        ))
    }
}

fn endpoint(config: &SdkConfig) -> Option<String> {
    let own = std::env::var("AWS_ENDPOINT_URL_S3").ok();
    own.or_else(|| config.endpoint_url().map(str::to_owned))
}

/// The credentials of the SDK's configuration, kept until shortly before they expire.
#[derive(Debug)]
struct Credentials {
    provider: SharedCredentialsProvider,
    clock: Arc<dyn Clock>,
    kept: Mutex<Option<(Arc<AwsCredential>, Option<SystemTime>)>>,
}

/// New ones are asked for so long before the old ones expire.
const BEFORE_EXPIRY: Duration = Duration::from_secs(300);

impl Credentials {
    fn new(provider: SharedCredentialsProvider, clock: Arc<dyn Clock>) -> Self {
        Self {
            provider,
            clock,
            kept: Mutex::new(None),
        }
    }

    fn kept(&self) -> Option<Arc<AwsCredential>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (credential, expiry) = kept.as_ref()?;
        let now = SystemTime::from(self.clock.now());
        let lasts = expiry.is_none_or(|expiry| now + BEFORE_EXPIRY < expiry);
        lasts.then(|| Arc::clone(credential))
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        if let Some(kept) = self.kept() {
            return Ok(kept);
        }
        let found = self.provider.provide_credentials().await;
        let found = found.map_err(|error| object_store::Error::Generic {
            store: "S3",
            source: Box::new(error),
        })?;
        let credential = Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((Arc::clone(&credential), found.expiry()));
        Ok(credential)
    }
}
