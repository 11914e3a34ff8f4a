//! How calls use the world: a write keeps the state that it ends, and a read shows the live state
//! or an older one.

use std::{mem::swap, time::Duration};

use super::{
    past::{Numbered, Shown},
    world::World,
};
use crate::aws::{
    api::ApiError,
    sim::fault::{Area, Call},
};

impl World {
    /// Keeps what reads of an area show, right before a write ends it.
    pub(in crate::aws::sim) fn keep(&mut self, area: Area, ended: Duration, by: Option<Numbered>) {
        if !self.past.is_kept() {
            return;
        }
        let shown = match area {
            Area::Balancer => Shown::Balancer {
                rules: self.rules.clone(),
                groups: self.groups.clone(),
                rises: self.rises.clone(),
            },
            Area::Service => Shown::Service(Box::new(self.fleet.clone())),
            Area::Registry => Shown::Registry(self.registry.clone()),
            Area::Schedules => Shown::Schedules(self.schedules.clone()),
            Area::Scaling => Shown::Scaling(self.scaling.clone()),
        };
        self.past.keep(ended, by, shown);
    }

    /// Forgets the state that was kept last: the write after it was refused.
    pub(in crate::aws::sim) fn forget(&mut self) {
        if self.past.is_kept() {
            self.past.forget();
        }
    }

    /// Makes a write of a caller. A refused write does not count.
    pub(in crate::aws::sim) fn write<T>(
        &mut self,
        by: Numbered,
        now: Duration,
        effect: impl FnOnce(&mut Self, Duration) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        self.keep(by.call.area(), now, Some(by));
        let done = effect(self, now);
        if done.is_ok() {
            self.follow(by, now);
        } else {
            self.forget();
        }
        done
    }

    /// Makes a read, of the live state or of an older one if the read lags.
    pub(in crate::aws::sim) fn read<T>(
        &mut self,
        call: Call,
        now: Duration,
        effect: impl FnOnce(&mut Self, Duration) -> T,
    ) -> T {
        let Some(place) = self.past.of_read(call, now) else {
            return effect(self, now);
        };
        let then = self.exchange(place);
        let answer = effect(self, then);
        self.exchange(place);
        answer
    }

    /// Exchanges a past state and the present one. Returns when the past state ended.
    fn exchange(&mut self, place: usize) -> Duration {
        let (ended, shown) = self.past.state(place);
        match shown {
            Shown::Balancer {
                rules,
                groups,
                rises,
            } => {
                swap(&mut self.rules, rules);
                swap(&mut self.groups, groups);
                swap(&mut self.rises, rises);
            }
            Shown::Service(fleet) => swap(&mut self.fleet, &mut **fleet),
            Shown::Registry(registry) => swap(&mut self.registry, registry),
            Shown::Schedules(schedules) => swap(&mut self.schedules, schedules),
            Shown::Scaling(scaling) => swap(&mut self.scaling, scaling),
        }
        ended
    }
}
