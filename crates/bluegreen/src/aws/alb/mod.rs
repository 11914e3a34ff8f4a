//! Application Load Balancer: the rule that divides traffic, and the splitter that edits it.

mod arn;

pub use self::arn::{AlbRule, ArnError, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn};
