//! Judges a journal again with other settings, to tell what would have happened.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    Action, Entry, Input, MigrationEvent, MigrationMachine, MigrationPlan, ReplayError, events_of,
    replay::seated,
};
use crate::{
    engine::{Event, JOURNAL_VERSION, Next, Record},
    health::{
        Verdict,
        registry::{BadSetting, changed_judge_of, merged},
        session::GateSession,
    },
};

/// The result of judging a journal again.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Rejudged {
    /// The events under the other settings, up to the parting.
    pub events: Vec<Event<MigrationEvent>>,
    /// How many verdicts were judged again.
    pub verdicts: usize,
    /// How many of these verdicts have another status than in the journal.
    pub different: usize,
    /// The point from which the run would have taken another course. Later records of the journal say
    /// nothing about these settings: traffic would have been divided differently.
    pub parting: Option<Parting>,
}

/// The point at which a run would have taken another course.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parting {
    /// The time of the parting.
    pub at: Timestamp,
    /// The time from the start of the run to the parting.
    pub elapsed: Duration,
    /// What the run did.
    pub did: String,
    /// What the run would have done.
    pub would: String,
}

/// Judges a journal again. `other` holds the changed settings: `plan` as in a plan's file, and
/// `gates.NAME.JUDGE` as the journal keeps them; `false` leaves a judge out. All other settings stay
/// the same. Gates whose judges do not judge counts keep the verdicts of the journal.
///
/// # Errors
///
/// [`ReplayError`] if the records are not a migration's journal, or a setting does not exist.
pub fn rejudge(records: &[Record], other: &Value) -> Result<Rejudged, ReplayError> {
    // This call reports every fault of a journal.
    events_of(records)?;
    let opened = records.first().map(|record| record.entry.clone());
    let Some(Ok(Entry::Opened {
        version,
        run,
        plan,
        gates,
        propagation,
        ..
    })) = opened.map(|entry| entry.read())
    else {
        return Err(setting("journal", "its first record does not open a run"));
    };
    if version < JOURNAL_VERSION {
        let why = "its run was begun by an earlier version, whose rules are gone; the run can be shown, but \
                   not judged again";
        return Err(setting("journal", why));
    }
    let other = Other::new(other)?;
    let new_plan: MigrationPlan = changed("plan", &plan, other.plan)?;
    let mut sessions = Vec::new();
    for gate in &gates {
        let named = other.gates.get(gate.gate.as_str());
        let judge = changed_judge_of(&gate.settings, named, &format!("gates.{}", gate.gate))?;
        let session = |judge| GateSession::of_judge(gate.gate.clone(), Value::Null.into(), judge);
        sessions.extend(judge.map(session));
    }
    for name in other.gates.keys() {
        if !gates.iter().any(|gate| gate.gate.as_str() == name) {
            let why = "the journal has no such gate";
            return Err(setting(&format!("gates.{name}"), why));
        }
    }
    let machine = |plan| MigrationMachine::new(plan, seated(&gates)).with_propagation(propagation);
    let (mut was, mut now) = (machine(plan), machine(new_plan));
    let mut rejudged = Rejudged {
        events: Vec::new(),
        verdicts: 0,
        different: 0,
        parting: None,
    };
    let mut outstanding: Option<Action> = None;
    let mut started = None;
    for record in &records[1..] {
        let Ok(Entry::Input { input }) = record.entry.read() else {
            continue;
        };
        let started = *started.get_or_insert(record.at);
        let elapsed = record.at.duration_since(started);
        let elapsed = Duration::try_from(elapsed).unwrap_or_default();
        let did = was.on(record.at, input.clone());
        let input = rejudged.judge(input, outstanding.as_ref(), &mut sessions);
        let would = now.on(record.at, input);
        let words: Vec<String> = would.events.iter().map(ToString::to_string).collect();
        for kind in would.events {
            rejudged.events.push(Event {
                run: run.clone(),
                seq: rejudged.events.len() as u64,
                at: record.at,
                elapsed,
                kind,
            });
        }
        if course(&did.next) != course(&would.next) {
            let told: Vec<String> = did.events.iter().map(ToString::to_string).collect();
            rejudged.parting = Some(Parting {
                at: record.at,
                elapsed,
                did: said(&did.next, &told),
                would: said(&would.next, &words),
            });
            break;
        }
        if let Next::Do(action) = would.next {
            outstanding = Some(action);
        }
    }
    Ok(rejudged)
}

impl Rejudged {
    /// Returns the input with the verdicts that the judges reach now. A gate without a session keeps the
    /// verdicts of the journal.
    fn judge(
        &mut self,
        mut input: Input,
        outstanding: Option<&Action>,
        sessions: &mut [GateSession],
    ) -> Input {
        let progress = match outstanding {
            Some(Action::Preflight { progress } | Action::Look { progress, .. }) => *progress,
            _ => return input,
        };
        let (Input::Looked(look) | Input::Preflighted { look, .. }) = &mut input else {
            return input;
        };
        for report in &mut look.gates {
            let mut sessions = sessions.iter_mut();
            let session = sessions.find(|session| *session.gate() == report.gate);
            if let Some(now) = session.and_then(|session| session.judge(&report.seen, &progress)) {
                let status = now.status();
                let was = report.verdict.replace(now);
                self.verdicts += 1;
                self.different += usize::from(was.as_ref().map(Verdict::status) != Some(status));
            }
        }
        input
    }
}

