//! Snapshots of folds: plain data from which a judge continues.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{Error, ErrorKind, Result},
    json::{JsonText, check_finite},
};

/// Returns a snapshot of `state`; `None` if it holds a number that JSON cannot write.
pub(crate) fn saved<T: Serialize>(state: &T) -> Option<JsonText> {
    check_finite(state).ok()?;
    JsonText::of(state).ok()
}

/// Returns the state of a snapshot.
pub(crate) fn restored<T: DeserializeOwned>(snapshot: &JsonText) -> Result<T> {
    snapshot.read().map_err(|error| {
        Error::new(ErrorKind::Refused, "read the snapshot of a judge").with_source(error)
    })
}

/// Logarithms in JSON, which cannot write the logarithm of 0: `null` stands for it.
pub(super) mod logarithms {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer, const N: usize>(
        logarithms: &[f64; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let finite = |one: &f64| (*one != f64::NEG_INFINITY).then_some(*one);
        let all: Vec<Option<f64>> = logarithms.iter().map(finite).collect();
        all.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[f64; N], D::Error> {
        let all: Vec<Option<f64>> = Vec::deserialize(deserializer)?;
        let all: Vec<f64> = all
            .into_iter()
            .map(|one| one.unwrap_or(f64::NEG_INFINITY))
            .collect();
        let count = all.len();
        <[f64; N]>::try_from(all).map_err(|_| D::Error::invalid_length(count, &"another length"))
    }
}
