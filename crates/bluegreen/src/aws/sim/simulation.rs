//! [`Simulation`]: the handle.

use std::{fmt, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{
    api::{
        cloudwatch::SimCloudWatch,
        ecr::SimEcr,
        ecs::SimEcs,
        elb::SimElb,
        http::SimHttp,
        iam::SimIam,
        programs::SimPrograms,
        scaling::SimScaling,
        scheduler::SimScheduler,
        shared::{Look, Shared},
        sns::SimSns,
    },
    fault::{Call, Fault, Selector},
    lag::Lag,
    log::{
        event::{Event, nanos},
        file::Log,
    },
    state::{
        change::{Change, Writer},
        fleet, registry, rules,
        world::World,
    },
    stop::{Moment, Stop, StopPoint},
    time::{Pacer, SimClock},
};
use crate::{
    aws::{
        Aws, Parts,
        alb::{AlbRule, ListenerArn, RuleArn, TargetGroupArn},
    },
    check::HttpClient,
    clock::Clock,
    image::SystemCommands,
    traffic::{Sides, TargetCounts},
};

/// A simulated AWS: one balancer, one rule that divides the traffic, two services, CloudWatch.
///
/// A cheap handle: clones are the same world.
#[derive(Clone)]
pub struct Simulation {
    pub(super) shared: Arc<Shared>,
    rule: Rule,
}

/// Which rule divides the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Named,
    Default,
}

impl Simulation {
    pub(super) fn new(world: World, clock: SimClock, rule: Rule) -> Self {
        let shared = Arc::new(Shared::new(world, clock));
        Self { shared, rule }
    }

    /// The same world at its start, kept in a file: the events in the file have happened already.
    pub(super) fn kept_in(self, log: Log) -> Self {
        self.shared.keep_in(log);
        self
    }

    /// Why the world can no longer be kept, if so.
    pub(super) fn trouble(&self) -> Option<String> {
        self.now().0.trouble().map(str::to_owned)
    }

    /// Pauses the clock of the current tokio runtime: from here on time passes only when every task
    /// waits for it, and then at once. Call this once, in a current-thread runtime, before anything
    /// else. A test with `start_paused = true` does not need it.
    ///
    /// Never await a real socket or a child process in such a runtime.
    ///
    /// # Panics
    ///
    /// If the clock is paused already, or the runtime has several threads.
    pub fn start_paused(&self) {
        tokio::time::pause();
        self.shared.clock().elapsed();
    }

