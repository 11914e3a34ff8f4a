//! Describes a simulated world.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_elasticloadbalancingv2::types::Tag;
use jiff::SignedDuration;

use super::{
    Fate, Programs, Scaling, ScheduleRole, Service, Simulation, When,
    simulation::Rule,
    state::{
        alarm::{Alarm, AlarmKind},
        change::Writer,
        fleet::Fleet,
        groups::Groups,
        metrics::{Publication, Seconds},
        native::configuration::Configuration,
        past::Past,
        registry::Registry,
        rules::{self, Rules, Shape, TEST_ROUTE},
        scaling::Scaled,
        world::World,
    },
    time::SimClock,
};
use crate::traffic::{Side, Sides};

/// Describes a simulated world; see its methods for each setting and its default.
#[derive(Debug, Clone)]
#[must_use]
pub struct SimulationBuilder {
    seed: u64,
    traffic: f64,
    services: Sides<Service>,
    blue_scales: Option<Scaling>,
    schedule_role: ScheduleRole,
    publication_delay: Duration,
    page_size: usize,
    data_page_size: usize,
    history: Duration,
    shape: Shape,
    blue_attributes: BTreeMap<String, String>,
    has_green_group: bool,
    alarms: Vec<Alarm>,
    fleet: Fleet,
    registry: Registry,
    programs: Programs,
    clock_off_by: SignedDuration,
}

impl Simulation {
    /// Returns the description of a default world.
    pub fn builder() -> SimulationBuilder {
        SimulationBuilder::default()
    }
}

impl Default for SimulationBuilder {
    fn default() -> Self {
        Self {
            seed: 1,
            traffic: 10.0,
            services: Sides {
                blue: Service::new(4),
                green: Service::new(4).with_latency(Duration::from_millis(90)),
            },
            blue_scales: None,
            schedule_role: ScheduleRole::default(),
            publication_delay: Duration::from_secs(75),
            page_size: 10,
            data_page_size: 100_800,
            history: Duration::ZERO,
            shape: Shape::default(),
            blue_attributes: BTreeMap::new(),
            has_green_group: true,
            alarms: Vec::new(),
            fleet: Fleet::default(),
            registry: Registry::default(),
            programs: Programs::Work,
            clock_off_by: SignedDuration::ZERO,
        }
    }
}

impl SimulationBuilder {
    /// The seed of all randomness. Default: 1.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Requests a second, on average. Default: 10.
    pub fn traffic(mut self, requests_a_second: f64) -> Self {
        self.traffic = requests_a_second;
        self
    }

    /// The service that serves before the migration. Default: four targets, 0.1 % errors, 120 ms.
    pub fn blue(mut self, service: Service) -> Self {
        self.services.blue = service;
        self
    }

    /// The service that is to take over. Default: four targets, 0.1 % errors, 90 ms.
    pub fn green(mut self, service: Service) -> Self {
        self.services.green = service;
        self
    }

    /// Scales blue's service by its requests, by these rules. Default: it is not scaled.
    pub fn blue_scales(mut self, scaling: Scaling) -> Self {
        self.blue_scales = Some(scaling);
        self
    }

    /// The role that schedules use. Default: it exists, trusts Scheduler, and may do everything.
    pub fn schedule_role(mut self, role: ScheduleRole) -> Self {
        self.schedule_role = role;
        self
    }

    /// How much of blue's past CloudWatch holds at the start. Default: nothing.
    pub fn history(mut self, history: Duration) -> Self {
        self.history = history;
        self
    }

    /// How many data points of metrics a page holds. Default: 100,800, as on AWS.
    #[cfg(test)]
    pub(crate) fn data_page_size(mut self, size: usize) -> Self {
        self.data_page_size = size.max(1);
        self
    }

    /// How many rules a page holds. Default: 10.
    #[cfg(test)]
    pub(crate) fn page_size(mut self, size: usize) -> Self {
        self.page_size = size.max(1);
        self
    }

    /// Divides traffic by the listener's default rule, not by a rule of priority 100.
    pub fn default_rule(mut self) -> Self {
        self.shape.is_default = true;
        self
    }

    /// Puts a log-in (OIDC) before the forward; AWS never shows its client secret.
    pub fn login(mut self) -> Self {
        self.shape.has_login = true;
        self
    }

    /// Keeps clients on the group that they first reached, for this time.
    pub fn sticky(mut self, stickiness: Duration) -> Self {
        self.shape.stickiness = Some(stickiness);
        self
    }

    /// Adds a third group to the forward, at this weight.
    pub fn third_group(mut self, weight: u16) -> Self {
        self.shape.third = Some(i32::from(weight));
        self
    }

