//! Carries the machine's actions out through the roles.

use std::sync::Arc;

use super::{Action, CheckKind, DeploymentMachine, Input};
use crate::{
    check::{CheckReport, ServiceCheck},
    engine::{BoxFuture, Host},
    error::{ErrorKind, Failure},
    image::ImageBuilder,
    service::ServiceDeployer,
};

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
                let mut findings = deployer.preflight().await;
                if let (Ok(found), Some(builder), true) = (&mut findings, &builder, builds) {
                    match builder.preflight().await {
                        Ok(more) => found.extend(more),
                        Err(error) => findings = Err(error),
                    }
                }
                Input::Preflighted {
                    findings: findings.map_err(Failure::from),
                    service: deployer.observe().await.map_err(Failure::from),
                }
            }),
            Action::Resolve { revision } => Box::pin(async move {
                Input::Resolved(deployer.resolve(&revision).await.map_err(Failure::from))
            }),
            Action::FindImage { tag } => Box::pin(async move {
                Input::ImageFound(match builder {
                    Some(builder) => builder.find(&tag).await.map_err(Failure::from),
                    None => Err(no_builder()),
                })
            }),
            Action::Build { request } => Box::pin(async move {
                Input::Built(match builder {
                    Some(builder) => builder.build(&request).await.map_err(Failure::from),
                    None => Err(no_builder()),
                })
            }),
            Action::Tag { image, tag } => Box::pin(async move {
                Input::Tagged(match builder {
                    Some(builder) => builder.tag(&image, &tag).await.map_err(Failure::from),
                    None => Err(no_builder()),
                })
            }),
            Action::Register { image } => Box::pin(async move {
                Input::Registered(deployer.register(&image).await.map_err(Failure::from))
            }),
            Action::Update { update, .. } => Box::pin(async move {
                Input::Updated(deployer.update(&update).await.map_err(Failure::from))
            }),
            // Waits are the loop's own.
            Action::Observe | Action::Wait { .. } => {
                Box::pin(
                    async move { Input::Observed(deployer.observe().await.map_err(Failure::from)) },
                )
            }
            Action::Follow { deployment } => Box::pin(async move {
                Input::Followed(deployer.follow(&deployment).await.map_err(Failure::from))
            }),
            Action::Check { check } => {
                let checks = match check.kind {
                    CheckKind::Health => &self.health,
                    CheckKind::Smoke => &self.smoke,
                };
                let found = checks.get(check.index).cloned();
                Box::pin(async move {
                    Input::Checked(match found {
                        Some(check) => check.check().await,
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

fn no_builder() -> Failure {
    let mut failure = Failure::new(ErrorKind::Invalid, "no builder was supplied");
    failure.hint = Some("supply one, or give the image by digest".to_owned());
    failure
}
