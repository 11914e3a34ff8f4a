//! How a side's service is deployed, as a part of the file.

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

pub(super) use self::check::below;
pub(crate) use self::checks::{Checks, HeaderValue};
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

/// How a side's service is deployed: which image, by which definitions, checked by what.
///
/// In a file it stands in its side, as `[side.NAME.deployment]`; the side's `service` says what is deployed.
/// Every field may be left out: then the image is given or named when it is deployed, the task definition is
/// a copy of what runs, and nothing is checked but that the rollout ends well.
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
/// // What is missing is told with its place.
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
    /// Make the repository if it is absent. Default: no, since a misspelt name would make one.
    #[serde(skip_serializing_if = "is_default")]
    pub create_repository: bool,
    /// The folder that is built. Default: the folder of this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<FilePath>,
    /// The Dockerfile. Default: that of the context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<FilePath>,
    /// The platform that is built for, such as `linux/amd64`. Default: that of the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Name>,
    /// Arguments of the build: `NAME=VALUE`, or `NAME` with the value that the environment has. No secrets:
    /// they stand in the journal and in the image. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub build_args: Vec<BuildArg>,
    /// The tag of the image. Default: the commit, with `-dirty` if files differ from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<ImageTag>,
    /// Build even if the registry has the tag already. Default: no.
    #[serde(skip_serializing_if = "is_default")]
    pub rebuild: bool,
    /// An image by its digest, instead of a build: `REPOSITORY@sha256:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,
    /// The further tag that the image gets once it has proved itself; `""` for none. Default: `latest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also_tag: Option<AlsoTag>,
    /// The container that gets the image. Default: the one behind the load balancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Name>,
    /// A file with the task definition, JSON as the AWS CLI prints it. Default: a copy of what runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_definition: Option<FilePath>,
    /// A file with the definition of the service, for its first deployment: JSON as
    /// `aws ecs create-service --cli-input-json` takes it. Default: none, so the service must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_definition: Option<FilePath>,
    /// Fields or values of these files that are newer than this program's model of AWS, by the paths that
    /// refusals name. They are sent as they are. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accept_unknown: Vec<Name>,
    /// The health check and the smoke tests: a file of their own, or a table here. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) checks: Option<Checks>,
    /// The base URL, instead of that of the checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Name>,
    /// The `Host` header, instead of that of the checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Name>,
    /// Where requests are sent, instead of to the host of the URL, such as the load balancer's own name.
    /// Certificates are checked against the host of the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_to: Option<ConnectTo>,
    /// Headers of every request, such as that of the test route. Default: those of the checks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<Name, HeaderValue>,
    /// How often a rollout is looked at. Default: 10 seconds; the AWS CLI's waiter takes 15.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_every: Option<Span>,
    /// How long a rollout may take before the service is put back. Default: 20 minutes, since large images
    /// and slow health checks outlast the 10 of the AWS CLI's waiter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout_deadline: Option<Span>,
    /// How long a rollback may take before a person must look. Default: 30 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_deadline: Option<Span>,
    /// What happens on Ctrl-C, SIGTERM or an `abort` after the service was changed. Default: roll back.
    #[serde(skip_serializing_if = "is_default")]
    pub on_cancel: OnCancel,
    /// How long the surroundings wait after SIGTERM before they kill: shortly before, the program says what
    /// the service runs. Default: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
    /// Risks that are taken, by the names that refusals give them, such as `in-place`. Default: none.
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
