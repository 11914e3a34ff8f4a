//! Logs and leases on a store that can be broken, in virtual time.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::{
    clock::Clock,
    engine::{Fence, Journal, Record, restoring},
    error::{Error, ErrorKind, Result},
};

/// Tokio's clock.
#[derive(Debug, Clone)]
struct TestClock(Instant);

impl TestClock {
    fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
            .checked_add(self.uptime())
            .expect("a test's time")
    }

    fn uptime(&self) -> Duration {
        Instant::now().duration_since(self.0)
    }

    fn is_virtual(&self) -> bool {
        true
    }
}

/// What goes wrong at a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    /// It is not created, and the caller is told.
    Before,
    /// It is created, and the answer is lost.
    After,
    /// Only half of it is written.
    Torn,
    /// It is created, and no answer ever comes.
    Hang,
}

/// Records in memory, with faults by the number of the create, counted from 1.
#[derive(Debug, Default)]
struct Breaking {
    records: Mutex<std::collections::BTreeMap<u64, Vec<u8>>>,
    creates: AtomicU64,
    faults: Mutex<Vec<(u64, Break)>>,
}

impl Breaking {
    fn log(self: &Arc<Self>) -> JournalLog {
        JournalLog::new(Arc::clone(self) as Arc<dyn RecordStorage>, "rule")
    }

    fn fail(&self, nth: u64, fault: Break) {
        self.faults.lock().expect("no panic").push((nth, fault));
    }

    fn created(&self) -> u64 {
        self.creates.load(Ordering::SeqCst)
    }

    fn change(&self, seq: u64, change: impl FnOnce(&mut Vec<u8>)) {
        change(
            self.records
                .lock()
                .expect("no panic")
                .get_mut(&seq)
                .expect("is there"),
        );
    }
}

#[async_trait]
impl RecordStorage for Breaking {
    async fn create(&self, seq: u64, mut bytes: Vec<u8>) -> Result<Created> {
        let nth = self.creates.fetch_add(1, Ordering::SeqCst) + 1;
        let faults = self.faults.lock().expect("no panic").clone();
        let fault = faults
            .iter()
            .find(|(n, _)| *n == nth)
            .map(|(_, fault)| *fault);
        let down = || Error::new(ErrorKind::Unavailable, "the store is down");
        if fault == Some(Break::Before) {
            return Err(down());
        }
        if fault == Some(Break::Torn) {
            bytes.truncate(bytes.len() / 2);
        }
        {
            let mut records = self.records.lock().expect("no panic");
            if records.contains_key(&seq) {
                return Ok(Created::Exists);
            }
            records.insert(seq, bytes);
        }
        match fault {
            Some(Break::Hang) => std::future::pending().await,
            Some(_) => Err(down()),
            None => Ok(Created::New),
        }
    }

    async fn read(&self, seq: u64) -> Result<Vec<u8>> {
        let records = self.records.lock().expect("no panic");
        let record = records.get(&seq).cloned();
        record.ok_or_else(|| Error::new(ErrorKind::NotFound, "read a record"))
    }

    async fn numbers(&self, from: u64) -> Result<Numbers> {
        let records = self.records.lock().expect("no panic");
        Ok(Numbers::all(records.keys().copied(), from))
    }

    async fn delete(&self, numbers: &[u64]) -> Result<()> {
        let mut records = self.records.lock().expect("no panic");
        records.retain(|seq, _| !numbers.contains(seq));
        Ok(())
    }
}

fn entry(seq: u64) -> Record {
    Record::new(seq, Timestamp::UNIX_EPOCH, json!({ "entry": seq }))
}

fn holder(name: &str) -> Holder {
    Holder::this_process(name)
}

async fn take(log: &JournalLog, name: &str, how: Take) -> Result<Lease> {
    log.take(holder(name), TestClock::new(), how).await
}

