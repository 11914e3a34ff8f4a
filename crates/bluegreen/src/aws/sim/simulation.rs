//! [`Simulation`]: the handle.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    SimulationBuilder,
    api::{
        cloudwatch::SimCloudWatch,
        ecr::SimEcr,
        ecs::SimEcs,
        elb::SimElb,
        http::SimHttp,
        programs::{Programs, SimPrograms},
        scheduler::SimScheduler,
    },
    builder::Rule,
    fault::{Call, Fault, Selector, TIME_OUT, answer, lost},
    state::{
        fleet::{self, Fate},
        rules,
        world::World,
    },
    stop::{Moment, Stop, StopPoint},
    time::{Pacer, SimClock},
};
use crate::{
    aws::{
        Aws, Parts,
        alb::{AlbRule, ListenerArn, RuleArn, TargetGroupArn},
        api::ApiError,
    },
    check::HttpClient,
    clock::Clock,
    error::ErrorKind,
    image::CommandRunner,
    traffic::{Side, Sides, TargetCounts},
};

/// A simulated AWS: one balancer, one rule that divides the traffic, two services, CloudWatch.
///
/// A cheap handle: clones are the same world.
#[derive(Clone)]
pub struct Simulation {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    world: Mutex<World>,
    clock: Arc<SimClock>,
    rule: Rule,
}

/// One change of the weights.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// The weights from then on.
    pub weights: Sides<u32>,
    /// Who wrote them.
    pub by: Writer,
    /// The targets at that moment.
    pub targets: Sides<TargetCounts>,
}

/// Who changed the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Writer {
    /// They were so at the start.
    Start,
    /// Whoever calls this simulated AWS.
    Caller,
    /// Somebody else.
    Stranger,
    /// The service itself.
    Service,
    /// A schedule of EventBridge Scheduler.
    Schedule,
}

impl Simulation {
    /// A world to be described.
    pub fn builder() -> SimulationBuilder {
        SimulationBuilder::default()
    }

    pub(super) fn new(world: World, rule: Rule) -> Self {
        Self {
            shared: Arc::new(Shared {
                world: Mutex::new(world),
                clock: Arc::new(SimClock::default()),
                rule,
            }),
        }
    }

    /// Pauses the clock of the current tokio runtime: from here on time passes only when
    /// everybody waits for it, and then at once. Call it once, in a current-thread runtime, before
    /// anything else. A test with `start_paused = true` needs it not.
    ///
    /// Never await a real socket or a child process in such a runtime.
    ///
    /// # Panics
    ///
    /// Where the clock is paused already, or the runtime has several threads.
    pub fn start_paused(&self) {
        tokio::time::pause();
        self.shared.clock.elapsed();
    }

