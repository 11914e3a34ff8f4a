//! Counts calls to the real or a simulated AWS, and asks the fence before each change.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use serde_json::Value;

use super::{ApiError, EcsApi, EcsCall, error::Effect, last_check::Guard};

/// The number of calls, by operation. A call that the SDK repeats by itself counts once.
///
/// Shown as one line: `DescribeRules 41, GetMetricData 31, …`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallCounts(BTreeMap<&'static str, u64>);

impl CallCounts {
    /// The calls of one operation, such as `ModifyRule`.
    #[must_use]
    pub fn of(&self, operation: &str) -> u64 {
        self.0.get(operation).copied().unwrap_or_default()
    }

    /// The operations that were called, by name.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.0.keys().copied()
    }

    /// All calls.
    #[must_use]
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

impl fmt::Display for CallCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in all", self.total())?;
        for (operation, count) in &self.0 {
            write!(f, ", {operation} {count}")?;
        }
        Ok(())
    }
}

/// A counter that several layers share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter(Arc<Mutex<CallCounts>>);

impl Counter {
    fn count(&self, operation: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.0.entry(operation).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> CallCounts {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Counts each call and passes it on; a change only if the fence lets it.
#[derive(Debug)]
pub(crate) struct Counting<A: ?Sized> {
    counter: Counter,
    guard: Option<Guard>,
    pub(super) inner: Arc<A>,
}

impl<A: ?Sized> Counting<A> {
    pub(crate) fn new(counter: Counter, guard: Option<Guard>, inner: Arc<A>) -> Self {
        Self {
            counter,
            guard,
            inner,
        }
    }

    /// Counts a call and passes it on. An error names `service`, the prefix of its IAM actions.
    pub(super) async fn pass<T>(
        &self,
        service: &'static str,
        effect: Effect,
        operation: &'static str,
        call: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let answer = match effect {
            Effect::Read => {
                self.counter.count(operation);
                call.await
            }
            Effect::Mutation => self.change(operation, call).await,
        };
        answer.map_err(|error| error.of(service))
    }

    /// Makes a change if the fence lets it: nothing is awaited between the fence's answer and the
    /// call.
    async fn change<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let Some(guard) = &self.guard else {
            self.counter.count(operation);
            return call.await;
        };
        let counted = async {
            self.counter.count(operation);
            call.await
        };
        let sent = guard.send(counted).await;
        sent.map_err(|error| ApiError::not_sent(operation, &error))?
    }
}

#[async_trait]
impl EcsApi for Counting<dyn EcsApi> {
    async fn call(&self, call: EcsCall, input: Value) -> Result<Value, ApiError> {
        let sent = self.inner.call(call, input);
        self.pass("ecs", call.effect(), call.operation(), sent)
            .await
    }
}
