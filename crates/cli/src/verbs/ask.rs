//! Requests to the controller of a rule, from another terminal or machine, through the store of its
//! journal.

use std::{process::ExitCode, time::Duration};

use bluegreen::{
    Aws, Error, ErrorKind, Failure,
    aws::iam::IamPolicy,
    engine::{Operator, RequestAnswer, RunId, Verb},
    problem::Problem,
    spec::{MigrationSpec, Span, Use},
    store::{Ask, Asked, Holder, JournalLog, JournalStore, LeaseState},
};
use clap::Args;
use futures_util::future::join;
use serde::Serialize;
use tokio::time::timeout;

use crate::{
    common::{
        aws,
        data::try_json_line,
        errors::{UNCHANGED, bad_arguments, invalid, said},
        journal::{self, JournalPlace, ReadJournal},
        runtime::block_on,
        say::{answer, say_line},
    },
    migration::{
        args::{OPTIONS, Told, WHICH, Which},
        file::{File, journal_of},
        rights::printed,
        sides,
    },
};

/// The options of every request.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Asking {
    #[command(flatten)]
    which: Which,
    #[command(flatten, next_help_heading = WHICH)]
    journal: ReadJournal,
    #[command(flatten, next_help_heading = OPTIONS)]
    told: Told,
    /// The reason, shown in the outcome.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// Ask only this run [default: the newest run].
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Its log, by the name in `journal list`.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["rule_arn", "listener_arn"])]
    log: Option<String>,
    /// How long to wait for the answer.
    #[arg(long, value_name = "TIME", default_value = "20s")]
    wait: String,
    /// Print the least IAM policy, and call nothing.
    #[arg(long)]
    pub(super) print_iam_policy: bool,
}

/// The end of the help of every request.
pub(super) const AFTER: &str = "\
Exit codes: 0 done; 2 bad arguments; 3 refused, or no answer in time.";

/// The longest wait for STS to say whose credentials these are.
const CALLER_WAITS: Duration = Duration::from_secs(2);
/// The longest wait for the journal to say what became of its holder.
const HOLDER_WAITS: Duration = Duration::from_secs(5);

/// How a request ended without an answer.
enum Ended {
    /// With this exit code; the message is printed already.
    Said(u8),
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

/// Asks for `verb`, waits for the answer, prints it, and returns the exit code.
pub(super) fn main(verb: Result<Verb, Problem>, asking: &Asking) -> ExitCode {
    block_on(async {
        let ended = match verb {
            Ok(verb) => asked(verb, asking).await,
            Err(problem) => Err(problem.into()),
        };
        match ended {
            Ok(code) | Err(Ended::Said(code)) => code,
            Err(Ended::Problem(problem)) => bad_arguments(&[problem]),
            Err(Ended::Failure(mut failure)) => {
                if failure.kind == ErrorKind::NotFound && failure.hint.is_none() {
                    let dead = "if traffic is still divided, `resume` continues the run, and `rollback` \
                                puts everything back";
                    failure.hint = Some(dead.to_owned());
                }
                said(&failure);
                UNCHANGED
            }
        }
    })
}

/// The run to ask, and the place of its journal.
struct Place {
    aws: Option<Aws>,
    store: JournalStore,
    spec: Option<MigrationSpec>,
}

impl Place {
    async fn of(asking: &Asking) -> Result<Self, Ended> {
        let mut place = JournalPlace::from(asking.journal.clone());
        let spec = match &asking.which {
            Which {
                name: Some(name), ..
            } => {
                let run = sides::run(name, &place).await;
                Some(run.map_err(Ended::Said)?.spec)
            }
            which if which.rule.given().is_empty() && asking.log.is_none() => {
                let file = File::usual(which.file.as_deref());
                file.map_err(Ended::Said)?.map(|file| file.spec)
            }
            _ => None,
        };
        if let Some(spec) = &spec {
            place = journal_of(spec, &place);
        }
        let Some(at) = place.journal.as_deref() else {
            let hint = "give s3://BUCKET/PREFIX, or the folder of the run's --journal";
            let message = "is needed: the request reaches the run through its journal";
            return Err(Problem::new("--journal", message, hint).into());
        };
        let bucket = place.bucket().map(|(a, b)| (a.to_owned(), b.to_owned()));
        let is_simulated = spec.as_ref().is_some_and(|spec| spec.simulation.is_some());
        let is_named = spec.is_some() || !asking.which.rule.given().is_empty();
        let is_real = bucket.is_some() || (is_named && !is_simulated);
        let aws = match is_real {
            true => {
                let region = spec.as_ref().and_then(MigrationSpec::region_of_all);
                Some(aws::from_env_in(region).await)
            }
            false => None,
        };
        let store = match (&aws, &bucket) {
            (Some(aws), Some((bucket, prefix))) => aws.journals(bucket, prefix)?,
            // A file's own folder is made by its first run.
            _ if spec.is_some() && !std::path::Path::new(at).exists() => {
                return Err(no_run(at).into());
            }
            _ => journal::open_named(at).await?,
        };
        Ok(Self { aws, store, spec })
    }

