//! `bluegreen diff`: what a migration would change, and how the file differs from the last run.

use std::process::ExitCode;

use bluegreen::{
    TrafficSplitter as _,
    spec::{Origin, Use},
};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    common::{
        data::try_json_line,
        errors::{BAD_ARGUMENTS, UNCHANGED, failed},
        journal::ReadJournal,
        runtime::block_on,
        say::{answer, say_line},
    },
    migration::{
        args::{Named, OPTIONS, Sim},
        blue::Of,
        changes::Changes,
        open::{Given, Opened, Way, open},
        rights::{self, PrintPolicy},
        world,
    },
};

/// Show what would change, and what differs from the last run.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Diff {
    #[command(flatten)]
    named: Named<ReadJournal>,
    #[command(flatten)]
    sim: Sim,
    #[command(flatten)]
    changes: Changes,
    /// The side that is to serve [default: the idle side].
    #[arg(long, value_name = "SIDE", help_heading = OPTIONS)]
    to: Option<String>,
    /// Print a line of JSON.
    #[arg(long, help_heading = OPTIONS)]
    json: bool,
    #[command(flatten, next_help_heading = OPTIONS)]
    policy: PrintPolicy,
}

const AFTER: &str = "\
Reads only. Exit: 0 no change; 2 bad arguments; 3 could not read; 4 a change.";

/// Something would change.
const DIFFERENT: u8 = 4;

pub(crate) fn main(cli: &Diff) -> ExitCode {
    if world::listed(&cli.sim) {
        return ExitCode::SUCCESS;
    }
    block_on(async { run(cli).await.unwrap_or_else(|code| code) })
}

async fn run(cli: &Diff) -> Result<u8, u8> {
    let given = Given {
        sim: Some(&cli.sim),
        changes: Some(&cli.changes),
        way: Way::to(cli.to.as_deref()),
        is_asked: cli.policy.print_iam_policy,
        ..cli.named.given()
    };
    let opened = open(&given).await?;
    if given.is_asked {
        return rights::print(&opened, Use::Diff);
    }
    let target = opened.sides(Of::Next).await?.target;
    let splitter = opened.spec.splitter(opened.aws(), &target);
    let splitter = splitter.map_err(|error| failed(&error, BAD_ARGUMENTS))?;
    let traffic = splitter.observe().await;
    let traffic = traffic.map_err(|error| failed(&error, UNCHANGED))?;
    let rule = splitter.locate().await;
    let rule = rule.map_err(|error| failed(&error, UNCHANGED))?;
    let sides = &target.sides;
    let now = json!({
        sides.blue.name.as_str(): traffic.weights.blue,
        sides.green.name.as_str(): traffic.weights.green,
    });
    let then = json!({ sides.blue.name.as_str(): 0, sides.green.name.as_str(): 100 });
    let is_done = traffic.weights.blue == 0 && traffic.weights.green > 0;
    let mut found = match is_done {
        true => Vec::new(),
        false => differences("rule", &now, &then),
    };
    let before = last_run(&opened, rule.as_str()).await;
    let is_first = before.is_none();
    if let Some(before) = before {
        let here = serde_json::to_value(&opened.spec).unwrap_or_default();
        found.extend(differences("", &before, &here));
    }
    let written = match cli.json {
        true => try_json_line(&json!({
            "rule": rule.to_string(),
            "is_first_run": is_first,
            "changes": found.iter().map(Difference::as_data).collect::<Vec<_>>(),
        })),
        false => answer(&as_text(&opened, rule.as_str(), is_first, &found)),
    };
    if let Err(error) = written {
        say_line!("error: the answer could not be written: {error}");
        return Ok(UNCHANGED);
    }
    Ok(if found.is_empty() { 0 } else { DIFFERENT })
}

fn as_text(opened: &Opened, rule: &str, is_first: bool, found: &[Difference]) -> String {
    let mut lines = vec![format!("{}, rule {rule}", opened.spec.name)];
    lines.extend(found.iter().map(Difference::as_line));
    if is_first {
        lines.push("the journal holds no earlier run".to_owned());
    }
    if found.is_empty() {
        lines.push("nothing would change".to_owned());
    }
    lines.join("\n")
}

/// Returns the specification of the newest run, if its journal is named and readable.
async fn last_run(opened: &Opened, rule: &str) -> Option<Value> {
    let log = opened.store().ok()?.log(rule);
    let opening = log.newest_opening().await.ok()??;
    let origin = Origin::of(&[opening]).ok()?;
    serde_json::to_value(&origin.spec).ok()
}

/// One field that differs.
#[derive(Debug, PartialEq)]
struct Difference {
    field: String,
    before: Value,
    after: Value,
}

impl Difference {
    fn as_line(&self) -> String {
        let shown = |value: &Value| match value {
            Value::Null => "not set".to_owned(),
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        format!(
            "  {}: {} -> {}",
            self.field,
            shown(&self.before),
            shown(&self.after)
        )
    }

    fn as_data(&self) -> Value {
        json!({ "field": self.field, "before": self.before, "after": self.after })
    }
}

/// Returns every field below `field` that differs, in the order of their names.
fn differences(field: &str, before: &Value, after: &Value) -> Vec<Difference> {
    let below = |name: &str| match field {
        "" => name.to_owned(),
        field => format!("{field}.{name}"),
    };
    match (before, after) {
        (before, after) if before == after => Vec::new(),
        (Value::Object(one), Value::Object(other)) => {
            let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
            names.sort_unstable();
            names.dedup();
            let value = |table: &serde_json::Map<String, Value>, name: &str| {
                table.get(name).cloned().unwrap_or_default()
            };
            let found = names
                .iter()
                .flat_map(|name| differences(&below(name), &value(one, name), &value(other, name)));
            found.collect()
        }
        (before, after) => vec![Difference {
            field: field.to_owned(),
            before: before.clone(),
            after: after.clone(),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_that_differs_is_named_and_no_other() {
        let before = json!({"a": 1, "b": {"c": [1], "d": "x"}, "gone": true});
        let after = json!({"a": 1, "b": {"c": [1, 2], "d": "x"}, "new": "5m"});
        let lines: Vec<String> = differences("", &before, &after)
            .iter()
            .map(Difference::as_line)
            .collect();
        let wanted = [
            "  b.c: [1] -> [1,2]",
            "  gone: true -> not set",
            "  new: not set -> 5m",
        ];
        assert_eq!(lines, wanted);
        assert!(differences("", &before, &before).is_empty());
    }
}
