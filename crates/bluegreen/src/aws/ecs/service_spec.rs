//! [`ServiceSpec`]: what a service is created with.

use serde_json::{Map, Value, json};

use super::{conversions::default_of_service, service_rules, wire::Balanced};
use crate::{
    aws::{
        document::{File, is_said},
        model::{Input, fields_of_input, fields_of_output, is_updatable},
    },
    error::Result,
    preflight::Finding,
};

/// A service definition as JSON, spelt as the AWS CLI takes it
/// (`aws ecs create-service --cli-input-json`). It is used if the service does not exist yet; a
/// later deployment changes the task definition alone, so that a rollback restores everything that
/// was changed.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceSpec {
    document: Map<String, Value>,
    file: File,
}

impl ServiceSpec {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// `Invalid` if it is not a JSON object, with line and column.
    pub fn from_json(text: &str) -> Result<Self> {
        let (file, document) = File::read("service definition", Input::Service, text, None)?;
        Ok(Self { document, file })
    }

    /// Accepts a field or value that is newer than this crate's model of AWS, by its path as a
    /// finding names it. It reaches AWS as it is, and its finding becomes a note.
    #[must_use]
    pub fn accept_unknown(mut self, path: &str) -> Self {
        self.file.accept(path);
        self
    }

    /// Everything that is wrong with it: a refusal for what AWS would refuse or run otherwise than
    /// was meant, a note for what is merely unwise.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let rules = service_rules::service(&Value::Object(self.document.clone()));
        self.file.findings(Input::Service, &[], rules)
    }

    /// How many copies it asks for.
    #[must_use]
    pub(crate) fn desired_count(&self) -> Option<u32> {
        let count = self.document.get("desiredCount")?.as_u64()?;
        u32::try_from(count).ok()
    }

    /// The whole document.
    pub(super) fn document(&self) -> Value {
        Value::Object(self.document.clone())
    }

    /// Its load balancers, as far as they can be read.
    pub(super) fn load_balancers(&self) -> Vec<Balanced> {
        let listed = self.document.get("loadBalancers").cloned();
        let read = listed.map(serde_json::from_value);
        read.and_then(std::result::Result::ok).unwrap_or_default()
    }

    /// The exact input of CreateService: the document, run as this revision, with these tags
    /// beside its own.
    pub(crate) fn create_input(
        &self,
        cluster: &str,
        service: &str,
        task_definition: &str,
        tags: &[(&str, String)],
        token: &str,
    ) -> Value {
        let mut input = self.document.clone();
        let mut set = |field: &str, value: Value| {
            input.insert(field.to_owned(), value);
        };
        set("cluster", json!(cluster));
        set("serviceName", json!(service));
        set("taskDefinition", json!(task_definition));
        set("clientToken", json!(token));
        let own = input.get("tags").and_then(Value::as_array).cloned();
        let mut all = own.unwrap_or_default();
        all.extend(
            tags.iter()
                .map(|(key, value)| json!({"key": key, "value": value})),
        );
        input.insert("tags".to_owned(), Value::Array(all));
        Value::Object(input)
    }

    /// The settings in which a described service differs: a deployment does not apply them. A
    /// setting that the file leaves out is no difference, and neither is a default that the file
    /// spells out.
    pub(crate) fn differences(&self, described: &Value) -> Vec<String> {
        let mut lines = Vec::new();
        for field in fields_of_input(Input::Service) {
            let wanted = self.document.get(field).filter(|one| is_said(one));
            let Some(wanted) = wanted.filter(|_| !SET_BY_A_RUN.contains(&field)) else {
                continue;
            };
            let Some(found) = found(described, field) else {
                lines.push(format!(
                    "{field}: AWS does not show what the service has, so it is not compared"
                ));
                continue;
            };
            let mut apart = Vec::new();
            let default = |path: &str| default_of_service(path, described);
            differs(field, wanted, found, &default, &mut apart);
            // The reader must know whether a command can apply it.
            let how = if field == "tags" || is_updatable(field) {
                ""
            } else {
                " (fixed when the service was made)"
            };
            lines.extend(apart.into_iter().map(|line| format!("{line}{how}")));
        }
        lines
    }
}

/// The fields that each run sets itself.
const SET_BY_A_RUN: [&str; 4] = ["cluster", "serviceName", "taskDefinition", "clientToken"];

/// The value of a field of CreateService in an answer of DescribeServices; `None` if answers never
/// have it.
fn found<'a>(described: &'a Value, field: &str) -> Option<&'a Value> {
    let has = |name: &str, field: &str| fields_of_output(name).iter().any(|one| one == field);
    let name = if field == "role" { "roleArn" } else { field };
    if has("Service", name) {
        return Some(described.get(name).unwrap_or(&Value::Null));
    }
    // Some settings stand with the deployment that runs.
    let deployment = described.pointer("/deployments/0");
    has("Deployment", name).then(|| {
        let found = deployment.and_then(|one| one.get(name));
        found.unwrap_or(&Value::Null)
    })
}

