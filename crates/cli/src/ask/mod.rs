//! Asking the controller of a rule for something, from another terminal or machine: through the store of
//! its journal.

pub(crate) mod abort;
pub(crate) mod continue_run;
pub(crate) mod leave;
pub(crate) mod pause;
pub(crate) mod promote;

use std::{path::Path, time::Duration};

use bluegreen::{
    Aws, Error, ErrorKind, Failure,
    aws::iam::IamPolicy,
    engine::{Operator, RequestAnswer, RunId, Verb},
    problem::Problem,
    store::{Ask, Asked, Holder, JournalLog, JournalStore, LeaseState},
};
use clap::Args;
use futures_util::future::join;
use serde::Serialize;
use tokio::time::timeout;

use crate::common::{
    data::try_json_line,
    journal::{self, JournalPlace},
    rule::NamedRule,
    say::{answer, say_line},
};

/// What every request says.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Asking {
    /// Why, as it stands in the journal and in the outcome.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Ask this run and no later one [default: the newest of the journal].
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// The journal by its name, as `bluegreen journal list` shows it, instead of by its rule [default: the
    /// only one].
    #[arg(long, value_name = "NAME")]
    pub(crate) log: Option<String>,
    /// How long to wait for the answer.
    #[arg(long, value_name = "TIME", default_value = "20s")]
    pub(crate) wait: String,
}

/// Where the run is, and who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Where<'a> {
    pub(crate) journal: &'a JournalPlace,
    pub(crate) rule: &'a NamedRule,
    /// Whether the run is on the real AWS.
    pub(crate) is_real: bool,
    pub(crate) operator: &'a str,
    pub(crate) json: bool,
    /// Only print the rights that it takes.
    pub(crate) prints_policy: bool,
}

const BAD_ARGUMENTS: u8 = 2;
/// Refused, or not answered.
const NOT_DONE: u8 = 3;
/// STS may take so long to say who asks.
const CALLER_WAITS: Duration = Duration::from_secs(2);
/// The journal is asked so long for what became of its holder.
const HOLDER_WAITS: Duration = Duration::from_secs(5);

/// How it ended without an answer.
enum Ended {
    Problem(Problem),
    Failure(Failure),
}

impl From<Problem> for Ended {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failure(Failure::from(error))
    }
}

/// Asks for `verb`, waits for the answer, says it, and returns the exit code.
pub(crate) async fn run(verb: Result<Verb, Problem>, asking: &Asking, place: Where<'_>) -> u8 {
    let ended = match verb {
        Ok(verb) => asked(verb, asking, place).await,
        Err(problem) => Err(problem.into()),
    };
    match ended {
        Ok(code) => code,
        Err(Ended::Problem(problem)) => {
            say_line!("error: {}: {}", problem.field, problem.message);
            say_line!("  hint: {}", problem.hint);
            BAD_ARGUMENTS
        }
        Err(Ended::Failure(failure)) => {
            say_line!("error: {failure}");
            let dead = "if traffic is divided all the same, `resume` goes on with the run, and `rollback` \
                        puts everything back";
            let hint = match (failure.hint.as_deref(), failure.kind) {
                (None, ErrorKind::NotFound) => Some(dead),
                (hint, _) => hint,
            };
            if let Some(hint) = hint {
                say_line!("  hint: {hint}");
            }
            NOT_DONE
        }
    }
}

async fn asked(verb: Verb, asking: &Asking, place: Where<'_>) -> Result<u8, Ended> {
    if place.prints_policy {
        return policy(&verb, place);
    }
    let wait = span("--wait", &asking.wait)?;
    let aws = match place.is_real {
        true => Some(crate::common::aws::from_env().await),
        false => None,
    };
    let (log, name) = join(
        log(aws.as_ref(), asking, place),
        name(aws.as_ref(), place.operator),
    )
    .await;
    let (log, kind) = (log?, verb.kind());
    let by = Operator::new(name);
    let by = match &asking.reason {
        Some(reason) => by.with_reason(reason.as_str()),
        None => by,
    };
    let ask = Ask::new(verb, by);
    let ask = match &asking.run {
        Some(run) => ask.of_run(RunId::new(run.as_str())),
        None => ask,
    };
    let asked = log.ask(ask).await?;
    say_line!(
        "run {}, {}: asked for {kind}",
        asked.request().run,
        asked.holder()
    );
    let answer = asked.answer(wait).await;
    if let Err(error) = &answer {
        say_line!("warning: {}", Failure::from(error));
    }
    let answer = answer.ok().flatten();
    let is_done = answer.as_ref().is_some_and(|answer| answer.reply.is_done());
    match &answer {
        Some(answer) => say_line!("{kind}: {}", answer.reply),
        None => unanswered(&log, &asked, wait).await,
    }
    if place.json && told(&asked, answer.as_ref(), is_done).is_err() {
        return Ok(NOT_DONE);
    }
    Ok(if is_done { 0 } else { NOT_DONE })
}

