//! [`Observation`]: what a gate saw at a look, as a value for the journal.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::{Error, ErrorKind, Result};

/// What a gate saw at one look: a named, versioned schema and a body of plain JSON.
///
/// A gate of your own needs no enum and no registry to travel through the journal: it names its
/// schema, and its judge reads what it wrote.
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
/// // A number that JSON cannot hold would come back as something else, so it is refused.
/// assert!(Observation::new("acme.load/1", &f64::NAN).is_err());
/// # Ok::<(), bluegreen::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    schema: String,
    body: serde_json::Value,
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
        // RFC 8785 has no spelling for a number that is not finite, so its encoder finds them;
        // plain JSON would silently write `null`.
        serde_json_canonicalizer::to_string(body).map_err(refused)?;
        let body = serde_json::to_value(body).map_err(refused)?;
        Ok(Self { schema, body })
    }

    /// Returns the name and version of the schema.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Returns the body as JSON.
    #[must_use]
    pub fn body(&self) -> &serde_json::Value {
        &self.body
    }

    /// Decodes the body.
    ///
    /// # Errors
    ///
    /// `Invalid` if the schema is another one or the body does not fit `T`.
    pub fn read<T: DeserializeOwned>(&self, schema: &str) -> Result<T> {
        if self.schema != schema {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("read observation of schema `{}` as `{schema}`", self.schema),
            ));
        }
        T::deserialize(&self.body).map_err(|source| {
            Error::new(
                ErrorKind::Invalid,
                format!("read observation of schema `{schema}`"),
            )
            .with_source(source)
        })
    }
}
