//! The ways in which clients reach a service beside the target groups of load balancers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::EcsServiceDeployer;
use crate::{
    aws::api::EcsCall,
    error::{ErrorKind, Result},
    preflight::{Acceptance, Finding},
};

/// The ways that a service, a revision of it or its definition names, in words. None of them has
/// weights that can be seen here, so each may carry all of the traffic.
pub(super) fn ways(document: &Value) -> BTreeSet<String> {
    let mut ways = BTreeSet::new();
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    for registry in list(document, "serviceRegistries") {
        let arn = text(registry, "registryArn");
        let name = arn.rsplit('/').next().unwrap_or(&arn);
        ways.insert(format!("Cloud Map, service {name}"));
    }
    for balancer in list(document, "loadBalancers") {
        let name = text(balancer, "loadBalancerName");
        if !name.is_empty() {
            ways.insert(format!("the classic load balancer {name}"));
        }
    }
    for connector in list(document, "gatewayConnectors") {
        let port = text(connector, "portName");
        ways.insert(format!("a gateway, at its port {port}"));
    }
    let resources = &document["ecsManagedResources"];
    for path in list(resources, "ingressPaths") {
        ways.insert(format!("an ingress of ECS, {}", text(path, "endpoint")));
    }
    for connection in list(resources, "gatewayConnections") {
        let port = text(connection, "portName");
        ways.insert(format!("a gateway, at its port {port}"));
    }
    if document["resourceManagementType"] == "ECS" {
        ways.insert("an ingress that ECS manages".to_owned());
    }
    // ECS shows these settings with each deployment; a definition has them itself.
    let deployments = list(document, "deployments");
    for holder in deployments.iter().chain([document]) {
        for lattice in list(holder, "vpcLatticeConfigurations") {
            let arn = text(lattice, "targetGroupArn");
            let name = arn.rsplit('/').next().unwrap_or(&arn);
            ways.insert(format!("VPC Lattice, target group {name}"));
        }
        let connect = &holder["serviceConnectConfiguration"];
        // A service that offers nothing is only a client.
        for offered in list(connect, "services") {
            if connect["enabled"] == false {
                continue;
            }
            let name = match offered["discoveryName"].as_str() {
                Some(name) => name.to_owned(),
                None => text(offered, "portName"),
            };
            ways.insert(format!("Service Connect, as {name}"));
        }
    }
    ways
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// The findings of a service that exists.
pub(super) async fn findings(
    deployer: &EcsServiceDeployer,
    name: &str,
    described: &Value,
) -> Result<Vec<Finding>> {
    let mut found = ways(described);
    let mut findings = Vec::new();
    match revisions(deployer, described).await {
        Ok(revisions) => found.extend(revisions.iter().flat_map(ways)),
        Err(error) if error.kind() == ErrorKind::Denied => {
            let message = format!("whether a gateway leads to {name} cannot be seen: {error}");
            let hint = error.hint();
            findings.push(unseen(
                message,
                hint.unwrap_or("allow `ecs:DescribeServiceRevisions`"),
            ));
        }
        Err(error) => return Err(error),
    }
    findings.extend(found.into_iter().map(|way| {
        Finding::refusal_unless(
            Acceptance::InPlace,
            format!(
                "users may reach service {name} by {way}: a deployment replaces what they reach"
            ),
        )
        .with_hint(format!(
            "deploy beside what serves, as a service that no client finds yet; or accept `{}`",
            Acceptance::InPlace
        ))
    }));
    Ok(findings)
}

/// The findings of a service that is yet to be created: whether clients look it up already is not
/// known.
pub(super) fn of_new(name: &str, definition: &Value) -> Vec<Finding> {
    let hint = "leave that out until the service is to get traffic";
    let ways = ways(definition).into_iter().map(|way| {
        let message = format!(
            "clients reach service {name} by {way} as soon as it runs, and whether any do cannot \
             be seen"
        );
        unseen(message, hint)
    });
    ways.collect()
}

/// A way in which users may come, and which could not be read.
pub(super) fn unseen(message: String, hint: &str) -> Finding {
    let accepted = Acceptance::UnseenTraffic;
    Finding::refusal_unless(accepted, message).with_hint(format!("{hint}; or accept `{accepted}`"))
}

/// The revisions of the service that run. Only revisions show gateways
/// ([ECS API](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceRevision.html)).
async fn revisions(deployer: &EcsServiceDeployer, described: &Value) -> Result<Vec<Value>> {
    let current = list(described, "currentServiceRevisions").iter();
    let arns: Vec<&str> = current.filter_map(|one| one["arn"].as_str()).collect();
    if arns.is_empty() {
        return Ok(Vec::new());
    }
    let attempted = format!("describe the revisions of service {}", deployer.service);
    let input = json!({"serviceRevisionArns": arns});
    let call = EcsCall::DescribeServiceRevisions;
    let answer = deployer.call(call, input, &attempted).await?;
    Ok(list(&answer, "serviceRevisions").to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_that_a_service_can_name_is_found() {
        let described = json!({
            "serviceRegistries": [{"registryArn": "arn:aws:servicediscovery:us-east-1:1:service/srv-1"}],
            "loadBalancers": [{"loadBalancerName": "old"}, {"targetGroupArn": "arn:…"}],
            "resourceManagementType": "ECS",
            "gatewayConnectors": [{"portName": "web"}],
            "ecsManagedResources": {"ingressPaths": [{"endpoint": "a.on.aws", "accessType": "PUBLIC"}]},
            "deployments": [{
                "serviceConnectConfiguration": {"enabled": true, "services": [
                    {"portName": "http", "discoveryName": "chat"}, {"portName": "grpc"}
                ]},
                "vpcLatticeConfigurations": [{"targetGroupArn": "arn:aws:vpc-lattice:r:1:targetgroup/tg-1"}]
            }]
        });
        let found = Vec::from_iter(ways(&described));
        assert_eq!(
            found,
            [
                "Cloud Map, service srv-1",
                "Service Connect, as chat",
                "Service Connect, as grpc",
                "VPC Lattice, target group tg-1",
                "a gateway, at its port web",
                "an ingress of ECS, a.on.aws",
                "an ingress that ECS manages",
                "the classic load balancer old",
            ]
        );
    }

    #[test]
    fn what_only_calls_others_or_is_switched_off_is_no_way() {
        for connect in [
            json!({"enabled": true, "namespace": "chat"}),
            json!({"enabled": true, "services": []}),
            json!({"enabled": false, "services": [{"portName": "http"}]}),
            Value::Null,
        ] {
            let described = json!({
                "resourceManagementType": "CUSTOMER", "serviceRegistries": null,
                "loadBalancers": [], "deployments": [{"serviceConnectConfiguration": connect}]
            });
            assert!(ways(&described).is_empty(), "{described}");
        }
    }
}
