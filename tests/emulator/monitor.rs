//! The monitor watches a migration that somebody else runs.

use std::{fs, time::Duration};

use crate::program::{now, sleep, world};

#[tokio::test]
async fn a_stranger_is_watched_and_nothing_is_changed() {
    let Some(world) = world().await else {
        return;
    };
    let rule = world.topology.split_rule(950, 90, 10).await;
    let report = world.folder.path().join("report.html");
    let words = ["--look-interval", "1s", "--watch-for", "6s", "--report"];
    let words = [&words[..], &[report.to_str().unwrap()]].concat();
    let out = world.folder.path().join("monitor.out");
    let begun = now();
    let mut child = world.monitor(&rule, &words, &out);
    let said = || fs::read_to_string(out.with_extension("err")).unwrap();
    while !said().contains("green 10.0%") {
        assert!(begun.elapsed() < Duration::from_secs(120), "{}", said());
        sleep(Duration::from_millis(50));
    }
    // Somebody else moves on.
    world
        .topology
        .write(&rule, vec![world.topology.forward(50, 50)])
        .await;
    let ended = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(180), "{}", said());
        sleep(Duration::from_millis(50));
    };
    let words = said();
    assert_eq!(ended.code(), Some(0), "{words}");
    assert!(words.contains("green 50.0%"), "{words}");
    assert!(words.contains("targets healthy"), "{words}");
    assert_eq!(world.topology.weights(&rule).await, (50, 50), "{words}");
    let page = fs::read_to_string(report).unwrap();
    assert!(page.contains("not over yet"), "{words}");
    assert!(page.contains("DescribeRules"), "{words}");
    assert!(!page.contains("ModifyRule "), "{words}");
}
