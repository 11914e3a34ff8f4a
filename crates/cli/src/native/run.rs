//! A judge's run: takes the lease of the service's journal, begins or continues, and tells how it ended.

use std::time::Duration;

use bluegreen::{
    Aws,
    aws::sim::Simulation,
    engine::Control,
    native::{NativeError, NativeJudge, NativeOutcome, PausedDeployment as _, is_of_judge},
    spec::{FilePath, MigrationSpec, ServiceJudge, StartError},
    store::{JournalLog, Lease, Take},
};

use super::render;
use crate::{
    common::{
        self,
        errors::{BAD_ARGUMENTS, UNCHANGED, bad_arguments, failed, invalid},
        journal::JournalPlace,
        say::say_line,
    },
    migration::args::Told,
};

/// How a run ended, or the exit code of an error that is printed already.
type Ended = Result<Result<NativeOutcome, NativeError>, u8>;

/// When the judge of a simulation dies, and how much later a second one resumes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    pub(crate) at: Duration,
    pub(crate) resume_after: Duration,
}

/// A deployment, and everything that a judge of it needs.
#[derive(Debug)]
pub(crate) struct Judged<'a> {
    pub(crate) spec: &'a MigrationSpec,
    pub(crate) aws: &'a Aws,
    /// The simulated AWS, if the world is none other.
    pub(crate) simulation: Option<&'a Simulation>,
    pub(crate) journal: &'a JournalPlace,
    pub(crate) told: &'a Told,
    /// The folder at which relative paths of the checks start.
    pub(crate) folder: Option<FilePath>,
    pub(crate) grace: Option<Duration>,
}

/// Judges the deployment with this ARN. `then` is a control that an operator gave before the judge began.
pub(crate) async fn start(
    judged: &Judged<'_>,
    arn: &str,
    then: Option<Control>,
    death: Option<Death>,
) -> u8 {
    let log = match log(judged) {
        Ok(log) => log,
        Err(code) => return code,
    };
    let running = judging(judged, &log, arn, then);
    let ended = match death {
        None => running.await,
        Some(death) => match tokio::time::timeout(death.at, running).await {
            Ok(ended) => ended,
            Err(_) => {
                say_line!("killed: ECS waits at the next pause, and does what its time-out says");
                tokio::time::sleep(death.resume_after).await;
                return resumed(judged, &log).await;
            }
        },
    };
    finished(judged, ended)
}

/// Takes the lease and judges. Dropped, it leaves the lease as a dead process does.
async fn judging(judged: &Judged<'_>, log: &JournalLog, arn: &str, then: Option<Control>) -> Ended {
    let judge = ready(judged, arn).await?;
    let lease = taken(judged, log, Take::IfFree).await?;
    let ended = begun(judged, &judge, &lease, then).await;
    let_go(&lease).await;
    ended
}

async fn begun(
    judged: &Judged<'_>,
    judge: &ServiceJudge,
    lease: &Lease,
    then: Option<Control>,
) -> Ended {
    let judge = wired(judged, judge, lease)?;
    if let Some(control) = then {
        say_line!("{control}: the judge carries it out");
        let _answer = judge.handle().cancel(control.to_string());
    }
    Ok(judge.run().await)
}

/// Surveys a deployment and prints what a judge would do. Changes nothing.
pub(crate) async fn preview(judged: &Judged<'_>, arn: &str) -> Result<u8, u8> {
    let judge = ready(judged, arn).await?;
    let plan = judge.spec.native_plan();
    let plan = plan.map_err(|error| invalid(&error))?;
    let deployment = bluegreen::aws::ecs::EcsNativeDeployment::new(judged.aws, arn);
    let deployment = deployment.map_err(|_| BAD_ARGUMENTS)?;
    let survey = deployment.preflight().await;
    let survey = survey.map_err(|error| failed(&error, UNCHANGED))?;
    say_line!("deployment: {arn}");
    for line in render::survey(&survey) {
        say_line!("{line}");
    }
    if let Some(seen) = &survey.observation {
        say_line!("now: {seen}");
    }
    let span = render::span;
    say_line!(
        "judge: looks every {}; answers a pause after {} of watching, and decides after {} at most",
        span(plan.look_interval()),
        span(plan.bake()),
        span(plan.answer_within())
    );
    let mut found = survey.findings.clone();
    found.extend(survey.unfit());
    let (lines, stops) = render::findings(&found, plan.accepted());
    for line in lines {
        say_line!("{line}");
    }
    let log = log(judged)?;
    let is_held = match log.lease_state().await {
        Ok(Some(standing)) if standing.holder.is_some() && !judged.journal.steal => {
            say_line!(
                "note: the journal is {standing}; as long as its holder lives, a run is refused"
            );
            false
        }
        Ok(_) => false,
        Err(error) => {
            say_line!("refusal: {}", bluegreen::Failure::from(&error));
            true
        }
    };
    say_line!("dry run: nothing was answered, and nothing was changed");
    Ok(if stops || is_held { UNCHANGED } else { 0 })
}

/// Continues the newest run of the service's journal, which is a judge's.
pub(crate) async fn resume(judged: &Judged<'_>) -> u8 {
    match log(judged) {
        Ok(log) => resumed(judged, &log).await,
        Err(code) => code,
    }
}

