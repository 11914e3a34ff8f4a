//! The past that lagging reads show: the world right before a write.

use std::{collections::BTreeMap, time::Duration};

use super::{
    fleet::Fleet, groups::Groups, registry::Registry, rules::Rules, scaling::Scaled,
    schedules::Schedules,
};
use crate::{
    aws::sim::{
        fault::{Area, Call, Selector},
        lag::{Lag, Seen},
    },
    traffic::Sides,
};

/// A call with its numbers.
#[derive(Debug, Clone, Copy)]
pub(in crate::aws::sim) struct Numbered {
    pub(in crate::aws::sim) call: Call,
    pub(in crate::aws::sim) of_call: u64,
    pub(in crate::aws::sim) of_all: u64,
    /// When the call was made.
    pub(in crate::aws::sim) made: Duration,
}

impl Numbered {
    pub(in crate::aws::sim) fn is_of(&self, calls: &Selector) -> bool {
        calls.hits(self.call, self.of_call, self.of_all, self.made)
    }
}

/// The past that reads may show, back to the time at which the first lag was set.
#[derive(Debug, Default)]
pub(in crate::aws::sim) struct Past {
    states: Vec<State>,
    lags: Vec<Lagging>,
}

/// A state that a write ended.
#[derive(Debug)]
struct State {
    /// When it ended.
    ended: Duration,
    /// The call that ended it; `None` if a third party or a schedule did.
    by: Option<Numbered>,
    shown: Shown,
}

/// The state that the calls of one area show.
#[derive(Debug)]
pub(super) enum Shown {
    Balancer {
        rules: Rules,
        groups: Groups,
        rises: Sides<Vec<Duration>>,
    },
    Service(Box<Fleet>),
    Registry(Registry),
    Schedules(Schedules),
    Scaling(Option<Scaled>),
}

/// A read that lags.
#[derive(Debug)]
struct Lagging {
    call: Call,
    lag: Lag,
    /// States before this one were past when the lag was set.
    from: usize,
    seen: BTreeMap<usize, Seen>,
}

impl Shown {
    fn area(&self) -> Area {
        match self {
            Self::Balancer { .. } => Area::Balancer,
            Self::Service(_) => Area::Service,
            Self::Registry(_) => Area::Registry,
            Self::Schedules(_) => Area::Schedules,
            Self::Scaling(_) => Area::Scaling,
        }
    }
}

impl Past {
    pub(in crate::aws::sim) fn lag(&mut self, call: Call, lag: Lag) {
        self.lags.push(Lagging {
            call,
            lag,
            from: self.states.len(),
            seen: BTreeMap::new(),
        });
    }

    /// Whether anything may show an older state.
    pub(super) fn is_kept(&self) -> bool {
        !self.lags.is_empty()
    }

    /// Keeps the state that a write is about to end.
    pub(super) fn keep(&mut self, ended: Duration, by: Option<Numbered>, shown: Shown) {
        self.states.push(State { ended, by, shown });
    }

    /// Forgets the state that was kept last.
    pub(super) fn forget(&mut self) {
        self.states.pop();
    }

    /// When a state ended, and the state.
    pub(super) fn state(&mut self, place: usize) -> (Duration, &mut Shown) {
        let state = &mut self.states[place];
        (state.ended, &mut state.shown)
    }

    /// The oldest state that a read must show, if it must not show the live one. Counts the read.
    pub(super) fn of_read(&mut self, call: Call, now: Duration) -> Option<usize> {
        let hidden = self.oldest(call, usize::MAX, |lag, seen, ended| {
            lag.hides(seen, ended, now)
        });
        // A hidden state is not shown, so no read goes back from it.
        let visible = hidden.unwrap_or(usize::MAX);
        let gone_back = self.oldest(call, visible, |lag, seen, ended| {
            lag.goes_back(seen, ended, now)
        });
        gone_back.or(hidden)
    }

    /// The oldest of the states before `end` that one of the call's lags wants.
    fn oldest(
        &mut self,
        call: Call,
        end: usize,
        mut wants: impl FnMut(&Lag, &mut Seen, Duration) -> bool,
    ) -> Option<usize> {
        let mut oldest = None;
        for one in self.lags.iter_mut().filter(|one| one.call == call) {
            for (place, state) in self.states.iter().enumerate().skip(one.from) {
                if place >= end || !state.is_before(&one.lag, call.area()) {
                    continue;
                }
                let seen = one.seen.entry(place).or_default();
                if wants(&one.lag, seen, state.ended) {
                    oldest = Some(oldest.map_or(place, |oldest: usize| oldest.min(place)));
                }
            }
        }
        oldest
    }
}

impl State {
    /// Whether the state was ended by a write of this area that the lag is behind.
    fn is_before(&self, lag: &Lag, area: Area) -> bool {
        let by_call = |writes: &Selector| self.by.is_some_and(|by| by.is_of(writes));
        self.shown.area() == area && lag.writes().is_none_or(by_call)
    }
}
