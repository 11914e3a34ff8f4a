//! Image builders and service deployers in Python. Their values are dicts, as in the journal.

use std::time::Duration;

use async_trait::async_trait;
use bluegreen::{
    ImageBuilder, Result, ServiceDeployer,
    image::{BuildRequest, ImageRef, ImageTag, Tagging},
    preflight::Finding,
    service::{
        ByHand, DeploymentEnd, DeploymentId, DeploymentProgress, Registration, RevisionId,
        ServiceObservation, Update,
    },
};
use pyo3::{prelude::*, types::PyTuple};
use serde_json::{Value, json};

use crate::{
    attach::attached,
    convert::{self, value_to_python},
    role::Role,
    splitter::propagation,
};

#[derive(Debug)]
pub(crate) struct PythonBuilder(pub(crate) Role);

/// The arguments of a call: plain data.
fn arguments(
    values: Vec<Value>,
) -> impl for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyTuple>> + Send + 'static {
    move |py| {
        let values = values.iter().map(|value| value_to_python(py, value));
        PyTuple::new(py, values.collect::<PyResult<Vec<_>>>()?)
    }
}

/// Reads an answer that may be `None`.
fn optional<T: serde::de::DeserializeOwned>(answer: &Bound<'_, PyAny>) -> PyResult<Option<T>> {
    convert::read(answer)
}

#[async_trait]
impl ImageBuilder for PythonBuilder {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        self.0.preflight().await
    }

    async fn find(&self, tag: &ImageTag) -> Result<Option<ImageRef>> {
        self.0
            .call(Some("find"), false, arguments(vec![json!(tag)]), optional)
            .await
    }

    async fn build(&self, request: &BuildRequest) -> Result<ImageRef> {
        let given = vec![json!(request.context), json!(request.tag)];
        self.0
            .call(Some("build"), false, arguments(given), convert::read)
            .await
    }

    async fn tag(&self, image: &ImageRef, tag: &ImageTag) -> Result<Tagging> {
        let read = |answer: &Bound<'_, PyAny>| match answer.extract::<String>() {
            Ok(word) => serde_json::from_value(json!({ "tagging": word }))
                .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string())),
            Err(_) => convert::read(answer),
        };
        self.0
            .call(
                Some("tag"),
                true,
                arguments(vec![json!(image), json!(tag)]),
                read,
            )
            .await
    }
}

#[derive(Debug)]
pub(crate) struct PythonDeployer {
    role: Role,
    propagation: Duration,
}

impl PythonDeployer {
    pub(crate) fn new(role: Role) -> PyResult<Self> {
        let propagation = Python::attach(|py| propagation(role.bind(py)))?;
        Ok(Self { role, propagation })
    }
}

#[async_trait]
impl ServiceDeployer for PythonDeployer {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        self.role.preflight().await
    }

    async fn observe(&self) -> Result<Option<ServiceObservation>> {
        self.role
            .call(Some("observe"), false, arguments(Vec::new()), optional)
            .await
    }

    async fn register(&self, image: &ImageRef) -> Result<Registration> {
        self.role
            .call(
                Some("register"),
                false,
                arguments(vec![json!(image)]),
                convert::read,
            )
            .await
    }

    async fn update(&self, update: &Update) -> Result<DeploymentId> {
        self.role
            .call(
                Some("update"),
                true,
                arguments(vec![json!(update)]),
                convert::read,
            )
            .await
    }

    async fn follow(&self, deployment: &DeploymentId) -> Result<DeploymentProgress> {
        if self.role.has("follow") {
            return self
                .role
                .call(
                    Some("follow"),
                    false,
                    arguments(vec![json!(deployment)]),
                    convert::read,
                )
                .await;
        }
        // What the library's role says without a `follow` of its own.
        Ok(match self.observe().await? {
            Some(service) => service.progress_of(deployment),
            None => DeploymentProgress::under_way(0).ended(DeploymentEnd::Gone),
        })
    }

    fn propagation(&self) -> Duration {
        self.propagation
    }

    async fn resolve(&self, revision: &RevisionId) -> Result<RevisionId> {
        match self.role.has("resolve") {
            true => {
                self.role
                    .call(
                        Some("resolve"),
                        false,
                        arguments(vec![json!(revision)]),
                        convert::read,
                    )
                    .await
            }
            false => Ok(revision.clone()),
        }
    }

    fn by_hand(&self) -> Option<ByHand> {
        let told = attached(|py| {
            let told = self.role.bind(py).getattr_opt("by_hand").ok()??;
            let told = match told.is_callable() {
                true => told.call0().ok()?,
                false => told,
            };
            convert::read(&told).ok()
        });
        told.flatten()
    }
}
