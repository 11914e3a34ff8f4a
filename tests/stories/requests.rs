//! Controls that other processes ask for, through the store.

use std::{sync::Arc, time::Duration};

use bluegreen::{
    MigrationError, MigrationOutcome,
    aws::sim::{Behaviour, Scenario, Service, Simulation, When},
    engine::{Control, Operator, Reply, Request, RunId, Verb},
    migration::{MigrationEvent, Retelling},
    store::{Ask, Take},
};
use jiff::Timestamp;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::common::{
    durable::Durable,
    requests::{Mood, TestRequests},
    short_plan,
};

type Ended = Result<MigrationOutcome, MigrationError>;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn ann() -> Operator {
    Operator::new("ann").with_reason("errors rise")
}

/// A world whose runs read requests from `requests`.
fn asked(simulation: Simulation) -> (Durable, Arc<TestRequests>) {
    let mut durable = Durable::new(simulation, short_plan().build().expect("valid"));
    let requests = Arc::new(TestRequests::default());
    durable.requests = Some(Arc::clone(&requests));
    (durable, requests)
}

/// Begins a run, and returns once green gets requests.
async fn begun(durable: &Durable) -> JoinHandle<Ended> {
    let lease = durable.take("holder", Take::IfFree).await.expect("free");
    let (migration, ..) = durable.controller(&lease, None);
    let run = tokio::spawn(migration.run());
    happened(durable, |kind| {
        matches!(kind, MigrationEvent::Shifted { .. })
    })
    .await;
    run
}

/// Waits for an event.
async fn happened(durable: &Durable, is_it: impl Fn(&MigrationEvent) -> bool) {
    while !seen(durable, &is_it) {
        sleep(SECOND / 10).await;
    }
}

fn seen(durable: &Durable, is_it: impl Fn(&MigrationEvent) -> bool) -> bool {
    let events = durable.events.lock().expect("no panic");
    events.iter().any(|event| is_it(&event.kind))
}

/// How many controls were taken that came by a request.
fn taken(durable: &Durable) -> usize {
    let events = durable.events.lock().expect("no panic");
    let is_asked = |kind: &MigrationEvent| match kind {
        MigrationEvent::Controlled { control, .. } => {
            control.by().is_some_and(|by| by.request().is_some())
        }
        _ => false,
    };
    events.iter().filter(|event| is_asked(&event.kind)).count()
}

/// Asks, and waits for the reply.
async fn reply(durable: &Durable, verb: Verb) -> Option<Reply> {
    let asked = durable.log().ask(Ask::new(verb, ann())).await;
    let answer = asked.expect("written").answer(MINUTE).await;
    answer.expect("readable").map(|answer| answer.reply)
}

