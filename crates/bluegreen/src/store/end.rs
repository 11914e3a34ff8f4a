//! Finding the end of a log, with few calls however long it is.

use super::log::{JournalLog, Tail};
use crate::error::{ErrorKind, Result};

/// The first leap, a few pages of numbers; each further one goes four times as far.
const LEAP: u64 = 4_096;
/// Two numbers that are no further apart lie on one page.
const NEAR: u64 = 1_000;

impl JournalLog {
    /// The end of the log. Reads back over records that are torn.
    pub(super) async fn tail(&self) -> Result<Tail> {
        let (remembered, newest) = self.newest_number().await?;
        let Some(newest) = newest else {
            return Ok(Tail::default());
        };
        let next = newest.checked_add(1).ok_or_else(|| {
            self.damaged(&format!("record {newest} leaves no number for another one"))
        })?;
        let mut tail = Tail {
            next,
            newest: None,
            remembered,
        };
        for seq in (0..next).rev() {
            let bytes = match self.storage().read(seq).await {
                Ok(bytes) => bytes,
                // What was before it is pruned.
                Err(error) if error.kind() == ErrorKind::NotFound && seq < newest => break,
                Err(error) => return Err(error),
            };
            tail.newest = self.decode(seq, &bytes)?;
            if tail.newest.is_some() {
                break;
            }
        }
        Ok(tail)
    }

    /// What is remembered of the end, and the newest number. The question "is there a number above?" is
    /// asked in leaps, and then between the last two leaps, so a log of a million records takes fifteen
    /// calls, and two if its holder remembered where it was.
    async fn newest_number(&self) -> Result<(u64, Option<u64>)> {
        let remembered = match self.storage().remembered().await {
            // It saves calls and decides nothing. S3 answers 403 for an object that is not there, if the
            // right to list is bound to a prefix.
            Err(error) if error.kind() == ErrorKind::Denied => 0,
            remembered => remembered?,
        };
        let mut page = self.storage().numbers(remembered).await?;
        if page.numbers.is_empty() && remembered > 0 {
            page = self.storage().numbers(0).await?;
        }
        let mut leap = LEAP;
        let mut nothing_from = None;
        while let (false, Some(low)) = (page.is_last, page.numbers.last().copied()) {
            let from = match nothing_from {
                None => low.saturating_add(leap),
                Some(high) if high - low <= NEAR => low + 1,
                Some(high) => low + (high - low) / 2,
            };
            let next = self.storage().numbers(from).await?;
            if !next.numbers.is_empty() {
                page = next;
            } else if from == low + 1 {
                break;
            } else {
                nothing_from = Some(from);
            }
            leap = leap.saturating_mul(4);
        }
        Ok((remembered, page.numbers.last().copied()))
    }
}
