//! The steps from the present state to the wanted one. Pure: a standing in, steps out.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{TestHeader, route, standing::Standing};
use crate::{
    aws::alb::RuleArn,
    error::{Error, ErrorKind, Result},
    preflight::Finding,
};

/// One change of the load balancer. No step moves traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PlaceStep {
    /// Make green's target group, marked as made and attached by us.
    CreateGroup {
        /// Its name.
        name: String,
    },
    /// Give the group that was made blue's attributes, as far as they differ.
    CopyAttributes {
        /// Its name.
        name: String,
        /// The attributes.
        attributes: BTreeMap<String, String>,
    },
    /// Mark a group that existed before as attached by us.
    TagGroup {
        /// Its name.
        name: String,
    },
    /// Attach the group to the rule at weight 0.
    Attach {
        /// Its name.
        name: String,
        /// The rule.
        rule: RuleArn,
    },
    /// Make the rule of the test route.
    CreateRoute {
        /// The header.
        header: TestHeader,
        /// The rule's priority.
        priority: i32,
    },
    /// Turn the test route that an earlier run made, and that leads to blue, round to green.
    TurnRoute {
        /// The rule.
        rule: RuleArn,
        /// Green's target group.
        to: String,
    },
    /// Mark a rule that existed before as the test route.
    TagRoute {
        /// The rule.
        rule: RuleArn,
    },
    /// Remove the mark from that rule.
    UntagRoute {
        /// The rule.
        rule: RuleArn,
    },
    /// Delete the rule of the test route.
    DeleteRoute {
        /// The rule.
        rule: RuleArn,
    },
    /// Take the group out of the rule.
    Detach {
        /// Its name.
        name: String,
        /// The rule.
        rule: RuleArn,
    },
    /// Remove the mark from the group.
    UntagGroup {
        /// Its name.
        name: String,
    },
    /// Delete the group.
    DeleteGroup {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for PlaceStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateGroup { name } => write!(f, "make target group {name}"),
            Self::CopyAttributes { name, attributes } => {
                let listed = attributes
                    .iter()
                    .map(|(key, value)| format!("{key} = {value}"));
                let listed = Vec::from_iter(listed).join(", ");
                write!(f, "give target group {name} blue's attributes: {listed}")
            }
            Self::TagGroup { name } => write!(f, "mark target group {name} as attached by us"),
            Self::Attach { name, rule } => {
                write!(f, "attach target group {name} to rule {rule} at weight 0")
            }
            Self::CreateRoute { header, priority } => {
                write!(f, "make the test route `{header}` at priority {priority}")
            }
            Self::TurnRoute { rule, to } => {
                write!(f, "turn the test route {rule} round to target group {to}")
            }
            Self::TagRoute { rule } => write!(f, "mark {rule} as the test route"),
            Self::UntagRoute { rule } => write!(f, "take our mark off the test route {rule}"),
            Self::DeleteRoute { rule } => write!(f, "delete the test route {rule}"),
            Self::Detach { name, rule } => {
                write!(f, "take target group {name} out of rule {rule}")
            }
            Self::UntagGroup { name } => write!(f, "take our mark off target group {name}"),
            Self::DeleteGroup { name } => write!(f, "delete target group {name}"),
        }
    }
}

impl PlaceStep {
    /// Whether both steps would do the same thing twice: a test route stays the same route at another
    /// priority.
    pub(super) fn is_again(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::CreateRoute { header, .. }, Self::CreateRoute { header: before, .. }) => {
                header == before
            }
            (Self::CopyAttributes { .. }, Self::CopyAttributes { .. }) => true,
            _ => self == other,
        }
    }
}

/// The steps that are missing until the place is prepared.
pub(super) fn to_prepare(standing: &Standing) -> Result<Vec<PlaceStep>> {
    let mut reasons = standing.unfit();
    let name = standing.name.clone();
    let rule = standing.arn.clone();
    let mut steps = Vec::new();
    // The tag comes before the attachment: else a crash between them would leave an attachment that
    // no undo knows.
    match &standing.group {
        None => steps.push(PlaceStep::CreateGroup { name: name.clone() }),
        Some(group) if standing.weight().is_none() && !group.is_attached_by(&rule) => {
            steps.push(PlaceStep::TagGroup { name: name.clone() });
        }
        Some(_) if !standing.to_copy.is_empty() => steps.push(PlaceStep::CopyAttributes {
            name: name.clone(),
            attributes: standing.to_copy.clone(),
        }),
        Some(_) => {}
    }
    if standing.weight().is_none() {
        steps.push(PlaceStep::Attach { name, rule });
    }
    let wanted = standing.routes.iter().filter(|route| route.is_wanted);
    let mut unmarked = wanted.clone().filter(|route| !route.is_marked());
    if let (Some(route), true) = (unmarked.next(), wanted.clone().all(|one| !one.is_marked())) {
        let rule = route.arn.clone();
        steps.push(PlaceStep::TagRoute { rule });
    }
    if let Some(header) = &standing.header
        && wanted.count() == 0
    {
        let (main, rules, harmless) = (&standing.rule, &standing.rules, &standing.harmless);
        match &standing.to_turn {
            Some((rule, _)) => {
                reasons.extend(route::in_the_way(main, rules, header, harmless));
                let (rule, to) = (rule.clone(), standing.name.clone());
                steps.push(PlaceStep::TurnRoute { rule, to });
            }
            None => match route::place(main, rules, header, harmless) {
                Ok(priority) => steps.push(PlaceStep::CreateRoute {
                    header: header.clone(),
                    priority,
                }),
                Err(found) => reasons.extend(found),
            },
        }
    }
    refuse_for("prepare a place for green", &reasons)?;
    Ok(steps)
}

/// The steps until nothing is left of what we made and attached.
pub(super) fn to_undo(standing: &Standing) -> Result<Vec<PlaceStep>> {
    let Some(group) = &standing.group else {
        return Ok(Vec::new());
    };
    let (name, rule) = (standing.name.clone(), standing.arn.clone());
    let is_made = group.is_made_for(&rule);
    let is_attached = group.is_attached_by(&rule);
    refuse_for("remove green's place", &standing.in_use(is_made))?;
    let mut steps = Vec::new();
    for route in &standing.routes {
        let rule = route.arn.clone();
        if route.is_made {
            steps.push(PlaceStep::DeleteRoute { rule });
        } else if route.is_adopted {
            steps.push(PlaceStep::UntagRoute { rule });
        }
    }
    if is_attached && standing.weight().is_some() {
        let name = name.clone();
        steps.push(PlaceStep::Detach { name, rule });
    }
    // Tags go last: after a crash between two steps they still tell the next undo what is ours.
    if is_made {
        steps.push(PlaceStep::DeleteGroup { name });
    } else if is_attached {
        steps.push(PlaceStep::UntagGroup { name });
    }
    Ok(steps)
}

/// One error for all reasons.
fn refuse_for(attempted: &str, reasons: &[Finding]) -> Result<()> {
    if reasons.is_empty() {
        return Ok(());
    }
    let said: Vec<&str> = reasons.iter().map(|one| one.message.as_str()).collect();
    let hints: Vec<&str> = reasons
        .iter()
        .filter_map(|one| one.hint.as_deref())
        .collect();
    let message = format!("{attempted}: {}", said.join("; "));
    Err(Error::new(ErrorKind::Refused, message).with_hint(hints.join("; ")))
}
