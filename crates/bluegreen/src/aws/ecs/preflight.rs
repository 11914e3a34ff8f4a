//! What would make a deployment unsafe or impossible.

use serde_json::Value;

use super::{
    EcsServiceDeployer, ServiceSpec, TaskDefinition, fits,
    native::setup_of,
    reach,
    register::is_active,
    traffic,
    update::{DEPLOYED_TAG, retired},
    wire::Service,
};
use crate::{
    error::Result,
    preflight::Finding,
    service::{Rollout, quoted},
};

pub(super) async fn findings(deployer: &EcsServiceDeployer) -> Result<Vec<Finding>> {
    let described = deployer.describe().await?;
    let known = described.as_ref().map(|(_, service)| service);
    let mut findings = files(deployer, known);
    findings.extend(deployer.aws.endpoint_notes());
    let Some((raw, service)) = described else {
        findings.extend(absent(deployer).await?);
        findings.extend(deployer.aws.clock_note());
        return Ok(findings);
    };
    findings.extend(controller(deployer, &service, &raw));
    findings.extend(empty(deployer, &service));
    findings.extend(under_way(deployer, &service));
    if service.takes_back() {
        findings.push(Finding::note(
            "the service rolls failed rollouts back by itself; during a rollout, only the service does",
        ));
    }
    findings.extend(revision(deployer, &service).await?);
    if let Some(spec) = &deployer.spec {
        let lines = spec.differences(&raw);
        findings.extend(lines.into_iter().map(|line| {
            Finding::note(format!(
                "not applied, a deployment changes the task definition only: {line}"
            ))
        }));
    }
    if deployer.is_judged {
        findings.extend(deployer.aws.clock_note());
        return Ok(findings);
    }
    let (name, copies) = (&service.service_name, service.desired_count);
    let account = service.service_arn.split(':').nth(4).unwrap_or_default();
    for group in traffic::groups(&service.load_balancers) {
        findings.extend(traffic::findings(deployer, name, account, copies, &group).await?);
    }
    findings.extend(reach::findings(deployer, name, &raw).await?);
    // After the reads, since their answers tell the time.
    findings.extend(deployer.aws.clock_note());
    Ok(findings)
}

/// The problems of the given files. The image of the container that gets the new one does not count:
/// a deployment sets it.
fn files(deployer: &EcsServiceDeployer, service: Option<&Service>) -> Vec<Finding> {
    let named = |what: &'static str| {
        move |mut finding: Finding| {
            finding.message = format!("{what}: {}", finding.message);
            finding
        }
    };
    let mut findings = Vec::new();
    if let Some(definition) = &deployer.task_definition {
        let chosen = deployer.container_in(definition, service).ok();
        let place = definition
            .containers()
            .iter()
            .position(|name| Some(*name) == chosen.as_deref());
        let set = place.map(|place| format!("containerDefinitions[{place}].image: "));
        let is_set = |finding: &Finding| {
            let set = set.as_ref();
            set.is_some_and(|set| finding.message.starts_with(set))
        };
        let found = definition.findings().into_iter();
        findings.extend(
            found
                .filter(|one| !is_set(one))
                .map(named("task definition")),
        );
    }
    if let Some(spec) = &deployer.spec {
        findings.extend(spec.findings().into_iter().map(named("service definition")));
    }
    findings
}

/// A service that does not exist needs all that it is made of.
async fn absent(deployer: &EcsServiceDeployer) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let service = &deployer.service;
    if deployer.spec.is_none() {
        let message = format!("there is no service {service} in {}", deployer.cluster);
        findings.push(Finding::refusal(message).with_hint(
            "check cluster and region, or give the service's definition, and it is created",
        ));
    }
    match &deployer.task_definition {
        None => findings.push(
            Finding::refusal(format!("there is no task definition for service {service}"))
                .with_hint("the service does not exist yet: give its task definition as a file"),
        ),
        Some(definition) => {
            findings.extend(container(deployer, definition, None));
            findings.extend(image(deployer, definition).await);
        }
    }
    if let Some(spec) = &deployer.spec {
        // ECS's own default.
        let copies = spec.desired_count().unwrap_or(1);
        if copies == 0 {
            findings.push(
                Finding::refusal("service definition: desiredCount: no copy would run")
                    .with_hint("write how many copies are to run"),
            );
        }
        for group in traffic::groups(&spec.load_balancers()) {
            findings.extend(traffic::of_new(deployer, copies, &group).await?);
        }
        findings.extend(reach::of_new(service, &spec.document()));
    }
    Ok(findings)
}

