//! Carries the machine's actions out through the roles.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{Action, CheckKind, DeploymentMachine, Input};
use crate::{
    check::{CheckReport, ServiceCheck},
    engine::{BoxFuture, Host, limit},
    error::{ErrorKind, Failure},
    image::ImageBuilder,
    service::ServiceDeployer,
};

/// How long a survey may take: it reads the service, its task definition, rules and repositories.
const SURVEY_LIMIT: Duration = Duration::from_secs(120);
/// How long a read may take: its calls, each with its retries.
const READ_LIMIT: Duration = Duration::from_secs(60);
/// How long a change may take. After that its outcome is unknown, and the service is observed. To update a
/// service takes several calls: read, tag, and then update.
const CHANGE_LIMIT: Duration = Duration::from_secs(90);

/// How long an image may be built and pushed: a cold build of a large image, over a slow line.
const BUILD_LIMIT: Duration = Duration::from_secs(2 * 60 * 60);
/// How long one check may take; the built-in checks have shorter limits of their own.
const CHECK_LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub(crate) struct DeploymentHost {
    pub(crate) builder: Option<Arc<dyn ImageBuilder>>,
    pub(crate) deployer: Arc<dyn ServiceDeployer>,
    pub(crate) health: Vec<Arc<dyn ServiceCheck>>,
    pub(crate) smoke: Vec<Arc<dyn ServiceCheck>>,
}

impl Host for DeploymentHost {
    type Machine = DeploymentMachine;
    type Raw = Input;

    fn begin(&self, action: &Action) -> BoxFuture<Input> {
        let deployer = Arc::clone(&self.deployer);
        let builder = self.builder.clone();
        match action.clone() {
            Action::Preflight { builds } => Box::pin(async move {
                let survey = async {
                    let mut findings = deployer.preflight().await?;
                    if let (Some(builder), true) = (&builder, builds) {
                        findings.extend(builder.preflight().await?);
                    }
                    Ok(findings)
                };
                let what = "the survey before the start";
                Input::Preflighted {
                    findings: limit::read(what, SURVEY_LIMIT, survey).await,
                    service: limit::read(SERVICE, READ_LIMIT, deployer.observe()).await,
                }
            }),
            Action::Resolve { revision } => Box::pin(async move {
                let resolved = deployer.resolve(&revision);
                Input::Resolved(limit::read("the revision", READ_LIMIT, resolved).await)
            }),
            Action::FindImage { tag } => Box::pin(async move {
                Input::ImageFound(match builder {
                    Some(builder) => limit::read("the tag", READ_LIMIT, builder.find(&tag)).await,
                    None => Err(no_builder()),
                })
            }),
            Action::Build { request } => Box::pin(async move {
                Input::Built(match builder {
                    Some(builder) => {
                        limit::change("the build", BUILD_LIMIT, builder.build(&request)).await
                    }
                    None => Err(no_builder()),
                })
            }),
            Action::Tag { image, tag } => Box::pin(async move {
                Input::Tagged(match builder {
                    Some(builder) => {
                        limit::change("the tag", CHANGE_LIMIT, builder.tag(&image, &tag)).await
                    }
                    None => Err(no_builder()),
                })
            }),
            Action::Register { image } => Box::pin(async move {
                let registered = deployer.register(&image);
                Input::Registered(limit::change("the revision", CHANGE_LIMIT, registered).await)
            }),
            Action::Update { update, .. } => Box::pin(async move {
                let updated = deployer.update(&update);
                Input::Updated(limit::change("the update", CHANGE_LIMIT, updated).await)
            }),
            // The loop itself carries out waits, so `Wait` never comes here.
            Action::Observe | Action::Wait { .. } => Box::pin(async move {
                Input::Observed(limit::read(SERVICE, READ_LIMIT, deployer.observe()).await)
            }),
            Action::Follow { deployment } => Box::pin(async move {
                let followed = deployer.follow(&deployment);
                Input::Followed(limit::read("the rollout", READ_LIMIT, followed).await)
            }),
            Action::Check { check } => {
                let checks = match check.kind {
                    CheckKind::Health => &self.health,
                    CheckKind::Smoke => &self.smoke,
                };
                let found = checks.get(check.index).cloned();
                Box::pin(async move {
                    Input::Checked(match found {
                        Some(check) => match timeout(CHECK_LIMIT, check.check()).await {
                            Ok(report) => report,
                            Err(_) => {
                                CheckReport::new("check", "a check that did not answer", None)
                                    .failing("answer", "in time", "none")
                            }
                        },
                        None => CheckReport::new("check", "a check that was not supplied", None)
                            .failing("check", "supplied", "absent"),
                    })
                })
            }
        }
    }

    fn complete(&mut self, input: Input) -> Input {
        input
    }
}

const SERVICE: &str = "the service";

fn no_builder() -> Failure {
    let mut failure = Failure::new(ErrorKind::Invalid, "no builder was supplied");
    failure.hint = Some("supply a builder, or give the image by digest".to_owned());
    failure
}
