//! The role of a dead-man switch, and the topic that it tells.

use std::{fmt, str::FromStr};

use crate::error::{Error, ErrorKind, Result};

/// The role that the schedule assumes to write the rule.
///
/// # Examples
///
/// ```
/// use bluegreen::aws::alb::RoleArn;
///
/// let role: RoleArn = "arn:aws:iam::123456789012:role/blue-again".parse()?;
/// assert!("arn:aws:iam::123456789012:user/ann".parse::<RoleArn>().is_err());
/// # Ok::<(), bluegreen::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RoleArn(String);

impl RoleArn {
    /// The ARN as AWS writes it.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RoleArn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fields: Vec<&str> = text.splitn(6, ':').collect();
        let is_role = match fields[..] {
            ["arn", partition, "iam", "", account, role] => {
                partition.starts_with("aws")
                    && account.len() == 12
                    && account.bytes().all(|byte| byte.is_ascii_digit())
                    && role
                        .strip_prefix("role/")
                        .is_some_and(|name| !name.is_empty() && name.bytes().all(is_of_role))
            }
            _ => false,
        };
        if is_role {
            return Ok(Self(text.to_owned()));
        }
        let message = format!("`{text}` is not the ARN of a role");
        let hint = "a role's ARN looks like arn:aws:iam::123456789012:role/NAME";
        Err(Error::new(ErrorKind::Invalid, message).with_hint(hint))
    }
}

/// The characters of a role's path and name
/// ([Scheduler API](https://docs.aws.amazon.com/scheduler/latest/APIReference/API_Target.html)).
fn is_of_role(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@/-".contains(&byte)
}

/// The topic of SNS that is told when a dead-man switch fires.
///
/// # Examples
///
/// ```
/// use bluegreen::aws::alb::TopicArn;
///
/// let topic: TopicArn = "arn:aws:sns:us-east-1:123456789012:on-call".parse()?;
/// assert!("arn:aws:sqs:us-east-1:123456789012:on-call".parse::<TopicArn>().is_err());
/// # Ok::<(), bluegreen::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopicArn(String);

impl TopicArn {
    /// The region of the topic.
    pub(crate) fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }

    /// The ARN as AWS writes it.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TopicArn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fields: Vec<&str> = text.split(':').collect();
        let is_topic = match fields[..] {
            ["arn", partition, "sns", region, account, name] => {
                let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
                partition.starts_with("aws")
                    && !region.is_empty()
                    && account.len() == 12
                    && account.bytes().all(|byte| byte.is_ascii_digit())
                    && (1..=256).contains(&name.len())
                    && name.bytes().all(is_of_name)
            }
            _ => false,
        };
        if is_topic {
            return Ok(Self(text.to_owned()));
        }
        let message = format!("`{text}` is not the ARN of a standard topic");
        let hint = "a topic's ARN looks like arn:aws:sns:us-east-1:123456789012:NAME";
        Err(Error::new(ErrorKind::Invalid, message).with_hint(hint))
    }
}
