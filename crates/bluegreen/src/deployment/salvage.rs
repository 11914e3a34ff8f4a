//! The work that a run of an earlier version left undone, as its records show.
//!
//! The rules of that version are gone, so today's machine cannot replay its inputs. The records of changes
//! and of reads stay true, and the service itself keeps the target of a rollback.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Cause, Unfinished};
use crate::{
    check::CheckReport,
    engine::Record,
    service::{Registration, RevisionId, Rollout, ServiceObservation, Target, Update},
};

/// Returns the work that the records show as undone. Everything else the next run reads from the service.
pub(super) fn unfinished(records: &[Record]) -> Unfinished {
    let opened = records.first().map(|first| first.entry.value());
    let mut undone: Unfinished = opened
        .and_then(|opened| part(opened.get("unfinished")?))
        .unwrap_or_default();
    let mut registered: Option<RevisionId> = None;
    let mut failed: Vec<CheckReport> = Vec::new();
    for record in records {
        let entry = record.entry.value();
        if let Some(action) = entry.get("action") {
            if action["action"] != "update" {
                continue;
            }
            let restores = action["restores"] == true;
            let update = part::<Update>(&action["update"]);
            if let Some(update) = &update {
                undone.was_absent |= update.from.is_none();
                let from = update.from.as_ref().map(|from| from.deployment.clone());
                undone.older.extend(from);
            }
            match update {
                Some(update) if restores => {
                    undone.restoring = Some(cause(std::mem::take(&mut failed)));
                    undone.restoring_to = match update.to {
                        Target::Revision(revision) => Some(revision),
                        Target::Nothing => None,
                    };
                }
                Some(Update {
                    rollback_point: Some(point),
                    ..
                }) => undone.unproven = Some(point.deployed),
                _ => {}
            }
        }
        let Some(input) = entry.get("input") else {
            continue;
        };
        let with = &input["with"];
        match input["input"].as_str() {
            Some("registered") => {
                registered = part::<Registration>(&with["Ok"]).map(|done| done.revision);
            }
            // Followed without a change before: the run adopted a rollout that was under way already.
            Some("followed") if undone.unproven.is_none() => undone.unproven = registered.clone(),
            Some("checked") => {
                if let Some(report) = part::<CheckReport>(with)
                    && !report.failures.is_empty()
                {
                    failed.push(report);
                }
            }
            Some("tagged") => return Unfinished::default(),
            Some("observed") => {
                let service = part::<ServiceObservation>(&with["Ok"]);
                let is_back = |service: &ServiceObservation| {
                    Some(&service.revision) == undone.restoring_to.as_ref()
                        && service.rollout == Rollout::Completed
                        && service.others == 0
                };
                if undone.restoring.is_some() && service.as_ref().is_some_and(is_back) {
                    return Unfinished::default();
                }
            }
            _ => {}
        }
    }
    undone
}

fn cause(failed: Vec<CheckReport>) -> Cause {
    if failed.is_empty() {
        let summary = "an earlier version rolled back, and its journal does not say why".to_owned();
        return Cause::NotSteady { summary };
    }
    Cause::SmokeFailed { failed }
}

fn part<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}
