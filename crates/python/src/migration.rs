//! A migration from Python: what it is made of, and its course.

use std::{sync::Arc, time::Duration};

use bluegreen::{
    Aws as LibraryAws, HealthGate, Migration as LibraryMigration, MigrationPlan,
    engine::Event as Envelope,
    migration::{MigrationEvent, RestoreOrder, ResumeError},
    spec::{MigrationSpec, Name, Origin},
    store::{Holder, JournalLog, JournalStore, Lease, Take},
};
use pyo3::{prelude::*, types::PyDict};

use crate::{
    control::Handle,
    errors::{self, Failed},
    gate::gate,
    journal::{Journal, clock_of},
    role::Role,
    run::{Core, Ended, Events, Item, Work, run_class},
    spec::{self, Spec},
    splitter::PythonSplitter,
    values::Plan,
    world::World,
};

/// How long a restore waits for a journal that does not answer.
const JOURNAL_WAITS: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Migrate,
    Complete,
    Restore { force: bool },
    Resume,
}

/// What moves, and what divides it.
enum Subject {
    Spec(Box<MigrationSpec>, Option<Name>),
    Parts {
        plan: Box<MigrationPlan>,
        splitter: Py<PyAny>,
        name: String,
    },
}

struct Job {
    subject: Subject,
    world: World,
    gates: Vec<(String, Py<PyAny>)>,
    journal: Option<Journal>,
    by: String,
    act: Act,
}

type Gates = Vec<(String, Arc<dyn HealthGate>)>;

impl Work for Job {
    fn begin(
        self: Box<Self>,
        core: &Arc<Core>,
        home: Option<&Bound<'_, PyAny>>,
        py: Python<'_>,
    ) -> PyResult<()> {
        let Self {
            subject,
            world,
            gates,
            journal,
            by,
            act,
        } = *self;
        let role = |object: &Py<PyAny>, name: String| Role::new(object.bind(py), home, name);
        let named = gates.into_iter().map(|(name, object)| {
            let gate = gate(role(&object, format!("gate `{name}`")))?;
            Ok((name, gate))
        });
        let gates = named.collect::<PyResult<Gates>>()?;
        let engine = world.engine(py)?;
        let course = Course {
            core: Arc::clone(core),
            runtime: engine.handle().clone(),
            gates,
            journal,
            by,
            act,
        };
        match subject {
            Subject::Spec(spec, blue) => core.launch(&engine, world.clone(), async move {
                let aws = world.aws().await;
                course.of_spec(&spec, blue.as_ref(), &aws).await
            }),
            Subject::Parts {
                plan,
                splitter,
                name,
            } => {
                let splitter = PythonSplitter::new(role(&splitter, "the splitter".to_owned()))?;
                let migration = LibraryMigration::new(*plan, splitter);
                core.launch(&engine, world.clone(), async move {
                    let aws = world.aws_for(course.journal.as_ref()).await;
                    course.of_parts(migration, aws.as_ref(), &name).await
                });
            }
        }
        Ok(())
    }
}

/// A run on its way, in its own thread.
struct Course {
    core: Arc<Core>,
    runtime: tokio::runtime::Handle,
    gates: Gates,
    journal: Option<Journal>,
    by: String,
    act: Act,
}

impl Course {
    /// Adds gates and the sink of events, and lets controls through.
    fn ready(&self, migration: LibraryMigration) -> LibraryMigration {
        self.core
            .controls
            .live(migration.handle(), self.runtime.clone());
        let core = Arc::clone(&self.core);
        let migration = migration.on_event(move |event: &Envelope<MigrationEvent>| {
            if core.is_heard() {
                core.tell(&Item::Migration(event.clone()));
            }
        });
        let gates = self.gates.iter();
        gates.fold(migration, |migration, (name, gate)| {
            migration.gate(name.as_str(), Arc::clone(gate))
        })
    }

