//! Named worlds for a deployment.

use std::{fmt, str::FromStr, time::Duration};

use super::{Call, Fate, Fault, Programs, Simulation, SimulationBuilder, unknown::unknown};
use crate::{error::ParseError, traffic::Sides};

/// A named world, and how a deployment of a new image must end in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReleaseScenario {
    /// Everything works.
    Healthy,
    /// The service does not exist yet.
    FirstRelease,
    /// There is no `docker`.
    NoDocker,
    /// The engine does not run.
    EngineDown,
    /// The credentials have expired.
    Expired,
    /// The build fails.
    BuildFails,
    /// The registry refuses the push.
    PushRefused,
    /// The image was pushed before.
    ImageThere,
    /// `latest` may not move.
    LatestFixed,
    /// The service gets live traffic already.
    Live,
    /// Tasks die at start.
    TaskDies,
    /// Tasks die at start, and ECS rolls the service back by itself.
    BreakerTrips,
    /// Tasks never become ready.
    Stalls,
    /// A third party deploys meanwhile.
    Superseded,
    /// The health page never answers well.
    NeverHealthy,
    /// A smoke test fails.
    SmokeFails,
    /// A smoke test fails, and the service cannot be rolled back.
    RollbackBlocked,
    /// The first release is broken.
    FirstReleaseBroken,
    /// AWS throttles, and the answer to the update is lost.
    Rough,
    /// Green has neither target group nor test route.
    Unprepared,
}

impl ReleaseScenario {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Healthy,
        Self::FirstRelease,
        Self::NoDocker,
        Self::EngineDown,
        Self::Expired,
        Self::BuildFails,
        Self::PushRefused,
        Self::ImageThere,
        Self::LatestFixed,
        Self::Live,
        Self::TaskDies,
        Self::BreakerTrips,
        Self::Stalls,
        Self::Superseded,
        Self::NeverHealthy,
        Self::SmokeFails,
        Self::RollbackBlocked,
        Self::FirstReleaseBroken,
        Self::Rough,
        Self::Unprepared,
    ];

    /// The scenario's name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// The exit code of a deployment by the default plan.
    #[must_use]
    pub fn expected_exit(self) -> u8 {
        self.facts().1
    }

    /// Explains the scenario: its events, and how a deployment must end.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        self.facts().2
    }

    fn facts(self) -> (&'static str, u8, &'static str) {
        match self {
            Self::Healthy => (
                "healthy",
                0,
                "the new revision starts, is healthy and answers well: deployed",
            ),
            Self::FirstRelease => (
                "first-release",
                0,
                "the service does not exist: created from its definition",
            ),
            Self::NoDocker => (
                "no-docker",
                3,
                "there is no `docker`: reported before anything starts",
            ),
            Self::EngineDown => (
                "engine-down",
                3,
                "the container engine does not run: reported before anything starts",
            ),
            Self::Expired => (
                "expired",
                3,
                "the credentials have expired: reported before anything starts",
            ),
            Self::BuildFails => (
                "build-fails",
                3,
                "the build fails: its last lines are shown, nothing is deployed",
            ),
            Self::PushRefused => (
                "push-refused",
                3,
                "the registry refuses the push: the reason is shown, nothing is deployed",
            ),
            Self::ImageThere => (
                "image-there",
                0,
                "the registry has the commit's image already: not built again, deployed",
            ),
            Self::LatestFixed => (
                "latest-fixed",
                0,
                "the repository's tags may not move: `latest` is skipped, deployed",
            ),
            Self::Live => (
                "live",
                3,
                "the service gets live traffic already: refused unless `in-place` is accepted",
            ),
            Self::TaskDies => (
                "task-dies",
                10,
                "tasks die at start: the reason and the place of the logs are shown, rolled back",
            ),
            Self::BreakerTrips => (
                "breaker-trips",
                10,
                "tasks die at start and ECS rolls the service back by itself: followed and read back, without a rollback of ours",
            ),
            Self::Stalls => (
                "stalls",
                10,
                "tasks never become ready: rolled back at the deadline",
            ),
            Self::Superseded => (
                "superseded",
                12,
                "a third party deploys meanwhile: reported, and left alone",
            ),
            Self::NeverHealthy => (
                "never-healthy",
                10,
                "the health page answers 503: rolled back at the deadline",
            ),
            Self::SmokeFails => ("smoke-fails", 10, "the chat answers 500: rolled back"),
            Self::RollbackBlocked => (
                "rollback-blocked",
                20,
                "the chat answers 500 and the service cannot be rolled back: an operator must act, the command is shown",
            ),
            Self::FirstReleaseBroken => (
                "first-release-broken",
                10,
                "the first release answers 500: the service is emptied, since nothing ran before",
            ),
            Self::Rough => (
                "rough",
                0,
                "AWS throttles, and the answer to the update is lost: observed, not sent twice, deployed",
            ),
            Self::Unprepared => (
                "unprepared",
                3,
                "green has neither target group nor test route: refused; `prepare` makes both",
            ),
        }
    }

    /// Returns the world of this scenario.
    #[must_use]
    pub fn simulation(self, seed: u64) -> Simulation {
        let bare = SimulationBuilder::default().seed(seed);
        let world = bare.clone().test_route();
        match self {
            Self::Unprepared => bare.no_green_group().no_service().build(),
            Self::Healthy => world.build(),
            Self::FirstRelease => world.no_service().build(),
            Self::NoDocker => world.programs(Programs::Missing).build(),
            Self::EngineDown => world.programs(Programs::EngineDown).build(),
            Self::Expired => {
                let simulation = world.build();
                simulation.fail(Call::GetAuthorizationToken.every(), Fault::Expired);
                simulation.fail(Call::DescribeServices.every(), Fault::Expired);
                simulation
            }
            Self::BuildFails => world.programs(Programs::BuildFails).build(),
            Self::PushRefused => world.programs(Programs::PushRefused).build(),
            Self::ImageThere => world.pushed("0123456789ab").build(),
            Self::LatestFixed => world.pushed("latest").immutable_tags().build(),
            Self::Live => world
                .weights(Sides {
                    blue: 90,
                    green: 10,
                })
                .build(),
            Self::TaskDies => world.next_revision(Fate::Dies).build(),
            Self::BreakerTrips => world.next_revision(Fate::Dies).breaker_takes_back().build(),
            Self::Stalls => world.next_revision(Fate::Stalls).build(),
            Self::Superseded => world
                .third_party_deploy_at(Duration::from_secs(100))
                .build(),
            Self::NeverHealthy => world.next_revision(Fate::Unhealthy).build(),
            Self::SmokeFails => world.next_revision(Fate::Broken).build(),
            Self::RollbackBlocked => {
                let simulation = world.next_revision(Fate::Broken).build();
                simulation.fail(Call::UpdateService.from_nth(2), Fault::Denied);
                simulation
            }
            Self::FirstReleaseBroken => world.no_service().next_revision(Fate::Broken).build(),
            Self::Rough => {
                let simulation = world.build();
                simulation.fail(Call::DescribeServices.each_nth(4), Fault::Throttle);
                simulation.fail(
                    Call::RegisterTaskDefinition.nth(1),
                    Fault::TimeoutAfterEffect,
                );
                simulation.fail(Call::TagResource.nth(1), Fault::TimeoutBeforeEffect);
                simulation.fail(Call::UpdateService.nth(1), Fault::TimeoutAfterEffect);
                simulation
            }
        }
    }
}

impl fmt::Display for ReleaseScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ReleaseScenario {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|one| one.name() == text);
        found.ok_or_else(|| unknown(text, Self::ALL.iter().map(|one| one.name())))
    }
}
