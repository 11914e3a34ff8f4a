//! [`Observation`]: what a gate saw at a look, as a value for the journal.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use crate::{
    error::{Error, ErrorKind, Result},
    json::{JsonText, check_finite},
};

/// What a gate saw at one look: a named, versioned schema and a body of plain JSON.
///
/// The observations of a gate of your own need no enum and no registry: the gate names its schema, and
/// its judge reads the body.
///
/// Cheap to clone: gate, judge and journal share one value. The body is the text that the journal holds.
///
/// # Examples
///
/// ```
/// use bluegreen::health::Observation;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Queue { depth: u64 }
///
/// let seen = Observation::new("acme.queue/1", &Queue { depth: 7 })?;
/// assert_eq!(seen.read::<Queue>("acme.queue/1")?.depth, 7);
/// assert!(seen.read::<Queue>("acme.queue/2").is_err());
///
/// // A number that JSON cannot hold would be read back as another value, so it is refused.
/// assert!(Observation::new("acme.load/1", &f64::NAN).is_err());
/// # Ok::<(), bluegreen::Error>(())
/// ```
#[derive(Clone)]
pub struct Observation(Arc<Seen>);

struct Seen {
    written: Written,
    /// The decoded body, kept until all judges have taken it.
    typed: Mutex<Option<Typed>>,
}

type Typed = Arc<dyn Any + Send + Sync>;

#[derive(PartialEq, Serialize, Deserialize)]
struct Written {
    schema: String,
    body: JsonText,
}

impl Observation {
    /// Encodes `body` under `schema`.
    ///
    /// # Errors
    ///
    /// `Invalid` if `body` cannot be JSON or holds a number that is not finite.
    pub fn new<T: Serialize>(schema: impl Into<String>, body: &T) -> Result<Self> {
        let schema = schema.into();
        let refused = |source: serde_json::Error| {
            Error::new(
                ErrorKind::Invalid,
                format!("encode observation of schema `{schema}`"),
            )
            .with_source(source)
        };
        // Plain JSON would write `null` for such a number.
        check_finite(body).map_err(refused)?;
        let text = JsonText::of(body).map_err(refused)?;
        Ok(Self::of(Written { schema, body: text }))
    }

    /// As [`new`](Self::new), and keeps `body` as the decoded body: it must equal what its text decodes to.
    pub(crate) fn typed<T>(schema: &str, body: T) -> Result<Self>
    where
        T: Serialize + Send + Sync + 'static,
    {
        let seen = Self::new(schema, &body)?;
        *seen.decoded() = Some(Arc::new(body));
        Ok(seen)
    }

    fn decoded(&self) -> MutexGuard<'_, Option<Typed>> {
        let typed = self.0.typed.lock();
        typed.unwrap_or_else(PoisonError::into_inner)
    }

    fn of(written: Written) -> Self {
        Self(Arc::new(Seen {
            written,
            typed: Mutex::default(),
        }))
    }

    /// Returns the name and version of the schema.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.0.written.schema
    }

    /// Returns the body as JSON.
    #[must_use]
    pub fn body(&self) -> &serde_json::Value {
        self.0.written.body.value()
    }

    /// Decodes the body.
    ///
    /// # Errors
    ///
    /// `Invalid` if the observation has another schema, or the body does not fit `T`.
    pub fn read<T: DeserializeOwned>(&self, schema: &str) -> Result<T> {
        let Written { schema: own, body } = &self.0.written;
        if own != schema {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("read observation of schema `{own}` as `{schema}`"),
            ));
        }
        body.read().map_err(|source| {
            Error::new(
                ErrorKind::Invalid,
                format!("read observation of schema `{schema}`"),
            )
            .with_source(source)
        })
    }

    /// Returns the decoded body, which all callers share.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub(crate) fn shared<T>(&self, schema: &str) -> Result<Arc<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let known = self.decoded().clone();
        let known = known.filter(|_| self.schema() == schema);
        if let Some(Ok(known)) = known.map(Arc::downcast) {
            return Ok(known);
        }
        let read = Arc::new(self.read::<T>(schema)?);
        *self.decoded() = Some(Arc::clone(&read) as _);
        Ok(read)
    }

    /// Drops the decoded body, which is larger than its text. For use once all judges have taken it.
    pub(crate) fn forget_decoded(&self) {
        *self.decoded() = None;
    }

    /// Whether both share one value, so that they are not only equal.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl PartialEq for Observation {
    fn eq(&self, other: &Self) -> bool {
        self.is(other) || self.0.written == other.0.written
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation")
            .field("schema", &self.0.written.schema)
            .field("body", &self.0.written.body)
            .finish()
    }
}

impl Serialize for Observation {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Observation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Written::deserialize(deserializer).map(Self::of)
    }
}
