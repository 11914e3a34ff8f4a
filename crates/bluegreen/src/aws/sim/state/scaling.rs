//! Application Auto Scaling: how blue's service follows its requests.

use std::{collections::VecDeque, time::Duration};

/// How a service is scaled: by target tracking of its requests, as Application Auto Scaling does it
/// ([how it works](https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html)).
///
/// A target is to serve a quarter more than at the start. The requests of each minute give the number
/// of targets that this needs. If every minute of the last quarter of an hour needs fewer targets
/// than run, the service is scaled in, to the highest of these numbers; if three minutes in a row
/// need more, it is scaled out. It is never scaled below its minimum, nor above its maximum; a
/// minimum that is raised above the running count takes effect at once. A new target serves after a
/// minute.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
/// use bluegreen::{aws::sim::{Scaling, Simulation}, traffic::Sides};
///
/// let simulation = Simulation::builder()
///     .blue_scales(Scaling::between(1, 8))
///     .weights(Sides { blue: 10, green: 90 })
///     .build();
/// simulation.start_paused();
/// assert_eq!(simulation.targets().blue.healthy, 4);
/// tokio::time::sleep(Duration::from_secs(16 * 60)).await;
/// assert_eq!(simulation.targets().blue.healthy, 1);
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Scaling {
    minimum: u32,
    maximum: u32,
    in_after: u32,
    out_after: u32,
}

/// What a target is to serve, as a multiple of what it serves at the start.
const HEADROOM: f64 = 1.25;
/// How long a new target takes until it serves.
const STARTS: Duration = Duration::from_secs(60);

impl Scaling {
    /// Scales between these numbers of targets.
    #[must_use]
    pub fn between(minimum: u32, maximum: u32) -> Self {
        Self {
            minimum,
            maximum: maximum.max(minimum),
            in_after: 15,
            out_after: 3,
        }
    }

    /// How many minutes in a row must need less before the service is scaled in. Default: 15, as on
    /// AWS.
    #[must_use]
    pub(crate) fn in_after(mut self, minutes: u32) -> Self {
        self.in_after = minutes.max(1);
        self
    }
}

/// The service as it is scaled now.
#[derive(Debug, Clone)]
pub(in crate::aws::sim) struct Scaled {
    pub(in crate::aws::sim) minimum: u32,
    pub(in crate::aws::sim) maximum: u32,
    rule: Scaling,
    /// The requests a minute that a target is to serve.
    share: f64,
    /// The time from which each target serves.
    ready: Vec<Duration>,
    /// Requests of the minute under way.
    requests: u32,
    /// How many targets each of the last minutes needs, the newest last.
    asked: VecDeque<u32>,
}

impl Scaled {
    /// A service whose targets serve `requests` a second at the start.
    pub(in crate::aws::sim) fn new(rule: Scaling, ready: Vec<Duration>, requests: f64) -> Self {
        let count = u32::try_from(ready.len()).unwrap_or(u32::MAX).max(1);
        Self {
            minimum: rule.minimum,
            maximum: rule.maximum,
            share: 60.0 * requests / f64::from(count) * HEADROOM,
            rule,
            ready,
            requests: 0,
            asked: VecDeque::new(),
        }
    }

    /// The time from which each target serves.
    pub(in crate::aws::sim) fn ready(&self) -> &[Duration] {
        &self.ready
    }

    /// A caller sets the count itself, which the limits do not hold: these targets serve from these times on.
    pub(in crate::aws::sim) fn set(&mut self, ready: Vec<Duration>) {
        self.asked.clear();
        self.ready = ready;
    }

    pub(in crate::aws::sim) fn desired(&self) -> u32 {
        u32::try_from(self.ready.len()).unwrap_or(u32::MAX)
    }

    /// Counts the requests of one second.
    pub(super) fn pass(&mut self, second: Duration, requests: u32) {
        self.requests += requests;
        if (second.as_secs() + 1).is_multiple_of(60) {
            let requests = std::mem::take(&mut self.requests);
            let asked = self.asks(requests);
            self.asked.push_back(asked);
            let kept = self.rule.in_after.max(self.rule.out_after);
            while self.asked.len() > kept as usize {
                self.asked.pop_front();
            }
            self.follow(second + Duration::from_secs(1));
        }
    }

    /// How many targets the requests of a minute need.
    fn asks(&self, requests: u32) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of targets, which saturates"
        )]
        let targets = (f64::from(requests) / self.share.max(1e-9)).ceil() as u32;
        targets
    }

    /// Scales in or out, if enough minutes in a row need it.
    fn follow(&mut self, now: Duration) {
        let now_runs = self.desired();
        let last = |minutes: u32| {
            let minutes = minutes as usize;
            let enough = self.asked.len() >= minutes;
            enough.then(|| self.asked.iter().rev().take(minutes).copied())
        };
        let more = last(self.rule.out_after).and_then(Iterator::min);
        let fewer = last(self.rule.in_after).and_then(Iterator::max);
        let wanted = match (more, fewer) {
            (Some(more), _) if more > now_runs => more,
            (_, Some(fewer)) if fewer < now_runs => fewer,
            _ => return,
        };
        self.scale(now, wanted);
    }

    /// Runs the wanted number of targets, within the limits.
    pub(in crate::aws::sim) fn scale(&mut self, now: Duration, wanted: u32) {
        let wanted = wanted.clamp(self.minimum, self.maximum.max(self.minimum));
        if wanted == self.desired() {
            return;
        }
        self.asked.clear();
        self.ready.resize(wanted as usize, now + STARTS);
    }
}