    async fn of_spec(
        self,
        spec: &MigrationSpec,
        blue: Option<&Name>,
        aws: &LibraryAws,
    ) -> Result<Ended, Failed> {
        let store = Journal::of_run(self.journal.as_ref(), spec).open(aws);
        if let Act::Restore { force } = self.act {
            return self.restore(spec, blue, aws, store.ok(), force).await;
        }
        let store = store?;
        if self.act == Act::Migrate {
            let run = spec.start(aws, &store, &self.by).await?;
            let run = run.with(|migration| self.ready(migration));
            return Ok(Ended::Migration(run.run().await?));
        }
        spec.check()?;
        let log = store.log(spec.locate(aws).await?.as_str());
        match self.act {
            Act::Resume => {
                let lease = self.take(&log, aws, Take::IfExpired).await?;
                let ended = self.resume(aws, &lease).await;
                let _ = lease.release().await;
                ended
            }
            _ => {
                let target = spec::target(spec, aws, blue, Some(&log)).await?;
                let lease = self.take(&log, aws, Take::IfFree).await?;
                let ended = match spec.migration(aws, &target, Some(&lease)) {
                    Ok(migration) => self
                        .ready(migration)
                        .complete(self.by.as_str())
                        .await
                        .map_err(Failed::from),
                    Err(error) => Err(error.into()),
                };
                let _ = lease.release().await;
                ended.map(Ended::Migration)
            }
        }
    }

    async fn take(
        &self,
        log: &JournalLog,
        aws: &LibraryAws,
        how: Take,
    ) -> bluegreen::Result<Lease> {
        log.take(Holder::this_process(self.by.as_str()), aws.clock(), how)
            .await
    }

    async fn resume(&self, aws: &LibraryAws, lease: &Lease) -> Result<Ended, Failed> {
        let records = lease.newest_run_to_resume().await?;
        if records.is_empty() {
            return Err(bluegreen::MigrationError::from(ResumeError::Nothing).into());
        }
        let Origin { spec, from, .. } = Origin::of(&records)?;
        let target = spec.target(aws, Some(&from)).await?;
        let migration = self.ready(spec.migration(aws, &target, Some(lease))?);
        Ok(Ended::Migration(
            migration.resume(&records, self.by.as_str()).await?,
        ))
    }

    /// Needs no journal: one that does not answer delays it by its limit at most.
    async fn restore(
        &self,
        spec: &MigrationSpec,
        blue: Option<&Name>,
        aws: &LibraryAws,
        store: Option<JournalStore>,
        force: bool,
    ) -> Result<Ended, Failed> {
        let rule = spec.locate(aws).await?;
        let log = store.map(|store| store.log(rule.as_str()));
        let target = spec::target(spec, aws, blue, log.as_ref()).await?;
        let lease = match &log {
            Some(log) => {
                let taken =
                    tokio::time::timeout(JOURNAL_WAITS, self.take(log, aws, Take::ToRestore)).await;
                taken.ok().and_then(bluegreen::Result::ok)
            }
            None => None,
        };
        let mut order = RestoreOrder::by(self.by.as_str());
        // A change of a controller that lost its lease may still be under way.
        if lease
            .as_ref()
            .is_none_or(|lease| lease.taken_from().is_some())
        {
            order = order.with_stay(RestoreOrder::LATE_CALL);
        }
        if force {
            order = order.with_force();
        }
        let migration = self.ready(spec.migration(aws, &target, lease.as_ref())?);
        let ended = migration.restore(order).await;
        if let Some(lease) = lease {
            let _ = lease.release().await;
        }
        Ok(Ended::Migration(ended?))
    }

    async fn of_parts(
        self,
        migration: LibraryMigration,
        aws: Option<&LibraryAws>,
        name: &str,
    ) -> Result<Ended, Failed> {
        let lease = match &self.journal {
            Some(journal) => {
                let how = match self.act {
                    Act::Resume => Take::IfExpired,
                    Act::Restore { .. } => Take::ToRestore,
                    _ => Take::IfFree,
                };
                Some(journal.take(aws, name, &self.by, how).await?)
            }
            None => None,
        };
        let mut migration = self.ready(migration.clock(clock_of(aws)));
        if let Some(lease) = &lease {
            migration = migration.journal(lease.clone());
        }
        let ended = match (self.act, &lease) {
            (Act::Migrate, _) => migration.run().await,
            (Act::Complete, _) => migration.complete(self.by.as_str()).await,
            (Act::Restore { force }, _) => {
                let order = RestoreOrder::by(self.by.as_str());
                migration
                    .restore(if force { order.with_force() } else { order })
                    .await
            }
            (Act::Resume, Some(lease)) => {
                let records = lease.newest_run_to_resume().await?;
                migration.resume(&records, self.by.as_str()).await
            }
            (Act::Resume, None) => Err(ResumeError::Nothing.into()),
        };
        if let Some(lease) = lease {
            let _ = lease.release().await;
        }
        Ok(Ended::Migration(ended?))
    }
}

