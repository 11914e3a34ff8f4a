//! Possible answers of AWS on the wire, and their results in the public API.
//!
//! The real SDK, its serializers, retries and time limits are all in play; only the connection is
//! replaced. No socket is behind it, so the clock may be paused.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod clocks;
mod connection;
mod ecs;
#[path = "../common/fleet.rs"]
mod fleet;
mod native;
#[path = "../common/operations.rs"]
mod operations;
#[path = "../common/over.rs"]
mod over;
mod verbs;

use std::time::Duration;

use bluegreen::{
    Error, ErrorKind, Percent, Result, TrafficSplit, TrafficSplitter as _,
    aws::alb::{AlbRule, AlbTrafficSplitter},
    engine::Fence,
    traffic::{Shift, Shifted},
};
use tokio::time::Instant;

use crate::connection::{Answer, BLUE, Connection, GREEN, REQUEST, RULE};

use ErrorKind::{Denied, Invalid, NotFound, OutcomeUnknown, Throttled, Unavailable};

/// One answer and its expected results.
struct Case {
    answer: Answer,
    /// The kind of a read's error, and how many times the read is sent.
    read: (ErrorKind, usize),
    /// The kind of a mutation's error. A mutation is always sent once.
    mutation: ErrorKind,
    /// The text of the cause after the operation.
    cause: &'static str,
}

const THROTTLED: Answer = Answer::error(400, "Throttling", "Rate exceeded");

