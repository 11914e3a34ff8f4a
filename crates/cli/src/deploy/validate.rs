//! `bluegreen deploy validate`: what is wrong with definition files.

use std::{fs, path::Path};

use bluegreen::{
    aws::{
        alb::{ListenerRuleSpec, TargetGroupArn, TargetGroupSpec},
        ecs::{ServiceSpec, TaskDefinition},
    },
    preflight::{Finding, Severity},
    problem::Problem,
};

use super::args::{Cli, Validate};
use crate::common::{rule::arn, say::say_line};

/// Says everything, and whether nothing of it stops.
pub(crate) fn run(cli: &Cli, asked: &Validate) -> Result<bool, Vec<Problem>> {
    let mut problems = Vec::new();
    let green = asked.green_target_group.as_deref();
    let green: Option<TargetGroupArn> = arn("--green-target-group", green, &mut problems);
    type Read<'a> = Box<dyn Fn(&str) -> bluegreen::Result<Vec<Finding>> + 'a>;
    let accepted = &cli.service.accept_unknown;
    let files: [(&str, &Option<_>, Read<'_>); 4] = [
        (
            "--task-definition",
            &cli.service.task_definition,
            Box::new(|text| {
                let read = TaskDefinition::from_json(text)?;
                let take = |read: TaskDefinition, path: &String| read.accept_unknown(path);
                Ok(accepted.iter().fold(read, take).findings())
            }),
        ),
        (
            "--service-definition",
            &cli.service.service_definition,
            Box::new(|text| {
                let read = ServiceSpec::from_json(text)?;
                let take = |read: ServiceSpec, path: &String| read.accept_unknown(path);
                Ok(accepted.iter().fold(read, take).findings())
            }),
        ),
        (
            "--target-group-definition",
            &asked.target_group_definition,
            Box::new(|text| {
                let read = TargetGroupSpec::from_json(text)?;
                let take = |read: TargetGroupSpec, path: &String| read.accept_unknown(path);
                Ok(accepted.iter().fold(read, take).findings())
            }),
        ),
        (
            "--listener-rule",
            &asked.listener_rule,
            Box::new(|text| {
                let read = ListenerRuleSpec::from_json(text)?;
                let take = |read: ListenerRuleSpec, path: &String| read.accept_unknown(path);
                Ok(accepted.iter().fold(read, take).findings(green.as_ref()))
            }),
        ),
    ];
    let mut found = Vec::new();
    for (field, path, read) in &files {
        let Some(path) = path else { continue };
        match text_of(field, path).and_then(|text| {
            read(&text).map_err(|error| {
                let message = bluegreen::Failure::from(&error).message;
                let hint = error
                    .hint()
                    .unwrap_or("plain JSON, as `aws … --cli-input-json` takes it")
                    .to_owned();
                Problem::new(*field, message, hint)
            })
        }) {
            Ok(findings) => found.push((path, findings)),
            Err(problem) => problems.push(problem),
        }
    }
    if found.is_empty() && problems.is_empty() {
        let names: Vec<&str> = files.iter().map(|(field, ..)| *field).collect();
        let hint = format!("give at least one of {}", names.join(", "));
        problems.push(Problem::new("validate", "there is no file to read", hint));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut is_sound = true;
    for (path, findings) in found {
        let stops = findings.iter().filter(|one| one.severity != Severity::Note);
        let wrong = stops.count();
        is_sound &= wrong == 0;
        say_line!(
            "{}: {wrong} wrong, {} to know",
            path.display(),
            findings.len() - wrong
        );
        for finding in &findings {
            let kind = if finding.severity == Severity::Note {
                "note"
            } else {
                "wrong"
            };
            say_line!("  {kind}: {finding}");
            if let Some(hint) = &finding.hint {
                say_line!("    hint: {hint}");
            }
        }
    }
    Ok(is_sound)
}

/// What stops among the findings of a file, as problems of the option that names it.
pub(crate) fn refused(field: &str, findings: Vec<Finding>) -> impl Iterator<Item = Problem> {
    let stops = findings
        .into_iter()
        .filter(|one| one.severity != Severity::Note);
    stops.map(move |one| {
        let hint = one.hint.unwrap_or_default();
        Problem::new(field, one.message, hint)
    })
}

/// What a file holds, or else the problem with it.
pub(crate) fn text_of(field: &str, path: &Path) -> Result<String, Problem> {
    fs::read_to_string(path).map_err(|error| {
        let message = format!("{}: {error}", path.display());
        Problem::new(field, message, "give a file that can be read")
    })
}
