//! What a run left behind: its journal, or the events that it printed.

use bluegreen::{
    engine::{Event, Record},
    migration::{MigrationEvent, ReplayError, events_of},
};

/// Why a file is not what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is nothing in it.
    #[error("it is empty: there is neither a record nor an event in it")]
    Empty,
    /// A line is neither a record of a journal nor an event.
    #[error("line {line}: {why}")]
    Line {
        /// The line, counted from 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// The records are not those of a migration.
    #[error("{0}")]
    Journal(#[from] ReplayError),
}

/// Reads a run from lines of JSON: the records of its journal, or the events that
/// `traffic_router --json` prints.
///
/// # Errors
///
/// [`SourceError`], with the line that is wrong and why.
pub fn read(text: &str) -> Result<Vec<Event<MigrationEvent>>, SourceError> {
    let lines = text.lines().enumerate();
    let mut lines = lines.filter(|(_, line)| !line.trim().is_empty()).peekable();
    let (first, line) = *lines.peek().ok_or(SourceError::Empty)?;
    let value: serde_json::Value = parse(first, line)?;
    if value.get("entry").is_some() {
        return Ok(events_of(&records(text)?)?);
    }
    if value.get("event").is_some() {
        return lines.map(|(number, line)| parse(number, line)).collect();
    }
    let why = "neither a record of a migration's journal (no `entry`) nor an event (no `event`)";
    Err(wrong(first, why))
}

/// Reads the records of a journal from lines of JSON.
///
/// # Errors
///
/// [`SourceError`], with the line that is wrong and why.
pub fn records(text: &str) -> Result<Vec<Record>, SourceError> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let mut records: Vec<Record> = Vec::new();
    for (number, line) in lines {
        let record: Record = parse(number, line)?;
        if record.seq != records.len() as u64 {
            let (found, place) = (record.seq, records.len());
            let why = format!("record {found} stands in the place of record {place}");
            return Err(wrong(number, why));
        }
        records.push(record);
    }
    if records.is_empty() {
        return Err(SourceError::Empty);
    }
    Ok(records)
}

fn parse<T: serde::de::DeserializeOwned>(number: usize, line: &str) -> Result<T, SourceError> {
    serde_json::from_str(line).map_err(|error| wrong(number, error))
}

fn wrong(index: usize, why: impl ToString) -> SourceError {
    SourceError::Line {
        line: index + 1,
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::View;

    const KEPT: &str = include_str!("../../../tests/stories/journals/migration-v3.jsonl");

    #[test]
    fn a_journal_is_read_and_shown() {
        let events = read(KEPT).expect("it was kept");
        let mut view = View::default();
        for event in &events {
            view.take(event);
        }
        assert_eq!(view.exit_code, Some(10));
        assert!(view.to_detect.expect("detected") > 0.0);
        assert!(view.outcome.expect("an end").starts_with("rolled back"));
    }

    #[test]
    fn events_are_read_too() {
        let events = read(KEPT).expect("it was kept");
        let lines: Vec<String> = events
            .iter()
            .map(|event| serde_json::to_string(event).expect("JSON"))
            .collect();
        assert_eq!(read(&lines.join("\n")).expect("events"), events);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let error = |text: &str| read(text).unwrap_err().to_string();
        assert!(error("").contains("empty"));
        assert!(error("hello").starts_with("line 1: expected value"));
        assert!(error("{\"a\": 1}").starts_with("line 1: neither"));
        let cut = &KEPT[..KEPT.len() - 40];
        let last = KEPT.lines().count();
        assert!(
            error(cut).starts_with(&format!("line {last}: ")),
            "{}",
            error(cut)
        );
        let mut lines: Vec<&str> = KEPT.lines().collect();
        lines.remove(3);
        assert!(error(&lines.join("\n")).starts_with("line 4: record 4 stands"));
        let release = include_str!("../../../tests/stories/journals/deployment-v2.jsonl");
        assert!(
            error(release).contains("record 0 cannot be read"),
            "{}",
            error(release)
        );
    }
}
