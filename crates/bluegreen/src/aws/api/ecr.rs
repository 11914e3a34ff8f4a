//! Elastic Container Registry.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_ecr::{
    Client,
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
};

use super::{
    Clients,
    error::{ApiError, Effect},
};
use crate::aws::endpoints::Endpoint;

#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub(crate) trait EcrApi: fmt::Debug + Send + Sync {
    async fn get_authorization_token(
        &self,
        input: GetAuthorizationTokenInputBuilder,
    ) -> Result<GetAuthorizationTokenOutput, ApiError>;

    async fn describe_repositories(
        &self,
        input: DescribeRepositoriesInputBuilder,
    ) -> Result<DescribeRepositoriesOutput, ApiError>;

    async fn create_repository(
        &self,
        input: CreateRepositoryInputBuilder,
    ) -> Result<CreateRepositoryOutput, ApiError>;

    async fn describe_images(
        &self,
        input: DescribeImagesInputBuilder,
    ) -> Result<DescribeImagesOutput, ApiError>;

    async fn batch_get_image(
        &self,
        input: BatchGetImageInputBuilder,
    ) -> Result<BatchGetImageOutput, ApiError>;

    async fn get_download_url_for_layer(
        &self,
        input: GetDownloadUrlForLayerInputBuilder,
    ) -> Result<GetDownloadUrlForLayerOutput, ApiError>;

    async fn put_image(&self, input: PutImageInputBuilder) -> Result<PutImageOutput, ApiError>;
}

/// The real service.
#[derive(Debug)]
pub(crate) struct RealEcr {
    reads: Client,
    mutations: Client,
}

impl RealEcr {
    pub(crate) fn new(to: Clients<'_>, endpoint: Option<&Endpoint>) -> Self {
        Self {
            reads: client!(aws_sdk_ecr, to, to.reads, endpoint),
            mutations: client!(aws_sdk_ecr, to, to.mutations, endpoint),
        }
    }
}

#[async_trait]
impl EcrApi for RealEcr {
    async fn get_authorization_token(
        &self,
        input: GetAuthorizationTokenInputBuilder,
    ) -> Result<GetAuthorizationTokenOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("GetAuthorizationToken", Effect::Read, error))
    }

    async fn describe_repositories(
        &self,
        input: DescribeRepositoriesInputBuilder,
    ) -> Result<DescribeRepositoriesOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("DescribeRepositories", Effect::Read, error))
    }

    async fn create_repository(
        &self,
        input: CreateRepositoryInputBuilder,
    ) -> Result<CreateRepositoryOutput, ApiError> {
        let sent = input.send_with(&self.mutations).await;
        sent.map_err(|error| ApiError::from_sdk("CreateRepository", Effect::Mutation, error))
    }

    async fn describe_images(
        &self,
        input: DescribeImagesInputBuilder,
    ) -> Result<DescribeImagesOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("DescribeImages", Effect::Read, error))
    }

    async fn batch_get_image(
        &self,
        input: BatchGetImageInputBuilder,
    ) -> Result<BatchGetImageOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("BatchGetImage", Effect::Read, error))
    }

    async fn get_download_url_for_layer(
        &self,
        input: GetDownloadUrlForLayerInputBuilder,
    ) -> Result<GetDownloadUrlForLayerOutput, ApiError> {
        let sent = input.send_with(&self.reads).await;
        sent.map_err(|error| ApiError::from_sdk("GetDownloadUrlForLayer", Effect::Read, error))
    }

    async fn put_image(&self, input: PutImageInputBuilder) -> Result<PutImageOutput, ApiError> {
        let sent = input.send_with(&self.mutations).await;
        sent.map_err(|error| ApiError::from_sdk("PutImage", Effect::Mutation, error))
    }
}
