//! Deployments whose traffic ECS moves itself: the service's revisions and deployments, and their course.

pub(in crate::aws::sim) mod configuration;
pub(in crate::aws::sim) mod deployment;
pub(in crate::aws::sim) mod hook;
pub(in crate::aws::sim) mod stage;

use std::time::Duration;

use self::{
    configuration::{Action, Configuration},
    deployment::{ALL, Begin, Deployment, Effect, Facts},
    stage::STARTS,
};
use crate::traffic::{Side, Sides};

/// A service of two target groups between which ECS moves the traffic.
#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Native {
    /// The service as ARNs name it: all up to the cluster and the service, and these two.
    account: &'static str,
    path: String,
    /// Oldest first.
    pub(in crate::aws::sim) revisions: Vec<ServiceRevision>,
    /// Oldest first.
    pub(in crate::aws::sim) deployments: Vec<Deployment>,
    /// The revision that was deployed last, by place.
    live: usize,
    pub(in crate::aws::sim) running: Sides<Option<Running>>,
    /// Each group's share of the production traffic as ECS has asked for it, in tenths of a percent.
    pub(in crate::aws::sim) production: Sides<u16>,
    /// The group that gets the test traffic.
    pub(in crate::aws::sim) test: Side,
    pub(in crate::aws::sim) rollback_fails: bool,
}

/// A revision of the service.
#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct ServiceRevision {
    pub(in crate::aws::sim) arn: String,
    pub(in crate::aws::sim) task_definition: String,
    /// The group of its tasks.
    pub(in crate::aws::sim) side: Side,
    pub(in crate::aws::sim) created: Duration,
}

/// The tasks in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::aws::sim) struct Running {
    /// Their revision, by place.
    pub(in crate::aws::sim) revision: usize,
    /// From when on they can serve, if they are not slower than that.
    pub(in crate::aws::sim) from: Duration,
}

/// Why a call about a deployment is refused.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::aws::sim) enum Refusal {
    /// There is no such deployment.
    Missing,
    /// The deployment does not take this.
    Not(String),
}

/// What changed at the balancer and at the service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::aws::sim) struct Passed {
    pub(in crate::aws::sim) has_shifted: bool,
    pub(in crate::aws::sim) has_moved_test: bool,
    pub(in crate::aws::sim) has_won: bool,
}

impl Native {
    /// A service whose tasks of this task definition run in blue's group and get all traffic.
    pub(in crate::aws::sim) fn new(
        account: &'static str,
        path: String,
        task_definition: String,
    ) -> Self {
        let mut native = Self {
            account,
            path,
            revisions: Vec::new(),
            deployments: Vec::new(),
            live: 0,
            running: Sides::default(),
            production: Sides {
                blue: ALL,
                green: 0,
            },
            test: Side::Blue,
            rollback_fails: false,
        };
        let revision = native.revise(task_definition, Side::Blue, Duration::ZERO);
        native.running.blue = Some(Running {
            revision,
            from: Duration::ZERO,
        });
        native
    }

    fn revise(&mut self, task_definition: String, side: Side, created: Duration) -> usize {
        let place = self.revisions.len();
        let number = 1_000_000_000_000_000_001 + place as u64;
        let (account, path) = (self.account, &self.path);
        self.revisions.push(ServiceRevision {
            arn: format!("{account}:service-revision/{path}/{number}"),
            task_definition,
            side,
            created,
        });
        place
    }

    /// The newest deployment, if it is not over. Older ones are over, or about to be.
    pub(in crate::aws::sim) fn active(&self) -> Option<&Deployment> {
        let newest = self.deployments.last();
        newest.filter(|one| !one.status.is_over())
    }

    pub(in crate::aws::sim) fn live(&self) -> &ServiceRevision {
        &self.revisions[self.live]
    }

    pub(in crate::aws::sim) fn live_place(&self) -> usize {
        self.live
    }

    /// The revision that the service is to run: that of the newest deployment, unless it goes back.
    pub(in crate::aws::sim) fn wanted(&self) -> &ServiceRevision {
        let forward = self.active().filter(|one| one.rollback.is_none());
        forward.map_or_else(|| self.live(), |one| &self.revisions[one.target])
    }

