//! What a service must have so that a judge can decide: a pause right before each shift, and a pause at which
//! checks can ask green.

use super::{HookTarget, NativeStrategy, NativeSurvey, OnTimeout};
use crate::{
    clock::span,
    preflight::{Acceptance, Finding},
};

/// The stages right before green may get its first production traffic, while its copies run and the test
/// listener may lead to them
/// ([ECS API](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentLifecycleHook.html)).
const BEFORE_TRAFFIC: [&str; 2] = ["POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT"];

/// Returns whether production traffic may reach green for the first time right after a pause at this stage:
/// then the checks must have passed.
pub(super) fn is_before_traffic(stage: &str) -> bool {
    BEFORE_TRAFFIC.contains(&stage)
}

impl NativeSurvey {
    /// Returns what in strategy and hooks would make a judge useless or unsafe: no pause right before a shift,
    /// a pause that continues by itself. Each run adds these findings to those of its survey; a program can
    /// ask before a deployment begins.
    ///
    /// # Examples
    ///
    /// ```
    /// use bluegreen::native::{ConfiguredHook, HookTarget, NativeStrategy, NativeSurvey};
    ///
    /// let mut survey = NativeSurvey::new("chat", NativeStrategy::BlueGreen);
    /// assert_eq!(survey.unfit().len(), 1, "traffic would move without a pause");
    /// survey.hooks.push(ConfiguredHook::new(HookTarget::Pause, ["PRE_PRODUCTION_TRAFFIC_SHIFT"]));
    /// assert!(survey.unfit().is_empty());
    /// ```
    #[must_use]
    pub fn unfit(&self) -> Vec<Finding> {
        unfit(self)
    }
}

/// Finds what would make a judge useless or unsafe: traffic that moves without a pause, a pause that continues by
/// itself, a function that is asked too.
fn unfit(survey: &NativeSurvey) -> Vec<Finding> {
    let name = &survey.service;
    let mut findings = Vec::new();
    let [_, before_shift] = BEFORE_TRAFFIC;
    let stages: &[&str] = match survey.strategy {
        // Refused for its strategy: there is no shift to pause before.
        NativeStrategy::Rolling => return findings,
        // The only shift: a pause behind the test listener's is right before it, too.
        NativeStrategy::BlueGreen => &BEFORE_TRAFFIC,
        NativeStrategy::Linear { .. } | NativeStrategy::Canary { .. } => &[before_shift],
    };
    let mut paused = survey.pauses().flat_map(|hook| &hook.stages);
    if !paused.any(|stage| stages.contains(&stage.as_str())) {
        let message = format!(
            "service {name} has no pause right before a shift: the platform moves traffic without asking"
        );
        findings.push(Finding::refusal(message).with_hint(format!(
            "add a lifecycle hook with `targetType` PAUSE at {before_shift} to the service's \
             deploymentConfiguration"
        )));
    }
    for hook in survey.pauses() {
        if hook.on_timeout != OnTimeout::Continue {
            continue;
        }
        let stages = hook.stages.join(", ");
        let waits = hook.timeout.map(span).unwrap_or_default();
        let accepted = Acceptance::PauseContinues;
        let message = format!(
            "the pause at {stages} continues after {waits}: traffic moves on if the judge is not there"
        );
        findings.push(
            Finding::refusal_unless(accepted, message).with_hint(format!(
                "set the hook's timeoutConfiguration to the action ROLLBACK; or accept `{accepted}`"
            )),
        );
    }
    for hook in &survey.hooks {
        if let HookTarget::Function(name) = &hook.target {
            let stages = hook.stages.join(", ");
            findings.push(Finding::note(format!(
                "the platform also asks the function {name} at {stages}: both must agree"
            )));
        }
    }
    findings
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
    use crate::{native::ConfiguredHook, preflight::Severity, traffic::Percent};

    #[test]
    fn each_shift_needs_a_pause_right_before_it() {
        let refusals = |strategy, stages: &[&str]| {
            let mut survey = NativeSurvey::new("chat", strategy);
            survey.hooks = vec![ConfiguredHook::new(HookTarget::Pause, stages.to_vec())];
            unfit(&survey).len()
        };
        let bake = std::time::Duration::from_secs(600);
        let (step, share) = (Percent::TEN, Percent::TEN);
        let linear = NativeStrategy::Linear { step, bake };
        let canary = NativeStrategy::Canary { share, bake };
        for strategy in [linear, canary, NativeStrategy::BlueGreen] {
            assert_eq!(refusals(strategy, &["PRE_PRODUCTION_TRAFFIC_SHIFT"]), 0);
            assert_eq!(refusals(strategy, &["POST_SCALE_UP"]), 1);
            let once = usize::from(strategy != NativeStrategy::BlueGreen);
            assert_eq!(refusals(strategy, &["POST_TEST_TRAFFIC_SHIFT"]), once);
        }
        assert_eq!(
            refusals(NativeStrategy::Rolling, &[]),
            0,
            "refused for its strategy"
        );
    }

    #[test]
    fn a_pause_that_continues_is_refused_unless_accepted_and_a_function_is_noted() {
        let mut survey = NativeSurvey::new("chat", NativeStrategy::BlueGreen);
        let pause = ConfiguredHook::new(HookTarget::Pause, BEFORE_TRAFFIC);
        let waits = std::time::Duration::from_secs(7_200);
        let function = HookTarget::Function("smoke".to_owned());
        survey.hooks = vec![
            pause.with_timeout(waits, OnTimeout::Continue),
            ConfiguredHook::new(function, ["POST_SCALE_UP"]),
        ];
        let found = unfit(&survey);
        let accepted = [Acceptance::PauseContinues].into();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].stops(&Default::default()) && !found[0].stops(&accepted));
        assert!(
            found[0].message.contains("continues after 2h"),
            "{}",
            found[0]
        );
        assert_eq!(found[1].severity, Severity::Note);
    }

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
