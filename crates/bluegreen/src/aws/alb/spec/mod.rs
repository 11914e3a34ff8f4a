//! Rules and target groups as files describe them.

pub(in crate::aws) mod conversions;
pub(in crate::aws) mod request;
mod rule_rules;
mod rule_spec;
pub(super) mod target_group_spec;

pub use self::{rule_spec::ListenerRuleSpec, target_group_spec::TargetGroupSpec};
