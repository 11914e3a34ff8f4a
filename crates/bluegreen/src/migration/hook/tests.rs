#![cfg(all(feature = "mock", unix))]

use std::{path::Path, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use super::*;
use crate::{
    engine::{MemoryJournal, RunId},
    health::{HealthGate, Verdict, gate_fn},
    migration::{GateId, Migration, MigrationEvent, MigrationOutcome, MigrationPlan, replay},
    mock::MemorySplitter,
};

/// A hook that appends what it gets to a file, and then runs a script: `$to` is the share that is asked for.
fn hook(file: &Path, script: &str) -> Hook {
    let file = file.display();
    let take = format!("read -r line; printf '%s\\n' \"$line\" >>'{file}'");
    let share = r#"to=$(printf '%s' "$line" | sed -n 's/.*"to":\([0-9.]*\).*/\1/p')"#;
    Hook::command(["sh", "-c", &format!("{take}; {share}; {script}")])
}

fn told(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = |line: &str| serde_json::from_str(line).expect("JSON");
    text.lines().map(line).collect()
}

fn moments_of(file: &Path) -> Vec<String> {
    let moment = |one: Value| one["moment"].as_str().expect("a text").to_owned();
    told(file).into_iter().map(moment).collect()
}

struct Ran {
    outcome: MigrationOutcome,
    router: MemorySplitter,
    failures: Vec<String>,
    journal: MemoryJournal,
}

async fn run(hooks: impl IntoIterator<Item = Hook>) -> Ran {
    let (router, journal) = (MemorySplitter::new(), Arc::new(MemoryJournal::new()));
    let failures = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&failures);
    let mut migration = Migration::for_tests(router.clone())
        .gate("errors", good())
        .journal(Arc::clone(&journal))
        .on_hook_failure(move |failure| locked(&noted).push(failure.to_owned()));
    for hook in hooks {
        migration = migration.hook(hook);
    }
    let outcome = migration.run().await.expect("a known end");
    let failures = std::mem::take(&mut *locked(&failures));
    let journal = Arc::into_inner(journal).expect("the run has ended");
    Ran {
        outcome,
        router,
        failures,
        journal,
    }
}

fn good() -> impl HealthGate {
    gate_fn("errors", |_look| async { Ok(Verdict::healthy("no error")) })
}

