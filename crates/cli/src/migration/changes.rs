//! The options that change the file's fields: each option is a field of the specification.

use bluegreen::{problem::Problem, spec::MigrationSpec};
use clap::Args;
use serde_json::{Map, Value, json};

/// Options for the fields that are changed most, and `--set` for any field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Instead of the file's fields")]
pub(crate) struct Changes {
    /// Green's shares in percent [default: 10,50,100].
    #[arg(long, value_name = "LIST")]
    steps: Option<String>,
    /// Blue's share in the last step, as a live control; 0: none.
    #[arg(long, value_name = "N", hide = true)]
    hold_back: Option<String>,
    /// Least time to watch a step [default: 3m].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    bake: Option<String>,
    /// Most time for the run, with pauses [default: 2h].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    deadline: Option<String>,
    /// Time from one look to the next [default: 15s].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    look_interval: Option<String>,
    /// Time from SIGTERM to SIGKILL here, such as 30s.
    #[arg(long, value_name = "TIME")]
    grace: Option<String>,
    /// `sequential` or `limits` [default: sequential].
    #[arg(long, value_name = "JUDGE")]
    judge: Option<String>,
    /// `alb`, or `app` for the application's own [default: alb].
    #[arg(long, value_name = "SOURCE", hide = true)]
    metrics: Option<String>,
    /// Limit of failed requests in percent [default: 5].
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    max_error_rate: Option<String>,
    /// Limit of the mean latency [default: 3s].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    max_latency: Option<String>,
    /// A CloudWatch alarm that must not fire; repeatable.
    #[arg(long, value_name = "NAME")]
    alarm: Vec<String>,
    /// Restore blue this long after the controller died.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    dead_man: Option<String>,
    /// The IAM role of the dead-man switch.
    #[arg(long, value_name = "ARN")]
    dead_man_role: Option<String>,
    /// Accept a risk, such as no-dead-man.
    #[arg(long, value_name = "RISK")]
    accept: Vec<String>,
    /// Any field of the file, such as plan.final_bake=5m.
    #[arg(long, value_name = "FIELD=X")]
    set: Vec<String>,
}

/// One field, and its new value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// The option as it was given, for messages.
    option: String,
    field: String,
    value: Value,
    /// Whether the value is added to a list, and does not replace the list.
    is_one_more: bool,
}

