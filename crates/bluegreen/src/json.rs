//! [`JsonText`]: JSON as it was written.

mod finite;

use std::{
    fmt,
    ops::Index,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

pub(crate) use self::finite::check_finite;

/// JSON as it was written: the text is kept unchanged, and is parsed only if a value is asked for.
///
/// Cheap to clone: all clones share the text. Two texts are equal if their values are equal: spaces and the
/// order of an object's names do not count. Of serde's formats only `serde_json` can hold a `JsonText`.
///
/// # Examples
///
/// ```
/// use bluegreen::engine::JsonText;
/// use serde_json::json;
///
/// let seen: JsonText = serde_json::from_str(r#"{ "depth": 7, "at": "noon" }"#)?;
/// assert_eq!(seen, JsonText::from(json!({ "at": "noon", "depth": 7 })));
/// assert_eq!(seen["depth"], 7);
/// assert_eq!(seen.to_string(), r#"{ "depth": 7, "at": "noon" }"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct JsonText(Arc<Inner>);

struct Inner {
    text: Box<RawValue>,
    value: OnceLock<Value>,
}

impl JsonText {
    /// Writes `value` as JSON. A number that is not finite becomes null.
    ///
    /// # Errors
    ///
    /// If `value` cannot be JSON.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Self> {
        serde_json::value::to_raw_value(value).map(Self::from)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.text.get()
    }

    /// Returns the parsed value, which is kept beside the text from the first call on. Null if the text
    /// holds a number that is out of range.
    #[must_use]
    pub fn value(&self) -> &Value {
        let parsed = || serde_json::from_str(self.as_str()).unwrap_or_default();
        self.0.value.get_or_init(parsed)
    }

    /// Parses the text as a `T`.
    ///
    /// # Errors
    ///
    /// If the text does not fit `T`.
    pub fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.as_str())
    }
}

impl From<Box<RawValue>> for JsonText {
    fn from(text: Box<RawValue>) -> Self {
        Self(Arc::new(Inner {
            text,
            value: OnceLock::new(),
        }))
    }
}

impl From<Value> for JsonText {
    fn from(value: Value) -> Self {
        // Every key of a `Value` is text, so the value can be written.
        Self::of(&value).unwrap_or_else(|_| Self::from(RawValue::NULL.to_owned()))
    }
}

/// Returns a field of the object, or null.
impl Index<&str> for JsonText {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        &self.value()[name]
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        let is_same = Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str();
        // The parsed values are not kept: texts that were compared are seldom read later.
        let tree = |text: &Self| text.read::<Value>().ok();
        is_same || matches!((tree(self), tree(other)), (Some(a), Some(b)) if a == b)
    }
}

impl fmt::Display for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_stays_as_it_was() {
        let text = r#"{"b": [1.50, null], "a": {}}"#;
        let read: JsonText = serde_json::from_str(text).expect("JSON");
        assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
        assert_eq!(read["b"], json!([1.5, null]));
        let value = serde_json::to_value(&read).expect("JSON");
        assert_eq!(value, *read.value());
        let again: JsonText = serde_json::from_value(value).expect("JSON");
        assert_eq!(again, read);
    }

    #[test]
    fn a_number_out_of_range_is_equal_to_nothing_else() {
        let huge: JsonText = serde_json::from_str("1e999").expect("syntax of JSON");
        let other: JsonText = serde_json::from_str("2e999").expect("syntax of JSON");
        assert_ne!(huge, other);
        assert_eq!(huge, huge.clone());
        assert_eq!(*huge.value(), Value::Null);
    }
}