#[tokio::test(start_paused = true)]
async fn a_hook_is_told_each_moment_in_order_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told");
    let ran = run([hook(&file, "")]).await;
    assert_eq!(ran.outcome.exit_code(), 0, "{}", ran.outcome);
    assert_eq!(ran.failures, [""; 0]);
    let step = "before-step";
    assert_eq!(moments_of(&file), ["start", step, step, step, "end"]);
    let told = told(&file);
    for one in &told {
        assert_eq!(one["schema"], "bluegreen.hook/1");
        assert_eq!(one["run"], told[0]["run"]);
        assert_ne!(one["text"], "");
        assert!(one["event"]["event"].is_string(), "{one}");
    }
    let shares: Vec<&Value> = told.iter().filter_map(|one| one.get("to")).collect();
    assert_eq!(shares, [10.0, 50.0, 100.0]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_step_is_rolled_back_and_other_hooks_learn_of_the_restore() {
    let folder = tempfile::tempdir().unwrap();
    let (asked, told) = (folder.path().join("asked"), folder.path().join("told"));
    let asks = hook(&asked, r#"[ "$to" = 100.0 ] && echo no && exit 10; exit 0"#);
    let ran = run([asks.asked_before_steps(), hook(&told, "")]).await;
    assert_eq!(ran.outcome.exit_code(), 10, "{}", ran.outcome);
    let said = ran.outcome.to_string();
    assert!(said.contains("the hook refuses 100%: no"), "{said}");
    assert_eq!(ran.router.weights().green, 0);
    let moments = moments_of(&told);
    assert_eq!(moments[moments.len() - 2..], ["rollback", "end"]);
    // Asked once for each step that had an answer, and told no second time.
    let of_asked = moments_of(&asked);
    assert_eq!(
        of_asked.iter().filter(|one| *one == "before-step").count(),
        3
    );
}

#[tokio::test(start_paused = true)]
async fn p1_without_an_answer_of_a_hook_nothing_rises() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told");
    for fails in ["exit 1", "exit 127", "kill -9 $$", "exec sleep 60"] {
        let short = |hook: Hook| hook.with_limit(LIMITS.0).asked_before_steps();
        let ran = run([short(hook(&file, fails))]).await;
        assert_eq!(ran.outcome.exit_code(), 3, "{fails}: {}", ran.outcome);
        let said = ran.outcome.to_string();
        assert!(said.contains("no answer of the hook for 10%"), "{said}");
        let script = format!(r#"[ "$to" = 50.0 ] || exit 0; {fails}"#);
        let ran = run([short(hook(&file, &script))]).await;
        assert_eq!(ran.outcome.exit_code(), 10, "{fails}: {}", ran.outcome);
        let said = ran.outcome.to_string();
        assert!(said.contains("no answer of the hook for 50%"), "{said}");
    }
    let absent = Hook::command(["/no/such/program"]).asked_before_steps();
    let ran = run([absent]).await;
    assert_eq!(ran.outcome.exit_code(), 3, "{}", ran.outcome);
    assert!(ran.outcome.to_string().contains("/no/such/program"));
}

#[tokio::test(start_paused = true)]
async fn p9_the_answers_of_a_hook_are_in_the_journal_and_are_judged_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told");
    let ran = run([hook(&file, "echo fine").asked_before_steps()]).await;
    assert_eq!(ran.outcome.exit_code(), 0, "{}", ran.outcome);
    let caller = Arc::new(Caller::new(hook(&file, "")));
    let asked = HookGate::new(caller, &MigrationPlan::quick());
    let errors = good();
    let gates: [(GateId, &dyn HealthGate); 2] =
        [("errors".into(), &errors), ("hook".into(), &asked)];
    let replayed = replay(&ran.journal.records(), &gates).expect("the same verdicts");
    assert_eq!(replayed.end().expect("an end").ok(), Some(&ran.outcome));
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_changes_nothing_and_is_said_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told");
    let ran = run([hook(&file, "echo no channel; exit 7")]).await;
    assert_eq!(ran.outcome.exit_code(), 0, "{}", ran.outcome);
    assert_eq!(ran.failures.len(), 5, "{:?}", ran.failures);
    let last = ran.failures.last().map(String::as_str);
    assert_eq!(last, Some("hook end of `sh`: exit code 7: no channel"));
}

fn event(kind: MigrationEvent) -> Event<MigrationEvent> {
    Event {
        run: RunId::new("r"),
        seq: 0,
        at: Timestamp::UNIX_EPOCH,
        elapsed: Duration::ZERO,
        kind,
    }
}

fn pause_ends() -> MigrationEvent {
    MigrationEvent::PauseEnds {
        until: Timestamp::UNIX_EPOCH,
        then: crate::engine::OnCancel::RollBack,
    }
}

/// On a real clock: the program ends only after the test has gone on.
#[tokio::test]
async fn a_call_is_not_waited_for_until_the_end_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let waits = format!("until [ -e '{}' ]; do sleep 0.02; done", go.display());
    let caller = Caller::new(Hook::command(["sh", "-c", &waits]));
    caller.tell(&event(pause_ends()));
    std::fs::write(&go, "").unwrap();
    assert_eq!(caller.finish().await, [""; 0]);
}

#[tokio::test]
async fn a_call_has_a_limit_and_the_calls_behind_it_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told");
    let script = format!(
        "[ -e '{0}' ] && exit; echo >'{0}'; exec sleep 600",
        file.display()
    );
    let hook = Hook::command(["sh", "-c", &script]).with_limit(LIMITS.0);
    let caller = Caller::new(hook);
    caller.tell(&event(pause_ends()));
    caller.tell(&event(pause_ends()));
    let failures = caller.finish().await;
    assert_eq!(failures, ["hook person of `sh`: no answer within 1 s"]);
}

#[test]
fn a_limit_is_brought_into_its_range() {
    let limit = |limit| Hook::command(["x"]).with_limit(limit).limit;
    assert_eq!(limit(Duration::ZERO), LIMITS.0);
    assert_eq!(limit(Duration::MAX), LIMITS.1);
}
