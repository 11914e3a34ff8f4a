//! Names of load balancer resources, checked once.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::ParseError;

/// Splits `arn:PARTITION:elasticloadbalancing:REGION:ACCOUNT:KIND/PATH…` and returns the path's
/// segments, if there are exactly `segments` and none is empty.
fn path<'a>(text: &'a str, kind: &str, segments: usize) -> Option<Vec<&'a str>> {
    let mut fields = text.splitn(6, ':');
    let (arn, partition, service, region, account, resource) = (
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    );
    let rest = resource.strip_prefix(kind)?.strip_prefix('/')?;
    let rest: Vec<&str> = rest.split('/').collect();
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    let is_arn = arn == "arn" && service == "elasticloadbalancing";
    let is_place = [partition, region, account].into_iter().all(plain);
    (is_arn && is_place && rest.len() == segments && rest.iter().copied().all(plain))
        .then_some(rest)
}

/// Returns the part that names the resource itself, after the last colon.
fn resource(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

macro_rules! arn {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $kind:literal, $segments:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The ARN as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The region.
            #[must_use]
            pub fn region(&self) -> &str {
                self.0.split(':').nth(3).unwrap_or_default()
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match path(text, $kind, $segments) {
                    Some(_) => Ok(Self(text.to_owned())),
                    None => Err(ParseError::new(format!(
                        "`{text}` is not the ARN of a {}",
                        $expected
                    ))
                    .with_hint(concat!("such as ", $example))),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(arn: $name) -> Self {
                arn.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

arn!(
    /// The ARN of a target group.
    TargetGroupArn,
    "target group",
    "targetgroup",
    2,
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/NAME/0123456789abcdef"
);

impl TargetGroupArn {
    /// The group's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.resource().split('/').nth(1).unwrap_or_default()
    }

    /// Returns CloudWatch's `TargetGroup` dimension: `targetgroup/NAME/ID`.
    pub(crate) fn resource(&self) -> &str {
        resource(&self.0)
    }
}

arn!(
    /// The ARN of an Application Load Balancer.
    LoadBalancerArn,
    "application load balancer",
    "loadbalancer/app",
    2,
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/NAME/0123456789abcdef"
);

impl LoadBalancerArn {
    /// CloudWatch's `LoadBalancer` dimension: `app/NAME/ID`.
    #[must_use]
    pub fn dimension(&self) -> &str {
        let resource = resource(&self.0);
        resource.strip_prefix("loadbalancer/").unwrap_or(resource)
    }
}

arn!(
    /// The ARN of a listener of an Application Load Balancer.
    ListenerArn,
    "listener of an application load balancer",
    "listener/app",
    3,
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/NAME/0123456789abcdef/0123456789abcdef"
);

impl ListenerArn {
    /// The load balancer of this listener; its ARN is part of this one.
    #[must_use]
    pub fn load_balancer(&self) -> LoadBalancerArn {
        let (head, _id) = self.0.rsplit_once('/').unwrap_or((&self.0, ""));
        LoadBalancerArn(head.replacen(":listener/", ":loadbalancer/", 1))
    }
}

arn!(
    /// The ARN of a listener rule of an Application Load Balancer, a default rule included.
    RuleArn,
    "listener rule of an application load balancer",
    "listener-rule/app",
    4,
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/NAME/0123456789abcdef/0123456789abcdef/0123456789abcdef"
);

impl RuleArn {
    /// The listener of this rule; its ARN is part of this one.
    #[must_use]
    pub fn listener(&self) -> ListenerArn {
        let (head, _id) = self.0.rsplit_once('/').unwrap_or((&self.0, ""));
        ListenerArn(head.replacen(":listener-rule/", ":listener/", 1))
    }
}

/// Which rule divides the traffic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlbRule {
    /// The rule with this ARN.
    Arn(RuleArn),
    /// The rule that has this priority on a listener at the start; from then on the rule is followed
    /// by its ARN, since a third party may reorder priorities.
    Priority {
        /// The listener.
        listener: ListenerArn,
        /// The priority, 1 to 50,000.
        priority: u32,
    },
    /// The default rule of a listener.
    Default(ListenerArn),
    /// The one rule of a listener that forwards to both target groups.
    Only(ListenerArn),
}

impl AlbRule {
    /// The listener of the rule.
    #[must_use]
    pub fn listener(&self) -> ListenerArn {
        match self {
            Self::Arn(rule) => rule.listener(),
            Self::Priority { listener, .. } | Self::Default(listener) | Self::Only(listener) => {
                listener.clone()
            }
        }
    }
}

impl fmt::Display for AlbRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arn(rule) => write!(f, "rule {rule}"),
            Self::Priority { listener, priority } => {
                write!(f, "rule of priority {priority} on listener {listener}")
            }
            Self::Default(listener) => write!(f, "default rule of listener {listener}"),
            Self::Only(listener) => {
                write!(
                    f,
                    "rule of listener {listener} that forwards to both groups"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/chatbot-alb/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";

    #[test]
    fn a_rule_knows_its_listener_and_its_balancer() {
        let rule: RuleArn = RULE.parse().expect("an ARN");
        let listener = rule.listener();
        assert_eq!(listener.as_str().parse(), Ok(listener.clone()));
        let balancer = listener.load_balancer();
        assert_eq!(balancer.as_str().parse(), Ok(balancer.clone()));
        assert_eq!(balancer.dimension(), "app/chatbot-alb/50dc6c495c0c9188");
    }

    #[test]
    fn refuses_other_kinds_and_placeholders() {
        assert!(RULE.parse::<ListenerArn>().is_err());
        assert!(RULE.replace("/app/", "/net/").parse::<RuleArn>().is_err());
        for text in [
            "",
            "arn",
            "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/a",
            "chatbot-tg",
        ] {
            let error = text.parse::<TargetGroupArn>().expect_err(text);
            let example = error.hint().strip_prefix("such as ").expect("an example");
            assert!(example.parse::<TargetGroupArn>().is_ok());
        }
    }
}
