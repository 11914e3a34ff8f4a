//! How far `cleanup` has come: from when it may begin, who retires blue and how far, and what is gone.

use bluegreen::{
    spec::{Cleanup, Name},
    store::LeaseState,
};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    holding::{command, deletion, is_its_holder, works},
    retold::End,
};

/// How far the side that served before is retired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum Retirement {
    /// The side is kept until then.
    Kept {
        side: Name,
        until: Timestamp,
        command: String,
    },
    /// The side may be retired.
    Due { side: Name, command: String },
    /// A `cleanup` works on it.
    Running {
        side: Name,
        by: String,
        since: Timestamp,
        step: Option<String>,
    },
    /// A `cleanup` was killed, or stopped.
    CutOff {
        side: Name,
        by: String,
        steps: Vec<String>,
        why: Option<String>,
        command: String,
    },
    /// The side runs nothing.
    ScaledToZero {
        side: Name,
        by: String,
        at: Timestamp,
        steps: Vec<String>,
        back: String,
        command: String,
    },
    /// The side is gone.
    Deleted {
        side: Name,
        by: String,
        at: Timestamp,
        steps: Vec<String>,
    },
}

/// Returns how far side `blue` is retired after a run that ended like this; `None` if the run did not move
/// everything to green. `runs` says whether blue has a target.
pub(crate) fn of(
    blue: &Name,
    ended: &End,
    kept: Option<&Cleanup>,
    standing: Option<&LeaseState>,
    runs: bool,
    now: Timestamp,
) -> Option<Retirement> {
    let until = ended.blue_kept_until?;
    let kept = kept.filter(|one| one.side == *blue && one.began >= ended.at);
    // The rule has the side again: it was made anew for the next release.
    if kept.is_some_and(Cleanup::has_deleted) {
        return None;
    }
    let found = kept.and_then(|kept| of_kept(kept, standing, runs, now));
    Some(found.unwrap_or_else(|| {
        let (side, command) = (blue.clone(), "bluegreen cleanup".to_owned());
        match now < until {
            true => Retirement::Kept {
                side,
                until,
                command,
            },
            false => Retirement::Due { side, command },
        }
    }))
}

/// Returns how far a cleanup came; `None` if nothing of it is left.
pub(crate) fn of_kept(
    kept: &Cleanup,
    standing: Option<&LeaseState>,
    runs: bool,
    now: Timestamp,
) -> Option<Retirement> {
    let (side, by) = (kept.side.clone(), kept.by.clone());
    let steps: Vec<String> = kept.steps.iter().map(ToString::to_string).collect();
    if let Some(standing) = standing.filter(|one| is_its_holder(kept, one) && works(one, now)) {
        return Some(Retirement::Running {
            side,
            by,
            since: standing.since,
            step: steps.last().cloned(),
        });
    }
    match (kept.ended, &kept.stopped) {
        // Nothing was done.
        (Some(_), Some(_)) if steps.is_empty() => None,
        (None, why) | (Some(_), why @ Some(_)) => Some(Retirement::CutOff {
            side,
            by,
            steps,
            why: why.clone(),
            command: command(kept),
        }),
        (Some(_), None) if kept.deletes => Some(Retirement::deleted(kept)),
        // A later deployment has started the side again.
        (Some(_), None) if runs => None,
        (Some(at), None) => Some(Retirement::ScaledToZero {
            command: deletion(kept),
            side,
            by,
            at,
            steps,
            back: "bluegreen rollback".to_owned(),
        }),
    }
}

impl Retirement {
    /// A side that is gone.
    pub(crate) fn deleted(cleanup: &Cleanup) -> Self {
        Self::Deleted {
            side: cleanup.side.clone(),
            by: cleanup.by.clone(),
            at: cleanup.ended.unwrap_or(cleanup.began),
            steps: cleanup.steps.iter().map(ToString::to_string).collect(),
        }
    }

