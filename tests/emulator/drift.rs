//! A third party writes to the same rule.

use bluegreen::traffic::{Shift, Shifted};
use bluegreen::{ErrorKind, TrafficSplitter as _, aws::alb::AlbRule};

use crate::topology::{Topology, forward, path, percent, sticky};

#[tokio::test]
async fn p07_weights_of_somebody_else_are_not_overwritten() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let rule = topology.split_rule(10, 100, 0).await;
    let splitter = topology.splitter(AlbRule::Arn(rule.clone()));
    let stale = splitter.observe().await.unwrap();
    topology.write(&rule, vec![topology.forward(70, 30)]).await;
    let before = topology.read(&rule).await;

    for green in [0, 10, 30] {
        let error = splitter
            .shift(&Shift::rise(&stale, percent(green)))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
        let diff = "blue weight: expected 100, found 70; green weight: expected 0, found 30";
        assert!(error.message().ends_with(diff), "{error}");
    }
    assert_eq!(topology.read(&rule).await, before);
}

#[tokio::test]
async fn p07_any_other_change_of_the_rule_is_drift() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let rule = topology.split_rule(10, 100, 0).await;
    let splitter = topology.splitter(AlbRule::Arn(rule.clone()));
    let groups = [
        (&topology.blue, 100),
        (&topology.green, 0),
        (&topology.third, 0),
    ];
    for actions in [
        vec![sticky(topology.forward(100, 0), 60)],
        vec![forward(&groups)],
        vec![topology.forward(100, 0)],
    ] {
        let stale = splitter.observe().await.unwrap();
        topology.write(&rule, actions).await;
        let before = topology.read(&rule).await;
        let error = splitter
            .shift(&Shift::rise(&stale, percent(10)))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
        assert!(error.message().contains("actions.1.forward."), "{error}");
        assert_eq!(topology.read(&rule).await, before);
    }

    let stale = splitter.observe().await.unwrap();
    let modified = topology.raw.modify_rule().rule_arn(rule.as_str());
    modified.conditions(path("/*")).send().await.unwrap();
    let error = splitter
        .shift(&Shift::rise(&stale, percent(10)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!(topology.weights(&rule).await, (100, 0));
}

/// AWS refuses such a weight; the emulator takes it, as another API might return it.
#[tokio::test]
async fn a_weight_that_is_none_is_refused() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let rule = topology.split_rule(10, 1000, 0).await;
    let splitter = topology.splitter(AlbRule::Arn(rule));
    let error = splitter.observe().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(error.message().contains("the weight 1000"), "{error}");
}

#[tokio::test]
async fn a_third_group_with_weight_is_refused() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let groups = [
        (&topology.blue, 9),
        (&topology.green, 0),
        (&topology.third, 1),
    ];
    let rule = topology.rule(10, vec![forward(&groups)]).await;
    let error = topology.splitter(AlbRule::Arn(rule)).observe().await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Refused);
}

/// The API has no version to write against, so both may write. The last writer has read its split
/// back; the other one reports that the split is not known.
#[tokio::test]
async fn p07_of_two_shifts_from_one_observation_the_last_one_stands() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let rule = topology.split_rule(10, 100, 0).await;
    for round in 0..8 {
        let [one, other] = [(); 2].map(|()| topology.splitter(AlbRule::Arn(rule.clone())));
        let from = one.observe().await.unwrap();
        let splits = [percent(10 + round), percent(50 + round)];
        let rises = splits.map(|split| Shift::rise(&from, split));
        let (one, other) = tokio::join!(one.shift(&rises[0]), other.shift(&rises[1]));

        let (_, green) = topology.weights(&rule).await;
        let mut confirmed = Vec::new();
        for (answer, split) in [one, other].into_iter().zip(splits) {
            match answer {
                Ok(Shifted::Accepted(_)) => {}
                Ok(Shifted::Seen(seen)) => {
                    assert!(seen.is_at(split), "{seen} is not {split}");
                    confirmed.push(seen.weights.green);
                }
                Err(error) => {
                    let known = [ErrorKind::Conflict, ErrorKind::OutcomeUnknown];
                    assert!(known.contains(&error.kind()), "{error:?}");
                }
            }
        }
        let stands = u32::try_from(green).unwrap();
        assert!(confirmed.contains(&stands), "{confirmed:?} but {stands}");
    }
}
