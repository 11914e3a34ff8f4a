//! Judging a journal again with other settings: what would have happened.

use std::time::Duration;

use async_trait::async_trait;
use bluegreen::{
    Result as Read,
    engine::{Event, JOURNAL_VERSION, Next, Record},
    health::{
        Bucket, ConnectionErrors, HealthGate, Judge, JudgeFactory, Limits, MetricSource,
        MetricsGate, Progress, Shortfall, UnhealthyRouting, Verdict, Window,
        sequential::Sequential,
    },
    migration::{
        Action, Entry, GateId, GateReport, Input, LookReport, MigrationEvent, MigrationMachine,
        MigrationPlan, OpenedGate, ReplayError, events_of,
    },
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Why a journal cannot be judged again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RejudgeError {
    /// The records are not those of a migration.
    #[error("{0}")]
    Journal(#[from] ReplayError),
    /// A setting does not exist, or has no such value.
    #[error("{setting}: {why}")]
    Setting {
        /// Which, such as `gates.metrics.limits.max_error_rate`.
        setting: String,
        /// Why.
        why: String,
    },
}

/// What came of judging again.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Rejudged {
    /// The events under the other settings, up to where the run would have gone another way.
    pub events: Vec<Event<MigrationEvent>>,
    /// How many verdicts were reached anew.
    pub verdicts: usize,
    /// How many of them have another status than the journal's.
    pub different: usize,
    /// Where the run would have gone another way. What comes after it in the journal says nothing
    /// about these settings: traffic would have been divided otherwise.
    pub parting: Option<Parting>,
}

/// Where a run would have gone another way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parting {
    /// When.
    pub at: Timestamp,
    /// How long after the start.
    pub elapsed: Duration,
    /// What it did.
    pub did: String,
    /// What it would have done.
    pub would: String,
}

/// Judges a journal again. `other` holds what is to be different: `plan` as in a plan's file, and
/// `gates.NAME.JUDGE` as the journal keeps their settings; `false` leaves a judge out. What is not
/// named stays as it was. Gates whose judges are not over counts keep the verdicts of the journal.
///
/// # Errors
///
/// [`RejudgeError`] where the journal is none, or a setting does not exist.
pub fn rejudge(records: &[Record], other: &Value) -> Result<Rejudged, RejudgeError> {
    // Whatever is wrong with the journal is said by who knows it.
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
        return Err(setting("journal", "its first record does not open it"));
    };
    if version < JOURNAL_VERSION {
        let why = "its run was begun by an earlier version, whose rules are gone; it is shown, and not \
                   judged under other settings";
        return Err(setting("journal", why));
    }
    let other = Other::new(other)?;
    let new_plan: MigrationPlan = changed("plan", &plan, other.plan)?;
    let mut seats = Vec::new();
    for gate in &gates {
        let named = other.gates.get(gate.gate.as_str());
        seats.push(Seat {
            gate: gate.gate.clone(),
            judge: judge_of(gate, named)?,
        });
    }
    for name in other.gates.keys() {
        if !gates.iter().any(|gate| gate.gate.as_str() == name) {
            let why = "the journal has no such gate";
            return Err(setting(&format!("gates.{name}"), why));
        }
    }
    let seated = || gates.iter().map(|gate| (gate.gate.clone(), gate.policy));
    let mut was = MigrationMachine::new(plan, seated()).with_propagation(propagation);
    let mut now = MigrationMachine::new(new_plan, seated()).with_propagation(propagation);
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
        let input = rejudged.judge(input, outstanding.as_ref(), &mut seats);
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
    /// The input with the verdicts that the judges reach now.
    fn judge(&mut self, input: Input, outstanding: Option<&Action>, seats: &mut [Seat]) -> Input {
        let progress = match outstanding {
            Some(Action::Preflight { progress } | Action::Look { progress, .. }) => *progress,
            _ => return input,
        };
        match input {
            Input::Looked(look) => Input::Looked(self.look(look, &progress, seats)),
            Input::Preflighted {
                findings,
                look,
                capacity,
            } => Input::Preflighted {
                findings,
                look: self.look(look, &progress, seats),
                capacity,
            },
            input => input,
        }
    }

    fn look(
        &mut self,
        mut look: LookReport,
        progress: &Progress,
        seats: &mut [Seat],
    ) -> LookReport {
        for report in &mut look.gates {
            let GateReport {
                gate,
                seen,
                verdict,
            } = report;
            let seat = seats.iter_mut().find(|seat| seat.gate == *gate);
            let judge = seat.and_then(|seat| seat.judge.as_mut());
            if let (Some(judge), Ok(Some(observation))) = (judge, &seen) {
                let reached = Some(judge.take(observation, progress));
                self.verdicts += 1;
                let status = |verdict: &Option<Verdict>| verdict.as_ref().map(Verdict::status);
                self.different += usize::from(status(&reached) != status(verdict));
                *verdict = reached;
            }
        }
        look
    }
}

/// The judges that are known, in their usual order.
const ORDER: [&str; 5] = [
    "limits",
    "connections",
    "routing",
    "shortfall",
    "sequential",
];

struct Seat {
    gate: GateId,
    /// `None` where the journal's verdicts stand.
    judge: Option<Box<dyn Judge>>,
}

struct Other<'a> {
    plan: Option<&'a Value>,
    gates: Map<String, Value>,
}

