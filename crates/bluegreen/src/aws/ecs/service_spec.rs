//! [`ServiceSpec`]: what a service is created with.

use serde_json::{Map, Value, json};

use super::{problems, wire::Balanced};
use crate::{aws::document, error::Result, preflight::Finding};

/// A service definition as JSON, spelt as the AWS CLI takes it (`aws ecs create-service
/// --cli-input-json`). It is used where the service does not exist yet; a later deployment changes
/// the task definition alone, so that a rollback restores all of what it changed.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceSpec {
    document: Map<String, Value>,
}

impl ServiceSpec {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// `Invalid` where it is no JSON object, with line and column.
    pub fn from_json(text: &str) -> Result<Self> {
        let document = document::read("service definition", text)?;
        Ok(Self { document })
    }

    /// Everything that is wrong with it: refusals are what AWS would refuse or run otherwise than
    /// was meant, notes what is merely unwise.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        problems::service(&self.document)
    }

    /// The service's name in it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.document.get("serviceName")?.as_str()
    }

    /// The cluster in it.
    #[must_use]
    pub fn cluster(&self) -> Option<&str> {
        self.document.get("cluster")?.as_str()
    }

    /// How many copies it asks for.
    #[must_use]
    pub fn desired_count(&self) -> Option<u32> {
        let count = self.document.get("desiredCount")?.as_u64()?;
        u32::try_from(count).ok()
    }

    /// All that it says.
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

    /// The settings in which a described service differs: they are not applied by a deployment.
    pub(crate) fn differences(&self, described: &Value) -> Vec<String> {
        const COMPARED: [&str; 8] = [
            "deploymentConfiguration",
            "networkConfiguration",
            "healthCheckGracePeriodSeconds",
            "loadBalancers",
            "serviceRegistries",
            "enableExecuteCommand",
            "launchType",
            "desiredCount",
        ];
        let mut lines = Vec::new();
        for field in COMPARED {
            let Some(wanted) = self.document.get(field) else {
                continue;
            };
            let found = described.get(field).unwrap_or(&Value::Null);
            if !covers(found, wanted) {
                lines.push(format!(
                    "{field}: the file says {wanted}, the service has {found}"
                ));
            }
        }
        lines
    }
}

/// Whether `found` says all that `wanted` says; AWS adds fields of its own.
fn covers(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(field, value)| found.get(field).is_some_and(|found| covers(found, value))),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && wanted
                    .iter()
                    .all(|value| found.iter().any(|found| covers(found, value)))
        }
        (found, wanted) => found == wanted,
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
            "deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100}
        });
        let lines = spec().differences(&described);
        assert_eq!(lines, ["desiredCount: the file says 4, the service has 2"]);
    }
}
