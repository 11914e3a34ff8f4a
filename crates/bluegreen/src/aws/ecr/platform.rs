//! The platforms that an image is for, as the registry tells them.

use std::time::Duration;

use aws_sdk_ecr::{
    operation::{
        batch_get_image::BatchGetImageInput,
        get_download_url_for_layer::GetDownloadUrlForLayerInput,
    },
    types::ImageIdentifier,
};
use serde_json::Value;

use crate::{
    aws::{Aws, api::ApiError},
    check::{HttpClient, HttpRequest},
    image::ImageRef,
};

/// The platforms are not worth a longer wait; what cannot be read is reported.
const LIMIT: Duration = Duration::from_secs(10);

/// The repository and the registry that an image is in.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    account: &'a str,
    region: &'a str,
    name: &'a str,
}

/// The platforms of an image, such as `linux/arm64/v8`; or why they are not known.
pub(in crate::aws) async fn platforms(
    aws: &Aws,
    client: Option<&dyn HttpClient>,
    image: &ImageRef,
) -> Result<Vec<String>, String> {
    let place = place(image.repository()).ok_or("its registry is not ECR")?;
    if aws.region().is_some_and(|own| own != place.region) {
        return Err(format!(
            "its registry is in {}, another region",
            place.region
        ));
    }
    let read = tokio::time::timeout(LIMIT, read(aws, client, image, &place)).await;
    read.unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs())))
}

/// An index names the platforms itself; a single manifest names a blob that does
/// ([OCI](https://github.com/opencontainers/image-spec/blob/main/config.md#properties)).
async fn read(
    aws: &Aws,
    client: Option<&dyn HttpClient>,
    image: &ImageRef,
    place: &Place<'_>,
) -> Result<Vec<String>, String> {
    let manifest = manifest(aws, image, place).await?;
    if let Some(listed) = manifest.get("manifests").and_then(Value::as_array) {
        let platforms = listed.iter().filter_map(|one| platform(&one["platform"]));
        let platforms: Vec<String> = platforms.collect();
        return match platforms.is_empty() {
            true => Err("its index names no platform".to_owned()),
            false => Ok(platforms),
        };
    }
    let config = manifest
        .pointer("/config/digest")
        .and_then(Value::as_str)
        .ok_or("its manifest names no configuration")?;
    let client = client.ok_or("it is in a blob, and there is no HTTP client to fetch it")?;
    let input = GetDownloadUrlForLayerInput::builder()
        .registry_id(place.account)
        .repository_name(place.name)
        .layer_digest(config);
    let answer = aws
        .ecr
        .get_download_url_for_layer(input)
        .await
        .map_err(|error| told(error, "ask for its blob"))?;
    let url = answer
        .download_url
        .ok_or("the answer has no URL of its blob")?;
    let request = HttpRequest::new("GET", url).with_timeout(LIMIT);
    let answer = client
        .send(&request)
        .await
        .map_err(|failure| format!("its blob: {failure}"))?;
    if answer.status != 200 {
        return Err(format!("its blob was answered with {}", answer.status));
    }
    let config: Value = serde_json::from_slice(&answer.body)
        .map_err(|_| "its blob is not JSON, as an image's is".to_owned())?;
    let platform = platform(&config).ok_or("its configuration names no platform")?;
    Ok(vec![platform])
}

async fn manifest(aws: &Aws, image: &ImageRef, place: &Place<'_>) -> Result<Value, String> {
    let id = ImageIdentifier::builder().image_digest(image.digest().as_str());
    let input = BatchGetImageInput::builder()
        .registry_id(place.account)
        .repository_name(place.name)
        .image_ids(id.build());
    let answer = aws
        .ecr
        .batch_get_image(input)
        .await
        .map_err(|error| told(error, "read its manifest"))?;
    let held = answer.images().first().and_then(|one| one.image_manifest());
    let text = held.ok_or("the registry does not have it")?;
    serde_json::from_str(text).map_err(|_| "its manifest is not JSON".to_owned())
}

fn told(error: ApiError, attempted: &str) -> String {
    crate::Failure::from(&error.into_error(attempted)).message
}

/// `os/architecture`, and the variant if there is one. The attestations of a build have no
/// platform, and say so by "unknown".
fn platform(named: &Value) -> Option<String> {
    let part = |field: &str| {
        let text = named.get(field)?.as_str()?;
        Some(text).filter(|text| !text.is_empty() && *text != "unknown")
    };
    let (os, architecture) = (part("os")?, part("architecture")?);
    Some(match part("variant") {
        Some(variant) => format!("{os}/{architecture}/{variant}"),
        None => format!("{os}/{architecture}"),
    })
}

