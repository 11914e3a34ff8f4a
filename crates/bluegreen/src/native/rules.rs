//! At which pause green must have proved itself by checks, since traffic may follow.

use super::NativeSurvey;
use crate::preflight::Finding;

/// The stages right before green may get its first production traffic, while its copies run and the test
/// listener may lead to them
/// ([ECS API](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentLifecycleHook.html)).
const BEFORE_TRAFFIC: [&str; 2] = ["POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT"];

/// Returns whether production traffic may reach green for the first time right after a pause at this stage:
/// then the checks must have passed.
pub(super) fn is_before_traffic(stage: &str) -> bool {
    BEFORE_TRAFFIC.contains(&stage)
}

/// Refuses a run with checks if no pause comes at which green could be asked and still has no traffic.
pub(super) fn checks_without_pause(survey: &NativeSurvey, checks: usize) -> Option<Finding> {
    let mut stages = survey.pauses().flat_map(|hook| &hook.stages);
    if checks == 0 || stages.any(|stage| is_before_traffic(stage)) {
        return None;
    }
    let [after_test, before] = BEFORE_TRAFFIC;
    let found = Finding::refusal(format!(
        "service {} has no pause at which the checks could ask green before it gets traffic",
        survey.service
    ));
    Some(found.with_hint(format!(
        "add a pause at {before} or {after_test}, or leave the checks out"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::{ConfiguredHook, HookTarget, NativeStrategy};

    #[test]
    fn checks_need_a_pause_while_green_runs_and_has_no_traffic() {
        let survey = |stage: &str, target: HookTarget| {
            let mut survey = NativeSurvey::new("chat", NativeStrategy::BlueGreen);
            survey.hooks = vec![ConfiguredHook::new(target, [stage])];
            survey
        };
        for stage in BEFORE_TRAFFIC {
            assert_eq!(
                checks_without_pause(&survey(stage, HookTarget::Pause), 1),
                None
            );
        }
        let early = survey("PRE_SCALE_UP", HookTarget::Pause);
        assert_eq!(checks_without_pause(&early, 0), None);
        let function = HookTarget::Function("smoke".to_owned());
        for late in [early, survey("PRE_PRODUCTION_TRAFFIC_SHIFT", function)] {
            assert!(checks_without_pause(&late, 1).is_some_and(|one| one.hint.is_some()));
        }
    }
}
