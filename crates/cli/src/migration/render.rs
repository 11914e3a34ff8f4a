//! The output of a migration, for people and for programs.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use bluegreen::{
    MigrationError, MigrationOutcome, MigrationPlan, Verdict,
    engine::{Event, Request},
    health::{Phase, SeenSide, SeenTraffic},
    migration::{GateStanding, MigrationEvent},
    spec::{MigrationSpec, NamedSide},
    store::LeaseState,
    traffic::{Sides, TrafficObservation},
};
use jiff::Timestamp;

use super::{
    blue::Why,
    retirement::Retirement,
    retold::{End, Pause},
};
use crate::common::{
    data::{json_line, try_json_line},
    say::{BAD, DIM, GOOD, Look, STRONG, UNSURE, answer, say_line, width},
};

/// Prints an event as a line of JSON.
pub(crate) fn json(event: &Event<MigrationEvent>) {
    json_line(event);
}

/// Prints the command that restores by hand, as soon as it is known.
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
    /// The state at the last look that was printed: a look without news is not printed.
    shown: Option<(Vec<&'static str>, Option<SeenTraffic>)>,
    /// The status last printed of each gate, and when.
    gates: BTreeMap<String, (&'static str, Duration)>,
    /// When it was last printed that a restored blue is not confirmed yet.
    confirming: Option<Duration>,
    /// Whether the dead-man switch was shown as armed: it is renewed each minute, and shown once.
    armed: bool,
}

/// A verdict that does not change, and the reason for a wait, are printed again after this time.
const AGAIN: Duration = Duration::from_secs(5 * 60);

impl Progress {
    /// Returns the progress of a run of this plan.
    pub(crate) fn of(plan: &MigrationPlan) -> Self {
        Self {
            steps: plan.steps().len(),
            shown: None,
            gates: BTreeMap::new(),
            confirming: None,
            armed: false,
        }
    }

    /// Prints an event. The stream decides about colour (NO_COLOR, no terminal).
    pub(crate) fn show(&mut self, event: &Event<MigrationEvent>) {
        let Some(text) = self.text(event) else {
            return;
        };
        let mut time = format!("{:>7}", event.time());
        for part in text.lines() {
            let line = format!("{time:<7}  {part}");
            let indent = INDENT + part.len() - part.trim_start().len();
            for (index, line) in wrapped(&line, COLUMNS, indent).iter().enumerate() {
                match index == 0 && !time.is_empty() {
                    true => say_line!("{DIM}{time}{DIM:#}{}", &line[time.len()..]),
                    false => say_line!("{line}"),
                }
            }
            time.clear();
        }
    }

    fn text(&mut self, event: &Event<MigrationEvent>) -> Option<String> {
        let elapsed = event.elapsed;
        let event = &event.kind;
        let style = match event {
            MigrationEvent::Started { .. } => return None,
            MigrationEvent::Looked {
                phase,
                traffic,
                gates,
                paused,
                ..
            } => {
                let seen = gates.iter().find_map(|g| g.verdict.evidence().traffic);
                if *phase == Phase::Confirm {
                    return self.confirming(elapsed);
                }
                let traffic = traffic.as_ref().ok();
                return self.looked(traffic, seen, gates, *paused, elapsed);
            }
            MigrationEvent::StepPassed { step, overridden } => {
                self.shown = None;
                self.gates.clear();
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
            | MigrationEvent::Awaiting { .. }
            | MigrationEvent::CapacityShort { .. }
            | MigrationEvent::CapacityFailed { .. }
            | MigrationEvent::Returning { .. }
            | MigrationEvent::PauseEnds { .. }
            | MigrationEvent::Controlled { .. } => UNSURE,
            // `ending` prints the last line, which says where traffic is.
            MigrationEvent::Ended { .. } | MigrationEvent::Unresolved { .. } => return None,
            _ => Look::Plain,
        };
        Some(format!("{style}{event}{style:#}"))
    }

    /// Returns the line of a look at a restored blue, at which gates decide nothing more.
    fn confirming(&mut self, elapsed: Duration) -> Option<String> {
        let last = self.confirming;
        if last.is_some_and(|last| elapsed.saturating_sub(last) < AGAIN) {
            return None;
        }
        self.confirming = Some(elapsed);
        let still = if last.is_some() { "still " } else { "" };
        Some(format!(
            "blue has everything; {still}waiting for a settled minute without requests on green"
        ))
    }

    /// Returns the lines of a look, if it shows something new: another verdict, or another settled minute.
    fn looked(
        &mut self,
        traffic: Option<&TrafficObservation>,
        seen: Option<SeenTraffic>,
        gates: &[GateStanding],
        paused: bool,
        elapsed: Duration,
    ) -> Option<String> {
        let words = gates.iter().map(|g| g.verdict.status()).collect();
        let now = Some((words, seen));
        if self.shown == now {
            return None;
        }
        self.shown = now;
        let mut text = match traffic {
            Some(traffic) => format!("green {:.1}%", traffic.green_share() * 100.0),
            None => "split unknown".to_owned(),
        };
        if let Some(seen) = seen {
            if let Some(share) = seen.green_share() {
                let _ = write!(text, " (seen {:.1}%)", share * 100.0);
            }
            let _ = write!(text, "  {}", rates(&seen.sides));
        }
        if paused {
            let _ = write!(text, "  {UNSURE}paused{UNSURE:#}");
        }
        for standing in gates {
            let (style, sign) = match &*standing.verdict {
                Verdict::Healthy(_) => (GOOD, "✓"),
                Verdict::Unhealthy(_) => (BAD, "✗"),
                Verdict::Inconclusive(_) => (UNSURE, "…"),
            };
            let (gate, status) = (standing.gate.to_string(), standing.verdict.status());
            let is_known = self.gates.get(&gate).is_some_and(|(before, at)| {
                let is_quiet = elapsed.saturating_sub(*at) < AGAIN;
                *before == status && (standing.verdict.is_healthy() || is_quiet)
            });
            if is_known {
                continue;
            }
            let evidence = standing.verdict.evidence();
            let proof = evidence.parts.iter().find(|p| p.judge == "sequential");
            let words = match proof {
                Some(proof) if standing.verdict.is_healthy() => &proof.verdict.evidence().summary,
                _ => &evidence.summary,
            };
            let _ = write!(text, "\n{style}{sign} {gate}{style:#}: {words}");
            self.gates.insert(gate, (status, elapsed));
        }
        Some(text)
    }
}

/// The longest line that can be read on any terminal and in any log.
pub(crate) const COLUMNS: usize = 80;
/// The indent of a continued line: below the text after the time.
const INDENT: usize = 9;

/// Wraps a text into lines of at most `columns`, all but the first indented. A longer word stays whole.
pub(crate) fn wrapped(text: &str, columns: usize, indent: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split_inclusive(' ') {
        let own = width(word.trim_end());
        if length + own > columns && length > indent {
            lines.push(" ".repeat(indent));
            length = indent;
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
        }
        length += width(word);
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// Prints how the migration ended, and where traffic is.
pub(crate) fn ending(ended: &Result<MigrationOutcome, MigrationError>) {
    match ended {
        Ok(outcome) if outcome.exit_code() == 0 => say_line!("{GOOD}{outcome}{GOOD:#}"),
        Ok(outcome) => say_line!("{BAD}{outcome}{BAD:#}"),
        Err(MigrationError::Plan(_)) => {}
        Err(error) => say_line!("{BAD}{error}{BAD:#}"),
    }
}

/// Returns `550/55 req, 0.18/0.00% failed, 141/111 ms`, each blue's figure before green's.
fn rates(sides: &Sides<SeenSide>) -> String {
    let Sides { blue, green } = sides;
    let mut text = format!("{}/{} req", blue.requests, green.requests);
    let both = |value: fn(&SeenSide) -> Option<f64>, digits: usize| {
        let shown = |value: Option<f64>| value.map(|value| format!("{value:.digits$}"));
        let (blue, green) = (shown(value(blue)), shown(value(green)));
        let none = || "-".to_owned();
        let is_known = blue.is_some() || green.is_some();
        is_known.then(|| {
            format!(
                "{}/{}",
                blue.unwrap_or_else(none),
                green.unwrap_or_else(none)
            )
        })
    };
    if let Some(rates) = both(|side| Some(side.error_rate? * 100.0), 2) {
        let _ = write!(text, ", {rates}% failed");
    }
    if let Some(latencies) = both(|side| side.mean_latency_ms, 0) {
        let _ = write!(text, ", {latencies} ms");
    }
    text
}

/// Returns a share in percent, with a tenth unless that is zero.
fn short(percent: f64) -> String {
    let text = format!("{percent:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// The facts that `status` shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status<'a> {
    pub(crate) traffic: &'a TrafficObservation,
    pub(crate) sides: &'a Sides<NamedSide>,
    /// When the dead-man switch fires, if one is armed.
    pub(crate) switch: &'a bluegreen::Result<Option<Timestamp>>,
    /// The controller that works on the rule, by the journal.
    pub(crate) holder: Option<&'a LeaseState>,
    pub(crate) requests: &'a [Request],
    /// The specification of the newest run, for the risks that it accepts.
    pub(crate) accepted: Option<&'a MigrationSpec>,
    /// The pause of the run that is under way.
    pub(crate) paused: Option<&'a Pause>,
    /// How the newest run ended, if none is under way.
    pub(crate) ended: Option<&'a End>,
    /// How it is known which side is blue.
    pub(crate) why: Why,
    /// How far blue is retired, if everything moved to green.
    pub(crate) retirement: Option<&'a Retirement>,
    /// The present time, by the clock that reads the journal.
    pub(crate) now: Timestamp,
}

impl Status<'_> {
    /// Prints the status on stdout.
    ///
    /// # Errors
    ///
    /// If the answer could not be written: the verb has then no result.
    pub(crate) fn show(self, json: bool) -> std::io::Result<()> {
        match json {
            true => try_json_line(&self.as_data()?),
            false => answer(&self.as_text()),
        }
    }

    fn as_data(self) -> serde_json::Result<serde_json::Value> {
        let mut status = serde_json::to_value(self.traffic)?;
        let Some(table) = status.as_object_mut() else {
            return Ok(status);
        };
        let sides = Sides {
            blue: &self.sides.blue.name,
            green: &self.sides.green.name,
        };
        table.insert("sides".to_owned(), serde_json::to_value(sides)?);
        table.insert("is_known_which_served".to_owned(), self.is_known().into());
        table.insert("blue_by".to_owned(), serde_json::to_value(self.why)?);
        if let Some(why) = self.no_restore() {
            table.insert("restore_command".to_owned(), serde_json::Value::Null);
            table.insert("no_restore_because".to_owned(), why.into());
        }
        if let Some(retirement) = self.retirement {
            let retirement = serde_json::to_value(retirement)?;
            table.insert("cleanup".to_owned(), retirement);
        }
        if let Ok(fires) = self.switch {
            table.insert("dead_man_fires".to_owned(), serde_json::to_value(fires)?);
        }
        if let Some(holder) = self.holder {
            table.insert("journal".to_owned(), holder.to_string().into());
        }
        if let Some(paused) = self.paused {
            table.insert("paused".to_owned(), serde_json::to_value(paused)?);
        }
        if let Some(ended) = self.ended {
            table.insert("last_run".to_owned(), serde_json::to_value(ended)?);
        }
        if let Some(spec) = self.accepted {
            let risks = serde_json::to_value(&spec.safety.accept)?;
            table.insert("accepted".to_owned(), risks);
        }
        if !self.requests.is_empty() {
            table.insert("requests".to_owned(), serde_json::to_value(self.requests)?);
        }
        Ok(status)
    }

    fn is_known(self) -> bool {
        self.why != Why::File
    }

    /// Returns why no command puts traffic back.
    fn no_restore(self) -> Option<String> {
        let blue = &self.sides.blue.name;
        if !self.is_known() {
            return Some("it is not known which side served before".to_owned());
        }
        if self.traffic.is_all_blue() {
            return Some(format!("{blue} has all of the traffic"));
        }
        let counts = &self.traffic.targets.blue;
        if counts.registered() > counts.draining {
            return None;
        }
        Some(match self.retirement.is_some_and(Retirement::is_away) {
            true => format!("{blue} runs nothing: `bluegreen rollback` scales it up first"),
            false => format!("{blue} has no target"),
        })
    }

    fn as_text(self) -> String {
        let Self { traffic, sides, .. } = self;
        let green = 100.0 * traffic.green_share();
        let (one, other) = (&sides.blue.name, &sides.green.name);
        let weights = &traffic.weights;
        let mut lines = vec![format!(
            "{STRONG}{one} {}% / {other} {}% (weights {}:{}){STRONG:#}",
            short(100.0 - green),
            short(green),
            weights.blue,
            weights.green
        )];
        let counts = &traffic.targets;
        let colours = match self.is_known() {
            true => ["blue   ", "green  "],
            false => ["", ""],
        };
        for (colour, side, targets) in [
            (colours[0], &sides.blue, &counts.blue),
            (colours[1], &sides.green, &counts.green),
        ] {
            lines.push(format!("  {colour}{}: {targets}", side.name));
        }
        if self.why == Why::NewestRun {
            let blue = &sides.blue.name;
            lines.push(format!("  blue is {blue}: it served before the newest run"));
        }
        if let Some(stickiness) = traffic.stickiness {
            let seconds = stickiness.as_secs();
            lines.push(format!("  clients stay on a side for {seconds} s"));
        }
        if let Some(holder) = self.holder {
            let silent = self.now.duration_since(holder.last).as_secs().max(0);
            lines.push(match holder.holder.is_some() {
                true => format!("  journal: {holder}, {silent} s ago"),
                false => format!("  journal: {holder}"),
            });
        }
        lines.extend(self.paused.map(|Pause { until, by }| {
            format!("  paused by {by} until {until:.0} at the latest; `bluegreen continue` ends the pause")
        }));
        lines.extend(self.ended.map(|ended| {
            let (run, at) = (&ended.run, ended.at);
            let (code, how) = (ended.exit_code, &ended.how);
            format!("  the last run, {run}, ended at {at:.0} with {code}: {how}")
        }));
        let retirement = self.retirement.map(Retirement::lines);
        let retirement = retirement.into_iter().flatten();
        lines.extend(retirement.map(|line| format!("  {line}")));
        let accepted = self.accepted.and_then(super::accepted);
        lines.extend(accepted.map(|accepted| format!("  {accepted}")));
        lines.push(match self.switch {
            Ok(Some(fires)) => format!(
                "  the dead-man switch puts everything on blue at {fires:.0}, unless it is renewed"
            ),
            Ok(None) => "  no dead-man switch is armed".to_owned(),
            Err(error) => format!("  it is not known whether a dead-man switch is armed: {error}"),
        });
        for request in self.requests {
            lines.push(format!("  request without an answer: {request}"));
        }
        match (self.is_known(), self.no_restore()) {
            (false, _) => lines.push(format!(
                "  it is not known which side served before: `bluegreen rollback --to {one}`, or --to {other}"
            )),
            (true, Some(why)) => lines.push(format!("  nothing to put back by hand: {why}")),
            (true, None) => {
                lines.push("  to put everything back: `bluegreen rollback`".to_owned());
                lines.extend(traffic.restore_advice().map(|advice| format!("  {advice}")));
            }
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_continues_below_its_words_and_loses_none() {
        let text = " +8m03s  green 10.0% (seen 9.1%)  blue 550 req 0.18% err 141 ms, green 55 req 0.00% err 111 ms";
        let lines = wrapped(text, COLUMNS, INDENT);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.len() <= COLUMNS), "{lines:?}");
        assert!(lines[1].starts_with("         ") && !lines[1].starts_with("          "));
        let words =
            |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        assert_eq!(words(&lines.join(" ")), words(text));
        let arn = "a".repeat(200);
        assert_eq!(wrapped(&arn, COLUMNS, INDENT), [arn]);
    }

    #[test]
    fn a_mark_of_colour_takes_no_column() {
        let words = format!("{GOOD}{}{GOOD:#}", "word ".repeat(16).trim_end());
        assert_eq!(wrapped(&words, COLUMNS, INDENT).len(), 1);
    }
}
