//! [`Shared`]: the one world behind all APIs, and how a call to it is served, fails or stops.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;

use crate::{
    aws::{
        ServerDates,
        api::ApiError,
        sim::{
            fault::{Call, Fault, TIME_OUT, answer, lost},
            log::{
                event::{Event, nanos},
                file::Log,
            },
            mutation::Mutation,
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
    inner: Mutex<Inner>,
    clock: Arc<SimClock>,
    dates: ServerDates,
}

struct Inner {
    world: World,
    /// The messages that hooks have published. They belong to the process, and not to a kept world.
    published: Vec<String>,
    /// The file of a kept world.
    log: Option<Log>,
}

/// A look at the present world. Other processes that have the same kept world open wait until the
/// look ends.
pub(in crate::aws::sim) struct Look<'a> {
    inner: MutexGuard<'a, Inner>,
    now: Duration,
}

impl Look<'_> {
    /// Writes an event down before it happens, if the world is kept. If that fails, the event must
    /// not happen: other processes would never learn of it.
    pub(in crate::aws::sim) fn note(&mut self, event: Event) -> Result<(), String> {
        match &mut self.inner.log {
            Some(log) => log.append(self.now, event),
            None => Ok(()),
        }
    }

    /// Writes an event down and lets it happen.
    pub(in crate::aws::sim) fn happen(&mut self, event: &Event) {
        if self.note(event.clone()).is_ok() {
            let now = self.now;
            event.happen(self, now);
        }
    }

    /// When an event was last written down.
    fn noted(&self) -> Duration {
        self.inner.log.as_ref().map(Log::last).unwrap_or_default()
    }

    /// Why the world can no longer be kept, if so.
    pub(in crate::aws::sim) fn trouble(&self) -> Option<&str> {
        self.inner.log.as_ref().and_then(Log::trouble)
    }
}

impl Deref for Look<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.inner.world
    }
}

