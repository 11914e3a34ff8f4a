//! A deployer of your own: releases go to a process supervisor instead of ECS.
//!
//! ```text
//! cargo run --example own_deployer
//! ```
//!
//! Two releases, in virtual time. The second fails its smoke test and must be rolled back to the first: then
//! the exit code is 0, otherwise 1. Prints each step, and at the end the release that runs.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::sync::{Arc, Mutex};
use std::{error::Error, future::ready, process::ExitCode, time::Duration};

use async_trait::async_trait;
use bluegreen::check::{CheckReport, check_fn};
use bluegreen::deployment::ImageSource;
use bluegreen::image::ImageRef;
use bluegreen::service::{DeploymentId, Registration, Rollout, ServiceObservation, Update};
use bluegreen::{Deployment, Result, ServiceCheck, ServiceDeployer};

/// A supervisor on one machine, with the state of its service.
#[derive(Debug, Clone)]
struct Supervisor(Arc<Mutex<ServiceObservation>>);

#[async_trait]
impl ServiceDeployer for Supervisor {
    /// Reads the service; at each look one more copy runs.
    async fn observe(&self) -> Result<Option<ServiceObservation>> {
        let mut service = self.0.lock().expect("no panic");
        service.running = (service.running + 1).min(service.desired);
        if service.running == service.desired {
            service.rollout = Rollout::Completed;
        }
        Ok(Some(service.clone()))
    }

    /// Returns the release that an image is; there is nothing to register.
    async fn register(&self, image: &ImageRef) -> Result<Registration> {
        let digest = image.digest().as_str().trim_start_matches("sha256:");
        Ok(Registration::new(format!("chat-{digest:.4}")))
    }

    /// Starts three copies. Refuses if another deployment began in between.
    async fn update(&self, update: &Update) -> Result<DeploymentId> {
        let mut service = self.0.lock().expect("no panic");
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
        let service = supervisor.0.lock().expect("no panic");
        ready(match service.revision.as_str() {
            "chat-bbbb" => report.failing("status", "200", "500"),
            _ => report,
        })
    })
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> std::result::Result<ExitCode, Box<dyn Error>> {
    let service = ServiceObservation::steady("chat", "chat-0000", "1", 3);
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
    println!("now: {}", supervisor.0.lock().expect("no panic"));
    Ok(u8::from(codes != [0, 10]).into())
}