/// The rights that this takes.
fn policy(verb: &Verb, place: Where<'_>) -> Result<u8, Ended> {
    let (bucket, prefix) = place.journal.bucket().ok_or_else(|| {
        let message = "a policy is for a journal in S3";
        Problem::new("--journal", message, "give s3://BUCKET/PREFIX")
    })?;
    let mut problems = Vec::new();
    let rule = place.rule.rule(&mut problems);
    let rule = match (rule, problems.into_iter().next()) {
        (_, Some(problem)) => return Err(problem.into()),
        (Some(rule), None) => rule,
        (None, None) => {
            let hint = "--rule-arn ARN, or --listener-arn ARN";
            return Err(Problem::new("--rule-arn", "is needed", hint).into());
        }
    };
    let policy = IamPolicy::asks(&rule, bucket, prefix, std::slice::from_ref(verb));
    Ok(match answer(&policy.to_string()) {
        Ok(()) => 0,
        Err(error) => {
            say_line!("error: the policy could not be written: {error}");
            NOT_DONE
        }
    })
}

/// As data: the request, the answer if there is one, and whether it is done.
fn told(asked: &Asked, answer: Option<&RequestAnswer>, is_done: bool) -> std::io::Result<()> {
    #[derive(Serialize)]
    struct Told<'a> {
        request: &'a bluegreen::engine::Request,
        answer: Option<&'a RequestAnswer>,
        done: bool,
    }
    try_json_line(&Told {
        request: asked.request(),
        answer,
        done: is_done,
    })
}

/// The journal of the run: by its name, its rule, or the only one.
async fn log(aws: Option<&Aws>, asking: &Asking, place: Where<'_>) -> Result<JournalLog, Ended> {
    let store = store(aws, place.journal)?;
    let given = place.rule.given();
    let named = asking.log.as_deref();
    match (aws, given.first()) {
        (None, Some(field)) => {
            let hint = "add --aws for the real one, or leave it out";
            Err(Problem::new(*field, "is not for the simulation", hint).into())
        }
        (Some(aws), Some(_)) if named.is_none() => {
            let mut problems = Vec::new();
            let rule = place.rule.rule(&mut problems);
            if let Some(problem) = problems.into_iter().next() {
                return Err(problem.into());
            }
            let rule = match (place.rule.rule_arn.as_deref(), rule) {
                (None, Some(rule)) => rule.weights(aws).await?.rule.to_string(),
                (arn, _) => arn.unwrap_or_default().to_owned(),
            };
            Ok(store.log(&rule))
        }
        _ => Ok(journal::log_of(&store, named, None).await?),
    }
}

fn store(aws: Option<&Aws>, place: &JournalPlace) -> Result<JournalStore, Ended> {
    let needed = || {
        let hint = "s3://BUCKET/PREFIX, or the folder that the run was given";
        Problem::new("--journal", "is needed: the run is asked through it", hint)
    };
    match (aws, place.journal.as_deref()) {
        (Some(aws), None) if place.single_host => Ok(place.store(aws, false)?),
        (_, None | Some("")) => Err(needed().into()),
        (Some(aws), Some(_)) if place.bucket().is_some() => Ok(place.store(aws, false)?),
        (None, Some(_)) if place.bucket().is_some() => {
            let message = "is in S3, and the simulation keeps none there";
            Err(Problem::new("--journal", message, "add --aws for the real one").into())
        }
        (_, Some(folder)) if !Path::new(folder).is_dir() => {
            let message = format!("there is no folder `{folder}`");
            Err(Problem::new("--journal", message, needed().hint).into())
        }
        (_, Some(folder)) => Ok(JournalStore::local(folder)?),
    }
}

/// Who asks, as the journal will have it.
async fn name(aws: Option<&Aws>, operator: &str) -> String {
    let Some(aws) = aws else {
        return said_name(operator);
    };
    match timeout(CALLER_WAITS, aws.caller()).await {
        Ok(Ok(arn)) => format!("{operator}, {arn}"),
        _ => {
            say_line!(
                "note: STS did not say whose credentials these are; the request names you as you do"
            );
            said_name(operator)
        }
    }
}

fn said_name(operator: &str) -> String {
    format!("{operator} on {}", Holder::this_process(operator).host)
}

/// Says that there is no answer, and what to do then.
async fn unanswered(log: &JournalLog, asked: &Asked, wait: Duration) {
    say_line!(
        "not answered within {} s; the request holds until {:.0}",
        wait.as_secs(),
        asked.request().expires
    );
    let standing = timeout(HOLDER_WAITS, log.lease_state()).await;
    let standing = standing.ok().and_then(Result::ok).flatten();
    say_line!("  hint: {}", after(asked.holder(), standing.as_ref()));
}

/// What to do about a holder that does not answer.
fn after(before: &LeaseState, now: Option<&LeaseState>) -> &'static str {
    match now {
        None => {
            "the journal cannot be read any more; `rollback` needs none, and puts everything back on blue"
        }
        Some(now) if now.holder.is_none() => {
            "the run has ended meanwhile; `status` shows where traffic is"
        }
        Some(now) if now.last > before.last => {
            "the run lives and does not hear: it may be of an older version, or cannot list its store; \
             `rollback` throws it out and puts everything back on blue"
        }
        Some(_) => {
            "the run has written nothing meanwhile: if it stays silent for a minute it is dead; `rollback` \
             puts everything back on blue, and `resume` goes on with it"
        }
    }
}

/// A span of time that was given.
fn span(field: &str, text: &str) -> Result<Duration, Problem> {
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    let parsed = parsed.and_then(|span| Duration::try_from(span).ok());
    parsed.ok_or_else(|| {
        let message = format!("`{text}` is not a span of time");
        Problem::new(field, message, "write it like `10m`, `90s` or `1h 30m`")
    })
}