impl DerefMut for Look<'_> {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.inner.world
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        if let Some(log) = &mut self.inner.log {
            log.release();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(in crate::aws::sim) fn new(world: World, clock: SimClock) -> Self {
        Self {
            inner: Mutex::new(Inner {
                world,
                published: Vec::new(),
                log: None,
            }),
            clock: Arc::new(clock),
            dates: ServerDates::default(),
        }
    }

    /// Keeps the world, at its start, in a file: the events in the file have happened already.
    pub(in crate::aws::sim) fn keep_in(&self, log: Log) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.log = Some(log);
    }

    pub(in crate::aws::sim) fn clock(&self) -> &Arc<SimClock> {
        &self.clock
    }

    pub(in crate::aws::sim) fn dates(&self) -> &ServerDates {
        &self.dates
    }

    /// Returns the present world, with all events of other processes.
    pub(in crate::aws::sim) fn now(&self) -> (Look<'_>, Duration) {
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        if let Some(log) = &mut inner.log {
            for entry in log.hold() {
                inner.world.advance(entry.at());
                entry.event.happen(&mut inner.world, entry.at());
            }
            // No look may show a time before the last event.
            self.clock.not_before(log.last());
        }
        let now = self.clock.elapsed();
        inner.world.advance(now);
        (Look { inner: guard, now }, now)
    }

    /// Returns the world, to set what will happen in it. That begins no time: a world that is prepared before
    /// its clock is paused would be older each time, by the real time that this took.
    pub(in crate::aws::sim) fn plan(&self) -> Look<'_> {
        if self.clock.has_begun() || self.is_kept() {
            return self.now().0;
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // What the world begins with is no write, and no read lags behind it.
        let now = Duration::ZERO;
        inner.world.advance(now);
        Look { inner, now }
    }

    fn is_kept(&self) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.log.is_some()
    }

    /// A stroke of a pacer: tells other processes the time if nothing was written down for `silent`.
    /// Returns the lead that other processes gave the world over tokio's clock.
    pub(in crate::aws::sim) fn stroke(&self, silent: Duration) -> Duration {
        if !self.is_kept() {
            return Duration::ZERO;
        }
        let (mut world, now) = self.now();
        if now.saturating_sub(world.noted()) >= silent {
            // The next call reports any trouble.
            let _ = world.note(Event::Passed);
        }
        drop(world);
        self.clock.catch_up()
    }

    /// Counts a call that takes no time and needs none, and returns its fault.
    pub(super) fn fault_of(&self, call: Call) -> Option<Fault> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let world = &mut inner.world;
        let of_all = world.calls.values().sum::<u64>() + 1;
        let of_call = world.calls.entry(call).or_default();
        *of_call += 1;
        let numbered = Numbered {
            call,
            of_call: *of_call,
            of_all,
            made: Duration::ZERO,
        };
        let fault = world.faults.iter().find(|(calls, _)| numbered.is_of(calls));
        fault.map(|(_, fault)| *fault)
    }

    /// Keeps a message, and returns its number.
    pub(super) fn publish(&self, message: String) -> usize {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.published.push(message);
        inner.published.len()
    }

    /// The messages that were published.
    pub(in crate::aws::sim) fn published(&self) -> Vec<String> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.published.clone()
    }

    pub(super) fn programs(&self) -> Programs {
        self.now().0.programs
    }

    /// The content of a URL of the registry's blobs.
    pub(super) fn blob(&self, url: &str) -> Option<String> {
        self.now().0.registry.blob(url)
    }

    /// The platform that images are built for.
    pub(super) fn platform(&self) -> String {
        self.now().0.registry.platform.clone()
    }

    pub(super) fn push(&self, tag: &str, content: &str) -> Result<String, String> {
        let (mut world, now) = self.now();
        world.note(Event::Pushed {
            tag: tag.to_owned(),
            content: content.to_owned(),
        })?;
        world.push(now, tag, content)
    }

    /// The side that answers a request, if its rule forwards: the side with more weight.
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
        let mut sides = [(rules::blue(), Side::Blue), (rules::green(), Side::Green)].into_iter();
        sides.find_map(|(arn, side)| (arn.as_str() == group).then_some(side))
    }

    /// How the tasks of a side answer now, if any does, and what they call themselves.
    pub(super) fn serving(&self, side: Side) -> (Option<Fate>, &'static str) {
        let (world, now) = self.now();
        if let Some(serving) = world.native_serving(side, now) {
            return (serving, "fastapi");
        }
        match side {
            Side::Blue => (world.answering(side, now), "flask"),
            Side::Green => (world.answering(side, now), "fastapi"),
        }
    }

    /// Serves a read, or lets it fail.
    pub(super) async fn serve<T: 'static>(
        &self,
        call: Call,
        effect: impl FnOnce(&mut World, Duration) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.answer(call, None, effect).await
    }

    /// Serves a change, or lets it fail.
    pub(super) async fn change<M: Mutation>(&self, mutation: M) -> Result<M::Output, ApiError> {
        let call = mutation.call();
        let json = self.is_kept().then(|| mutation.to_json());
        if let Some(json) = &json
            && M::from_json(call, json) != mutation
        {
            let message =
                "a kept simulation cannot store all of this request; use one that is not kept";
            return Err(answer(call, ErrorKind::Invalid, "NotKept", message));
        }
        let effect = move |world: &mut World, now: Duration| mutation.happen(world, now);
        self.answer(call, json, effect).await
    }

    async fn answer<T: 'static>(
        &self,
        call: Call,
        json: Option<Value>,
        effect: impl FnOnce(&mut World, Duration) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (numbered, fault, stop) = self.numbered(call)?;
        let stop_at = |moment| stop.clone().filter(|stop| stop.moment == moment);
        if let Some(stop) = stop_at(Moment::BeforeEffect) {
            stop.wait().await;
        }
        let served = self.served(numbered, fault, json, effect).await;
        let answered = self.clock.elapsed();
        if let Some(stop) = stop_at(Moment::AfterEffect) {
            stop.wait().await;
        }
        // An error without a code was lost, or came from a server before AWS.
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

    /// Counts a call, and returns its numbers, its fault and its stop.
    fn numbered(
        &self,
        call: Call,
    ) -> Result<(Numbered, Option<Fault>, Option<StopPoint>), ApiError> {
        let (mut world, now) = self.now();
        let noted = world.note(Event::Called { call });
        noted.map_err(|why| not_kept(call, &why))?;
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
        Ok((numbered, fault.map(|(_, fault)| *fault), stop.cloned()))
    }

    async fn served<T: 'static>(
        &self,
        numbered: Numbered,
        fault: Option<Fault>,
        json: Option<Value>,
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
                None => return carry_out(&mut world, now, call, json, effect),
                Some(Fault::ThirdPartyWrite { weights }) => {
                    world.happen(&Event::Weights { weights });
                    return carry_out(&mut world, now, call, json, effect);
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
                // The answer is lost, whether success or error.
                Some(Fault::TimeoutAfterEffect) => {
                    drop(carry_out(&mut world, now, call, json, effect));
                    Some(TIME_OUT)
                }
                Some(Fault::LateEffect { after }) => {
                    let lands = now + TIME_OUT + after.min(TIME_OUT);
                    note(&mut world, call, json, Some(lands))?;
                    world.land(lands, move |world, now| drop(effect(world, now)));
                    Some(TIME_OUT)
                }
                Some(Fault::HangBeforeEffect) => None,
                Some(Fault::HangAfterEffect) => {
                    drop(carry_out(&mut world, now, call, json, effect));
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

/// The error of a call that could not be written down, and so did nothing.
fn not_kept(call: Call, why: &str) -> ApiError {
    answer(call, ErrorKind::Unavailable, "KeptSimulation", why)
}

/// Writes a change down, if the world is kept.
fn note(
    world: &mut Look<'_>,
    call: Call,
    json: Option<Value>,
    lands: Option<Duration>,
) -> Result<(), ApiError> {
    let Some(input) = json else {
        return Ok(());
    };
    let lands = lands.map(nanos);
    let noted = world.note(Event::Changed { call, input, lands });
    noted.map_err(|why| not_kept(call, &why))
}

fn carry_out<T>(
    world: &mut Look<'_>,
    now: Duration,
    call: Call,
    json: Option<Value>,
    effect: impl FnOnce(&mut World, Duration) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    note(world, call, json, None)?;
    let done = effect(world, now);
    for (at, weights) in std::mem::take(&mut world.followed) {
        let at = nanos(at);
        // If it fails, the next call reports that.
        let _ = world.note(Event::Planned { at, weights });
    }
    done
}
