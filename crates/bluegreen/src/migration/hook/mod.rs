//! [`Hook`]: what is called around a run.

mod answer;
#[cfg(feature = "aws")]
mod deliver;
mod gate;
mod message;
mod set;
#[cfg(feature = "check")]
mod webhook;
mod worker;

use std::{
    ffi::OsString,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;

#[cfg(feature = "aws")]
pub(crate) use self::deliver::{Deliver, Letter};
pub(crate) use self::gate::HookGate;
pub(crate) use self::message::{Moment, Notable};
pub(crate) use self::set::Hooks;
use self::{
    answer::Answer,
    message::Message,
    worker::{Queue, Target},
};
use crate::{engine::Event, image::Command};

/// A program, a webhook, or a topic of SNS, that is called around a run: when the run starts, before each step, when blue has
/// been restored, when a person is needed, and at the end.
///
/// A call gets one JSON object: a program on its standard input, a webhook as the body of a POST, a topic as its
/// message.
///
/// | field | what it is |
/// |---|---|
/// | `schema` | `bluegreen.hook/1` |
/// | `moment` | `start`, `before-step`, `rollback`, `person` or `end` |
/// | `run`, `at` | the run, and the time of the moment |
/// | `text` | one line for people |
/// | `event` | the [event](super::MigrationEvent) as JSON, of a judge [its own](crate::native::NativeEvent); not for a question |
/// | `to` | green's share after the step, for `before-step` |
///
/// Calls are made one after the other, in the order of the moments, on a thread of their own. No call delays a
/// look, a change or a restore: `rollback` is called when the restore has been read back. At the end, the run
/// waits for the calls that are left for twice the limit at most, and [tells](super::Migration::on_hook_failure)
/// which of them failed.
///
/// # Asking before a step
///
/// With [`asked_before_steps`](Self::asked_before_steps) a program may refuse a step. It is asked when the bake
/// of the step before is over, and its exit code is the answer, kept in the journal with its first line of
/// output:
///
/// | exit code | what the run does |
/// |---|---|
/// | 0 | rises, if every gate is healthy too. The answer holds for 5 minutes; a run that still waits for other gates asks again before |
/// | 10 | does not begin, or rolls back |
/// | another, a signal, no answer within the limit | does not rise; asks again after a minute, until the deadline of the step |
///
/// An operator who promotes the run decides instead of the program.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use bluegreen::migration::Hook;
///
/// let hook = Hook::command(["./ask-on-call", "--channel", "releases"])
///     .with_limit(Duration::from_secs(120))
///     .asked_before_steps();
/// # let _ = hook;
/// ```
#[derive(Debug)]
#[must_use = "a hook does nothing until it is added to a migration"]
pub struct Hook {
    target: Target,
    limit: Duration,
    asks: bool,
}

impl Hook {
    /// Calls a program with these words, the program first. The program inherits the environment and the
    /// folder of this process. Without a word every call fails, and says so.
    pub fn command<W: Into<OsString>>(words: impl IntoIterator<Item = W>) -> Self {
        let mut words = words.into_iter().map(Into::into);
        let program = words.next().unwrap_or_default();
        Self::of(Target::Program(Command::new(program).args(words)))
    }

    /// Sends a POST to `url` at each moment. `url` and `secret` are secrets, and are shown nowhere.
    ///
    /// The header `X-Bluegreen-Timestamp` has the time of the moment in seconds since 1970, and
    /// `X-Bluegreen-Signature` has `v1=` and, in hexadecimal digits, the HMAC-SHA256 with `secret` of that
    /// number, a full stop and the body. A receiver compares the signature, and refuses an old time. A 5xx or
    /// no answer is tried again within the limit; any other status than a 2xx is a failure.
    ///
    /// # Errors
    ///
    /// `Invalid` if `url` is no URL of `http` or `https`, `secret` is shorter than 16 bytes, or TLS cannot
    /// be used.
    #[cfg(feature = "check")]
    pub fn webhook(url: &str, secret: impl Into<Vec<u8>>) -> crate::Result<Self> {
        let webhook = webhook::Webhook::new(url, secret.into())?;
        Ok(Self::of(Target::Webhook(Box::new(webhook))))
    }

    /// Hands the messages over to a service.
    #[cfg(feature = "aws")]
    pub(crate) fn delivered(service: impl Deliver + 'static) -> Self {
        Self::of(Target::Service(Box::new(service)))
    }

    fn of(target: Target) -> Self {
        Self {
            target,
            limit: USUAL_LIMIT,
            asks: false,
        }
    }

    /// Sets the limit of one call. Default: 30 seconds, in which a chat service answers even on a bad day; a
    /// question to a person needs minutes. Brought between 1 second and 10 minutes.
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit.clamp(LIMITS.0, LIMITS.1);
        self
    }

    /// Asks the program before each step. A webhook or a topic is told, and never asked.
    pub fn asked_before_steps(mut self) -> Self {
        self.asks = matches!(self.target, Target::Program(_));
        self
    }
}

