//! The name that was meant by a name that AWS does not have, and the tool whose spelling that is.

use std::collections::{BTreeSet, VecDeque};

use super::table::{Input, Model, Shape};
use crate::document::spelling::{apart, letters};

/// A name that AWS has, for a name that it does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meant<'a> {
    pub(super) name: &'a str,
    /// The tool's form, if the names differ only in capitals, underscores and the like.
    pub(super) form: Option<&'static str>,
    /// Whether the names differ in no letter.
    pub(super) is_same_word: bool,
}

/// The nearest of the known names, if one is near.
pub(super) fn meant<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<Meant<'a>> {
    let is_annotation = found.contains(".kubernetes.io/");
    let bare = found.rsplit('/').next().unwrap_or(found);
    let word = letters(bare);
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        let other = letters(name);
        if other == word {
            let form = if is_annotation {
                Some("that is an annotation of Kubernetes")
            } else {
                form(found, name)
            };
            return Some(Meant {
                name,
                form,
                is_same_word: true,
            });
        }
        if let Some(apart) = apart(&word, &other)
            && best.is_none_or(|(least, _)| apart < least)
        {
            best = Some((apart, name));
        }
    }
    best.map(|(_, name)| Meant {
        name,
        form: None,
        is_same_word: false,
    })
}

/// The tool that spells a name so.
fn form(found: &str, name: &str) -> Option<&'static str> {
    let is_upper = |text: &str| text.starts_with(|c: char| c.is_ascii_uppercase());
    if found.contains('_') {
        Some("that is Terraform's spelling")
    } else if found.contains('-') {
        Some("that is an option of the AWS CLI")
    } else if is_upper(found) && !is_upper(name) {
        Some("that is CloudFormation's spelling")
    } else if !is_upper(found) && is_upper(name) {
        Some("ECS's files spell it so")
    } else {
        None
    }
}

/// Where a misplaced name belongs: elsewhere in the same file, or in another kind of file.
pub(super) fn belongs(input: Input, found: &str) -> Option<String> {
    let word = letters(found);
    if let Some(path) = path_to(input.model(), input.shape(), &word) {
        return Some(format!("it belongs in {path}"));
    }
    let others = Input::ALL.into_iter().filter(|other| *other != input);
    for other in others {
        let mut fields = other.model().fields(other.shape());
        if let Some((name, _)) = fields.find(|(name, _)| letters(name) == word) {
            return Some(format!("it belongs in {}: {name}", other.called()));
        }
    }
    None
}

/// The shortest path to a field, such as `containerDefinitions[].portMappings`.
fn path_to(model: &Model, start: &str, word: &str) -> Option<String> {
    let mut seen = BTreeSet::from([start.to_owned()]);
    let mut open = VecDeque::from([(String::new(), start.to_owned())]);
    while let Some((path, shape)) = open.pop_front() {
        for (name, of) in model.fields(&shape) {
            let dot = if path.is_empty() { "" } else { "." };
            let here = format!("{path}{dot}{name}");
            if letters(name) == word && !path.is_empty() {
                return Some(here);
            }
            let (of, here) = match model.shapes.get(of) {
                Some(Shape::List { of, .. }) => (of.clone(), format!("{here}[]")),
                _ => (of.to_owned(), here),
            };
            if seen.insert(of.clone()) {
                open.push_back((here, of));
            }
        }
    }
    None
}

/// Why a document as a whole has another form, and what to do.
pub(super) fn form_of_whole(names: &[&str]) -> Option<(&'static str, &'static str)> {
    let has = |name: &str| names.contains(&name);
    if has("Type") && has("Properties") || has("Resources") || has("AWSTemplateFormatVersion") {
        return Some((
            "this is CloudFormation's form",
            "take what stands under `Properties`, with each name as the AWS CLI spells it",
        ));
    }
    if has("apiVersion") && has("kind") {
        return Some((
            "this is an object of Kubernetes, which AWS does not read",
            "write the JSON that the AWS CLI takes",
        ));
    }
    if has("resource") || names.iter().any(|name| name.starts_with("aws_")) {
        return Some((
            "this is Terraform's form",
            "write the JSON that the AWS CLI takes, its names without underscores",
        ));
    }
    let answers = ["services", "service", "TargetGroups", "Rules"];
    if names.len() <= 2 && names.iter().any(|name| answers.contains(name)) {
        return Some((
            "this is what a describe prints",
            "take the object inside, without the fields that only AWS sets",
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_with_its_form() {
        let known = [
            "taskRoleArn",
            "tags",
            "portMappings",
            "environment",
            "HealthCheckPath",
        ];
        let told = |found: &str| {
            let meant = meant(found, known.iter().copied())?;
            Some((meant.name, meant.form.unwrap_or_default()))
        };
        for (found, wanted) in [
            (
                "TaskRoleArn",
                Some(("taskRoleArn", "that is CloudFormation's spelling")),
            ),
            (
                "task_role_arn",
                Some(("taskRoleArn", "that is Terraform's spelling")),
            ),
            (
                "task-role-arn",
                Some(("taskRoleArn", "that is an option of the AWS CLI")),
            ),
            ("taskrolearn", Some(("taskRoleArn", ""))),
            ("taskRoelArn", Some(("taskRoleArn", ""))),
            ("portMapping", Some(("portMappings", ""))),
            ("environments", Some(("environment", ""))),
            ("env", Some(("environment", ""))),
            ("tag", Some(("tags", ""))),
            (
                "healthCheckPath",
                Some(("HealthCheckPath", "ECS's files spell it so")),
            ),
            (
                "alb.ingress.kubernetes.io/healthcheck-path",
                Some(("HealthCheckPath", "that is an annotation of Kubernetes")),
            ),
            ("flags", None),
            ("replicas", None),
        ] {
            assert_eq!(told(found), wanted, "{found}");
        }
    }

    #[test]
    fn a_field_in_the_wrong_place_is_told_its_own() {
        for (input, found, wanted) in [
            (
                Input::TaskDefinition,
                "portMappings",
                "it belongs in containerDefinitions[].portMappings",
            ),
            (
                Input::TargetGroup,
                "HealthCheckGracePeriodSeconds",
                "it belongs in the ECS service: healthCheckGracePeriodSeconds",
            ),
            (
                Input::TaskDefinition,
                "desiredCount",
                "it belongs in the ECS service: desiredCount",
            ),
        ] {
            assert_eq!(belongs(input, found).as_deref(), Some(wanted));
        }
        assert_eq!(belongs(Input::Rule, "replicas"), None);
    }
}