/// The person or job that is responsible: as said, or the user of this machine.
pub(crate) fn operator(by: Option<String>) -> String {
    by.or_else(|| std::env::var("USER").ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| "python".to_owned())
}

fn act(py: Python<'_>, act: &str, force: bool) -> PyResult<Act> {
    match (act, force) {
        ("restore", force) => Ok(Act::Restore { force }),
        (_, true) => Err(errors::argument(
            py,
            "force",
            "is only for a restore",
            "leave it out",
        )),
        ("migrate", _) => Ok(Act::Migrate),
        ("complete", _) => Ok(Act::Complete),
        ("resume", _) => Ok(Act::Resume),
        _ => {
            let hint = "migrate, complete, restore or resume";
            Err(errors::argument(
                py,
                "act",
                &format!("`{act}` is no act"),
                hint,
            ))
        }
    }
}

run_class!(
    /// Moves traffic from blue to green.
    ///
    /// With a `spec`, all that it names is wired: splitter, gates, dead-man switch, lease and fence; `gates` and
    /// `plan` add to it (`plan` is then not allowed). With `plan` and `splitter`, each role by itself; `aws` then
    /// gives only the clock. `gates` are required unless the plan says `advisory`. `journal` is the spec's
    /// journal by default, and memory without one; a splitter needs a `name` of what it divides with a journal.
    ///
    /// `act` is `"migrate"`, `"complete"` (to the last step at once: an override), `"restore"` (everything back
    /// to blue, needs no journal), or `"resume"` (the run in the journal continues). `blue` names the side that
    /// served before; needed only while traffic is divided and no journal tells it. `force` restores blue even
    /// without a healthy target.
    Migration, {
    #[new]
    #[pyo3(signature = (spec=None, aws=None, *, plan=None, splitter=None, name=None, gates=None, journal=None,
                        by=None, act="migrate", blue=None, force=false))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn new(
        py: Python<'_>,
        spec: Option<&Bound<'_, Spec>>,
        aws: Option<&Bound<'_, PyAny>>,
        plan: Option<&Bound<'_, Plan>>,
        splitter: Option<Py<PyAny>>,
        name: Option<String>,
        gates: Option<&Bound<'_, PyDict>>,
        journal: Option<&Bound<'_, Journal>>,
        by: Option<String>,
        act: &str,
        blue: Option<&str>,
        force: bool,
    ) -> PyResult<Self> {
        let act = self::act(py, act, force)?;
        let journal = journal.map(|journal| journal.get().clone());
        let subject = match (spec, splitter) {
            (Some(spec), None) => {
                if plan.is_some() || name.is_some() {
                    let hint = "change the specification: `spec.with_(plan={…})`";
                    return Err(errors::argument(
                        py,
                        "plan",
                        "and name are the specification's own",
                        hint,
                    ));
                }
                Subject::Spec(
                    Box::new(spec.get().inner.clone()),
                    crate::spec::side(py, blue)?,
                )
            }
            (None, Some(splitter)) => {
                let plan = match plan {
                    Some(plan) => plan.get().inner.clone(),
                    None => MigrationPlan::builder()
                        .build()
                        .map_err(|error| errors::of_plan(py, &error))?,
                };
                if journal.is_some() && name.is_none() {
                    let hint =
                        "name what the splitter divides: two runs of one name exclude each other";
                    return Err(errors::argument(
                        py,
                        "name",
                        "is needed with a journal",
                        hint,
                    ));
                }
                Subject::Parts {
                    plan: Box::new(plan),
                    splitter,
                    name: name.unwrap_or_default(),
                }
            }
            _ => {
                let hint = "`Migration(spec, aws)`, or `Migration(splitter=…, plan=…)`";
                return Err(errors::argument(
                    py,
                    "spec",
                    "or a splitter is needed, and not both",
                    hint,
                ));
            }
        };
        let mut named = Vec::new();
        for (name, gate) in gates.into_iter().flatten() {
            named.push((name.extract()?, gate.unbind()));
        }
        let job = Job {
            subject,
            world: World::of(aws)?,
            gates: named,
            journal,
            by: operator(by),
            act,
        };
        Ok(Self {
            core: Core::new(py, job)?,
        })
    }
});
