//! Migrations with a journal that outlives them: killed, resumed, and checked against the promises.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bluegreen::{
    Aws, Error, ErrorKind, HealthGate, Migration, MigrationError, MigrationOutcome, MigrationPlan,
    Result,
    aws::{
        alb::{AlbDeadManSwitch, AlbTrafficSplitter},
        sim::{Moment, Simulation},
    },
    engine::{Event, Journal as _, MemoryJournal, Record},
    migration::{GateId, MigrationEvent, ResumeError, replay},
    store::{Created, Holder, JournalLog, Lease, Numbers, RecordStorage, Take},
};
use tokio::sync::Notify;

use super::{Gates, Hand, Run, gates, keeper, limit::within, requests::TestRequests};

/// A store in memory that stops at one of its creates, or fails from one of them on.
#[derive(Debug, Default)]
pub(crate) struct TestStorage {
    records: Mutex<BTreeMap<u64, Vec<u8>>>,
    creates: AtomicU64,
    stop: Mutex<Option<(u64, Moment)>>,
    reached: Notify,
    go_on: Notify,
    /// Whether every operation yields once, so that a test can order the operations of two controllers.
    gives_way: AtomicBool,
    fails: Mutex<Option<(u64, u64)>>,
}

impl TestStorage {
    pub(crate) fn log(self: &Arc<Self>) -> JournalLog {
        JournalLog::new(Arc::clone(self) as Arc<dyn RecordStorage>, "the rule")
    }

    /// Stops the `nth` create for ever, counted from 1.
    pub(crate) fn stop_at(&self, nth: u64, moment: Moment) {
        *self.stop.lock().expect("no panic") = Some((nth, moment));
    }

    /// Lets all later creates succeed.
    pub(crate) fn heal(&self) {
        *self.stop.lock().expect("no panic") = None;
        *self.fails.lock().expect("no panic") = None;
    }

    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets the stopped create continue.
    pub(crate) fn go_on(&self) {
        self.go_on.notify_one();
    }

    /// Lets every operation yield once before it happens.
    pub(crate) fn give_way(&self) {
        self.gives_way.store(true, Ordering::SeqCst);
    }

    async fn turn(&self) {
        if self.gives_way.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }

    /// Lets `count` creates fail, from `nth` on.
    pub(crate) fn fail(&self, nth: u64, count: u64) {
        *self.fails.lock().expect("no panic") = Some((nth, count));
    }

    pub(crate) fn created(&self) -> u64 {
        self.creates.load(Ordering::SeqCst)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.records
            .lock()
            .expect("no panic")
            .values()
            .map(Vec::len)
            .sum()
    }
}

#[async_trait]
impl RecordStorage for TestStorage {
    async fn create(&self, seq: u64, bytes: Vec<u8>) -> Result<Created> {
        self.turn().await;
        let nth = self.creates.fetch_add(1, Ordering::SeqCst) + 1;
        let stop = *self.stop.lock().expect("no panic");
        let stops = |moment| stop == Some((nth, moment));
        if stops(Moment::BeforeEffect) {
            self.reached.notify_one();
            self.go_on.notified().await;
        }
        let fails = *self.fails.lock().expect("no panic");
        if fails.is_some_and(|(first, count)| (first..first + count).contains(&nth)) {
            return Err(Error::new(ErrorKind::Unavailable, "the store is down"));
        }
        {
            let mut records = self.records.lock().expect("no panic");
            if records.contains_key(&seq) {
                return Ok(Created::Exists);
            }
            records.insert(seq, bytes);
        }
        if stops(Moment::AfterEffect) {
            self.reached.notify_one();
            self.go_on.notified().await;
        }
        Ok(Created::New)
    }

    async fn read(&self, seq: u64) -> Result<Vec<u8>> {
        self.turn().await;
        let records = self.records.lock().expect("no panic");
        let record = records.get(&seq).cloned();
        record.ok_or_else(|| Error::new(ErrorKind::NotFound, "read a record"))
    }

