//! Application Load Balancer: the rule that divides traffic, and the splitter that edits it.

mod dead_man;
mod dead_man_arn;
mod dead_man_role;
mod place;
mod preflight;
pub(crate) mod retire;
pub(crate) mod rule;
pub(super) mod spec;
mod splitter;
mod tags;
pub(super) mod targets;
#[cfg(test)]
mod testing;

pub use self::{
    dead_man::AlbDeadManSwitch,
    dead_man_arn::{RoleArn, TopicArn},
    place::{GreenGroup, GreenPlace, PlaceReport, PlaceStep, TestHeader},
    rule::{AlbRule, ListenerArn, LoadBalancerArn, RuleArn, RuleWeights, TargetGroupArn},
    spec::{ListenerRuleSpec, TargetGroupSpec},
    splitter::AlbTrafficSplitter,
};
