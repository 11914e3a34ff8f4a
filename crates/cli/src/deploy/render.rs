//! The output of a deployment, for people and for programs.

use bluegreen::{
    DeploymentError,
    deployment::{DeploymentEvent, DeploymentOutcome},
    engine::Event,
};

use crate::common::{
    data::json_line,
    say::{BAD, DIM, GOOD, Look, STRONG, UNSURE, say_line},
};

/// Prints an event as a line of JSON.
pub(crate) fn json(event: &Event<DeploymentEvent>) {
    json_line(event);
}

/// Prints an event. The stream decides about colour (NO_COLOR, no terminal).
pub(crate) fn show(event: &Event<DeploymentEvent>) {
    let style = match &event.kind {
        DeploymentEvent::RolledOut { .. }
        | DeploymentEvent::Built { .. }
        | DeploymentEvent::Restored { .. } => GOOD,
        DeploymentEvent::Checked { report, .. } if report.is_passed() => GOOD,
        DeploymentEvent::Updating { .. } | DeploymentEvent::Registered { .. } => STRONG,
        DeploymentEvent::RollingBack { .. }
        | DeploymentEvent::TaskStopped { .. }
        | DeploymentEvent::JournalFailed { .. } => BAD,
        DeploymentEvent::Checked { .. }
        | DeploymentEvent::ReadFailed { .. }
        | DeploymentEvent::UpdateFailed { .. }
        | DeploymentEvent::ServiceRollsBack { .. }
        | DeploymentEvent::Controlled { .. } => UNSURE,
        DeploymentEvent::ServiceSaid { .. } | DeploymentEvent::Rollout { .. } => DIM,
        // `ending` prints the last line, which names the revision that runs.
        DeploymentEvent::Ended { .. } | DeploymentEvent::Unresolved { .. } => return,
        _ => Look::Plain,
    };
    let time = format!("{:>7}", event.time());
    say_line!("{DIM}{time}{DIM:#}  {style}{}{style:#}", event.kind);
    if let DeploymentEvent::Registered { registration } = &event.kind {
        diff(&registration.diff);
    }
}

/// Prints the changes in the task definition.
pub(crate) fn diff(lines: &[String]) {
    for line in lines {
        let style = match line.as_bytes().first() {
            Some(b'+') => GOOD,
            Some(b'-') => BAD,
            _ => DIM,
        };
        say_line!("         {style}{line}{style:#}");
    }
}

/// Prints how the deployment ended, and which revision runs.
pub(crate) fn ending(ended: &Result<DeploymentOutcome, DeploymentError>) {
    match ended {
        Ok(outcome) if outcome.exit_code() == 0 => say_line!("{GOOD}{outcome}{GOOD:#}"),
        Ok(outcome) => say_line!("{BAD}{outcome}{BAD:#}"),
        Err(error) => say_line!("{BAD}{error}{BAD:#}"),
    }
}