    /// Lets virtual time pass `speed` times as fast as real time while the pacer lives, so that an
    /// operator can watch and press Ctrl-C. The pacer blocks the runtime's thread in short strokes. The pace
    /// does not change what happens, and when in virtual time.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub fn pace(&self, speed: f64) -> Pacer {
        let shared = Arc::clone(&self.shared);
        Pacer::new(speed, move |silent| shared.stroke(silent))
    }

    /// [Pauses](Self::start_paused) the clock and [paces](Self::pace) it, for a program that people watch.
    ///
    /// # Panics
    ///
    /// As those two.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use bluegreen::aws::sim::Scenario;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let simulation = Scenario::Healthy.simulation(7);
    /// let _pacer = simulation.start_paced(100_000.0);
    /// // An hour in 36 ms.
    /// tokio::time::sleep(Duration::from_secs(3600)).await;
    /// assert!(simulation.elapsed() >= Duration::from_secs(3600));
    /// # }
    /// ```
    pub fn start_paced(&self, speed: f64) -> Pacer {
        self.start_paused();
        self.pace(speed)
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
            scaling: Arc::new(SimScaling(Arc::clone(&self.shared))),
            iam: Arc::new(SimIam(Arc::clone(&self.shared))),
            sns: Arc::new(SimSns(Arc::clone(&self.shared))),
            clock: Arc::clone(self.shared.clock()) as Arc<dyn Clock>,
            dates: self.shared.dates().clone(),
        };
        let aws = Aws::from_parts(parts, Some("us-east-1".to_owned()));
        #[cfg(feature = "spec")]
        let aws = aws.on_machine(self.commands(), self.http());
        aws
    }

    /// The rule that divides the traffic, as an operator would name it.
    #[must_use]
    pub fn rule(&self) -> AlbRule {
        match self.rule {
            Rule::Named => AlbRule::Priority {
                listener: self.listener(),
                priority: 100,
            },
            Rule::Default => AlbRule::Default(self.listener()),
        }
    }

    /// The ARN of the rule that divides the traffic.
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

    /// The names of blue's cluster and service.
    #[must_use]
    pub fn blue_service(&self) -> (&'static str, &'static str) {
        (fleet::CLUSTER, fleet::BLUE_SERVICE)
    }

    /// The fewest targets that blue may be scaled in to; `None` if nothing scales it.
    #[must_use]
    pub fn blue_minimum(&self) -> Option<u32> {
        let (world, _) = self.now();
        Some(world.scaling.as_ref()?.minimum)
    }

    /// A third party sets the fewest targets that blue may be scaled in to.
    pub fn third_party_minimum(&self, minimum: u32) {
        self.now().0.happen(&Event::Minimum { minimum });
    }

    /// The name of the image repository.
    #[must_use]
    pub fn repository(&self) -> &'static str {
        registry::REPOSITORY
    }

    /// The programs of the simulated machine, `docker` and `git`. A push lands in the simulated
    /// registry.
    #[must_use]
    pub fn commands(&self) -> SystemCommands {
        SystemCommands::of(SimPrograms(Arc::clone(&self.shared)))
    }

    /// The client whose requests are answered by the listener's rules. The main rule's host is
    /// `api.chatbot.company.com`; with
    /// [`SimulationBuilder::test_route`](super::SimulationBuilder::test_route) or after
    /// [`GreenPlace::prepare`](crate::aws::alb::GreenPlace::prepare) a header reaches green alone.
    #[must_use]
    pub fn http(&self) -> Arc<dyn HttpClient> {
        Arc::new(SimHttp(Arc::clone(&self.shared)))
    }

    /// The revision that green's service is truly set to run, and how many copies run; `None` if
    /// there is no service.
    #[must_use]
    pub fn runs(&self) -> Option<(String, u32)> {
        let (world, now) = self.now();
        let service = world.fleet.service.as_ref()?;
        if let Some(native) = &world.fleet.native {
            let wanted = native.wanted();
            let place = native
                .revisions
                .iter()
                .position(|one| one.arn == wanted.arn)?;
            let [_, running, _] = world.task_counts(place, now);
            return Some((wanted.task_definition.clone(), running));
        }
        let primary = service.deployments.first()?;
        Some((
            primary.revision.clone(),
            world.fleet.progress(service, primary, now).running,
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

    /// Whether ECS moves the traffic of this world's service itself.
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.now().0.fleet.native.is_some()
    }

    /// Every deployment whose traffic ECS moves itself, oldest first: its ARN and its status, such as
    /// `IN_PROGRESS`. See [`SimulationBuilder::native`](super::SimulationBuilder::native).
    #[must_use]
    pub fn service_deployments(&self) -> Vec<(String, &'static str)> {
        let (world, _) = self.now();
        let native = world.fleet.native.iter();
        let all = native.flat_map(|native| &native.deployments);
        all.map(|one| (one.arn.clone(), one.status.as_str()))
            .collect()
    }

    /// How many revisions were ever registered, without that which blue has run from the start.
    #[must_use]
    pub fn revisions(&self) -> usize {
        self.now().0.fleet.registered()
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
        self.plan().faults.push((calls, fault));
    }

    /// Makes a read lag behind writes, from the next write on. Several lags may be set, for one
    /// call or for several; a read shows the oldest state that one of them asks for. A call that
    /// changes something acts on the live state, and never lags.
    ///
    /// See [`Lag`] for an example.
    pub fn lag(&self, read: Call, lag: Lag) {
        self.plan().past.lag(read, lag);
    }

    /// Stops a call, so that a test can kill or suspend the run that makes the call.
    pub fn stop_at(&self, calls: Selector, moment: Moment) -> Stop {
        let (point, stop) = StopPoint::new(calls, moment);
        self.plan().stops.push(point);
        stop
    }

    /// The names of all target groups.
    #[must_use]
    pub fn target_groups(&self) -> Vec<String> {
        self.now().0.groups.names()
    }

    /// Every rule of the listener, as text: equal texts are equal rules, weights included.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn rules(&self) -> Vec<String> {
        let (world, _) = self.now();
        let all = world.rules.all.iter();
        all.map(|rule| format!("{rule:#?}")).collect()
    }

    /// The true weights, without lag.
    #[must_use]
    pub fn weights(&self) -> Sides<u32> {
        self.now().0.rules.weights()
    }

    /// The main rule without the two weights, as text: equal texts are equal rules.
    #[must_use]
    pub fn rule_without_weights(&self) -> String {
        self.now().0.rules.text_without_weights()
    }

    /// The schedules that have not fired, with their times.
    #[must_use]
    pub fn schedules(&self) -> Vec<(String, Timestamp)> {
        let (world, _) = self.now();
        let all = world.schedules.iter();
        all.map(|(name, schedule)| (name.clone(), schedule.at))
            .collect()
    }

    /// The messages that notices of dead-man switches have sent.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        self.now().0.notices.clone()
    }

    /// The messages that hooks of this process have published to topics.
    #[must_use]
    pub fn published(&self) -> Vec<String> {
        self.shared.published()
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

    /// A third party writes these weights now.
    pub fn third_party_write(&self, weights: Sides<u32>) {
        self.now().0.happen(&Event::Weights { weights });
    }

    /// A third party will write these weights, this long after the start.
    pub fn third_party_write_at(&self, after: Duration, weights: Sides<u32>) {
        let at = nanos(after);
        self.plan().happen(&Event::Planned { at, weights });
    }

    /// A third party will write these weights, this long after each of these calls has had its
    /// effect. A call that is refused, or is lost on its way, causes no write.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use bluegreen::{TrafficSplit, TrafficSplitter, traffic::{Shift, Sides}};
    /// use bluegreen::aws::{alb::AlbTrafficSplitter, sim::{Call, Simulation}};
    ///
    /// let simulation = Simulation::builder().build();
    /// simulation.start_paused();
    /// let all_blue = Sides { blue: 100, green: 0 };
    /// let after = Duration::from_millis(500);
    /// simulation.third_party_write_after(Call::ModifyRule.nth(1), after, all_blue);
    ///
    /// let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
    /// let splitter = AlbTrafficSplitter::new(&simulation.aws(), rule, blue, green)?;
    /// let before = splitter.observe().await?;
    /// splitter.shift(&Shift::rise(&before, TrafficSplit::ALL_GREEN)).await?;
    /// assert_eq!(simulation.weights().blue, 0);
    /// tokio::time::sleep(after).await;
    /// assert_eq!(simulation.weights(), all_blue);
    /// # Ok(())
    /// # }
    /// ```
    pub fn third_party_write_after(&self, calls: Selector, after: Duration, weights: Sides<u32>) {
        self.plan().followers.push((calls, after, weights));
    }

    /// Changes this machine's wall clock now, by this much: forward, or back if negative. It is the
    /// clock of [`Aws::clock`](crate::Aws::clock); its [`uptime`](Clock::uptime), tokio's clock and
    /// AWS's own time do not change. For a clock that is wrong from the start see
    /// [`SimulationBuilder::clock_off_by`](super::SimulationBuilder::clock_off_by).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use bluegreen::{aws::sim::Simulation, clock::Clock};
    /// use jiff::SignedDuration;
    ///
    /// let simulation = Simulation::builder().build();
    /// simulation.start_paused();
    /// let clock = simulation.aws().clock();
    /// let (before, uptime) = (clock.now(), clock.uptime());
    /// simulation.set_clock(SignedDuration::from_hours(-1));
    /// assert_eq!(clock.now().duration_since(before), SignedDuration::from_hours(-1));
    /// assert_eq!(clock.uptime(), uptime);
    /// # }
    /// ```
    pub fn set_clock(&self, by: SignedDuration) {
        self.set_clock_at(self.elapsed(), by);
    }

    /// Will [set the wall clock](Self::set_clock) by this much, this long after the start.
    pub fn set_clock_at(&self, after: Duration, by: SignedDuration) {
        self.shared.clock().set_at(after, by);
    }

    /// A third party changes something of the rule beside the weights now: a condition.
    pub fn third_party_edit(&self) {
        self.now().0.happen(&Event::Edited);
    }

    /// The age of the world.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.shared.clock().elapsed()
    }

    fn now(&self) -> (Look<'_>, Duration) {
        self.shared.now()
    }

    fn plan(&self) -> Look<'_> {
        self.shared.plan()
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("weights", &self.weights())
            .finish_non_exhaustive()
    }
}