    /// Puts this many other rules before the rule that divides the traffic.
    pub fn rules_before(mut self, rules: u32) -> Self {
        self.shape.rules_before = rules;
        self
    }

    /// Another rule forwards to green as well.
    pub fn shared_green(mut self) -> Self {
        self.shape.is_shared = true;
        self
    }

    /// Green's group is in no rule yet.
    pub(crate) fn detached_green(mut self) -> Self {
        self.shape.is_detached = true;
        self
    }

    /// Green has no target group yet, and so is in no rule.
    pub fn no_green_group(mut self) -> Self {
        self.shape.is_detached = true;
        self.has_green_group = false;
        self
    }

    /// The header `X-Bluegreen-Test: green` reaches green alone, by a rule before the one that
    /// divides the traffic. The rule has the tag of a route that [`GreenPlace`] made.
    ///
    /// [`GreenPlace`]: crate::aws::alb::GreenPlace
    pub fn test_route(mut self) -> Self {
        self.shape.has_test_route = true;
        self.shape.test_route_is_marked = true;
        self
    }

    /// As [`test_route`](Self::test_route), but made by hand: the rule has no tag.
    pub fn unmarked_test_route(mut self) -> Self {
        self.shape.has_test_route = true;
        self.shape.test_route_is_marked = false;
        self
    }

    /// Another rule sends green every request that has a header of a content delivery network.
    pub fn green_behind_header(mut self) -> Self {
        self.shape.is_behind_header = true;
        self
    }

    /// Green's group is behind a network load balancer as well, which sends all its requests there.
    pub fn green_behind_network_balancer(mut self) -> Self {
        self.shape.is_behind_network_balancer = true;
        self
    }

    /// The balancer reaches green's program through a proxy, a container of its own.
    pub fn behind_proxy(mut self) -> Self {
        self.fleet.put_proxy();
        self
    }

    /// An attribute of blue's target group that is not the default, such as
    /// `deregistration_delay.timeout_seconds`.
    #[cfg(test)]
    pub(crate) fn blue_group_attribute(mut self, key: &str, value: &str) -> Self {
        self.blue_attributes
            .insert(key.to_owned(), value.to_owned());
        self
    }

    /// Changes the rule that divides the traffic, as it stands at the start.
    #[cfg(test)]
    pub(crate) fn main_rule(
        mut self,
        change: fn(&mut aws_sdk_elasticloadbalancingv2::types::Rule),
    ) -> Self {
        self.shape.change = Some(change);
        self
    }

    /// A setting of green's service, as CreateService takes it: `serviceRegistries`,
    /// `serviceConnectConfiguration`, `gatewayConnectors` and so on.
    pub fn service_setting(mut self, name: &str, value: serde_json::Value) -> Self {
        if let Some(service) = self.fleet.service.as_mut() {
            service.settings.insert(name.to_owned(), value);
        }
        self
    }

    /// A setting of blue's service, as DescribeServices shows it.
    #[cfg(test)]
    pub(crate) fn blue_setting(mut self, name: &str, value: serde_json::Value) -> Self {
        self.fleet
            .blue
            .service
            .settings
            .insert(name.to_owned(), value);
        self
    }

    /// Another service of the cluster registers its tasks with blue's group.
    #[cfg(test)]
    pub(crate) fn shared_blue(mut self) -> Self {
        self.fleet.blue.is_shared = true;
        self
    }

    /// The rule holds an action of an unknown type.
    pub fn unknown_action(mut self) -> Self {
        self.shape.unknown_action = true;
        self
    }

    /// The weights at the start. Default: 100 and 0.
    pub fn weights(mut self, weights: Sides<u32>) -> Self {
        self.shape.weights = Some(weights);
        self
    }

    /// A metric alarm of this name, and when it fires; rises are those of green's share. An alarm that
    /// watches metrics is made by [`metric_alarm`](Self::metric_alarm).
    pub fn alarm(self, name: impl Into<String>, fires: When) -> Self {
        self.alarm_of(AlarmKind::Metric, name, fires)
    }

