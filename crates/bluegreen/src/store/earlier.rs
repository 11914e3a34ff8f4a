//! Runs before the newest one.

use super::log::JournalLog;
use crate::{engine::Record, error::Result};

impl JournalLog {
    /// Returns the records that a resume would need of the newest run for which `is_passed_over` does not hold;
    /// none if it holds for the newest `most` runs. Goes back from run to run, two reads each beside the records.
    pub(crate) async fn newest_run_but(
        &self,
        most: usize,
        is_passed_over: impl Fn(&[Record]) -> bool,
    ) -> Result<Vec<Record>> {
        let mut newest = self.tail().await?.newest.map(|(newest, _)| newest);
        for _ in 0..most {
            let Some(last) = newest else {
                break;
            };
            let Some(run) = last.run else {
                break;
            };
            let records = self.to_resume(run, last.snapshot, last.seq + 1).await?;
            if !is_passed_over(&records) {
                return Ok(records);
            }
            let opening = self.newest_whole(run, run).await?;
            let before = opening.and_then(|opening| opening.claim.checked_sub(1));
            newest = match before {
                Some(before) => self.newest_whole(0, before).await?,
                None => None,
            };
        }
        Ok(Vec::new())
    }
}
