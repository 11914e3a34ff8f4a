//! What a person sees, and what a program reads.

use std::fmt::Write as _;

use bluegreen::{
    MigrationError, MigrationOutcome, MigrationPlan, Verdict,
    engine::{Event, Request},
    health::{Phase, SeenSide, SeenTraffic},
    migration::{GateStanding, MigrationEvent},
    traffic::TrafficObservation,
};

use crate::common::{
    data::{json_line, try_json_line},
    say::{BAD, DIM, GOOD, Look, STRONG, UNSURE, answer, say_line},
};

/// One event a line as JSON.
pub(crate) fn json(event: &Event<MigrationEvent>) {
    json_line(event);
}

/// The command that does by hand what a restore does, once it is known.
pub(crate) fn by_hand() -> impl FnMut(&Event<MigrationEvent>) + Send {
    let mut is_said = false;
    move |event| {
        let MigrationEvent::Shifting { from, .. } = &event.kind else {
            return;
        };
        if let (false, Some(command)) = (is_said, &from.restore_command) {
            is_said = true;
            say_line!("{DIM}by hand: {command}{DIM:#}");
        }
    }
}

/// Progress for people, on stderr.
#[derive(Debug)]
pub(crate) struct Progress {
    steps: usize,
    /// What the last look showed, to leave out looks that show nothing new.
    shown: Option<(Vec<&'static str>, Option<SeenTraffic>)>,
    /// Whether the dead-man switch was shown as armed: it is renewed each minute.
    armed: bool,
}

impl Progress {
    /// Progress by this plan.
    pub(crate) fn of(plan: &MigrationPlan) -> Self {
        Self {
            steps: plan.steps().len(),
            shown: None,
            armed: false,
        }
    }

    /// Prints an event. Colour and its absence (NO_COLOR, no terminal) are the stream's matter.
    pub(crate) fn show(&mut self, event: &Event<MigrationEvent>) {
        let Some(text) = self.text(&event.kind, event.at) else {
            return;
        };
        let seconds = event.elapsed.as_secs();
        let time = format!("{:02}:{:02}", seconds / 60, seconds % 60);
        say_line!("{DIM}{time}{DIM:#}  {text}");
    }

    fn text(&mut self, event: &MigrationEvent, at: jiff::Timestamp) -> Option<String> {
        let style = match event {
            MigrationEvent::Started { .. } => return None,
            MigrationEvent::Looked {
                phase,
                traffic,
                gates,
                paused,
                next_look,
                ..
            } => {
                let seen = gates.iter().find_map(|g| g.verdict.evidence().traffic);
                if *phase == Phase::Confirm {
                    return self.confirming(seen);
                }
                let traffic = traffic.as_ref().ok();
                return self.looked(traffic, seen, gates, *paused, at, *next_look);
            }
            MigrationEvent::StepPassed { step, overridden } => {
                self.shown = None;
                let (step, of) = (step + 1, self.steps);
                let by = match overridden {
                    Some(control) => format!(", overridden: {control}"),
                    None => String::new(),
                };
                return Some(format!("{GOOD}✓ step {step} of {of} passed{GOOD:#}{by}"));
            }
            MigrationEvent::SwitchArmed { .. } if self.armed => return None,
            MigrationEvent::SwitchArmed { .. } => {
                self.armed = true;
                Look::Plain
            }
            MigrationEvent::SwitchFired { .. } => BAD,
            MigrationEvent::SwitchFailed { .. } => UNSURE,
            MigrationEvent::Restored { .. } | MigrationEvent::Confirmed { .. } => GOOD,
            MigrationEvent::Shifting { .. } | MigrationEvent::Shifted { .. } => STRONG,
            MigrationEvent::RollingBack { .. }
            | MigrationEvent::Drifted { .. }
            | MigrationEvent::WritingUnread { .. }
            | MigrationEvent::AllAtOnce { .. }
            | MigrationEvent::JournalFailed { .. } => BAD,
            MigrationEvent::Reopened { .. }
            | MigrationEvent::ReadFailed { .. }
            | MigrationEvent::WriteFailed { .. }
            | MigrationEvent::CapacityShort { .. }
            | MigrationEvent::CapacityFailed { .. }
            | MigrationEvent::Returning { .. }
            | MigrationEvent::PauseEnds { .. }
            | MigrationEvent::Controlled { .. } => UNSURE,
            // The last line is for where traffic is: see `ending`.
            MigrationEvent::Ended { .. } | MigrationEvent::Unresolved { .. } => return None,
            _ => Look::Plain,
        };
        Some(format!("{style}{event}{style:#}"))
    }

    /// A look at a restored blue, where gates decide nothing more.
    fn confirming(&mut self, seen: Option<SeenTraffic>) -> Option<String> {
        let now = Some((Vec::new(), seen));
        if self.shown == now {
            return None;
        }
        self.shown = now;
        let mut line = "blue has everything".to_owned();
        if let Some(seen) = seen {
            let share = seen.green_share().unwrap_or_default() * 100.0;
            let (blue, green) = (rates(&seen.sides.blue), rates(&seen.sides.green));
            let _ = write!(
                line,
                " (seen on green {share:.1}%)  blue {blue}  green {green}"
            );
        }
        line.push_str("  waiting for a settled minute without requests on green");
        Some(line)
    }

