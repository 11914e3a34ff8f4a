//! Journals that end at an unlucky place.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::*;
use crate::{
    engine::{Control, Operator},
    native::{
        LookReport, NativeObservation, NativeStatus, NativeStrategy, NativeSurvey, Pause,
        RevisionShare,
        entry::{Written, text},
    },
    traffic::Percent,
};

fn start() -> Timestamp {
    "2026-01-05T09:00:00Z".parse().expect("a timestamp")
}

fn ann() -> Operator {
    "ann".into()
}

/// A look at a pause before green's first traffic, while all its copies run.
fn at_pause() -> Input {
    let green = RevisionShare::new("revision/2", Percent::ZERO).with_copies(4, 4);
    let mut seen = NativeObservation::new(NativeStatus::InProgress);
    seen.target = Some(green);
    seen.pauses = vec![Pause::awaiting("hook-1", "PRE_PRODUCTION_TRAFFIC_SHIFT")];
    Input::Looked(LookReport {
        observed: Ok(seen),
        gates: Vec::new(),
    })
}

/// A journal with these inputs, and no record of a change.
fn journal(inputs: impl IntoIterator<Item = Input>) -> Vec<Record> {
    fn add(records: &mut Vec<Record>, entry: &impl Serialize) {
        let seq = records.len() as u64;
        records.push(Record::new(seq, start(), text(entry)));
    }
    let mut records = Vec::new();
    let opened = Entry::Opened {
        version: JOURNAL_VERSION,
        run: RunId::new("run-1"),
        judged: "deployment/1".to_owned(),
        plan: Box::new(NativePlan::builder().build().expect("valid")),
        gates: Vec::new(),
        checks: Vec::new(),
        propagation: Duration::from_secs(30),
        by_hand: None,
        origin: serde_json::Value::Null,
    };
    add(&mut records, &opened);
    for input in inputs {
        add(&mut records, &Written::Input { input: &input });
    }
    records
}

/// The inputs up to the first change: the process ends before the change's record.
fn up_to_a_change() -> Vec<Input> {
    let mut survey = NativeSurvey::new("chat", NativeStrategy::BlueGreen);
    survey.hooks.push(crate::native::ConfiguredHook::new(
        crate::native::HookTarget::Pause,
        ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
    ));
    vec![
        Input::Start,
        Input::Preflighted(Ok(Box::new(survey))),
        at_pause(),
    ]
}

#[test]
fn p05_a_run_that_ended_between_an_input_and_its_change_is_resumed_more_than_once() {
    let mut inputs = up_to_a_change();
    assert!(continued(&journal(inputs.clone()), &[]).is_ok());
    for _ in 0..2 {
        inputs.push(Input::Resumed { by: ann() });
        inputs.push(at_pause());
        let records = journal(inputs.clone());
        let continued = continued(&records, &[]).expect("it can be resumed again");
        let replayed = replay(&records, &[]).expect("the same journal");
        assert_eq!(replayed.machine, continued.machine);
        // The next wait ends, and the run looks again.
        inputs.push(Input::Waited { clock_fault: false });
    }
}

#[test]
fn p09_a_change_without_a_record_is_a_difference_unless_the_run_was_resumed() {
    let mut inputs = up_to_a_change();
    inputs.push(Input::Control(Control::Pause {
        by: ann(),
        length: None,
    }));
    let found = replay(&journal(inputs), &[]).expect_err("a record is missing");
    let is_missing = matches!(
        found,
        ReplayError::Action {
            seq: 4,
            recorded: None,
            ..
        }
    );
    assert!(is_missing, "{found}");
}
