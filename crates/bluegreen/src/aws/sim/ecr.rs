//! Elastic Container Registry as the simulation answers it.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ecr::operation::{
    batch_get_image::{BatchGetImageOutput, builders::BatchGetImageInputBuilder},
    create_repository::{CreateRepositoryOutput, builders::CreateRepositoryInputBuilder},
    describe_images::{DescribeImagesOutput, builders::DescribeImagesInputBuilder},
    describe_repositories::{
        DescribeRepositoriesOutput, builders::DescribeRepositoriesInputBuilder,
    },
    get_authorization_token::{
        GetAuthorizationTokenOutput, builders::GetAuthorizationTokenInputBuilder,
    },
    put_image::{PutImageOutput, builders::PutImageInputBuilder},
};

use super::simulation::Shared;
use crate::{
    aws::api::{ApiError, EcrApi},
    error::ErrorKind,
};

#[derive(Debug)]
pub(super) struct SimEcr(pub(super) Arc<Shared>);

#[async_trait]
impl EcrApi for SimEcr {
    async fn get_authorization_token(
        &self,
        _input: GetAuthorizationTokenInputBuilder,
    ) -> Result<GetAuthorizationTokenOutput, ApiError> {
        Err(ApiError::new(
            ErrorKind::Unavailable,
            "GetAuthorizationToken",
            "Unsupported",
            "not yet",
        ))
    }

    async fn describe_repositories(
        &self,
        _input: DescribeRepositoriesInputBuilder,
    ) -> Result<DescribeRepositoriesOutput, ApiError> {
        Err(ApiError::new(
            ErrorKind::Unavailable,
            "DescribeRepositories",
            "Unsupported",
            "not yet",
        ))
    }

    async fn create_repository(
        &self,
        _input: CreateRepositoryInputBuilder,
    ) -> Result<CreateRepositoryOutput, ApiError> {
        Err(ApiError::new(
            ErrorKind::Unavailable,
            "CreateRepository",
            "Unsupported",
            "not yet",
        ))
    }

    async fn describe_images(
        &self,
        _input: DescribeImagesInputBuilder,
    ) -> Result<DescribeImagesOutput, ApiError> {
        Err(ApiError::new(
            ErrorKind::Unavailable,
            "DescribeImages",
            "Unsupported",
            "not yet",
        ))
    }

    async fn batch_get_image(
        &self,
        _input: BatchGetImageInputBuilder,
    ) -> Result<BatchGetImageOutput, ApiError> {
        Err(ApiError::new(
            ErrorKind::Unavailable,
            "BatchGetImage",
            "Unsupported",
            "not yet",
        ))
    }

    async fn put_image(&self, _input: PutImageInputBuilder) -> Result<PutImageOutput, ApiError> {
        Err(ApiError::new(
            ErrorKind::Unavailable,
            "PutImage",
            "Unsupported",
            "not yet",
        ))
    }
}
