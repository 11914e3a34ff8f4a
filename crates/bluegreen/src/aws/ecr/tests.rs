use std::sync::Arc;

use aws_sdk_ecr::{
    operation::{
        batch_get_image::{BatchGetImageInput, BatchGetImageOutput},
        describe_images::{DescribeImagesInput, DescribeImagesOutput},
        get_authorization_token::GetAuthorizationTokenOutput,
        put_image::{PutImageInput, PutImageOutput},
    },
    types::{AuthorizationData, Image, ImageDetail, ImageIdentifier},
};
use aws_smithy_types::DateTime;
use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::EcrRegistry;
use crate::{
    ErrorKind,
    aws::{
        Aws, Parts,
        api::{ApiError, MockEcrApi},
    },
    image::{ImageDigest, ImageRegistry as _, ImageTag, Tagging},
    preflight::Severity,
};

fn registry(ecr: MockEcrApi) -> EcrRegistry {
    let parts = Parts {
        ecr: Arc::new(ecr),
        ..Parts::untouched()
    };
    EcrRegistry::new(&Aws::from_parts(parts, None), "chatbot")
}

fn digest() -> ImageDigest {
    format!("sha256:{}", "a".repeat(64))
        .parse()
        .expect("a digest")
}

fn tag() -> ImageTag {
    "latest".parse().expect("a tag")
}

fn token(expires: i64) -> GetAuthorizationTokenOutput {
    let data = AuthorizationData::builder()
        .authorization_token(BASE64_STANDARD.encode("AWS:canary:with:colons"))
        .expires_at(DateTime::from_secs(expires))
        .proxy_endpoint("https://1.dkr.ecr.us-east-1.amazonaws.com");
    GetAuthorizationTokenOutput::builder()
        .authorization_data(data.build())
        .build()
}

#[tokio::test]
async fn p12_a_password_is_split_at_the_first_colon_kept_while_it_is_good_and_never_shown() {
    let mut ecr = MockEcrApi::new();
    ecr.expect_get_authorization_token()
        .times(1)
        .returning(|_| Ok(token(32_503_680_000)));
    let registry = registry(ecr);
    for _ in 0..2 {
        let found = registry.credentials().await.expect("given").expect("some");
        assert_eq!(
            (found.user.as_str(), found.password()),
            ("AWS", "canary:with:colons")
        );
        assert_eq!(found.host, "1.dkr.ecr.us-east-1.amazonaws.com");
        assert!(!format!("{found:?} {registry:?}").contains("canary"));
    }
}

#[tokio::test]
async fn a_password_that_has_expired_when_it_comes_is_used_and_not_kept() {
    let mut ecr = MockEcrApi::new();
    ecr.expect_get_authorization_token()
        .times(2)
        .returning(|_| Ok(token(1_420_070_400)));
    let registry = registry(ecr);
    for _ in 0..2 {
        assert!(registry.credentials().await.expect("given").is_some());
    }
}

#[tokio::test]
async fn expired_credentials_are_refused_before_anything_starts() {
    let mut ecr = MockEcrApi::new();
    ecr.expect_get_authorization_token().returning(|_| {
        let code = "ExpiredTokenException";
        Err(ApiError::new(
            ErrorKind::Denied,
            "GetAuthorizationToken",
            code,
            "expired",
        ))
    });
    let findings = registry(ecr).preflight().await.expect("it looked");
    assert_eq!(findings[0].severity, Severity::Refuse);
    assert!(
        findings[0]
            .hint
            .as_deref()
            .is_some_and(|hint| hint.contains("log in"))
    );
}

#[tokio::test]
async fn p04_an_absent_tag_is_none_in_both_of_its_shapes() {
    let mut ecr = MockEcrApi::new();
    let wanted = DescribeImagesInput::builder()
        .repository_name("chatbot")
        .image_ids(ImageIdentifier::builder().image_tag("latest").build());
    ecr.expect_describe_images()
        .withf(move |input| *input == wanted)
        .times(1)
        .return_once(|_| Ok(DescribeImagesOutput::builder().build()));
    assert_eq!(registry(ecr).digest(&tag()).await.expect("asked"), None);
    let mut ecr = MockEcrApi::new();
    ecr.expect_describe_images().return_once(|_| {
        let code = "ImageNotFoundException";
        Err(ApiError::new(
            ErrorKind::NotFound,
            "DescribeImages",
            code,
            "none",
        ))
    });
    assert_eq!(registry(ecr).digest(&tag()).await.expect("asked"), None);
    for kind in [
        ErrorKind::Denied,
        ErrorKind::Throttled,
        ErrorKind::Unavailable,
    ] {
        let mut ecr = MockEcrApi::new();
        ecr.expect_describe_images()
            .return_once(move |_| Err(ApiError::new(kind, "DescribeImages", "Code", "m")));
        let error = registry(ecr).digest(&tag()).await.expect_err("not known");
        assert_eq!(error.kind(), kind);
    }
}

fn holding() -> MockEcrApi {
    let mut ecr = MockEcrApi::new();
    let id = ImageIdentifier::builder()
        .image_digest(digest().as_str())
        .build();
    let wanted = BatchGetImageInput::builder()
        .repository_name("chatbot")
        .image_ids(id);
    ecr.expect_batch_get_image()
        .withf(move |input| *input == wanted)
        .times(1)
        .return_once(|_| {
            let image = Image::builder()
                .image_manifest("{\"schemaVersion\": 2}")
                .image_manifest_media_type("application/vnd.oci.image.manifest.v1+json");
            Ok(BatchGetImageOutput::builder().images(image.build()).build())
        });
    ecr
}

#[tokio::test]
async fn a_further_tag_is_the_same_manifest_byte_for_byte() {
    let mut ecr = holding();
    let wanted = PutImageInput::builder()
        .repository_name("chatbot")
        .image_manifest("{\"schemaVersion\": 2}")
        .image_manifest_media_type("application/vnd.oci.image.manifest.v1+json")
        .image_tag("latest");
    ecr.expect_put_image()
        .withf(move |input| *input == wanted)
        .times(1)
        .return_once(|_| Ok(PutImageOutput::builder().build()));
    let tagged = registry(ecr).tag(&digest(), &tag()).await.expect("tagged");
    assert_eq!(tagged, Tagging::Moved);
}

#[tokio::test]
async fn a_tag_that_may_not_move_is_no_error() {
    for (code, refused) in [
        ("ImageTagAlreadyExistsException", true),
        ("ImageAlreadyExistsException", false),
    ] {
        let mut ecr = holding();
        ecr.expect_put_image()
            .return_once(move |_| Err(ApiError::new(ErrorKind::Conflict, "PutImage", code, "m")));
        let tagged = registry(ecr)
            .tag(&digest(), &tag())
            .await
            .expect("no error");
        assert_eq!(matches!(tagged, Tagging::Refused { .. }), refused);
    }
}

#[tokio::test]
async fn p10_a_lost_answer_to_a_tag_is_observed() {
    let mut ecr = holding();
    ecr.expect_put_image().return_once(|_| {
        Err(ApiError::new(
            ErrorKind::OutcomeUnknown,
            "PutImage",
            "lost",
            "m",
        ))
    });
    ecr.expect_describe_images().times(1).return_once(|_| {
        let detail = ImageDetail::builder().image_digest(digest().as_str());
        Ok(DescribeImagesOutput::builder()
            .image_details(detail.build())
            .build())
    });
    let tagged = registry(ecr)
        .tag(&digest(), &tag())
        .await
        .expect("it had happened");
    assert_eq!(tagged, Tagging::Moved);
}