#[tokio::test(start_paused = true)]
async fn p06_one_of_many_takers_gets_it() {
    for store in [JournalStore::memory()] {
        let log = store.log("rule");
        let takers = (0..20).map(|n| {
            let log = log.clone();
            tokio::spawn(async move { take(&log, &format!("taker {n}"), Take::IfFree).await })
        });
        let mut taken = 0;
        for taker in takers.collect::<Vec<_>>() {
            match taker.await.expect("no panic") {
                Ok(_) => taken += 1,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Held),
            }
        }
        assert_eq!(taken, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn p06_who_is_refused_hears_by_whom() {
    let log = JournalStore::memory().log("rule");
    let lease = take(&log, "ann", Take::IfFree).await.expect("free");
    let error = take(&log, "bob", Take::IfFree).await.expect_err("held");
    assert_eq!(error.kind(), ErrorKind::Held);
    assert!(error.message().contains("held by ann (process "), "{error}");
    lease.release().await.expect("kept");
    take(&log, "bob", Take::IfFree).await.expect("free again");
}

#[tokio::test(start_paused = true)]
async fn p06_a_silent_holder_is_taken_over_and_not_a_moment_sooner() {
    let log = JournalStore::memory().log("rule");
    let dead = take(&log, "dead", Take::IfFree).await.expect("free");
    let begun = Instant::now();
    let lease = take(&log, "bob", Take::IfExpired).await.expect("silent");
    assert!(begun.elapsed() >= EXPIRY);
    assert!(begun.elapsed() < EXPIRY + HEARTBEAT);
    let error = dead.append(entry(0)).await.expect_err("overtaken");
    assert_eq!(error.kind(), ErrorKind::TakenOver);
    assert!(error.message().contains("held by bob"), "{error}");
    assert_eq!(
        dead.check().expect_err("overtaken").kind(),
        ErrorKind::TakenOver
    );
    assert_eq!(dead.heartbeat().await.kind(), ErrorKind::TakenOver);
    lease.append(entry(0)).await.expect("kept");
    lease.check().expect("fresh");
}

#[tokio::test(start_paused = true)]
async fn p06_a_holder_that_beats_is_never_taken_over() {
    let log = JournalStore::memory().log("rule");
    let lease = take(&log, "ann", Take::IfFree).await.expect("free");
    for _ in 0..20 {
        tokio::select! {
            error = lease.heartbeat() => panic!("{error}"),
            taken = take(&log, "bob", Take::IfExpired) => {
                let error = taken.expect_err("it lives");
                assert_eq!(error.kind(), ErrorKind::Held);
            }
        }
        lease.check().expect("beats keep the permit fresh");
    }
}

#[tokio::test(start_paused = true)]
async fn p06_a_lock_taken_by_force_waits_until_no_change_can_be_under_way() {
    let log = JournalStore::memory().log("rule");
    let old = take(&log, "ann", Take::IfFree).await.expect("free");
    old.append(entry(0)).await.expect("kept");
    let begun = Instant::now();
    let stealing = take(&log, "bob", Take::Force);
    tokio::pin!(stealing);
    // The holder's permit ends before the thief may do anything.
    let mut last_permit = Duration::ZERO;
    loop {
        tokio::select! {
            stolen = &mut stealing => { stolen.expect("by force"); break }
            () = tokio::time::sleep(Duration::from_secs(1)) => {
                if old.check().is_ok() { last_permit = begun.elapsed(); }
            }
        }
    }
    assert!(last_permit <= PERMIT);
    /// The time limit of a change.
    const CALL: Duration = Duration::from_secs(10);
    assert!(begun.elapsed() >= last_permit + CALL);
    let error = old.append(entry(1)).await.expect_err("thrown out");
    assert_eq!(error.kind(), ErrorKind::TakenOver);
}

#[tokio::test(start_paused = true)]
async fn p06_a_holder_that_slept_may_not_begin_a_change() {
    let log = JournalStore::memory().log("rule");
    let lease = take(&log, "ann", Take::IfFree).await.expect("free");
    lease.append(entry(0)).await.expect("kept");
    lease.check().expect("fresh");
    tokio::time::sleep(PERMIT + Duration::from_secs(1)).await;
    let error = lease.check().expect_err("too old");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    lease
        .append(entry(1))
        .await
        .expect("no other controller took it");
    lease.check().expect("fresh again");
}

#[tokio::test(start_paused = true)]
async fn p06_a_failing_store_does_not_keep_a_restore_from_beginning() {
    let storage = Arc::new(Breaking::default());
    let lease = take(&storage.log(), "ann", Take::IfFree)
        .await
        .expect("free");
    storage.fail(2, Break::Before);
    lease.append(entry(0)).await.expect_err("down");
    tokio::time::sleep(EXPIRY * 10).await;
    restoring(async { lease.check() })
        .await
        .expect("the store is down, and blue must come back");
    lease.check().expect_err("and nothing else may begin");
    take(&storage.log(), "bob", Take::IfExpired)
        .await
        .expect("silent");
    lease.append(entry(0)).await.expect_err("overtaken");
    restoring(async { lease.check() })
        .await
        .expect_err("a successor restores now");
}

#[tokio::test(start_paused = true)]
async fn p06_a_restore_takes_a_log_without_a_wait_and_says_from_whom() {
    let log = JournalStore::memory().log("rule");
    let free = take(&log, "ann", Take::ToRestore).await.expect("free");
    assert_eq!(free.taken_from(), None);
    let begun = Instant::now();
    let bob = take(&log, "bob", Take::ToRestore).await.expect("from any");
    assert_eq!(bob.taken_from(), Some(&holder("ann")));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let error = free.append(entry(0)).await.expect_err("thrown out");
    assert_eq!(error.kind(), ErrorKind::TakenOver);
}

#[tokio::test(start_paused = true)]
async fn p05_a_torn_record_is_dropped_and_the_log_goes_on() {
    let storage = Arc::new(Breaking::default());
    let log = storage.log();
    let lease = take(&log, "ann", Take::IfFree).await.expect("free");
    lease.append(entry(0)).await.expect("kept");
    storage.fail(3, Break::Torn);
    lease.append(entry(1)).await.expect_err("torn");
    assert_eq!(log.newest_run().await.expect("readable"), [entry(0)]);
    // The same holder, and one after its death.
    lease.append(entry(1)).await.expect("behind it");
    assert_eq!(
        log.newest_run().await.expect("readable"),
        [entry(0), entry(1)]
    );
    let next = take(&log, "bob", Take::IfExpired).await.expect("silent");
    next.append(entry(2)).await.expect("kept");
    assert_eq!(
        log.newest_run().await.expect("readable"),
        [entry(0), entry(1), entry(2)]
    );
}

#[tokio::test(start_paused = true)]
async fn p05_a_torn_taking_is_nobodys() {
    let storage = Arc::new(Breaking::default());
    let log = storage.log();
    storage.fail(1, Break::Torn);
    take(&log, "dead", Take::IfFree).await.expect_err("torn");
    let lease = take(&log, "ann", Take::IfFree).await.expect("it is free");
    lease.append(entry(0)).await.expect("kept");
    assert_eq!(log.newest_run().await.expect("readable"), [entry(0)]);
    let standing = log.lease_state().await.expect("readable").expect("taken");
    assert_eq!(standing.holder, Some(holder("ann")));
}

#[tokio::test(start_paused = true)]
async fn p05_a_lost_answer_leaves_one_record() {
    let storage = Arc::new(Breaking::default());
    let log = storage.log();
    let lease = take(&log, "ann", Take::IfFree).await.expect("free");
    storage.fail(2, Break::After);
    lease.append(entry(0)).await.expect_err("lost");
    // The engine offers it again.
    lease.append(entry(0)).await.expect("found");
    lease.append(entry(1)).await.expect("kept");
    assert_eq!(
        log.newest_run().await.expect("readable"),
        [entry(0), entry(1)]
    );
}

/// The answer to an append is lost, a heartbeat finds it, and then the append is tried again.
#[tokio::test(start_paused = true)]
async fn p05_a_lost_answer_and_a_beat_leave_one_record() {
    let storage = Arc::new(Breaking::default());
    let log = storage.log();
    let lease = take(&log, "ann", Take::IfFree).await.expect("free");
    for seq in 0..20 {
        storage.fail(storage.created() + 1, Break::After);
        lease.append(entry(seq)).await.expect_err("lost");
        tokio::select! {
            error = lease.heartbeat() => panic!("{error}"),
            () = tokio::time::sleep(HEARTBEAT * 2) => {}
        }
        lease.append(entry(seq)).await.expect("found");
    }
    let kept = log.newest_run().await.expect("readable");
    assert_eq!(kept, (0..20).map(entry).collect::<Vec<_>>());
}

/// As versions up to 3 left it.
#[tokio::test(start_paused = true)]
async fn p05_a_record_that_stands_twice_is_read_once() {
    let log = JournalStore::memory().log("rule");
    for name in ["ann", "bob"] {
        let lease = take(&log, name, Take::ToRestore).await.expect("taken");
        if name == "ann" {
            lease.append(entry(0)).await.expect("kept");
        }
        lease.append(entry(1)).await.expect("kept");
    }
    let kept = log.newest_run().await.expect("readable");
    assert_eq!(kept, [entry(0), entry(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_number_at_the_top_of_its_range_is_no_panic() {
    let storage = Arc::new(Breaking::default());
    let top = storage.create(u64::MAX, b"{}".to_vec()).await;
    assert_eq!(top.expect("created"), Created::New);
    let error = take(&storage.log(), "ann", Take::IfFree)
        .await
        .expect_err("full");
    assert_eq!(error.kind(), ErrorKind::Refused);
    let error = storage.log().newest_run().await.expect_err("full");
    assert!(error.message().contains("leaves no number"), "{error}");
}

#[tokio::test]
async fn files_that_are_no_records_are_passed_over_and_one_that_is_too_large_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = JournalStore::local(folder.path()).expect("created");
    let log = store.log("rule");
    let lease = take(&log, "ann", Take::IfFree).await.expect("free");
    lease.append(entry(0)).await.expect("kept");
    let records = folder.path().join(crate::text::file_name_of("rule"));
    let put = |name: &str, size: u64| {
        let file = std::fs::File::create(records.join(name)).expect("a file");
        file.set_len(size).expect("a sparse file");
    };
    for name in ["18446744073709551615.json", "99.json", "notes.txt"] {
        put(name, 0);
    }
    assert_eq!(log.newest_run().await.expect("readable"), [entry(0)]);
    put("000000000007.json", 1 << 40);
    let error = log.newest_run().await.expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.message().contains("record 7"), "{error}");
    let text = "x".repeat(9 << 20);
    let large = Record::new(1, Timestamp::UNIX_EPOCH, json!({ "entry": text }));
    let error = lease.append(large).await.expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test(start_paused = true)]
async fn p05_a_beat_that_is_dropped_in_the_middle_leaves_the_log_in_order() {
    let storage = Arc::new(Breaking::default());
    let log = storage.log();
    let lease = take(&log, "ann", Take::IfFree).await.expect("free");
    lease.append(entry(0)).await.expect("kept");
    storage.fail(3, Break::Hang);
    tokio::select! {
        error = lease.heartbeat() => panic!("{error}"),
        () = tokio::time::sleep(HEARTBEAT * 2) => {}
    }
    assert_eq!(storage.created(), 3);
    lease.append(entry(1)).await.expect("behind the beat");
    assert_eq!(
        log.newest_run().await.expect("readable"),
        [entry(0), entry(1)]
    );
}

#[tokio::test(start_paused = true)]
async fn only_the_newest_run_is_read() {
    let log = JournalStore::memory().log("rule");
    for _ in 0..3 {
        let lease = take(&log, "ann", Take::IfFree).await.expect("free");
        lease.append(entry(0)).await.expect("kept");
        lease.append(entry(1)).await.expect("kept");
        lease.release().await.expect("kept");
    }
    assert_eq!(
        log.newest_run().await.expect("readable"),
        [entry(0), entry(1)]
    );
    assert_eq!(
        log.lease_state()
            .await
            .expect("readable")
            .expect("some")
            .holder,
        None
    );
}

/// A follower of a run sees each record once, the end of a run before the next one, and no heartbeat.
#[tokio::test(start_paused = true)]
async fn a_run_is_followed_record_by_record_and_then_the_next_one() {
    let log = JournalStore::memory().log("rule");
    let mut follower = log.follow();
    let none = follower.more().await.expect("readable");
    assert!(!none.begins && none.records.is_empty() && none.lease.is_none());

    let lease = take(&log, "ann", Take::IfFree).await.expect("free");
    let before = follower.more().await.expect("readable");
    assert!(!before.begins && before.records.is_empty());
    assert!(before.lease.expect("taken").holder.is_some());
    for part in [0..1, 1..2, 2..40, 40..47] {
        let begins = part.start == 0;
        for seq in part.clone() {
            lease.append(entry(seq)).await.expect("kept");
        }
        let more = follower.more().await.expect("readable");
        assert_eq!(more.begins, begins, "{part:?}");
        assert_eq!(more.records, part.map(entry).collect::<Vec<_>>());
        tokio::time::sleep(2 * HEARTBEAT).await;
        let kept = follower.more().await.expect("readable");
        assert!(!kept.begins && kept.records.is_empty());
    }
    lease.append(entry(47)).await.expect("kept");
    lease.release().await.expect("kept");

    let lease = take(&log, "bob", Take::IfFree).await.expect("free");
    lease.append(entry(0)).await.expect("kept");
    let end = follower.more().await.expect("readable");
    assert!(!end.begins);
    assert_eq!(end.records, [entry(47)]);
    let next = follower.more().await.expect("readable");
    assert!(next.begins);
    assert_eq!(next.records, [entry(0)]);
    lease.append(entry(1)).await.expect("kept");
    let more = follower.more().await.expect("readable");
    assert!(!more.begins);
    assert_eq!(more.records, [entry(1)]);
    // A late follower reads the newest run whole; a large run in parts.
    for seq in 2..2_000 {
        lease.append(entry(seq)).await.expect("kept");
    }
    let mut late = log.follow();
    let first = late.more().await.expect("readable");
    assert!(first.begins);
    let rest = late.more().await.expect("readable");
    assert!(!rest.begins && !rest.records.is_empty());
    let read = [first.records, rest.records].concat();
    assert_eq!(read, (0..2_000).map(entry).collect::<Vec<_>>());
    assert!(late.more().await.expect("readable").records.is_empty());
}

/// A record that was changed between two reads is refused, as it is by who reads the run at once.
#[tokio::test(start_paused = true)]
async fn who_follows_a_run_sees_that_a_record_does_not_follow() {
    let storage = Arc::new(Breaking::default());
    let log = storage.log();
    let lease = take(&log, "ann", Take::IfFree).await.expect("free");
    lease.append(entry(0)).await.expect("kept");
    let mut follower = log.follow();
    follower.more().await.expect("readable");
    lease.append(entry(1)).await.expect("kept");
    let other = {
        let other = Arc::new(Breaking::default());
        let lease = take(&other.log(), "bob", Take::IfFree).await.expect("free");
        lease.append(entry(0)).await.expect("kept");
        lease.append(entry(1)).await.expect("kept");
        let records = other.records.lock().expect("no panic");
        records.get(&2).expect("is there").clone()
    };
    storage.change(2, |bytes| *bytes = other);
    let refused = follower.more().await.unwrap_err();
    assert!(refused.message().contains("does not follow"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_changed_by_hand_is_refused_with_the_record() {
    let written = async || {
        let storage = Arc::new(Breaking::default());
        let lease = take(&storage.log(), "ann", Take::IfFree)
            .await
            .expect("free");
        for n in 0..5 {
            lease.append(entry(n)).await.expect("kept");
        }
        storage
    };
    let message = async |storage: Arc<Breaking>| {
        let error = storage.log().newest_run().await.expect_err("changed");
        assert_eq!(error.kind(), ErrorKind::Refused);
        error.message().to_owned()
    };
    // A record in the middle is broken, taken away, or moved.
    let storage = written().await;
    storage.change(3, |bytes| bytes[90] ^= 1);
    assert!(message(storage).await.contains("record 4 does not follow"));
    let storage = written().await;
    storage.records.lock().expect("no panic").remove(&3);
    assert!(message(storage).await.contains("record 3 is missing"));
    let storage = written().await;
    let other = storage.records.lock().expect("no panic")[&2].clone();
    storage.change(3, |bytes| *bytes = other);
    assert!(
        message(storage)
            .await
            .contains("record 2 stands in the place of record 3")
    );
}

#[tokio::test(start_paused = true)]
async fn p12_a_folder_is_its_owners_and_survives_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("journals");
    let store = JournalStore::local(&place).expect("created");
    assert!(!store.is_shared());
    let lease = take(&store.log("arn:aws:x/y"), "ann", Take::IfFree)
        .await
        .expect("free");
    lease.append(entry(0)).await.expect("kept");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&place)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        let of_log = place.join(crate::text::file_name_of("arn:aws:x/y"));
        let mode = std::fs::metadata(of_log)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }
    // As another process sees it.
    let again = JournalStore::local(&place).expect("there");
    assert_eq!(
        again
            .log("arn:aws:x/y")
            .newest_run()
            .await
            .expect("readable"),
        [entry(0)]
    );
    let other = again
        .log("arn:aws:x_y")
        .newest_run()
        .await
        .expect("readable");
    assert!(other.is_empty(), "another subject");
    let error = take(&again.log("arn:aws:x/y"), "bob", Take::IfFree)
        .await
        .expect_err("held");
    assert_eq!(error.kind(), ErrorKind::Held);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_no_folder_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let error = JournalStore::local(file.path()).expect_err("no folder");
    assert!(error.message().contains(&file.path().display().to_string()));
}

#[test]
fn every_subject_has_a_folder_of_its_own() {
    let subjects = ["a/b", "a:b", "a_b", "ü", "", &"x".repeat(300)];
    let mut names: Vec<String> = subjects
        .iter()
        .map(|s| crate::text::file_name_of(s))
        .collect();
    assert!(names.iter().all(|name| name.len() < 100 && name.is_ascii()));
    names.sort();
    names.dedup();
    assert_eq!(names.len(), subjects.len());
}

/// A storage that counts its calls, and lists as S3 does: a page at a time.
#[derive(Debug, Default)]
struct Paged {
    records: Mutex<std::collections::BTreeMap<u64, Vec<u8>>>,
    remembered: Mutex<u64>,
    calls: AtomicU64,
}

impl Paged {
    fn log(self: &Arc<Self>) -> JournalLog {
        JournalLog::new(Arc::clone(self) as Arc<dyn RecordStorage>, "rule")
    }

    /// What `work` brings, and how many calls it takes.
    async fn counted<T>(&self, work: impl Future<Output = T>) -> (T, u64) {
        let before = self.calls.load(Ordering::SeqCst);
        let done = work.await;
        (done, self.calls.load(Ordering::SeqCst) - before)
    }

    fn called(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl RecordStorage for Paged {
    async fn create(&self, seq: u64, bytes: Vec<u8>) -> Result<Created> {
        self.called();
        let mut records = self.records.lock().expect("no panic");
        if records.contains_key(&seq) {
            return Ok(Created::Exists);
        }
        records.insert(seq, bytes);
        Ok(Created::New)
    }

    async fn read(&self, seq: u64) -> Result<Vec<u8>> {
        self.called();
        let records = self.records.lock().expect("no panic");
        let record = records.get(&seq).cloned();
        record.ok_or_else(|| Error::new(ErrorKind::NotFound, "read a record"))
    }

    async fn numbers(&self, from: u64) -> Result<Numbers> {
        const PAGE: usize = 1_000;
        self.called();
        let records = self.records.lock().expect("no panic");
        let numbers: Vec<u64> = records.range(from..).take(PAGE).map(|(n, _)| *n).collect();
        Ok(Numbers {
            is_last: numbers.len() < PAGE,
            numbers,
        })
    }

    async fn remember(&self, seq: u64) -> Result<()> {
        self.called();
        *self.remembered.lock().expect("no panic") = seq;
        Ok(())
    }

    async fn remembered(&self) -> Result<u64> {
        self.called();
        Ok(*self.remembered.lock().expect("no panic"))
    }

    async fn delete(&self, numbers: &[u64]) -> Result<()> {
        self.called();
        let mut records = self.records.lock().expect("no panic");
        records.retain(|seq, _| !numbers.contains(seq));
        Ok(())
    }
}

/// A run of `entries` entries, the `snapshots` among them marked as such.
async fn run_of(log: &JournalLog, entries: u64, snapshots: &[u64]) -> Lease {
    let lease = take(log, "ann", Take::IfExpired).await.expect("free");
    for seq in 0..entries {
        let record = entry(seq);
        let record = match snapshots.contains(&seq) {
            true => record.into_snapshot(),
            false => record,
        };
        lease.append(record).await.expect("kept");
    }
    lease
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_long_log_is_found_with_few_calls() {
    // Sizes around those at which pages and leaps end.
    for size in [1_u64, 2, 999, 1_000, 1_001, 5_095, 5_096, 5_097, 30_000] {
        let storage = Arc::new(Paged::default());
        let log = storage.log();
        let lease = run_of(&log, size - 1, &[]).await;
        for remembered in [0, size / 2, size - 1, size + 7, u64::MAX] {
            *storage.remembered.lock().unwrap() = remembered;
            let (tail, calls) = storage.counted(log.tail()).await;
            let tail = tail.expect("readable");
            assert_eq!(tail.next, size, "{remembered}");
            assert_eq!(tail.newest.expect("one").0.seq, size - 1);
            assert!(calls <= 18, "{size}, {remembered}: {calls}");
        }
        // A holder that continues tells the storage where the log ends.
        tokio::select! {
            error = lease.heartbeat() => panic!("{error}"),
            () = tokio::time::sleep(HEARTBEAT / 2) => {}
        }
        if size > 256 {
            assert_eq!(*storage.remembered.lock().unwrap(), size - 1);
            let (tail, calls) = storage.counted(log.tail()).await;
            assert_eq!((tail.expect("readable").next, calls), (size, 3));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_resume_reads_the_first_record_and_those_from_the_newest_snapshot_on() {
    for (entries, snapshot) in [(20, 19), (20, 1), (1_200, 1_000), (1_200, 40)] {
        let storage = Arc::new(Paged::default());
        let log = storage.log();
        let lease = run_of(&log, entries, &[1, snapshot]).await;
        let whole = log.newest_run().await.expect("readable");
        assert_eq!(whole.len() as u64, entries);
        let (read, calls) = storage.counted(lease.newest_run_to_resume()).await;
        let read = read.expect("readable");
        assert_eq!(read[0], whole[0]);
        assert_eq!(read[1..], whole[usize::try_from(snapshot).unwrap()..]);
        assert_eq!(log.newest_run_to_resume().await.expect("readable"), read);
        let most = 1 + (entries - snapshot) / 16 + 1 + 15;
        assert!(calls <= most, "{entries}, {snapshot}: {calls}");
        // The snapshot of an old run is none of a new one.
        lease.release().await.expect("kept");
        let lease = run_of(&log, 3, &[]).await;
        let read = lease.newest_run_to_resume().await.expect("readable");
        assert_eq!(read, (0..3).map(entry).collect::<Vec<_>>());
    }
}

/// Copies are only help: the same is read without them, with broken ones, and over takeovers and beats.
#[tokio::test(start_paused = true)]
async fn p05_a_log_reads_the_same_with_copies_and_without() {
    let storage = Arc::new(Paged::default());
    let log = storage.log();
    let mut lease = run_of(&log, 10, &[]).await;
    for seq in 10..100 {
        if seq % 23 == 0 {
            lease = take(&log, "bob", Take::ToRestore).await.expect("taken");
        }
        if seq % 7 == 0 {
            tokio::select! {
                error = lease.heartbeat() => panic!("{error}"),
                () = tokio::time::sleep(HEARTBEAT * 2) => {}
            }
        }
        lease.append(entry(seq)).await.expect("kept");
    }
    let wanted: Vec<Record> = (0..100).map(entry).collect();
    let read = async || log.newest_run().await.expect("readable");
    let (whole, calls) = storage.counted(read()).await;
    assert_eq!(whole, wanted);
    let records = storage.records.lock().unwrap().clone();
    assert!(calls < records.len() as u64 / 2, "{calls} calls");
    let cut = |left: fn(&[u8]) -> usize| {
        for (seq, bytes) in &records {
            let first = bytes
                .iter()
                .position(|byte| *byte == b'\n')
                .expect("a line")
                + 1;
            let left = first + left(&bytes[first..]);
            storage
                .records
                .lock()
                .unwrap()
                .insert(*seq, bytes[..left].to_vec());
        }
    };
    cut(|_| 0);
    assert_eq!(read().await, wanted);
    cut(|copies| copies.len() / 3);
    assert_eq!(read().await, wanted);
}

#[tokio::test(start_paused = true)]
async fn old_runs_are_pruned_and_what_stays_reads_as_before() {
    let storage = Arc::new(Paged::default());
    let log = storage.log();
    let clock = TestClock::new();
    let day = Duration::from_secs(24 * 3_600);
    let time = |days: u32| {
        Timestamp::UNIX_EPOCH
            .checked_add(day * days)
            .expect("in range")
    };
    for _ in 0..10 {
        let lease = log.take(holder("ann"), clock.clone(), Take::IfFree).await;
        let lease = lease.expect("free");
        for seq in 0..20 {
            lease.append(entry(seq)).await.expect("kept");
        }
        lease.release().await.expect("kept");
        tokio::time::sleep(day).await;
    }
    let left = || storage.records.lock().unwrap().len();
    // The newest always stays; a run stays if it is among the newest or young.
    for (runs, since, kept) in [(20, 30, 10), (2, 0, 10), (8, 30, 8), (2, 5, 5), (0, 30, 1)] {
        let keep = Keep::new(runs, time(since));
        let before = left();
        let dry = log.prune(&keep, true, |_| {}).await.expect("readable");
        assert_eq!((dry.deleted, left()), (0, before));
        let mut told = Vec::new();
        let pruned = log.prune(&keep, false, |pruned| told.push(*pruned)).await;
        let pruned = pruned.expect("deleted");
        assert_eq!(pruned.runs_kept, kept, "{runs}, {since}");
        assert_eq!((pruned.records, pruned.deleted), (dry.records, dry.records));
        assert_eq!(left(), kept * 22);
        assert_eq!(told.last(), Some(&pruned));
        let read = log.newest_run().await.expect("readable");
        assert_eq!(read, (0..20).map(entry).collect::<Vec<_>>());
        let again = log.prune(&keep, false, |_| {}).await.expect("readable");
        assert_eq!(again.records, 0);
    }
    let lease = run_of(&log, 5, &[]).await;
    assert_eq!(
        lease.newest_run_to_resume().await.expect("readable").len(),
        5
    );
}

/// A holder sleeps while others work and its place is pruned. What it creates there proves nothing.
#[tokio::test(start_paused = true)]
async fn p06_a_holder_that_wakes_behind_a_pruning_has_lost() {
    for loses_answer in [false, true] {
        let storage = Arc::new(Breaking::default());
        let log = storage.log();
        let clock = TestClock::new();
        let ann = log.take(holder("ann"), clock.clone(), Take::IfFree).await;
        let ann = ann.expect("free");
        ann.append(entry(0)).await.expect("kept");
        tokio::time::sleep(EXPIRY * 2).await;
        for _ in 0..3 {
            let bob = log
                .take(holder("bob"), clock.clone(), Take::IfExpired)
                .await;
            let bob = bob.expect("silent");
            bob.append(entry(0)).await.expect("kept");
            bob.release().await.expect("kept");
        }
        let keep = Keep::new(1, Timestamp::MAX);
        let pruned = log.prune(&keep, false, |_| {}).await.expect("deleted");
        assert!(pruned.deleted > 3);
        if loses_answer {
            storage.fail(storage.created() + 1, Break::After);
            ann.append(entry(1)).await.expect_err("lost");
        }
        let error = ann.append(entry(1)).await.expect_err("thrown out");
        assert_eq!(error.kind(), ErrorKind::TakenOver);
        assert_eq!(
            ann.check().expect_err("no permit").kind(),
            ErrorKind::TakenOver
        );
        assert_eq!(log.newest_run().await.expect("readable"), [entry(0)]);
    }
}

mod requests {
    use super::*;
    use crate::engine::{Operator, Reply, Request, RunId, Verb};

    /// What every place for requests must do.
    async fn keeps_small_named_objects(store: &JournalStore) {
        let (one, other) = (store.log("rule"), store.log("another rule"));
        let (one, other) = (one.requests().unwrap(), other.requests().unwrap());
        assert_eq!(
            one.names("", 10).await.unwrap(),
            [""; 0],
            "nothing is there"
        );
        assert_eq!(one.names("run-1", 10).await.unwrap(), [""; 0]);
        let names = [
            "run-1/abort/7.json",
            "run-1/pause/8.json",
            "run-2/pause/9.json",
        ];
        for name in names.iter().rev() {
            one.create(name, name.as_bytes().to_vec()).await.unwrap();
        }
        let again = one.create(names[0], b"other".to_vec()).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Conflict);
        assert_eq!(one.read(names[0]).await.unwrap(), names[0].as_bytes());
        let missing = one.read("run-1/abort/8.json").await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let large = vec![b' '; 65_537];
        one.create("run-3/pause/1.json", large).await.unwrap();
        let large = one.read("run-3/pause/1.json").await.unwrap_err();
        assert_eq!(large.kind(), ErrorKind::Refused);
        assert!(large.message().contains("65537 bytes"), "{large}");
        assert_eq!(one.names("run-1", 10).await.unwrap(), names[..2]);
        assert_eq!(one.names("", 2).await.unwrap(), names[..2]);
        assert_eq!(one.names("run", 10).await.unwrap(), [""; 0], "whole names");
        assert_eq!(other.names("", 10).await.unwrap(), [""; 0], "another log");
        let gone = [names[1].to_owned(), "run-1/abort/8.json".to_owned()];
        one.delete(&gone).await.unwrap();
        assert_eq!(one.names("run-1", 10).await.unwrap(), names[..1]);
        assert_eq!(store.logs().await.unwrap(), [""; 0], "they are no log");
    }

    #[tokio::test]
    async fn memory_and_folders_keep_them() {
        keeps_small_named_objects(&JournalStore::memory()).await;
        let folder = tempfile::tempdir().unwrap();
        let store = JournalStore::local(folder.path().join("journals")).unwrap();
        keeps_small_named_objects(&store).await;
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn p12_their_folders_are_readable_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let store = JournalStore::local(folder.path()).unwrap();
        let log = store.log("rule");
        let requests = log.requests().unwrap();
        requests
            .create("run/pause/1.json", b"1".to_vec())
            .await
            .unwrap();
        let own = folder.path().join("requests");
        let mode = std::fs::metadata(own).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    /// A log whose newest run is `run`, held by ann.
    async fn held(store: &JournalStore, run: &str) -> Lease {
        let log = store.log("rule");
        let lease = log
            .take(holder("ann"), TestClock::new(), Take::IfFree)
            .await
            .unwrap();
        let opening = json!({ "entry": "opened", "run": run });
        let record = Record::new(0, Timestamp::UNIX_EPOCH, opening);
        lease.append(record).await.unwrap();
        lease
    }

    #[tokio::test]
    async fn a_request_is_for_the_newest_run_and_dated_by_its_holder() {
        let store = JournalStore::memory();
        let log = store.log("rule");
        let ask = || Ask::new(Verb::Abort, Operator::new("bob").with_reason("errors"));
        let refused = log.ask(ask()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotFound);
        let lease = held(&store, "run 7").await;
        let asked = log.ask(ask()).await.unwrap();
        let request = asked.request();
        let last = log.lease_state().await.unwrap().unwrap().last;
        assert_eq!((request.at, request.run.as_str()), (last, "run 7"));
        assert_eq!(asked.answer(Duration::from_millis(1)).await.unwrap(), None);
        let open = log.open_requests().await.unwrap();
        assert_eq!(open, std::slice::from_ref(request));
        let none = Ask::new(Verb::Leave, "bob");
        assert_eq!(log.ask(none).await.unwrap_err().kind(), ErrorKind::Invalid);
        let deaf = log.clone().without_requests().ask(ask()).await.unwrap_err();
        assert_eq!(deaf.kind(), ErrorKind::Invalid);
        let answer = json!({
            "version": 1, "run": "run 7", "nonce": request.nonce, "at": last, "reply": "applied",
        });
        let requests = log.requests().unwrap();
        let name = request.name().answer();
        requests
            .create(&name, answer.to_string().into_bytes())
            .await
            .unwrap();
        let answer = asked.answer(Duration::from_secs(1)).await.unwrap().unwrap();
        assert_eq!(answer.reply, Reply::Applied);
        assert_eq!(log.open_requests().await.unwrap(), []);
        lease.release().await.unwrap();
        let ended = log.ask(ask()).await.unwrap_err();
        assert!(
            ended.message().contains("no controller holds it"),
            "{ended}"
        );
        assert_eq!(
            log.ask_to_abort("bob".into(), Duration::from_secs(1))
                .await
                .unwrap(),
            None
        );
    }

    #[tokio::test]
    async fn a_pruning_deletes_the_requests_to_runs_that_go() {
        let store = JournalStore::memory();
        let log = store.log("rule");
        for run in ["run 1", "run 2", "run 3"] {
            let lease = held(&store, run).await;
            let asked = log.ask(Ask::new(Verb::Abort, "bob")).await.unwrap();
            assert_eq!(asked.request().run.as_str(), run);
            lease.release().await.unwrap();
        }
        let requests = log.requests().unwrap();
        requests.create("a note.txt", b"1".to_vec()).await.unwrap();
        let keep = Keep::new(1, Timestamp::MAX);
        for is_dry in [true, false] {
            let pruned = log.prune(&keep, is_dry, |_| {}).await.unwrap();
            assert_eq!((pruned.requests, pruned.runs_kept), (3, 1));
        }
        let left = requests.names("", 10).await.unwrap();
        let of_newest = format!(
            "{}/",
            crate::engine::RequestName::folder_of(&RunId::new("run 3"))
        );
        assert!(
            left.len() == 1 && left[0].starts_with(&of_newest),
            "{left:?}"
        );
        let bytes = requests.read(&left[0]).await.unwrap();
        assert_eq!(Request::from_json(&bytes).unwrap().who, "bob");
    }
}

fn workflow() -> Holder {
    Holder::workflow("ann", "temporal", "bluegreen-temporal status")
}

#[tokio::test(start_paused = true)]
async fn p06_a_lease_that_is_carried_on_in_time_keeps_others_out() {
    let log = JournalStore::memory().log("rule");
    let clock = TestClock::new();
    let lease = log.take(workflow(), clock.clone(), Take::IfFree).await;
    let mut carried = lease.expect("free").carry().await;
    for _ in 0..5 {
        let others = take(&log, "bob", Take::IfExpired);
        let carries = async {
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_secs(25)).await;
                let text = serde_json::to_string(&carried).expect("plain data");
                let read: CarriedLease = serde_json::from_str(&text).expect("the same");
                let lease = log.carry_on(&read, TestClock::new()).await.expect("ours");
                lease.check().expect("a new record");
                carried = lease.carry().await;
            }
        };
        let (taken, ()) = tokio::join!(others, carries);
        let error = taken.expect_err("it is carried");
        assert_eq!(error.kind(), ErrorKind::Held);
        assert!(
            error.message().contains("ann (a workflow of temporal)"),
            "{error}"
        );
        let hint = error.hint().expect("what to do");
        assert!(hint.contains("`bluegreen-temporal status`"), "{hint}");
    }
}

#[tokio::test(start_paused = true)]
async fn p06_a_lease_that_is_not_carried_on_expires() {
    let log = JournalStore::memory().log("rule");
    let lease = log.take(workflow(), TestClock::new(), Take::IfFree).await;
    let carried = lease.expect("free").carry().await;
    let begun = Instant::now();
    let bob = take(&log, "bob", Take::IfExpired).await.expect("silent");
    assert!(begun.elapsed() >= EXPIRY);
    let error = log.carry_on(&carried, TestClock::new()).await;
    assert_eq!(error.expect_err("late").kind(), ErrorKind::TakenOver);
    bob.append(entry(0)).await.expect("bob holds");
}

#[tokio::test(start_paused = true)]
async fn p06_a_process_that_gave_its_lease_up_changes_nothing() {
    let log = JournalStore::memory().log("rule");
    let lease = log.take(workflow(), TestClock::new(), Take::IfFree).await;
    let here = lease.expect("free");
    let carried = here.clone().carry().await;
    assert_eq!(
        here.check().expect_err("given up").kind(),
        ErrorKind::Refused
    );
    here.append(entry(0)).await.expect_err("given up");
    let there = log.carry_on(&carried, TestClock::new()).await;
    there.expect("ours").check().expect("it holds");
}

/// A process that stops in the middle of a change, and continues when the log is another's.
#[tokio::test(start_paused = true)]
async fn p06_of_two_processes_with_one_carried_lease_the_stopped_one_may_begin_nothing() {
    let log = JournalStore::memory().log("rule");
    let lease = log.take(workflow(), TestClock::new(), Take::IfFree).await;
    let carried = lease.expect("free").carry().await;
    let stopped = log
        .carry_on(&carried, TestClock::new())
        .await
        .expect("ours");
    stopped.check().expect("it just appended");
    let anew = log
        .take(workflow(), TestClock::new(), Take::IfExpired)
        .await;
    anew.expect("silent").check().expect("it holds");
    let error = stopped.check().expect_err("its permit is over");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let error = stopped.append(entry(0)).await.expect_err("taken over");
    assert_eq!(error.kind(), ErrorKind::TakenOver);
}

/// The answer of a process was lost after its record, or two processes carry the same data on.
#[tokio::test(start_paused = true)]
async fn p06_old_data_of_a_lease_are_no_proof_but_a_new_record_is() {
    let log = JournalStore::memory().log("rule");
    let lease = log.take(workflow(), TestClock::new(), Take::IfFree).await;
    let old = lease.expect("free").carry().await;
    for _ in 0..3 {
        let lease = log.carry_on(&old, TestClock::new()).await.expect("ours");
        drop(lease.carry().await);
    }
    let numbers = log.storage().numbers(0).await.expect("readable");
    assert_eq!(numbers.numbers.len(), 4, "each use is a record of its own");
}

#[tokio::test(start_paused = true)]
async fn a_workflow_says_by_which_program_it_is_reached() {
    let log = JournalStore::memory().log("rule");
    let lease = log.take(workflow(), TestClock::new(), Take::IfFree).await;
    drop(lease.expect("free").carry().await);
    let ask = Ask::new(crate::engine::Verb::Abort, "bob");
    let error = log
        .ask(ask)
        .await
        .expect_err("no process lists the request");
    assert!(
        error
            .hint()
            .expect("what to do")
            .contains("`bluegreen-temporal status`")
    );
}
