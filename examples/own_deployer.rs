//! A deployer of your own: releases go to a supervisor that is no ECS.
//!
//! ```text
//! cargo run --example own_deployer
//! ```
//!
//! Two releases, in virtual time. The first is deployed. The second fails its smoke test and is taken back to
//! the first, which is what the example is about: that ends with 0, anything else with 1. Prints each step,
//! and at the end what runs.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{
    error::Error,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bluegreen::{
    Deployment, DeploymentPlan, Result, ServiceCheck, ServiceDeployer,
    check::CheckReport,
    deployment::{DeploymentEvent, ImageSource},
    image::ImageRef,
    mock::TestClock,
    preflight::Finding,
    service::{
        DeploymentEnd, DeploymentId, DeploymentProgress, Registration, RevisionId, Rollout,
        ServiceObservation, Target, Update,
    },
};

/// What a supervisor on one machine knows: which release runs, and how far it is.
#[derive(Debug)]
struct State {
    service: ServiceObservation,
    deployments: u32,
}

impl State {
    /// One copy more is up at each look.
    fn look(&mut self) -> &ServiceObservation {
        let service = &mut self.service;
        service.running = (service.running + 1).min(service.desired);
        if service.running == service.desired {
            service.rollout = Rollout::Completed;
        }
        service
    }
}

#[derive(Debug, Clone)]
struct Supervisor(Arc<Mutex<State>>);

impl Supervisor {
    fn new(revision: &str) -> Self {
        let (revision, first) = (RevisionId::new(revision), DeploymentId::new("1"));
        let service = ServiceObservation::steady("chat", revision, first, 3);
        Self(Arc::new(Mutex::new(State {
            service,
            deployments: 1,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ServiceDeployer for Supervisor {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    async fn observe(&self) -> Result<Option<ServiceObservation>> {
        Ok(Some(self.state().look().clone()))
    }

    /// Here an image is a release by itself, so there is nothing to write down.
    async fn register(&self, image: &ImageRef) -> Result<Registration> {
        let image = image.to_string();
        let digest = image.rsplit(':').next().unwrap_or_default();
        let revision = RevisionId::new(format!("chat-{digest:.4}"));
        Ok(Registration {
            revision,
            is_new: true,
            diff: Vec::new(),
            notes: Vec::new(),
        })
    }

    async fn update(&self, update: &Update) -> Result<DeploymentId> {
        let mut state = self.state();
        if update.from.as_ref().map(|from| &from.deployment) != Some(&state.service.deployment) {
            let message = "update chat: another deployment came between";
            return Err(bluegreen::Error::new(
                bluegreen::ErrorKind::Conflict,
                message,
            ));
        }
        state.deployments += 1;
        let id = DeploymentId::new(state.deployments.to_string());
        let service = &mut state.service;
        match &update.to {
            Target::Revision(revision) => {
                (service.revision, service.desired) = (revision.clone(), 3)
            }
            Target::Nothing => service.desired = 0,
        }
        (service.deployment, service.rollout, service.running) =
            (id.clone(), Rollout::InProgress, 0);
        // Where a rollback goes is kept with the service, so that any process can roll back.
        service.rollback_point.clone_from(&update.rollback_point);
        Ok(id)
    }

    async fn follow(&self, deployment: &DeploymentId) -> Result<DeploymentProgress> {
        let mut state = self.state();
        let service = state.look();
        let progress = DeploymentProgress::under_way(service.desired).with_running(service.running);
        Ok(if service.deployment != *deployment {
            let (by, revision) = (service.deployment.clone(), service.revision.clone());
            progress.ended(DeploymentEnd::Superseded { by, revision })
        } else if service.rollout == Rollout::Completed {
            progress.ended(DeploymentEnd::Completed)
        } else {
            progress
        })
    }

    fn propagation(&self) -> Duration {
        Duration::ZERO
    }
}

/// Asks what runs; release `bbbb` answers badly.
#[derive(Debug)]
struct Smoke(Supervisor);

#[async_trait]
impl ServiceCheck for Smoke {
    fn name(&self) -> &str {
        "chat"
    }

    async fn check(&self) -> CheckReport {
        let report = CheckReport::new("chat", "GET /chat", None);
        match self.0.state().service.revision.as_str().contains("bbbb") {
            true => report.failing("status", "200", "500"),
            false => report,
        }
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> std::result::Result<ExitCode, Box<dyn Error>> {
    let supervisor = Supervisor::new("chat-0000");
    let mut codes = Vec::new();
    for release in ["a", "b"] {
        println!("release {release}");
        let image = format!("acme.dev/chat@sha256:{}", release.repeat(64)).parse()?;
        let outcome = Deployment::new(DeploymentPlan::for_tests().build()?, supervisor.clone())
            .smoke(Smoke(supervisor.clone()))
            .clock(TestClock::default())
            .on_event(|event| match &event.kind {
                DeploymentEvent::Started { .. } => {}
                _ => println!("  {event}"),
            })
            .run_image(ImageSource::Given { image })
            .await?;
        codes.push(outcome.exit_code());
    }
    println!("now: {}", supervisor.state().service);
    Ok(u8::from(codes != [0, 10]).into())
}
