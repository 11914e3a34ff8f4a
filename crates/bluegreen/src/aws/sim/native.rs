//! Named worlds in which ECS moves the traffic.

use std::{fmt, str::FromStr, time::Duration};

use serde_json::{Value, json};

use super::{
    Behaviour, Call, Fault, Service, Simulation, SimulationBuilder, When, unknown::unknown,
};
use crate::error::ParseError;

/// A named world in which ECS moves the traffic of a deployment that pauses, and how a judge with the
/// default plan must end in it.
///
/// # Examples
///
/// ```
/// use bluegreen::aws::sim::NativeScenario;
///
/// let simulation = NativeScenario::HealthyLinear.simulation(7);
/// let (arn, status) = simulation.service_deployments().remove(0);
/// assert!(arn.contains(":service-deployment/"));
/// assert_eq!(status, "PENDING");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NativeScenario {
    /// A linear deployment of a revision that serves well.
    HealthyLinear,
    /// A canary deployment of a revision that serves well.
    HealthyCanary,
    /// Green fails from the second step on.
    ErrorsAtStep,
    /// Green refuses connections as soon as it gets traffic.
    DeadGreen,
    /// Green publishes no metrics.
    Silence,
    /// No answer reaches ECS, and the time-out of the pause rolls back.
    TimeoutRollsBack,
    /// The time-out of the pause continues.
    TimeoutContinues,
    /// An alarm rolls back at the time at which the gate would.
    AlarmAndGate,
    /// ECS cannot roll back.
    StopFails,
    /// A third party begins another deployment meanwhile.
    SecondDeployment,
}

