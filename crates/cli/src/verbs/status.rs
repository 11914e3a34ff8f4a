//! `bluegreen status`: where traffic is.

mod all;
mod gone;
mod wait;

use std::{process::ExitCode, time::Duration};

use bluegreen::{
    TrafficSplitter as _,
    aws::alb::{AlbDeadManSwitch, AlbTrafficSplitter},
    engine::Request,
    spec::{Cleanup, MigrationSpec, Origin, Use},
    store::LeaseState,
};
use clap::Args;
use jiff::Timestamp;

use crate::{
    common::{
        errors::{BAD_ARGUMENTS, UNCHANGED, failed},
        journal::ReadJournal,
        runtime::block_on,
        say::say_line,
    },
    migration::{
        args::{Named, OPTIONS, Sim},
        blue::Of,
        holding::is_its_holder,
        open::{Given, Opened, open},
        render, retirement,
        retold::{self, Newest},
        rights::{self, PrintPolicy},
        world,
    },
    native,
};

/// Show where traffic is, and how to put it back. Reads only.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Status {
    #[command(flatten)]
    named: Named<ReadJournal>,
    #[command(flatten)]
    sim: Sim,
    /// Print JSON on stdout, instead of text.
    #[arg(long, help_heading = OPTIONS)]
    json: bool,
    /// Wait for the end of the run, and exit with its code.
    #[arg(long, conflicts_with = "all", help_heading = OPTIONS)]
    wait: bool,
    /// With --wait: of the run that begins after this time.
    #[arg(long, value_name = "TIME", requires = "wait", help_heading = OPTIONS)]
    since: Option<Timestamp>,
    /// Show every rule of the journal that is divided or has a controller.
    #[arg(long, help_heading = OPTIONS,
          conflicts_with_all = ["name", "rule_arn", "listener_arn", "sim"])]
    all: bool,
    #[command(flatten, next_help_heading = OPTIONS)]
    policy: PrintPolicy,
}

const AFTER: &str = "\
Exit codes: 0 shown; 2 bad arguments; 3 AWS could not be read;
with --wait those of `bluegreen migrate`, and 20 if the controller is silent.
--since 2026-01-31T14:00:00Z waits 10 minutes at most for a run to begin.";

/// The longest wait for the journal.
const JOURNAL_WAITS: Duration = Duration::from_secs(2);

pub(crate) fn main(cli: &Status) -> ExitCode {
    if world::listed(&cli.sim) {
        return ExitCode::SUCCESS;
    }
    block_on(async { run(cli).await.unwrap_or_else(|code| code) })
}

async fn run(cli: &Status) -> Result<u8, u8> {
    if cli.sim.sim.is_none()
        && !cli.all
        && let Some(file) = native::file(&cli.named.which)
    {
        let (place, prints) = (cli.named.place(), cli.policy.print_iam_policy);
        return match cli.wait {
            true => native::wait(&file, &place, cli.since, prints, cli.json).await,
            false => native::status(&file, &place, prints, cli.json).await,
        };
    }
    if cli.all && !cli.policy.print_iam_policy {
        let place = cli.named.place();
        return all::run(cli.named.which.file.as_deref(), place, cli.json).await;
    }
    let given = Given {
        sim: Some(&cli.sim),
        is_asked: cli.policy.print_iam_policy,
        ..cli.named.given()
    };
    let opened = open(&given).await?;
    if given.is_asked {
        return rights::print(
            &opened,
            match cli.wait {
                true => Use::Wait,
                false => Use::Status,
            },
        );
    }
    if cli.wait {
        return wait::run(&opened, cli.since, cli.json).await;
    }
    let known = opened.sides(Of::Newest).await?;
    let target = &known.target;
    let splitter = opened.spec.splitter(opened.aws(), target);
    let splitter = splitter.map_err(|error| failed(&error, BAD_ARGUMENTS))?;
    let traffic = match splitter.observe().await {
        Ok(traffic) => traffic,
        Err(error) => return gone::shown(&opened, error, cli.json).await,
    };
    let switch = match splitter.locate().await {
        Ok(rule) => AlbDeadManSwitch::fires(opened.aws(), &rule).await,
        Err(error) => Err(error),
    };
    let run = run_of(&opened, &splitter).await;
    let now = opened.aws().clock().now();
    let counts = &traffic.targets.blue;
    let retirement = run.moved.as_ref().and_then(|ended| {
        let (blue, runs) = (
            &target.sides.blue.name,
            counts.registered() > counts.draining,
        );
        let (kept, holder) = (run.cleanup.as_ref(), run.holder.as_ref());
        retirement::of(blue, ended, kept, holder, runs, now)
    });
    let status = render::Status {
        traffic: &traffic,
        sides: &target.sides,
        why: known.why,
        switch: &switch,
        holder: run.holder.as_ref(),
        requests: &run.requests,
        accepted: run.spec.as_ref(),
        // A controller that died leaves a pause that no process ends.
        paused: run.paused.as_ref().filter(|pause| pause.until > now),
        ended: run.ended.as_ref(),
        retirement: retirement.as_ref(),
        now,
    };
    match status.show(cli.json) {
        Ok(()) => Ok(0),
        Err(error) => {
            say_line!("error: the answer could not be written: {error}");
            Ok(UNCHANGED)
        }
    }
}

