//! Writes the actions of a rule, if the rule is still as it was seen.

use aws_sdk_elasticloadbalancingv2::{
    operation::{modify_listener::ModifyListenerInput, modify_rule::ModifyRuleInput},
    types::{Action, Rule},
};

use super::{edit, forward, locate};
use crate::{
    aws::{alb::RuleArn, api::ElbApi},
    error::{Error, ErrorKind, Result},
};

/// Writes the actions of a rule that was seen as `seen`, without secrets. Reads the rule first: `Conflict`
/// if a third party has changed its actions since.
pub(in crate::aws::alb) async fn actions(
    elb: &dyn ElbApi,
    what: &str,
    arn: &RuleArn,
    seen: &Rule,
    actions: Vec<Action>,
) -> Result<()> {
    let mut now = locate::rule_of(elb, arn).await?;
    edit::without_secrets(now.actions.get_or_insert_default());
    if now.actions() != seen.actions() {
        let message = format!("{what}: a third party changed the rule meanwhile");
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    let sent = if forward::is_default(&now) {
        let input = ModifyListenerInput::builder()
            .listener_arn(arn.listener().as_str())
            .set_default_actions(Some(actions));
        elb.modify_listener(input).await.map(drop)
    } else {
        let input = ModifyRuleInput::builder()
            .rule_arn(arn.as_str())
            .set_actions(Some(actions));
        elb.modify_rule(input).await.map(drop)
    };
    sent.map_err(|error| error.into_error(what))
}
