//! The rule that divides the traffic: which one it is, how it reads, and how it is edited.

mod advice;
mod arn;
pub(in crate::aws) mod command;
pub(super) mod conditions;
pub(super) mod edit;
pub(super) mod fingerprint;
pub(super) mod forward;
pub(crate) mod live;
pub(super) mod locate;
pub(super) mod routing;
mod sides;
pub(super) mod test_route;
pub(super) mod weights;
pub(super) mod write;

pub use self::{
    arn::{AlbRule, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn},
    sides::RuleWeights,
};