    async fn numbers(&self, from: u64) -> Result<Numbers> {
        self.turn().await;
        let records = self.records.lock().expect("no panic");
        Ok(Numbers::all(records.keys().copied(), from))
    }
}

/// A world, its plan and its journal, on which one controller after the other works.
pub(crate) struct Durable {
    pub(crate) simulation: Simulation,
    pub(crate) plan: MigrationPlan,
    pub(crate) storage: Arc<TestStorage>,
    pub(crate) events: Arc<Mutex<Vec<Event<MigrationEvent>>>>,
    rule_before: String,
    /// The number of records after which a run writes a snapshot: few, so that resumes begin at many places.
    pub(crate) snapshot_after: u64,
    /// The requests for controls that its runs read, if there are any.
    pub(crate) requests: Option<Arc<TestRequests>>,
}

impl Durable {
    pub(crate) fn new(simulation: Simulation, plan: MigrationPlan) -> Self {
        Self {
            rule_before: simulation.rule_without_weights(),
            simulation,
            plan,
            storage: Arc::default(),
            events: Arc::default(),
            snapshot_after: 7,
            requests: None,
        }
    }

    /// The journal, as a process that asks for a control opens it.
    pub(crate) fn log(&self) -> JournalLog {
        let log = self.storage.log();
        match &self.requests {
            Some(requests) => log.with_requests(Arc::clone(requests) as _),
            None => log,
        }
    }

    pub(crate) async fn take(&self, name: &str, how: Take) -> Result<Lease> {
        let clock = self.simulation.aws().clock();
        let log = self.log();
        let taken = log.take(Holder::this_process(name), clock, how);
        within("the taking of a journal", taken).await
    }

    /// A controller that holds `lease`, with its gates and its AWS.
    pub(crate) fn controller(&self, lease: &Lease, hand: Option<Hand>) -> (Migration, Gates, Aws) {
        let simulation = &self.simulation;
        let aws = simulation.aws().fenced(lease.clone());
        let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
        let splitter = AlbTrafficSplitter::new(&aws, rule, blue, green).expect("well-formed");
        let splitter = Arc::new(splitter);
        let gates = gates(&aws, simulation);
        let mut migration = Migration::new(self.plan.clone(), Arc::clone(&splitter))
            .clock(aws.clock())
            .journal(lease.clone())
            .snapshot_after(self.snapshot_after);
        if self.plan.dead_man().is_some() {
            let role = "arn:aws:iam::123456789012:role/blue-again".parse();
            let role = role.expect("well-formed");
            let topic = "arn:aws:sns:us-east-1:123456789012:on-call".parse();
            let switch = AlbDeadManSwitch::new(&aws, splitter, role);
            let switch = switch.with_notice(topic.expect("well-formed"));
            migration = migration.dead_man_switch(switch);
        }
        if let Some(keeper) = keeper(&aws, simulation) {
            migration = migration.capacity_keeper(keeper);
        }
        for (id, gate) in &gates {
            migration = migration.gate(id.clone(), Arc::clone(gate));
        }
        let seen = Arc::clone(&self.events);
        migration = migration.on_event(move |event| {
            seen.lock().expect("no panic").push(event.clone());
        });
        if let Some(mut hand) = hand {
            let (handle, world) = (migration.handle(), simulation.clone());
            migration = migration.on_event(move |event| hand(event, &handle, &world));
        }
        (migration, gates, aws)
    }

    /// Takes the journal's lease and runs to the end.
    pub(crate) async fn migrate(
        &self,
        name: &str,
        hand: Option<Hand>,
    ) -> Result<MigrationOutcome, MigrationError> {
        let lease = self.take(name, Take::IfFree).await.expect("free");
        let run = self.controller(&lease, hand).0.run();
        within("a migration", run).await
    }

    /// As [`Self::migrate`], for a store that may fail while the lease is taken.
    pub(crate) async fn try_migrate(
        &self,
        name: &str,
    ) -> Result<Result<MigrationOutcome, MigrationError>> {
        let lease = self.take(name, Take::IfFree).await?;
        let run = self.controller(&lease, None).0.run();
        Ok(within("a migration", run).await)
    }

