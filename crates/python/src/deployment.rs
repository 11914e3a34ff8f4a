//! A deployment from Python.

use std::{path::PathBuf, sync::Arc};

use bluegreen::{
    Aws as LibraryAws, Deployment as LibraryDeployment, DeploymentPlan,
    deployment::{DeploymentEvent, ImageSource},
    engine::Event as Envelope,
    image::{BuildRequest, ImageRef, ImageTag},
    spec::{MigrationSpec, Name},
    store::Take,
};
use pyo3::{prelude::*, types::PyDict};

use crate::{
    control::Handle,
    deployer::{PythonBuilder, PythonDeployer},
    errors::{self, Failed},
    journal::{Journal, clock_of},
    migration::operator,
    role::Role,
    run::{Core, Ended, Events, Item, Work, run_class},
    spec::{self, Spec},
    values,
    world::World,
};

enum Subject {
    Side(Box<MigrationSpec>, Name),
    Parts {
        plan: Box<DeploymentPlan>,
        deployer: Py<PyAny>,
        builder: Option<Py<PyAny>>,
        source: ImageSource,
        name: String,
    },
}

struct Job {
    subject: Subject,
    world: World,
    journal: Option<Journal>,
    by: String,
}

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
            journal,
            by,
        } = *self;
        let engine = world.engine(py)?;
        let course = Course {
            core: Arc::clone(core),
            runtime: engine.handle().clone(),
            journal,
            by,
        };
        match subject {
            Subject::Side(spec, side) => core.launch(&engine, world.clone(), async move {
                let aws = world.aws().await;
                course.of_side(&spec, &side, &aws).await
            }),
            Subject::Parts {
                plan,
                deployer,
                builder,
                source,
                name,
            } => {
                let deployer =
                    PythonDeployer::new(Role::new(deployer.bind(py), home, "the deployer"))?;
                let mut deployment = LibraryDeployment::new(*plan, deployer);
                if let Some(builder) = builder {
                    deployment = deployment.builder(PythonBuilder(Role::new(
                        builder.bind(py),
                        home,
                        "the builder",
                    )));
                }
                core.launch(&engine, world.clone(), async move {
                    let aws = world.aws_for(course.journal.as_ref()).await;
                    course
                        .of_parts(deployment, source, aws.as_ref(), &name)
                        .await
                });
            }
        }
        Ok(())
    }
}

struct Course {
    core: Arc<Core>,
    runtime: tokio::runtime::Handle,
    journal: Option<Journal>,
    by: String,
}

impl Course {
    fn ready(&self, deployment: LibraryDeployment) -> LibraryDeployment {
        self.core
            .controls
            .live(deployment.handle(), self.runtime.clone());
        let core = Arc::clone(&self.core);
        deployment.on_event(move |event: &Envelope<DeploymentEvent>| {
            if core.is_heard() {
                core.tell(&Item::Deployment(event.clone()));
            }
        })
    }

    async fn of_side(
        self,
        spec: &MigrationSpec,
        side: &Name,
        aws: &LibraryAws,
    ) -> Result<Ended, Failed> {
        let store = Journal::of_run(self.journal.as_ref(), spec).open(aws)?;
        let run = spec.deployment(side)?.start(aws, &store, &self.by).await?;
        let run = run.with(|deployment| self.ready(deployment));
        Ok(Ended::Deployment(run.run().await?))
    }

    async fn of_parts(
        self,
        deployment: LibraryDeployment,
        source: ImageSource,
        aws: Option<&LibraryAws>,
        name: &str,
    ) -> Result<Ended, Failed> {
        let mut deployment = deployment.clock(clock_of(aws));
        let lease = match &self.journal {
            Some(journal) => Some(journal.take(aws, name, &self.by, Take::IfExpired).await?),
            None => None,
        };
        if let Some(lease) = &lease {
            deployment = deployment.journal(lease.clone());
        }
        let ended = self.ready(deployment).run_image(source).await;
        if let Some(lease) = lease {
            let _ = lease.release().await;
        }
        Ok(Ended::Deployment(ended?))
    }
}

/// What is deployed: an image by digest, or a source to build.
fn source(
    py: Python<'_>,
    image: Option<&str>,
    context: Option<PathBuf>,
    tag: Option<&str>,
) -> PyResult<ImageSource> {
    let wrong = |field: &str, error: bluegreen::error::ParseError| {
        errors::argument(
            py,
            field,
            &error.to_string(),
            "`REPOSITORY@sha256:…`, or a tag of 128 characters at most",
        )
    };
    match (image, context, tag) {
        (Some(image), None, None) => {
            let image: ImageRef = image.parse().map_err(|error| wrong("image", error))?;
            Ok(ImageSource::Given { image })
        }
        (None, Some(context), Some(tag)) => {
            let tag: ImageTag = tag.parse().map_err(|error| wrong("tag", error))?;
            Ok(ImageSource::Build {
                request: BuildRequest::new(context, tag),
                reuse: true,
            })
        }
        _ => {
            let hint = "`image=`, or `builder=` with `context=` and `tag=`";
            Err(errors::argument(
                py,
                "image",
                "or a source is needed, and not both",
                hint,
            ))
        }
    }
}

run_class!(
    /// Builds, deploys and checks a service, and undoes the deployment if a check fails.
    ///
    /// With `spec` and `side`, what the file says of that side; or with `deployer` and `image`, or `builder` and
    /// `context` and `tag`.
    Deployment, {
    #[new]
    #[pyo3(signature = (spec=None, aws=None, *, side=None, deployer=None, builder=None, image=None, context=None,
                        tag=None, plan=None, name=None, journal=None, by=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn new(
        py: Python<'_>,
        spec: Option<&Bound<'_, Spec>>,
        aws: Option<&Bound<'_, PyAny>>,
        side: Option<&str>,
        deployer: Option<Py<PyAny>>,
        builder: Option<Py<PyAny>>,
        image: Option<&str>,
        context: Option<PathBuf>,
        tag: Option<&str>,
        plan: Option<&Bound<'_, PyDict>>,
        name: Option<String>,
        journal: Option<&Bound<'_, Journal>>,
        by: Option<String>,
    ) -> PyResult<Self> {
        let subject = match (spec, spec::side(py, side)?, deployer) {
            (Some(spec), Some(side), None) => {
                Subject::Side(Box::new(spec.get().inner.clone()), side)
            }
            (None, None, Some(deployer)) => {
                if journal.is_some() && name.is_none() {
                    let hint = "name the service: two runs of one name exclude each other";
                    return Err(errors::argument(
                        py,
                        "name",
                        "is needed with a journal",
                        hint,
                    ));
                }
                Subject::Parts {
                    plan: Box::new(values::deployment_plan(py, plan)?),
                    deployer,
                    builder,
                    source: source(py, image, context, tag)?,
                    name: name.unwrap_or_default(),
                }
            }
            _ => {
                let hint =
                    "`Deployment(spec, aws, side=\"NAME\")`, or `Deployment(deployer=…, image=…)`";
                return Err(errors::argument(
                    py,
                    "spec",
                    "and a side, or a deployer, are needed, and not both",
                    hint,
                ));
            }
        };
        let journal = journal.map(|journal| journal.get().clone());
        let job = Job {
            subject,
            world: World::of(aws)?,
            journal,
            by: operator(by),
        };
        Ok(Self {
            core: Core::new(py, job)?,
        })
    }
});
