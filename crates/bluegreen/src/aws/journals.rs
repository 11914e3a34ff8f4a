//! Journals in S3, with the credentials of everything else.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::{
    BackoffConfig, ClientOptions, CredentialProvider, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AwsCredential},
};

use super::{
    Aws,
    endpoints::{NO_URL, Service, s3_of},
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind, Result},
    store::JournalStore,
};

/// The limit of one try.
const TRY_LIMIT: Duration = Duration::from_secs(4);
/// The limit of a call with all its tries; a record must be there well within a permit.
const LIMIT: Duration = Duration::from_secs(7);

impl Aws {
    /// Journals below `prefix` of an S3 bucket, which controllers on all machines share: a lease
    /// holds between all of them. Uses the region and the credentials of this handle, and its
    /// endpoint of S3: the configured one, found as for every other client, or the host of the
    /// region in its partition.
    ///
    /// Records are created with `If-None-Match: *`
    /// ([S3](https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html)), and
    /// never changed. [`JournalLog::prune`](crate::store::JournalLog::prune) deletes the records of
    /// old runs. A life-cycle rule must not delete any: it knows neither which run is the newest
    /// nor which records belong together.
    ///
    /// # IAM
    ///
    /// `s3:PutObject` and `s3:GetObject` below the prefix, `s3:ListBucket` of the bucket; to prune,
    /// `s3:DeleteObject` below the prefix too.
    ///
    /// # Errors
    ///
    /// `Invalid` if this handle is not made from a configuration with credentials (the handle of a
    /// simulation is not), if there is neither a region nor an endpoint of S3, or if the bucket has
    /// no valid name.
    pub fn journals(&self, bucket: &str, prefix: &str) -> Result<JournalStore> {
        let place = format!("s3://{bucket}/{prefix}");
        let store = Arc::new(self.s3(bucket, &place)?);
        let store = JournalStore::of_objects(store, prefix, place, true);
        // A directory bucket lists in no order, and cannot list from a name on:
        // https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
        Ok(match bucket.ends_with("--x-s3") {
            true => store.unsorted(),
            false => store,
        })
    }

    /// The bucket as a store.
    fn s3(&self, bucket: &str, place: &str) -> Result<AmazonS3> {
        let attempted = || format!("open the journals in `{place}`");
        let invalid = |why: &str| Error::new(ErrorKind::Invalid, format!("{}: {why}", attempted()));
        let config = self
            .config
            .as_ref()
            .ok_or_else(|| invalid("a simulation has no S3"))?;
        let provider = config
            .credentials_provider()
            .ok_or_else(|| invalid("there are no credentials"))?;
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
        let builder = match (self.endpoints.get(Service::S3), self.region()) {
            (Some(own), _) if !own.is_url() => {
                let hint = "give a URL in AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or the profile";
                let message = format!("the endpoint of S3 in the configuration is {NO_URL}");
                return Err(invalid(&message).with_hint(hint));
            }
            (Some(own), _) => builder
                .with_endpoint(own.as_str())
                .with_allow_http(own.is_plain()),
            (None, Some(region)) => builder.with_endpoint(s3_of(region, config)),
            (None, None) => {
                let hint = "set AWS_REGION, or the profile's `region`";
                return Err(invalid("there is no region").with_hint(hint));
            }
        };
        builder
            .build()
            .map_err(|error| Error::new(ErrorKind::Invalid, attempted()).with_source(error))
    }
}

/// The credentials of the SDK's configuration, kept until shortly before they expire.
#[derive(Debug)]
struct Credentials {
    provider: SharedCredentialsProvider,
    clock: Arc<dyn Clock>,
    kept: Mutex<Option<(Arc<AwsCredential>, Option<SystemTime>)>>,
}

/// New credentials are asked for this long before the old ones expire.
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
        let found = self.provider.provide_credentials().await.map_err(|error| {
            object_store::Error::Generic {
                store: "S3",
                source: Box::new(error),
            }
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

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, ConfigLoader, Region};
    use aws_credential_types::Credentials as Keys;
    use object_store::{path::Path, signer::Signer as _};

    use super::*;
    use crate::aws::{endpoints::testing::loader_of, loader};

    /// The URL at which a record would be read.
    async fn url(loader: ConfigLoader) -> Result<String> {
        let keys = Keys::new("AKIDEXAMPLE", "key", None, None, "tests");
        let config = loader.credentials_provider(keys).load().await;
        let store = Aws::from_config(&config).s3("bucket", "s3://bucket/p")?;
        let (get, path) = ("GET".parse().unwrap(), Path::from("p/1"));
        let mut signed = store.signed_url(get, &path, TRY_LIMIT).await.unwrap();
        signed.set_query(None);
        Ok(signed.into())
    }

    #[tokio::test]
    async fn a_record_is_asked_of_the_regions_own_host_in_every_partition() {
        for (region, host) in [
            ("eu-central-1", "s3.eu-central-1.amazonaws.com"),
            ("us-gov-east-1", "s3.us-gov-east-1.amazonaws.com"),
            ("cn-northwest-1", "s3.cn-northwest-1.amazonaws.com.cn"),
            ("us-iso-east-1", "s3.us-iso-east-1.c2s.ic.gov"),
            ("eusc-de-east-1", "s3.eusc-de-east-1.amazonaws.eu"),
        ] {
            let asked = url(loader().region(Region::new(region))).await.unwrap();
            assert_eq!(asked, format!("https://{host}/bucket/p/1"));
        }
    }

    #[tokio::test]
    async fn a_record_is_asked_where_the_profile_says() {
        for (text, base) in [
            ("endpoint_url = http://127.0.0.1:1", "http://127.0.0.1:1"),
            (
                "endpoint_url = http://127.0.0.1:1\nservices = s\n[services s]\ns3 =\n  \
                 endpoint_url = https://me:secret@localhost:2",
                "https://localhost:2",
            ),
            (
                "endpoint_url = http://127.0.0.1:1\nignore_configured_endpoint_urls = true",
                "https://s3.eu-west-1.amazonaws.com",
            ),
        ] {
            let asked = url(loader_of(text)).await.unwrap();
            assert_eq!(asked, format!("{base}/bucket/p/1"));
        }
    }

    #[tokio::test]
    async fn p12_an_endpoint_that_is_no_url_is_refused_without_its_text() {
        let error = url(loader_of("endpoint_url = me:secret@localhost:2"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("not a URL"), "{error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }

    #[test]
    fn without_a_region_nothing_is_asked() {
        let keys = Keys::new("AKIDEXAMPLE", "key", None, None, "tests");
        let config = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .build();
        let error = Aws::from_config(&config).journals("b", "p").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.hint().unwrap().contains("AWS_REGION"));
    }
}
