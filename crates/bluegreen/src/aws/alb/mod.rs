//! Application Load Balancer: the rule that divides traffic, and the splitter that edits it.

mod arn;
mod command;
mod dead_man;
mod edit;
mod fingerprint;
mod forward;
pub(crate) mod live;
mod locate;
mod place;
mod preflight;
mod routing;
mod rule_spec;
mod splitter;
mod target_group_spec;
#[cfg(test)]
mod testing;
mod weights;

pub use self::{
    arn::{AlbRule, ArnError, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn},
    dead_man::{AlbDeadManSwitch, RoleArn},
    place::{GreenGroup, GreenPlace, PlaceReport, PlaceStep, TestHeader, TestHeaderError},
    rule_spec::ListenerRuleSpec,
    splitter::AlbTrafficSplitter,
    target_group_spec::TargetGroupSpec,
};
