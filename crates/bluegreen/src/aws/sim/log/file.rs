//! [`Log`]: the file of events, which processes share, and its errors.

use std::{
    fs::{File, TryLockError},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::event::{Event, nanos};

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::aws::sim) struct Entry {
    /// The time, in nanoseconds since the start. Never earlier than the time of the line above.
    nanos: u64,
    #[serde(flatten)]
    pub(in crate::aws::sim) event: Event,
}

impl Entry {
    pub(in crate::aws::sim) fn at(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }
}

/// The file of events, one line for each.
///
/// A look at the world holds the file's lock, reads the lines that others have appended, and appends
/// its own. A line without an end was being written by a process that died: its call had no answer,
/// so the line is cut off.
#[derive(Debug)]
pub(in crate::aws::sim) struct Log {
    file: File,
    path: PathBuf,
    /// How many bytes are read: always whole lines.
    read: u64,
    lines: u64,
    /// The time of the last line that was read.
    last: Duration,
    /// Why the file can no longer be used.
    trouble: Option<String>,
}

/// How long a look waits for the lock: a look takes microseconds.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(1);
/// The longest time between two lines. Every wait of a migration is shorter, and a line with a broken
/// time must not make a look simulate years.
const LONGEST_GAP: Duration = Duration::from_secs(7 * 24 * 3600);

impl Log {
    pub(in crate::aws::sim) fn new(file: File, path: PathBuf) -> Self {
        Self {
            file,
            path,
            read: 0,
            lines: 0,
            last: Duration::ZERO,
            trouble: None,
        }
    }

    /// Takes the lock and returns the new lines. After trouble it returns none and holds no lock.
    pub(in crate::aws::sim) fn hold(&mut self) -> Vec<Entry> {
        if self.trouble.is_some() {
            return Vec::new();
        }
        let locked = wait_for_lock(&self.file)
            .map_err(|why| format!("cannot lock {}: {why}", self.path.display()));
        let entries = locked.and_then(|()| self.news());
        entries.unwrap_or_else(|why| {
            self.give_up(why);
            Vec::new()
        })
    }

    /// Appends an event. The lock must be held.
    pub(in crate::aws::sim) fn append(&mut self, at: Duration, event: Event) -> Result<(), String> {
        if let Some(why) = &self.trouble {
            return Err(why.clone());
        }
        let entry = Entry {
            nanos: nanos(at),
            event,
        };
        let written = serde_json::to_vec(&entry)
            .map_err(std::io::Error::from)
            .and_then(|mut line| {
                line.push(b'\n');
                self.file.seek(SeekFrom::Start(self.read))?;
                self.file.write_all(&line)?;
                Ok(line.len() as u64)
            });
        match written {
            Ok(length) => {
                self.read += length;
                self.lines += 1;
                self.last = at;
                Ok(())
            }
            Err(error) => {
                // Half a line is cut off. If this fails too, the next process to read cuts it off.
                let _ = self.file.set_len(self.read);
                let why = format!(
                    "cannot write {}: {error}; free disk space or correct the folder's permissions, then run again",
                    self.path.display()
                );
                self.give_up(why.clone());
                Err(why)
            }
        }
    }

    /// Releases the lock.
    pub(in crate::aws::sim) fn release(&mut self) {
        // Closing the file releases the lock too.
        let _ = self.file.unlock();
    }

    /// The time of the newest event.
    pub(in crate::aws::sim) fn last(&self) -> Duration {
        self.last
    }

    /// Why the file can no longer be used, if so.
    pub(in crate::aws::sim) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    fn give_up(&mut self, why: String) {
        self.release();
        self.trouble = Some(why);
    }

    /// Reads the lines that others have appended.
    fn news(&mut self) -> Result<Vec<Entry>, String> {
        let path = self.path.display().to_string();
        let failed = |error: std::io::Error| format!("cannot read {path}: {error}");
        let length = self.file.metadata().map_err(failed)?.len();
        if length < self.read {
            return Err(format!(
                "{path} was cut while it was in use; run again to continue from the rest"
            ));
        }
        if length == self.read {
            return Ok(Vec::new());
        }
        let mut text = Vec::new();
        self.file
            .seek(SeekFrom::Start(self.read))
            .and_then(|_| self.file.read_to_end(&mut text))
            .map_err(failed)?;
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        if whole < text.len() {
            let kept = self.read + whole as u64;
            self.file.set_len(kept).map_err(failed)?;
            text.truncate(whole);
        }
        let mut entries = Vec::new();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let number = self.lines + 1;
            let broken = |why: String| {
                format!("line {number} of {path} is broken: {why}; delete the folder to begin anew")
            };
            let entry: Entry =
                serde_json::from_slice(line).map_err(|error| broken(error.to_string()))?;
            let gap = entry.at().checked_sub(self.last);
            if gap.is_none_or(|gap| gap > LONGEST_GAP) {
                return Err(broken("its time does not follow the line above".to_owned()));
            }
            self.last = entry.at();
            self.lines = number;
            self.read += line.len() as u64;
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// Holds the lock of the file while it lives, for work beside the log.
#[derive(Debug)]
pub(in crate::aws::sim) struct Lock<'a>(&'a File);

impl<'a> Lock<'a> {
    pub(in crate::aws::sim) fn take(file: &'a File) -> Result<Self, String> {
        wait_for_lock(file).map(|()| Self(file))
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Closing the file releases the lock too.
        let _ = self.0.unlock();
    }
}

fn wait_for_lock(file: &File) -> Result<(), String> {
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if waited < PATIENCE => {
                pause();
                waited += PAUSE;
            }
            Err(TryLockError::WouldBlock) => {
                let why = "another process holds the lock and makes no progress; continue or end that process";
                return Err(why.to_owned());
            }
            Err(TryLockError::Error(error)) => return Err(error.to_string()),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "waits for another process, which lives in real time"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}