    /// Returns the journal of the run by its name or its rule, or else the only journal.
    async fn log(&self, asking: &Asking) -> Result<JournalLog, Ended> {
        let rule = match (&self.spec, &self.aws) {
            (Some(spec), Some(aws)) => Some(match &spec.native {
                Some(native) => native.log_name(aws),
                None => spec.locate(aws).await?.to_string(),
            }),
            (None, Some(aws)) if !asking.which.rule.given().is_empty() => {
                let rule = rule(asking)?;
                match asking.which.rule.rule_arn.clone() {
                    Some(arn) => Some(arn),
                    None => Some(rule.weights(aws).await?.rule.to_string()),
                }
            }
            _ => None,
        };
        if asking.log.is_none() && rule.is_none() && self.store.logs().await?.is_empty() {
            return Err(no_run(&self.store.to_string()).into());
        }
        Ok(journal::log_of(&self.store, asking.log.as_deref(), rule.as_deref()).await?)
    }
}

fn no_run(place: &str) -> Error {
    let message = format!("ask a run: no run has begun, since {place} holds no journal");
    let hint = "`bluegreen migrate` begins a run; `bluegreen status` shows where traffic is";
    Error::new(ErrorKind::NotFound, message).with_hint(hint)
}

/// Returns the rule that the options name.
fn rule(asking: &Asking) -> Result<bluegreen::aws::alb::AlbRule, Ended> {
    let mut problems = Vec::new();
    let rule = asking.which.rule.rule(&mut problems);
    match (rule, problems.into_iter().next()) {
        (_, Some(problem)) => Err(problem.into()),
        (Some(rule), None) => Ok(rule),
        (None, None) => {
            let hint = "give --rule-arn ARN, --listener-arn ARN, or a file";
            Err(Problem::new("--rule-arn", "is needed", hint).into())
        }
    }
}

async fn asked(verb: Verb, asking: &Asking) -> Result<u8, Ended> {
    if asking.print_iam_policy {
        return policy(&verb, asking);
    }
    let wait = asking.wait.parse::<Span>();
    let wait = wait.map_err(|error| Problem::new("--wait", error.to_string(), error.hint()))?;
    let wait = wait.0;
    let place = Place::of(asking).await?;
    let operator = asking.told.operator.as_str();
    let name = name(place.aws.as_ref(), operator);
    let (log, name) = join(place.log(asking), name).await;
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
    if asking.told.json && told(&asked, answer.as_ref(), is_done).is_err() {
        return Ok(UNCHANGED);
    }
    Ok(if is_done { 0 } else { UNCHANGED })
}

/// Prints the least policy for this request.
fn policy(verb: &Verb, asking: &Asking) -> Result<u8, Ended> {
    let mut place = JournalPlace::from(asking.journal.clone());
    let mut spec = None;
    let rule = match asking.which.rule.given().is_empty() {
        true => {
            let file = File::usual(asking.which.file.as_deref()).map_err(Ended::Said)?;
            let Some(file) = file else {
                return rule(asking).map(|_| UNCHANGED);
            };
            place = file.journal(&place);
            if file.spec.native.is_some() {
                return policy_of_service(verb, &file.spec, &place);
            }
            let rule = file.spec.traffic.rules.first().cloned();
            let mut alone = file.spec;
            alone.journal = None;
            spec = Some(alone);
            rule.ok_or_else(|| Problem::new("traffic.rules", "names no rule", ""))?
        }
        false => rule(asking)?,
    };
    let policy = match place.bucket() {
        Some((bucket, prefix)) => {
            IamPolicy::asks(&rule, bucket, prefix, std::slice::from_ref(verb))
        }
        None => {
            say_line!(
                "note: the journal is in a folder, so only files are written; for a journal in S3 give --journal \
                 s3://BUCKET/PREFIX"
            );
            let spec = spec.ok_or_else(|| {
                let message = "is not in S3, and a policy is only for a journal in S3";
                Problem::new("--journal", message, "give s3://BUCKET/PREFIX")
            })?;
            let policy = spec.iam_policy(Use::Wait);
            policy.map_err(|error| Ended::Said(invalid(&error)))?
        }
    };
    Ok(match answer(&policy.to_string()) {
        Ok(()) => 0,
        Err(error) => {
            say_line!("error: the policy could not be written: {error}");
            UNCHANGED
        }
    })
}

/// Prints the least policy for a request to the judge of a service: only the journal is written.
fn policy_of_service(verb: &Verb, spec: &MigrationSpec, place: &JournalPlace) -> Result<u8, Ended> {
    let (bucket, prefix) = place.bucket().ok_or_else(|| {
        let message = "is not in S3, and a policy is only for a journal in S3";
        Problem::new("--journal", message, "give s3://BUCKET/PREFIX")
    })?;
    let region = spec.region_of_all().unwrap_or_default();
    let policy = IamPolicy::asks_in(&region, bucket, prefix, std::slice::from_ref(verb));
    Ok(printed(&policy))
}

/// Prints as JSON: the request, the answer if there is one, and whether the request is done.
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

/// Returns the name of the caller for the journal.
async fn name(aws: Option<&Aws>, operator: &str) -> String {
    let Some(aws) = aws else {
        return said_name(operator);
    };
    match timeout(CALLER_WAITS, aws.caller()).await {
        Ok(Ok(arn)) => format!("{operator}, {arn}"),
        _ => {
            say_line!(
                "note: STS did not say whose credentials these are; the request holds only your own name"
            );
            said_name(operator)
        }
    }
}

fn said_name(operator: &str) -> String {
    format!("{operator} on {}", Holder::this_process(operator).host)
}

/// Prints that there is no answer, and what to do.
async fn unanswered(log: &JournalLog, asked: &Asked, wait: Duration) {
    say_line!(
        "no answer within {} s; the request is valid until {:.0}",
        wait.as_secs(),
        asked.request().expires
    );
    let standing = timeout(HOLDER_WAITS, log.lease_state()).await;
    let standing = standing.ok().and_then(Result::ok).flatten();
    say_line!("  hint: {}", after(asked.holder(), standing.as_ref()));
}

/// Returns what to do about a holder that does not answer.
fn after(before: &LeaseState, now: Option<&LeaseState>) -> &'static str {
    match now {
        None => {
            "the journal cannot be read now; `rollback` needs no journal, and puts everything back on blue"
        }
        Some(now) if now.holder.is_none() => {
            "the run has ended meanwhile; `status` shows where traffic is"
        }
        Some(now) if now.last > before.last => {
            "the run is alive but does not see requests: it may be of an older version, or cannot list its \
             store; `rollback` takes its lease and puts everything back on blue"
        }
        Some(_) => {
            "the run has written nothing since: if it stays silent for a minute, it is dead; then `rollback` \
             puts everything back on blue, and `resume` continues the run"
        }
    }
}
