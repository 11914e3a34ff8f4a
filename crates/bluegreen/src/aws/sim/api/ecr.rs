//! Elastic Container Registry as the simulation answers it.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ecr::{
    operation::{
        batch_get_image::{BatchGetImageOutput, builders::BatchGetImageInputBuilder},
        create_repository::{CreateRepositoryOutput, builders::CreateRepositoryInputBuilder},
        describe_images::{DescribeImagesOutput, builders::DescribeImagesInputBuilder},
        describe_repositories::{
            DescribeRepositoriesOutput, builders::DescribeRepositoriesInputBuilder,
        },
        get_authorization_token::{
            GetAuthorizationTokenOutput, builders::GetAuthorizationTokenInputBuilder,
        },
        get_download_url_for_layer::{
            GetDownloadUrlForLayerOutput, builders::GetDownloadUrlForLayerInputBuilder,
        },
        put_image::{PutImageOutput, builders::PutImageInputBuilder},
    },
    types::{AuthorizationData, Image, ImageDetail, ImageIdentifier},
};
use aws_smithy_types::DateTime;
use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::shared::Shared;
use crate::{
    aws::{
        api::{ApiError, EcrApi},
        sim::{
            fault::{Call, answer},
            mutation::ecr::repository,
            state::registry::{HOST, blob_url},
        },
    },
    error::ErrorKind,
};

#[derive(Debug)]
pub(in crate::aws::sim) struct SimEcr(pub(in crate::aws::sim) Arc<Shared>);

#[async_trait]
impl EcrApi for SimEcr {
    async fn get_authorization_token(
        &self,
        _input: GetAuthorizationTokenInputBuilder,
    ) -> Result<GetAuthorizationTokenOutput, ApiError> {
        self.0
            .serve(Call::GetAuthorizationToken, move |world, now| {
                let expires = world.date(now).as_second() + 12 * 3600;
                let data = AuthorizationData::builder()
                    .authorization_token(BASE64_STANDARD.encode("AWS:simulated-password"))
                    .expires_at(DateTime::from_secs(expires))
                    .proxy_endpoint(format!("https://{HOST}"));
                Ok(GetAuthorizationTokenOutput::builder()
                    .authorization_data(data.build())
                    .build())
            })
            .await
    }

    async fn describe_repositories(
        &self,
        _input: DescribeRepositoriesInputBuilder,
    ) -> Result<DescribeRepositoriesOutput, ApiError> {
        self.0
            .serve(Call::DescribeRepositories, move |world, _now| {
                if !world.registry.exists {
                    return Err(no_repository(Call::DescribeRepositories));
                }
                Ok(DescribeRepositoriesOutput::builder()
                    .repositories(repository(world.registry.is_immutable))
                    .build())
            })
            .await
    }

    async fn create_repository(
        &self,
        input: CreateRepositoryInputBuilder,
    ) -> Result<CreateRepositoryOutput, ApiError> {
        self.0.change(input).await
    }

    async fn describe_images(
        &self,
        input: DescribeImagesInputBuilder,
    ) -> Result<DescribeImagesOutput, ApiError> {
        self.0
            .serve(Call::DescribeImages, move |world, _now| {
                let call = Call::DescribeImages;
                if !world.registry.exists {
                    return Err(no_repository(call));
                }
                let asked = input.get_image_ids().iter().flatten().next();
                let tag = asked
                    .and_then(|id| id.image_tag.clone())
                    .unwrap_or_default();
                let Some(digest) = world.registry.tags.get(&tag) else {
                    let code = "ImageNotFoundException";
                    return Err(answer(call, ErrorKind::NotFound, code, "no such image"));
                };
                let detail = ImageDetail::builder().image_digest(digest).image_tags(tag);
                Ok(DescribeImagesOutput::builder()
                    .image_details(detail.build())
                    .build())
            })
            .await
    }

    async fn batch_get_image(
        &self,
        input: BatchGetImageInputBuilder,
    ) -> Result<BatchGetImageOutput, ApiError> {
        self.0
            .serve(Call::BatchGetImage, move |world, _now| {
                let asked = input.get_image_ids().iter().flatten().next();
                let digest = asked
                    .and_then(|id| id.image_digest.clone())
                    .unwrap_or_default();
                let mut output = BatchGetImageOutput::builder();
                if let Some(manifest) = world.registry.manifests.get(&digest) {
                    let id = ImageIdentifier::builder().image_digest(&digest).build();
                    output = output.images(
                        Image::builder()
                            .image_id(id)
                            .image_manifest(manifest)
                            .image_manifest_media_type("application/vnd.oci.image.manifest.v1+json")
                            .build(),
                    );
                }
                Ok(output.build())
            })
            .await
    }

    async fn get_download_url_for_layer(
        &self,
        input: GetDownloadUrlForLayerInputBuilder,
    ) -> Result<GetDownloadUrlForLayerOutput, ApiError> {
        self.0
            .serve(Call::GetDownloadUrlForLayer, move |_world, _now| {
                let digest = input.get_layer_digest().as_deref().unwrap_or_default();
                let answer = GetDownloadUrlForLayerOutput::builder();
                Ok(answer.download_url(blob_url(digest)).build())
            })
            .await
    }

    async fn put_image(&self, input: PutImageInputBuilder) -> Result<PutImageOutput, ApiError> {
        self.0.change(input).await
    }
}

fn no_repository(call: Call) -> ApiError {
    let code = "RepositoryNotFoundException";
    answer(
        call,
        ErrorKind::NotFound,
        code,
        "The repository does not exist",
    )
}
