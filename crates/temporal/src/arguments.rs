//! The arguments of `bluegreen-temporal`.

use std::path::{Path, PathBuf};

use bluegreen::{
    Error, ErrorKind, Result,
    engine::{Control as Given, Operator},
    spec::MigrationSpec,
};
use bluegreen_temporal::{client::TASK_QUEUE, data::Order};
use clap::{Args, Parser, Subcommand};

/// Migrations of live traffic as Temporal workflows.
///
/// Temporal is found as its own tools find it: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY. WHICH is the
/// migration's file, or the id of its workflow.
#[derive(Debug, Parser)]
#[command(name = "bluegreen-temporal", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Work: carry out migrations until told to end. Start as many as you like, on any machine.
    Worker {
        /// The task queue to work on.
        #[arg(long = "task-queue", value_name = "NAME", default_value = TASK_QUEUE)]
        queue: String,
    },
    /// Start the migration of a file.
    Start(Start),
    /// Show the newest events of a migration, and what it does now.
    Status {
        /// The migration's file, or the id of its workflow.
        which: String,
    },
    #[command(flatten)]
    Control(Control),
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The migration's file.
    #[arg(default_value = "bluegreen.toml")]
    pub(crate) file: PathBuf,
    /// The person or job that is responsible.
    #[arg(long, env = "USER", hide_env = true, default_value = "unknown")]
    pub(crate) by: String,
    /// The task queue of the workers.
    #[arg(long = "task-queue", value_name = "NAME", default_value = TASK_QUEUE)]
    pub(crate) queue: String,
    /// Wait for the end, show events, and exit with the migration's code.
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Who {
    /// The migration's file, or the id of its workflow.
    which: String,
    /// Who gives the control.
    #[arg(long, env = "USER", hide_env = true, default_value = "unknown")]
    by: String,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
}

/// A control.
#[derive(Debug, Subcommand)]
pub(crate) enum Control {
    /// Put everything back on the old side.
    Abort(Who),
    /// Do not rise for a while. Looks continue.
    Pause {
        #[command(flatten)]
        who: Who,
        /// For how long at most, such as 10m. Default: 30m.
        #[arg(long = "for", value_name = "SPAN")]
        length: Option<bluegreen::spec::Span>,
    },
    /// End a pause.
    Continue(Who),
    /// Override: rise to the next step without a healthy verdict.
    Promote(Who),
    /// End, and leave the split as it is. Needs --reason.
    Leave(Who),
}

impl Who {
    fn operator(&self) -> Operator {
        let by = Operator::new(self.by.as_str());
        match &self.reason {
            Some(reason) => by.with_reason(reason.as_str()),
            None => by,
        }
    }
}

impl Control {
    pub(crate) fn which(&self) -> &str {
        match self {
            Self::Abort(who)
            | Self::Continue(who)
            | Self::Promote(who)
            | Self::Leave(who)
            | Self::Pause { who, .. } => &who.which,
        }
    }

    pub(crate) fn control(&self) -> Result<Given> {
        Ok(match self {
            Self::Abort(who) => Given::Abort { by: who.operator() },
            Self::Continue(who) => Given::Continue { by: who.operator() },
            Self::Promote(who) => Given::Promote { by: who.operator() },
            Self::Pause { who, length } => Given::Pause {
                by: who.operator(),
                length: length.map(|span| span.0),
            },
            Self::Leave(Who { reason: None, .. }) => {
                let message = "leave the migration: there is no reason";
                let hint = "say with --reason why the split stays, for the person who continues";
                return Err(Error::new(ErrorKind::Invalid, message).with_hint(hint));
            }
            Self::Leave(who) => Given::Leave { by: who.operator() },
        })
    }
}

/// Reads a migration's file.
pub(crate) fn read(path: &Path) -> Result<MigrationSpec> {
    let place = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::new(ErrorKind::Invalid, format!("read `{place}`"))
            .with_source(error)
            .with_hint("`bluegreen init` writes this file")
    })?;
    let spec = match path.extension().is_some_and(|ending| ending == "json") {
        true => MigrationSpec::from_json(&text),
        false => MigrationSpec::from_toml(&text),
    };
    spec.map_err(|error| {
        let told: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
        let first = error
            .problems()
            .first()
            .map(|told| told.problem.hint.clone());
        Error::new(
            ErrorKind::Invalid,
            format!("read `{place}`: {}", told.join("; ")),
        )
        .with_hint(first.unwrap_or_default())
    })
}

/// Makes a journal's folder absolute: workers begin in folders of their own.
pub(crate) fn at_one_place(spec: &mut MigrationSpec) -> Result<()> {
    let Some(place) = spec.journal.as_ref().map(ToString::to_string) else {
        return Ok(());
    };
    if place.contains("://") {
        return Ok(());
    }
    let invalid =
        |why: String| Error::new(ErrorKind::Invalid, format!("find journal `{place}`: {why}"));
    let absolute = std::path::absolute(&place).map_err(|error| invalid(error.to_string()))?;
    let absolute = absolute.display().to_string();
    let parsed = absolute.parse();
    spec.journal =
        Some(parsed.map_err(|error: bluegreen::error::ParseError| invalid(error.to_string()))?);
    Ok(())
}

/// The id of the workflow that a file or an id names.
pub(crate) fn id(which: &str) -> Result<String> {
    if which.starts_with("bluegreen:") {
        return Ok(which.to_owned());
    }
    Order::new(read(Path::new(which))?, "").workflow_id()
}
