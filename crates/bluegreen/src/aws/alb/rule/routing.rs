//! A rule's weights for blue and green, once it is certain that an edit cannot damage the rule.

use std::{fmt, time::Duration};

use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, Rule};

use super::{
    advice, command, edit,
    fingerprint::Fingerprint,
    forward,
    weights::{AlbWeight, weights_of},
};
use crate::{
    aws::alb::{RuleArn, TargetGroupArn},
    error::{Error, ErrorKind},
    preflight::Finding,
    traffic::{Side, Sides, TargetCounts, TrafficObservation, TrafficSplit},
};

/// A rule that divides traffic between both groups.
///
/// Its actions hold no secret, so that its `Debug` cannot show one.
#[derive(Debug, Clone)]
pub(in crate::aws::alb) struct Routing {
    arn: RuleArn,
    actions: Vec<Action>,
    groups: Sides<TargetGroupArn>,
    is_default: bool,
    weights: Sides<AlbWeight>,
    stickiness: Option<Duration>,
    fingerprint: Fingerprint,
}

impl Routing {
    /// Checks a rule as it was read. The error names every problem.
    pub(in crate::aws::alb) fn read(
        arn: &RuleArn,
        mut rule: Rule,
        groups: &Sides<TargetGroupArn>,
    ) -> Result<Self, Problems> {
        let mut actions = rule.actions.take().unwrap_or_default();
        edit::without_secrets(&mut actions);
        rule.actions = Some(actions);
        let is_default = forward::is_default(&rule);

        let mut problems = Problems::of(arn);
        let mut weights = Sides::default();
        let mut stickiness = None;
        if let Some(forward) = problems.the_forward(&rule, &[&groups.blue, &groups.green]) {
            weights = problems.weights(forward, groups, &rule);
            stickiness = forward::stickiness(forward);
        }
        if !problems.found.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            arn: arn.clone(),
            fingerprint: Fingerprint::of(&rule, groups),
            actions: rule.actions.unwrap_or_default(),
            groups: groups.clone(),
            is_default,
            weights,
            stickiness,
        })
    }

    pub(in crate::aws::alb) fn arn(&self) -> &RuleArn {
        &self.arn
    }

    /// Whether the rule is written through its listener.
    pub(in crate::aws::alb) fn is_default(&self) -> bool {
        self.is_default
    }

    pub(in crate::aws::alb) fn stickiness(&self) -> Option<Duration> {
        self.stickiness
    }

    /// The actions to write for these weights.
    pub(in crate::aws::alb) fn actions_with(&self, weights: Sides<AlbWeight>) -> Vec<Action> {
        edit::with_weights(&self.actions, &self.groups, weights)
    }

    /// The command that puts everything on blue by hand.
    fn restore_command(&self) -> String {
        let actions = self.actions_with(weights_of(TrafficSplit::ALL_BLUE));
        command::modify(&self.arn, self.is_default, &actions)
    }

    /// The operation of the API that puts everything on blue, and its request as JSON.
    pub(in crate::aws::alb) fn restore_request(&self) -> (&'static str, serde_json::Value) {
        let actions = self.actions_with(weights_of(TrafficSplit::ALL_BLUE));
        command::request(&self.arn, self.is_default, &actions)
    }

    pub(in crate::aws::alb) fn observation(
        &self,
        targets: Sides<TargetCounts>,
    ) -> TrafficObservation {
        let weights = self.weights.map(u32::from);
        let Fingerprint { hash, fields } = self.fingerprint.clone();
        let seen = TrafficObservation::new(weights, targets, hash)
            .with_rest(fields)
            .with_restore_command(self.restore_command());
        match self.stickiness {
            Some(stickiness) => seen.with_stickiness(stickiness),
            None => seen,
        }
    }
}

/// Why the actions of a rule cannot be edited, if only the `known` groups may have weight.
pub(in crate::aws::alb) fn unwritable(
    arn: &RuleArn,
    rule: &Rule,
    known: &[&TargetGroupArn],
) -> Vec<Finding> {
    let mut problems = Problems::of(arn);
    problems.the_forward(rule, known);
    problems.into_findings()
}

/// Why a rule cannot be used as it is.
#[derive(Debug)]
pub(in crate::aws::alb) struct Problems {
    rule: RuleArn,
    found: Vec<Problem>,
}

#[derive(Debug)]
struct Problem {
    kind: ErrorKind,
    message: String,
    hint: String,
}

impl Problems {
    fn of(rule: &RuleArn) -> Self {
        Self {
            rule: rule.clone(),
            found: Vec::new(),
        }
    }

    fn add(&mut self, kind: ErrorKind, message: impl Into<String>, hint: impl Into<String>) {
        self.found.push(Problem {
            kind,
            message: message.into(),
            hint: hint.into(),
        });
    }