impl Change {
    /// Returns whether a problem's field is this field, or lies below it.
    fn is_of(&self, field: &str) -> bool {
        let rest = field.strip_prefix(self.field.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
    }

    /// Returns the name for messages: the option's name, or for `--set` the field's.
    fn name(&self) -> &str {
        match self.option.as_str() {
            "--set" => &self.field,
            option => option,
        }
    }

    pub(crate) fn of(option: &str, field: &str, text: &str) -> Self {
        Self {
            option: option.to_owned(),
            field: field.to_owned(),
            value: value(text),
            is_one_more: false,
        }
    }

    pub(crate) fn one_more(option: &str, field: &str, text: &str) -> Self {
        Self {
            value: text.into(),
            is_one_more: true,
            ..Self::of(option, field, "")
        }
    }

    pub(crate) fn list(option: &str, field: &str, text: &str) -> Self {
        let items = text.split(',').map(|item| value(item.trim()));
        Self {
            value: items.collect(),
            ..Self::of(option, field, "")
        }
    }
}

/// Reads a text as a TOML value: a number, a list, a quoted text. Any other text stays a text.
fn value(text: &str) -> Value {
    let read = toml::from_str::<Map<String, Value>>(&format!("it = {text}"));
    let read = read.ok().and_then(|mut read| read.remove("it"));
    read.unwrap_or_else(|| text.into())
}

impl Changes {
    /// Returns every option as a change.
    pub(crate) fn all(&self, problems: &mut Vec<Problem>) -> Vec<Change> {
        let mut all = Vec::new();
        if let Some(steps) = &self.steps {
            all.push(Change::list("--steps", "plan.steps", steps));
        }
        let fields = [
            ("--hold-back", "plan.hold_back", &self.hold_back),
            ("--bake", "plan.bake", &self.bake),
            ("--deadline", "plan.deadline", &self.deadline),
            ("--look-interval", "plan.look_interval", &self.look_interval),
            ("--grace", "plan.grace", &self.grace),
            ("--judge", "judge.by", &self.judge),
            ("--metrics", "judge.metrics", &self.metrics),
            (
                "--max-error-rate",
                "judge.max_error_rate",
                &self.max_error_rate,
            ),
            ("--max-latency", "judge.max_latency", &self.max_latency),
            ("--dead-man", "safety.dead_man.after", &self.dead_man),
            (
                "--dead-man-role",
                "safety.dead_man.role",
                &self.dead_man_role,
            ),
        ];
        for (option, field, text) in fields {
            if let Some(text) = text {
                all.push(Change::of(option, field, text));
            }
        }
        for alarm in &self.alarm {
            all.push(Change::one_more("--alarm", "judge.alarms", alarm));
        }
        for risk in &self.accept {
            all.push(Change::one_more("--accept", "safety.accept", risk));
        }
        for set in &self.set {
            match set.split_once('=') {
                Some((field, text)) => all.push(Change::of("--set", field.trim(), text.trim())),
                None => {
                    let message = format!("`{set}` has no `=`");
                    let hint = "write it like `--set plan.final_bake=5m`";
                    problems.push(Problem::new("--set", message, hint));
                }
            }
        }
        all
    }
}

/// Returns the specification with these changes, or adds every problem. `role` is the role of a dead-man
/// switch that names none.
pub(crate) fn changed(
    spec: &MigrationSpec,
    changes: &[Change],
    role: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Option<MigrationSpec> {
    let mut document = serde_json::to_value(spec).unwrap_or_default();
    for change in changes {
        if let Err(why) = set(&mut document, change) {
            problems.push(Problem::new(
                change.field.as_str(),
                why,
                "`bluegreen schema` lists all fields",
            ));
        }
    }
    if let Some(Value::Object(switch)) = document.pointer_mut("/safety/dead_man")
        && !switch.contains_key("role")
    {
        match role {
            Some(role) => drop(switch.insert("role".to_owned(), role.into())),
            None => {
                let hint = "`bluegreen plan --print-dead-man-role` prints the policies that the role needs";
                let message = "is needed with a dead-man switch";
                problems.push(Problem::new("--dead-man-role", message, hint));
                document["safety"]["dead_man"] = Value::Null;
            }
        }
    }
    let error = match MigrationSpec::from_json(&document.to_string()) {
        Ok(spec) => return problems.is_empty().then_some(spec),
        Err(error) => error,
    };
    let mut found: Vec<Problem> = Vec::new();
    let mut wrong: Vec<&Change> = Vec::new();
    for told in error.problems() {
        let problem = &told.problem;
        let change = changes.iter().find(|change| change.is_of(&problem.field));
        wrong.extend(change);
        let field = change.map_or(problem.field.as_str(), |change| change.name());
        found.push(Problem::new(
            field,
            problem.message.as_str(),
            problem.hint.as_str(),
        ));
    }
    problems.extend(found);
    // The other changes are checked without these, so that every problem is reported at once.
    let rest = changes.iter().filter(|change| !wrong.contains(change));
    let rest: Vec<Change> = rest.cloned().collect();
    if rest.len() < changes.len() {
        let mut more = Vec::new();
        let _ = changed(spec, &rest, role.or(Some("")), &mut more);
        let is_new = |one: &Problem| !problems.iter().any(|told| told.field == one.field);
        let more: Vec<Problem> = more.into_iter().filter(is_new).collect();
        problems.extend(more);
    }
    None
}

/// Sets one field, and creates the tables above it.
fn set(document: &mut Value, change: &Change) -> Result<(), String> {
    let (way, last) = match change.field.rsplit_once('.') {
        Some((way, last)) => (Some(way), last),
        None => (None, change.field.as_str()),
    };
    let mut table = document.as_object_mut();
    for part in way.into_iter().flat_map(|way| way.split('.')) {
        let below = table.and_then(|table| {
            let below = table.entry(part).or_insert_with(|| json!({}));
            below.as_object_mut()
        });
        table = Some(below.ok_or_else(|| format!("`{part}` has no fields of its own"))?);
    }
    let table = table.ok_or("is not a field")?;
    match (table.get_mut(last), change.is_one_more) {
        (Some(Value::Array(list)), true) => {
            if !list.contains(&change.value) {
                list.push(change.value.clone());
            }
        }
        (_, true) => drop(table.insert(last.to_owned(), json!([change.value]))),
        (_, false) => drop(table.insert(last.to_owned(), change.value.clone())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bluegreen::aws::sim::Scenario;

    use super::*;

    fn spec() -> MigrationSpec {
        Scenario::Healthy.simulation(1).spec()
    }

    #[test]
    fn options_and_fields_by_name_go_over_the_file() {
        let changes = Changes {
            steps: Some("5, 25%,100".into()),
            alarm: vec!["one".into(), "two".into(), "one".into()],
            accept: vec!["no-dead-man".into()],
            set: vec![
                "plan.final_bake=5m".into(),
                "judge.history_ratio=2".into(),
                "side.flask.service=\"shop/flask\"".into(),
            ],
            ..Changes::default()
        };
        let mut problems = Vec::new();
        let all = changes.all(&mut problems);
        let changed = changed(&spec(), &all, None, &mut problems).unwrap();
        let told = serde_json::to_value(&changed).unwrap();
        assert_eq!(told["plan"]["steps"], json!(["5%", "25%", "100%"]));
        assert_eq!(told["judge"]["alarms"], json!(["one", "two"]));
        assert_eq!(told["safety"]["accept"], json!(["no-dead-man"]));
        assert_eq!(told["plan"]["final_bake"], "5m");
        assert_eq!(told["judge"]["history_ratio"], 2.0);
        assert_eq!(told["side"]["flask"]["service"], "shop/flask");
        assert_eq!(
            told["side"]["fastapi"],
            serde_json::to_value(spec()).unwrap()["side"]["fastapi"]
        );
    }

    #[test]
    fn each_mistake_has_the_name_of_its_option_or_field() {
        let changes = Changes {
            bake: Some("soon".into()),
            dead_man: Some("10m".into()),
            set: vec!["plan.stpes=[1]".into(), "name.x=1".into(), "plan".into()],
            ..Changes::default()
        };
        let mut problems = Vec::new();
        let all = changes.all(&mut problems);
        assert!(changed(&spec(), &all, None, &mut problems).is_none());
        let fields: Vec<&str> = problems.iter().map(|told| told.field.as_str()).collect();
        for field in ["--bake", "--dead-man-role", "plan.stpes", "name.x", "--set"] {
            assert!(fields.contains(&field), "{field}: {problems:?}");
        }
    }
}
