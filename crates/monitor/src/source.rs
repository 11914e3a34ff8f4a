//! Reads a past run: its journal, or the events that it printed.

use bluegreen::{
    engine::{Event, Record},
    migration::{MigrationEvent, ReplayError, Retelling},
};

/// Why a file is not the trace of a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file is empty.
    #[error("the file is empty: it holds neither a record nor an event")]
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

/// Reads a run of any length line by line: the records of its journal, or the events that
/// `bluegreen migrate --json` prints, as JSON.
#[derive(Debug, Default)]
pub struct Reading {
    lines: usize,
    what: Option<What>,
}

/// The kind of lines, known by the first line.
#[derive(Debug)]
enum What {
    Journal {
        records: u64,
        retelling: Box<Retelling>,
    },
    Events,
}

impl Reading {
    /// Takes the next line, and returns the events that it holds. An empty line holds none.
    ///
    /// # Errors
    ///
    /// [`SourceError`], with the line that is wrong and why.
    pub fn take(&mut self, line: &str) -> Result<Vec<Event<MigrationEvent>>, SourceError> {
        let index = self.lines;
        self.lines += 1;
        if line.trim().is_empty() {
            return Ok(Vec::new());
        }
        match &mut self.what {
            Some(What::Journal { records, retelling }) => {
                let record = record(index, line, *records)?;
                *records += 1;
                Ok(retelling.take(&record)?)
            }
            Some(What::Events) => Ok(vec![parse(index, line)?]),
            None => {
                let value: serde_json::Value = parse(index, line)?;
                if value.get("entry").is_some() {
                    let mut retelling = Box::new(Retelling::new());
                    let events = retelling.take(&record(index, line, 0)?)?;
                    let records = 1;
                    self.what = Some(What::Journal { records, retelling });
                    return Ok(events);
                }
                if value.get("event").is_some() {
                    self.what = Some(What::Events);
                    return Ok(vec![parse(index, line)?]);
                }
                let why = "neither a record of a migration's journal (no `entry`) nor an event (no \
                           `event`)";
                Err(wrong(index, why))
            }
        }
    }

    /// Ends the reading, after the last line.
    ///
    /// # Errors
    ///
    /// [`SourceError::Empty`] if no line held a record or an event.
    pub fn end(&self) -> Result<(), SourceError> {
        match self.what {
            Some(_) => Ok(()),
            None => Err(SourceError::Empty),
        }
    }
}

/// Reads a run from lines of JSON, as [`Reading`] does.
///
/// # Errors
///
/// [`SourceError`], with the line that is wrong and why.
pub fn read(text: &str) -> Result<Vec<Event<MigrationEvent>>, SourceError> {
    let mut reading = Reading::default();
    let mut events = Vec::new();
    for line in text.lines() {
        events.extend(reading.take(line)?);
    }
    reading.end()?;
    Ok(events)
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
        records.push(record(number, line, records.len() as u64)?);
    }
    if records.is_empty() {
        return Err(SourceError::Empty);
    }
    Ok(records)
}

/// Reads a record, whose number must be `place`.
fn record(index: usize, line: &str, place: u64) -> Result<Record, SourceError> {
    let record: Record = parse(index, line)?;
    if record.seq == place {
        return Ok(record);
    }
    let found = record.seq;
    let why = format!("record {found} stands in the place of record {place}");
    Err(wrong(index, why))
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

    const KEPT: &str = include_str!("../testdata/migration-v3.jsonl");

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
        let release = include_str!("../testdata/deployment-v2.jsonl");
        assert!(
            error(release).contains("record 0 cannot be read"),
            "{}",
            error(release)
        );
    }
}