async fn resumed(judged: &Judged<'_>, log: &JournalLog) -> u8 {
    let lease = match taken(judged, log, Take::IfExpired).await {
        Ok(lease) => lease,
        Err(code) => return code,
    };
    let ended = continued(judged, &lease).await;
    let_go(&lease).await;
    finished(judged, ended)
}

/// Continues the newest run of a lease that is taken already.
async fn continued(judged: &Judged<'_>, lease: &Lease) -> Ended {
    let records = lease.newest_run_to_resume().await;
    let records = records.map_err(|error| failed(&error, UNCHANGED))?;
    if !is_of_judge(&records) {
        say_line!("error: the journal holds no judge's run to continue");
        say_line!(
            "  hint: `bluegreen deploy --resume` continues a deployment; `bluegreen judge` begins to judge"
        );
        return Err(UNCHANGED);
    }
    let mut kept = ServiceJudge::of_records(&records);
    if let (Ok(kept), Some(folder)) = (&mut kept, &judged.folder) {
        kept.folder = Some(folder.clone());
    }
    let kept = kept.map_err(|error| failed(&error, UNCHANGED))?;
    let judge = wired(judged, &kept, lease)?;
    Ok(judge.resume(&records, judged.told.operator.as_str()).await)
}

/// Surveys the deployment: its groups, and whether the file fits.
async fn ready(judged: &Judged<'_>, arn: &str) -> Result<ServiceJudge, u8> {
    match judged.spec.of_another_account(judged.aws).await {
        Ok(None) => {}
        Ok(Some(problem)) => return Err(bad_arguments(&[problem])),
        Err(error) => return Err(failed(&error, BAD_ARGUMENTS)),
    }
    let judge = ServiceJudge::of(judged.spec, judged.aws, arn).await;
    let judge = judge.map_err(|error| match &error {
        StartError::Spec(problems) => invalid(problems),
        StartError::Refused(finding) => {
            say_line!("error: not started: {finding}");
            if let Some(hint) = &finding.hint {
                say_line!("  hint: {hint}");
            }
            error.exit_code()
        }
        StartError::Failed(source) => failed(source, error.exit_code()),
        _ => {
            say_line!("error: {error}");
            error.exit_code()
        }
    })?;
    Ok(match &judged.folder {
        Some(folder) => judge.within(folder.clone()),
        None => judge,
    })
}

fn log(judged: &Judged<'_>) -> Result<JournalLog, u8> {
    let store = judged
        .journal
        .store(judged.aws, judged.simulation.is_some());
    let store = store.map_err(|problem| bad_arguments(&[problem]))?;
    if judged.simulation.is_none() && !judged.told.json {
        say_line!("journal: {store}");
    }
    let native = judged.spec.native.as_ref();
    let name = native.map(|native| native.log_name(judged.aws));
    Ok(store.log(&name.unwrap_or_default()))
}

async fn taken(judged: &Judged<'_>, log: &JournalLog, usual: Take) -> Result<Lease, u8> {
    let how = match judged.journal.steal {
        true => Take::Force,
        false => usual,
    };
    let clock = judged.aws.clock();
    let taken = common::journal::take(log, &judged.told.operator, clock, how).await;
    taken.map_err(|error| failed(&error, UNCHANGED))
}

/// The judge with everything that the command adds: output and signals.
fn wired(judged: &Judged<'_>, judge: &ServiceJudge, lease: &Lease) -> Result<NativeJudge, u8> {
    let judge = judge.judge(judged.aws, Some(lease));
    let judge = judge.map_err(|error| failed(&error, BAD_ARGUMENTS))?;
    let judge = judge.on_hook_failure(|failure| say_line!("warning: {failure}"));
    let judge = match judged.told.json {
        true => judge.on_event(render::json),
        false => {
            let mut progress = render::Progress::default();
            judge.on_event(move |event| progress.show(event))
        }
    };
    match common::signals::control(judge.handle(), judged.grace) {
        Ok(()) => Ok(judge),
        Err(error) => {
            say_line!("error: signals cannot be handled, so nothing was started: {error}");
            Err(UNCHANGED)
        }
    }
}

async fn let_go(lease: &Lease) {
    // A run that ended well has released the lease already.
    if let Err(error) = lease.release().await {
        say_line!("warning: the journal's lease was not released: {error}");
    }
}

/// Prints the last lines, and returns the exit code.
fn finished(judged: &Judged<'_>, ended: Ended) -> u8 {
    let ended = match ended {
        Ok(ended) => ended,
        Err(code) => return code,
    };
    if !judged.told.json {
        say_line!("API calls: {}", judged.aws.calls());
    }
    // A run that did not begin has no event that reports the error.
    let is_told =
        judged.told.json && !matches!(&ended, Err(NativeError::Plan(_) | NativeError::Resume(_)));
    if !is_told {
        render::ending(&ended);
    }
    match ended {
        Ok(outcome) => outcome.exit_code(),
        Err(NativeError::Plan(error)) => bad_arguments(error.problems()),
        Err(error) => error.exit_code(),
    }
}
