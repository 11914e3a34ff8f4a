//! The state of the simulated AWS and its progress.

use std::{collections::BTreeMap, fmt, time::Duration};

use aws_sdk_elasticloadbalancingv2::types::{HttpRequestMethodConditionConfig, RuleCondition};
use jiff::Timestamp;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution, LogNormal, Poisson};

use super::{
    alarm::Alarm,
    change::{Change, Writer},
    fleet::{Deployment, Fate, Fleet},
    groups::Groups,
    metrics::{Publication, Second, Seconds},
    past::{Numbered, Past},
    programs::Programs,
    registry::Registry,
    roles::ScheduleRole,
    rules::Rules,
    scaling::Scaled,
    schedules::Schedules,
    service::{Conditions, Service},
};
use crate::{
    aws::sim::{
        fault::{Area, Call, Fault, Selector},
        stop::StopPoint,
        time::SimClock,
    },
    clock::later,
    traffic::{Side, Sides, TargetCounts},
};

#[derive(Debug)]
pub(in crate::aws::sim) struct World {
    pub(in crate::aws::sim) seed: u64,
    /// Requests a second.
    pub(in crate::aws::sim) traffic: f64,
    pub(in crate::aws::sim) services: Sides<Service>,
    pub(in crate::aws::sim) rules: Rules,
    pub(in crate::aws::sim) groups: Groups,
    pub(in crate::aws::sim) fleet: Fleet,
    pub(in crate::aws::sim) registry: Registry,
    pub(in crate::aws::sim) programs: Programs,
    pub(in crate::aws::sim) publication: Publication,
    pub(in crate::aws::sim) page_size: usize,
    pub(in crate::aws::sim) data_page_size: usize,
    /// How long blue has served before the start.
    pub(in crate::aws::sim) history: Duration,
    pub(in crate::aws::sim) alarms: Vec<Alarm>,
    pub(in crate::aws::sim) faults: Vec<(Selector, Fault)>,
    pub(in crate::aws::sim) stops: Vec<StopPoint>,
    pub(in crate::aws::sim) past: Past,
    /// Writes that land after their callers have given up, by time.
    pub(in crate::aws::sim) late: BTreeMap<Duration, Vec<LateEffect>>,
    /// A third party's writes that follow a call's effect: the call, and how long after it.
    pub(in crate::aws::sim) followers: Vec<(Selector, Duration, Sides<u32>)>,
    /// Writes of the followers that became due since they were last taken from here.
    pub(in crate::aws::sim) followed: Vec<(Duration, Sides<u32>)>,
    /// Third parties' writes, by time.
    pub(in crate::aws::sim) scheduled: BTreeMap<Duration, Sides<u32>>,
    /// How blue's service is scaled, if it is.
    pub(in crate::aws::sim) scaling: Option<Scaled>,
    /// The schedules of EventBridge Scheduler.
    pub(in crate::aws::sim) schedules: Schedules,
    /// The role that schedules use.
    pub(in crate::aws::sim) schedule_role: ScheduleRole,
    /// The messages that schedules have sent to a topic.
    pub(in crate::aws::sim) notices: Vec<String>,
    pub(in crate::aws::sim) seconds: Seconds,
    pub(in crate::aws::sim) changes: Vec<Change>,
    /// When each side's share rose.
    pub(in crate::aws::sim) rises: Sides<Vec<Duration>>,
    pub(in crate::aws::sim) calls: BTreeMap<Call, u64>,
    /// Green's share of the clients that are pinned to a side.
    pub(in crate::aws::sim) pinned: f64,
}

/// The effect of a call on the world, at a time.
type Effect = dyn FnOnce(&mut World, Duration) + Send;

/// The effect of a call that comes late.
pub(in crate::aws::sim) struct LateEffect(Box<Effect>);

impl fmt::Debug for LateEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LateEffect").finish_non_exhaustive()
    }
}

/// The fraction of requests that come from clients with a sticky cookie, if stickiness is enabled.
const STICKY_CLIENTS: f64 = 0.8;
/// The spread of latencies, as the sigma of their logarithm.
const LATENCY_SIGMA: f64 = 0.5;
/// The fraction of requests that the service answers with a 4xx.
const CLIENT_ERRORS: f64 = 0.01;

