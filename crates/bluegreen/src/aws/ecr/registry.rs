//! [`EcrRegistry`]: one repository.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ecr::{
    operation::{
        batch_get_image::BatchGetImageInput, create_repository::CreateRepositoryInput,
        describe_images::DescribeImagesInput, describe_repositories::DescribeRepositoriesInput,
        put_image::PutImageInput,
    },
    types::{ImageIdentifier, ImageScanningConfiguration, Repository},
};

use super::token::TokenCache;
use crate::{
    aws::Aws,
    error::{Error, ErrorKind, Result},
    image::{ImageDigest, ImageRegistry, ImageTag, RegistryCredentials, Tagging},
    preflight::Finding,
};

/// One repository of ECR.
///
/// # Permissions
///
/// `ecr:GetAuthorizationToken`, `ecr:DescribeRepositories`, `ecr:DescribeImages`, for the push
/// itself `ecr:BatchCheckLayerAvailability`, `ecr:InitiateLayerUpload`, `ecr:UploadLayerPart`,
/// `ecr:CompleteLayerUpload` and `ecr:PutImage`, for a further tag `ecr:BatchGetImage`, and
/// `ecr:CreateRepository` if it is to be made.
#[derive(Debug, Clone)]
pub struct EcrRegistry {
    aws: Aws,
    name: String,
    creates: bool,
    host: Option<String>,
    tokens: Arc<TokenCache>,
}

impl EcrRegistry {
    /// The repository of this name, in the account and region of the credentials in use.
    pub fn new(aws: &Aws, name: impl Into<String>) -> Self {
        Self {
            aws: aws.clone(),
            name: name.into(),
            creates: false,
            host: None,
            tokens: Arc::default(),
        }
    }

    /// Makes the repository if it is absent, with a scan on each push. Default: an absent
    /// repository is an error.
    #[must_use]
    pub fn create_if_absent(mut self) -> Self {
        self.creates = true;
        self
    }

    /// Pushes to another host than AWS names: to an endpoint of your own, or to an emulator.
    #[must_use]
    pub fn with_registry_host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    async fn describe(&self) -> Result<Option<Repository>> {
        let attempted = format!("describe repository {}", self.name);
        let input = DescribeRepositoriesInput::builder().repository_names(&self.name);
        match self.aws.ecr.describe_repositories(input).await {
            Ok(output) => Ok(output.repositories.unwrap_or_default().pop()),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into_error(attempted)),
        }
    }

    async fn create(&self) -> Result<Repository> {
        let attempted = format!("create repository {}", self.name);
        let scan = ImageScanningConfiguration::builder().scan_on_push(true);
        let input = CreateRepositoryInput::builder()
            .repository_name(&self.name)
            .image_scanning_configuration(scan.build());
        match self.aws.ecr.create_repository(input).await {
            Ok(output) => output.repository.ok_or_else(|| {
                Error::new(
                    ErrorKind::Unavailable,
                    format!("{attempted}: the answer has no repository"),
                )
            }),
            // The repository exists after all, or the answer was lost: read what is there.
            Err(error) if matches!(error.kind, ErrorKind::Conflict | ErrorKind::OutcomeUnknown) => {
                match self.describe().await? {
                    Some(repository) => Ok(repository),
                    None => Err(error.into_error(attempted)),
                }
            }
            Err(error) => Err(error.into_error(attempted)),
        }
    }

    /// The repository as an image reference spells it.
    fn spelt(&self, repository: &Repository) -> Result<String> {
        let uri = repository.repository_uri().unwrap_or_default();
        let (_, path) = uri.split_once('/').ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                format!("read the URI of repository {}", self.name),
            )
        })?;
        Ok(match &self.host {
            Some(host) => format!("{host}/{path}"),
            None => uri.to_owned(),
        })
    }

    fn absent(&self) -> Error {
        let message = format!("find repository {}", self.name);
        Error::new(ErrorKind::NotFound, message)
            .with_hint("check name, account and region, or let it be created")
    }
}

