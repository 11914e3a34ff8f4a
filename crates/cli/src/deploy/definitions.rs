//! The problems of definition files, for `bluegreen lint`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bluegreen::{
    aws::{
        alb::{ListenerRuleSpec, TargetGroupArn, TargetGroupSpec},
        ecs::{ServiceSpec, TaskDefinition},
    },
    preflight::{Finding, Severity},
    problem::Problem,
    spec::{DeploymentSpec, Name, Service, ServiceDeployment},
};
use clap::Args;
use serde::Serialize;

use crate::common::{data::json_line, rule::arn, say::say_line};

/// Definition files of AWS, each in the form of its create call.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Definitions, JSON as the AWS CLI takes it")]
pub(crate) struct Definitions {
    /// A task definition
    #[arg(long, value_name = "FILE")]
    pub(crate) task_definition: Option<PathBuf>,
    /// A service
    #[arg(long, value_name = "FILE")]
    pub(crate) service_definition: Option<PathBuf>,
    /// A target group
    #[arg(long, value_name = "FILE")]
    pub(crate) target_group_definition: Option<PathBuf>,
    /// A listener rule
    #[arg(long, value_name = "FILE")]
    pub(crate) listener_rule: Option<PathBuf>,
    /// Green's target group: the listener rule must not send it everything at once
    #[arg(long, value_name = "ARN")]
    pub(crate) green_target_group: Option<String>,
    /// Accept a field or value that is newer than this program's model of AWS, by its path in the refusal
    #[arg(long, value_name = "PATH")]
    pub(crate) accept_unknown: Vec<String>,
}

impl Definitions {
    /// Whether any file is named.
    pub(crate) fn any(&self) -> bool {
        self.task_definition.is_some()
            || self.service_definition.is_some()
            || self.target_group_definition.is_some()
            || self.listener_rule.is_some()
    }
}

/// One finding for programs.
#[derive(Serialize)]
struct Told<'a> {
    file: &'a Path,
    message: &'a str,
    hint: &'a str,
    /// Whether the finding is only a note.
    note: bool,
}

/// Prints every finding, and returns whether none of them stops. A file that cannot be read is a problem.
pub(crate) fn lint(asked: &Definitions, json: bool) -> Result<bool, Vec<Problem>> {
    let mut problems = Vec::new();
    let green = asked.green_target_group.as_deref();
    let green: Option<TargetGroupArn> = arn("--green-target-group", green, &mut problems);
    type Read<'a> = Box<dyn Fn(&str) -> bluegreen::Result<Vec<Finding>> + 'a>;
    let accepted = &asked.accept_unknown;
    let files: [(&str, &Option<_>, Read<'_>); 4] = [
        (
            "--task-definition",
            &asked.task_definition,
            Box::new(|text| {
                let read = TaskDefinition::from_json(text)?;
                let take = |read: TaskDefinition, path: &String| read.accept_unknown(path);
                Ok(accepted.iter().fold(read, take).findings())
            }),
        ),
        (
            "--service-definition",
            &asked.service_definition,
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
                    .unwrap_or("write plain JSON, as `aws … --cli-input-json` takes it")
                    .to_owned();
                Problem::new(*field, message, hint)
            })
        }) {
            Ok(findings) => found.push((path, findings)),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut is_sound = true;
    for (path, findings) in found {
        let stops = findings.iter().filter(|one| one.severity != Severity::Note);
        let wrong = stops.count();
        is_sound &= wrong == 0;
        if json {
            for finding in &findings {
                json_line(&Told {
                    file: path,
                    message: &finding.message,
                    hint: finding.hint.as_deref().unwrap_or_default(),
                    note: finding.severity == Severity::Note,
                });
            }
            continue;
        }
        say_line!(
            "{}: {wrong} wrong, {} to note",
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

/// Returns the problems of the files that a side's deployment names; paths start at the folder of its own
/// file. Environment variables of checks may be missing here: they are set on the machine that deploys.
pub(crate) fn of_side(
    side: &Name,
    service: Option<&Service>,
    spec: &DeploymentSpec,
    folder: &Path,
) -> Vec<Problem> {
    let Some(service) = service else {
        return Vec::new();
    };
    let mut deployment = ServiceDeployment::new(service.clone(), spec.clone());
    deployment.side = Some(side.clone());
    of_deployment(deployment, folder)
}

/// The same for a service whose traffic ECS moves.
pub(crate) fn of_native(deployment: ServiceDeployment, folder: &Path) -> Vec<Problem> {
    let mut problems = of_deployment(deployment, folder);
    for problem in &mut problems {
        problem.field = format!("native.deployment.{}", problem.field);
    }
    problems
}

fn of_deployment(mut deployment: ServiceDeployment, folder: &Path) -> Vec<Problem> {
    if let Some(folder) = folder.to_str().and_then(|text| text.parse().ok()) {
        deployment = deployment.within(folder);
    }
    let loaded = deployment.load_with(|_| Some("any".to_owned()));
    let problems = loaded.err().map(|error| {
        let problems = error.problems().iter();
        problems.map(|one| one.problem.clone()).collect()
    });
    problems.unwrap_or_default()
}

/// Returns the findings of a file that stop, as problems of the option that names the file.
pub(crate) fn refused(field: &str, findings: Vec<Finding>) -> impl Iterator<Item = Problem> {
    let stops = findings
        .into_iter()
        .filter(|one| one.severity != Severity::Note);
    stops.map(move |one| {
        let hint = one.hint.unwrap_or_default();
        Problem::new(field, one.message, hint)
    })
}

/// Returns the text of a file, or the problem with it.
pub(crate) fn text_of(field: &str, path: &Path) -> Result<String, Problem> {
    fs::read_to_string(path).map_err(|error| {
        let message = format!("{}: {error}", path.display());
        Problem::new(field, message, "give a file that can be read")
    })
}