const USUAL_LIMIT: Duration = Duration::from_secs(30);
/// The shortest and the longest limit of a call.
pub(crate) const LIMITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

/// A hook of a run, with its thread.
#[derive(Debug)]
pub(crate) struct Caller {
    queue: Queue,
    limit: Duration,
    pub(crate) asks: bool,
    /// The name of the hook for people.
    name: String,
    /// The run, once it has begun.
    run: Mutex<String>,
    /// In a simulated world time stands still during a call: no program is awaited under a paused clock.
    waits: AtomicBool,
    failures: Arc<Mutex<Vec<String>>>,
}

impl Caller {
    pub(crate) fn new(hook: Hook) -> Self {
        let name = hook.target.to_string();
        Self {
            queue: Queue::new(hook.target, hook.limit),
            limit: hook.limit,
            asks: hook.asks,
            name,
            run: Mutex::default(),
            waits: AtomicBool::new(false),
            failures: Arc::default(),
        }
    }

    /// Says whether the run's time is virtual.
    pub(crate) fn is_virtual(&self, is_virtual: bool) {
        self.waits.store(is_virtual, Ordering::Relaxed);
    }

    /// Calls the hook for each moment of an event.
    pub(crate) fn tell<E: Notable>(&self, event: &Event<E>) {
        event.run.to_string().clone_into(&mut locked(&self.run));
        for moment in event.kind.moments(self.asks) {
            let message = Message::of(moment, event);
            let what = format!("{moment} of {}", self.name);
            let failures = Arc::clone(&self.failures);
            let noted = move |answer: Answer| {
                if let Some(why) = answer.failure() {
                    tracing::warn!(hook = what, why);
                    locked(&failures).push(format!("hook {what}: {why}"));
                }
            };
            match self.waits.load(Ordering::Relaxed) {
                true => noted(self.queue.call_now(message)),
                false => self.queue.call(message, Box::new(noted)),
            }
        }
    }

    /// Asks the hook. In a simulated world the answer is there already.
    fn ask(&self, mut message: Message) -> oneshot::Receiver<Answer> {
        locked(&self.run).clone_into(&mut message.run);
        let (sender, receiver) = oneshot::channel();
        // The run may have ended before the answer.
        let answered = move |answer| drop(sender.send(answer));
        match self.waits.load(Ordering::Relaxed) {
            true => answered(self.queue.call_now(message)),
            false => self.queue.call(message, Box::new(answered)),
        }
        receiver
    }

    /// Waits for the calls that are left, for twice the limit at most, and returns what failed.
    pub(crate) async fn finish(&self) -> Vec<String> {
        if !self.waits.load(Ordering::Relaxed) {
            let (sender, receiver) = oneshot::channel();
            let done = move || {
                // Without a receiver the wait is over.
                let _ = sender.send(());
            };
            self.queue.after_all(Box::new(done));
            if tokio::time::timeout(self.limit * 2, receiver)
                .await
                .is_err()
            {
                let late = format!("hook {}: calls were left when the run ended", self.name);
                locked(&self.failures).push(late);
            }
        }
        std::mem::take(&mut locked(&self.failures))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