#[async_trait]
impl ImageRegistry for EcrRegistry {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        if let Err(error) = self.tokens.credentials(&self.aws).await {
            if error.kind() == ErrorKind::Denied || is_about_credentials(&error) {
                let message = crate::Failure::from(&error).message;
                return Ok(vec![Finding::refusal(message).with_hint(
                    "the AWS credentials are absent, expired, or may not use the registry: log in again",
                )]);
            }
            return Err(error);
        }
        Ok(match (self.describe().await?, self.creates) {
            (Some(_), _) => Vec::new(),
            (None, true) => vec![Finding::note(format!(
                "repository {} will be created",
                self.name
            ))],
            (None, false) => {
                let error = self.absent();
                let hint = error.hint().unwrap_or_default().to_owned();
                vec![
                    Finding::refusal(format!("there is no repository {}", self.name))
                        .with_hint(hint),
                ]
            }
        })
    }

    async fn repository(&self) -> Result<String> {
        let repository = self.describe().await?.ok_or_else(|| self.absent())?;
        self.spelt(&repository)
    }

    async fn ensure_repository(&self) -> Result<String> {
        let repository = match self.describe().await? {
            Some(repository) => repository,
            None if self.creates => self.create().await?,
            None => return Err(self.absent()),
        };
        self.spelt(&repository)
    }

    async fn credentials(&self) -> Result<Option<RegistryCredentials>> {
        let mut credentials = self.tokens.credentials(&self.aws).await?;
        if let Some(host) = &self.host {
            credentials.host.clone_from(host);
        }
        Ok(Some(credentials))
    }

    async fn digest(&self, tag: &ImageTag) -> Result<Option<ImageDigest>> {
        let attempted = format!("find {}:{tag}", self.name);
        let id = ImageIdentifier::builder().image_tag(tag.as_str()).build();
        let input = DescribeImagesInput::builder()
            .repository_name(&self.name)
            .image_ids(id);
        let output = match self.aws.ecr.describe_images(input).await {
            Ok(output) => output,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into_error(attempted)),
        };
        let Some(detail) = output.image_details().first() else {
            return Ok(None);
        };
        let digest = detail.image_digest().unwrap_or_default();
        digest
            .parse()
            .map(Some)
            .map_err(|error| Error::new(ErrorKind::Unavailable, attempted).with_source(error))
    }

    async fn tag(&self, digest: &ImageDigest, tag: &ImageTag) -> Result<Tagging> {
        let attempted = format!("tag {}@{digest} as {tag}", self.name);
        let id = ImageIdentifier::builder()
            .image_digest(digest.as_str())
            .build();
        let input = BatchGetImageInput::builder()
            .repository_name(&self.name)
            .image_ids(id);
        let output = self
            .aws
            .ecr
            .batch_get_image(input)
            .await
            .map_err(|error| error.into_error(attempted.as_str()))?;
        let manifest = output.images().first().and_then(|image| {
            let media_type = image.image_manifest_media_type().map(str::to_owned);
            Some((image.image_manifest()?.to_owned(), media_type))
        });
        let Some((manifest, media_type)) = manifest else {
            let message = format!("{attempted}: the registry does not have it");
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        // The same manifest byte for byte, so that the digest stays the same.
        let input = PutImageInput::builder()
            .repository_name(&self.name)
            .image_manifest(manifest)
            .set_image_manifest_media_type(media_type)
            .image_tag(tag.as_str());
        match self.aws.ecr.put_image(input).await {
            Ok(_) => Ok(Tagging::Moved),
            Err(error) if error.code.as_deref() == Some("ImageAlreadyExistsException") => {
                Ok(Tagging::AlreadyThere)
            }
            Err(error) if error.code.as_deref() == Some("ImageTagAlreadyExistsException") => {
                Ok(Tagging::Refused {
                    reason: format!("tags of repository {} may not move", self.name),
                })
            }
            Err(error) if error.kind == ErrorKind::OutcomeUnknown => {
                match self.digest(tag).await? {
                    Some(held) if held == *digest => Ok(Tagging::Moved),
                    _ => Err(error.into_error(attempted)),
                }
            }
            Err(error) => Err(error.into_error(attempted)),
        }
    }
}

/// The SDK has no error code for credentials that it cannot find at all.
fn is_about_credentials(error: &Error) -> bool {
    let text = crate::Failure::from(error).message.to_lowercase();
    text.contains("credential")
}