impl World {
    /// Lets every second before `now` happen, and third parties' writes that were due.
    pub(in crate::aws::sim) fn advance(&mut self, now: Duration) {
        let wanted = usize::try_from(now.as_secs()).unwrap_or(usize::MAX);
        while self.seconds.len() < wanted {
            let second = Duration::from_secs(self.seconds.len() as u64);
            // A second sees every write within it, whether or not a call looked then.
            let its_end = second + Duration::from_nanos(999_999_999);
            self.write_due(its_end);
            let happened = self.happen(second);
            if let Some(scaled) = &mut self.scaling {
                scaled.pass(second, happened.blue.requests);
            }
            self.seconds.push(happened);
        }
        self.write_due(now);
        while let Some(due) = self.fleet.next_stranger().filter(|due| *due <= now) {
            self.keep(Area::Service, due, None);
            self.fleet.deploy_of_stranger(due);
        }
        self.fleet.advance(now);
    }

    /// Lets every write that is due by `now` happen, in the order of their times, schedules included:
    /// otherwise the result would depend on how often the world is looked at.
    fn write_due(&mut self, now: Duration) {
        loop {
            let theirs = self.scheduled.first_key_value().map(|(at, _)| *at);
            let late = self.late.first_key_value().map(|(at, _)| *at);
            let (fires, shifts) = (self.next_fires(), self.next_shift());
            let alarms = self.next_evaluation();
            let due = [theirs, late, fires, alarms, shifts];
            let due = due.into_iter().flatten().min();
            let Some(at) = due.filter(|at| *at <= now) else {
                return;
            };
            if let Some(weights) = self.scheduled.remove(&at) {
                self.write_of_third_party(at, weights);
            }
            for LateEffect(effect) in self.late.remove(&at).unwrap_or_default() {
                effect(self, at);
            }
            self.fire_schedules(at);
            self.evaluate_alarms(at);
            self.pass_shifts(at);
        }
    }

    /// A third party writes these weights.
    pub(in crate::aws::sim) fn write_of_third_party(&mut self, at: Duration, weights: Sides<u32>) {
        self.keep(Area::Balancer, at, None);
        self.rules.write_weights(weights);
        self.changed(at, Writer::Stranger);
    }

    /// Lets a call have its effect later.
    pub(in crate::aws::sim) fn land(
        &mut self,
        at: Duration,
        effect: impl FnOnce(&mut Self, Duration) + Send + 'static,
    ) {
        let due = self.late.entry(at).or_default();
        due.push(LateEffect(Box::new(effect)));
    }

    /// Makes the third party's writes due that follow this call.
    pub(super) fn follow(&mut self, by: Numbered, now: Duration) {
        let followers = self.followers.iter();
        let due: Vec<_> = followers
            .filter(|(calls, ..)| by.is_of(calls))
            .map(|(_, after, weights)| (now.saturating_add(*after), *weights))
            .collect();
        for (mut at, weights) in due {
            // Two writes of one moment come one after the other.
            while self.scheduled.contains_key(&at) {
                at += Duration::from_nanos(1);
            }
            self.plan(at, weights);
            self.followed.push((at, weights));
        }
    }

    /// A third party will write these weights.
    pub(in crate::aws::sim) fn plan(&mut self, at: Duration, weights: Sides<u32>) {
        self.scheduled.insert(at, weights);
    }

    /// A third party sets the fewest targets that blue may be scaled in to.
    pub(in crate::aws::sim) fn minimum_of_third_party(&mut self, now: Duration, minimum: u32) {
        self.keep(Area::Scaling, now, None);
        if let Some(scaled) = &mut self.scaling {
            scaled.minimum = minimum.min(scaled.maximum);
            scaled.scale(now, scaled.desired());
        }
    }

    /// A third party changes something of the rule beside the weights: a condition.
    pub(in crate::aws::sim) fn edit_of_third_party(&mut self, now: Duration) {
        self.keep(Area::Balancer, now, None);
        let config = HttpRequestMethodConditionConfig::builder()
            .values("GET")
            .build();
        let condition = RuleCondition::builder()
            .field("http-request-method")
            .http_request_method_config(config)
            .build();
        let arn = self.rules.main_arn();
        if let Some(index) = self.rules.find(arn.as_str()) {
            let conditions = self.rules.all[index].conditions.get_or_insert_default();
            conditions.push(condition);
        }
    }

    /// An image is pushed: its digest, or why it is refused.
    pub(in crate::aws::sim) fn push(
        &mut self,
        now: Duration,
        tag: &str,
        content: &str,
    ) -> Result<String, String> {
        self.keep(Area::Registry, now, None);
        let pushed = self.registry.push(tag, content);
        if pushed.is_err() {
            self.forget();
        }
        pushed
    }

