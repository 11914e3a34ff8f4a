//! The output of a judge, for people and for programs.

use std::time::Duration;

use bluegreen::{
    engine::Event,
    native::{NativeError, NativeEvent, NativeOutcome, NativeSurvey, PauseStatus},
    preflight::{Acceptance, Finding, Severity},
};

use crate::common::{
    data::json_line,
    say::{BAD, DIM, GOOD, Look, STRONG, UNSURE, say_line},
};

/// A look that shows nothing new is printed at this interval at most.
const QUIET: Duration = Duration::from_secs(5 * 60);

/// Prints an event as a line of JSON.
pub(super) fn json(event: &Event<NativeEvent>) {
    json_line(event);
}

/// Prints the events of a judge. Looks come every few seconds, so a look is printed if it shows something new,
/// or after a while of silence.
#[derive(Debug, Default)]
pub(super) struct Progress {
    shown: Option<(String, Duration)>,
}

impl Progress {
    /// Prints an event.
    pub(super) fn show(&mut self, event: &Event<NativeEvent>) {
        let style = match &event.kind {
            NativeEvent::Looked { .. } => {
                let is_new = self.is_new(event);
                if !is_new {
                    return;
                }
                Look::Plain
            }
            NativeEvent::Answered { .. } | NativeEvent::PreflightPassed { .. } => GOOD,
            NativeEvent::Checked { report, .. } if report.is_passed() => GOOD,
            NativeEvent::Answering { .. }
            | NativeEvent::ShareSeen { .. }
            | NativeEvent::RollBackTaken { .. } => STRONG,
            NativeEvent::RollingBack { .. } | NativeEvent::JournalFailed { .. } => BAD,
            NativeEvent::Checked { .. }
            | NativeEvent::ReadFailed { .. }
            | NativeEvent::AnswerFailed { .. }
            | NativeEvent::RollBackFailed { .. }
            | NativeEvent::SuccessorSeen { .. }
            | NativeEvent::Controlled { .. }
            | NativeEvent::Paused { .. }
            | NativeEvent::PauseEnds { .. } => UNSURE,
            NativeEvent::NotReady { .. } => DIM,
            // `ending` prints the last line.
            NativeEvent::Ended { .. } | NativeEvent::Unresolved { .. } => return,
            _ => Look::Plain,
        };
        let time = format!("{:>7}", event.time());
        say_line!("{DIM}{time}{DIM:#}  {style}{}{style:#}", event.kind);
    }

    fn is_new(&mut self, event: &Event<NativeEvent>) -> bool {
        let NativeEvent::Looked {
            phase,
            observed,
            is_old,
            gates,
            paused,
            ..
        } = &event.kind
        else {
            return true;
        };
        let seen = match observed {
            Ok(seen) => {
                let waits = seen
                    .pauses
                    .iter()
                    .filter(|pause| pause.status == PauseStatus::Awaiting);
                format!("{} {} {}", seen.status, seen.green(), waits.count())
            }
            Err(_) => "unread".to_owned(),
        };
        let gates: Vec<&str> = gates.iter().map(|gate| gate.verdict.status()).collect();
        let key = format!("{phase} {seen} {is_old} {paused} {}", gates.join(" "));
        if let Some((shown, at)) = &self.shown
            && *shown == key
            && event.elapsed.saturating_sub(*at) < QUIET
        {
            return false;
        }
        self.shown = Some((key, event.elapsed));
        true
    }
}

/// Prints how a judge ended.
pub(super) fn ending(ended: &Result<NativeOutcome, NativeError>) {
    match ended {
        Ok(outcome) if outcome.exit_code() == 0 => say_line!("{GOOD}{outcome}{GOOD:#}"),
        Ok(outcome) => say_line!("{BAD}{outcome}{BAD:#}"),
        Err(error) => say_line!("{BAD}{error}{BAD:#}"),
    }
}

/// Returns what a survey says, in lines.
pub(super) fn survey(survey: &NativeSurvey) -> Vec<String> {
    let mut lines = vec![format!("strategy: {}", survey.strategy)];
    lines.push(format!(
        "bake after the last rise: {}",
        match survey.bake {
            Duration::ZERO => "none".to_owned(),
            bake => span(bake),
        }
    ));
    for hook in &survey.hooks {
        let stages = hook.stages.join(", ");
        lines.push(match &hook.target {
            bluegreen::native::HookTarget::Pause => {
                let waits = hook.timeout.map(span).unwrap_or_else(|| "?".to_owned());
                let then = match hook.on_timeout {
                    bluegreen::native::OnTimeout::RollBack => "rolls back",
                    _ => "CONTINUES",
                };
                format!("pause at {stages}: waits {waits}, then {then}")
            }
            bluegreen::native::HookTarget::Function(name) => {
                format!("function {name} at {stages}")
            }
        });
    }
    if !survey.alarms.is_empty() {
        let then = match survey.alarms_roll_back {
            true => "rolls back",
            false => "ends without a rollback",
        };
        lines.push(format!("alarms {}: ECS {then}", survey.alarms.join(", ")));
    }
    lines
}

/// Returns findings in lines, and whether one of them stops.
pub(super) fn findings(
    found: &[Finding],
    accepted: &std::collections::BTreeSet<Acceptance>,
) -> (Vec<String>, bool) {
    let mut lines = Vec::new();
    for finding in found {
        let kind = match finding.severity {
            Severity::Note => "note",
            _ if finding.stops(accepted) => "refusal",
            _ => "accepted",
        };
        lines.push(format!("{kind}: {finding}"));
        if let Some(hint) = &finding.hint {
            lines.push(format!("  hint: {hint}"));
        }
    }
    (lines, found.iter().any(|finding| finding.stops(accepted)))
}

/// A span of time for people: `10m`.
pub(super) fn span(span: Duration) -> String {
    bluegreen::spec::Span::from(span).to_string()
}
