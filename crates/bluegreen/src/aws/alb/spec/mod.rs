//! Rules and target groups as files describe them.

pub(in crate::aws) mod conversions;
mod request;
mod rule_rules;
mod rule_spec;
pub(super) mod target_group_spec;

pub use self::{rule_spec::ListenerRuleSpec, target_group_spec::TargetGroupSpec};
