//! [`TestHeader`].

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::ParseError;

/// The header by which tests reach green alone. Displayed and parsed as `NAME: VALUE`.
///
/// Its name has up to 40 characters, its value up to 128, without the wildcards `*` and `?`
/// ([condition types](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html)).
/// Default: `X-Bluegreen-Test: green`. It is not secret, and must not be used as a secret.
///
/// ```
/// use bluegreen::aws::alb::TestHeader;
///
/// let header: TestHeader = "X-Preview: fastapi".parse()?;
/// assert_eq!((header.name(), header.value()), ("X-Preview", "fastapi"));
/// assert!("Host: green".parse::<TestHeader>().is_err());
/// # Ok::<(), bluegreen::error::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TestHeader {
    name: String,
    value: String,
}

impl TestHeader {
    /// The header's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The header's value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl Default for TestHeader {
    fn default() -> Self {
        Self {
            name: "X-Bluegreen-Test".to_owned(),
            value: "green".to_owned(),
        }
    }
}

impl FromStr for TestHeader {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason: &str| {
            Err(ParseError::new(format!(
                "`{text}` is not a header for a test route: {reason}"
            )))
        };
        let Some((name, value)) = text.split_once(':') else {
            return refuse("write it as `NAME: VALUE`");
        };
        let (name, value) = (name.trim(), value.trim());
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'+-.^_`|~".contains(c);
        if name.is_empty() || name.len() > 40 || !name.chars().all(is_token) {
            return refuse("its name must have 1 to 40 letters, digits and hyphens");
        }
        if name.eq_ignore_ascii_case("host") {
            return refuse("the balancer matches hosts by another condition");
        }
        if value.is_empty() || value.len() > 128 {
            return refuse("its value must have 1 to 128 characters");
        }
        if !value
            .chars()
            .all(|c| (' '..='~').contains(&c) && !"*?\\".contains(c))
        {
            return refuse("its value must be printable ASCII without `*`, `?` and backslash");
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl TryFrom<String> for TestHeader {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TestHeader> for String {
    fn from(header: TestHeader) -> Self {
        header.to_string()
    }
}

impl fmt::Display for TestHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_balancer_matches_exactly_is_a_test_header() {
        let good = [
            "X-Bluegreen-Test: green",
            "x:y",
            "X-A:  two words ",
            "Cookie: a=b",
        ];
        for text in good {
            let header: TestHeader = text.parse().unwrap();
            assert_eq!(header.to_string().parse::<TestHeader>().unwrap(), header);
        }
        let long = format!("X: {}", "v".repeat(129));
        let long_name = format!("{}: v", "X".repeat(41));
        for text in [
            "", "X", ": v", "X:", "X Y: v", "Host: a", "HOST: a", "X: a*", "X: ?", "X: ü", &long,
            &long_name,
        ] {
            assert!(text.parse::<TestHeader>().is_err(), "{text}");
        }
    }
}
