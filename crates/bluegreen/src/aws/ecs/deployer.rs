//! [`EcsServiceDeployer`]: observes, registers, updates and follows one ECS service.

use std::sync::Arc;

use serde_json::Value;

use super::{ServiceSpec, TaskDefinition};
use crate::{
    aws::{Aws, api::EcsCall},
    check::HttpClient,
    error::Result,
    image::ImageRef,
    preflight::Finding,
    service::RevisionId,
};

/// Deploys revisions of one ECS service by rolling update.
///
/// A deployment changes the task definition and nothing else, so that a rollback restores all that
/// it changed. The target of a rollback is written to two tags of the service, `bluegreen:deployed`
/// and `bluegreen:previous`, before the update: it survives any crash, on any machine. The
/// service's own setting decides who rolls a failed rollout back: with the circuit breaker's
/// `rollback` on, ECS does while the rollout lasts; otherwise this deployer does; never both.
///
/// # Permissions
///
/// `ecs:DescribeServices`, `ecs:DescribeTaskDefinition`, `ecs:ListTaskDefinitions`,
/// `ecs:RegisterTaskDefinition`, `ecs:UpdateService`, `ecs:TagResource`, `ecs:ListTasks`,
/// `ecs:DescribeTasks`, `ecs:CreateService` if it is to be created, `iam:PassRole` for the
/// roles of the task, and for the preflight `elasticloadbalancing:Describe*` and
/// `ecs:DescribeServiceRevisions`. The preflight reports what it may not read, and refuses unless
/// [`UnseenTraffic`](crate::preflight::Acceptance::UnseenTraffic) is accepted. For the platform of
/// an image in ECR: `ecr:BatchGetImage` and `ecr:GetDownloadUrlForLayer`; without them a note says
/// that the platform is not known.
#[derive(Debug, Clone)]
pub struct EcsServiceDeployer {
    pub(super) aws: Aws,
    pub(super) cluster: String,
    pub(super) service: String,
    pub(super) container: Option<String>,
    pub(super) task_definition: Option<TaskDefinition>,
    pub(super) spec: Option<ServiceSpec>,
    pub(super) image_repository: Option<String>,
    pub(super) image_platform: Option<String>,
    pub(super) image: Option<ImageRef>,
    pub(super) client: Option<Arc<dyn HttpClient>>,
    /// Whether a judge follows the deployments.
    pub(super) is_judged: bool,
}

impl EcsServiceDeployer {
    /// A deployer of `service` in `cluster`; names or ARNs.
    pub fn new(aws: &Aws, cluster: impl Into<String>, service: impl Into<String>) -> Self {
        Self {
            aws: aws.clone(),
            cluster: cluster.into(),
            service: service.into(),
            container: None,
            task_definition: None,
            spec: None,
            image_repository: None,
            image_platform: None,
            image: None,
            client: None,
            is_judged: false,
        }
    }

    /// Lets the preflight accept a service whose traffic ECS moves itself, since a
    /// [judge](crate::native::NativeJudge) follows its deployments. The preflight then asks for a pause before
    /// each shift, and not whether users may reach the service: ECS keeps them away. Default: such a service is
    /// refused, since its deployment would wait at its first pause.
    #[must_use]
    pub fn for_judge(mut self) -> Self {
        self.is_judged = true;
        self
    }

    /// Sets the container that gets the image. Default: the container that the load balancer sends
    /// requests to, else the only one.
    #[must_use]
    pub fn with_container(mut self, name: impl Into<String>) -> Self {
        self.container = Some(name.into());
        self
    }

    /// Names the repository of the image, so that the preflight sees whether the container that
    /// gets it runs another program, such as a proxy. The image itself is checked again before it
    /// is registered.
    #[must_use]
    pub fn with_image_repository(mut self, repository: impl Into<String>) -> Self {
        self.image_repository = Some(repository.into());
        self
    }

    /// Names the platform that the image is for, such as `linux/arm64`, or several with commas, so
    /// that the preflight sees whether the tasks run on it.
    #[must_use]
    pub fn with_image_platform(mut self, platform: impl Into<String>) -> Self {
        self.image_platform = Some(platform.into());
        self
    }

    /// Names the image, if it is in the registry already, so that the preflight reads from the
    /// registry whether the tasks run on its platform. Every image is checked like this before it
    /// is registered.
    #[must_use]
    pub fn with_image(mut self, image: ImageRef) -> Self {
        self.image = Some(image);
        self
    }

    /// Sets the client that fetches an image's platform from the registry: an image of one platform
    /// names it in a blob, at a URL that ECR gives. Default: none, and such a platform is not
    /// known.
    #[must_use]
    pub fn with_http_client(mut self, client: impl HttpClient + 'static) -> Self {
        self.client = Some(Arc::new(client));
        self
    }

    /// Registers this task definition, with the image set. Default: a copy of the revision that the
    /// service runs, which is not always the newest of its family.
    #[must_use]
    pub fn with_task_definition(mut self, definition: TaskDefinition) -> Self {
        self.task_definition = Some(definition);
        self
    }

    /// Creates the service from this definition if it does not exist.
    #[must_use]
    pub fn with_service(mut self, spec: ServiceSpec) -> Self {
        self.spec = Some(spec);
        self
    }

    /// The result that [`register`](crate::service::ServiceDeployer::register) would have, without
    /// registering: the revision, if one exists already, and its difference to the revision that
    /// runs.
    ///
    /// # Errors
    ///
    /// If the service or its revisions could not be read; `Refused` if the image does not fit.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    pub async fn preview(&self, image: &ImageRef) -> Result<(Option<RevisionId>, Vec<String>)> {
        let draft = self.draft(image).await?;
        Ok((draft.existing, draft.diff))
    }

    /// Whether the tasks run on the platform of an image that is in the registry: a refusal if not,
    /// a note if that cannot be known.
    ///
    /// # Errors
    ///
    /// If the service or its revisions could not be read.
    ///
    /// # Cancel safety
    ///
    /// Only reads: dropping it leaves nothing behind.
    pub async fn image_findings(&self, image: &ImageRef) -> Result<Vec<Finding>> {
        let Some(definition) = self.base().await? else {
            return Ok(Vec::new());
        };
        let found = self.image_fits(&definition, image).await;
        Ok(found.into_iter().collect())
    }

    pub(super) async fn call(&self, call: EcsCall, input: Value, attempted: &str) -> Result<Value> {
        let answer = self.aws.ecs.call(call, input).await;
        answer.map_err(|error| error.into_error(attempted))
    }
}