impl NativeScenario {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::HealthyLinear,
        Self::HealthyCanary,
        Self::ErrorsAtStep,
        Self::DeadGreen,
        Self::Silence,
        Self::TimeoutRollsBack,
        Self::TimeoutContinues,
        Self::AlarmAndGate,
        Self::StopFails,
        Self::SecondDeployment,
    ];

    /// The scenario's name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// The name of a world that is kept: there are worlds of migrations beside it.
    pub(super) fn kept_name(self) -> &'static str {
        match self {
            Self::HealthyLinear => "native-healthy-linear",
            Self::HealthyCanary => "native-healthy-canary",
            Self::ErrorsAtStep => "native-errors-at-step",
            Self::DeadGreen => "native-dead-green",
            Self::Silence => "native-silence",
            Self::TimeoutRollsBack => "native-timeout-rolls-back",
            Self::TimeoutContinues => "native-timeout-continues",
            Self::AlarmAndGate => "native-alarm-and-gate",
            Self::StopFails => "native-stop-fails",
            Self::SecondDeployment => "native-second-deployment",
        }
    }

    /// The exit code of a judge with the default plan.
    #[must_use]
    pub fn expected_exit(self) -> u8 {
        self.facts().1
    }

    /// Explains the scenario: its events, and how a judge must end.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        self.facts().2
    }

    fn facts(self) -> (&'static str, u8, &'static str) {
        match self {
            Self::HealthyLinear => (
                "healthy-linear",
                0,
                "ECS moves a quarter at each step and pauses before it: each pause is answered, promoted",
            ),
            Self::HealthyCanary => (
                "healthy-canary",
                0,
                "ECS moves a tenth, then the rest, and pauses before both: answered, promoted",
            ),
            Self::ErrorsAtStep => (
                "errors-at-step",
                10,
                "green fails a fifth of its requests from the second step on: stopped between two pauses, rolled back by ECS",
            ),
            Self::DeadGreen => (
                "dead-green",
                10,
                "green refuses connections as soon as it gets traffic: stopped, rolled back by ECS",
            ),
            Self::Silence => (
                "silence",
                10,
                "green publishes no metrics: no pause after the first is answered, rolled back before the pause ends",
            ),
            Self::TimeoutRollsBack => (
                "timeout-rolls-back",
                10,
                "every answer is refused, and after 20 minutes the time-out of the pause rolls back: ECS is its own dead-man switch",
            ),
            Self::TimeoutContinues => (
                "timeout-continues",
                3,
                "a pause that is not answered continues: refused, unless accepted",
            ),
            Self::AlarmAndGate => (
                "alarm-and-gate",
                10,
                "green fails a fifth of its requests and an alarm of the service goes off three minutes later: one of both rolls back",
            ),
            Self::StopFails => (
                "stop-fails",
                20,
                "green fails a fifth of its requests, and ECS cannot roll back: an operator must act now",
            ),
            Self::SecondDeployment => (
                "second-deployment",
                12,
                "a third party deploys again in minute 12: the judge ends, since its deployment is replaced",
            ),
        }
    }

    /// Returns the world of this scenario; a third party begins the deployment at its start.
    #[must_use]
    pub fn simulation(self, seed: u64) -> Simulation {
        self.finish(self.world(seed).third_party_deploy_at(Duration::ZERO))
    }

    /// Returns the same world without a deployment: the caller begins one with UpdateService.
    #[must_use]
    pub fn idle(self, seed: u64) -> Simulation {
        self.finish(self.world(seed))
    }

    /// Sets the faults of the world.
    fn finish(self, world: SimulationBuilder) -> Simulation {
        let simulation = world.build();
        if self == Self::TimeoutRollsBack {
            simulation.fail(Call::ContinueServiceDeployment.every(), Fault::Denied);
            simulation.fail(Call::StopServiceDeployment.every(), Fault::Denied);
        }
        simulation
    }

    fn world(self, seed: u64) -> SimulationBuilder {
        let green = Service::new(4).with_latency(Duration::from_millis(90));
        let after = |nth: u32, minutes: u64| {
            When::AfterNthRise(nth, Duration::from_secs(60 * minutes), Duration::MAX)
        };
        let errors = Behaviour::Errors(0.2);
        let world = Simulation::builder().seed(seed);
        let world = world.history(Duration::from_secs(7 * 24 * 3_600));
        let linear = world.clone().native(linear(60, "ROLLBACK"));
        match self {
            Self::HealthyLinear => linear,
            Self::HealthyCanary => world.native(canary()),
            Self::ErrorsAtStep => linear.green(green.with(after(2, 0), errors)),
            Self::DeadGreen => linear.green(green.with(after(1, 0), Behaviour::Dead)),
            Self::Silence => linear.green(green.with(When::Always, Behaviour::Silent)),
            Self::TimeoutRollsBack => world.native(self::linear(20, "ROLLBACK")),
            Self::TimeoutContinues => world.native(self::linear(20, "CONTINUE")),
            Self::AlarmAndGate => {
                let alarm = "chatbot-api-5xx";
                let mut watched = self::linear(60, "ROLLBACK");
                watched["alarms"] =
                    json!({"alarmNames": [alarm], "enable": true, "rollback": true});
                let green = green.with(after(2, 0), errors);
                let world = world.native(watched).green(green);
                world.alarm(alarm, after(2, 3))
            }
            Self::StopFails => linear
                .green(green.with(after(2, 0), errors))
                .native_rollback_fails(),
            Self::SecondDeployment => linear.third_party_deploy_at(Duration::from_secs(12 * 60)),
        }
    }
}

/// A pause before each shift, which waits for so many minutes.
fn pause(minutes: u32, action: &str) -> Value {
    json!([{
        "targetType": "PAUSE", "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
        "timeoutConfiguration": {"timeoutInMinutes": minutes, "action": action}
    }])
}

/// A quarter at each step.
fn linear(pause_minutes: u32, action: &str) -> Value {
    json!({
        "strategy": "LINEAR",
        "linearConfiguration": {"stepPercent": 25.0, "stepBakeTimeInMinutes": 5},
        "bakeTimeInMinutes": 5, "lifecycleHooks": pause(pause_minutes, action)
    })
}

/// A tenth, then the rest.
fn canary() -> Value {
    json!({
        "strategy": "CANARY",
        "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 10},
        "bakeTimeInMinutes": 5, "lifecycleHooks": pause(60, "ROLLBACK")
    })
}

impl fmt::Display for NativeScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for NativeScenario {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|one| one.name() == text);
        found.ok_or_else(|| unknown(text, Self::ALL.iter().map(|one| one.name())))
    }
}
