//! [`Shared`]: the one world behind all APIs, and how a call to it is served, fails or stops.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    aws::{
        ServerDates,
        api::ApiError,
        sim::{
            fault::{Area, Call, Fault, TIME_OUT, answer, lost},
            state::{fleet::Fate, past::Numbered, programs::Programs, rules, world::World},
            stop::{Moment, StopPoint},
            time::SimClock,
        },
    },
    clock::later,
    error::ErrorKind,
    traffic::Side,
};

/// The world, its clock, and the dates of its answers.
pub(in crate::aws::sim) struct Shared {
    world: Mutex<World>,
    clock: Arc<SimClock>,
    dates: ServerDates,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(in crate::aws::sim) fn new(world: World, clock: SimClock) -> Self {
        Self {
            world: Mutex::new(world),
            clock: Arc::new(clock),
            dates: ServerDates::default(),
        }
    }

    pub(in crate::aws::sim) fn clock(&self) -> &Arc<SimClock> {
        &self.clock
    }

    pub(in crate::aws::sim) fn dates(&self) -> &ServerDates {
        &self.dates
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

    /// What is fetched from a URL of the registry's blobs.
    pub(super) fn blob(&self, url: &str) -> Option<String> {
        self.now().0.registry.blob(url)
    }

    /// The platform that is built for.
    pub(super) fn platform(&self) -> String {
        self.now().0.registry.platform.clone()
    }

    pub(super) fn push(&self, tag: &str, content: &str) -> Result<String, String> {
        let (mut world, now) = self.now();
        world.keep(Area::Registry, now, None);
        let pushed = world.registry.push(tag, content);
        if pushed.is_err() {
            world.forget();
        }
        pushed
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
    pub(super) async fn serve<T: 'static>(
        &self,
        call: Call,
        effect: impl FnOnce(&mut World, Duration) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (numbered, fault, stop) = self.numbered(call);
        let stop_at = |moment| stop.clone().filter(|stop| stop.moment == moment);
        if let Some(stop) = stop_at(Moment::BeforeEffect) {
            stop.wait().await;
        }
        let served = self.served(numbered, fault, effect).await;
        let answered = self.clock.elapsed();
        if let Some(stop) = stop_at(Moment::AfterEffect) {
            stop.wait().await;
        }
        // What has no code was lost, or came from something before AWS.
        let is_of_aws = match &served {
            Ok(_) => true,
            Err(error) => error.code.is_some(),
        };
        if is_of_aws {
            let date = later(SimClock::epoch(), answered);
            self.dates.note(date, &*self.clock);
        }
        served
    }

    /// Counts a call; what goes wrong with it, and where it stops.
    fn numbered(&self, call: Call) -> (Numbered, Option<Fault>, Option<StopPoint>) {
        let (mut world, now) = self.now();
        let of_all = world.calls.values().sum::<u64>() + 1;
        let of_call = world.calls.entry(call).or_default();
        *of_call += 1;
        let numbered = Numbered {
            call,
            of_call: *of_call,
            of_all,
            made: now,
        };
        let fault = world.faults.iter().find(|(calls, _)| numbered.is_of(calls));
        let stop = world.stops.iter().find(|stop| numbered.is_of(&stop.calls));
        (numbered, fault.map(|(_, fault)| *fault), stop.cloned())
    }

    async fn served<T: 'static>(
        &self,
        numbered: Numbered,
        fault: Option<Fault>,
        effect: impl FnOnce(&mut World, Duration) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let call = numbered.call;
        let effect = move |world: &mut World, now: Duration| {
            if call.is_change() {
                world.write(numbered, now, effect)
            } else {
                world.read(call, now, effect)
            }
        };
        let waits = {
            let (mut world, now) = self.now();
            match fault {
                None => return effect(&mut world, now),
                Some(Fault::ThirdPartyWrite { weights }) => {
                    world.write_of_third_party(now, weights);
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
                Some(Fault::Missing) => {
                    let message = "One or more of the resources named do not exist";
                    return Err(answer(call, ErrorKind::NotFound, "NotFound", message));
                }
                Some(Fault::Unavailable) => {
                    return Err(lost(call, "the service answered 503"));
                }
                Some(Fault::TimeoutBeforeEffect) => Some(TIME_OUT),
                // Whatever the answer is, it is lost.
                Some(Fault::TimeoutAfterEffect) => {
                    drop(effect(&mut world, now));
                    Some(TIME_OUT)
                }
                Some(Fault::LateEffect { after }) => {
                    let lands = now + TIME_OUT + after.min(TIME_OUT);
                    world.land(lands, move |world, now| drop(effect(world, now)));
                    Some(TIME_OUT)
                }
                Some(Fault::HangBeforeEffect) => None,
                Some(Fault::HangAfterEffect) => {
                    drop(effect(&mut world, now));
                    None
                }
            }
        };
        match waits {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
        Err(lost(call, "no answer within 10 s"))
    }
}