struct Other<'a> {
    plan: Option<&'a Value>,
    gates: Map<String, Value>,
}

impl<'a> Other<'a> {
    fn new(other: &'a Value) -> Result<Self, ReplayError> {
        let all = other.as_object().cloned().unwrap_or_default();
        if let Some(name) = all.keys().find(|name| *name != "plan" && *name != "gates") {
            return Err(setting(name, "is not known: there are `plan` and `gates`"));
        }
        let gates = match all.get("gates") {
            None => Map::new(),
            Some(Value::Object(gates)) => gates.clone(),
            Some(_) => return Err(setting("gates", "is not a table of gates")),
        };
        Ok(Self {
            plan: other.get("plan"),
            gates,
        })
    }
}

/// Returns a value with some of its fields changed, and checks it.
fn changed<T: Serialize + DeserializeOwned>(
    path: &str,
    value: &T,
    change: Option<&Value>,
) -> Result<T, ReplayError> {
    let was = serde_json::to_value(value).map_err(|error| setting(path, error))?;
    let merged = match change {
        Some(change) => merged(was, change),
        None => was,
    };
    serde_json::from_value(merged).map_err(|error| setting(path, error))
}

fn setting(setting: &str, why: impl ToString) -> ReplayError {
    BadSetting::new(setting, why).into()
}

impl From<BadSetting> for ReplayError {
    fn from(bad: BadSetting) -> Self {
        Self::Setting {
            setting: bad.setting,
            why: bad.why,
        }
    }
}

/// The part of a next step that two runs must share to be on the same course: waits and reads are alike.
#[derive(Debug, PartialEq)]
enum Course {
    Watches,
    Shifts { tenths: u16 },
    Ends,
}

fn course(next: &Next<Action>) -> Course {
    match next {
        Next::Do(Action::Shift(shift)) => Course::Shifts {
            tenths: shift.to.green().as_tenths(),
        },
        Next::End => Course::Ends,
        _ => Course::Watches,
    }
}

fn said(next: &Next<Action>, told: &[String]) -> String {
    match (next, told) {
        (_, [.., last]) => {
            let lines: Vec<&str> = told[..told.len() - 1].iter().map(String::as_str).collect();
            let lines = lines.into_iter().chain([last.as_str()]);
            lines.collect::<Vec<_>>().join("; ")
        }
        (Next::End, []) => "ended".to_owned(),
        (_, []) => "continued to watch".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn records() -> Vec<Record> {
        let kept = include_str!("../../testdata/journals/migration-v4.jsonl");
        let lines = kept.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().expect("records")
    }

    #[test]
    fn the_same_settings_go_the_same_way() {
        let again = rejudge(&records(), &json!({})).expect("judged");
        assert_eq!(again.parting, None);
        assert_eq!(again.different, 0);
        assert!(again.verdicts > 5);
        let told = events_of(&records()).expect("a journal");
        assert_eq!(again.events, told);
    }

    #[test]
    fn a_laxer_limit_would_have_gone_on_watching() {
        let lax = json!({"gates": {"metrics": {"limits": {"max_error_rate": 60.0}}}});
        let again = rejudge(&records(), &lax).expect("judged");
        let parting = again.parting.expect("it parts");
        assert_eq!(parting.elapsed, Duration::from_secs(363));
        assert!(parting.did.contains("rolling back"), "{parting:?}");
        assert!(!parting.would.contains("rolling back"), "{parting:?}");
    }

    #[test]
    fn another_judge_and_another_plan_are_taken() {
        let other = json!({
            "plan": {"bake": "1m"},
            "gates": {"metrics": {"limits": false, "sequential": {}}}
        });
        let again = rejudge(&records(), &other).expect("judged");
        let told: Vec<String> = again.events.iter().map(ToString::to_string).collect();
        let told = told.join("\n");
        assert!(
            told.contains("sequential: ") && !told.contains("limits: "),
            "{told}"
        );
    }

    #[test]
    fn what_does_not_exist_is_named() {
        let error = |other: Value| rejudge(&records(), &other).unwrap_err().to_string();
        let typo = json!({"gates": {"metrics": {"limits": {"max_eror_rate": 1.0}}}});
        assert!(error(typo).starts_with("gates.metrics.limits.max_eror_rate: there is no such"));
        assert!(error(json!({"gates": {"metric": {}}})).contains("no such gate"));
        assert!(error(json!({"gates": {"targets": {"x": {}}}})).contains("not over counts"));
        assert!(error(json!({"gates": {"metrics": {"guess": {}}}})).contains("is none of"));
        assert!(error(json!({"plan": {"backe": "1m"}})).contains("backe"));
        assert!(error(json!({"limits": {}})).starts_with("limits: is not known: there are `plan`"));
    }
}
