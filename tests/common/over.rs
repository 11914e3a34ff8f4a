//! AWS over a test's own connection: the SDK is real, but there is no socket.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::HttpClient;
use bluegreen::Aws;

/// AWS behind a connection.
pub(crate) fn aws_over(connection: impl HttpClient + 'static) -> Aws {
    let credentials = Credentials::new("testing", "testing", None, None, "tests");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(connection)
        .build();
    Aws::from_config(&config)
}
