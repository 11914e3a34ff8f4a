//! Named worlds.

use std::{fmt, str::FromStr, time::Duration};

use super::{
    Behaviour, Call, Fault, NativeScenario, Scaling, Service, Simulation, When, unknown::unknown,
};
use crate::{error::ParseError, traffic::Sides};

/// A named world, and how a migration by the default plan must end in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scenario {
    /// Green serves well.
    Healthy,
    /// Green fails a fifth of its requests.
    GreenErrors,
    /// Green is slow.
    GreenSlow,
    /// Green dies on the way.
    GreenDead,
    /// Green warms up, and fails in the first seconds after each shift.
    ColdStart,
    /// Green fails more with every minute.
    SlowLeak,
    /// Green fails in the first minutes of the second step only.
    EarlyErrors,
    /// Both sides fail for a while.
    CommonOutage,
    /// Green publishes no metrics.
    NoData,
    /// Hardly any traffic.
    LowTraffic,
    /// AWS throttles reads now and then, and the first write.
    Throttled,
    /// A third party changes the split.
    Drift,
    /// Green fails, and blue cannot be restored.
    RollbackBlocked,
    /// Green has one target and never gets more.
    CapacityShort,
    /// Blue is scaled in as its requests go to green, and green dies late.
    BlueScalesIn,
    /// An alarm fires before the start.
    AlarmFiring,
    /// Green's group is in no rule.
    GreenDetached,
    /// Green's group is in another rule too.
    SharedGroup,
    /// Clients stay on a side for a day.
    Sticky,
    /// Traffic is divided before the start.
    Divided,
    /// ECS moves the traffic itself, and no deployment has begun. Not in [`ALL`](Self::ALL): there is no
    /// migration.
    NativeIdle,
    /// ECS moves the traffic itself, and a third party begins a deployment. Not in [`ALL`](Self::ALL).
    Native(NativeScenario),
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

impl Scenario {
    /// All worlds of a migration; [`NativeScenario::ALL`] has the others.
    pub const ALL: [Self; 20] = [
        Self::Healthy,
        Self::GreenErrors,
        Self::GreenSlow,
        Self::GreenDead,
        Self::ColdStart,
        Self::SlowLeak,
        Self::EarlyErrors,
        Self::CommonOutage,
        Self::NoData,
        Self::LowTraffic,
        Self::Throttled,
        Self::Drift,
        Self::RollbackBlocked,
        Self::CapacityShort,
        Self::BlueScalesIn,
        Self::AlarmFiring,
        Self::GreenDetached,
        Self::SharedGroup,
        Self::Sticky,
        Self::Divided,
    ];

    /// The scenario's name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// The exit code of a migration by the default plan; of a judge if ECS moves the traffic.
    #[must_use]
    pub fn expected_exit(self) -> u8 {
        self.facts().1
    }