/// `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME`, or the same in the form of both address families
/// ([ECR](https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html)).
fn place(repository: &str) -> Option<Place<'_>> {
    let (host, name) = repository.split_once('/')?;
    let (account, rest) = host.split_once('.')?;
    let forms = ["dkr.ecr.", "dkr.ecr-fips.", "dkr-ecr.", "dkr-ecr-fips."];
    let rest = forms.iter().find_map(|form| rest.strip_prefix(form))?;
    let (region, domain) = rest.split_once('.')?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_aws = domain.starts_with("amazonaws.") || domain == "on.aws";
    (is_account && is_aws && !name.is_empty()).then_some(Place {
        account,
        region,
        name,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use aws_sdk_ecr::{
        operation::{
            batch_get_image::BatchGetImageOutput,
            get_download_url_for_layer::GetDownloadUrlForLayerOutput,
        },
        types::Image,
    };
    use serde_json::json;

    use super::*;
    use crate::{
        ErrorKind,
        aws::{Parts, api::MockEcrApi},
        check::{HttpFailure, HttpResponse},
    };

    const REPOSITORY: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/web";
    const URL: &str = "https://blobs.example.com/config?X-Amz-Signature=canary";

    fn image(repository: &str) -> ImageRef {
        let digest = format!("sha256:{}", "a".repeat(64));
        format!("{repository}@{digest}").parse().expect("an image")
    }

    /// A registry with one manifest, and the handle to it.
    fn aws(manifest: Option<Value>, has_url: bool) -> Aws {
        let mut ecr = MockEcrApi::new();
        ecr.expect_batch_get_image().returning(move |asked| {
            let ids = asked.get_image_ids().clone().unwrap_or_default();
            assert_eq!(asked.get_registry_id().as_deref(), Some("123456789012"));
            assert_eq!(asked.get_repository_name().as_deref(), Some("team/web"));
            assert_eq!(ids[0].image_digest(), Some(image("x").digest().as_str()));
            let found = manifest.as_ref().map(|manifest| {
                let image = Image::builder().image_manifest(manifest.to_string());
                vec![image.build()]
            });
            Ok(BatchGetImageOutput::builder().set_images(found).build())
        });
        ecr.expect_get_download_url_for_layer()
            .returning(move |asked| {
                assert_eq!(asked.get_layer_digest().as_deref(), Some("sha256:config"));
                if !has_url {
                    let kind = ErrorKind::Denied;
                    return Err(ApiError::new(kind, "GetDownloadUrlForLayer", "Code", "no"));
                }
                let answer = GetDownloadUrlForLayerOutput::builder().download_url(URL);
                Ok(answer.build())
            });
        let parts = Parts {
            ecr: Arc::new(ecr),
            ..Parts::untouched()
        };
        Aws::from_parts(parts, Some("us-east-1".to_owned()))
    }

    #[derive(Debug)]
    struct Blob(u16, &'static str);

    #[async_trait]
    impl HttpClient for Blob {
        async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
            assert_eq!(
                (request.method.as_str(), request.url.as_str()),
                ("GET", URL)
            );
            Ok(HttpResponse::new(self.0, self.1))
        }
    }

    #[tokio::test]
    async fn an_index_names_its_platforms_and_what_is_attested_is_none() {
        let index = json!({"manifests": [
            {"platform": {"architecture": "amd64", "os": "linux"}},
            {"platform": {"architecture": "arm64", "os": "linux", "variant": "v8"}},
            {"platform": {"architecture": "unknown", "os": "unknown"}},
        ]});
        let found = platforms(&aws(Some(index), false), None, &image(REPOSITORY)).await;
        let wanted = ["linux/amd64", "linux/arm64/v8"].map(str::to_owned);
        assert_eq!(found, Ok(wanted.to_vec()));
    }

    #[tokio::test]
    async fn one_manifest_names_a_blob_that_names_the_platform() {
        let manifest = json!({"config": {"digest": "sha256:config"}, "layers": []});
        let aws = aws(Some(manifest), true);
        let blob = Blob(200, r#"{"architecture": "arm64", "os": "linux"}"#);
        let found = platforms(&aws, Some(&blob), &image(REPOSITORY)).await;
        assert_eq!(found, Ok(vec!["linux/arm64".to_owned()]));
        for (blob, sign) in [
            (Blob(403, ""), "403"),
            (Blob(200, "<html>"), "not JSON"),
            (Blob(200, "{}"), "no platform"),
        ] {
            let why = platforms(&aws, Some(&blob), &image(REPOSITORY))
                .await
                .expect_err("it is not known");
            assert!(why.contains(sign), "{why}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_said() {
        let single = json!({"config": {"digest": "sha256:config"}});
        let blob = Blob(200, "{}");
        let cases: [(Aws, Option<&dyn HttpClient>, &str); 5] = [
            (aws(None, true), Some(&blob), "does not have it"),
            (aws(Some(json!([])), true), Some(&blob), "no configuration"),
            (
                aws(Some(json!({"manifests": []})), true),
                None,
                "no platform",
            ),
            (aws(Some(single.clone()), true), None, "no HTTP client"),
            (aws(Some(single), false), Some(&blob), "ask for its blob"),
        ];
        for (aws, client, sign) in cases {
            let why = platforms(&aws, client, &image(REPOSITORY))
                .await
                .expect_err("it is not known");
            assert!(why.contains(sign), "{sign}: {why}");
            assert!(!why.contains("canary"), "{why}");
        }
        let untouched = Aws::from_parts(Parts::untouched(), Some("us-east-1".to_owned()));
        for (repository, sign) in [
            ("registry.example.com/web", "not ECR"),
            (
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web",
                "eu-west-1",
            ),
        ] {
            let why = platforms(&untouched, Some(&blob), &image(repository)).await;
            assert!(why.expect_err("it is not known").contains(sign));
        }
    }

    #[test]
    fn a_repository_of_ecr_is_known_in_each_of_its_forms() {
        for host in [
            "123456789012.dkr.ecr.us-east-1.amazonaws.com",
            "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com.cn",
            "123456789012.dkr-ecr.us-east-1.on.aws",
        ] {
            let repository = format!("{host}/team/web");
            let found = place(&repository).expect(host);
            assert_eq!((found.region, found.name), ("us-east-1", "team/web"));
        }
        for other in [
            "public.ecr.aws/x/web",
            "web",
            "1.dkr.ecr.us-east-1.amazonaws.com/web",
            "123456789012.dkr.ecr.us-east-1.example.com/web",
        ] {
            assert_eq!(place(other), None, "{other}");
        }
    }
}
