//! `bluegreen plan` of a service whose traffic ECS moves: hooks, steps, bakes, the role, and what to write in
//! infrastructure code.

use bluegreen::{
    aws::ecs::{EcsNativeService, NativeSetup},
    native::{NativePlan, NativeStrategy},
    preflight::Finding,
    spec::Use,
};
use serde_json::{Value, json};

use super::{
    file::not_moved,
    render,
    status::{data, policy},
};
use crate::{
    common::{
        data::try_json_line,
        errors::{UNCHANGED, failed, invalid},
        journal::JournalPlace,
        say::{answer, say_line},
    },
    migration::{
        file::File,
        render::{COLUMNS, wrapped},
        world::World,
    },
};

/// The managed policy of the role with which ECS writes the rules
/// ([ECS guide](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AmazonECSInfrastructureRolePolicyForLoadBalancers.html)).
const ROLE_POLICY: &str = "AmazonECSInfrastructureRolePolicyForLoadBalancers";

/// Shows how ECS moves the traffic of the file's service, what the judge does, and what the service lacks.
pub(crate) async fn plan(
    file: &File,
    place: &JournalPlace,
    prints_policy: bool,
    is_json: bool,
) -> Result<u8, u8> {
    let spec = &file.spec;
    if prints_policy {
        return policy(file, &file.journal(place), Use::Plan);
    }
    let plan = spec.native_plan();
    let plan = plan.map_err(|error| invalid(&error))?;
    let native = spec.native.as_ref().ok_or(UNCHANGED)?;
    let world = World::of(spec, false, None).await?;
    let service = EcsNativeService::new(world.aws(), &native.service.cluster, &native.service.name);
    let setup = service.setup().await;
    let setup = setup.map_err(|error| failed(&error, UNCHANGED))?;
    let Some(setup) = setup else {
        let code = not_moved(&native.service);
        say_line!("{}", infrastructure_code(None));
        return Err(code);
    };
    let (found, stops) = findings(&setup, &plan);
    let written = match is_json {
        true => try_json_line(&json!({
            "name": spec.name,
            "service": native.service.to_string(),
            "survey": data(&setup.survey),
            "role": setup.role,
            "production_rule": setup.production_rule,
            "test_rule": setup.test_rule,
            "plan": plan,
            "findings": found.iter().map(|finding| as_data(finding, &plan)).collect::<Vec<_>>(),
            "may_begin": !stops,
        })),
        false => answer(&as_text(
            &file.spec.name.to_string(),
            &setup,
            &plan,
            &found,
            stops,
        )),
    };
    if let Err(error) = written {
        say_line!("error: the answer could not be written: {error}");
        return Ok(UNCHANGED);
    }
    Ok(if stops { UNCHANGED } else { 0 })
}

/// Prints what a deployment of such a service would be, for a dry run, and returns whether it would be refused.
pub(crate) fn print_plan(setup: &NativeSetup, plan: &NativePlan) -> bool {
    for line in render::survey(&setup.survey) {
        say_line!("{line}");
    }
    let (found, stops) = findings(setup, plan);
    for line in render::findings(&found, plan.accepted()).0 {
        say_line!("{line}");
    }
    stops
}

fn findings(setup: &NativeSetup, plan: &NativePlan) -> (Vec<Finding>, bool) {
    let found = setup.unfit();
    let stops = found.iter().any(|finding| finding.stops(plan.accepted()));
    (found, stops)
}

fn as_data(finding: &Finding, plan: &NativePlan) -> Value {
    json!({
        "stops": finding.stops(plan.accepted()),
        "message": finding.message,
        "hint": finding.hint,
    })
}

