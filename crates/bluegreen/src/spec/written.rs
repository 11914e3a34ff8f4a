//! Fields that have one type in a program and another form in the file.

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The form in the file of a plain value.
pub(super) trait Written: Sized {
    /// The type of the value in a program.
    type Plain;

    /// Returns the form of `plain`.
    fn of(plain: &Self::Plain) -> Self;

    /// Returns the value that was written.
    fn plain(self) -> Self::Plain;
}

impl<W: Written> Written for Option<W> {
    type Plain = Option<W::Plain>;

    fn of(plain: &Self::Plain) -> Self {
        plain.as_ref().map(W::of)
    }

    fn plain(self) -> Self::Plain {
        self.map(W::plain)
    }
}

impl<W: Written> Written for Vec<W> {
    type Plain = Vec<W::Plain>;

    fn of(plain: &Self::Plain) -> Self {
        plain.iter().map(W::of).collect()
    }

    fn plain(self) -> Self::Plain {
        self.into_iter().map(W::plain).collect()
    }
}

/// For `#[serde(with = "As::<W>")]`: the field is written as a `W`.
pub(super) struct As<W>(PhantomData<W>);

impl<W: Written> As<W> {
    pub(super) fn serialize<S>(plain: &W::Plain, serializer: S) -> Result<S::Ok, S::Error>
    where
        W: Serialize,
        S: Serializer,
    {
        W::of(plain).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D>(deserializer: D) -> Result<W::Plain, D::Error>
    where
        W: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        W::deserialize(deserializer).map(W::plain)
    }
}
