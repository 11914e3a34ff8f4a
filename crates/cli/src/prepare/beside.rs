//! `prepare` beside the runs of its rule: it changes nothing while a run is under way, since the run would take the
//! change for a third party's.

use std::sync::Arc;

use async_trait::async_trait;
use bluegreen::{
    Aws, Error, ErrorKind, Result,
    aws::alb::{PlaceStep, RuleArn},
    clock::Clock,
    engine::{Journal, Record},
    store::{JournalLog, JournalStore},
};

use crate::migration::holding::is_alive;

/// The journal of the rule's runs.
#[derive(Debug, Clone)]
pub(super) struct Beside {
    runs: JournalLog,
    rule: RuleArn,
    clock: Arc<dyn Clock>,
}

impl Beside {
    pub(super) fn of(store: &JournalStore, rule: &RuleArn, aws: &Aws) -> Self {
        Self {
            runs: store.log(rule.as_str()),
            rule: rule.clone(),
            clock: aws.clock(),
        }
    }

    /// Refuses to change the rule of a run that is under way.
    pub(super) async fn no_run(&self) -> Result<()> {
        let standing = self.runs.lease_state().await?;
        let Some(standing) = standing.filter(|one| is_alive(one, self.clock.now())) else {
            return Ok(());
        };
        let message = format!("change rule {}: its journal is {standing}", self.rule);
        let hint = "wait until that run has ended: `bluegreen status`";
        Err(Error::new(ErrorKind::Held, message).with_hint(hint))
    }

    /// Returns a journal that asks again right before each step.
    pub(super) fn journal(self, own: impl Journal + 'static) -> Asking {
        Asking {
            beside: self,
            own: Box::new(own),
        }
    }
}

/// A journal of a place that accepts no step while a run of the rule is under way.
#[derive(Debug)]
pub(super) struct Asking {
    beside: Beside,
    own: Box<dyn Journal>,
}

#[async_trait]
impl Journal for Asking {
    async fn append(&self, record: Record) -> Result<()> {
        // The record is written first: the read is the last thing before the change.
        let is_step = record.entry.read::<PlaceStep>().is_ok();
        self.own.append(record).await?;
        match is_step {
            true => self.beside.no_run().await,
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bluegreen::{
        aws::{
            alb::{GreenGroup, GreenPlace},
            sim::{Call, Simulation},
        },
        engine::MemoryJournal,
        store::{Holder, Take},
    };

    use super::*;

    /// A journal whose `nth` append is followed by a run that takes the rule's journal.
    #[derive(Debug)]
    struct Followed {
        own: MemoryJournal,
        beside: Beside,
        nth: usize,
        seen: AtomicUsize,
    }

    #[async_trait]
    impl Journal for Followed {
        async fn append(&self, record: Record) -> Result<()> {
            self.own.append(record).await?;
            if self.seen.fetch_add(1, Ordering::Relaxed) == self.nth {
                let holder = Holder::this_process("ann");
                let clock = Arc::clone(&self.beside.clock);
                drop(self.beside.runs.take(holder, clock, Take::IfFree).await?);
            }
            Ok(())
        }
    }

    /// The group, its place in the rule, and the test route: each is refused if a run begins just before it.
    #[test]
    fn a_run_that_begins_at_any_step_stops_the_next_change() {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            for nth in 0..=3 {
                let simulation = Simulation::builder().no_green_group().build();
                let (aws, rule) = (simulation.aws(), simulation.rule_arn());
                let store = JournalStore::memory();
                let beside = Beside::of(&store, &rule, &aws);
                let own = Followed {
                    own: MemoryJournal::new(),
                    beside: beside.clone(),
                    nth,
                    seen: AtomicUsize::new(0),
                };
                let group = GreenGroup::named(simulation.green().name());
                let place = GreenPlace::new(&aws, simulation.rule(), simulation.blue(), group);
                let place = place.unwrap().journal(beside.journal(own));
                let made = || {
                    let rules = simulation.calls(Call::CreateRule);
                    let writes = simulation.calls(Call::ModifyRule) + rules;
                    simulation.target_groups().len() - 1 + usize::try_from(writes).unwrap()
                };
                match place.prepare().await {
                    // The last record is that of the end.
                    Ok(report) => assert_eq!((nth, report.done.len()), (3, 3)),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Held, "{nth}: {error}");
                        assert_eq!(made(), nth, "each step before it");
                    }
                }
            }
        });
    }
}
