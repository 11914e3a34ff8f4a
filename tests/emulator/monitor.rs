//! The monitor watches a migration that another process runs.

use std::fs;

use crate::{
    patience::wait_for,
    program::{interrupt, world},
};

#[tokio::test]
async fn a_stranger_is_watched_and_nothing_is_changed() {
    let Some(world) = world().await else {
        return;
    };
    let rule = world.topology.split_rule(950, 90, 10).await;
    let report = world.folder.path().join("report.html");
    let words = [
        "--look-interval",
        "1s",
        "--report",
        report.to_str().unwrap(),
    ];
    let out = world.folder.path().join("monitor.out");
    let mut child = world.monitor(&rule, &words, &out);
    let said = || fs::read_to_string(out.with_extension("err")).unwrap();
    let sees = |share: &str| {
        wait_for(
            || format!("{share}: {}", said()),
            || said().contains(share).then_some(()),
        );
    };
    sees("green 10.0%");
    // A third party shifts to the next step.
    let half = world.topology.forward(50, 50);
    world.topology.write(&rule, vec![half]).await;
    sees("green 50.0%");
    interrupt(&child);
    let ended = wait_for(
        || format!("end of the monitor: {}", said()),
        || child.try_wait().unwrap(),
    );
    let words = said();
    assert_eq!(ended.code(), Some(0), "{words}");
    assert!(words.contains("targets healthy"), "{words}");
    assert_eq!(world.topology.weights(&rule).await, (50, 50), "{words}");
    let page = fs::read_to_string(report).unwrap();
    assert!(page.contains("not over yet"), "{words}");
    assert!(page.contains("DescribeRules"), "{words}");
    assert!(!page.contains("ModifyRule "), "{words}");
}

#[tokio::test]
async fn a_watch_ends_after_its_time_with_a_report() {
    let Some(world) = world().await else {
        return;
    };
    let rule = world.topology.split_rule(951, 90, 10).await;
    let report = world.folder.path().join("report.html");
    let words = ["--look-interval", "1s", "--watch-for", "6s", "--report"];
    let words = [&words[..], &[report.to_str().unwrap()]].concat();
    let out = world.folder.path().join("monitor.out");
    let mut child = world.monitor(&rule, &words, &out);
    let said = || fs::read_to_string(out.with_extension("err")).unwrap();
    let ended = wait_for(
        || format!("end of the watch: {}", said()),
        || child.try_wait().unwrap(),
    );
    assert_eq!(ended.code(), Some(0), "{}", said());
    let page = fs::read_to_string(report).unwrap();
    assert!(page.contains("not over yet"), "{}", said());
    assert!(!page.contains("ModifyRule "), "{}", said());
}
