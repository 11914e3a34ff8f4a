use std::error::Error as _;

use mockall::Sequence;

use super::*;
use crate::{
    aws::{
        alb::{testing::*, *},
        api::{ApiError, MockElbApi},
    },
    error::Failure,
    traffic::{Over, Percent, TrafficSplit},
};
use aws_sdk_elasticloadbalancingv2::{
    operation::describe_rules::DescribeRulesOutput,
    types::{Action, ActionTypeEnum, Rule},
};

fn to(green: &str) -> TrafficSplit {
    TrafficSplit::to_green(green.parse::<Percent>().unwrap())
}

/// A rise from what was observed.
fn rise(from: &Rule, green: &str) -> Shift {
    Shift::new(seen(from), to(green), Over::Observed)
}

/// What an observation of this rule holds.
fn seen(rule: &Rule) -> TrafficObservation {
    let counts = Sides {
        blue: TargetCounts::all_healthy(2),
        green: TargetCounts::all_healthy(1),
    };
    Routing::read(&rule_arn(), rule.clone(), &groups())
        .unwrap()
        .observation(counts)
}

fn api_error(kind: ErrorKind, operation: &'static str) -> ApiError {
    ApiError::new(kind, operation, "Code", "message")
}

fn kinds() -> [ErrorKind; 6] {
    [
        ErrorKind::NotFound,
        ErrorKind::Denied,
        ErrorKind::Throttled,
        ErrorKind::Invalid,
        ErrorKind::OutcomeUnknown,
        ErrorKind::Unavailable,
    ]
}

async fn observe(rule: Rule) -> Result<TrafficObservation> {
    let mut elb = MockElbApi::new();
    expect_rule(&mut elb, &mut Sequence::new(), Ok(rule));
    expect_targets(&mut elb);
    splitter(elb).observe().await
}

/// A shift from what `before` shows, with the rule read back as `after`.
async fn shift(before: &Rule, green: &str, written: Vec<Action>, after: Rule) -> Result<Shifted> {
    let (mut elb, mut sequence) = (MockElbApi::new(), Sequence::new());
    expect_rule(&mut elb, &mut sequence, Ok(before.clone()));
    expect_write(&mut elb, &mut sequence, written, Ok(()));
    expect_rule(&mut elb, &mut sequence, Ok(after));
    expect_targets(&mut elb);
    splitter(elb).shift(&rise(before, green)).await
}

mod new {
    use super::*;

    fn problems(aws_region: Option<&'static str>, rule: AlbRule, blue: &str, green: &str) -> Error {
        let aws = match aws_region {
            Some(region) => Aws::from_config(
                &aws_config::SdkConfig::builder()
                    .region(aws_config::Region::new(region))
                    .behavior_version(aws_config::BehaviorVersion::latest())
                    .build(),
            ),
            None => aws(MockElbApi::new()),
        };
        AlbTrafficSplitter::new(&aws, rule, blue.parse().unwrap(), green.parse().unwrap())
            .unwrap_err()
    }

    #[test]
    fn refuses_one_group_for_both_sides() {
        let error = problems(None, AlbRule::Arn(rule_arn()), BLUE, BLUE);
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains("the same target group"), "{error}");
    }

    #[test]
    fn names_all_problems_at_once() {
        let rule = AlbRule::Priority {
            listener: listener_arn(),
            priority: 50_001,
        };
        let elsewhere = BLUE.replace("us-east-1", "eu-west-1");
        let stranger = GREEN.replace("123456789012", "210987654321");
        let error = problems(Some("us-west-2"), rule, &elsewhere, &stranger);
        for text in [
            "blue's target group is in aws/eu-west-1/123456789012, the rule in aws/us-east-1/123456789012",
            "green's target group is in aws/us-east-1/210987654321",
            "the rule is in region us-east-1, the configuration in use is for us-west-2",
            "priority 50001 is not between 1 and 50000",
        ] {
            assert!(error.message().contains(text), "{text} in {error}");
        }
    }

    #[test]
    fn debug_names_what_it_steers() {
        let splitter = splitter(MockElbApi::new());
        let text = format!("{splitter:?}");
        assert!(text.contains(RULE) && text.contains(BLUE), "{text}");
        assert_eq!(splitter.rule(), &AlbRule::Arn(rule_arn()));
        assert_eq!(splitter.target_groups(), &groups());
    }
}

mod observing {
    use super::*;

