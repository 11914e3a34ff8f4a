//! Whether the image that is to run fits the task definition that gets it.

use super::{EcsServiceDeployer, TaskDefinition};
use crate::{
    aws::ecr::platforms,
    error::{Error, ErrorKind, Result},
    image::{ImageRef, same_repository},
    preflight::Finding,
};

/// Why the image should not go into this container, as far as the deployer knows the image. `runs`
/// says that the definition is what the service runs, and not a file.
pub(super) fn findings(
    deployer: &EcsServiceDeployer,
    definition: &TaskDefinition,
    container: &str,
    runs: bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(repository) = &deployer.image_repository {
        let error = repository_fits(deployer, definition, container, repository, runs).err();
        findings.extend(error.map(|error| {
            Finding::refusal(error.message()).with_hint(error.hint().unwrap_or_default())
        }));
    }
    if let Some(platform) = &deployer.image_platform {
        findings.extend(platform_fits(definition, platform));
    }
    findings
}

impl EcsServiceDeployer {
    /// Why an image that is in the registry should not run by this definition: a refusal if it is for
    /// another platform, a note if nothing can tell.
    pub(super) async fn image_fits(
        &self,
        definition: &TaskDefinition,
        image: &ImageRef,
    ) -> Option<Finding> {
        // Without a platform in the definition, the container instances decide.
        definition.platform()?;
        match platforms(&self.aws, self.client.as_deref(), image).await {
            Ok(found) => platform_fits(definition, &found.join(",")),
            Err(why) => {
                let message = format!("the platform of image {image} is not known: {why}");
                Some(Finding::note(message))
            }
        }
    }
}

/// Refuses to put an image into a container that runs another program: the container behind the
/// balancer may be a proxy. A container that was chosen by name gets the image.
pub(super) fn repository_fits(
    deployer: &EcsServiceDeployer,
    definition: &TaskDefinition,
    container: &str,
    repository: &str,
    runs: bool,
) -> Result<()> {
    let is_of = |name: &str| {
        let own = definition.image_of(name);
        own.is_some_and(|own| same_repository(own, repository))
    };
    if deployer.container.is_some() || is_of(container) {
        return Ok(());
    }
    let names = definition.containers();
    let other = names.iter().find(|name| is_of(name));
    // A file may hold any image before its own is set, and a single container is always the right one.
    if other.is_none() && (!runs || names.len() < 2) {
        return Ok(());
    }
    let own = definition.image_of(container).unwrap_or_default();
    let message = format!(
        "container {container} of {} runs {own}, and the image is of another repository, \
         {repository}",
        definition.family()
    );
    let hint = match other {
        Some(other) => format!("did you mean container {other}? name the one that gets the image"),
        None => format!(
            "name the container that gets the image: {}",
            names.join(", ")
        ),
    };
    Err(Error::new(ErrorKind::Refused, message).with_hint(hint))
}

/// The finding for an image of one platform in a task of another: it does not start.
fn platform_fits(definition: &TaskDefinition, platform: &str) -> Option<Finding> {
    let wanted = definition.platform()?;
    // Several platforms in one image fit if one of them does.
    let mut built = platform.split(',').map(str::trim);
    if built.any(|one| fits(one, &wanted)) {
        return None;
    }
    let message = format!(
        "the image is built for {platform}, and the tasks of {} run on {wanted}",
        definition.family()
    );
    let hint = "build for that platform, or set the definition's `runtimePlatform`";
    Some(Finding::refusal(message).with_hint(hint))
}

/// Whether a platform such as `linux/arm64/v8` is `wanted`, such as `linux/arm64`.
fn fits(platform: &str, wanted: &str) -> bool {
    let rest = platform.strip_prefix(wanted);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::ecs::testing::Ecs;

    fn definition(images: &[(&str, &str)], platform: &str) -> TaskDefinition {
        let containers: Vec<_> = images
            .iter()
            .map(|(name, image)| serde_json::json!({"name": name, "image": image}))
            .collect();
        let text = serde_json::json!({
            "family": "web", "containerDefinitions": containers,
            "runtimePlatform": {"cpuArchitecture": platform, "operatingSystemFamily": "LINUX"}
        });
        TaskDefinition::from_json(&text.to_string()).expect("a task definition")
    }

    #[test]
    fn the_proxy_before_a_program_does_not_get_its_image() {
        let ecr = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
        let app = format!("{ecr}/web:v1");
        let both = [("proxy", "nginx:1.27"), ("app", app.as_str())];
        let fits = |images: &[(&str, &str)], container: &str, runs: bool| {
            let deployer = Ecs::new().deployer();
            let definition = definition(images, "X86_64");
            repository_fits(&deployer, &definition, container, "web", runs)
        };
        let error = fits(&both, "proxy", true).expect_err("it is the proxy");
        assert!(
            error
                .message()
                .contains("container proxy of web runs nginx:1.27")
        );
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("container app"))
        );
        assert!(fits(&both, "proxy", false).is_err(), "a file says so too");
        assert!(fits(&both, "app", true).is_ok());
        let neither = [("proxy", "nginx:1.27"), ("app", "set by every deployment")];
        assert!(fits(&neither, "proxy", true).is_err());
        assert!(fits(&neither, "app", false).is_ok());
        assert!(
            fits(&[("app", "ghcr.io/old/web")], "app", true).is_ok(),
            "there is one only"
        );

        let named = Ecs::new().deployer().with_container("proxy");
        let definition = definition(&both, "X86_64");
        assert!(repository_fits(&named, &definition, "proxy", "web", true).is_ok());
    }

    #[test]
    fn an_image_for_another_platform_is_told_before_the_rollout() {
        for (architecture, platform, is_fit) in [
            ("ARM64", "linux/amd64", false),
            ("ARM64", "linux/arm64", true),
            ("ARM64", "linux/arm64/v8", true),
            ("ARM64", "linux/amd64,linux/arm64", true),
            ("X86_64", "linux/amd64", true),
            ("X86_64", "linux/arm64", false),
        ] {
            let definition = definition(&[("app", "web")], architecture);
            let found = platform_fits(&definition, platform);
            assert_eq!(found.is_none(), is_fit, "{platform} on {architecture}");
        }
        // Container instances decide, or Fargate does.
        for (needs, is_fit) in [("EC2", true), ("FARGATE", false)] {
            let text = serde_json::json!({
                "family": "web", "containerDefinitions": [{"name": "app"}],
                "requiresCompatibilities": [needs]
            });
            let silent = TaskDefinition::from_json(&text.to_string()).expect("a task definition");
            assert_eq!(
                platform_fits(&silent, "linux/arm64").is_none(),
                is_fit,
                "{needs}"
            );
        }
    }
}
