//! `bluegreen plan`: what a migration would do, how long each step takes, and what would stop it.

use std::{process::ExitCode, time::Duration};

use bluegreen::{
    TrafficSplitter as _,
    health::sequential::{Calibration, calibrate},
    preflight::Finding,
    problem::Problem,
    spec::{Target, Use},
    traffic::{Sides, TrafficObservation},
};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    common::{
        data::try_json_line,
        errors::{BAD_ARGUMENTS, UNCHANGED, bad_arguments, failed},
        journal::ReadJournal,
        runtime::block_on,
        say::{answer, say_line},
    },
    migration::{
        Print,
        args::{Named, Sim},
        blue::Of,
        changes::Changes,
        foresee::{self, Foreseen},
        open::{Given, Opened, Way, open},
        preview,
        render::{COLUMNS, wrapped},
        world,
    },
    native,
};

/// Show how long each step takes, and what would stop the migration.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Plan {
    #[command(flatten)]
    named: Named<ReadJournal>,
    #[command(flatten)]
    sim: Sim,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    print: Print,
    /// The side that is to serve [default: the idle side].
    #[arg(long, value_name = "SIDE")]
    to: Option<String>,
    /// Print a line of JSON.
    #[arg(long)]
    json: bool,
    /// Exit with 4 if there is something to do.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Derive judge.history_ratio from blue's past.
    #[arg(long, value_name = "DAYS", num_args = 0..=1, default_missing_value = "7",
          value_parser = clap::value_parser!(u32).range(1..=15), conflicts_with = "detailed_exitcode")]
    calibrate: Option<u32>,
}

const AFTER: &str = "\
Reads only. Exit: 0 may begin; 2 bad arguments; 3 would be refused.";

/// The exit code if there is something to do.
const TO_DO: u8 = 4;

/// The note on infrastructure code, which must not write the rule during a run.
const INFRASTRUCTURE_CODE: &str = "during a run, no apply and no stack update may write the rule's action \
    and weights, the services' desired counts and revisions, or the least capacity of blue's scaling";

pub(crate) fn main(cli: &Plan) -> ExitCode {
    if world::listed(&cli.sim) {
        return ExitCode::SUCCESS;
    }
    block_on(async { run(cli).await.unwrap_or_else(|code| code) })
}

async fn run(cli: &Plan) -> Result<u8, u8> {
    if cli.sim.sim.is_none()
        && let Some(file) = native::file(&cli.named.which)
    {
        let prints = cli.print.policy.print_iam_policy;
        return native::plan(&file, &cli.named.place(), prints, cli.json).await;
    }
    let given = Given {
        sim: Some(&cli.sim),
        changes: Some(&cli.changes),
        way: Way::to(cli.to.as_deref()),
        is_asked: cli.print.is_asked(),
        ..cli.named.given()
    };
    let opened = open(&given).await?;
    if cli.print.is_asked() {
        return cli.print.answer(&opened, Use::Plan);
    }
    foresee::outlived(&opened).await?;
    let holding = opened.holding().await;
    let target = match &holding {
        // That run divides the traffic, and knows which side is blue.
        Some(one) if one.cleanup.is_none() => opened.sides(Of::Next).await?.target,
        _ => opened.target().await?,
    };
    if let Some(days) = cli.calibrate {
        return past(&opened, &target, days, cli.json).await;
    }
    let traffic = observed(&opened, &target).await?;
    let weights = traffic.weights;
    let mut foreseen = Foreseen::default();
    let is_done = holding.is_none() && weights.blue == 0 && weights.green > 0;
    if !is_done {
        foreseen = foresee::all(&opened, &target, &traffic, holding.as_ref()).await?;
    }
    foreseen.findings.push(Finding::note(INFRASTRUCTURE_CODE));
    let written = match cli.json {
        true => try_json_line(&as_data(&opened, &target, weights, &foreseen, !is_done)),
        false => answer(&as_text(&opened, &target, weights, &foreseen, is_done)),
    };
    if let Err(error) = written {
        say_line!("error: the answer could not be written: {error}");
        return Ok(UNCHANGED);
    }
    Ok(match (is_done, foreseen.is_fit()) {
        (true, _) => 0,
        (false, false) => UNCHANGED,
        (false, true) if cli.detailed_exitcode => TO_DO,
        (false, true) => 0,
    })
}

async fn observed(opened: &Opened, target: &Target) -> Result<TrafficObservation, u8> {
    let splitter = opened.spec.splitter(opened.aws(), target);
    let splitter = splitter.map_err(|error| failed(&error, BAD_ARGUMENTS))?;
    let traffic = splitter.observe().await;
    traffic.map_err(|error| failed(&error, UNCHANGED))
}

