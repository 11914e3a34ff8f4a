//! From a deployment that `bluegreen deploy` began to its judge.

use std::time::Duration;

use bluegreen::{
    Aws,
    aws::ecs::{EcsNativeService, NativeSetup},
    deployment::DeploymentOutcome,
    engine::{Control, OnCancel},
    service::RevisionId,
    spec::{MigrationSpec, Service, ServiceDeployment},
};

use super::{
    file::usual,
    run::{Judged, start},
};
use crate::common::{
    errors::{UNCHANGED, failed},
    say::say_line,
};

/// How long ECS may take to show a deployment that it has accepted.
const SHOWN_WITHIN: Duration = Duration::from_secs(60);
/// How often the service is read meanwhile.
const EVERY: Duration = Duration::from_secs(3);
/// The exit code if a person must look.
const LOOK_NOW: u8 = 20;

/// Returns how ECS moves the traffic of a service; `None` if it does not.
pub(crate) async fn of_service(
    aws: &Aws,
    service: &Service,
) -> Result<Option<NativeSetup>, bluegreen::Error> {
    let service = EcsNativeService::new(aws, &service.cluster, &service.name);
    service.setup().await
}

/// Returns what judges the deployments of a service: the file's settings or the defaults, with the deployment's
/// own checks and accepted risks.
pub(crate) fn spec_of(
    base: Option<&MigrationSpec>,
    deployment: &ServiceDeployment,
) -> MigrationSpec {
    let service = &deployment.service;
    let mut spec = match base {
        Some(base) => base.for_service(service),
        None => usual(service),
    };
    if let Some(native) = &mut spec.native {
        native.deployment = Some(deployment.spec.clone());
    }
    spec.safety.accept.extend(&deployment.spec.accept);
    if deployment.spec.on_cancel != OnCancel::default() {
        spec.plan.on_cancel = deployment.spec.on_cancel;
    }
    spec
}

/// Judges the deployment that a run began, and returns the exit code of the whole.
pub(crate) async fn after_begin(
    judged: &Judged<'_>,
    deployment: &ServiceDeployment,
    begun: &DeploymentOutcome,
) -> Option<u8> {
    let DeploymentOutcome::Begun { revision, then, .. } = begun else {
        return None;
    };
    let arn = match shown(judged.aws, &deployment.service, revision).await {
        Ok(arn) => arn,
        Err(code) => return Some(code),
    };
    if !judged.told.json {
        say_line!("{begun}");
        say_line!("judging {arn}");
    }
    let then: Option<Control> = then.clone();
    Some(start(judged, &arn, then, None).await)
}

/// Waits until ECS shows the deployment of this revision, and returns its ARN.
async fn shown(aws: &Aws, service: &Service, revision: &RevisionId) -> Result<String, u8> {
    let one = EcsNativeService::new(aws, &service.cluster, &service.name);
    let clock = aws.clock();
    let since = clock.uptime();
    let mut failure = None;
    loop {
        match one.deployment_of(revision).await {
            Ok(Some(arn)) => return Ok(arn),
            Ok(None) => {}
            Err(error) if error.kind().is_transient() => failure = Some(error),
            Err(error) => return Err(failed(&error, LOOK_NOW)),
        }
        if clock.uptime().saturating_sub(since) > SHOWN_WITHIN {
            break;
        }
        tokio::time::sleep(EVERY).await;
    }
    if let Some(error) = failure {
        let _code = failed(&error, UNCHANGED);
    }
    say_line!(
        "error: the deployment of {revision} was accepted, and ECS does not show it: it is not judged"
    );
    say_line!(
        "  hint: it waits at its first pause; find its ARN with `bluegreen status`, then: bluegreen judge \
         --deployment ARN"
    );
    Err(LOOK_NOW)
}