    /// An alarm over the metrics of this world, as
    /// [PutMetricAlarm](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html)
    /// takes it. CloudWatch evaluates the alarm each minute over the data points that it shows then, by
    /// `EvaluationPeriods`, `DatapointsToAlarm` and `TreatMissingData` as its guide has them
    /// ([CloudWatch guide](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html)).
    ///
    /// `Metrics` may hold one expression of numbers, names, `+ - * /`, parentheses and `FILL` with a number. A
    /// period is a multiple of 60 seconds. Actions have no effect. The rest is an assumption, since AWS
    /// documents none of it: an alarm reads two data points more than its evaluation periods, and is evaluated at
    /// whole minutes; a few breaching data points that are young leave the alarm at `OK`.
    ///
    /// # Examples
    ///
    /// Errors of green, in percent. CloudWatch has no data point for a minute without errors, so `FILL`.
    ///
    /// ```
    /// use bluegreen::aws::sim::Simulation;
    /// use serde_json::json;
    ///
    /// let world = Simulation::builder().build();
    /// let (balancer, green) = (world.listener().load_balancer(), world.green());
    /// let green = green.as_str().rsplit(':').next();
    /// let metric = |id: &str, name: &str| json!({"Id": id, "ReturnData": false, "MetricStat": {
    ///     "Period": 60, "Stat": "Sum", "Metric": {
    ///         "Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": [
    ///             {"Name": "LoadBalancer", "Value": balancer.dimension()},
    ///             {"Name": "TargetGroup", "Value": green}
    ///         ]}}});
    /// let simulation = Simulation::builder()
    ///     .metric_alarm(json!({
    ///         "AlarmName": "green-errors", "Threshold": 1.0, "TreatMissingData": "notBreaching",
    ///         "ComparisonOperator": "GreaterThanThreshold",
    ///         "EvaluationPeriods": 3, "DatapointsToAlarm": 2,
    ///         "Metrics": [
    ///             metric("errors", "HTTPCode_Target_5XX_Count"), metric("requests", "RequestCount"),
    ///             {"Id": "share", "Expression": "100 * FILL(errors, 0) / requests"}
    ///         ]
    ///     }))
    ///     .build();
    /// assert_eq!(simulation.alarms(), ["green-errors"]);
    /// ```
    ///
    /// # Panics
    ///
    /// If CloudWatch would refuse the alarm, or this world cannot evaluate it.
    pub fn metric_alarm(mut self, alarm: serde_json::Value) -> Self {
        match Alarm::over_metrics(&alarm) {
            Ok(alarm) => self.alarms.push(alarm),
            Err(why) => panic!("this alarm cannot be: {why}"),
        }
        self
    }

    /// An alarm of any kind, and when it fires.
    pub(crate) fn alarm_of(
        mut self,
        kind: AlarmKind,
        name: impl Into<String>,
        fires: When,
    ) -> Self {
        self.alarms.push(Alarm::scripted(kind, name.into(), fires));
        self
    }

    /// When the alarm that was added last cannot be evaluated, and why. The alarm keeps its state for
    /// that time. A composite alarm never reports this.
    #[cfg(test)]
    pub(crate) fn alarm_fails(
        mut self,
        evaluation: super::state::alarm::AlarmEvaluation,
        when: When,
    ) -> Self {
        if let Some(alarm) = self.alarms.last_mut() {
            alarm.fails = Some((evaluation, when));
        }
        self
    }

    /// How revisions behave that are registered from now on. Default: they work.
    pub fn next_revision(mut self, fate: Fate) -> Self {
        self.fleet.next_fate = fate;
        self
    }

    /// The service does not exist yet.
    pub fn no_service(mut self) -> Self {
        self.fleet.service = None;
        self
    }

    /// The service rolls failed rollouts back by itself.
    pub fn breaker_takes_back(mut self) -> Self {
        self.fleet.breaker_takes_back();
        self
    }

    /// A third party deploys a revision, this long after the start. Several may be set.
    pub fn third_party_deploy_at(mut self, after: Duration) -> Self {
        self.fleet.strangers.push(after);
        self
    }

    /// ECS itself moves the traffic of this world's one service, by this `deploymentConfiguration`, as
    /// CreateService takes it: strategy, steps, bake, hooks and alarms. The revision that runs is in blue's
    /// group and gets all traffic; the next one comes into green's group, and a test route leads to it. So
    /// [`blue`](Self::blue) and [`green`](Self::green) say how the tasks in each group behave. `UpdateService`
    /// or a [third party](Self::third_party_deploy_at) begins a deployment; see
    /// [`Simulation::service_deployments`].
    ///
    /// The stages, their order and the pauses are those of AWS's documentation. The rest is an assumption:
    /// ECS takes 5 s from stage to stage, 30 s to start a task and 30 s to clean up, and waits for tasks without
    /// a limit; a function of a hook agrees after 10 s; before a shift ECS shows the stage that it comes from;
    /// a newer deployment first puts everything back on the revision that was live; a hook that waits stays so
    /// if the deployment goes back for another reason; ECS sees an alarm 5 s after it went off.
    ///
    /// As documented, no alarm of a deployment is watched if one of them is in alarm when the deployment begins
    /// ([ECS guide](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html)).
    /// Without `rollback` an alarm stops the deployment, and the traffic stays as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::time::Duration;
    /// use bluegreen::aws::sim::Simulation;
    ///
    /// let simulation = Simulation::builder()
    ///     .native(serde_json::json!({
    ///         "strategy": "CANARY",
    ///         "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 5},
    ///         "bakeTimeInMinutes": 5
    ///     }))
    ///     .third_party_deploy_at(Duration::ZERO)
    ///     .build();
    /// simulation.start_paused();
    /// tokio::time::sleep(Duration::from_secs(120)).await;
    /// assert_eq!(simulation.weights().green, 10);
    /// tokio::time::sleep(Duration::from_secs(300)).await;
    /// assert_eq!(simulation.weights().green, 100);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If ECS would refuse the configuration.
    pub fn native(mut self, configuration: serde_json::Value) -> Self {
        if let Err(why) = Configuration::read(&configuration) {
            panic!("ECS refuses this deploymentConfiguration: {why}");
        }
        self.fleet.move_natively(configuration);
        self.shape.has_test_route = true;
        self
    }