    #[tokio::test]
    async fn p04_reads_weights_targets_and_the_rest() {
        let rule = rule(vec![sticky(
            forward(&[(GREEN, 10), (BLUE, 90), (THIRD, 0)]),
            3600,
        )]);
        let observed = observe(rule.clone()).await.unwrap();
        assert_eq!(observed, seen(&rule));
        assert_eq!(
            observed.weights,
            Sides {
                blue: 90,
                green: 10
            }
        );
        assert_eq!(observed.targets.blue, TargetCounts::all_healthy(2));
        assert_eq!(
            observed.stickiness,
            Some(std::time::Duration::from_secs(3600))
        );
        assert!(
            observed.fingerprint.starts_with("v2:"),
            "{}",
            observed.fingerprint
        );
        let command = observed.restore_command.unwrap();
        assert!(
            command.contains(&format!(r#""{BLUE}","Weight":100"#)),
            "{command}"
        );
        assert!(
            command.contains(&format!(r#""{GREEN}","Weight":0"#)),
            "{command}"
        );
    }

    #[tokio::test]
    async fn p04_weights_are_read_as_relative() {
        let observed = observe(split(0, 1)).await.unwrap();
        assert!(observed.is_at(TrafficSplit::ALL_GREEN));
        assert!(observe(split(1, 0)).await.unwrap().is_all_blue());
        assert_eq!(observed.stickiness, None);
    }

    /// Nothing is made up of it: neither all-blue nor an even split.
    #[tokio::test]
    async fn p04_two_zeros_are_what_they_are() {
        let observed = observe(split(0, 0)).await.unwrap();
        assert_eq!(observed.weights, Sides { blue: 0, green: 0 });
        assert!(!observed.is_all_blue());
    }

    #[tokio::test]
    async fn a_missing_weight_is_one() {
        let mut rule = split(0, 0);
        for config in rule.actions.iter_mut().flatten() {
            let config = config.forward_config.as_mut().unwrap();
            config.target_groups = Some(vec![tuple(BLUE, None), tuple(GREEN, 0)]);
        }
        let observed = observe(rule).await.unwrap();
        assert_eq!(observed.weights, Sides { blue: 1, green: 0 });
    }

    #[tokio::test]
    async fn p02_targets_are_counted_by_state() {
        use aws_sdk_elasticloadbalancingv2::types::TargetHealthStateEnum as State;
        let (mut elb, mut sequence) = (MockElbApi::new(), Sequence::new());
        expect_rule(&mut elb, &mut sequence, Ok(split(1, 0)));
        let states = [
            State::Healthy,
            State::Healthy,
            State::Unhealthy,
            State::Initial,
            State::Initial,
            State::Initial,
            State::Draining,
            State::UnhealthyDraining,
            State::Unused,
            State::Unavailable,
            State::from("later"),
        ];
        let states = states.into_iter().map(Some).chain([None]).collect();
        expect_health(&mut elb, BLUE, Ok(states));
        expect_health(&mut elb, GREEN, Ok(Vec::new()));
        let observed = splitter(elb).observe().await.unwrap();
        let blue = observed.targets.blue;
        assert_eq!(
            [
                blue.healthy,
                blue.unhealthy,
                blue.initial,
                blue.draining,
                blue.other
            ],
            [2, 1, 3, 2, 4]
        );
        assert_eq!(observed.targets.green, TargetCounts::default());
    }

    async fn problem(actions: Vec<Action>) -> Error {
        observe(rule(actions)).await.unwrap_err()
    }

    #[tokio::test]
    async fn p04_green_not_attached_is_an_error_with_the_command() {
        for actions in [scalar(BLUE), forward(&[(BLUE, 1)])] {
            let error = problem(vec![oidc_with_secret(), actions]).await;
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(
                error.message().contains("does not forward to green's"),
                "{error}"
            );
            let hint = error.hint().unwrap();
            assert!(hint.contains("at weight 0"), "{hint}");
            assert!(hint.contains(&format!(r#""{GREEN}","Weight":0"#)), "{hint}");
            assert!(hint.contains(&format!(r#""{BLUE}","Weight":1"#)), "{hint}");
            assert!(!hint.contains(SECRET));
        }
    }

    #[tokio::test]
    async fn p04_blue_not_attached_is_an_error() {
        let error = problem(vec![scalar(GREEN)]).await;
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error.message().contains("does not forward to blue's"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn p03_a_third_group_with_weight_is_refused() {
        let error = problem(vec![forward(&[(BLUE, 1), (GREEN, 0), (THIRD, 1)])]).await;
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.message().contains(THIRD), "{error}");
    }

    #[tokio::test]
    async fn p03_an_action_that_would_be_lost_is_refused() {
        let unknown = Action::builder()
            .r#type(ActionTypeEnum::from("challenge"))
            .build();
        let empty = Action::builder()
            .r#type(ActionTypeEnum::JwtValidation)
            .build();
        for (action, name) in [(unknown, "challenge"), (empty, "jwt-validation")] {
            let error = problem(vec![action, forward(&[(BLUE, 1), (GREEN, 0)])]).await;
            assert_eq!(error.kind(), ErrorKind::Refused);
            assert!(error.message().contains(name), "{error}");
        }
    }

    #[tokio::test]
    async fn p03_no_forward_or_several_are_refused() {
        let forward = forward(&[(BLUE, 1), (GREEN, 0)]);
        for actions in [vec![], vec![forward.clone(), forward]] {
            let error = problem(actions).await;
            assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        }
    }

    #[tokio::test]
    async fn p03_unclear_groups_are_refused_all_at_once() {
        let mut listed = forward(&[(BLUE, 1), (BLUE, 1), (GREEN, 1000)]);
        let config = listed.forward_config.as_mut().unwrap();
        let nameless = aws_sdk_elasticloadbalancingv2::types::TargetGroupTuple::builder();
        config
            .target_groups
            .get_or_insert_default()
            .push(nameless.build());
        let error = problem(vec![listed]).await;
        assert_eq!(error.kind(), ErrorKind::Refused);
        for text in ["more than once", "the weight 1000", "without an ARN"] {
            assert!(error.message().contains(text), "{text} in {error}");
        }
    }

    #[tokio::test]
    async fn p04_a_rule_that_is_gone_is_no_default() {
        for answer in [
            Ok(DescribeRulesOutput::builder().build()),
            Ok(DescribeRulesOutput::builder()
                .rules(Rule::builder().rule_arn(OTHER_RULE).build())
                .build()),
            Err(ApiError::new(
                ErrorKind::NotFound,
                "DescribeRules",
                "RuleNotFound",
                "One or more rules not found",
            )),
        ] {
            let mut elb = MockElbApi::new();
            elb.expect_describe_rules().times(1).return_once(|_| answer);
            expect_targets(&mut elb);
            let error = splitter(elb).observe().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert_eq!(error.message(), format!("describe rule {RULE}"));
        }
    }

    #[tokio::test]
    async fn errors_of_each_kind_are_passed_on() {
        for kind in kinds() {
            let mut elb = MockElbApi::new();
            let answer = Err(api_error(kind, "DescribeRules"));
            expect_rule(&mut elb, &mut Sequence::new(), answer);
            expect_targets(&mut elb);
            let error = splitter(elb).observe().await.unwrap_err();
            assert_eq!(error.kind(), kind);
            assert!(
                error
                    .source()
                    .unwrap()
                    .to_string()
                    .starts_with("DescribeRules answered")
            );

            let mut elb = MockElbApi::new();
            expect_rule(&mut elb, &mut Sequence::new(), Ok(split(1, 0)));
            expect_health(&mut elb, BLUE, Ok(Vec::new()));
            expect_health(
                &mut elb,
                GREEN,
                Err(api_error(kind, "DescribeTargetHealth")),
            );
            let error = splitter(elb).observe().await.unwrap_err();
            assert_eq!(error.kind(), kind);
            assert!(error.message().contains(GREEN), "{error}");
        }
    }

    #[tokio::test]
    async fn p12_an_echoed_secret_is_seen_nowhere() {
        let rule = rule(vec![oidc_with_secret(), forward(&[(BLUE, 1), (GREEN, 0)])]);
        let routing = Routing::read(&rule_arn(), rule.clone(), &groups()).unwrap();
        assert!(!format!("{routing:?}").contains(SECRET));
        let observed = observe(rule).await.unwrap();
        assert!(!format!("{observed:?}").contains(SECRET));
        let mut broken = Vec::from([oidc_with_secret()]);
        broken.push(forward(&[(BLUE, 1), (THIRD, 1)]));
        let error = problem(broken).await;
        assert!(!format!("{error:?}{}", Failure::from(&error)).contains(SECRET));
    }
}

mod shifting {
    use super::*;

    #[tokio::test]
    async fn p03_writes_two_weights_and_reads_back() {
        let before = rule(vec![
            oidc_with_secret(),
            sticky(forward(&[(THIRD, 0), (BLUE, 1), (GREEN, 0)]), 60),
        ]);
        let after = rule(vec![
            oidc(),
            sticky(forward(&[(GREEN, 10), (BLUE, 90), (THIRD, 0)]), 60),
        ]);
        let written = vec![
            oidc_written(),
            sticky(forward(&[(THIRD, 0), (BLUE, 90), (GREEN, 10)]), 60),
        ];
        let observed = shift(&before, "10", written, after.clone()).await.unwrap();
        assert_eq!(observed, Shifted::Seen(seen(&after)));
        assert!(observed.traffic().is_at(to("10")));
    }

    #[tokio::test]
    async fn p03_cognito_and_jwt_go_back_as_they_came() {
        for check in [cognito(), jwt()] {
            let before = rule(vec![check.clone(), forward(&[(BLUE, 100), (GREEN, 0)])]);
            let after = rule(vec![check, forward(&[(BLUE, 0), (GREEN, 100)])]);
            let written = after.actions().to_vec();
            shift(&before, "100", written, after).await.unwrap();
        }
    }

    #[tokio::test]
    async fn tenths_of_a_percent_are_written_exactly() {
        let after = split(995, 5);
        let written = after.actions().to_vec();
        let observed = shift(&split(1, 0), "0.5", written, after).await.unwrap();
        assert_eq!(
            observed.traffic().weights,
            Sides {
                blue: 995,
                green: 5
            }
        );
    }

    /// The API lists the scalar of a rule that used to have one group only.
    #[tokio::test]
    async fn p07_a_scalar_that_disappears_is_no_drift() {
        let mut before = split(1, 0);
        before.actions.as_mut().unwrap()[0].target_group_arn = Some(BLUE.to_owned());
        let after = split(50, 50);
        let written = after.actions().to_vec();
        shift(&before, "50", written, after).await.unwrap();
    }

    #[tokio::test]
    async fn p03_a_default_rule_is_written_through_its_listener() {
        let before = default_rule(vec![forward(&[(BLUE, 1), (GREEN, 0)])]);
        let after = default_rule(vec![forward(&[(BLUE, 75), (GREEN, 25)])]);
        let (mut elb, mut sequence) = (MockElbApi::new(), Sequence::new());
        expect_rule(&mut elb, &mut sequence, Ok(before.clone()));
        expect_default_write(&mut elb, &mut sequence, after.actions().to_vec());
        expect_rule(&mut elb, &mut sequence, Ok(after.clone()));
        expect_targets(&mut elb);
        let observed = splitter(elb).shift(&rise(&before, "25")).await.unwrap();
        assert_eq!(observed, Shifted::Seen(seen(&after)));
    }

    #[tokio::test]
    async fn a_routing_that_is_there_already_is_not_written() {
        for (rule, green) in [
            (split(1, 0), "0"),
            (split(3, 1), "25"),
            (split(0, 7), "100"),
        ] {
            let mut elb = MockElbApi::new();
            expect_rule(&mut elb, &mut Sequence::new(), Ok(rule.clone()));
            expect_targets(&mut elb);
            let observed = splitter(elb).shift(&rise(&rule, green)).await.unwrap();
            assert_eq!(observed, Shifted::Seen(seen(&rule)));
        }
    }

    #[tokio::test]
    async fn p04_two_zeros_can_be_restored() {
        let after = split(100, 0);
        let written = after.actions().to_vec();
        shift(&split(0, 0), "0", written, after).await.unwrap();
    }

    /// Weights, even ones that are wanted, and the rest of the rule alike.
    #[tokio::test]
    async fn p07_drift_since_the_observation_is_a_conflict_and_nothing_is_written() {
        let strangers = [
            (split(70, 30), "blue weight: expected 90, found 70"),
            (split(50, 50), "green weight: expected 10, found 50"),
            (split(9, 1), "green weight: expected 10, found 1"),
            (
                rule(vec![forward(&[(BLUE, 90), (GREEN, 10), (THIRD, 0)])]),
                "actions.1.forward.groups: expected ",
            ),
            (
                rule(vec![oidc(), forward(&[(BLUE, 90), (GREEN, 10)])]),
                "actions.1.type: expected forward, found authenticate-oidc",
            ),
        ];
        for (now, text) in strangers {
            let mut elb = MockElbApi::new();
            expect_rule(&mut elb, &mut Sequence::new(), Ok(now));
            let error = splitter(elb)
                .shift(&rise(&split(90, 10), "50"))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert!(error.message().contains(text), "{text} in {error}");
        }
    }

    #[tokio::test]
    async fn p03_a_rule_that_became_unfit_is_not_written() {
        let now = rule(vec![forward(&[(BLUE, 90), (GREEN, 10), (THIRD, 5)])]);
        let mut elb = MockElbApi::new();
        expect_rule(&mut elb, &mut Sequence::new(), Ok(now));
        let error = splitter(elb)
            .shift(&rise(&split(90, 10), "50"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
    }

    #[tokio::test]
    async fn p10_a_write_that_failed_keeps_its_kind_and_is_not_sent_again() {
        for kind in kinds() {
            let (mut elb, mut sequence) = (MockElbApi::new(), Sequence::new());
            let written = split(90, 10).actions().to_vec();
            expect_rule(&mut elb, &mut sequence, Ok(split(1, 0)));
            let answer = Err(api_error(kind, "ModifyRule"));
            expect_write(&mut elb, &mut sequence, written, answer);
            let error = splitter(elb)
                .shift(&rise(&split(1, 0), "10"))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), kind);
            assert_eq!(
                error.message(),
                format!("change the weights of rule {RULE}")
            );
        }
    }

    /// An older state, a third party's, or a rule without one side: the write was accepted.
    #[tokio::test]
    async fn p04_a_write_that_is_not_seen_is_accepted_and_no_more() {
        let written = split(90, 10);
        for after in [
            split(1, 0),
            split(50, 50),
            rule(vec![jwt(), forward(&[(BLUE, 90), (GREEN, 10)])]),
            rule(vec![scalar(BLUE)]),
        ] {
            let actions = written.actions().to_vec();
            let shifted = shift(&split(1, 0), "10", actions, after).await.unwrap();
            assert_eq!(shifted, Shifted::Accepted(seen(&written)));
        }
    }

    #[tokio::test]
    async fn p04_a_write_that_cannot_be_read_back_is_accepted_and_no_more() {
        for kind in kinds() {
            let (mut elb, mut sequence) = (MockElbApi::new(), Sequence::new());
            let written = split(90, 10);
            expect_rule(&mut elb, &mut sequence, Ok(split(1, 0)));
            let actions = written.actions().to_vec();
            expect_write(&mut elb, &mut sequence, actions, Ok(()));
            let answer = Err(api_error(kind, "DescribeRules"));
            expect_rule(&mut elb, &mut sequence, answer);
            expect_targets(&mut elb);
            let shifted = splitter(elb).shift(&rise(&split(1, 0), "10")).await;
            assert_eq!(shifted.unwrap(), Shifted::Accepted(seen(&written)));
        }
    }

    /// Reads show 100:0 before the first rise and after the restore: equal reads prove nothing.
    #[tokio::test]
    async fn p04_a_restore_is_written_over_blue_and_over_its_own_writes() {
        let blue = split(100, 0);
        let own = || Over::Own(vec![to("10")]);
        for (found, over) in [
            (split(100, 0), own()),
            (split(1, 0), own()),
            (split(90, 10), own()),
            (split(30, 70), Over::Anything),
            (
                rule(vec![jwt(), forward(&[(BLUE, 3), (GREEN, 7)])]),
                Over::Anything,
            ),
        ] {
            let (mut elb, mut sequence) = (MockElbApi::new(), Sequence::new());
            let mut after = found.clone();
            let actions = found.actions().iter().map(|action| match action.r#type() {
                Some(ActionTypeEnum::Forward) => forward(&[(BLUE, 100), (GREEN, 0)]),
                _ => action.clone(),
            });
            let actions: Vec<Action> = actions.collect();
            after.actions = Some(actions.clone());
            expect_rule(&mut elb, &mut sequence, Ok(found));
            expect_write(&mut elb, &mut sequence, actions, Ok(()));
            expect_rule(&mut elb, &mut sequence, Ok(after.clone()));
            expect_targets(&mut elb);
            let restore = Shift::new(seen(&blue), TrafficSplit::ALL_BLUE, over);
            let shifted = splitter(elb).shift(&restore).await.unwrap();
            assert_eq!(shifted, Shifted::Seen(seen(&after)));
        }
    }

    #[tokio::test]
    async fn p07_a_restore_is_not_written_over_a_third_partys_routing() {
        for found in [
            split(70, 30),
            rule(vec![jwt(), forward(&[(BLUE, 90), (GREEN, 10)])]),
        ] {
            let mut elb = MockElbApi::new();
            expect_rule(&mut elb, &mut Sequence::new(), Ok(found));
            let over = Over::Own(vec![to("10")]);
            let restore = Shift::new(seen(&split(100, 0)), TrafficSplit::ALL_BLUE, over);
            let error = splitter(elb).shift(&restore).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
        }
    }

    #[tokio::test]
    async fn errors_of_the_re_read_are_passed_on_with_nothing_written() {
        for kind in kinds() {
            let mut elb = MockElbApi::new();
            let answer = Err(api_error(kind, "DescribeRules"));
            expect_rule(&mut elb, &mut Sequence::new(), answer);
            let shifted = splitter(elb).shift(&rise(&split(1, 0), "10")).await;
            assert_eq!(shifted.unwrap_err().kind(), kind);
        }
    }
}