    /// Writes a change into the history.
    pub(in crate::aws::sim) fn changed(&mut self, now: Duration, by: Writer) {
        let share = |weights: Sides<u32>, side: Side| {
            let sum = f64::from(weights.blue) + f64::from(weights.green);
            if sum > 0.0 {
                f64::from(*weights.get(side)) / sum
            } else {
                0.0
            }
        };
        let weights = self.rules.weights();
        let before = self.changes.last().map(|change| change.weights);
        for side in [Side::Blue, Side::Green] {
            if before.is_some_and(|before| share(weights, side) > share(before, side)) {
                self.rises.get_mut(side).push(now);
            }
        }
        let change = Change {
            at: self.date(now),
            weights,
            by,
            targets: self.targets(now),
        };
        self.changes.push(change);
    }

    pub(in crate::aws::sim) fn date(&self, now: Duration) -> Timestamp {
        later(SimClock::epoch(), now)
    }

    pub(in crate::aws::sim) fn targets(&self, now: Duration) -> Sides<TargetCounts> {
        let of = |side: Side| {
            if !self.groups.has_targets(side) {
                return TargetCounts::default();
            }
            let counts = self.registered(side, now);
            if self.rules.is_attached(side) {
                counts
            } else {
                TargetCounts {
                    other: counts.registered(),
                    ..TargetCounts::default()
                }
            }
        };
        Sides {
            blue: of(Side::Blue),
            green: of(Side::Green),
        }
    }

    /// The targets of blue's service, in a rule or not.
    pub(in crate::aws::sim) fn blue_targets(&self, now: Duration) -> TargetCounts {
        self.registered(Side::Blue, now)
    }

    /// A side's targets as health checks would see them.
    fn registered(&self, side: Side, now: Duration) -> TargetCounts {
        let (service, rises) = (self.services.get(side), self.rises.get(side));
        if let Some(ready) = self.native_ready(side) {
            return service.health(&ready, now, rises);
        }
        TargetCounts {
            draining: self.fleet.counts.get(side).stopping(now),
            ..service.health(&self.ready(side), now, rises)
        }
    }

    /// The time from which each task of a side's service serves.
    pub(in crate::aws::sim) fn ready(&self, side: Side) -> Vec<Duration> {
        let scaling = self.scaling.as_ref().filter(|_| side == Side::Blue);
        match (scaling, self.fleet.counts.get(side).ready()) {
            (Some(scaled), _) => scaled.ready().to_vec(),
            (None, Some(ready)) => ready.to_vec(),
            (None, None) => self.services.get(side).ready(),
        }
    }

    /// A caller sets how many tasks a side's service runs.
    pub(in crate::aws::sim) fn scale(&mut self, side: Side, now: Duration, wanted: u32) {
        let ready = self.ready(side);
        let ready = self.fleet.counts.get_mut(side).set(now, ready, wanted);
        if let (Some(scaled), Side::Blue) = (&mut self.scaling, side) {
            // The count may be set below the minimum: only scaling itself holds the minimum.
            scaled.set(ready);
        }
    }

    /// How the tasks of a side's service answer requests now; `None` if nothing runs.
    pub(in crate::aws::sim) fn answering(&self, side: Side, now: Duration) -> Option<Fate> {
        let service = self.fleet.service_of(side)?;
        let deployments = match side {
            Side::Blue => {
                let desired = self.ready(side).len();
                let blue = &self.fleet.blue;
                blue.deployments(u32::try_from(desired).unwrap_or(u32::MAX))
            }
            Side::Green => service.deployments.clone(),
        };
        let runs = |one: &&Deployment| self.fleet.progress(service, one, now).running > 0;
        let running = deployments.iter().find(runs)?;
        Some(self.fleet.fate(&running.revision))
    }

    /// Lets blue have served alone, in its usual way, for this many seconds before the start, as far
    /// as its history goes.
    pub(in crate::aws::sim) fn remember(&mut self, seconds: u64) {
        let wanted = usize::try_from(seconds.min(self.history.as_secs())).unwrap_or(usize::MAX);
        while self.seconds.past() < wanted {
            let ago = self.seconds.past() as u64 + 1;
            let mut random = self.random(0_u64.wrapping_sub(ago));
            let requests = self.requests(&mut random);
            let blue = &self.services.blue;
            let usual = Conditions {
                error_rate: blue.error_rate,
                latency: blue.latency,
                is_dead: false,
                limit: None,
            };
            let second = Sides {
                blue: serve(&mut random, requests, usual),
                green: Second::default(),
            };
            self.seconds.push_past(second);
        }
    }

