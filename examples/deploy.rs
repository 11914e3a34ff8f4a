//! The guide's `deploy/deploy.sh` over the library: builds an image, pushes it, runs it as a service beside
//! the one that serves, checks it, and takes it back if a check fails.
//!
//! ```text
//! cargo run --example deploy
//! ```
//!
//! Everything is simulated: `docker`, ECR, ECS and the service's answers. On the real AWS the handle is
//! `Aws::from_env()`, programs are `SystemCommands`, and checks go through `ReqwestClient`; the rest is the
//! same. Prints each step, and at the end what runs. Ends with 0 if it was deployed, with 10 if it was taken
//! back.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{error::Error, fs, process::ExitCode};

use bluegreen::{
    Deployment, DeploymentPlan,
    aws::{ecr::EcrRegistry, ecs::EcsServiceDeployer, sim::ReleaseScenario},
    check::CheckSuite,
    deployment::DeploymentEvent,
    engine::Event,
    image::{BuildRequest, DockerImageBuilder},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let simulation = ReleaseScenario::Healthy.simulation(7);
    simulation.start_paused();
    let _pacer = simulation.pace(20.0);
    let aws = simulation.aws();

    // A source with a Dockerfile; its tag says which commit it is.
    let source = tempfile::tempdir()?;
    fs::write(source.path().join("Dockerfile"), "FROM scratch\n")?;
    let request = BuildRequest::new(source.path(), "0123456789ab".parse()?);

    let registry = EcrRegistry::new(&aws, simulation.repository());
    let deployer = EcsServiceDeployer::new(&aws, simulation.cluster(), simulation.service());
    let mut deployment = Deployment::new(DeploymentPlan::builder().build()?, deployer)
        .builder(DockerImageBuilder::new(registry, simulation.commands()))
        .clock(aws.clock())
        .on_event(show);

    // What the new revision must answer, asked by the test route, so that green itself answers.
    let checks = CheckSuite::from_toml(include_str!("deploy/checks.toml"))?;
    if let Some(health) = checks.health_check(simulation.http())? {
        deployment = deployment.health(health);
    }
    for check in checks.smoke_checks(simulation.http())? {
        deployment = deployment.smoke(check);
    }

    let (code, report) = match deployment.run(request).await {
        Ok(outcome) => (outcome.exit_code(), outcome.to_string()),
        Err(error) => (error.exit_code(), error.to_string()),
    };
    println!("{}", short(&report));
    if let Some((revision, copies)) = simulation.runs() {
        println!(
            "{} runs {copies} copies of {}",
            simulation.service(),
            short(&revision)
        );
    }
    let weights = simulation.weights();
    println!(
        "traffic: weights {}:{}; `traffic_router` moves it",
        weights.blue, weights.green
    );
    Ok(code.into())
}

fn show(event: &Event<DeploymentEvent>) {
    let line = match &event.kind {
        DeploymentEvent::Checked {
            report,
            in_a_row,
            wanted,
            ..
        } => {
            let mark = if report.is_passed() { "ok" } else { "FAILED" };
            format!("{}: {mark}, {in_a_row} of {wanted} in a row", report.check)
        }
        DeploymentEvent::ServiceSaid { .. } | DeploymentEvent::Ended { .. } => return,
        DeploymentEvent::PreflightPassed { .. } => "preflight passed".to_owned(),
        other => short(&other.to_string()),
    };
    let seconds = event.elapsed.as_secs();
    println!("{:02}:{:02}  {line}", seconds / 60, seconds % 60);
}

/// The first line, with the last part of each long name.
fn short(text: &str) -> String {
    let words = text.lines().next().unwrap_or_default().split(' ');
    let words = words.map(|word| match word.rsplit_once('/') {
        Some((_, last)) if word.len() > 40 => last.split('@').next().unwrap_or(last),
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}
