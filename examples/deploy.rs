//! The guide's `deploy/deploy.sh` with the library: builds and pushes an image, runs it as a service beside
//! the live service, checks the new service, and rolls it back if a check fails.
//!
//! ```text
//! cargo run --example deploy
//! ```
//!
//! Everything is simulated: `docker`, ECR, ECS and the service's answers. On the real AWS the handle is
//! `Aws::from_env()`, programs are `SystemCommands`, and checks go through `ReqwestClient`; the rest is the
//! same. Prints each step, and at the end the revision that runs and the split. The exit code is 0 if
//! the image was deployed, and 10 after a rollback.

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
    let _pacer = simulation.start_paced(20.0);
    let aws = simulation.aws();

    // A source with a Dockerfile; the tag names its commit.
    let source = tempfile::tempdir()?;
    fs::write(source.path().join("Dockerfile"), "FROM scratch\n")?;
    let request = BuildRequest::new(source.path(), "0123456789ab".parse()?);

    let registry = EcrRegistry::new(&aws, simulation.repository());
    let deployer = EcsServiceDeployer::new(&aws, simulation.cluster(), simulation.service());
    // The answers that the new revision must give, by the test route, so that green itself answers.
    let checks = CheckSuite::from_toml(include_str!("deploy/checks.toml"))?;
    let ended = Deployment::new(DeploymentPlan::builder().build()?, deployer)
        .builder(DockerImageBuilder::new(registry, simulation.commands()))
        .checks(&checks, simulation.http())?
        .clock(aws.clock())
        .on_event(show)
        .run(request)
        .await;
    let code = match ended {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => error.exit_code(),
    };
    if let Some((revision, copies)) = simulation.runs() {
        let revision = revision.rsplit('/').next().unwrap_or_default();
        println!(
            "{} runs {copies} copies of {revision}",
            simulation.service()
        );
    }
    let weights = simulation.weights();
    println!(
        "traffic: {} to {}; `traffic_router` moves it",
        weights.blue, weights.green
    );
    Ok(code.into())
}

fn show(event: &Event<DeploymentEvent>) {
    match &event.kind {
        DeploymentEvent::ServiceSaid { .. } => {}
        _ => println!("{}", event.line(80)),
    }
}
