//! Retelling a judge's run: the events that it told, from its journal. Nothing is judged again.

use jiff::Timestamp;

use super::{
    NativeEvent, ReplayError,
    replay::{Player, opened},
};
use crate::{
    clock::between,
    engine::{Event, Record, RunId},
};

/// Retells the events of a judge's run, record by record, as its journal grows; without gates, since nothing
/// is judged again.
///
/// The first record of a run comes first; the record behind it may be any snapshot of the run, and then what
/// happened since is retold. With the first record of another run, that run is retold from then on.
///
/// # Examples
///
/// ```no_run
/// # #[cfg(feature = "store")]
/// # async fn shown(log: bluegreen::store::JournalLog) -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen::native::Retelling;
///
/// let mut retelling = Retelling::new();
/// for record in log.newest_run().await? {
///     for event in retelling.take(&record)? {
///         println!("{event}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Retelling {
    run: Option<Told>,
}

/// The run that is retold.
#[derive(Debug)]
struct Told {
    run: RunId,
    player: Player,
    started: Option<Timestamp>,
}

impl Retelling {
    /// A retelling that waits for the first record of a run.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next record and returns the events that the run told at it.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the record does not belong to a judge's journal, or if records before it are
    /// missing.
    pub fn take(&mut self, record: &Record) -> Result<Vec<Event<NativeEvent>>, ReplayError> {
        let told = match &mut self.run {
            Some(told) if record.seq > 0 => told,
            _ => {
                let opened = opened(record)?;
                self.run = Some(Told {
                    run: opened.run.clone(),
                    player: Player::new(opened.into_machine(), Vec::new()),
                    started: None,
                });
                return Ok(Vec::new());
            }
        };
        if told.started.is_none() && record.is_snapshot {
            told.player.stand_at(record)?;
            told.started = told.player.machine().started();
            return Ok(Vec::new());
        }
        let (before, kinds) = told.player.tells(record)?;
        let started = *told.started.get_or_insert(record.at);
        let events = kinds.into_iter().zip(before..).map(|(kind, seq)| Event {
            run: told.run.clone(),
            seq,
            at: record.at,
            elapsed: between(started, record.at),
            kind,
        });
        Ok(events.collect())
    }
}
