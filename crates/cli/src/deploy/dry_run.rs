//! The dry run: shows what a deployment would do.

use bluegreen::{
    Aws, ImageBuilder as _, ServiceDeployer as _,
    deployment::{ImageSource, has_way_back},
    image::ImageRef,
    preflight::{Acceptance, Severity},
    spec::DeploymentParts,
};

use super::render;
use crate::common::errors::{UNCHANGED, failed};
use crate::common::say::say_line;

/// Reads and prints what a deployment would do, and changes nothing.
pub(super) async fn run(parts: &DeploymentParts, aws: &Aws) -> u8 {
    let deployer = parts.deployer(aws);
    let builder = parts.builder(aws);
    let service = &parts.of().service;
    let read = async {
        let source = &parts.source(aws).await?;
        let mut findings = deployer.preflight().await?;
        let mut image = None;
        match source {
            ImageSource::Given { image: given } => image = Some(given.clone()),
            ImageSource::Build { request, .. } => {
                if let Some(builder) = &builder {
                    findings.extend(builder.preflight().await?);
                    image = builder.find(&request.tag).await?;
                }
                if let Some(image) = &image {
                    findings.extend(deployer.image_findings(image).await?);
                }
                match &image {
                    Some(image) => say_line!("image: {image}, pushed before, is not built again"),
                    None => say_line!(
                        "image: {} is built as {}",
                        request.context.display(),
                        request.tag
                    ),
                }
            }
        }
        let runs = deployer.observe().await?;
        match &runs {
            Some(runs) => say_line!("service: {runs}"),
            None => say_line!(
                "service: {} is created in {}",
                service.name,
                service.cluster
            ),
        }
        // The digest of an image is known only once it is pushed.
        let placeholder = || format!("to-be-built@sha256:{}", "0".repeat(64)).parse::<ImageRef>();
        let image = match image {
            Some(image) => Some(image),
            None => placeholder().ok(),
        };
        let mut accepted = parts.plan().accepted().clone();
        if !parts.has_checks() {
            accepted.insert(Acceptance::NoTestRoute);
        }
        for finding in &findings {
            let kind = match finding.severity {
                Severity::Note => "note",
                _ if finding.stops(&accepted) => "refusal",
                _ => "accepted",
            };
            say_line!("{kind}: {finding}");
            if let Some(hint) = &finding.hint {
                say_line!("  hint: {hint}");
            }
        }
        let mut refuses = findings.iter().any(|finding| finding.stops(&accepted));
        let previewed = match &image {
            Some(image) => deployer.preview(image).await.map(Some),
            None => Ok(None),
        };
        match previewed {
            Ok(None) => {}
            Ok(Some((existing, diff))) => {
                match &existing {
                    Some(revision) => say_line!("task definition: {revision} exists already"),
                    None => say_line!("task definition: a new revision is registered"),
                }
                render::diff(&diff);
                if let (Some(runs), Some(revision)) = (&runs, &existing)
                    && !has_way_back(runs, revision)
                {
                    refuses = true;
                    say_line!(
                        "refusal: the last rollout of {revision} failed, and there is no other \
                         revision to go back to"
                    );
                }
            }
            // A finding refuses already, mostly for the same reason.
            Err(error) if refuses => {
                say_line!("task definition: {}", bluegreen::Failure::from(error))
            }
            Err(error) => return Err(error),
        }
        bluegreen::Result::Ok(refuses)
    };
    match read.await {
        Ok(refuses) => {
            say_line!("dry run: nothing was changed");
            if refuses { UNCHANGED } else { 0 }
        }
        Err(error) => failed(&error, UNCHANGED),
    }
}
