//! Runs that only begin a deployment, for a judge.

use super::*;

/// A run that has sent its update.
fn updating() -> Play {
    let image = ImageSource::Given { image: image() };
    let (mut play, _) = Play::of(Intent::Begin { image });
    play.surveyed(Some(service(1, Rollout::Completed, 4)));
    let next = play.on(Input::Registered(Ok(Registration {
        revision: revision(2),
        is_new: true,
        diff: Vec::new(),
        notes: Vec::new(),
    })));
    assert!(matches!(next, Next::Do(Action::Update { .. })), "{next:?}");
    play
}

fn begun(play: &Play) -> (DeploymentId, Option<Control>) {
    match play.machine.end() {
        Some(Ok(DeploymentOutcome::Begun {
            deployment, then, ..
        })) => (deployment.clone(), then.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_accepted_update_is_the_end_and_nothing_is_asked_or_followed() {
    let mut play = updating();
    assert_eq!(play.accepts("ecs-svc/2"), Next::End);
    assert_eq!(begun(&play), (DeploymentId::new("ecs-svc/2"), None));
    assert_eq!(play.exit_code(), Some(0));
}

#[test]
fn p11_a_cancel_during_the_update_is_handed_to_the_judge() {
    let mut play = updating();
    assert_eq!(play.on(cancel()), Next::Keep, "a change finishes");
    assert_eq!(play.accepts("ecs-svc/2"), Next::End);
    let (_, then) = begun(&play);
    assert!(matches!(then, Some(Control::Cancel { .. })), "{then:?}");
}

#[test]
fn p10_an_update_whose_answer_was_lost_is_begun_once_a_read_shows_it() {
    let mut play = updating();
    let wait = play.on(Input::Updated(Err(lost())));
    let next = play.wait(wait);
    assert_eq!(next, Next::Do(Action::Observe));
    let next = play.seen(Some(service(2, Rollout::InProgress, 1)));
    assert_eq!(next, Next::End);
    begun(&play);
}

#[test]
fn a_deployment_of_the_same_revision_that_is_under_way_is_begun() {
    let image = ImageSource::Given { image: image() };
    let (mut play, _) = Play::of(Intent::Begin { image });
    play.surveyed(Some(recorded(service(2, Rollout::InProgress, 1), 2, 1)));
    let next = play.on(Input::Registered(Ok(Registration {
        revision: revision(2),
        is_new: false,
        diff: Vec::new(),
        notes: Vec::new(),
    })));
    assert_eq!(next, Next::End);
    begun(&play);
}
