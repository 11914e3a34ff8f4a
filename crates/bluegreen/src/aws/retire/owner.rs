//! Whether tags say that infrastructure code owns a resource.

use std::collections::BTreeMap;

/// Prefixes that only a tool writes, and the tool. Only AWS itself writes what begins with `aws:`
/// ([CloudFormation](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html)).
const PREFIXES: [(&str, &str); 9] = [
    ("aws:cloudformation:", "CloudFormation"),
    ("aws:servicecatalog:", "Service Catalog"),
    ("aws:cdk:", "the CDK"),
    ("aws-cdk:", "the CDK"),
    ("copilot-", "Copilot"),
    ("elbv2.k8s.aws/", "the Load Balancer Controller"),
    ("ingress.k8s.aws/", "the Load Balancer Controller"),
    ("kubernetes.io/cluster/", "Kubernetes"),
    ("pulumi:", "Pulumi"),
];
/// Names of tools that people write into a tag by convention, in its key or its value.
const TOOLS: [&str; 6] = [
    "terraform",
    "opentofu",
    "terragrunt",
    "pulumi",
    "cloudformation",
    "cdk",
];
/// Keys of tags that name what manages a resource, without case and separators.
const MANAGERS: [&str; 4] = ["managedby", "provisionedby", "createdby", "deployedby"];

/// Returns what owns a resource with these tags, and the tag that says so.
pub(super) fn owner(tags: &BTreeMap<String, String>) -> Option<String> {
    tags.iter().find_map(|(key, value)| {
        let own = key.to_lowercase();
        let plain: String = own
            .chars()
            .filter(|one| one.is_ascii_alphanumeric())
            .collect();
        let value_of_tool = || {
            let value = value.to_lowercase();
            let tool = TOOLS
                .into_iter()
                .find(|tool| words(&value).any(|word| word == *tool));
            tool.filter(|_| MANAGERS.contains(&plain.as_str()) || plain == "iac" || plain == "tool")
        };
        let by_prefix = PREFIXES
            .into_iter()
            .find(|(prefix, _)| own.starts_with(prefix));
        let tool = by_prefix.map(|(_, tool)| tool);
        // `terraform = "false"` is not a claim.
        let is_denied = matches!(value.to_lowercase().as_str(), "false" | "no" | "0");
        let by_key = || {
            let tool = TOOLS
                .into_iter()
                .find(|tool| words(&own).any(|word| word == *tool));
            tool.filter(|_| !is_denied)
        };
        let tool = tool.or_else(by_key).or_else(value_of_tool)?;
        Some(format!("{tool}, by its tag `{key}`"))
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|one: char| !one.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str, value: &str) -> Option<String> {
        owner(&BTreeMap::from([(key.to_owned(), value.to_owned())]))
    }

    #[test]
    fn tags_of_tools_name_an_owner_and_tags_of_people_do_not() {
        for (key, value) in [
            ("aws:cloudformation:stack-name", "shop"),
            ("aws:servicecatalog:provisionedProductArn", "x"),
            ("aws-cdk:cr-owned", "true"),
            ("copilot-application", "shop"),
            ("elbv2.k8s.aws/cluster", "shop"),
            ("pulumi:project", "shop"),
            ("Terraform", "true"),
            ("terraform-workspace", "prod"),
            ("ManagedBy", "Terraform"),
            ("managed-by", "aws cdk"),
            ("managed_by", "terraform"),
        ] {
            assert!(of(key, value).is_some(), "{key} = {value}");
        }
        for (key, value) in [
            ("Name", "terraform"),
            ("team", "cdk"),
            ("managed-by", "ann"),
            ("terraform", "false"),
            ("bluegreen:made-for", "arn:aws:…"),
            ("awscdkish", "x"),
        ] {
            assert_eq!(of(key, value), None, "{key} = {value}");
        }
    }
}