    /// The tasks of a revision, by place, if they run.
    pub(in crate::aws::sim) fn tasks_of(&self, revision: usize) -> Option<Running> {
        let running = *self.running.get(self.revisions[revision].side);
        running.filter(|running| running.revision == revision)
    }

    /// The live revision's side and the other.
    fn other_side(&self) -> Side {
        match self.live().side {
            Side::Blue => Side::Green,
            Side::Green => Side::Blue,
        }
    }

    /// Begins a deployment of a task definition, and returns its ARN. A deployment that is not over makes
    /// place for it.
    pub(in crate::aws::sim) fn begin(
        &mut self,
        now: Duration,
        task_definition: String,
        configuration: Configuration,
        has_test: bool,
    ) -> String {
        let mut sources = vec![self.live];
        if let Some(older) = self.deployments.last_mut()
            && !older.status.is_over()
        {
            if older.is_cleaning_up() {
                older.finish(now);
                self.live = older.target;
                sources = vec![self.live];
            } else {
                sources.push(older.target);
                older.supersede(now);
            }
        }
        let side = if configuration.is_rolling() {
            self.live().side
        } else {
            self.other_side()
        };
        let target = self.revise(task_definition, side, now);
        let (account, path) = (self.account, &self.path);
        let number = self.deployments.len() + 1;
        let arn = format!("{account}:service-deployment/{path}/{number:022}");
        self.deployments.push(Deployment::new(Begin {
            arn: arn.clone(),
            sources,
            target,
            side,
            configuration,
            has_test,
            created: now,
        }));
        arn
    }

    /// When a deployment changes next by itself, and its place.
    pub(in crate::aws::sim) fn next(
        &self,
        facts: impl Fn(&Deployment) -> Facts,
    ) -> Option<(Duration, usize)> {
        let all = self.deployments.iter().enumerate();
        let open = all.filter(|(_, one)| !one.status.is_over());
        open.filter_map(|(place, one)| Some((one.next(&facts(one))?, place)))
            .min()
    }

    /// Lets happen to a deployment what is due at this time.
    pub(in crate::aws::sim) fn pass(
        &mut self,
        place: usize,
        at: Duration,
        facts: &Facts,
    ) -> Passed {
        let Some(deployment) = self.deployments.get_mut(place) else {
            return Passed::default();
        };
        let (side, target) = (deployment.side, deployment.target);
        let effects = deployment.pass(at, facts);
        let mut passed = Passed::default();
        for effect in effects {
            match effect {
                Effect::Shift(share) => {
                    self.production = Sides {
                        blue: ALL - share,
                        green: share,
                    };
                    if side == Side::Blue {
                        self.production = Sides {
                            blue: share,
                            green: ALL - share,
                        };
                    }
                    passed.has_shifted = true;
                }
                Effect::Test(side) => {
                    self.test = side;
                    passed.has_moved_test = true;
                }
                Effect::Start(side, revision) => {
                    let from = at + STARTS;
                    *self.running.get_mut(side) = Some(Running { revision, from });
                }
                Effect::Stop(side) => *self.running.get_mut(side) = None,
                Effect::Won => {
                    self.live = target;
                    if self.tasks_of(target).is_none() {
                        // A rolling update has replaced the tasks in their group.
                        let tasks = Running {
                            revision: target,
                            from: Duration::ZERO,
                        };
                        *self.running.get_mut(side) = Some(tasks);
                    }
                    passed.has_won = true;
                }
            }
        }
        passed
    }

    /// A caller stops a deployment with a rollback.
    pub(in crate::aws::sim) fn stop(&mut self, arn: &str, now: Duration) -> Result<(), Refusal> {
        self.find(arn)?.stop(now).map_err(Refusal::Not)
    }

    /// A caller answers a pause.
    pub(in crate::aws::sim) fn answer(
        &mut self,
        arn: &str,
        hook: &str,
        action: Action,
        now: Duration,
    ) -> Result<(), Refusal> {
        let deployment = self.find(arn)?;
        deployment.answer(hook, action, now).map_err(Refusal::Not)
    }

    fn find(&mut self, arn: &str) -> Result<&mut Deployment, Refusal> {
        let mut all = self.deployments.iter_mut();
        all.find(|one| one.arn == arn).ok_or(Refusal::Missing)
    }
}