    /// Explains the scenario: its events, and how a migration must end.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        self.facts().2
    }

    fn facts(self) -> (&'static str, u8, &'static str) {
        match self {
            Self::NativeIdle => (
                "native",
                0,
                "ECS moves a service's traffic, a tenth, then the rest: a deployment is begun, judged, promoted",
            ),
            Self::Native(world) => (
                world.kept_name(),
                world.expected_exit(),
                world.explanation(),
            ),
            Self::Healthy => (
                "healthy",
                0,
                "green serves as well as blue: promoted in half an hour",
            ),
            Self::GreenErrors => (
                "green-errors",
                10,
                "green fails a fifth of its requests: rolled back from 10 %",
            ),
            Self::GreenSlow => (
                "green-slow",
                10,
                "green takes four seconds to answer: rolled back from 10 %",
            ),
            Self::GreenDead => (
                "green-dead",
                10,
                "green refuses connections from minute 12 on, and its metrics fall silent: rolled back",
            ),
            Self::ColdStart => (
                "cold-start",
                0,
                "green's targets become healthy one by one, and fail in the first 40 s after each shift: waited for, warm-up not counted, promoted",
            ),
            Self::SlowLeak => (
                "slow-leak",
                10,
                "from minute 8 on green fails more with every minute: rolled back once it is proved",
            ),
            Self::EarlyErrors => (
                "early-errors",
                10,
                "green fails in the first five minutes of the second step and is well after that: rolled back, since looks continue for the whole wait",
            ),
            Self::CommonOutage => (
                "common-outage",
                0,
                "both sides fail a tenth of their requests for two minutes: not blamed on green, promoted",
            ),
            Self::NoData => (
                "no-data",
                10,
                "green publishes no metrics: never promoted, rolled back at the deadline",
            ),
            Self::LowTraffic => (
                "low-traffic",
                3,
                "three requests a minute prove nothing: refused before anything is shifted",
            ),
            Self::Throttled => (
                "throttled",
                0,
                "AWS throttles reads now and then, the first write, and a whole minute of metrics: observed, tried again, promoted",
            ),
            Self::Drift => (
                "drift",
                12,
                "a third party writes 70/30 in minute 15: held with a diff, not overwritten",
            ),
            Self::RollbackBlocked => (
                "rollback-blocked",
                20,
                "green fails and every write after the first is refused: an operator must act now, the command to restore blue by hand is shown",
            ),
            Self::CapacityShort => (
                "capacity-short",
                10,
                "green has one target, blue has four: 10 % is fine, the wait for 50 % ends without enough capacity, rolled back",
            ),
            Self::BlueScalesIn => (
                "blue-scales-in",
                10,
                "blue is scaled in as its requests go to green, and green dies four minutes after its third rise: rolled back, to a blue that kept its capacity",
            ),
            Self::AlarmFiring => (
                "alarm-firing",
                3,
                "an alarm fires before the start: refused, nothing changed",
            ),
            Self::GreenDetached => (
                "green-detached",
                3,
                "green's group is in no rule, so nothing checks its health: refused, with the command that attaches it",
            ),
            Self::SharedGroup => (
                "shared-group",
                3,
                "another rule sends traffic to green too: refused, unless accepted",
            ),
            Self::Sticky => (
                "sticky",
                3,
                "clients stay on a side for a day, longer than a step: refused, unless accepted",
            ),
            Self::Divided => (
                "divided",
                3,
                "traffic was left at 50/50 before the start: refused; `rollback` and `migrate --full` continue from there",
            ),
        }
    }

    /// Returns the world of this scenario.
    #[must_use]
    pub fn simulation(self, seed: u64) -> Simulation {
        let always = When::Always;
        let from = |minute: u64| When::Between(minutes(minute), Duration::MAX);
        let green = Service::new(4).with_latency(Duration::from_millis(90));
        // A week, for callers that look back.
        let week = minutes(7 * 24 * 60);
        let world = Simulation::builder().seed(seed).history(week);
        match self {
            Self::NativeIdle => NativeScenario::HealthyCanary.idle(seed),
            Self::Native(native) => native.simulation(seed),
            Self::Healthy => world.build(),
            Self::GreenErrors => world
                .green(green.with(always, Behaviour::Errors(0.2)))
                .build(),
            Self::GreenSlow => {
                let slow = Behaviour::Latency(Duration::from_millis(4200));
                world.green(green.with(always, slow)).build()
            }
            Self::GreenDead => world.green(green.with(from(12), Behaviour::Dead)).build(),
            Self::ColdStart => {
                let cold = When::AfterRise(Duration::ZERO, Duration::from_secs(40));
                let green = green
                    .warming(minutes(2), minutes(1))
                    .with(cold, Behaviour::Errors(0.3));
                world.green(green).build()
            }
            Self::SlowLeak => world
                .green(green.with(from(8), Behaviour::Leak(0.01)))
                .build(),
            Self::EarlyErrors => {
                let early = When::AfterNthRise(2, Duration::ZERO, minutes(5));
                world
                    .green(green.with(early, Behaviour::Errors(1.0)))
                    .build()
            }
            Self::CommonOutage => {
                let outage = When::Between(minutes(14), minutes(16));
                let blue = Service::new(4).with(outage, Behaviour::Errors(0.1));
                let green = green.with(outage, Behaviour::Errors(0.1));
                world.blue(blue).green(green).build()
            }
            Self::NoData => world.green(green.with(always, Behaviour::Silent)).build(),
            Self::LowTraffic => world.traffic(0.05).build(),
            Self::Throttled => {
                let simulation = world.build();
                simulation.fail(Call::DescribeRules.each_nth(7), Fault::Throttle);
                simulation.fail(Call::DescribeTargetHealth.each_nth(5), Fault::Throttle);
                simulation.fail(Call::GetMetricData.each_nth(3), Fault::Throttle);
                simulation.fail(Call::ModifyRule.nth(1), Fault::Throttle);
                let minute = Call::GetMetricData.between(minutes(6), minutes(7));
                simulation.fail(minute, Fault::Throttle);
                simulation
            }
            Self::Drift => {
                let simulation = world.build();
                let weights = Sides {
                    blue: 70,
                    green: 30,
                };
                simulation.third_party_write_at(minutes(15), weights);
                simulation
            }
            Self::RollbackBlocked => {
                let errors = Behaviour::Errors(0.2);
                let simulation = world.green(green.with(always, errors)).build();
                simulation.fail(Call::ModifyRule.from_nth(2), Fault::Denied);
                simulation
            }
            Self::CapacityShort => world.green(Service::new(1)).build(),
            Self::BlueScalesIn => {
                let late = When::AfterNthRise(3, minutes(4), Duration::MAX);
                world
                    .blue(Service::new(4).with_capacity(5.0))
                    .blue_scales(Scaling::between(1, 8).in_after(3))
                    .green(green.with(late, Behaviour::Dead))
                    .build()
            }
            Self::AlarmFiring => world.alarm("chatbot-api-5xx", always).build(),
            Self::GreenDetached => world.detached_green().build(),
            Self::SharedGroup => world.shared_green().build(),
            Self::Sticky => world.sticky(minutes(24 * 60)).build(),
            Self::Divided => world
                .weights(Sides {
                    blue: 50,
                    green: 50,
                })
                .build(),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scenario {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let natives = NativeScenario::ALL.into_iter().map(Self::Native);
        let mut all = Self::ALL
            .into_iter()
            .chain([Self::NativeIdle])
            .chain(natives);
        let found = all.find(|scenario| scenario.name() == text);
        found.ok_or_else(|| unknown(text, Self::ALL.iter().map(|one| one.name())))
    }
}