    /// Whether blue cannot get traffic now.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self, Self::ScaledToZero { .. } | Self::Deleted { .. })
    }

    /// Returns the lines for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        match self {
            Self::Kept {
                side,
                until,
                command,
            } => vec![format!(
                "side {side} may be retired from {until:.0}: `{command}`"
            )],
            Self::Due { side, command } => {
                vec![format!("side {side} may be retired now: `{command}`")]
            }
            Self::Running {
                side,
                by,
                since,
                step,
            } => {
                let does = match step {
                    Some(step) => format!("step: {step}"),
                    None => "it waits for minutes without a request".to_owned(),
                };
                vec![format!(
                    "`cleanup` by {by} retires side {side} since {since:.0}; {does}"
                )]
            }
            Self::CutOff {
                side,
                by,
                steps,
                why,
                command,
            } => {
                let at = match steps.last() {
                    Some(step) => format!(" at the step: {step}"),
                    None => String::new(),
                };
                let why = match why {
                    Some(why) => format!(": {why}"),
                    None => String::new(),
                };
                vec![
                    format!("`cleanup` of side {side} by {by} was cut off{at}{why}"),
                    format!("`{command}` finishes it"),
                ]
            }
            Self::ScaledToZero {
                side,
                by,
                at,
                back,
                command,
                ..
            } => vec![
                format!("side {side} runs nothing: `cleanup` by {by} scaled it to zero at {at:.0}"),
                format!("`{back}` scales it up first; `{command}` removes it for good"),
            ],
            Self::Deleted {
                side,
                by,
                at,
                steps,
            } => {
                let mut lines = vec![format!(
                    "side {side} is deleted: `cleanup` by {by} removed it at {at:.0}"
                )];
                let gone = steps.iter().filter(|step| step.starts_with("delete "));
                lines.extend(
                    gone.map(|step| format!("  gone: {}", step.replacen("delete ", "", 1))),
                );
                lines
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const END: &str = "2030-01-01T10:00:00Z";

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn kept(changes: Value) -> Cleanup {
        let mut kept = json!({
            "version": 1, "side": "flask", "service": "shop/flask", "deletes": false, "keep": "24h", "by": "ann",
            "began": "2030-01-02T10:00:00Z", "steps": [],
        });
        for (field, value) in changes.as_object().unwrap() {
            kept[field] = value.clone();
        }
        serde_json::from_value(kept).unwrap()
    }

    fn state(kept: Option<Value>, runs: bool, now: &str) -> Option<Value> {
        let ended = End {
            run: "r".to_owned(),
            at: time(END),
            exit_code: 0,
            how: "promoted".to_owned(),
            blue_kept_until: Some(time("2030-01-02T10:00:00Z")),
        };
        let kept = kept.map(self::kept);
        let side = "flask".parse().unwrap();
        let found = of(&side, &ended, kept.as_ref(), None, runs, time(now))?;
        assert!(!found.lines().is_empty());
        Some(serde_json::to_value(&found).unwrap())
    }

    /// Each state, with the command that it names.
    #[test]
    fn each_state_names_the_command_that_helps() {
        let scaled = json!([{"step": "scale_to_zero", "service": "flask"}]);
        let ended = "2030-01-02T10:30:00Z";
        let later = "2030-01-02T11:00:00Z";
        for (kept, runs, now, wanted, command) in [
            (
                None,
                true,
                "2030-01-01T11:00:00Z",
                "kept",
                "bluegreen cleanup",
            ),
            (None, true, later, "due", "bluegreen cleanup"),
            // Refused before its first step.
            (
                Some(json!({"ended": ended, "stopped": "blue serves"})),
                true,
                later,
                "due",
                "bluegreen cleanup",
            ),
            // Of the release before.
            (
                Some(json!({"began": "2029-12-31T00:00:00Z", "ended": ended})),
                true,
                later,
                "due",
                "bluegreen cleanup",
            ),
            (
                Some(json!({"steps": scaled})),
                false,
                later,
                "cut_off",
                "bluegreen cleanup",
            ),
            (
                Some(
                    json!({"steps": scaled, "deletes": true, "ended": ended, "stopped": "denied"}),
                ),
                false,
                later,
                "cut_off",
                "bluegreen cleanup --delete flask",
            ),
            (
                Some(json!({"steps": scaled, "ended": ended, "keep": "0s"})),
                false,
                later,
                "scaled_to_zero",
                "bluegreen cleanup --keep 0s --delete flask",
            ),
            (
                Some(json!({"steps": scaled, "ended": ended})),
                true,
                later,
                "due",
                "bluegreen cleanup",
            ),
        ] {
            let found = state(kept.clone(), runs, now).unwrap();
            assert_eq!(found["state"], wanted, "{kept:?}");
            assert_eq!(found["command"], command, "{kept:?}");
        }
        let gone = json!({"steps": scaled, "deletes": true, "ended": ended});
        assert_eq!(state(Some(gone), false, later), None, "made anew");
    }
}
