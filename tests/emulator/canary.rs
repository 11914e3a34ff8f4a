//! Credentials that must never be visible, over real HTTP, at every log level of every crate.

use std::{
    io,
    process::Command,
    sync::{Arc, Mutex},
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use bluegreen::{
    Aws, Migration, MigrationPlan,
    aws::alb::{AlbRule, AlbTrafficSplitter},
    clock::SystemClock,
    migration::RestoreOrder,
    store::{Holder, Take},
};
use tracing_subscriber::fmt::MakeWriter;

use crate::topology::Topology;

const KEY: &str = "canary-secret-access-key";
const TOKEN: &str = "canary-session-token";

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const NAME: &str = "canary::p12_credentials_show_in_no_log_event_journal_error_or_debug";
const ALONE: &str = "BLUEGREEN_TEST_ALONE";

/// In a process of its own: `tracing` decides once for all threads whether a line is logged.
#[test]
fn p12_credentials_show_in_no_log_event_journal_error_or_debug() {
    if std::env::var_os(ALONE).is_some() {
        return move_under_every_log_level();
    }
    let alone = Command::new(std::env::current_exe().unwrap())
        .args([NAME, "--exact", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&alone.stdout);
    let why = String::from_utf8_lossy(&alone.stderr);
    assert!(alone.status.success(), "{said}\n{why}");
    assert!(said.contains("1 passed"), "{said}");
}

#[tokio::main(flavor = "current_thread")]
async fn move_under_every_log_level() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    topology.endpoint.make_bucket("canary");
    let rule = topology.split_rule(700, 50, 50).await;

    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let logged = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);

    let credentials = Credentials::new("canary-id", KEY, Some(TOKEN.to_owned()), None, "tests");
    let config = topology.endpoint.config.clone().into_builder();
    let config = config
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let aws = Aws::from_config(&config);
    let store = aws.journals("canary", "journals").unwrap();
    let journal = store.log(rule.as_str());
    let holder = Holder::this_process("canary");
    let lease = journal.take(holder, SystemClock, Take::IfFree).await;
    let lease = lease.unwrap();
    let fenced = aws.fenced(lease.clone());
    let (blue, green) = (topology.blue.clone(), topology.green.clone());
    let splitter =
        AlbTrafficSplitter::new(&fenced, AlbRule::Arn(rule.clone()), blue, green).unwrap();
    let told = Arc::new(Mutex::new(String::new()));
    let events = Arc::clone(&told);
    let migration = Migration::new(MigrationPlan::builder().build().unwrap(), splitter)
        .clock(aws.clock())
        .journal(lease.clone())
        .on_event(move |event| {
            let json = serde_json::to_string(event).unwrap();
            *events.lock().unwrap() += &format!("{event}\n{event:?}\n{json}\n");
        });
    let shown = format!("{migration:?} {config:?}");
    let outcome = migration.restore(RestoreOrder::by("canary")).await.unwrap();
    assert_eq!(topology.weights(&rule).await, (100, 0));

    let records = journal.newest_run().await.unwrap();
    assert!(records.len() > 3, "{records:?}");
    let absent = aws.journals("absent", "x").unwrap().log("x");
    let error = absent.lease_state().await.unwrap_err();
    drop(logged);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // The log holds lines, so the search below means something.
    assert!(log.contains("TRACE") && log.contains("ModifyRule"));
    let told = told.lock().unwrap().clone();
    let rest = format!(
        "{aws:?} {fenced:?} {store:?} {journal:?} {lease:?} {outcome:?} {outcome} {error:?} {error}"
    );
    let records = serde_json::to_string(&records).unwrap();
    for (place, text) in [
        ("log", log),
        ("events", told),
        ("journal", records),
        ("debug", shown),
        ("debug", rest),
    ] {
        for secret in [KEY, TOKEN] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{place}");
        }
    }
}
