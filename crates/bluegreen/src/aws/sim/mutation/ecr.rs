//! Changes of the registry.

use std::time::Duration;

use aws_sdk_ecr::{
    operation::{
        create_repository::{
            CreateRepositoryInput, CreateRepositoryOutput, builders::CreateRepositoryInputBuilder,
        },
        put_image::{PutImageInput, PutImageOutput, builders::PutImageInputBuilder},
    },
    types::{Image, ImageIdentifier, ImageScanningConfiguration, ImageTagMutability, Repository},
};
use aws_smithy_types::DateTime;
use serde_json::{Value, json};

use super::Mutation;
use crate::{
    aws::{
        alb::spec::request::string,
        api::ApiError,
        sim::{
            fault::{Call, answer},
            state::{
                registry::{HOST, REPOSITORY, digest},
                world::World,
            },
            time::SimClock,
        },
    },
    error::ErrorKind,
};

impl Mutation for CreateRepositoryInputBuilder {
    type Output = CreateRepositoryOutput;

    fn call(&self) -> Call {
        Call::CreateRepository
    }

    fn to_json(&self) -> Value {
        let mutability = self.get_image_tag_mutability().as_ref();
        let scan = self.get_image_scanning_configuration().as_ref();
        json!({
            "repositoryName": self.get_repository_name(),
            "imageTagMutability": mutability.map(ImageTagMutability::as_str),
            "imageScanningConfiguration": scan.map(|scan| json!({ "scanOnPush": scan.scan_on_push })),
        })
    }

    fn from_json(_: Call, json: &Value) -> Self {
        let mutability = string(json, "imageTagMutability");
        let scan = json
            .pointer("/imageScanningConfiguration/scanOnPush")
            .and_then(Value::as_bool)
            .map(|scan| {
                ImageScanningConfiguration::builder()
                    .scan_on_push(scan)
                    .build()
            });
        CreateRepositoryInput::builder()
            .set_repository_name(string(json, "repositoryName"))
            .set_image_tag_mutability(mutability.map(|one| ImageTagMutability::from(&*one)))
            .set_image_scanning_configuration(scan)
    }

    fn happen(&self, world: &mut World, _: Duration) -> Result<Self::Output, ApiError> {
        let call = Call::CreateRepository;
        if world.registry.exists {
            let code = "RepositoryAlreadyExistsException";
            return Err(answer(call, ErrorKind::Conflict, code, "it exists"));
        }
        world.registry.exists = true;
        let is_immutable = self.get_image_tag_mutability() == &Some(ImageTagMutability::Immutable);
        world.registry.is_immutable = is_immutable;
        Ok(CreateRepositoryOutput::builder()
            .repository(repository(is_immutable))
            .build())
    }
}

impl Mutation for PutImageInputBuilder {
    type Output = PutImageOutput;

    fn call(&self) -> Call {
        Call::PutImage
    }

    fn to_json(&self) -> Value {
        json!({
            "repositoryName": self.get_repository_name(),
            "imageManifest": self.get_image_manifest(),
            "imageManifestMediaType": self.get_image_manifest_media_type(),
            "imageTag": self.get_image_tag(),
        })
    }

    fn from_json(_: Call, json: &Value) -> Self {
        PutImageInput::builder()
            .set_repository_name(string(json, "repositoryName"))
            .set_image_manifest(string(json, "imageManifest"))
            .set_image_manifest_media_type(string(json, "imageManifestMediaType"))
            .set_image_tag(string(json, "imageTag"))
    }

    fn happen(&self, world: &mut World, _: Duration) -> Result<Self::Output, ApiError> {
        let call = Call::PutImage;
        let tag = self.get_image_tag().clone().unwrap_or_default();
        let manifest = self.get_image_manifest().clone().unwrap_or_default();
        let digest = digest(&manifest);
        let refused = |code: &str, why: &str| answer(call, ErrorKind::Conflict, code, why);
        if world.registry.tags.get(&tag) == Some(&digest) {
            return Err(refused("ImageAlreadyExistsException", "it has this tag"));
        }
        let put = world.registry.put(&tag, &digest, manifest);
        put.map_err(|why| refused("ImageTagAlreadyExistsException", &why))?;
        let id = ImageIdentifier::builder()
            .image_digest(digest)
            .image_tag(tag);
        let image = Image::builder().image_id(id.build()).build();
        Ok(PutImageOutput::builder().image(image).build())
    }
}

pub(in crate::aws::sim) fn repository(is_immutable: bool) -> Repository {
    Repository::builder()
        .repository_name(REPOSITORY)
        .repository_uri(format!("{HOST}/{REPOSITORY}"))
        .image_tag_mutability(if is_immutable {
            ImageTagMutability::Immutable
        } else {
            ImageTagMutability::Mutable
        })
        .created_at(DateTime::from_secs(SimClock::epoch().as_second()))
        .build()
}