    /// The one forward action. Every other reason against an edit is added.
    fn the_forward<'a>(&mut self, rule: &'a Rule, known: &[&TargetGroupArn]) -> Option<&'a Action> {
        for action in rule.actions() {
            self.add_unreadable(action);
        }
        let forwards = rule.actions().iter();
        let forwards: Vec<&Action> = forwards.filter(|one| forward::is_forward(one)).collect();
        let [forward] = forwards[..] else {
            self.add(
                ErrorKind::Refused,
                format!(
                    "has {} forward actions instead of exactly one",
                    forwards.len()
                ),
                "name the rule that forwards to both target groups",
            );
            return None;
        };
        self.add_foreign(forward, known);
        Some(forward)
    }

    /// Adds an action that the SDK's types do not hold in full: a write would lose it.
    fn add_unreadable(&mut self, action: &Action) {
        let is_held = match &action.r#type {
            Some(ActionTypeEnum::Forward) => true,
            Some(ActionTypeEnum::AuthenticateOidc) => action.authenticate_oidc_config.is_some(),
            Some(ActionTypeEnum::AuthenticateCognito) => {
                action.authenticate_cognito_config.is_some()
            }
            Some(ActionTypeEnum::JwtValidation) => action.jwt_validation_config.is_some(),
            Some(ActionTypeEnum::Redirect) => action.redirect_config.is_some(),
            Some(ActionTypeEnum::FixedResponse) => action.fixed_response_config.is_some(),
            _ => false,
        };
        if !is_held {
            let kind = action.r#type.as_ref().map_or("none", |kind| kind.as_str());
            self.add(
                ErrorKind::Refused,
                format!("has an action of type `{kind}` that a write would lose"),
                "update this program, or take the action out of the rule",
            );
        }
    }

    /// Adds other groups with weight, and groups that are listed twice.
    fn add_foreign(&mut self, forward: &Action, known: &[&TargetGroupArn]) {
        let listed = forward::groups(forward);
        for (index, group) in listed.iter().enumerate() {
            if group.arn.is_empty() {
                self.add(
                    ErrorKind::Refused,
                    "lists a target group without an ARN",
                    "look at the rule in the console",
                );
            } else if listed[..index].iter().any(|other| other.arn == group.arn) {
                self.add(
                    ErrorKind::Refused,
                    format!("lists target group {} more than once", group.arn),
                    "list each target group once",
                );
            } else if !known.iter().any(|one| one.as_str() == group.arn) && group.weight != 0 {
                self.add(
                    ErrorKind::Refused,
                    format!(
                        "also forwards to target group {} with weight {}",
                        group.arn, group.weight
                    ),
                    advice::on_third(group.arn, &listed, known),
                );
            }
        }
    }

    /// The weights of both groups; 0 for a group with a problem.
    fn weights(
        &mut self,
        forward: &Action,
        groups: &Sides<TargetGroupArn>,
        rule: &Rule,
    ) -> Sides<AlbWeight> {
        let listed = forward::groups(forward);
        let mut weights = Sides::default();
        for side in [Side::Blue, Side::Green] {
            let wanted = groups.get(side);
            let found = listed.iter().find(|group| group.arn == wanted.as_str());
            let Some(group) = found else {
                self.add(
                    ErrorKind::NotFound,
                    format!("does not forward to {side}'s target group {wanted}"),
                    advice::on_absent(rule, side, groups),
                );
                continue;
            };
            match AlbWeight::from_api(group.weight) {
                Some(weight) => *weights.get_mut(side) = weight,
                None => self.add(
                    ErrorKind::Refused,
                    format!(
                        "gives {side} the weight {}, which is out of range",
                        group.weight
                    ),
                    format!("weights go from 0 to {}", AlbWeight::MAX),
                ),
            }
        }
        weights
    }

    /// Returns one finding of a preflight for each problem.
    pub(in crate::aws::alb) fn into_findings(self) -> Vec<Finding> {
        let rule = self.rule;
        let found = self.found.into_iter();
        found
            .map(|problem| {
                Finding::refusal(format!("rule {rule} {}", problem.message)).with_hint(problem.hint)
            })
            .collect()
    }
}

impl From<Problems> for Error {
    /// `Refused` rather than `NotFound` if both apply: attaching a group does not help then.
    fn from(problems: Problems) -> Self {
        let is_refused = |problem: &Problem| problem.kind == ErrorKind::Refused;
        let kind = if problems.found.iter().any(is_refused) {
            ErrorKind::Refused
        } else {
            ErrorKind::NotFound
        };
        let mut hints: Vec<&str> = Vec::new();
        for problem in &problems.found {
            if !hints.contains(&problem.hint.as_str()) {
                hints.push(&problem.hint);
            }
        }
        let hint = hints.join("; ");
        Error::new(kind, problems.to_string()).with_hint(hint)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read rule {}", self.rule)?;
        for (index, problem) in self.found.iter().enumerate() {
            let between = if index == 0 { ": it " } else { "; it " };
            write!(f, "{between}{}", problem.message)?;
        }
        Ok(())
    }
}