fn cases() -> Vec<Case> {
    let case = |answer, read, mutation, cause| Case {
        answer,
        read,
        mutation,
        cause,
    };
    vec![
        case(
            THROTTLED,
            (Throttled, 3),
            Throttled,
            " answered Throttling: Rate exceeded (request 3ac7d2f1)",
        ),
        case(
            Answer::error(503, "RequestLimitExceeded", "Slow down"),
            (Throttled, 3),
            Throttled,
            " answered RequestLimitExceeded: Slow down (request 3ac7d2f1)",
        ),
        case(
            Answer::error(403, "AccessDenied", "User is not authorized"),
            (Denied, 1),
            Denied,
            " answered AccessDenied: User is not authorized (request 3ac7d2f1)",
        ),
        case(
            Answer::error(403, "ExpiredToken", "The token has expired"),
            (Denied, 1),
            Denied,
            " answered ExpiredToken: The token has expired (request 3ac7d2f1)",
        ),
        case(
            Answer::error(400, "RuleNotFound", "One or more rules not found"),
            (NotFound, 1),
            NotFound,
            " answered RuleNotFound: One or more rules not found (request 3ac7d2f1)",
        ),
        case(
            Answer::error(400, "ValidationError", "Weight must be below 1000"),
            (Invalid, 1),
            Invalid,
            " answered ValidationError: Weight must be below 1000 (request 3ac7d2f1)",
        ),
        case(
            Answer::error(500, "InternalFailure", "We are sorry"),
            (Unavailable, 3),
            OutcomeUnknown,
            " answered InternalFailure: We are sorry (request 3ac7d2f1)",
        ),
        case(
            Answer::error(400, "NobodyKnowsThis", "A code of next year"),
            (Unavailable, 1),
            OutcomeUnknown,
            " answered NobodyKnowsThis: A code of next year (request 3ac7d2f1)",
        ),
        case(
            Answer::Http(503, "<html><body>Service Unavailable</body></html>"),
            (Unavailable, 3),
            OutcomeUnknown,
            ": HTTP 503: ",
        ),
        case(
            Answer::Http(500, ""),
            (Unavailable, 3),
            OutcomeUnknown,
            ": HTTP 500: ",
        ),
        case(
            Answer::Http(403, ""),
            (Denied, 1),
            OutcomeUnknown,
            ": not allowed: HTTP 403, and no reason is given",
        ),
        case(
            Answer::Http(403, "<html><body>Forbidden</body></html>"),
            (Denied, 1),
            OutcomeUnknown,
            ": not allowed: HTTP 403, and no reason is given",
        ),
        case(
            Answer::Http(400, "<ErrorResponse><Error><Code>Throttl"),
            (Unavailable, 1),
            OutcomeUnknown,
            " answered Throttl: HTTP 400: ",
        ),
        case(
            Answer::Http(200, ""),
            (Unavailable, 3),
            OutcomeUnknown,
            ": HTTP 200: ",
        ),
        case(
            Answer::Http(200, "\u{0}\u{1}no answer at all"),
            (Unavailable, 3),
            OutcomeUnknown,
            ": HTTP 200: ",
        ),
        case(
            Answer::Http(200, "<SomethingElse></SomethingElse>"),
            (Unavailable, 3),
            OutcomeUnknown,
            ": HTTP 200: ",
        ),
        case(
            Answer::NotConnected,
            (Unavailable, 3),
            OutcomeUnknown,
            "connection refused",
        ),
        case(
            Answer::Reset,
            (Unavailable, 3),
            OutcomeUnknown,
            "connection reset",
        ),
        case(Answer::Never, (Unavailable, 3), OutcomeUnknown, "timeout"),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_is_retried_where_that_can_help() {
    for case in cases() {
        let connection = Connection::failing("DescribeRules", case.answer);
        let error = splitter(&connection).observe().await.unwrap_err();
        let (kind, sent) = case.read;
        assert_eq!(error.kind(), kind, "{:?}: {error:?}", case.answer);
        assert_eq!(connection.sent("DescribeRules"), sent, "{:?}", case.answer);
        assert_eq!(connection.sent("ModifyRule"), 0);
        assert_eq!(error.message(), format!("describe rule {RULE}"));
        assert_cause(&error, "DescribeRules", case.cause);
    }
}

#[tokio::test(start_paused = true)]
async fn p10_a_mutation_that_fails_is_sent_once() {
    for case in cases() {
        let connection = Connection::failing("ModifyRule", case.answer);
        let error = shift(&connection).await.unwrap_err();
        assert_eq!(error.kind(), case.mutation, "{:?}: {error:?}", case.answer);
        assert_eq!(connection.sent("ModifyRule"), 1, "{:?}", case.answer);
        let attempted = format!("change the weights of rule {RULE}");
        assert_eq!(error.message(), attempted);
        assert_cause(&error, "ModifyRule", case.cause);
    }
}

#[tokio::test(start_paused = true)]
async fn p10_a_mutation_without_an_answer_ends_unknown_after_ten_seconds() {
    let connection = Connection::failing("ModifyRule", Answer::Never);
    let started = Instant::now();
    let error = shift(&connection).await.unwrap_err();
    assert_eq!(error.kind(), OutcomeUnknown, "{error:?}");
    assert_eq!(started.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_read_without_an_answer_ends_after_thirty_seconds() {
    let connection = Connection::failing("DescribeRules", Answer::Never);
    let started = Instant::now();
    let error = splitter(&connection).observe().await.unwrap_err();
    assert_eq!(error.kind(), Unavailable, "{error:?}");
    assert_eq!(started.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn two_throttles_of_a_read_are_ridden_out() {
    let connection = Connection::failing("DescribeRules", THROTTLED).only(0..2);
    let seen = splitter(&connection).observe().await.unwrap();
    assert_eq!((seen.weights.blue, seen.weights.green), (90, 10));
    assert_eq!(connection.sent("DescribeRules"), 3);
}

/// The write itself was answered, but the read back fails, so there is no proof.
#[tokio::test(start_paused = true)]
async fn p04_a_write_that_cannot_be_read_back_is_accepted_and_no_more() {
    let connection = Connection::failing("DescribeRules", THROTTLED).only(2..usize::MAX);
    let shifted = shift(&connection).await.unwrap();
    assert!(matches!(shifted, Shifted::Accepted(_)), "{shifted:?}");
    assert_eq!(connection.sent("ModifyRule"), 1);
    assert_eq!(connection.sent("DescribeRules"), 5);
}

/// The SDK would take a cut answer to a write for a whole answer.
#[tokio::test(start_paused = true)]
async fn p04_a_cut_answer_to_a_write_proves_nothing() {
    let cut = Answer::Http(200, "<ModifyRuleResponse><ModifyRuleResult><Rules><mem");
    let connection = Connection::failing("ModifyRule", cut);
    let error = shift(&connection).await.unwrap_err();
    assert_eq!(error.kind(), OutcomeUnknown, "{error:?}");
    assert!(error.message().starts_with("change the weights"), "{error}");
}

/// The SDK would take a cut answer to a read for a whole answer, too, so a rule could lose its last
/// group, its weight or its stickiness.
#[tokio::test(start_paused = true)]
async fn p03_a_cut_rule_is_never_written() {
    let rule = connection::usual("DescribeRules");
    for end in 0..rule.len() {
        // The second read comes right before the write; it is tried three times.
        let cut = Answer::Http(200, &rule[..end]);
        let connection = Connection::failing("DescribeRules", cut).only(1..4);
        let error = shift(&connection).await.unwrap_err();
        assert_eq!(error.kind(), Unavailable, "{error:?}");
        let written = connection.forms("ModifyRule");
        assert!(written.is_empty(), "cut after {}: {error:?}", &rule[..end]);
    }
}

/// The write was answered, but the read after it shows the state before.
#[tokio::test(start_paused = true)]
async fn p04_a_write_that_is_not_there_is_accepted_and_no_more() {
    let connection = Connection::healthy();
    let shifted = shift(&connection).await.unwrap();
    assert!(matches!(shifted, Shifted::Accepted(_)), "{shifted:?}");
    assert!(
        shifted
            .traffic()
            .is_at(TrafficSplit::to_green(Percent::FIFTY))
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_group_that_is_gone_is_named() {
    let gone = Answer::error(400, "TargetGroupNotFound", "One or more target groups");
    let connection = Connection::failing("DescribeTargetHealth", gone);
    let error = splitter(&connection).observe().await.unwrap_err();
    assert_eq!(error.kind(), NotFound, "{error:?}");
    assert!(error.message().ends_with(BLUE), "{error}");
    assert_cause(
        &error,
        "DescribeTargetHealth",
        " answered TargetGroupNotFound",
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_names_the_action_to_allow() {
    let denied = Answer::error(403, "AccessDenied", "no");
    let connection = Connection::failing("ModifyRule", denied);
    let error = shift(&connection).await.unwrap_err();
    assert!(
        error
            .hint()
            .unwrap()
            .contains("elasticloadbalancing:ModifyRule")
    );
}

/// The command asks when it opens a file, the library when it starts the run.
#[tokio::test(start_paused = true)]
async fn who_calls_is_asked_once_and_after_a_failure_again() {
    let denied = Answer::error(403, "AccessDenied", "no");
    let connection = Connection::failing("GetCallerIdentity", denied).only(0..1);
    let aws = connection.aws();
    assert!(aws.caller().await.is_err());
    for handle in [aws.clone(), aws.fenced(NoFence), aws] {
        let caller = handle.caller().await.unwrap();
        assert_eq!(caller, "arn:aws:iam::123456789012:user/ann");
    }
    assert_eq!(connection.sent("GetCallerIdentity"), 2);
}

/// Lets every change through.
#[derive(Debug)]
struct NoFence;

impl Fence for NoFence {
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// An operation that the code gets anew comes with its bytes.
#[test]
fn each_operation_of_the_code_has_an_answer_here() {
    operations::assert_held("wire", &operations::NOT_IN_WIRE);
}

fn splitter(connection: &Connection) -> AlbTrafficSplitter {
    let rule = AlbRule::Arn(RULE.parse().unwrap());
    let (blue, green) = (BLUE.parse().unwrap(), GREEN.parse().unwrap());
    AlbTrafficSplitter::new(&connection.aws(), rule, blue, green).unwrap()
}

/// Observes, and shifts to half and half.
async fn shift(connection: &Connection) -> Result<Shifted> {
    let splitter = splitter(connection);
    let from = splitter.observe().await.unwrap();
    splitter
        .shift(&Shift::rise(&from, TrafficSplit::to_green(Percent::FIFTY)))
        .await
}

/// Asserts that the cause starts with the operation and contains the expected text, and that an answer of
/// AWS names its request.
#[track_caller]
fn assert_cause(error: &Error, operation: &str, cause: &str) {
    let text = std::error::Error::source(error).unwrap().to_string();
    assert!(text.starts_with(operation), "{text}");
    assert!(text.contains(cause), "{text} lacks {cause}");
    let is_answer = text.contains(" answered ") || text.contains(" HTTP ");
    let named = format!(" (request {REQUEST})");
    assert_eq!(is_answer, text.ends_with(&named), "{text}");
    assert!(!error.to_string().contains(&text), "{error}");
}
