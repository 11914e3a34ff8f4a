//! How a service behaves.

use std::time::Duration;

use crate::traffic::TargetCounts;

/// One of the two services: how many targets it has and how they serve.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Service {
    targets: u32,
    pub(super) ready_after: Duration,
    pub(super) ready_every: Duration,
    pub(super) error_rate: f64,
    /// How many requests a second one target can serve.
    capacity: Option<f64>,
    pub(in crate::aws::sim) latency: Duration,
    pub(super) behaviours: Vec<(When, Behaviour)>,
}

/// When a [`Behaviour`] shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// Always.
    Always,
    /// From one time after the start of the simulation to another.
    Between(Duration, Duration),
    /// From one time to another after each rise of the service's share.
    AfterRise(Duration, Duration),
    /// From one time to another after the `n`th rise of the service's share, counted from 1.
    AfterNthRise(u32, Duration, Duration),
}

/// How a service behaves beside serving well.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Behaviour {
    /// Fails this fraction of its requests, with a 500 of its own.
    Errors(f64),
    /// Fails a fraction that grows by this much a minute.
    Leak(f64),
    /// Answers with this median latency.
    Latency(Duration),
    /// Refuses connections: the balancer answers instead, and the service's metrics do not show it.
    Dead,
    /// Publishes no metrics.
    Silent,
}

/// A service at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conditions {
    pub(super) error_rate: f64,
    pub(in crate::aws::sim) latency: Duration,
    pub(super) is_dead: bool,
    /// How many requests its targets can serve in a second.
    pub(super) limit: Option<u32>,
}

/// How long a balancer takes to give up on a target: three checks, half a minute apart.
pub(super) const UNHEALTHY_AFTER: Duration = Duration::from_secs(90);

impl Service {
    /// A service of this many targets that serves well: one error in a thousand requests, a latency of 120 ms.
    #[must_use]
    pub fn new(targets: u32) -> Self {
        Self {
            targets,
            ready_after: Duration::ZERO,
            ready_every: Duration::ZERO,
            error_rate: 0.001,
            capacity: None,
            latency: Duration::from_millis(120),
            behaviours: Vec::new(),
        }
    }

    /// Sets the usual fraction of failed requests, 0 to 1.
    #[must_use]
    pub fn with_error_rate(mut self, rate: f64) -> Self {
        self.error_rate = rate.clamp(0.0, 1.0);
        self
    }

    /// Sets the usual median latency.
    #[must_use]
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Limits each target to this many requests a second; the requests beyond that fail. Default: no
    /// limit.
    #[must_use]
    pub fn with_capacity(mut self, requests_a_second: f64) -> Self {
        self.capacity = Some(requests_a_second.max(0.0));
        self
    }

    /// The first target is healthy after `first`, each further one `every` later.
    #[must_use]
    pub fn warming(mut self, first: Duration, every: Duration) -> Self {
        self.ready_after = first;
        self.ready_every = every;
        self
    }

    /// Adds a behaviour.
    #[must_use]
    pub fn with(mut self, when: When, behaviour: Behaviour) -> Self {
        self.behaviours.push((when, behaviour));
        self
    }

    pub(super) fn conditions(&self, now: Duration, rises: &[Duration]) -> Conditions {
        let mut conditions = Conditions {
            error_rate: self.error_rate,
            latency: self.latency,
            is_dead: false,
            limit: None,
        };
        for (when, behaviour) in &self.behaviours {
            let Some(since) = when.began(now, rises) else {
                continue;
            };
            match behaviour {
                Behaviour::Errors(rate) => conditions.error_rate += rate,
                Behaviour::Leak(rate) => {
                    conditions.error_rate += rate * (now - since).as_secs_f64() / 60.0;
                }
                Behaviour::Latency(latency) => conditions.latency = *latency,
                Behaviour::Dead => conditions.is_dead = true,
                Behaviour::Silent => {}
            }
        }
        conditions.error_rate = conditions.error_rate.clamp(0.0, 1.0);
        conditions
    }

    pub(super) fn is_silent(&self, now: Duration, rises: &[Duration]) -> bool {
        self.behaviours.iter().any(|(when, behaviour)| {
            *behaviour == Behaviour::Silent && when.began(now, rises).is_some()
        })
    }

    /// How many requests its healthy targets can serve in a second, if that is limited.
    pub(super) fn limit(&self, targets: impl FnOnce() -> u32) -> Option<u32> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of requests, which saturates"
        )]
        let limit = |capacity: f64| (capacity * f64::from(targets())) as u32;
        self.capacity.map(limit)
    }

    /// The time from which each of its targets is healthy.
    pub(in crate::aws::sim) fn ready(&self) -> Vec<Duration> {
        let targets = 0..self.targets;
        targets
            .map(|index| self.ready_after + self.ready_every * index)
            .collect()
    }

    /// Targets that are healthy from these times on, as health checks see them.
    pub(super) fn health(
        &self,
        ready: &[Duration],
        now: Duration,
        rises: &[Duration],
    ) -> TargetCounts {
        let mut counts = TargetCounts::default();
        let dead = self.behaviours.iter().any(|(when, behaviour)| {
            let since = when.began(now, rises);
            *behaviour == Behaviour::Dead
                && since.is_some_and(|since| now - since >= UNHEALTHY_AFTER)
        });
        for ready in ready {
            if dead {
                counts.unhealthy += 1;
            } else if now >= *ready {
                counts.healthy += 1;
            } else {
                counts.initial += 1;
            }
        }
        counts
    }
}

impl When {
    pub(in crate::aws::sim) fn is_on(self, now: Duration, rises: &[Duration]) -> bool {
        self.began(now, rises).is_some()
    }

    /// Since when the behaviour shows, if it shows now.
    fn began(self, now: Duration, rises: &[Duration]) -> Option<Duration> {
        let (from, to) = self.span(rises)?;
        (now >= from && now < to).then_some(from)
    }

    /// The time for which the behaviour shows, as far as the rises tell.
    pub(super) fn span(self, rises: &[Duration]) -> Option<(Duration, Duration)> {
        let after = |rise: Duration, from: Duration, to: Duration| {
            Some((rise + from, rise.saturating_add(to)))
        };
        match self {
            Self::Always => Some((Duration::ZERO, Duration::MAX)),
            Self::Between(from, to) => after(Duration::ZERO, from, to),
            Self::AfterRise(from, to) => after(*rises.last()?, from, to),
            Self::AfterNthRise(nth, from, to) => {
                let index = usize::try_from(nth).ok()?.checked_sub(1)?;
                after(*rises.get(index)?, from, to)
            }
        }
    }
}
