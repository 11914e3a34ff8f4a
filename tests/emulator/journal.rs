//! Journals in S3 over real HTTP: conditional writes are the lock, and a listing has pages.

use std::time::Duration;

use bluegreen::{
    Aws, ErrorKind,
    clock::SystemClock,
    engine::{Fence as _, Journal as _, Record},
    store::{Holder, JournalLog, Keep, Lease, Take},
};
use jiff::Timestamp;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    harness::{self, Emulator, Endpoint},
    proxy::store::{Mood, StoreProxy},
};

const BUCKET: &str = "journals";

fn log(s3: &Endpoint, subject: &str) -> JournalLog {
    let store = Aws::from_config(&s3.config)
        .journals(BUCKET, "production/moves")
        .unwrap();
    assert!(store.is_shared());
    store.log(subject)
}

async fn take(log: &JournalLog, name: &str, how: Take) -> bluegreen::Result<Lease> {
    log.take(Holder::this_process(name), SystemClock, how).await
}

async fn append(lease: &Lease, from: u64, to: u64) {
    for seq in from..to {
        let record = Record::new(seq, Timestamp::UNIX_EPOCH, json!({ "entry": seq }));
        lease.append(record).await.unwrap();
    }
}

/// The behaviour of S3 that a journal needs: checked on both emulators, so that a quirk of one is noticed.
async fn one_writes_and_another_goes_on(emulator: Emulator) {
    let Some(s3) = harness::start(emulator) else {
        return;
    };
    s3.make_bucket(BUCKET);
    let rule = format!("arn:aws:elasticloadbalancing:us-east-1:1:listener-rule/{emulator}");
    let ours = log(&s3, &rule);
    assert_eq!(
        ours.lease_state().await.unwrap(),
        None,
        "nothing is there yet"
    );

    // More records than one page of a listing has.
    let ann = take(&ours, "ann", Take::IfFree).await.unwrap();
    append(&ann, 0, 1_010).await;
    ann.check().unwrap();

    // Another machine sees the same log, and is refused by name.
    let theirs = log(&s3, &rule);
    let refused = take(&theirs, "bob", Take::IfFree).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Held);
    assert!(refused.to_string().contains("ann"), "P6: {refused}");

    ann.release().await.unwrap();
    let bob = take(&theirs, "bob", Take::IfFree).await.unwrap();
    let records = bob.newest_run().await.unwrap();
    assert_eq!(records.len(), 1_010, "P9: every page of the listing");
    assert_eq!(records[1_009].seq, 1_009);
    append(&bob, 1_010, 1_012).await;

    // A controller that released its lease writes nothing more.
    let late = Record::new(1_010, Timestamp::UNIX_EPOCH, json!({ "entry": "late" }));
    ann.append(late).await.unwrap_err();
    ann.check().unwrap_err();
    let records = ours.newest_run().await.unwrap();
    assert_eq!(records.len(), 1_012, "P6");

    // A holder records in the store how far its log reaches, and readers find the end from there.
    tokio::select! {
        lost = bob.heartbeat() => panic!("{lost}"),
        () = sleep(Duration::from_millis(500)) => {}
    }
    let standing = ours.lease_state().await.unwrap().unwrap();
    assert_eq!(standing.holder.as_ref(), Some(bob.holder()));
    bob.release().await.unwrap();

    // The next run is short. Only the records before it are pruned.
    let carl = take(&ours, "carl", Take::IfFree).await.unwrap();
    append(&carl, 0, 5).await;
    carl.release().await.unwrap();
    let keep = Keep::new(1, Timestamp::MAX);
    let pruned = theirs.prune(&keep, false, |_| {}).await.unwrap();
    // Two leases taken, 1,012 entries, two leases released.
    assert_eq!((pruned.deleted, pruned.runs_kept), (1_016, 1));
    let again = theirs.prune(&keep, false, |_| {}).await.unwrap();
    assert_eq!(again.records, 0);
    assert_eq!(ours.newest_run().await.unwrap().len(), 5);
    let dora = take(&theirs, "dora", Take::IfFree).await.unwrap();
    append(&dora, 5, 7).await;
    let records = dora.newest_run_to_resume().await.unwrap();
    assert_eq!(records.len(), 7);
}

#[tokio::test]
async fn p06_p09_a_journal_in_motos_s3_is_history_and_lock() {
    one_writes_and_another_goes_on(Emulator::Moto).await;
}

#[tokio::test]
async fn p06_p09_a_journal_in_ministacks_s3_is_history_and_lock() {
    one_writes_and_another_goes_on(Emulator::Ministack).await;
}

#[tokio::test]
async fn p06_of_many_who_take_a_journal_in_s3_at_once_one_gets_it() {
    let Some(s3) = harness::start(Emulator::Ministack) else {
        return;
    };
    s3.make_bucket("race");
    let aws = Aws::from_config(&s3.config);
    for round in 0..10 {
        let takers = (0..8).map(|taker| {
            let log = aws.journals("race", "").unwrap().log(&format!("{round}"));
            tokio::spawn(async move { take(&log, &format!("taker {taker}"), Take::IfFree).await })
        });
        let mut got = Vec::new();
        for taker in takers.collect::<Vec<_>>() {
            match taker.await.unwrap() {
                Ok(lease) => got.push(lease),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Held, "{error}"),
            }
        }
        assert_eq!(got.len(), 1, "round {round}");
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let Some(s3) = harness::start(Emulator::Moto) else {
        return;
    };
    let store = Aws::from_config(&s3.config)
        .journals("absent", "x")
        .unwrap();
    let error = take(&store.log("rule"), "ann", Take::IfFree)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("NoSuchBucket"), "{error}");
    assert!(error.hint().is_some(), "{error}");
    assert!(std::error::Error::source(&error).is_none(), "said once");
}

/// S3 refuses a conditional write with 409 if another write was under way, and stores nothing: the client
/// must send the same request again. A 412 says that the record exists.
#[tokio::test]
async fn p05_p06_a_conflict_of_s3_means_again_and_a_burst_of_503_passes() {
    let Some(s3) = harness::start(Emulator::Moto) else {
        return;
    };
    s3.make_bucket("conflicts");
    let proxy = StoreProxy::before(s3.config.endpoint_url().unwrap());
    let config = s3.config.to_builder().endpoint_url(proxy.url()).build();
    let journals = Aws::from_config(&config).journals("conflicts", "").unwrap();
    let log = journals.log("rule");
    let lease = take(&log, "ann", Take::IfFree).await.unwrap();
    let mut kept = 0;
    for (count, status, code) in [
        (1, 409, "ConditionalRequestConflict"),
        (3, 409, "ConditionalRequestConflict"),
        (2, 503, "SlowDown"),
    ] {
        proxy.set(Mood::RefusesNext(count, status, code));
        append(&lease, kept, kept + 2).await;
        kept += 2;
    }
    let records = log.newest_run().await.unwrap();
    assert_eq!(records.len() as u64, kept);
    let refused = take(&log, "bob", Take::IfFree).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Held, "{refused}");
}
