//! A deployer of your own: releases go to a process supervisor instead of ECS.
//!
//! ```text
//! cargo run --example own_deployer
//! ```
//!
//! Two releases, in virtual time. The first release is deployed. The second release fails its smoke test and
//! must be rolled back to the first: then the exit code is 0, otherwise 1. Prints each step, and at the end
//! the release that runs.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{error::Error, future::ready, process::ExitCode, time::Duration};

use async_trait::async_trait;
use bluegreen::check::{CheckReport, check_fn};
use bluegreen::deployment::ImageSource;
use bluegreen::image::ImageRef;
use bluegreen::service::{DeploymentId, Registration, RevisionId, Rollout};
use bluegreen::service::{ServiceObservation, Update};
use bluegreen::{Deployment, Result, ServiceCheck, ServiceDeployer};

/// A supervisor on one machine, with the state of its service.
#[derive(Debug, Clone)]
struct Supervisor(Arc<Mutex<ServiceObservation>>);

impl Supervisor {
    fn service(&self) -> MutexGuard<'_, ServiceObservation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ServiceDeployer for Supervisor {
    /// Reads the service; at each look one more copy runs.
    async fn observe(&self) -> Result<Option<ServiceObservation>> {
        let mut service = self.service();
        service.running = (service.running + 1).min(service.desired);
        if service.running == service.desired {
            service.rollout = Rollout::Completed;
        }
        Ok(Some(service.clone()))
    }

    /// Returns the release that an image is; there is nothing to register.
    async fn register(&self, image: &ImageRef) -> Result<Registration> {
        let image = image.to_string();
        let digest = image.rsplit(':').next().unwrap_or_default();
        Ok(Registration::new(RevisionId::new(format!(
            "chat-{digest:.4}"
        ))))
    }

    /// Starts three copies. Refuses if another deployment began in between.
    async fn update(&self, update: &Update) -> Result<DeploymentId> {
        let mut service = self.service();
        update.check(Some(&service))?;
        let id = DeploymentId::new(format!("{}+1", service.deployment));
        service.begin(update, id.clone(), 3);
        Ok(id)
    }

    /// A read shows a change at once.
    fn propagation(&self) -> Duration {
        Duration::ZERO
    }
}

/// Asks the release that runs; release `bbbb` gives a wrong answer.
fn smoke(supervisor: Supervisor) -> impl ServiceCheck {
    check_fn("chat", move || {
        let report = CheckReport::new("chat", "GET /chat", None);
        let fails = supervisor.service().revision.as_str() == "chat-bbbb";
        ready(if fails {
            report.failing("status", "200", "500")
        } else {
            report
        })
    })
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> std::result::Result<ExitCode, Box<dyn Error>> {
    let (revision, first) = (RevisionId::new("chat-0000"), DeploymentId::new("1"));
    let service = ServiceObservation::steady("chat", revision, first, 3);
    let supervisor = Supervisor(Arc::new(Mutex::new(service)));
    let mut codes = Vec::new();
    for release in ["a", "b"] {
        println!("release {release}");
        let image = format!("acme.dev/chat@sha256:{}", release.repeat(64)).parse()?;
        let outcome = Deployment::for_tests(supervisor.clone())
            .smoke(smoke(supervisor.clone()))
            .on_event(|event| println!("  {}", event.line(78)))
            .run_image(ImageSource::Given { image })
            .await?;
        codes.push(outcome.exit_code());
    }
    println!("now: {}", supervisor.service());
    Ok(u8::from(codes != [0, 10]).into())
}
