//! A migration as plain lines.

use bluegreen::{engine::Event, migration::MigrationEvent};
use bluegreen_monitor::{Border, View, clock};

use crate::common::say::say_line;

/// Prints each change as a line.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    shown: Option<String>,
}

impl Lines {
    /// Prints an event that the view has taken.
    pub(crate) fn show(&mut self, event: &Event<MigrationEvent>, view: &View) {
        match &event.kind {
            MigrationEvent::Looked { .. } => self.look(view),
            MigrationEvent::SwitchArmed { .. } => {}
            MigrationEvent::Ended { .. } | MigrationEvent::Unresolved { .. } => {}
            _ => say_line!("{event}"),
        }
    }

    /// Prints a look, if it shows something new.
    pub(crate) fn look(&mut self, view: &View) {
        let Some(point) = view.series.newest() else {
            return;
        };
        let percent = |value: Option<f64>| match value {
            Some(value) => format!("{value:.1}%"),
            None => "—".to_owned(),
        };
        let mut line = format!(
            "green {} (seen {})",
            percent(point.asked),
            percent(point.seen)
        );
        for (name, side) in [("blue", point.blue), ("green", point.green)] {
            if let Some(rate) = side.rate {
                line.push_str(&format!("  {name} {rate:.0}/min"));
            }
            if let Some(errors) = side.errors {
                line.push_str(&format!(" {errors:.2}% failed"));
            }
            if let Some(latency) = side.latency {
                line.push_str(&format!(" {latency:.0} ms"));
            }
        }
        for gate in &view.gates {
            line.push_str(&format!("  {} {}", gate.name, gate.status));
            let part = |name: &str, border: &Option<Border>| match border {
                Some(border) => format!(" {name} {:.0}%", border.percent()),
                None => String::new(),
            };
            line.push_str(&part("roll back", &gate.harm));
            line.push_str(&part("pass step", &gate.proof));
        }
        if self.shown.as_ref() == Some(&line) {
            return;
        }
        say_line!("{} {line}", clock(view.elapsed));
        self.shown = Some(line);
    }
}