/// Each place in which `found` differs from `wanted`. AWS adds fields of its own, reorders lists,
/// and answers with ARNs if it was given names.
fn differs(
    path: &str,
    wanted: &Value,
    found: &Value,
    default: &dyn Fn(&str) -> Value,
    lines: &mut Vec<String>,
) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(_) | Value::Null) => {
            for (field, wanted) in wanted.iter().filter(|(_, wanted)| is_said(wanted)) {
                let found = found.get(field).unwrap_or(&Value::Null);
                differs(&format!("{path}.{field}"), wanted, found, default, lines);
            }
        }
        (Value::Array(wanted), Value::Array(found))
            if wanted.len() == found.len() || path == "tags" =>
        {
            for one in wanted {
                let is_there = found.iter().any(|found| {
                    let mut apart = Vec::new();
                    differs(&format!("{path}[]"), one, found, default, &mut apart);
                    apart.is_empty()
                });
                if !is_there {
                    lines.push(format!(
                        "{path}: the file says {one}, which the service does not have"
                    ));
                }
            }
        }
        (Value::String(wanted), Value::String(found))
            if found.starts_with("arn:") && found.ends_with(&format!("/{wanted}")) => {}
        // For `LATEST`, AWS answers with the number of the latest version.
        (Value::String(wanted), Value::String(_))
            if path == "platformVersion" && wanted == "LATEST" => {}
        (wanted, found) if wanted == found => {}
        (wanted, Value::Null) if *wanted == default(path) => {}
        (wanted, found) => {
            lines.push(format!(
                "{path}: the file says {wanted}, the service has {found}"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> ServiceSpec {
        ServiceSpec::from_json(
            r#"{"serviceName": "chatbot", "cluster": "c", "desiredCount": 4, "launchType": "FARGATE",
                "deploymentConfiguration": {"maximumPercent": 200}, "tags": [{"key": "a", "value": "b"}]}"#,
        )
        .expect("valid")
    }

    #[test]
    fn renders_the_create_request_with_everything_that_the_file_says() {
        let input = spec().create_input("c", "s", "f:3", &[("t", "v".to_owned())], "token");
        assert_eq!(
            input,
            json!({
                "serviceName": "s", "cluster": "c", "desiredCount": 4, "launchType": "FARGATE",
                "deploymentConfiguration": {"maximumPercent": 200},
                "taskDefinition": "f:3", "clientToken": "token",
                "tags": [{"key": "a", "value": "b"}, {"key": "t", "value": "v"}]
            })
        );
    }

    #[test]
    fn what_aws_adds_is_no_difference_and_what_it_lacks_is() {
        let described = json!({
            "desiredCount": 2, "launchType": "FARGATE",
            "deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100},
            "tags": [{"key": "made-by", "value": "x"}, {"key": "a", "value": "b"}]
        });
        let lines = spec().differences(&described);
        assert_eq!(lines, ["desiredCount: the file says 4, the service has 2"]);
    }

    #[test]
    fn a_default_given_or_left_out_is_no_difference() {
        let file = json!({
            "serviceName": "s", "cluster": "c", "taskDefinition": "f:1", "launchType": "FARGATE",
            "role": "ecs", "platformVersion": "LATEST", "propagateTags": "NONE", "placementStrategy": [],
            "healthCheckGracePeriodSeconds": 0, "enableECSManagedTags": false,
            "deploymentController": {"type": "ECS"}, "schedulingStrategy": "REPLICA",
            "deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100, "strategy": "ROLLING",
                "deploymentCircuitBreaker": {"enable": false, "rollback": false}},
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["b", "a"], "assignPublicIp": "DISABLED"}},
            "serviceConnectConfiguration": {"enabled": true, "namespace": "prod"}
        });
        let spec = ServiceSpec::from_json(&file.to_string()).expect("an object");
        let described = json!({
            "launchType": "FARGATE", "platformVersion": "1.4.0", "roleArn": "arn:aws:iam::123456789012:role/ecs",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["a", "b"], "securityGroups": []}},
            "enableExecuteCommand": true,
            "deployments": [{"serviceConnectConfiguration": {"enabled": true,
                "namespace": "arn:aws:servicediscovery:us-east-1:123456789012:namespace/prod"}}]
        });
        assert_eq!(spec.differences(&described), Vec::<String>::new());
    }

    #[test]
    fn each_field_that_is_not_applied_is_told_with_whether_a_command_can() {
        let file = json!({
            "launchType": "FARGATE", "gatewayConnectors": [{"portName": "http"}],
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1, "base": 0}],
            "deploymentConfiguration": {"maximumPercent": 150},
            "volumeConfigurations": [{"name": "data"}], "tags": [{"key": "a", "value": "b"}],
            "enableExecuteCommand": true, "propagateTags": "SERVICE"
        });
        let spec = ServiceSpec::from_json(&file.to_string()).expect("an object");
        let described = json!({"launchType": "EC2", "propagateTags": "NONE",
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]});
        assert_eq!(
            spec.differences(&described),
            [
                "deploymentConfiguration.maximumPercent: the file says 150, the service has null",
                "enableExecuteCommand: the file says true, the service has null",
                "gatewayConnectors: AWS does not show what the service has, so it is not compared",
                "launchType: the file says \"FARGATE\", the service has \"EC2\" (fixed when the service was made)",
                "propagateTags: the file says \"SERVICE\", the service has \"NONE\"",
                "tags: the file says [{\"key\":\"a\",\"value\":\"b\"}], the service has null",
                "volumeConfigurations: the file says [{\"name\":\"data\"}], the service has null",
            ]
        );
    }
}