    /// A look, if it shows something new: another verdict, or another settled minute.
    fn looked(
        &mut self,
        traffic: Option<&TrafficObservation>,
        seen: Option<SeenTraffic>,
        gates: &[GateStanding],
        paused: bool,
        at: jiff::Timestamp,
        next_look: jiff::Timestamp,
    ) -> Option<String> {
        let words = gates.iter().map(|g| g.verdict.status()).collect();
        let now = Some((words, seen));
        if self.shown == now {
            return None;
        }
        self.shown = now;
        let mut line = String::new();
        match traffic {
            Some(traffic) => {
                let asked = traffic.green_share() * 100.0;
                let _ = write!(line, "green {asked:.1}%");
            }
            None => line.push_str("split unknown"),
        }
        if let Some(seen) = seen {
            if let Some(share) = seen.green_share() {
                let _ = write!(line, " (seen {:.1}%)", share * 100.0);
            }
            let _ = write!(
                line,
                "  blue {}  green {}",
                rates(&seen.sides.blue),
                rates(&seen.sides.green)
            );
        }
        for standing in gates {
            let (style, sign) = match &standing.verdict {
                Verdict::Healthy(_) => (GOOD, "✓"),
                Verdict::Unhealthy(_) => (BAD, "✗"),
                Verdict::Inconclusive(_) => (UNSURE, "…"),
            };
            let _ = write!(line, "  {style}{sign} {}{style:#}", standing.gate);
            let evidence = standing.verdict.evidence();
            if !standing.verdict.is_healthy() {
                let _ = write!(line, " {}", evidence.summary);
            } else if let Some(proof) = evidence.parts.iter().find(|p| p.judge == "sequential") {
                let _ = write!(line, " {}", proof.verdict.evidence().summary);
            }
        }
        if paused {
            let _ = write!(line, "  {UNSURE}paused{UNSURE:#}");
        }
        let wait = next_look.duration_since(at).as_secs_f64().round();
        let _ = write!(line, "  {DIM}next look in {wait}s{DIM:#}");
        Some(line)
    }
}

/// The last words: how it ended, and where traffic is.
pub(crate) fn ending(ended: &Result<MigrationOutcome, MigrationError>) {
    match ended {
        Ok(outcome) if outcome.exit_code() == 0 => say_line!("{GOOD}{outcome}{GOOD:#}"),
        Ok(outcome) => say_line!("{BAD}{outcome}{BAD:#}"),
        Err(MigrationError::Plan(_)) => {}
        Err(error) => say_line!("{BAD}{error}{BAD:#}"),
    }
}

fn rates(side: &SeenSide) -> String {
    let mut text = format!("{} req", side.requests);
    if let Some(rate) = side.error_rate {
        let _ = write!(text, " {:.2}% err", rate * 100.0);
    }
    if let Some(latency) = side.mean_latency_ms {
        let _ = write!(text, " {latency:.0} ms");
    }
    text
}

/// The split as `status` shows it.
///
/// # Errors
///
/// Where the answer could not be written: without it, there is none.
pub(crate) fn status(
    traffic: &TrafficObservation,
    switch: &bluegreen::Result<Option<jiff::Timestamp>>,
    requests: &[Request],
    json: bool,
) -> std::io::Result<()> {
    if json {
        let mut status = serde_json::to_value(traffic)?;
        if let (Some(status), Ok(fires)) = (status.as_object_mut(), switch) {
            status.insert("dead_man_fires".to_owned(), serde_json::to_value(fires)?);
        }
        if let (Some(status), false) = (status.as_object_mut(), requests.is_empty()) {
            status.insert("requests".to_owned(), serde_json::to_value(requests)?);
        }
        return try_json_line(&status);
    }
    let mut lines = vec![
        format!("{STRONG}{traffic}{STRONG:#}"),
        format!("  blue   {}", traffic.targets.blue),
        format!("  green  {}", traffic.targets.green),
    ];
    if let Some(stickiness) = traffic.stickiness {
        let seconds = stickiness.as_secs();
        lines.push(format!("  clients stay on a side for {seconds} s"));
    }
    lines.push(match switch {
        Ok(Some(fires)) => format!(
            "  the dead-man switch puts everything on blue at {fires:.0}, unless it is renewed"
        ),
        Ok(None) => "  no dead-man switch is armed".to_owned(),
        Err(error) => format!("  whether a dead-man switch is armed: {error}"),
    });
    for request in requests {
        lines.push(format!("  asked for and not answered: {request}"));
    }
    lines.extend(traffic.restore_advice().map(|advice| format!("  {advice}")));
    answer(&lines.join("\n"))
}