/// The source of the next revision, and whether a rollback to the running one can work.
async fn revision(deployer: &EcsServiceDeployer, service: &Service) -> Result<Vec<Finding>> {
    let Some(primary) = service.primary() else {
        return Ok(Vec::new());
    };
    let (described, running) = deployer.definition(&primary.task_definition).await?;
    let base = deployer.task_definition.as_ref().unwrap_or(&running);
    let mut findings = container(deployer, base, Some(service));
    findings.extend(image(deployer, base).await);
    if !is_active(&described) {
        let message = format!(
            "{} runs, but is deregistered: ECS will not go back to it",
            primary.task_definition
        );
        findings.push(Finding::note(message).with_hint(
            "for a rollback that can work, register and deploy an equal revision first",
        ));
    }
    Ok(findings)
}

/// Which container gets the image, and whether the image fits it.
fn container(
    deployer: &EcsServiceDeployer,
    definition: &TaskDefinition,
    service: Option<&Service>,
) -> Vec<Finding> {
    match deployer.container_in(definition, service) {
        Ok(name) => {
            let runs = deployer.task_definition.is_none();
            fits::findings(deployer, definition, &name, runs)
        }
        Err(error) => {
            let finding = Finding::refusal(error.message());
            vec![finding.with_hint(error.hint().unwrap_or_default())]
        }
    }
}

/// Whether the tasks run the image, if the image is known already.
async fn image(deployer: &EcsServiceDeployer, definition: &TaskDefinition) -> Option<Finding> {
    let image = deployer.image.as_ref()?;
    deployer.image_fits(definition, image).await
}

/// A service that is scaled to zero runs nothing when it is deployed.
fn empty(deployer: &EcsServiceDeployer, service: &Service) -> Option<Finding> {
    let wanted = deployer.spec.as_ref().and_then(ServiceSpec::desired_count);
    let is_empty = service.desired_count == 0 && wanted.unwrap_or_default() == 0;
    if let (true, Some(before)) = (is_empty, retired(service)) {
        return Some(Finding::note(format!(
            "`cleanup` has scaled service {} to zero: the update scales the service up to {before} again",
            service.service_name
        )));
    }
    is_empty.then(|| {
        Finding::refusal(format!(
            "service {} is scaled to zero",
            service.service_name
        ))
        .with_hint("scale it up first, or give its definition with a `desiredCount`")
    })
}

/// A third party that deploys this service, or shifts its traffic.
fn controller(deployer: &EcsServiceDeployer, service: &Service, raw: &Value) -> Vec<Finding> {
    if service.status == "DRAINING" {
        let message = format!("service {} is being deleted", service.service_name);
        return vec![Finding::refusal(message).with_hint("wait until it is gone")];
    }
    let controller = service.deployment_controller.as_ref();
    let kind = controller.map_or("", |one| one.r#type.as_str());
    if !kind.is_empty() && kind != "ECS" {
        let message = format!("service {} is deployed by {kind}", service.service_name);
        return vec![
            Finding::refusal(message)
                .with_hint("deploy it with that, or make a service with ECS's own rolling update"),
        ];
    }
    let configuration = service.deployment_configuration.as_ref();
    let strategy = configuration.and_then(|one| one.strategy.as_deref());
    match strategy {
        None | Some("" | "ROLLING") => Vec::new(),
        Some(_) if deployer.is_judged => setup_of(raw, service).unfit(),
        Some(strategy) => {
            let message = format!(
                "service {} deploys by {strategy}: ECS shifts its traffic itself",
                service.service_name
            );
            vec![Finding::refusal(message).with_hint(
                "its deployments need a judge: `bluegreen deploy` begins and judges them; or set the strategy to \
                 ROLLING",
            )]
        }
    }
}

fn under_way(deployer: &EcsServiceDeployer, service: &Service) -> Option<Finding> {
    let primary = service.primary()?;
    if primary.rollout() != Rollout::InProgress {
        return None;
    }
    let message = format!(
        "deployment {} of {} is under way",
        primary.id, primary.task_definition
    );
    if service.tag(DEPLOYED_TAG) == Some(primary.task_definition.as_str()) {
        return Some(Finding::note(format!("{message}, begun by an earlier run")));
    }
    if deployer.is_judged {
        let judge = match &service.current_service_deployment {
            Some(arn) => format!("judge that one: bluegreen judge --deployment {arn}"),
            None => "judge that one: bluegreen judge --deployment ARN".to_owned(),
        };
        return Some(Finding::refusal(message).with_hint(judge));
    }
    let hint = format!(
        "wait until it has ended: aws ecs wait services-stable --cluster {} --services {}",
        quoted(&deployer.cluster),
        quoted(&deployer.service)
    );
    Some(Finding::refusal(message).with_hint(hint))
}
