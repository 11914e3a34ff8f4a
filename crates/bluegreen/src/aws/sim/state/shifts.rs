//! ECS moves the traffic of a deployment: it starts tasks, writes the weights of the rules, and watches
//! alarms.

use std::time::Duration;

use super::{
    alarm::{Alarm, AlarmState},
    change::Writer,
    fleet::Fate,
    native::{
        Native,
        deployment::{Deployment, Facts},
        stage::PACE,
    },
    world::World,
};
use crate::{
    aws::sim::fault::Area,
    traffic::{Side, Sides},
};

impl World {
    /// When a deployment that ECS moves itself changes next, or a third party begins one.
    pub(super) fn next_shift(&self) -> Option<Duration> {
        let native = self.fleet.native.as_ref()?;
        let next = native.next(|one| self.facts(native, one));
        let theirs = self.fleet.next_stranger();
        [next.map(|(at, _)| at), theirs].into_iter().flatten().min()
    }

    /// Lets everything happen that is due by `now` to deployments that ECS moves itself.
    pub(super) fn pass_shifts(&mut self, now: Duration) {
        loop {
            let Some(native) = &self.fleet.native else {
                return;
            };
            let next = native.next(|one| self.facts(native, one));
            let theirs = self.fleet.next_stranger();
            let next = next.filter(|(at, _)| *at <= now);
            let theirs = theirs.filter(|at| *at <= now);
            match (next, theirs) {
                (None, None) => return,
                (Some((at, place)), theirs) if theirs.is_none_or(|theirs| at <= theirs) => {
                    let facts = self.facts(native, &native.deployments[place]);
                    self.pass_shift(at, place, &facts);
                }
                (_, Some(at)) => {
                    self.keep(Area::Service, at, None);
                    self.fleet.deploy_of_stranger(at);
                }
                (Some(_), None) => return,
            }
        }
    }

    fn pass_shift(&mut self, at: Duration, place: usize, facts: &Facts) {
        self.keep(Area::Service, at, None);
        let passed = self.fleet.pass(place, at, facts);
        let Some(native) = &self.fleet.native else {
            return;
        };
        let (weights, test) = (weights(native.production), native.test);
        if passed.has_shifted && weights != self.rules.weights() {
            self.keep(Area::Balancer, at, None);
            self.rules.write_weights(weights);
            self.changed(at, Writer::Service);
        }
        if passed.has_moved_test {
            self.keep(Area::Balancer, at, None);
            self.rules.write_test_route(test);
        }
    }

    /// What a deployment depends on now.
    fn facts(&self, native: &Native, one: &Deployment) -> Facts {
        let last = |revision: usize| {
            let tasks = native.tasks_of(revision)?;
            let ready = self.services.get(native.revisions[revision].side).ready();
            Some(tasks.from + ready.into_iter().max().unwrap_or_default())
        };
        let never = matches!(
            self.fleet
                .fate(&native.revisions[one.target].task_definition),
            Fate::Dies | Fate::Stalls
        );
        let up = if one.configuration.is_rolling() {
            one.started
        } else {
            last(one.target)
        };
        Facts {
            up: up.filter(|_| !never),
            live: one.sources.first().and_then(|live| last(*live)),
            alarm: self.alarm_of(one),
            rollback_fails: native.rollback_fails,
        }
    }

    /// The alarms that ECS watches for a deployment: none if one of them was in alarm when it began
    /// ([ECS guide](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html)).
    pub(in crate::aws::sim) fn watched(&self, one: &Deployment) -> Vec<&Alarm> {
        let names = one.configuration.alarms.iter();
        let known = names.filter_map(|name| self.alarms.iter().find(|alarm| alarm.name == *name));
        let known: Vec<&Alarm> = known.collect();
        let rises = &self.rises.green;
        let is_off = |alarm: &&Alarm| alarm.state(one.created, rises) == AlarmState::Alarm;
        match known.iter().any(is_off) {
            true => Vec::new(),
            false => known,
        }
    }

    /// The first alarm of a deployment that goes off after it has begun. ECS asks CloudWatch now and then.
    fn alarm_of(&self, one: &Deployment) -> Option<(Duration, String)> {
        let watched = self.watched(one).into_iter();
        let off = watched.filter_map(|alarm| {
            let at = alarm.goes_off(one.created, &self.rises.green)?;
            Some((at + PACE, alarm.name.clone()))
        });
        off.min()
    }

    /// From when on each task in a group serves; `None` if ECS does not move the traffic between groups.
    pub(super) fn native_ready(&self, side: Side) -> Option<Vec<Duration>> {
        let native = self.fleet.native.as_ref()?;
        let Some(tasks) = native.running.get(side) else {
            return Some(Vec::new());
        };
        let revision = &native.revisions[tasks.revision];
        let never = matches!(
            self.fleet.fate(&revision.task_definition),
            Fate::Dies | Fate::Stalls
        );
        let ready = self.services.get(side).ready().into_iter();
        let ready = ready.map(|ready| match never {
            true => Duration::MAX,
            false => tasks.from + ready,
        });
        Some(ready.collect())
    }

    /// How the tasks in a group answer now, if any does; `None` if ECS does not move the traffic between
    /// groups.
    pub(in crate::aws::sim) fn native_serving(
        &self,
        side: Side,
        now: Duration,
    ) -> Option<Option<Fate>> {
        let native = self.fleet.native.as_ref()?;
        let ready = self.native_ready(side)?;
        let tasks = native.running.get(side).as_ref();
        let tasks = tasks.filter(|_| ready.iter().any(|ready| *ready <= now));
        Some(tasks.map(|tasks| {
            let revision = &native.revisions[tasks.revision];
            self.fleet.fate(&revision.task_definition)
        }))
    }

    /// How many tasks of a revision, by place, are to run, run, and start.
    pub(in crate::aws::sim) fn task_counts(&self, revision: usize, now: Duration) -> [u32; 3] {
        let Some(native) = &self.fleet.native else {
            return [0; 3];
        };
        let side = native.revisions[revision].side;
        let ready = match native.tasks_of(revision) {
            Some(_) => self.native_ready(side).unwrap_or_default(),
            None => return [0; 3],
        };
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let running = count(ready.iter().filter(|ready| **ready <= now).count());
        let requested = count(ready.len());
        [requested, running, requested - running]
    }
}

/// Weights for shares in tenths of a percent, as small as they can be.
fn weights(shares: Sides<u16>) -> Sides<u32> {
    let (mut divisor, mut rest) = (shares.blue, shares.green);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    // Whole percents are written as such.
    let divisor = if shares.blue.is_multiple_of(10) {
        10
    } else {
        divisor.max(1)
    };
    shares.map(|share| u32::from(share / divisor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_share_has_weights_that_a_rule_takes() {
        let of = |green: u16| {
            weights(Sides {
                blue: 1_000 - green,
                green,
            })
        };
        let sides = |blue, green| Sides { blue, green };
        assert_eq!(of(0), sides(100, 0));
        assert_eq!(of(250), sides(75, 25));
        assert_eq!(of(1_000), sides(0, 100));
        assert_eq!(of(5), sides(199, 1));
        assert_eq!(of(1), sides(999, 1));
        assert_eq!(of(333), sides(667, 333));
    }
}