    /// Each second has randomness of its own, so the result does not depend on when the world is
    /// looked at.
    fn random(&self, second: u64) -> ChaCha8Rng {
        let mixed = self
            .seed
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add(second);
        ChaCha8Rng::seed_from_u64(mixed)
    }

    fn requests(&self, random: &mut ChaCha8Rng) -> u32 {
        Poisson::new(self.traffic.max(1e-9)).map_or(0, |poisson| whole(poisson.sample(random)))
    }

    /// One second of traffic.
    fn happen(&mut self, second: Duration) -> Sides<Second> {
        let mut random = self.random(second.as_secs());
        let requests = self.requests(&mut random);
        let green = binomial(&mut random, requests, self.green_share());
        let mut of = |side: Side, requests: u32| {
            let service = self.services.get(side);
            let rises = self.rises.get(side);
            let conditions = Conditions {
                limit: self.limit(side, second),
                ..service.conditions(second, rises)
            };
            Second {
                is_silent: service.is_silent(second, rises),
                ..serve(&mut random, requests, conditions)
            }
        };
        Sides {
            blue: of(Side::Blue, requests - green),
            green: of(Side::Green, green),
        }
    }

    /// How many requests a side's targets can serve in a second, if that is limited. A service that a
    /// caller has scaled to zero serves none.
    fn limit(&self, side: Side, second: Duration) -> Option<u32> {
        let healthy = || self.registered(side, second).healthy;
        if self.fleet.counts.get(side).ready().is_some() && healthy() == 0 {
            return Some(0);
        }
        self.services.get(side).limit(healthy)
    }

    /// Green's share by weight.
    pub(in crate::aws::sim) fn weighted_share(&self) -> f64 {
        let weights = self.rules.weights();
        let sum = f64::from(weights.blue) + f64::from(weights.green);
        if sum > 0.0 {
            f64::from(weights.green) / sum
        } else {
            0.0
        }
    }

    /// Green's share of this second's requests: by weight, except for clients that are pinned.
    fn green_share(&mut self) -> f64 {
        let weighted = self.weighted_share();
        match self.rules.stickiness() {
            None => weighted,
            Some(stickiness) => {
                // Pins run out one by one over their duration, and follow the weights then.
                let renewed = 1.0 / stickiness.as_secs_f64().max(1.0);
                self.pinned += (weighted - self.pinned) * renewed;
                STICKY_CLIENTS * self.pinned + (1.0 - STICKY_CLIENTS) * weighted
            }
        }
    }
}

fn serve(random: &mut ChaCha8Rng, requests: u32, conditions: Conditions) -> Second {
    let mut second = Second {
        requests,
        ..Second::default()
    };
    if conditions.is_dead {
        second.refused = requests;
        return second;
    }
    // Requests beyond the capacity of the targets fail.
    let served = requests.min(conditions.limit.unwrap_or(requests));
    let errors = binomial(random, served, conditions.error_rate);
    second.client_errors = binomial(random, served - errors, CLIENT_ERRORS);
    second.errors = errors + (requests - served);
    second.ok = requests - second.errors - second.client_errors;
    let median = conditions.latency.as_secs_f64().max(1e-6);
    if let Ok(latencies) = LogNormal::new(median.ln(), LATENCY_SIGMA) {
        second.latency_min = f64::INFINITY;
        for _ in 0..requests {
            let latency = latencies.sample(random);
            #[expect(clippy::cast_possible_truncation, reason = "seven digits of a latency")]
            second.latencies.push(latency as f32);
            second.latency_sum += latency;
            second.latency_min = second.latency_min.min(latency);
            second.latency_max = second.latency_max.max(latency);
        }
    }
    second
}

fn binomial(random: &mut ChaCha8Rng, of: u32, rate: f64) -> u32 {
    Binomial::new(u64::from(of), rate.clamp(0.0, 1.0)).map_or(0, |binomial| {
        u32::try_from(binomial.sample(random)).unwrap_or(of)
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a Poisson sample is a small whole number, and saturates if it is not"
)]
fn whole(sample: f64) -> u32 {
    sample as u32
}
