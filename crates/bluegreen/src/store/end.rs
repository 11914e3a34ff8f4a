//! Finding the end of a log, with few calls even if the log is long.

use super::log::{JournalLog, Tail};
use crate::error::{ErrorKind, Result};

/// The first leap, a few pages of numbers; each further leap goes four times as far.
const LEAP: u64 = 4_096;
/// Two numbers at most this far apart lie on one page.
const NEAR: u64 = 1_000;

impl JournalLog {
    /// Returns the end of the log. Reads back over records that are torn.
    pub(super) async fn tail(&self) -> Result<Tail> {
        let (remembered, newest) = self.newest_number().await?;
        let Some(newest) = newest else {
            return Ok(Tail::default());
        };
        let next = newest.checked_add(1).ok_or_else(|| {
            self.damaged(&format!(
                "record {newest} leaves no number for a next record"
            ))
        })?;
        let mut tail = Tail {
            next,
            newest: None,
            remembered,
        };
        for seq in (0..next).rev() {
            let bytes = match self.storage().read(seq).await {
                Ok(bytes) => bytes,
                // The records before this number are pruned.
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

    /// Returns the remembered number, and the newest number. The question "is there a number above?" is
    /// asked in leaps, and then between the last two leaps. So a log of a million records takes fifteen
    /// calls, and two if its holder had the end remembered.
    async fn newest_number(&self) -> Result<(u64, Option<u64>)> {
        let remembered = match self.storage().remembered().await {
            // The remembered number only saves calls, so it may be missing. S3 answers 403 for an object
            // that is not there, if the right to list is bound to a prefix.
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
