//! The command line of a run that an older version began: its journals keep the words of the command
//! line, and no specification.

use bluegreen::engine::Record;
use bluegreen::migration::origin_of;

use super::changes::Change;

/// The plan, the gates and the serving side, as those words name them.
#[derive(Debug, Default)]
pub(crate) struct Before {
    pub(crate) changes: Vec<Change>,
    pub(crate) blue_target_group: Option<String>,
}

/// The options for one field each.
const FIELDS: [(&str, &str); 24] = [
    ("--hold-back", "plan.hold_back"),
    ("--bake", "plan.bake"),
    ("--step-deadline", "plan.step_deadline"),
    ("--deadline", "plan.deadline"),
    ("--look-interval", "plan.look_interval"),
    ("--look-every", "plan.look_interval"),
    ("--warm-up", "plan.warm_up"),
    ("--final-bake", "plan.final_bake"),
    ("--gradual-restore", "plan.gradual_restore"),
    ("--grace", "plan.grace"),
    ("--capacity-ratio", "plan.capacity_ratio"),
    ("--green-target-worth", "plan.capacity_ratio"),
    ("--on-inconclusive", "plan.on_inconclusive"),
    ("--on-cancel", "plan.on_cancel"),
    ("--on-resume", "plan.on_resume"),
    ("--judge", "judge.by"),
    ("--metrics", "judge.metrics"),
    ("--history-ratio", "judge.history_ratio"),
    ("--max-error-rate", "judge.max_error_rate"),
    ("--max-latency", "judge.max_latency"),
    ("--dead-man", "safety.dead_man.after"),
    ("--dead-man-role", "safety.dead_man.role"),
    ("--dead-man-topic", "safety.dead_man.topic"),
    ("--blue-service", "side.blue.service"),
];

/// The options that may be given several times.
const LISTS: [(&str, &str); 3] = [
    ("--alarm", "judge.alarms"),
    ("--ignore-alarm", "judge.ignore_alarms"),
    ("--accept", "safety.accept"),
];

/// The namespaces of the guide's metrics.
const NAMESPACES: [(&str, &str); 2] = [("green", "ChatBot/FastAPI"), ("blue", "ChatBot/Flask")];
const ENDPOINT: &str = "/api/v1/chat";

impl Before {
    /// Reads the words of the run whose journal begins with these records, if an older version began the run.
    pub(crate) fn of(records: &[Record]) -> Option<Self> {
        let origin = origin_of(records).ok()?;
        let words: Vec<String> = serde_json::from_value(origin).ok()?;
        Some(Self::read(&words))
    }

    fn read(words: &[String]) -> Self {
        let mut given: Vec<(&str, &str)> = Vec::new();
        let mut words = words.iter().map(String::as_str).peekable();
        while let Some(word) = words.next() {
            match word.split_once('=') {
                Some((option, value)) if option.starts_with("--") => given.push((option, value)),
                _ if word.starts_with("--") => {
                    let value = words.next_if(|next| !next.starts_with("--"));
                    given.push((word, value.unwrap_or_default()));
                }
                _ => {}
            }
        }
        let last = |option: &str| given.iter().rev().find(|(name, _)| *name == option);
        let last = |option: &str| last(option).map(|(_, value)| *value);
        let mut changes = Vec::new();
        if let Some(steps) = last("--steps") {
            changes.push(Change::list("--steps", "plan.steps", steps));
        }
        if let Some(seconds) = last("--period") {
            let period = format!("{seconds}s");
            changes.push(Change::of("--period", "judge.period", &period));
        }
        for (option, field) in FIELDS {
            if let Some(value) = last(option) {
                changes.push(Change::of(option, field, value));
            }
        }
        for (option, value) in &given {
            if let Some((option, field)) = LISTS.iter().find(|(name, _)| name == option) {
                changes.push(Change::one_more(option, field, value));
            }
        }
        if last("--metrics") == Some("app") {
            let endpoint = last("--endpoint").unwrap_or(ENDPOINT);
            for (side, usual) in NAMESPACES {
                let (of_namespace, of_endpoint) = match side {
                    "blue" => (last("--blue-namespace"), last("--blue-endpoint")),
                    _ => (last("--namespace"), None),
                };
                let namespace = of_namespace.unwrap_or(usual);
                // In the older version an empty namespace meant that this side has no such metrics.
                if !namespace.is_empty() {
                    let field = |name: &str| format!("side.{side}.{name}");
                    let endpoint = of_endpoint.unwrap_or(endpoint);
                    changes.push(Change::of("--namespace", &field("namespace"), namespace));
                    changes.push(Change::of("--endpoint", &field("endpoint"), endpoint));
                }
            }
        }
        Self {
            changes,
            blue_target_group: last("--blue-target-group").map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_older_version_become_fields() {
        let words = "--aws migrate --steps 10,50,100 --look-interval 1s --json --single-host --judge=limits \
                     --accept shared-targets --blue-target-group arn:blue --period 60 --metrics app \
                     --blue-namespace= --accept no-dead-man";
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let before = Before::read(&words);
        assert_eq!(before.blue_target_group.as_deref(), Some("arn:blue"));
        for change in [
            Change::list("--steps", "plan.steps", "10,50,100"),
            Change::of("--look-interval", "plan.look_interval", "1s"),
            Change::of("--judge", "judge.by", "limits"),
            Change::of("--period", "judge.period", "60s"),
            Change::one_more("--accept", "safety.accept", "no-dead-man"),
            Change::of("--namespace", "side.green.namespace", "ChatBot/FastAPI"),
        ] {
            assert!(before.changes.contains(&change), "{change:?}");
        }
        let of_blue = before.changes.iter().find(|change| {
            *change == &Change::of("--namespace", "side.blue.namespace", "ChatBot/Flask")
        });
        assert!(of_blue.is_none(), "blue has no such metrics");
    }
}
