//! `bluegreen deploy prepare`: the place where green is to stand.

use bluegreen::{
    Aws,
    aws::{
        alb::{
            GreenGroup, GreenPlace, PlaceReport, PlaceStep, TargetGroupArn, TargetGroupSpec,
            TestHeader,
        },
        sim::Simulation,
    },
    problem::Problem,
};

use super::{
    args::Prepare,
    validate::{refused, text_of},
};
use crate::common::{data::json_line, rule::arn, say::say_line};

/// What was asked for, checked; every problem at once. `simulation` has its own names.
pub(crate) fn place(
    asked: &Prepare,
    accepted: &[String],
    aws: &Aws,
    simulation: Option<&Simulation>,
) -> Result<GreenPlace, Vec<Problem>> {
    let mut problems = Vec::new();
    let (rule, blue) = match simulation {
        Some(simulation) => {
            let blue = asked.blue_target_group.as_ref();
            for field in asked
                .rule
                .given()
                .into_iter()
                .chain(blue.map(|_| "--blue-target-group"))
            {
                problems.push(Problem::new(
                    field,
                    "names something real, but this is the simulation",
                    "add --aws for the real one, or leave it out",
                ));
            }
            (Some(simulation.rule()), Some(simulation.blue()))
        }
        None => {
            let field = "--blue-target-group";
            let text = asked.blue_target_group.as_deref();
            if text.is_none() {
                problems.push(needed(field));
            }
            let blue: Option<TargetGroupArn> = arn(field, text, &mut problems);
            (asked.rule.rule(&mut problems), blue)
        }
    };
    let own = simulation.map(|simulation| simulation.green().name().to_owned());
    let field = "--green-target-group";
    let file = asked.target_group_definition.as_deref();
    let specified = file.and_then(|path| {
        let field = "--target-group-definition";
        let spec = text_of(field, path).and_then(|text| {
            TargetGroupSpec::from_json(&text).map_err(|error| {
                let message = bluegreen::Failure::from(&error).message;
                Problem::new(field, message, "see `bluegreen deploy validate`")
            })
        });
        let take = |read: TargetGroupSpec, path: &String| read.accept_unknown(path);
        let spec = spec.map(|read| accepted.iter().fold(read, take));
        spec.map_err(|problem| problems.push(problem)).ok()
    });
    let findings = specified.as_ref().map(TargetGroupSpec::findings);
    problems.extend(refused(
        "--target-group-definition",
        findings.unwrap_or_default(),
    ));
    let group = match specified.map(GreenGroup::specified) {
        Some(group) => Some(group),
        None => match asked.green_target_group.clone().or(own) {
            Some(text) if text.starts_with("arn:") => {
                arn(field, Some(&text), &mut problems).map(GreenGroup::existing)
            }
            Some(name) => Some(GreenGroup::named(name)),
            None => {
                problems.push(needed(field));
                None
            }
        },
    };
    let header = asked.test_header.parse::<TestHeader>();
    let header = header.map_err(|error| {
        let hint = "write it like `X-Bluegreen-Test: green`";
        problems.push(Problem::new("--test-header", error.to_string(), hint));
    });
    let (Some(rule), Some(blue), Some(mut group), Ok(header)) = (rule, blue, group, header) else {
        return Err(problems);
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    if let Some(port) = asked.port {
        group = group.with_port(port);
    }
    if let Some(path) = &asked.health_path {
        group = group.with_health_path(path);
    }
    let place = GreenPlace::new(aws, rule, blue, group).map_err(|error| {
        let hint = error.hint().unwrap_or_default().to_owned();
        vec![Problem::new(field, error.message(), hint)]
    })?;
    Ok(if asked.no_test_route {
        place.without_test_route()
    } else {
        place.with_test_header(header)
    })
}

fn needed(field: &str) -> Problem {
    let hint = "`aws elbv2 describe-target-groups` lists the target groups";
    Problem::new(field, "is needed with --aws", hint)
}

/// Prepares, or takes back, and tells.
pub(crate) async fn run(
    asked: &Prepare,
    place: GreenPlace,
    is_simulated: bool,
    is_dry: bool,
    json: bool,
) -> bluegreen::Result<()> {
    if asked.undo && is_simulated {
        place.prepare().await?;
        say_line!("a place was prepared before, to be taken back now");
    }
    if is_dry {
        let steps = if asked.undo {
            place.preview_undo().await?
        } else {
            place.preview().await?
        };
        for step in &steps {
            say_line!("would {step}");
        }
        if steps.is_empty() {
            say_line!("there is nothing to do");
        }
        say_line!("dry run: nothing was changed");
        return Ok(());
    }
    let place = place.on_step(move |step: &PlaceStep| {
        if !json {
            say_line!("{step}");
        }
    });
    let report = if asked.undo {
        place.undo().await?
    } else {
        place.prepare().await?
    };
    if json {
        json_line(&report);
    } else {
        tell(asked, &report);
    }
    Ok(())
}

fn tell(asked: &Prepare, report: &PlaceReport) {
    for note in &report.notes {
        say_line!("note: {note}");
    }
    if asked.undo {
        match report.done.len() {
            0 => say_line!("nothing of ours was there"),
            _ => say_line!("taken back, and read back"),
        }
        if let Some(group) = &report.group {
            say_line!("target group {group} was there before, and stays");
        }
        return;
    }
    if report.done.is_empty() {
        say_line!("all of it was there before");
    }
    if let Some(group) = &report.group {
        say_line!(
            "prepared: target group {group} has weight 0 in rule {}",
            report.rule
        );
    }
    match &report.route {
        Some(route) => say_line!("tests reach green with `{}`, by {route}", asked.test_header),
        None => say_line!("there is no test route: checks reach whatever has the weight"),
    }
}