fn as_text(
    name: &str,
    setup: &NativeSetup,
    plan: &NativePlan,
    found: &[Finding],
    stops: bool,
) -> String {
    let mut lines = vec![format!(
        "{name}: ECS moves the traffic of service {}",
        setup.survey.service
    )];
    lines.extend(render::survey(&setup.survey));
    let unset = "none".to_owned();
    lines.push(format!(
        "role of ECS: {} (it needs {ROLE_POLICY})",
        setup.role.as_ref().unwrap_or(&unset)
    ));
    lines.push(format!(
        "test rule: {}",
        match &setup.test_rule {
            Some(rule) => rule.as_str(),
            None => "none: checks cannot reach green before it gets traffic",
        }
    ));
    let span = render::span;
    lines.push(format!(
        "judge: looks every {}, watches each share for {} at least, waits {} at most, then {}",
        span(plan.look_interval()),
        span(plan.bake()),
        span(plan.answer_within()),
        match plan.on_inconclusive() {
            bluegreen::migration::OnInconclusive::RollBack => "rolls back",
            _ => "leaves the deployment as it is",
        }
    ));
    lines.extend(render::findings(found, plan.accepted()).0);
    let lines = lines.iter().flat_map(|line| wrapped(line, COLUMNS, 4));
    let mut lines: Vec<String> = lines.collect();
    lines.push(match stops {
        true => "a deployment would be refused".to_owned(),
        false => "a deployment may begin: `bluegreen deploy`".to_owned(),
    });
    lines.push(infrastructure_code(Some(setup.survey.strategy)));
    lines.join("\n")
}

/// What to write so that each shift waits for an answer. The names are those of CloudFormation's
/// `AWS::ECS::Service` and of Terraform's `aws_ecs_service`; the provider has `target_type` since
/// <https://github.com/hashicorp/terraform-provider-aws/pull/48128>.
fn infrastructure_code(strategy: Option<NativeStrategy>) -> String {
    let (name, cloud_formation, terraform) = match strategy {
        Some(NativeStrategy::BlueGreen) => ("BLUE_GREEN", String::new(), String::new()),
        Some(NativeStrategy::Linear { step, bake }) => {
            let (step, minutes) = (f64::from(step.as_tenths()) / 10.0, bake.as_secs() / 60);
            (
                "LINEAR",
                format!(
                    "\n    LinearConfiguration: {{ StepPercent: {step}, StepBakeTimeInMinutes: {minutes} }}"
                ),
                format!(
                    "\n    linear_configuration {{\n      step_percent              = {step}\n      \
                     step_bake_time_in_minutes = {minutes}\n    }}"
                ),
            )
        }
        Some(NativeStrategy::Canary { share, bake }) => {
            canary(f64::from(share.as_tenths()) / 10.0, bake.as_secs() / 60)
        }
        _ => canary(10.0, 10),
    };
    format!(
        "\
in CloudFormation, in the properties of AWS::ECS::Service:
  DeploymentConfiguration:
    Strategy: {name}{cloud_formation}
    BakeTimeInMinutes: 10
    LifecycleHooks:
      - TargetType: PAUSE
        LifecycleStages: [PRE_PRODUCTION_TRAFFIC_SHIFT]
        TimeoutConfiguration: {{ TimeoutInMinutes: 120, Action: ROLLBACK }}
in Terraform, in aws_ecs_service (a provider with `target_type`, merged in
September 2026):
  deployment_configuration {{
    strategy             = \"{name}\"
    bake_time_in_minutes = 10{terraform}
    lifecycle_hook {{
      target_type      = \"PAUSE\"
      lifecycle_stages = [\"PRE_PRODUCTION_TRAFFIC_SHIFT\"]
      timeout_configuration {{
        timeout_in_minutes = 120
        action             = \"ROLLBACK\"
      }}
    }}
  }}"
    )
}

fn canary(percent: f64, minutes: u64) -> (&'static str, String, String) {
    (
        "CANARY",
        format!(
            "\n    CanaryConfiguration: {{ CanaryPercent: {percent}, CanaryBakeTimeInMinutes: {minutes} }}"
        ),
        format!(
            "\n    canary_configuration {{\n      canary_percent              = {percent}\n      \
             canary_bake_time_in_minutes = {minutes}\n    }}"
        ),
    )
}