    pub(crate) async fn try_resume(
        &self,
        name: &str,
    ) -> Result<Result<MigrationOutcome, MigrationError>> {
        let lease = self.take(name, Take::IfExpired).await?;
        let ended = self.resume_with(&lease, name).await;
        let _ = lease.release().await;
        Ok(ended)
    }

    /// Takes the journal's lease over and continues the run.
    pub(crate) async fn resume(&self, name: &str) -> Result<MigrationOutcome, MigrationError> {
        let lease = self.take(name, Take::IfExpired).await.expect("silent");
        let ended = self.resume_with(&lease, name).await;
        lease.release().await.expect("kept");
        ended
    }

    pub(crate) async fn resume_with(
        &self,
        lease: &Lease,
        name: &str,
    ) -> Result<MigrationOutcome, MigrationError> {
        let records = lease.newest_run_to_resume().await.expect("readable");
        let run = self.controller(lease, None).0.resume(&records, name);
        within("a resumed migration", run).await
    }

    /// The journal's records of the newest run.
    pub(crate) async fn records(&self) -> Vec<Record> {
        let lease = self.take("reader", Take::IfExpired).await.expect("silent");
        let records = lease.newest_run().await.expect("readable");
        lease.release().await.expect("kept");
        records
    }

    /// Checks everything that happened against the promises, and returns the exit code.
    pub(crate) async fn check(
        &self,
        ended: Result<MigrationOutcome, MigrationError>,
        raced: bool,
    ) -> u8 {
        let lease = self.take("checker", Take::IfExpired).await.expect("silent");
        let records = lease.newest_run().await.expect("readable");
        lease.release().await.expect("kept");
        let (_, gates, aws) = self.controller(&lease, None);
        let ended = match ended {
            // The end was journalled before the process ended.
            Err(MigrationError::Resume(ResumeError::Ended(ended))) => {
                ended.map_err(|unresolved| MigrationError::Unresolved(Box::new(unresolved)))
            }
            Err(MigrationError::Resume(ResumeError::Nothing)) => {
                assert!(
                    self.simulation.changes().len() == 1,
                    "P5: something was changed without a record"
                );
                return 3;
            }
            Err(MigrationError::Resume(error)) => panic!("P5: {error}"),
            ended => ended,
        };
        if records.is_empty() {
            // The store kept nothing, so nothing was begun.
            assert_eq!(self.simulation.changes().len(), 1, "P5");
            return 3;
        }
        // The journal tells everything; the events of the killed process are not needed.
        let events = events_of(&records, &gates);
        let journal = MemoryJournal::new();
        for record in records {
            journal.append(record).await.expect("memory");
        }
        let run = Run {
            ended,
            events,
            simulation: self.simulation.clone(),
            aws,
            plan: self.plan.clone(),
            journal,
            gates,
            rule_before: self.rule_before.clone(),
        };
        run.check_promises(raced);
        run.exit_code()
    }
}

/// The events of a journal, numbered as the run numbered them.
fn events_of(
    records: &[Record],
    gates: &[(GateId, Arc<dyn HealthGate>)],
) -> Vec<Event<MigrationEvent>> {
    let seats: Vec<_> = gates
        .iter()
        .map(|(id, gate)| (id.clone(), &**gate))
        .collect();
    let replayed = replay(records, &seats).expect("P9: the same again");
    let kinds = replayed.events.into_iter().enumerate();
    let event = |(seq, kind)| Event {
        run: bluegreen::engine::RunId::new("replayed"),
        seq: seq as u64,
        at: records[0].at,
        elapsed: std::time::Duration::ZERO,
        kind,
    };
    kinds.map(event).collect()
}

/// Drives `run` until it ends or `killer` is ready, which ends it on the spot.
pub(crate) async fn killed<T>(
    run: impl Future<Output = T>,
    killer: impl Future<Output = ()>,
) -> Option<T> {
    within("a run, and what kills it,", async {
        tokio::select! {
            biased;
            () = killer => None,
            ended = run => Some(ended),
        }
    })
    .await
}
