//! What ECS does to a request, as tables.

use serde_json::{Map, Value};

use crate::aws::{
    conversions::{self, Conversion, Does, row, rows},
    document::text,
};

fn always(_document: &Value) -> bool {
    true
}

/// The task can run on Fargate.
fn on_fargate(document: &Value) -> bool {
    let compatible = document
        .get("requiresCompatibilities")
        .and_then(Value::as_array);
    compatible.is_some_and(|all| all.iter().any(|one| one == "FARGATE"))
}

/// The service runs one copy on each instance.
fn as_daemon(document: &Value) -> bool {
    text(document, "schedulingStrategy") == "DAEMON"
}

/// The service runs as many copies as it is told.
fn as_replica(document: &Value) -> bool {
    !as_daemon(document)
}

/// [RegisterTaskDefinition](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html).
/// "Dumps" are task definitions that people published as `describe-task-definition` printed them.
const TASK_DEFINITION: &[Conversion] = {
    use Does::{Counts, Fills, HostPort, Means, Sorts};
    &[
        row(
            "cpu",
            Counts("vcpu"),
            always,
            "API_RegisterTaskDefinition; moto keeps it",
        ),
        row(
            "memory",
            Counts("gb"),
            always,
            "API_RegisterTaskDefinition; moto keeps it",
        ),
        row(
            "enableFaultInjection",
            Fills("false"),
            always,
            "API_RegisterTaskDefinition; dumps since 2024",
        ),
        row(
            "networkMode",
            Means("\"bridge\""),
            always,
            "API_RegisterTaskDefinition",
        ),
        row("pidMode", Means("\"\""), always, "answers of emulators"),
        row("ipcMode", Means("\"\""), always, "answers of emulators"),
        row(
            "volumes",
            Fills("[]"),
            always,
            "the AWS CLI's example of register-task-definition",
        ),
        row("volumes", Sorts, always, "named by mountPoints"),
        row(
            "placementConstraints",
            Fills("[]"),
            always,
            "the AWS CLI's example of register-task-definition",
        ),
        row("placementConstraints", Sorts, always, "all must hold"),
        row("requiresCompatibilities", Sorts, always, "a set"),
        row("tags", Sorts, always, "found by key"),
        row(
            "containerDefinitions[].cpu",
            Fills("0"),
            always,
            "API_ContainerDefinition; dumps",
        ),
        row(
            "containerDefinitions[].essential",
            Fills("true"),
            always,
            "API_ContainerDefinition; dumps",
        ),
        row(
            "containerDefinitions[].portMappings",
            Fills("[]"),
            always,
            "the AWS CLI's example of register-task-definition",
        ),
        row(
            "containerDefinitions[].environment",
            Fills("[]"),
            always,
            "the AWS CLI's example of register-task-definition",
        ),
        row(
            "containerDefinitions[].mountPoints",
            Fills("[]"),
            always,
            "the AWS CLI's example of register-task-definition",
        ),
        row(
            "containerDefinitions[].volumesFrom",
            Fills("[]"),
            always,
            "the AWS CLI's example of register-task-definition",
        ),
        row(
            "containerDefinitions[].systemControls",
            Fills("[]"),
            always,
            "dumps since 2024; hashicorp/terraform-provider-aws#36029",
        ),
        row(
            "containerDefinitions[].portMappings[].protocol",
            Fills("\"tcp\""),
            always,
            "API_PortMapping; hashicorp/terraform-provider-aws#3401",
        ),
        row(
            "containerDefinitions[].portMappings[].hostPort",
            HostPort,
            always,
            "API_PortMapping; hashicorp/terraform-provider-aws#3401",
        ),
        row(
            "containerDefinitions[].healthCheck.interval",
            Fills("30"),
            always,
            "API_HealthCheck; dumps",
        ),
        row(
            "containerDefinitions[].healthCheck.timeout",
            Fills("5"),
            always,
            "API_HealthCheck; dumps",
        ),
        row(
            "containerDefinitions[].healthCheck.retries",
            Fills("3"),
            always,
            "API_HealthCheck; dumps",
        ),
        row(
            "containerDefinitions[].healthCheck.startPeriod",
            Means("0"),
            always,
            "API_HealthCheck: off by default",
        ),
        row(
            "containerDefinitions[].restartPolicy.restartAttemptPeriod",
            Means("300"),
            always,
            "API_ContainerRestartPolicy",
        ),
        row(
            "containerDefinitions[].versionConsistency",
            Means("\"enabled\""),
            always,
            "API_ContainerDefinition",
        ),
        row(
            "containerDefinitions[].stopTimeout",
            Means("30"),
            on_fargate,
            "API_ContainerDefinition",
        ),
        row(
            "containerDefinitions[].mountPoints[].readOnly",
            Means("false"),
            always,
            "API_MountPoint",
        ),
        row(
            "containerDefinitions[].volumesFrom[].readOnly",
            Means("false"),
            always,
            "API_VolumeFrom",
        ),
        row(
            "containerDefinitions[].linuxParameters.swappiness",
            Means("60"),
            always,
            "API_LinuxParameters",
        ),
        row(
            "containerDefinitions[].linuxParameters.devices[].permissions",
            Means(r#"["read","write","mknod"]"#),
            always,
            "API_Device",
        ),
        row(
            "volumes[].efsVolumeConfiguration.rootDirectory",
            Fills("\"/\""),
            always,
            "API_EFSVolumeConfiguration; dumps",
        ),
        row(
            "volumes[].efsVolumeConfiguration.transitEncryption",
            Means("\"DISABLED\""),
            always,
            "API_EFSVolumeConfiguration",
        ),
        row(
            "volumes[].efsVolumeConfiguration.authorizationConfig.iam",
            Means("\"DISABLED\""),
            always,
            "API_EFSAuthorizationConfig",
        ),
        row(
            "volumes[].s3filesVolumeConfiguration.rootDirectory",
            Means("\"/\""),
            always,
            "API_S3FilesVolumeConfiguration",
        ),
        row(
            "containerDefinitions",
            Sorts,
            always,
            "dependsOn says what starts when; hashicorp/terraform-provider-aws#36029",
        ),
        row(
            "containerDefinitions[].environment",
            Sorts,
            always,
            "found by name",
        ),
        row(
            "containerDefinitions[].secrets",
            Sorts,
            always,
            "found by name",
        ),
        row(
            "containerDefinitions[].mountPoints",
            Sorts,
            always,
            "found by containerPath",
        ),
        row(
            "containerDefinitions[].portMappings",
            Sorts,
            always,
            "a set",
        ),
        row("containerDefinitions[].volumesFrom", Sorts, always, "a set"),
        row(
            "containerDefinitions[].dependsOn",
            Sorts,
            always,
            "all must hold",
        ),
        row(
            "containerDefinitions[].ulimits",
            Sorts,
            always,
            "found by name",
        ),
        row(
            "containerDefinitions[].systemControls",
            Sorts,
            always,
            "found by namespace",
        ),
        row(
            "containerDefinitions[].resourceRequirements",
            Sorts,
            always,
            "found by type",
        ),
        row(
            "containerDefinitions[].logConfiguration.secretOptions",
            Sorts,
            always,
            "found by name",
        ),
        row(
            "containerDefinitions[].linuxParameters.capabilities.add",
            Sorts,
            always,
            "a set",
        ),
        row(
            "containerDefinitions[].linuxParameters.capabilities.drop",
            Sorts,
            always,
            "a set",
        ),
    ]
};

/// [CreateService](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html).
const SERVICE: &[Conversion] = {
    use Does::{Fills, Means};
    &[
        row(
            "schedulingStrategy",
            Fills("\"REPLICA\""),
            always,
            "API_Service; the AWS CLI's example of create-service",
        ),
        row(
            "deploymentController.type",
            Means("\"ECS\""),
            always,
            "API_CreateService",
        ),
        row(
            "enableECSManagedTags",
            Fills("false"),
            always,
            "the AWS CLI's example of create-service",
        ),
        row("enableExecuteCommand", Fills("false"), always, "dumps"),
        row(
            "propagateTags",
            Fills("\"NONE\""),
            always,
            "API_CreateService; the AWS CLI's example of create-service",
        ),
        row(
            "placementConstraints",
            Fills("[]"),
            always,
            "the AWS CLI's example of create-service",
        ),
        row(
            "placementStrategy",
            Fills("[]"),
            always,
            "the AWS CLI's example of create-service",
        ),
        row(
            "serviceRegistries",
            Fills("[]"),
            always,
            "the AWS CLI's example of create-service",
        ),
        row(
            "loadBalancers",
            Fills("[]"),
            always,
            "the AWS CLI's example of create-service",
        ),
        row(
            "healthCheckGracePeriodSeconds",
            Means("0"),
            always,
            "API_CreateService",
        ),
        row(
            "platformVersion",
            Means("\"LATEST\""),
            always,
            "API_CreateService",
        ),
        row(
            "networkConfiguration.awsvpcConfiguration.assignPublicIp",
            Fills("\"DISABLED\""),
            always,
            "API_AwsVpcConfiguration",
        ),
        row(
            "capacityProviderStrategy[].weight",
            Fills("0"),
            always,
            "API_CapacityProviderStrategyItem",
        ),
        row(
            "capacityProviderStrategy[].base",
            Fills("0"),
            always,
            "API_CapacityProviderStrategyItem",
        ),
        row(
            "deploymentConfiguration.maximumPercent",
            Fills("200"),
            as_replica,
            "API_DeploymentConfiguration; the AWS CLI's example of create-service",
        ),
        row(
            "deploymentConfiguration.maximumPercent",
            Fills("100"),
            as_daemon,
            "API_DeploymentConfiguration",
        ),
        row(
            "deploymentConfiguration.minimumHealthyPercent",
            Fills("100"),
            as_replica,
            "API_DeploymentConfiguration; the AWS CLI's example of create-service",
        ),
        row(
            "deploymentConfiguration.minimumHealthyPercent",
            Fills("0"),
            as_daemon,
            "API_DeploymentConfiguration",
        ),
        row(
            "deploymentConfiguration.strategy",
            Fills("\"ROLLING\""),
            always,
            "API_DeploymentConfiguration",
        ),
        row(
            "deploymentConfiguration.bakeTimeInMinutes",
            Fills("0"),
            always,
            "dumps since 2025",
        ),
        row(
            "deploymentConfiguration.deploymentCircuitBreaker.enable",
            Means("false"),
            always,
            "API_DeploymentCircuitBreaker",
        ),
        row(
            "deploymentConfiguration.deploymentCircuitBreaker.rollback",
            Means("false"),
            always,
            "API_DeploymentCircuitBreaker",
        ),
        row(
            "deploymentConfiguration.deploymentCircuitBreaker.resetOnHealthyTask",
            Means("true"),
            always,
            "API_DeploymentCircuitBreaker",
        ),
        row(
            "deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration.type",
            Means("\"BOUNDED_PERCENT\""),
            always,
            "API_ThresholdConfiguration",
        ),
        row(
            "deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration.value",
            Means("50"),
            always,
            "API_ThresholdConfiguration",
        ),
    ]
};

/// A task definition without what AWS fills in, converts and reorders: equal for two definitions
/// that run the same.
pub(super) fn canonical(document: &Map<String, Value>) -> Value {
    conversions::canonical(document, TASK_DEFINITION)
}

/// A task definition as DescribeTaskDefinition answers it.
#[cfg(any(test, feature = "sim"))]
pub(in crate::aws) fn described(document: &Map<String, Value>) -> Map<String, Value> {
    conversions::answered(document, TASK_DEFINITION)
}

/// A service that was made with this document as DescribeServices answers it.
#[cfg(any(test, feature = "sim"))]
pub(in crate::aws) fn described_service(document: &Map<String, Value>) -> Map<String, Value> {
    conversions::answered(document, SERVICE)
}

/// The value of a place of a service if nothing is said there; `false` if AWS states none.
pub(super) fn default_of_service(path: &str, described: &Value) -> Value {
    let found = rows(SERVICE, described).find(|row| row.path == path);
    found.map_or(Value::Bool(false), Conversion::default)
}

#[cfg(test)]
mod tests;