fn as_text(
    opened: &Opened,
    target: &Target,
    now: Sides<u32>,
    foreseen: &Foreseen,
    is_done: bool,
) -> String {
    let sides = &target.sides;
    let (blue, green) = (&sides.blue.name, &sides.green.name);
    let mut lines = vec![format!(
        "{}: from {blue} (blue) to {green} (green); now {blue} {}, {green} {}",
        opened.spec.name, now.blue, now.green
    )];
    if is_done {
        lines.push(format!("{green} has all of the traffic: nothing to do"));
        return lines.join("\n");
    }
    lines.push(preview(&opened.spec, &opened.plan));
    if let Some(forecast) = &foreseen.forecast {
        lines.push(forecast.to_string());
    }
    let findings = foreseen.lines();
    let findings = findings.iter().flat_map(|line| wrapped(line, COLUMNS, 4));
    lines.extend(findings);
    lines.push(match foreseen.is_fit() {
        true => "a migration may begin: `bluegreen migrate`".to_owned(),
        false => "a migration would move nothing".to_owned(),
    });
    lines.join("\n")
}

fn as_data(
    opened: &Opened,
    target: &Target,
    weights: Sides<u32>,
    foreseen: &Foreseen,
    is_to_do: bool,
) -> Value {
    let forecast = foreseen.forecast.as_ref().map(|forecast| {
        let steps = forecast.steps.iter().map(|step| {
            json!({
                "green": step.share,
                "green_requests_a_minute": step.green_requests,
                "minutes": step.minutes,
                "caught_error_rate": step.caught,
            })
        });
        json!({
            "requests_a_minute": forecast.requests_a_minute,
            "error_rate": forecast.error_rate,
            "steps": steps.collect::<Vec<_>>(),
        })
    });
    let findings = foreseen.findings.iter().map(|finding| {
        json!({
            "stops": foreseen.stops(finding),
            "message": finding.message,
            "hint": finding.hint,
        })
    });
    json!({
        "name": opened.spec.name,
        "rule": target.rule.to_string(),
        "from": target.sides.blue.name,
        "to": target.sides.green.name,
        "weights": weights,
        "plan": opened.spec.plan,
        "forecast": forecast,
        "findings": findings.collect::<Vec<_>>(),
        "is_to_do": is_to_do,
        "may_begin": foreseen.is_fit(),
    })
}

/// Measures how far blue's past can be trusted as a control.
async fn past(opened: &Opened, target: &Target, days: u32, json: bool) -> Result<u8, u8> {
    let Some(settings) = opened.spec.comparison() else {
        let problem = Problem::new(
            "--calibrate",
            "has no meaning with the judge `limits`, which needs no past",
            "leave it out",
        );
        return Err(bad_arguments(&[problem]));
    };
    say_line!("reading {days} days of blue …");
    let past = Duration::from_secs(u64::from(days) * 86_400);
    let minutes = opened.spec.past(opened.aws(), target, past).await;
    let minutes = minutes.map_err(|error| failed(&error, UNCHANGED))?;
    if minutes.iter().all(|side| side.requests == 0) {
        say_line!("error: blue had no request in these {days} days: nothing can be calibrated");
        say_line!(
            "  hint: check blue's target group and the region; if both are right, send requests (synthetic \
             requests count), or judge by the limits alone (--judge limits)"
        );
        return Err(UNCHANGED);
    }
    let found = calibrate(&minutes, &settings);
    let written = match json {
        true => {
            let alarms = found.alarms.iter();
            let alarms = alarms.map(|(ratio, alarms)| json!({ "ratio": ratio, "alarms": alarms }));
            try_json_line(&json!({
                "minutes": minutes.len(),
                "windows": found.windows,
                "alarms": alarms.collect::<Vec<_>>(),
                "history_ratio": found.ratio,
            }))
        }
        false => {
            let mut lines = vec![format!(
                "{} minutes, {} windows of half an hour, each against the two hours before it",
                minutes.len(),
                found.windows
            )];
            for (ratio, alarms) in &found.alarms {
                lines.push(format!("  ratio {ratio:.1}: {alarms} false alarms"));
            }
            lines.push(match found.ratio {
                Some(ratio) => format!(
                    "judge.history_ratio = {ratio}: no alarm, so at most 1% with a confidence of 95%"
                ),
                None if found.windows < Calibration::ENOUGH => {
                    format!("not enough windows: {} are needed", Calibration::ENOUGH)
                }
                None => {
                    "blue varies too much to be compared with its past: keep the hold-back".to_owned()
                }
            });
            answer(&lines.join("\n"))
        }
    };
    Ok(match (written, found.ratio) {
        (Ok(()), Some(_)) => 0,
        _ => UNCHANGED,
    })
}
