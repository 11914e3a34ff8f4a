//! The defaults and conversions that Elastic Load Balancing applies to a request for a target group,
//! as a table. Rules have another canonical form: the hashed one that finds a third party's change.

use aws_sdk_elasticloadbalancingv2::types::TargetGroup;
use serde_json::{Map, Value, json};

use crate::aws::{
    conversions::{self, Conversion, Does, row, rows},
    document::text,
};

fn always(_document: &Value) -> bool {
    true
}

fn is_function(document: &Value) -> bool {
    text(document, "TargetType") == "lambda"
}

fn is_not_function(document: &Value) -> bool {
    !is_function(document)
}

fn is_grpc(document: &Value) -> bool {
    text(document, "ProtocolVersion") == "GRPC"
}

fn is_not_grpc(document: &Value) -> bool {
    !is_grpc(document)
}

/// [CreateTargetGroup](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html),
/// for groups of an Application Load Balancer. "The example" is that of CreateTargetGroup in the model.
const TARGET_GROUP: &[Conversion] = {
    use Does::Fills;
    &[
        row(
            "TargetType",
            Fills("\"instance\""),
            always,
            "API_CreateTargetGroup",
        ),
        row(
            "ProtocolVersion",
            Fills("\"HTTP1\""),
            is_not_function,
            "API_CreateTargetGroup",
        ),
        row(
            "IpAddressType",
            Fills("\"ipv4\""),
            always,
            "API_CreateTargetGroup",
        ),
        row(
            "HealthCheckEnabled",
            Fills("true"),
            is_not_function,
            "API_CreateTargetGroup",
        ),
        row(
            "HealthCheckEnabled",
            Fills("false"),
            is_function,
            "API_CreateTargetGroup",
        ),
        row(
            "HealthCheckProtocol",
            Fills("\"HTTP\""),
            is_not_function,
            "API_CreateTargetGroup; the example",
        ),
        row(
            "HealthCheckPort",
            Fills("\"traffic-port\""),
            is_not_function,
            "API_CreateTargetGroup; the example",
        ),
        row(
            "HealthCheckPath",
            Fills("\"/\""),
            is_not_grpc,
            "API_CreateTargetGroup; the example",
        ),
        row(
            "HealthCheckPath",
            Fills("\"/AWS.ALB/healthcheck\""),
            is_grpc,
            "API_CreateTargetGroup",
        ),
        row(
            "HealthCheckIntervalSeconds",
            Fills("30"),
            is_not_function,
            "API_CreateTargetGroup; the example",
        ),
        row(
            "HealthCheckIntervalSeconds",
            Fills("35"),
            is_function,
            "API_CreateTargetGroup",
        ),
        // The page's own 6 and 10 seconds are those of Network Load Balancers.
        row(
            "HealthCheckTimeoutSeconds",
            Fills("5"),
            is_not_function,
            "the example; application/target-group-health-checks.html",
        ),
        row(
            "HealthCheckTimeoutSeconds",
            Fills("30"),
            is_function,
            "API_CreateTargetGroup",
        ),
        row(
            "HealthyThresholdCount",
            Fills("5"),
            always,
            "API_CreateTargetGroup; the example",
        ),
        row(
            "UnhealthyThresholdCount",
            Fills("2"),
            is_not_function,
            "API_CreateTargetGroup; the example",
        ),
        row(
            "UnhealthyThresholdCount",
            Fills("5"),
            is_function,
            "API_CreateTargetGroup",
        ),
        row(
            "Matcher",
            Fills(r#"{"HttpCode":"200"}"#),
            is_not_grpc,
            "API_Matcher; the example",
        ),
        row(
            "Matcher",
            Fills(r#"{"GrpcCode":"12"}"#),
            is_grpc,
            "API_Matcher",
        ),
    ]
};

/// Returns a group without the values that AWS fills in: equal for two groups that check and route
/// alike. Tags are read by another call, and are not part of it.
pub(super) fn canonical(document: &Map<String, Value>) -> Value {
    let mut document = document.clone();
    document.remove("Tags");
    conversions::canonical(&document, TARGET_GROUP)
}

/// The value of a field of a group if the request does not set it.
pub(super) fn default(field: &str, document: &Map<String, Value>) -> Value {
    let document = Value::Object(document.clone());
    let found = rows(TARGET_GROUP, &document).find(|row| row.path == field);
    found.map_or(Value::Null, Conversion::default)
}

/// A group as DescribeTargetGroups returns it.
#[cfg(any(test, feature = "sim"))]
pub(in crate::aws) fn described(document: &Map<String, Value>) -> Map<String, Value> {
    conversions::answered(document, TARGET_GROUP)
}

/// The request that could have made an existing group.
pub(in crate::aws) fn document(group: &TargetGroup) -> Map<String, Value> {
    let matcher = group.matcher.as_ref().map(|matcher| {
        let code = [
            ("HttpCode", &matcher.http_code),
            ("GrpcCode", &matcher.grpc_code),
        ];
        let said = code.into_iter().filter_map(|(name, code)| {
            let code = code.as_ref()?;
            Some((name.to_owned(), json!(code)))
        });
        Value::Object(said.collect())
    });
    let document = json!({
        "Name": group.target_group_name,
        "Protocol": group.protocol.as_ref().map(|one| one.as_str()),
        "ProtocolVersion": group.protocol_version,
        "Port": group.port,
        "VpcId": group.vpc_id,
        "HealthCheckProtocol": group.health_check_protocol.as_ref().map(|one| one.as_str()),
        "HealthCheckPort": group.health_check_port,
        "HealthCheckEnabled": group.health_check_enabled,
        "HealthCheckPath": group.health_check_path,
        "HealthCheckIntervalSeconds": group.health_check_interval_seconds,
        "HealthCheckTimeoutSeconds": group.health_check_timeout_seconds,
        "HealthyThresholdCount": group.healthy_threshold_count,
        "UnhealthyThresholdCount": group.unhealthy_threshold_count,
        "Matcher": matcher,
        "TargetType": group.target_type.as_ref().map(|one| one.as_str()),
        "IpAddressType": group.ip_address_type.as_ref().map(|one| one.as_str()),
        "TargetControlPort": group.target_control_port,
    });
    match document {
        Value::Object(document) => document,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aws::{
            alb::{ListenerRuleSpec, TargetGroupSpec},
            model::{Input, Shape},
            sim::{Call, Simulation},
        },
        preflight::{Finding, Severity},
    };

    #[test]
    fn every_row_names_a_field_of_the_model_and_the_group_holds_all_of_them() {
        let model = Input::TargetGroup.model();
        let Shape::Structure { fields, .. } = model.shape(Input::TargetGroup.shape()) else {
            panic!("a request has fields");
        };
        for row in TARGET_GROUP {
            assert!(fields.contains_key(row.path), "{}", row.path);
            assert!(!row.default().is_null() && !row.source.is_empty());
        }
        let held = document(&TargetGroup::builder().build());
        let compared = fields.keys().filter(|name| *name != "Tags");
        assert!(compared.eq(held.keys()), "{fields:?}");
    }

    fn stops(findings: &[Finding]) -> Vec<&Finding> {
        let stops = findings.iter();
        stops.filter(|one| one.severity != Severity::Note).collect()
    }

    /// Settings of real target groups; null leaves one out.
    fn groups() -> Vec<(&'static str, Value)> {
        vec![
            ("nothing", json!({})),
            ("by instance", json!({"TargetType": "instance"})),
            ("type left out", json!({"TargetType": null})),
            ("HTTP1, spelt", json!({"ProtocolVersion": "HTTP1"})),
            ("HTTP2", json!({"ProtocolVersion": "HTTP2"})),
            (
                "TLS",
                json!({"Protocol": "HTTPS", "HealthCheckProtocol": "HTTPS"}),
            ),
            ("IPv6", json!({"IpAddressType": "ipv6"})),
            ("IPv4, spelt", json!({"IpAddressType": "ipv4"})),
            ("no path", json!({"HealthCheckPath": null})),
            ("root, spelt", json!({"HealthCheckPath": "/"})),
            ("its port", json!({"HealthCheckPort": "traffic-port"})),
            ("another port", json!({"HealthCheckPort": "8081"})),
            (
                "times",
                json!({"HealthCheckIntervalSeconds": 15, "HealthCheckTimeoutSeconds": 3}),
            ),
            (
                "times, spelt",
                json!({"HealthCheckIntervalSeconds": 30, "HealthCheckTimeoutSeconds": 5}),
            ),
            (
                "thresholds",
                json!({"HealthyThresholdCount": 2, "UnhealthyThresholdCount": 3}),
            ),
            ("checked, spelt", json!({"HealthCheckEnabled": true})),
            ("control port", json!({"TargetControlPort": 3000})),
            (
                "tags",
                json!({"Tags": [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}]}),
            ),
            ("codes", json!({"Matcher": {"HttpCode": "200-299"}})),
            ("code, spelt", json!({"Matcher": {"HttpCode": "200"}})),
            (
                "GRPC",
                json!({"ProtocolVersion": "GRPC", "HealthCheckPath": null, "Matcher": null}),
            ),
            (
                "GRPC, spelt",
                json!({"ProtocolVersion": "GRPC", "HealthCheckPath": "/AWS.ALB/healthcheck",
                    "Matcher": {"GrpcCode": "12"}}),
            ),
            (
                "a function",
                json!({"TargetType": "lambda", "Protocol": null, "Port": null, "VpcId": null,
                    "ProtocolVersion": null, "HealthCheckPort": null, "HealthCheckProtocol": null}),
            ),
        ]
    }

    /// Each pair of settings: make, describe, compare; a second request makes nothing.
    #[tokio::test(start_paused = true)]
    async fn groups_crossed_pairwise_come_back_the_same() {
        let settings = groups();
        let (mut tried, mut left_out) = (0, 0);
        for one in &settings {
            for other in &settings {
                let mut file = json!({"Name": "orders", "Protocol": "HTTP", "Port": 8000,
                    "VpcId": "vpc-0123456789abcdef0", "TargetType": "ip",
                    "HealthCheckPath": "/health"});
                for (field, value) in [&one.1, &other.1]
                    .into_iter()
                    .flat_map(|set| set.as_object().into_iter().flatten())
                {
                    file[field] = value.clone();
                }
                let spec = TargetGroupSpec::from_json(&file.to_string()).unwrap();
                if !stops(&spec.findings()).is_empty() {
                    left_out += 1;
                    continue;
                }
                let simulation = Simulation::builder().no_green_group().build();
                let elb = simulation.aws().elb;
                for _ in 0..2 {
                    let made = elb.create_target_group(spec.create_input(Vec::new())).await;
                    let made = made.unwrap().target_groups.unwrap_or_default();
                    let names = (one.0, other.0);
                    assert!(
                        spec.is_same_as(&made[0]),
                        "{names:?}: {:?}",
                        spec.differences(&made[0])
                    );
                    assert_ne!(
                        Value::Object(document(&made[0])),
                        file,
                        "{names:?}: it fills in"
                    );
                    assert_eq!(simulation.target_groups().len(), 2, "{names:?}");
                }
                tried += 1;
            }
        }
        assert!(tried >= 400, "{tried} of {}", tried + left_out);
    }

    #[test]
    fn another_group_is_another_and_each_difference_is_named() {
        let file = json!({"Name": "orders", "Protocol": "HTTP", "Port": 8000,
            "VpcId": "vpc-0123456789abcdef0", "TargetType": "ip", "HealthCheckPath": "/health",
            "Matcher": {"HttpCode": "200"}});
        let spec = TargetGroupSpec::from_json(&file.to_string()).unwrap();
        let group = TargetGroup::builder()
            .target_group_name("orders")
            .protocol("HTTP".into())
            .port(8000)
            .vpc_id("vpc-0123456789abcdef0")
            .target_type("ip".into())
            .health_check_path("/health");
        assert!(spec.is_same_as(&group.clone().build()));
        let other = group
            .health_check_path("/alive")
            .health_check_interval_seconds(10)
            .protocol_version("GRPC");
        let told = spec.differences(&other.build());
        let told: Vec<&str> = told.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(
            told,
            [
                "its HealthCheckIntervalSeconds is 10, not 30",
                "its HealthCheckPath is \"/alive\", not \"/health\"",
                "its ProtocolVersion is \"GRPC\", not \"HTTP1\"",
            ]
        );
    }

    const BLUE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/chatbot-flask-tg/73e2d6bc24d8a067";

    /// Parts of real rules: conditions, what stands beside them, actions.
    fn rules() -> Vec<(&'static str, Value)> {
        let forward = |sticky: Value| {
            json!({"Actions": [{"Type": "forward", "ForwardConfig": {
                "TargetGroups": [{"TargetGroupArn": BLUE, "Weight": 1}],
                "TargetGroupStickinessConfig": sticky}}]})
        };
        let end = json!({"Type": "forward", "Order": 9, "TargetGroupArn": BLUE});
        let conditions = |list: Value| json!({"Conditions": list});
        vec![
            (
                "a path",
                conditions(json!([{"Field": "path-pattern", "Values": ["/a/*"]}])),
            ),
            (
                "paths in their part",
                conditions(
                    json!([{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/b", "/a"]}}]),
                ),
            ),
            (
                "a host and a header",
                conditions(
                    json!([{"Field": "host-header", "HostHeaderConfig": {"Values": ["a.example.com"]}},
                    {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-A", "Values": ["1"]}}]),
                ),
            ),
            (
                "a regular expression",
                conditions(
                    json!([{"Field": "host-header", "HostHeaderConfig": {"RegexValues": ["^a$"]}}]),
                ),
            ),
            (
                "method, query, address",
                conditions(
                    json!([{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET"]}},
                    {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}, {"Value": "x"}]}},
                    {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}}]),
                ),
            ),
            ("a forward", forward(json!(null))),
            (
                "a sticky forward",
                forward(json!({"Enabled": true, "DurationSeconds": 60})),
            ),
            ("sticky, not", forward(json!({"Enabled": false}))),
            (
                "a redirect",
                json!({"Actions": [{"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}]}),
            ),
            (
                "a response",
                json!({"Actions": [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain", "MessageBody": "later"}}]}),
            ),
            (
                "a log-in",
                json!({"Actions": [end, {"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": {
                    "UserPoolArn": "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_a",
                    "UserPoolClientId": "c", "UserPoolDomain": "d"}}]}),
            ),
            (
                "a token",
                json!({"Actions": [end, {"Type": "jwt-validation", "Order": 1, "JwtValidationConfig": {
                    "JwksEndpoint": "https://id.example.com/keys", "Issuer": "https://id.example.com"}}]}),
            ),
            (
                "a transform",
                json!({"Transforms": [{"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": "^/a/(.*)$", "Replace": "/$1"}]}}]}),
            ),
            (
                "tags",
                json!({"Tags": [{"Key": "team", "Value": "orders"}]}),
            ),
        ]
    }

    /// Each pair of parts: make, describe, compare; a second `create` finds what the first made.
    #[tokio::test(start_paused = true)]
    async fn rules_crossed_pairwise_come_back_the_same_and_are_made_once() {
        let parts = rules();
        let mut tried = 0;
        for (one, first) in &parts {
            for (other, second) in &parts {
                let mut file = json!({"Priority": 7,
                    "Conditions": [{"Field": "host-header", "Values": ["b.example.com"]}],
                    "Actions": [{"Type": "forward", "TargetGroupArn": BLUE}]});
                for part in [first, second] {
                    for (field, value) in part.as_object().into_iter().flatten() {
                        file[field] = value.clone();
                    }
                }
                let spec = ListenerRuleSpec::from_json(&file.to_string()).unwrap();
                let findings = spec.findings(None);
                assert!(stops(&findings).is_empty(), "{one}, {other}: {findings:?}");
                let simulation = Simulation::builder().build();
                let (aws, listener) = (simulation.aws(), simulation.listener());
                let made = spec.create(&aws, &listener, None).await.unwrap();
                let again = spec.create(&aws, &listener, None).await.unwrap();
                assert_eq!(made, again, "{one}, {other}");
                assert_eq!(
                    simulation.calls(Call::CreateRule),
                    2,
                    "AWS says that it is there"
                );
                let rules = simulation.rules();
                assert_eq!(
                    rules
                        .iter()
                        .filter(|rule| rule.contains(made.as_str()))
                        .count(),
                    1
                );
                tried += 1;
            }
        }
        assert!(tried >= 196, "{tried}");
    }

    /// A rule at the same priority that routes otherwise is not taken for the file's rule.
    #[tokio::test(start_paused = true)]
    async fn another_rule_at_its_priority_is_a_conflict() {
        let simulation = Simulation::builder().build();
        let (aws, listener) = (simulation.aws(), simulation.listener());
        let rule = |weight: u32, path: &str| {
            let file = json!({"Priority": 7,
                "Conditions": [{"Field": "path-pattern", "Values": [path]}],
                "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": [
                    {"TargetGroupArn": BLUE, "Weight": 5},
                    {"TargetGroupArn": simulation.green().as_str(), "Weight": weight}]}}]});
            ListenerRuleSpec::from_json(&file.to_string()).unwrap()
        };
        let made = rule(1, "/a").create(&aws, &listener, None).await.unwrap();
        for other in [rule(2, "/a"), rule(1, "/b")] {
            let error = other.create(&aws, &listener, None).await.unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Conflict);
        }
        let again = rule(1, "/a").create(&aws, &listener, None).await.unwrap();
        assert_eq!(made, again);
    }
}
