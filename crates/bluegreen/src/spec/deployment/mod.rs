//! The deployment of a side's service, as a part of the file.

mod check;
mod checks;
mod parts;
mod run;
mod side;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::checks::{Checks, HeaderValue, Variable};
pub(super) use self::{check::below, checks::problems as problems_of_file};
pub use self::{
    parts::DeploymentParts,
    run::{DeploymentAct, DeploymentOrigin, DeploymentRun},
    side::{PlaceToMake, ServiceDeployment},
};
use super::{AlsoTag, BuildArg, FilePath, Name, Span, is_default};
use crate::{
    check::ConnectTo,
    engine::OnCancel,
    image::{ImageRef, ImageTag},
    preflight::Acceptance,
};

/// How a side's service is deployed: the image, the definitions and the checks.
///
/// In a file this is the table `[side.NAME.deployment]` of its side; the side's `service` is deployed.
/// Every field may be left out: then the command that deploys names the image, the task definition is
/// a copy of the running one, and the only check is that the rollout ends well.
///
/// # Examples
///
/// ```
/// use bluegreen::spec::{MigrationSpec, Name};
///
/// let spec = MigrationSpec::from_toml(r#"
///     name = "chatbot"
///     [traffic]
///     rules = ["arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2"]
///     [side.flask]
///     target_group = "chatbot-flask-tg"
///     [side.fastapi]
///     target_group = "chatbot-fastapi-tg"
///     service = "chatbot-cluster/chatbot-fastapi"
///     [side.fastapi.deployment]
///     repository = "chatbot-fastapi"
///     rollout_deadline = "30m"
///     [side.fastapi.deployment.checks]
///     base_url = "https://api.chatbot.company.com"
///     headers = { X-Bluegreen-Test = "green" }
///     health = { path = "/health", successes = 5 }
/// "#)?;
/// let side: Name = "fastapi".parse()?;
/// let deployment = spec.deployment(&side)?;
/// assert_eq!(deployment.load()?.plan().health().successes, 5);
///
/// // A missing field is reported with its place.
/// let error = MigrationSpec::from_toml(&spec.to_toml().replace("service", "namespace"));
/// let told = error.unwrap_err().to_string();
/// assert!(told.contains("side.fastapi.deployment: the side names no service"), "{told}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DeploymentSpec {
    /// The repository in ECR. Needed unless an image is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<Name>,
    /// Create the repository if it is absent. Default: no, since a misspelt name would create a new one.
    #[serde(skip_serializing_if = "is_default")]
    pub create_repository: bool,
    /// The folder that is built. Default: the folder of this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<FilePath>,
    /// The Dockerfile. Default: `Dockerfile` in the context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<FilePath>,
    /// The platform of the image, such as `linux/amd64`. Default: the platform of the engine that builds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Name>,
    /// Arguments of the build: `NAME=VALUE`, or `NAME` for the value of the environment variable. No secrets:
    /// arguments stand in the journal and in the image. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub build_args: Vec<BuildArg>,
    /// The tag of the image. Default: the commit, with `-dirty` if files differ from the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<ImageTag>,
    /// Build even if the registry has the tag already. Default: no.
    #[serde(skip_serializing_if = "is_default")]
    pub rebuild: bool,
    /// An image by its digest, instead of a build: `REPOSITORY@sha256:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,
    /// The further tag that the image gets once it has proved itself; `""` for no tag. Default: `latest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also_tag: Option<AlsoTag>,
    /// The container that gets the image. Default: the container behind the load balancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Name>,
    /// A file with the task definition, JSON as the AWS CLI prints it. Default: a copy of the running
    /// definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_definition: Option<FilePath>,
    /// A file with the definition of the service, for its first deployment: JSON as
    /// `aws ecs create-service --cli-input-json` takes it. Default: none, so the service must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_definition: Option<FilePath>,
    /// Fields or values of these files that this program does not know, since AWS has added them later, by
    /// the paths that refusals name. They are sent as they are. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accept_unknown: Vec<Name>,
    /// The health check and the smoke tests: a file of their own, or a table here. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) checks: Option<Checks>,
    /// The base URL, instead of the base URL of the checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Name>,
    /// The `Host` header, instead of the `Host` header of the checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Name>,
    /// The host that requests are sent to, instead of the host of the URL, such as the load balancer's own
    /// name. Certificates are checked against the host of the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_to: Option<ConnectTo>,
    /// Headers of every request, such as the header of the test route. Default: the headers of the checks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<Name, HeaderValue>,
    /// The interval of looks at a rollout. Default: 10 seconds; the AWS CLI's waiter takes 15.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_every: Option<Span>,
    /// How long a rollout may take before the service is rolled back. Default: 20 minutes, since large images
    /// and slow health checks outlast the 10 minutes of the AWS CLI's waiter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout_deadline: Option<Span>,
    /// How long a rollback may take before a person must look. Default: 30 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_deadline: Option<Span>,
    /// What to do on Ctrl-C, SIGTERM or an `abort` after the service was changed. Default: roll back.
    #[serde(skip_serializing_if = "is_default")]
    pub on_cancel: OnCancel,
    /// How long the CI system or the host waits after SIGTERM before it kills the process. Shortly before the
    /// kill, the program says what the service runs. Default: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
    /// Accepted risks, by the names that refusals give them, such as `in-place`. Default: none.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub accept: BTreeSet<Acceptance>,
}

impl DeploymentSpec {
    /// Whether it names checks of its own.
    #[must_use]
    pub fn has_checks(&self) -> bool {
        self.checks.is_some()
    }

    /// Takes the health check and the smoke tests from a file of their own.
    pub fn set_checks(&mut self, file: FilePath) {
        self.checks = Some(Checks::File(file));
    }

    /// Adds a header to every request of the checks. No secret: it stands in the journal.
    pub fn insert_header(&mut self, name: Name, value: impl Into<String>) {
        self.headers.insert(name, HeaderValue::Text(value.into()));
    }
}
