//! The real program over real HTTP, behind a proxy whose answers can be old or missing.

use std::{thread, time::Duration};

use bluegreen::aws::alb::RuleArn;

use crate::{
    patience::wait_for,
    program::{World, events, terminate, world_behind},
    proxy::stale::{Stale, StaleProxy},
};

/// When the program is told to end.
#[derive(Debug, Clone, Copy)]
enum Told {
    /// While the first rise is written.
    AtTheFirstRise,
    /// Once it has looked at green's share for a while.
    Watching,
}

struct Ended {
    code: Option<i32>,
    said: Vec<String>,
}

/// Runs `words` on a rule, and ends the run at the moment `told`.
fn run(world: &World, rule: &RuleArn, number: usize, words: &[&str], told: Told) -> Ended {
    let out = world.folder.path().join(format!("{number}.json"));
    let mut child = world.run(rule, words, &out);
    wait_for(
        || format!("run {number} to be where it is told to end"),
        || {
            let seen = events(&out);
            let is = |name: &str| seen.iter().position(|event| event["event"] == name);
            let is_there = match told {
                Told::AtTheFirstRise => is("shifting").is_some(),
                Told::Watching => is("shifted").is_some_and(|shifted| {
                    let looks = seen[shifted..].iter();
                    looks.filter(|event| event["event"] == "looked").count() >= 4
                }),
            };
            (is_there || child.try_wait().unwrap().is_some()).then_some(())
        },
    );
    if child.try_wait().unwrap().is_none() {
        terminate(&child);
    }
    let status = wait_for(
        || format!("end of run {number}"),
        || child.try_wait().unwrap(),
    );
    let names = events(&out);
    let names = names.iter().filter_map(|event| event["event"].as_str());
    Ended {
        code: status.code(),
        said: names.map(str::to_owned).collect(),
    }
}

/// Migrations and completions with `DescribeRules` that lags, each on a rule of its own. Afterwards the
/// rules are read without the proxy.
async fn check(stale: Stale) {
    let behind = |upstream: &str| {
        let proxy = StaleProxy::before(upstream);
        proxy.lag("DescribeRules", stale);
        proxy.url().to_owned()
    };
    let Some(world) = world_behind(behind).await else {
        return;
    };
    let migrate: &[&str] = &["migrate", "--steps", "10,50,100"];
    let words = [migrate, &["complete"]];
    let cases = words.map(|words| [Told::AtTheFirstRise, Told::Watching].map(|told| (words, told)));
    let mut rules = Vec::new();
    for (priority, case) in (3001..).zip(cases.into_iter().flatten()) {
        rules.push((world.topology.split_rule(priority, 100, 0).await, case));
    }
    let world = &world;
    // They mostly wait.
    let ended = thread::scope(|scope| {
        let started: Vec<_> = rules
            .iter()
            .enumerate()
            .map(|(number, (rule, (words, told)))| {
                scope.spawn(move || run(world, rule, number, words, *told))
            })
            .collect();
        let ended = started.into_iter().map(|run| run.join().unwrap());
        ended.collect::<Vec<_>>()
    });
    let mut wrong = Vec::new();
    for (ended, (rule, case)) in ended.iter().zip(&rules) {
        let green = world.topology.weights(rule).await.1;
        let is_blamed = ended.said.iter().any(|event| event == "drifted");
        if ended.code != Some(11) || green != 0 || is_blamed {
            wrong.push(format!(
                "{case:?}: exit {:?}, green {green}: {:?}",
                ended.code, ended.said
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{stale:?}: {} of {} ends are wrong:\n{}",
        wrong.len(),
        rules.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn p04_p07_p11_reads_that_are_a_little_late() {
    check(Stale::ForTime(Duration::from_millis(300))).await;
}

#[tokio::test]
async fn p04_p07_p11_reads_that_are_seconds_late() {
    check(Stale::ForTime(Duration::from_secs(4))).await;
}

#[tokio::test]
async fn p04_p07_p11_one_read_that_is_late() {
    check(Stale::Reads(1)).await;
}

#[tokio::test]
async fn p04_p07_p11_a_read_that_goes_back_once() {
    check(Stale::OnceAfter(Duration::from_secs(1))).await;
}
