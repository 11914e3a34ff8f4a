//! Elastic Container Registry.

service! {
    /// The real service.
    EcrApi, RealEcr, aws_sdk_ecr, "ecr";
    Read get_authorization_token GetAuthorizationToken(GetAuthorizationTokenInputBuilder) -> GetAuthorizationTokenOutput;
    Read describe_repositories DescribeRepositories(DescribeRepositoriesInputBuilder) -> DescribeRepositoriesOutput;
    Read describe_images DescribeImages(DescribeImagesInputBuilder) -> DescribeImagesOutput;
    Read batch_get_image BatchGetImage(BatchGetImageInputBuilder) -> BatchGetImageOutput;
    Read get_download_url_for_layer GetDownloadUrlForLayer(GetDownloadUrlForLayerInputBuilder) -> GetDownloadUrlForLayerOutput;
    Mutation create_repository CreateRepository(CreateRepositoryInputBuilder) -> CreateRepositoryOutput;
    Mutation put_image PutImage(PutImageInputBuilder) -> PutImageOutput;
}
