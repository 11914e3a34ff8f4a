//! Recorded histories are replayed: the workflow decides today as it decided when they were written.
//!
//! The files are written by `run.py ci --histories FOLDER --recorder FILE` in `tests/fleet`: one for each run of a workflow. A change that
//! breaks one of them breaks every migration that is under way when workers are updated.

use std::{fs, path::PathBuf};

use bluegreen_temporal::workflow::Migration;
use temporalio_client::WorkflowHistory;
use temporalio_sdk::workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions};

type Failed = Box<dyn std::error::Error>;

/// The recorded histories, by name.
fn histories() -> Result<Vec<(String, Vec<u8>)>, Failed> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    let mut found = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        found.push((name, fs::read(file.path())?));
    }
    found.sort();
    Ok(found)
}

fn replayer() -> Result<WorkflowReplayer, Failed> {
    let options = WorkflowReplayerOptions::new().register_workflow::<Migration>()?;
    Ok(WorkflowReplayer::new(options.build())?)
}

#[tokio::test]
async fn p09_each_recorded_history_is_decided_as_it_was() -> Result<(), Failed> {
    let histories = histories()?;
    assert!(histories.len() >= 8, "only {} histories", histories.len());
    let replayer = replayer()?;
    for (name, json) in histories {
        let history = WorkflowHistory::from_json(&json)?;
        let replayed = replayer.replay_workflow(history).await;
        replayed.map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// The replay tells a history that the workflow would not write.
#[tokio::test]
async fn p09_a_history_with_another_decision_is_found() -> Result<(), Failed> {
    let replayer = replayer()?;
    let mut found = 0;
    // First runs: a later run may end before the command of such a timer is compared.
    let is_first = |(name, _): &(String, Vec<u8>)| name.ends_with("-0.json");
    for (name, json) in histories()?.into_iter().filter(is_first) {
        let text = String::from_utf8(json)?;
        let changed = text.replace("\"timer_id\":\"1\"", "\"timer_id\":\"7\"");
        if changed == text {
            continue;
        }
        let history = WorkflowHistory::from_json(changed.as_bytes())?;
        let replayed = replayer.replay_workflow(history).await;
        assert!(
            replayed.is_err(),
            "{name} was changed, and replayed all the same"
        );
        found += 1;
    }
    assert!(found >= 4, "only {found} histories have a timer");
    Ok(())
}