/// The journal's facts about the run, if the journal is named and answers in time.
#[derive(Default)]
struct RunOf {
    holder: Option<LeaseState>,
    requests: Vec<Request>,
    /// The specification of the newest run.
    spec: Option<MigrationSpec>,
    /// The pause of the run that is under way.
    paused: Option<retold::Pause>,
    /// How the newest run ended, if none is under way.
    ended: Option<retold::End>,
    /// The same of the newest run that moved something.
    moved: Option<retold::End>,
    /// The newest `cleanup`.
    cleanup: Option<Cleanup>,
}

async fn run_of(opened: &Opened, splitter: &AlbTrafficSplitter) -> RunOf {
    if opened.journal.journal.is_none() && !opened.world.is_simulated() {
        return RunOf::default();
    }
    let asked = async {
        let rule = splitter.locate().await.ok()?;
        let store = opened.store().ok()?;
        let log = store.log(rule.as_str());
        let opening = log.newest_opening().await.ok()?;
        let origin = opening.and_then(|opening| Origin::of(&[opening]).ok());
        let run = RunOf {
            holder: log.lease_state().await.ok()?,
            requests: log.open_requests().await.ok()?,
            spec: origin.map(|origin| origin.spec),
            ..RunOf::default()
        };
        Some((rule, store, log, run))
    };
    let asked = tokio::time::timeout(JOURNAL_WAITS, asked).await;
    let Some((rule, store, log, run)) = asked.ok().flatten() else {
        return RunOf::default();
    };
    if run.holder.is_none() {
        return run;
    }
    // A journal that is slow to read takes nothing from the rest.
    let more = async {
        let cleanup = Cleanup::newest(&store, &rule).await.ok().flatten();
        (
            retold::newest(&log).await,
            retold::that_moved(&log).await,
            cleanup,
        )
    };
    let more = tokio::time::timeout(JOURNAL_WAITS, more).await;
    let Ok((newest, moved, cleanup)) = more else {
        return run;
    };
    // A cleanup holds the journal, too, and is no run.
    let holder = run.holder.as_ref();
    let cleans = holder.zip(cleanup.as_ref());
    let cleans = cleans.is_some_and(|(standing, kept)| is_its_holder(kept, standing));
    let is_run = holder.is_some_and(|standing| standing.holder.is_some()) && !cleans;
    RunOf {
        ended: newest.as_ref().filter(|_| !is_run).and_then(Newest::end),
        moved: moved.as_ref().filter(|_| !is_run).and_then(Newest::end),
        paused: newest.filter(|_| is_run).and_then(|newest| newest.paused),
        cleanup,
        ..run
    }
}