    /// Lets virtual time pass `speed` times as fast as real time while the pacer lives, so that
    /// people can watch and press Ctrl-C. It blocks the runtime's thread in short strokes.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn pace(&self, speed: f64) -> Pacer {
        Pacer::new(speed)
    }

    /// The AWS handle of this world: every adapter takes it, as it takes the real one.
    #[must_use]
    pub fn aws(&self) -> Aws {
        let parts = Parts {
            elb: Arc::new(SimElb(Arc::clone(&self.shared))),
            cloudwatch: Arc::new(SimCloudWatch(Arc::clone(&self.shared))),
            ecs: Arc::new(SimEcs(Arc::clone(&self.shared))),
            ecr: Arc::new(SimEcr(Arc::clone(&self.shared))),
            scheduler: Arc::new(SimScheduler(Arc::clone(&self.shared))),
            clock: Arc::clone(&self.shared.clock) as Arc<dyn Clock>,
        };
        Aws::from_parts(parts, Some("us-east-1".to_owned()))
    }

    /// The rule that divides the traffic, as an operator would name it.
    #[must_use]
    pub fn rule(&self) -> AlbRule {
        match self.shared.rule {
            Rule::Named => AlbRule::Priority {
                listener: self.listener(),
                priority: 100,
            },
            Rule::Default => AlbRule::Default(self.listener()),
        }
    }

    /// The ARN of that rule.
    #[must_use]
    pub fn rule_arn(&self) -> RuleArn {
        self.now().0.rules.main_arn()
    }

    /// The listener.
    #[must_use]
    pub fn listener(&self) -> ListenerArn {
        rules::listener()
    }

    /// Blue's target group.
    #[must_use]
    pub fn blue(&self) -> TargetGroupArn {
        rules::blue()
    }

    /// Green's target group.
    #[must_use]
    pub fn green(&self) -> TargetGroupArn {
        rules::green()
    }

    /// The cluster's name.
    #[must_use]
    pub fn cluster(&self) -> &'static str {
        fleet::CLUSTER
    }

    /// The name of green's service.
    #[must_use]
    pub fn service(&self) -> &'static str {
        fleet::SERVICE
    }

    /// The name of its repository.
    #[must_use]
    pub fn repository(&self) -> &'static str {
        super::api::ecr::REPOSITORY
    }

    /// The programs of the simulated machine, `docker` and `git`. A push lands in the simulated
    /// registry.
    #[must_use]
    pub fn commands(&self) -> Arc<dyn CommandRunner> {
        Arc::new(SimPrograms(Arc::clone(&self.shared)))
    }

    /// What answers requests, by the listener's rules: the main rule's host is
    /// `api.chatbot.company.com`, and with [`SimulationBuilder::test_route`] or after
    /// [`GreenPlace::prepare`](crate::aws::alb::GreenPlace::prepare) a header reaches green itself.
    #[must_use]
    pub fn http(&self) -> Arc<dyn HttpClient> {
        Arc::new(SimHttp(Arc::clone(&self.shared)))
    }

    /// The revision that green's service truly is to run, and how many copies run; `None` where
    /// there is no service.
    #[must_use]
    pub fn runs(&self) -> Option<(String, u32)> {
        let (world, now) = self.now();
        let service = world.fleet.service.as_ref()?;
        let primary = service.deployments.first()?;
        Some((
            primary.revision.clone(),
            world.fleet.progress(primary, now).running,
        ))
    }

    /// Every deployment of green's service so far, with who began it.
    #[must_use]
    pub fn deployments(&self) -> Vec<(String, Writer)> {
        let (world, _) = self.now();
        let service = world.fleet.service.as_ref();
        service
            .map(|service| service.history.clone())
            .unwrap_or_default()
    }

    /// How many revisions were ever registered.
    #[must_use]
    pub fn revisions(&self) -> usize {
        self.now().0.fleet.revisions.len()
    }

    /// The digest that a tag of the repository names.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> Option<String> {
        self.now().0.registry.tags.get(tag).cloned()
    }

    /// The names of the alarms of this world.
    #[must_use]
    pub fn alarms(&self) -> Vec<String> {
        let (world, _) = self.now();
        world
            .alarms
            .iter()
            .map(|alarm| alarm.name.clone())
            .collect()
    }

    /// Makes calls fail. Several faults may be set; the first that hits a call is taken.
    pub fn fail(&self, calls: Selector, fault: Fault) {
        self.now().0.faults.push((calls, fault));
    }

    /// Stops a call, so that a test can kill the run that makes it, or let it sleep there.
    pub fn stop_at(&self, calls: Selector, moment: Moment) -> Stop {
        let (point, stop) = StopPoint::new(calls, moment);
        self.now().0.stops.push(point);
        stop
    }

    /// The names of the target groups that there are.
    #[must_use]
    pub fn target_groups(&self) -> Vec<String> {
        self.now().0.groups.names()
    }

    /// Every rule of the listener, as text: equal texts are equal rules, weights included.
    #[must_use]
    pub fn rules(&self) -> Vec<String> {
        let (world, _) = self.now();
        let all = world.rules.all.iter();
        all.map(|rule| format!("{rule:#?}")).collect()
    }

    /// The weights as they truly are.
    #[must_use]
    pub fn weights(&self) -> Sides<u32> {
        self.now().0.rules.weights()
    }

    /// The main rule without the two weights, as text: equal texts are equal rules.
    #[must_use]
    pub fn rule_without_weights(&self) -> String {
        self.now().0.rules.text_without_weights()
    }

    /// The schedules that wait, with their times.
    #[must_use]
    pub fn schedules(&self) -> Vec<(String, Timestamp)> {
        let (world, _) = self.now();
        let all = world.schedules.iter();
        all.map(|(name, schedule)| (name.clone(), schedule.at))
            .collect()
    }

    /// The targets as health checks see them now.
    #[must_use]
    pub fn targets(&self) -> Sides<TargetCounts> {
        let (world, now) = self.now();
        world.targets(now)
    }

    /// Every change of the weights, the start included.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        self.now().0.changes.clone()
    }

    /// Requests that reached each side so far.
    #[must_use]
    pub fn sent(&self) -> Sides<u64> {
        self.now().0.seconds.totals().map(|(sent, _)| sent)
    }

    /// Requests that failed on each side so far, in the service or before it.
    #[must_use]
    pub fn failed(&self) -> Sides<u64> {
        self.now().0.seconds.totals().map(|(_, failed)| failed)
    }

    /// How many calls of this kind were served or failed so far.
    #[must_use]
    pub fn calls(&self, call: Call) -> u64 {
        self.now().0.calls.get(&call).copied().unwrap_or_default()
    }

    /// How many calls were served or failed so far.
    #[must_use]
    pub fn calls_in_all(&self) -> u64 {
        self.now().0.calls.values().sum()
    }

    /// Somebody else writes these weights now.
    pub fn third_party_write(&self, weights: Sides<u32>) {
        let (mut world, now) = self.now();
        world.rules.write_weights(weights);
        world.changed(now, Writer::Stranger);
    }

    /// Somebody else will write these weights, this long after the start.
    pub fn third_party_write_at(&self, after: Duration, weights: Sides<u32>) {
        self.now().0.scheduled.insert(after, weights);
    }

    /// Somebody else changes something of the rule beside the weights now: a condition.
    pub fn third_party_edit(&self) {
        use aws_sdk_elasticloadbalancingv2::types::{
            HttpRequestMethodConditionConfig, RuleCondition,
        };
        let (mut world, _) = self.now();
        let arn = world.rules.main_arn();
        let config = HttpRequestMethodConditionConfig::builder()
            .values("GET")
            .build();
        let condition = RuleCondition::builder()
            .field("http-request-method")
            .http_request_method_config(config)
            .build();
        if let Some(index) = world.rules.find(arn.as_str()) {
            let conditions = world.rules.all[index].conditions.get_or_insert_default();
            conditions.push(condition);
        }
    }

    /// How long the world has been going on.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.shared.clock.elapsed()
    }

    fn now(&self) -> (MutexGuard<'_, World>, Duration) {
        self.shared.now()
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("weights", &self.weights())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// The world as it is now.
    fn now(&self) -> (MutexGuard<'_, World>, Duration) {
        let now = self.clock.elapsed();
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance(now);
        (world, now)
    }

    pub(super) fn programs(&self) -> Programs {
        self.now().0.programs
    }

    pub(super) fn push(&self, tag: &str, content: &str) -> Result<String, String> {
        self.now().0.registry.push(tag, content)
    }

    /// The side that answers a request, if its rule forwards: that with more weight.
    pub(super) fn side_of_request(
        &self,
        host: &str,
        path: &str,
        header: impl Fn(&str) -> Option<String>,
    ) -> Option<Side> {
        let (world, _) = self.now();
        let rule = world.rules.of_request(host, path, header);
        let groups = rules::groups_of(rule.actions());
        let heaviest = groups.into_iter().max_by_key(|(_, weight)| *weight);
        let (group, _) = heaviest?;
        let sides = [(rules::blue(), Side::Blue), (rules::green(), Side::Green)];
        let mut sides = sides.into_iter();
        sides.find_map(|(arn, side)| (arn.as_str() == group).then_some(side))
    }

    /// What green answers with now.
    pub(super) fn serving(&self) -> Option<Fate> {
        let (world, now) = self.now();
        world.fleet.serving(now)
    }

    /// Serves a call, or lets it fail.
    pub(super) async fn serve<T>(
        &self,
        call: Call,
        effect: impl FnOnce(&mut World, Duration) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let (fault, stop) = self.numbered(call);
        let stop_at = |moment| stop.clone().filter(|stop| stop.moment == moment);
        if let Some(stop) = stop_at(Moment::BeforeEffect) {
            stop.wait().await;
        }
        let served = self.served(call, fault, effect).await;
        if let Some(stop) = stop_at(Moment::AfterEffect) {
            stop.wait().await;
        }
        served
    }

    /// Counts a call; what goes wrong with it, and where it stops.
    fn numbered(&self, call: Call) -> (Option<Fault>, Option<StopPoint>) {
        let (mut world, now) = self.now();
        let of_all = world.calls.values().sum::<u64>() + 1;
        let of_call = world.calls.entry(call).or_default();
        *of_call += 1;
        let of_call = *of_call;
        let hit = |calls: &Selector| calls.hits(call, of_call, of_all, now);
        let fault = world.faults.iter().find(|(calls, _)| hit(calls));
        let stop = world.stops.iter().find(|stop| hit(&stop.calls));
        (fault.map(|(_, fault)| *fault), stop.cloned())
    }

    async fn served<T>(
        &self,
        call: Call,
        fault: Option<Fault>,
        effect: impl FnOnce(&mut World, Duration) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let served = {
            let (mut world, now) = self.now();
            match fault {
                None => return effect(&mut world, now),
                Some(Fault::ThirdPartyWrite { weights }) => {
                    world.rules.write_weights(weights);
                    world.changed(now, Writer::Stranger);
                    return effect(&mut world, now);
                }
                Some(Fault::Throttle) => {
                    return Err(answer(
                        call,
                        ErrorKind::Throttled,
                        "Throttling",
                        "Rate exceeded",
                    ));
                }
                Some(Fault::Expired) => {
                    let message = "The security token included in the request is expired";
                    return Err(answer(
                        call,
                        ErrorKind::Denied,
                        "ExpiredTokenException",
                        message,
                    ));
                }
                Some(Fault::Denied) => {
                    let message = format!("not authorized to perform {}", call.operation());
                    return Err(answer(call, ErrorKind::Denied, "AccessDenied", &message));
                }
                Some(Fault::Unavailable) => {
                    return Err(lost(call, "the service answered 503"));
                }
                Some(Fault::TimeoutBeforeEffect) => Ok(()),
                Some(Fault::TimeoutAfterEffect) => effect(&mut world, now).map(drop),
            }
        };
        tokio::time::sleep(TIME_OUT).await;
        // Whatever the answer was, it was lost.
        drop(served);
        Err(lost(call, "no answer within 10 s"))
    }
}
