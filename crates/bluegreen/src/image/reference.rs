//! [`ImageTag`], [`ImageDigest`] and [`ImageRef`].

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::ParseError;

/// A tag: a letter, digit or `_`, then up to 127 letters, digits, `_`, `.` or `-`
/// ([OCI distribution spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests)).
///
/// A tag can move to another image; only a digest says which image runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageTag(String);

impl ImageTag {
    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageTag {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let starts = text.starts_with(is_word);
        if starts && text.len() <= 128 && text.chars().all(|c| is_word(c) || c == '.' || c == '-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError::new(format!(
                "`{text}` is not a tag: up to 128 letters, digits, `_`, `.` and `-`, the first neither `.` nor `-`"
            )))
        }
    }
}

impl fmt::Display for ImageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ImageTag> for String {
    fn from(tag: ImageTag) -> Self {
        tag.0
    }
}

impl TryFrom<String> for ImageTag {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// The digest of an image manifest: `sha256:` and 64 hexadecimal digits.
///
/// A digest names one image for ever; a tag names the image that was pushed last
/// ([OCI image spec](https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests)).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageDigest(String);

impl ImageDigest {
    /// The digest as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageDigest {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if hex.len() == 64 && hex.bytes().all(is_hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError::new(format!(
                "`{text}` is not `sha256:` and 64 lower-case hexadecimal digits"
            )))
        }
    }
}

/// An image by digest: `repository@sha256:…`, the only form that a task definition should hold.
///
/// # Examples
///
/// ```
/// use bluegreen::image::ImageRef;
///
/// let digest = format!("sha256:{}", "a".repeat(64));
/// let image: ImageRef = format!("127.0.0.1:5000/chatbot@{digest}").parse()?;
/// assert_eq!(image.repository(), "127.0.0.1:5000/chatbot");
/// assert!("127.0.0.1:5000/chatbot:latest".parse::<ImageRef>().is_err());
/// # Ok::<(), bluegreen::error::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef {
    repository: String,
    digest: ImageDigest,
}

impl ImageRef {
    /// An image of a repository by its digest.
    ///
    /// # Errors
    ///
    /// [`ParseError`] if the repository is empty or holds a digest or white space.
    pub(crate) fn new(
        repository: impl Into<String>,
        digest: ImageDigest,
    ) -> Result<Self, ParseError> {
        let repository = repository.into();
        let is_bad = |c: char| c == '@' || c.is_whitespace() || c.is_control();
        if repository.is_empty() || repository.contains(is_bad) {
            return Err(ParseError::new(format!(
                "`{repository}` is not a repository"
            )));
        }
        Ok(Self { repository, digest })
    }

    /// The repository, registry included.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The digest.
    #[must_use]
    pub fn digest(&self) -> &ImageDigest {
        &self.digest
    }
}

impl FromStr for ImageRef {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((repository, digest)) = text.split_once('@') else {
            return Err(ParseError::new(format!(
                "`{text}` names no digest; a tag can move to another image"
            )));
        };
        Self::new(repository, digest.parse()?)
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}

impl fmt::Display for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ImageDigest> for String {
    fn from(digest: ImageDigest) -> Self {
        digest.0
    }
}

impl TryFrom<String> for ImageDigest {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(image: ImageRef) -> Self {
        image.to_string()
    }
}

impl TryFrom<String> for ImageRef {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Whether two images are of one repository: compares the names without registry, tag and digest.
#[cfg(feature = "aws")]
pub(crate) fn same_repository(one: &str, other: &str) -> bool {
    let path = |image: &str| {
        let name = image.split('@').next().unwrap_or_default();
        let name = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => name,
            _ => name,
        };
        let is_host = |part: &str| part.contains(['.', ':']) || part == "localhost";
        match name.split_once('/') {
            Some((host, path)) if is_host(host) => path.to_owned(),
            _ => name.to_owned(),
        }
    };
    path(one) == path(other)
}

#[cfg(all(test, feature = "aws"))]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_the_same_in_any_registry_and_under_any_tag() {
        for (one, other, wanted) in [
            ("web", "web:v1", true),
            ("localhost:5000/web@sha256:0", "web", true),
            (
                "1.dkr.ecr.us-east-1.amazonaws.com/team/web:latest",
                "team/web",
                true,
            ),
            ("team/web", "web", false),
            ("nginx:1.27", "web", false),
        ] {
            assert_eq!(same_repository(one, other), wanted, "{one} and {other}");
        }
    }
}