    /// Rollbacks of deployments whose traffic ECS moves itself fail: the traffic stays as it was.
    pub fn native_rollback_fails(mut self) -> Self {
        if let Some(native) = self.fleet.native.as_mut() {
            native.rollback_fails = true;
        }
        self
    }

    /// The registry holds an image of another build under this tag.
    pub fn pushed(mut self, tag: &str) -> Self {
        // A mutable repository refuses nothing.
        let _ = self.registry.push(tag, "an earlier build");
        self
    }

    /// The platform of the images that `docker` builds and the registry holds. Default:
    /// `linux/amd64`.
    pub fn image_platform(mut self, platform: &str) -> Self {
        platform.clone_into(&mut self.registry.platform);
        self
    }

    /// Tags of the repository may not move.
    pub(crate) fn immutable_tags(mut self) -> Self {
        self.registry.is_immutable = true;
        self
    }

    /// The defect of the machine's programs. Default: none.
    pub(super) fn programs(mut self, programs: Programs) -> Self {
        self.programs = programs;
        self
    }

    /// How far this machine's wall clock is ahead of AWS's, or behind if negative. It is the clock of
    /// [`Aws::clock`](crate::Aws::clock), by which a controller dates its actions. Metrics,
    /// schedules, [`Simulation::changes`] and [`Aws::clock_offset`](crate::Aws::clock_offset) are dated
    /// by AWS's clock. Default: 0.
    pub fn clock_off_by(mut self, by: SignedDuration) -> Self {
        self.clock_off_by = by;
        self
    }

    /// Makes the world. Its time begins with the first look at it.
    #[must_use]
    pub fn build(self) -> Simulation {
        let rule = if self.shape.is_default {
            Rule::Default
        } else {
            Rule::Named
        };
        let blue = self.services.blue.ready();
        let traffic = self.traffic;
        let scaled = |scaling| Scaled::new(scaling, blue, traffic);
        let scaling = self.blue_scales.map(scaled);
        let mut world = World {
            seed: self.seed,
            traffic: self.traffic,
            services: self.services,
            rules: Rules::new(&self.shape),
            groups: Groups::new(self.has_green_group),
            fleet: self.fleet,
            registry: self.registry,
            programs: self.programs,
            publication: Publication {
                complete_after: self.publication_delay,
            },
            page_size: self.page_size,
            data_page_size: self.data_page_size,
            history: self.history,
            alarms: self.alarms,
            faults: Vec::new(),
            stops: Vec::new(),
            past: Past::default(),
            late: BTreeMap::new(),
            followers: Vec::new(),
            followed: Vec::new(),
            scheduled: BTreeMap::new(),
            scaling,
            schedules: BTreeMap::new(),
            schedule_role: self.schedule_role,
            notices: Vec::new(),
            seconds: Seconds::default(),
            changes: Vec::new(),
            rises: Sides::default(),
            calls: BTreeMap::new(),
            pinned: 0.0,
        };
        for (key, value) in &self.blue_attributes {
            let blue = rules::blue();
            world.groups.set_attribute(blue.as_str(), key, value);
        }
        if self.shape.test_route_is_marked {
            let tag = Tag::builder()
                .key("bluegreen:made-for")
                .value(world.rules.main_arn().as_str())
                .build();
            world.groups.tag(TEST_ROUTE, &[tag]);
        }
        if world.fleet.native.is_some() {
            let main = world.rules.main_arn();
            world.fleet.name_rules(main.as_str(), TEST_ROUTE);
            world.rules.write_test_route(Side::Blue);
        }
        world.pinned = world.weighted_share();
        world.changed(Duration::ZERO, Writer::Start);
        let clock = SimClock::default();
        clock.set_at(Duration::ZERO, self.clock_off_by);
        Simulation::new(world, clock, rule)
    }
}
