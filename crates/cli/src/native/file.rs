//! The file of a service whose traffic ECS moves.

use std::{fs, path::Path};

use bluegreen::{
    Aws, ErrorKind,
    aws::ecs::EcsNativeService,
    problem::Problem,
    spec::{FilePath, MigrationSpec, NativeSpec, Service},
};

use crate::{
    common::{
        errors::{UNCHANGED, bad_arguments, failed},
        say::say_line,
    },
    migration::{
        args::Which,
        file::{File, absolute, parsed, usual_path},
    },
};

/// Returns the file that the command line names, if it is about a service whose traffic ECS moves. A file that
/// cannot be read is left to the verb, which tells its problems.
pub(crate) fn file(which: &Which) -> Option<File> {
    if which.name.is_some() || !which.rule.given().is_empty() {
        return None;
    }
    let path = usual_path(which.file.as_deref())?;
    let text = fs::read_to_string(&path).ok()?;
    let spec = parsed(&path, &text).ok()?;
    spec.native.as_ref()?;
    Some(File { path, spec })
}

/// Returns the folder of a file as its specification keeps it.
pub(crate) fn folder_of(path: &Path) -> Option<FilePath> {
    let folder = absolute(path.parent().unwrap_or(Path::new("")));
    folder.to_str()?.parse().ok()
}

/// Returns the specification that judges a service without a file: all defaults.
pub(crate) fn usual(service: &Service) -> MigrationSpec {
    MigrationSpec::of_native(NativeSpec::new(service.clone()))
}

/// The deployment that is judged.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) arn: String,
    pub(crate) service: Service,
}

/// Returns the deployment of this ARN, or else the newest deployment of the file's service.
pub(crate) async fn named(
    arn: Option<&str>,
    spec: Option<&MigrationSpec>,
    aws: &Aws,
) -> Result<Named, u8> {
    if let Some(arn) = arn {
        return of_arn(arn);
    }
    let service = spec
        .and_then(|spec| spec.native.as_ref())
        .map(|native| &native.service);
    let Some(service) = service else {
        let message = "is needed: no file names a service whose traffic ECS moves";
        let hint =
            "list them: aws ecs list-service-deployments --cluster CLUSTER --service SERVICE";
        return Err(bad_arguments(&[Problem::new(
            "--deployment",
            message,
            hint,
        )]));
    };
    let setup = EcsNativeService::new(aws, &service.cluster, &service.name);
    let setup = setup.setup().await;
    let setup = setup.map_err(|error| failed(&error, UNCHANGED))?;
    let Some(setup) = setup else {
        return Err(not_moved(service));
    };
    match setup.current {
        Some(arn) => of_arn(&arn),
        None => {
            say_line!("error: no deployment of service {service} has begun");
            say_line!("  hint: `bluegreen deploy` begins one, and judges it");
            Err(UNCHANGED)
        }
    }
}

/// Says that ECS does not move the traffic of a service.
pub(super) fn not_moved(service: &Service) -> u8 {
    say_line!("error: ECS does not move the traffic of service {service} itself");
    say_line!(
        "  hint: check its name and region; its strategy must be BLUE_GREEN, LINEAR or CANARY"
    );
    UNCHANGED
}

/// Reads the ARN of a deployment.
pub(crate) fn of_arn(arn: &str) -> Result<Named, u8> {
    let path = arn.rsplit_once(':').map_or("", |(_, path)| path);
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["service-deployment", cluster, service, id]
            if arn.starts_with("arn:") && !id.is_empty() =>
        {
            Ok(Named {
                arn: arn.to_owned(),
                service: Service::new(cluster, service),
            })
        }
        _ => {
            let hint = "arn:aws:ecs:REGION:ACCOUNT:service-deployment/CLUSTER/SERVICE/ID; list them: aws ecs \
                        list-service-deployments --cluster CLUSTER --service SERVICE";
            let message = format!("`{arn}` is not the ARN of a service deployment");
            Err(bad_arguments(&[Problem::new(
                "--deployment",
                message,
                hint,
            )]))
        }
    }
}

/// Says that an undo of such a service is another deployment.
pub(crate) fn no_undo(service: &Service) -> u8 {
    let message = format!("undo: ECS moves the traffic of service {service} itself");
    let error = bluegreen::Error::new(ErrorKind::Refused, message).with_hint(
        "while a deployment is under way, `bluegreen abort` puts everything back; after that, deploy the \
         earlier image again: `bluegreen deploy --image REPOSITORY@sha256:…`",
    );
    failed(&error, UNCHANGED)
}