fn code(ended: &Ended) -> u8 {
    match ended {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => error.exit_code(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_paused_and_continued_by_requests() {
    let (durable, _) = asked(Simulation::builder().build());
    let run = begun(&durable).await;
    let begun = Instant::now();
    let pause = Verb::Pause { length: None };
    assert_eq!(reply(&durable, pause.clone()).await, Some(Reply::Applied));
    assert!(begun.elapsed() <= SECOND * 2, "{:?}", begun.elapsed());
    let again = reply(&durable, pause).await;
    assert!(matches!(again, Some(Reply::Ignored { .. })), "{again:?}");
    sleep(MINUTE * 20).await;
    let live = durable.simulation.weights();
    assert_eq!((live.blue, live.green), (90, 10));
    assert_eq!(reply(&durable, Verb::Continue).await, Some(Reply::Applied));
    let ended = run.await.expect("no panic");
    assert_eq!(durable.check(ended, false).await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_abort_by_a_request_restores_and_the_outcome_says_who_and_why() {
    let (durable, _) = asked(Simulation::builder().build());
    let run = begun(&durable).await;
    assert_eq!(reply(&durable, Verb::Abort).await, Some(Reply::Applied));
    let ended = run.await.expect("no panic");
    let words = ended.as_ref().expect("restored").to_string();
    assert!(words.contains("abort by ann (errors rise)"), "{words}");
    assert_eq!(durable.simulation.weights().green, 0);
    assert_eq!(durable.check(ended, false).await, 11);
}

/// The run ends by this request, so the answer is written after the end.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_left_ends_with_the_split_and_the_reason() {
    let (durable, _) = asked(Simulation::builder().build());
    let run = begun(&durable).await;
    assert_eq!(reply(&durable, Verb::Leave).await, Some(Reply::Applied));
    let ended = run.await.expect("no panic");
    let words = ended.as_ref().expect("held").to_string();
    assert!(words.contains("leave by ann (errors rise)"), "{words}");
    let live = durable.simulation.weights();
    assert_eq!((live.blue, live.green), (90, 10));
    assert_eq!(durable.check(ended, false).await, 12);
    let late = durable.log().ask(Ask::new(Verb::Abort, "ann")).await;
    assert!(
        late.expect_err("over")
            .to_string()
            .contains("no controller holds it")
    );
}

#[tokio::test(start_paused = true)]
async fn p01_a_promotion_by_a_request_stands_in_the_outcome_with_its_reason() {
    let (durable, _) = asked(Scenario::NoData.simulation(1));
    let run = begun(&durable).await;
    let full = reply(&durable, Verb::PromoteFully).await;
    assert_eq!(full, Some(Reply::Applied));
    let fully = || durable.simulation.weights().blue == 0;
    while !fully() {
        sleep(SECOND).await;
    }
    assert_eq!(reply(&durable, Verb::Promote).await, Some(Reply::Applied));
    let ended = run.await.expect("no panic");
    let Ok(MigrationOutcome::Promoted { report }) = &ended else {
        panic!("{ended:?}");
    };
    let by = report.overrides.iter().map(|given| given.by.to_string());
    assert!(by.into_iter().all(|by| by == "ann (errors rise)"));
    assert!(!report.overrides.is_empty());
}

/// A request that is not for the run is answered with the reason, and changes nothing.
#[tokio::test(start_paused = true)]
async fn what_a_run_does_not_take_is_refused_aloud() {
    let (durable, requests) = asked(Simulation::builder().build());
    let run = begun(&durable).await;
    let mine = durable.log().ask(Ask::new(Verb::Continue, ann())).await;
    let mine = mine.expect("written");
    let (at, id) = (mine.request().at, mine.request().run.clone());
    let name_of = |request: &Request| request.name().to_string();
    let put = |request: &Request, name: &str| {
        requests.put(name, serde_json::to_vec(request).expect("plain data"));
    };
    let request = |run: &RunId, nonce: &str, verb: Verb, at: Timestamp| {
        Request::new(run.clone(), nonce, verb, &ann(), at)
    };

    let other = request(&RunId::new("run of last week"), "1", Verb::Abort, at);
    put(&other, &name_of(&other));
    let long_ago = at - jiff::SignedDuration::from_secs(400);
    let old = request(&id, "2", Verb::Abort, long_ago);
    put(&old, &name_of(&old));
    let ahead = request(
        &id,
        "3",
        Verb::Abort,
        at + jiff::SignedDuration::from_hours(1),
    );
    put(&ahead, &name_of(&ahead));
    // Under the name of a pause, which more operators have the right to ask for.
    let disguised = request(&id, "4", Verb::Promote, at);
    let pause = request(&id, "4", Verb::Pause { length: None }, at);
    put(&disguised, &name_of(&pause));
    let twice = request(&id, &mine.request().nonce, Verb::Abort, at);
    let large = request(&id, "5", Verb::Abort, at);
    requests.put(&name_of(&large), vec![b' '; 70_000]);
    let torn = request(&id, "6", Verb::Abort, at);
    requests.put(&name_of(&torn), r#"{"version":1,"ru"#);
    let newer = request(&id, "7", Verb::Abort, at);
    requests.put(&name_of(&newer), r#"{"version":9}"#);
    let nameless = request(&id, "8", Verb::Leave, at);
    let nameless = Request::new(id, "8", Verb::Leave, &Operator::new("ann"), nameless.at);
    put(&nameless, &name_of(&nameless));
    requests.put("a note of somebody.txt", "…");

    let answer = mine.answer(MINUTE).await.expect("readable");
    let answer = answer.expect("answered");
    assert!(matches!(answer.reply, Reply::Ignored { .. }), "{answer:?}");
    put(&twice, &name_of(&twice));
    sleep(SECOND * 20).await;
    for (request, why) in [
        (
            &other,
            "the request is for run run of last week, and this is run",
        ),
        (&old, "the request is too old: it expired at"),
        (&ahead, "the request is dated"),
        (&pause, "stands under the name"),
        (&twice, "another request has its nonce"),
        (&large, "too large"),
        (&torn, "the content is not a request"),
        (&newer, "a request of version 9"),
        (&nameless, "`leave` needs a reason"),
    ] {
        let answer = requests.answer(&request.name().answer());
        let said = match answer.map(|answer| answer.reply) {
            Some(Reply::Refused { why }) => why,
            reply => panic!("{why}: {reply:?}"),
        };
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(taken(&durable), 1, "the first one alone");
    let ended = run.await.expect("no panic");
    assert_eq!(durable.check(ended, false).await, 0);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_requests_stop_neither_the_run_nor_an_abort() {
    let (durable, requests) = asked(Simulation::builder().build());
    let run = begun(&durable).await;
    let opening = durable.log().newest_opening().await.expect("readable");
    let id = opening.and_then(|opening| opening.run()).expect("a run");
    for n in 0..3_000 {
        let pause = Verb::Pause { length: None };
        let request = Request::new(id.clone(), n.to_string(), pause, &ann(), Timestamp::MAX);
        let bytes = serde_json::to_vec(&request).expect("plain data");
        requests.put(&request.name().to_string(), bytes);
    }
    let begun = Instant::now();
    assert_eq!(reply(&durable, Verb::Abort).await, Some(Reply::Applied));
    assert!(begun.elapsed() <= SECOND * 3, "{:?}", begun.elapsed());
    let ended = run.await.expect("no panic");
    assert_eq!(durable.check(ended, false).await, 11);
}

/// The holder cannot write its answer: it carries the request out once, and writes the answer when it can.
#[tokio::test(start_paused = true)]
async fn a_request_is_carried_out_once_even_if_its_answer_is_lost() {
    for mood in [Mood::Fails, Mood::Hangs] {
        for heals in [5, 120] {
            let (durable, requests) = asked(Simulation::builder().build());
            let run = begun(&durable).await;
            requests.answers(mood);
            let pause = Verb::Pause {
                length: Some(MINUTE),
            };
            let ask = durable.log().ask(Ask::new(pause, ann())).await;
            let ask = ask.expect("written");
            sleep(SECOND * heals).await;
            requests.answers(Mood::Works);
            let answer = ask.answer(MINUTE).await.expect("readable");
            let is_answered = answer.is_some_and(|answer| answer.reply == Reply::Applied);
            // The attempts are over after 15 s if each fails, and after a minute if each hangs.
            let in_time = heals == 5;
            assert_eq!(is_answered, in_time, "{mood:?} {heals}");
            assert_eq!(taken(&durable), 1, "{mood:?} {heals}");
            // The pause was not ended by another request.
            let ended = run.await.expect("no panic");
            assert_eq!(code(&ended), 11, "{mood:?} {heals}: {ended:?}");
            assert_eq!(taken(&durable), 1, "{mood:?} {heals}");
        }
    }
}

/// An answer is there already when the holder comes to write its own, as if another holder had been quicker:
/// the first one stays, it is what the asker reads, and the run continues.
#[tokio::test(start_paused = true)]
async fn a_request_that_is_answered_twice_keeps_its_first_answer() {
    let (durable, requests) = asked(Simulation::builder().build());
    let run = begun(&durable).await;
    requests.answers(Mood::Fails);
    let pause = Verb::Pause { length: None };
    let ask = durable.log().ask(Ask::new(pause, ann())).await;
    let ask = ask.expect("written");
    happened(&durable, |kind| {
        matches!(kind, MigrationEvent::Paused { .. })
    })
    .await;
    let name = ask.request().name().answer();
    let first = format!(
        r#"{{"version":1,"run":"{}","nonce":"{}","at":"{}","reply":"taken_before"}}"#,
        ask.request().run,
        ask.request().nonce,
        ask.request().at
    );
    requests.put(&name, first.as_str());
    requests.answers(Mood::Works);
    // Longer than the holder tries to write its own.
    sleep(MINUTE).await;
    assert_eq!(requests.get(&name), Some(first.into_bytes()));
    let answer = ask.answer(MINUTE).await.expect("readable");
    assert_eq!(answer.map(|answer| answer.reply), Some(Reply::TakenBefore));
    assert_eq!(taken(&durable), 1);
    // And it still hears.
    assert_eq!(reply(&durable, Verb::Continue).await, Some(Reply::Applied));
    assert_eq!(reply(&durable, Verb::Abort).await, Some(Reply::Applied));
    assert_eq!(code(&run.await.expect("no panic")), 11);
}

/// Green dies for good, two minutes after the first rise.
fn dying() -> Simulation {
    let dying = When::AfterNthRise(1, MINUTE * 2, Duration::from_secs(86_400));
    let green = Service::new(4).with(dying, Behaviour::Dead);
    Simulation::builder().green(green).build()
}

#[tokio::test(start_paused = true)]
async fn p06_lists_that_fail_or_never_answer_delay_nothing() {
    let story = |durable: &Durable| -> Vec<(Duration, String)> {
        let events = durable.events.lock().expect("no panic");
        let told = events.iter();
        told.map(|event| (event.elapsed, event.kind.to_string()))
            .collect()
    };
    for world in [dying as fn() -> Simulation, || {
        Simulation::builder().build()
    }] {
        let plan = || short_plan().build().expect("valid");
        let deaf = Durable::new(world(), plan());
        let expected = deaf.migrate("ann", None).await;
        for mood in [Mood::Works, Mood::Fails, Mood::Hangs] {
            let (durable, requests) = asked(world());
            requests.lists(mood);
            let ended = durable.migrate("ann", None).await;
            assert_eq!(code(&ended), code(&expected), "{mood:?}");
            assert_eq!(story(&durable), story(&deaf), "{mood:?}");
            assert!(requests.listed() > 5, "{mood:?}: {}", requests.listed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_heard_again_once_lists_are_answered_again() {
    for mood in [Mood::Fails, Mood::Hangs] {
        let (durable, requests) = asked(Simulation::builder().build());
        let run = begun(&durable).await;
        requests.lists(mood);
        sleep(MINUTE).await;
        let ask = durable.log().ask(Ask::new(Verb::Abort, ann())).await;
        let ask = ask.expect("written");
        assert_eq!(ask.answer(SECOND * 5).await.expect("readable"), None);
        requests.lists(Mood::Works);
        let answer = ask.answer(MINUTE).await.expect("readable");
        let reply = answer.map(|answer| answer.reply);
        assert_eq!(reply, Some(Reply::Applied), "{mood:?}");
        assert_eq!(code(&run.await.expect("no panic")), 11, "{mood:?}");
    }
}

/// The holder dies after it recorded the control and before it answered.
#[tokio::test(start_paused = true)]
async fn p05_a_resumed_run_takes_no_request_a_second_time() {
    // Soon, and after a snapshot; both before the request is too old.
    for wait in [SECOND, SECOND * 150] {
        let (durable, requests) = asked(Simulation::builder().build());
        let run = begun(&durable).await;
        requests.answers(Mood::Fails);
        let pause = Verb::Pause { length: None };
        let ask = durable.log().ask(Ask::new(pause, ann())).await;
        let ask = ask.expect("written");
        happened(&durable, |kind| {
            matches!(kind, MigrationEvent::Controlled { .. })
        })
        .await;
        sleep(wait).await;
        run.abort();
        let _ = run.await;
        requests.answers(Mood::Works);
        // The request is not too old yet: it would be taken if it had not been taken before.
        let lease = durable.take("bob", Take::IfExpired).await.expect("silent");
        let records = lease.newest_run_to_resume().await.expect("readable");
        let has_it = records.iter().any(|record| {
            record.entry["with"]["control"] == "pause"
                || record.entry["input"]["with"]["control"] == "pause"
        });
        assert_eq!(has_it, wait == SECOND, "a snapshot lies between");
        let mut retelling = Retelling::new();
        for record in &records {
            retelling.take(record).expect("a migration's");
        }
        let (by, until) = retelling.paused().expect("it holds");
        assert_eq!(by.name(), "ann");
        let is_told = |kind: &MigrationEvent| *kind == MigrationEvent::Paused { until };
        assert!(seen(&durable, is_told), "{until}");
        let (migration, ..) = durable.controller(&lease, None);
        let resumed = tokio::spawn(async move { migration.resume(&records, "bob").await });
        let answer = ask.answer(MINUTE).await.expect("readable");
        let reply = answer.map(|answer| answer.reply);
        assert_eq!(reply, Some(Reply::TakenBefore), "{wait:?}");
        assert_eq!(taken(&durable), 1, "{wait:?}");
        // The earlier pause still holds.
        let by_ann = reply_of_pause(&durable).await;
        assert!(matches!(by_ann, Some(Reply::Ignored { .. })), "{by_ann:?}");
        let abort = self::reply(&durable, Verb::Abort).await;
        assert_eq!(abort, Some(Reply::Applied));
        assert_eq!(code(&resumed.await.expect("no panic")), 11, "{wait:?}");
    }
}

async fn reply_of_pause(durable: &Durable) -> Option<Reply> {
    reply(durable, Verb::Pause { length: None }).await
}

/// A holder dies before it sees the request: the resumed run takes it, unless it is too old by then.
#[tokio::test(start_paused = true)]
async fn a_resumed_run_takes_a_request_that_nobody_has_seen() {
    for (dead_for, is_taken) in [(SECOND, true), (MINUTE * 6, false)] {
        let (durable, _) = asked(Simulation::builder().build());
        let run = begun(&durable).await;
        run.abort();
        let _ = run.await;
        let ask = durable.log().ask(Ask::new(Verb::Abort, ann())).await;
        let ask = ask.expect("written");
        assert_eq!(ask.answer(SECOND * 5).await.expect("readable"), None);
        sleep(dead_for).await;
        let ended = durable.resume("bob").await;
        assert_eq!(code(&ended) == 11, is_taken, "{ended:?}");
        let answer = ask.answer(SECOND).await.expect("readable");
        let reply = answer.map(|answer| answer.reply);
        match is_taken {
            true => assert_eq!(reply, Some(Reply::Applied)),
            false => assert!(matches!(reply, Some(Reply::Refused { .. })), "{reply:?}"),
        }
    }
}

/// A rollback gives a live holder 1.5 s to say that it restores, and waits no longer for any other holder.
#[tokio::test(start_paused = true)]
async fn p06_a_holder_that_is_asked_before_a_rollback_restores_or_is_not_waited_for() {
    let limit = SECOND * 3 / 2;
    for (mood, answers) in [
        (Mood::Works, true),
        (Mood::Fails, false),
        (Mood::Hangs, false),
    ] {
        let (durable, requests) = asked(Simulation::builder().build());
        let run = begun(&durable).await;
        // Green gets requests for a while.
        sleep(MINUTE).await;
        requests.lists(mood);
        let begun = Instant::now();
        let by = Operator::new("bob").with_reason("rollback");
        let reply = durable.log().ask_to_abort(by, limit).await;
        assert!(begun.elapsed() <= limit, "{mood:?}: {:?}", begun.elapsed());
        let reply = reply.expect("readable");
        assert_eq!(reply, answers.then_some(Reply::Applied), "{mood:?}");
        if answers {
            let ended = run.await.expect("no panic");
            let words = ended.as_ref().expect("restored").to_string();
            assert!(words.contains("abort by bob (rollback)"), "{words}");
            assert_eq!(durable.check(ended, false).await, 11);
        } else {
            run.abort();
        }
    }
}

/// The nonce is kept with the control, so that the journal says which request it was.
#[tokio::test(start_paused = true)]
async fn the_journal_says_which_request_a_control_came_by() {
    let (durable, _) = asked(Simulation::builder().build());
    let run = begun(&durable).await;
    let ask = durable.log().ask(Ask::new(Verb::Abort, ann())).await;
    let ask = ask.expect("written");
    ask.answer(MINUTE)
        .await
        .expect("readable")
        .expect("answered");
    let ended = run.await.expect("no panic");
    let Ok(MigrationOutcome::RolledBack { cause, .. }) = &ended else {
        panic!("{ended:?}");
    };
    let cause = serde_json::to_value(cause).expect("plain data");
    let control: Control = serde_json::from_value(cause["control"].clone()).expect("a control");
    let by = control.by().expect("a person");
    assert_eq!(by.request(), Some(ask.request().nonce.as_str()));
    assert!(ask.holder().holder.is_some());
}