impl<'a> Other<'a> {
    fn new(other: &'a Value) -> Result<Self, RejudgeError> {
        let all = other.as_object().cloned().unwrap_or_default();
        if let Some(name) = all.keys().find(|name| *name != "plan" && *name != "gates") {
            return Err(setting(name, "there is `plan` and there is `gates`"));
        }
        let gates = match all.get("gates") {
            None => Map::new(),
            Some(Value::Object(gates)) => gates.clone(),
            Some(_) => return Err(setting("gates", "is no table of gates")),
        };
        Ok(Self {
            plan: other.get("plan"),
            gates,
        })
    }
}

/// The judges of a gate over counts, with the other settings; `None` where it is not one.
fn judge_of(
    gate: &OpenedGate,
    other: Option<&Value>,
) -> Result<Option<Box<dyn Judge>>, RejudgeError> {
    let name = gate.gate.as_str();
    let Some(Value::Object(judges)) = gate.settings.get("judges") else {
        return match other {
            Some(_) => Err(setting(
                &format!("gates.{name}"),
                "its judges are not over counts, so its verdicts stand as they are",
            )),
            None => Ok(None),
        };
    };
    let mut judges = judges.clone();
    if let Some(Value::Object(other)) = other {
        for (judge, change) in other {
            let path = format!("gates.{name}.{judge}");
            match change {
                Value::Bool(false) => {
                    judges.remove(judge);
                }
                change => {
                    let was = judges
                        .get(judge)
                        .cloned()
                        .unwrap_or_else(|| Value::Object(Map::new()));
                    judges.insert(judge.clone(), merged(was, change));
                    factory(judge, &judges[judge], Some(change), &path)?;
                }
            }
        }
    }
    let mut source = MetricsGate::new(NoSource);
    // As `CloudWatchGate` has them: their order is the order of the words.
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    let mut judges: Vec<_> = judges.iter().collect();
    judges.sort_by_key(|(name, _)| place(name).unwrap_or(ORDER.len()));
    for (judge, settings) in judges {
        let path = format!("gates.{name}.{judge}");
        source = source.with_judge(judge.clone(), factory(judge, settings, None, &path)?);
    }
    Ok(Some(source.judge()))
}

/// A judge by its name and settings. `change` is what must be among them.
fn factory(
    judge: &str,
    settings: &Value,
    change: Option<&Value>,
    path: &str,
) -> Result<Box<dyn JudgeFactory>, RejudgeError> {
    fn of<F: JudgeFactory + DeserializeOwned + 'static>(
        settings: &Value,
        change: Option<&Value>,
        path: &str,
    ) -> Result<Box<dyn JudgeFactory>, RejudgeError> {
        let factory: F =
            serde_json::from_value(settings.clone()).map_err(|error| setting(path, error))?;
        known(change, &factory.settings(), path)?;
        Ok(Box::new(factory))
    }
    match judge {
        "limits" => of::<Limits>(settings, change, path),
        "connections" => of::<ConnectionErrors>(settings, change, path),
        "routing" => of::<UnhealthyRouting>(settings, change, path),
        "shortfall" => of::<Shortfall>(settings, change, path),
        "sequential" => of::<Sequential>(settings, change, path),
        _ => Err(setting(
            path,
            "is none of limits, connections, routing, shortfall and sequential",
        )),
    }
}

/// A value with some of its fields changed, checked.
fn changed<T: serde::Serialize + DeserializeOwned>(
    path: &str,
    value: &T,
    change: Option<&Value>,
) -> Result<T, RejudgeError> {
    let was = serde_json::to_value(value).map_err(|error| setting(path, error))?;
    let merged = match change {
        Some(change) => merged(was, change),
        None => was,
    };
    serde_json::from_value(merged).map_err(|error| setting(path, error))
}

fn merged(was: Value, change: &Value) -> Value {
    match (was, change) {
        (Value::Object(mut was), Value::Object(change)) => {
            for (name, change) in change {
                let before = was.remove(name).unwrap_or(Value::Null);
                was.insert(name.clone(), merged(before, change));
            }
            Value::Object(was)
        }
        (_, change) => change.clone(),
    }
}

/// Whether every setting that was named is one: what nobody reads would be a mistake that nobody
/// sees.
fn known(change: Option<&Value>, settings: &Value, path: &str) -> Result<(), RejudgeError> {
    let Some(Value::Object(change)) = change else {
        return Ok(());
    };
    for (name, change) in change {
        let path = format!("{path}.{name}");
        match settings.get(name) {
            None => return Err(setting(&path, "there is no such setting")),
            Some(settings) => known(Some(change), settings, &path)?,
        }
    }
    Ok(())
}

fn setting(setting: &str, why: impl ToString) -> RejudgeError {
    RejudgeError::Setting {
        setting: setting.to_owned(),
        why: why.to_string(),
    }
}

/// What matters of a next step: waits and reads are the same course.
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
        (_, []) => "went on watching".to_owned(),
    }
}

/// A source that is never read: the observations are in the journal.
#[derive(Debug)]
struct NoSource;

#[async_trait]
impl MetricSource for NoSource {
    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn read(&self, _: &Window) -> Read<Vec<Bucket>> {
        Ok(Vec::new())
    }

    fn settings(&self) -> Value {
        Value::Null
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn records() -> Vec<Record> {
        let kept = include_str!("../testdata/migration-v4.jsonl");
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
        assert!(error(json!({"limits": {}})).starts_with("limits: there is `plan`"));
    }
}
