//! [`Shared`]: the one world behind all APIs, and how a call to it is served, fails or stops.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    aws::{
        api::ApiError,
        sim::{
            fault::{Call, Fault, Selector, TIME_OUT, answer, lost},
            state::{change::Writer, fleet::Fate, programs::Programs, rules, world::World},
            stop::{Moment, StopPoint},
            time::SimClock,
        },
    },
    error::ErrorKind,
    traffic::Side,
};

/// The world and its clock.
pub(in crate::aws::sim) struct Shared {
    world: Mutex<World>,
    clock: Arc<SimClock>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(in crate::aws::sim) fn new(world: World) -> Self {
        Self {
            world: Mutex::new(world),
            clock: Arc::new(SimClock::default()),
        }
    }

    pub(in crate::aws::sim) fn clock(&self) -> &Arc<SimClock> {
        &self.clock
    }

    /// The world as it is now.
    pub(in crate::aws::sim) fn now(&self) -> (MutexGuard<'_, World>, Duration) {
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
