//! [`TargetGroupSpec`]: what a target group is created with.

use aws_sdk_elasticloadbalancingv2::{
    operation::create_target_group::{
        CreateTargetGroupInput, builders::CreateTargetGroupInputBuilder,
    },
    types::{Matcher, ProtocolEnum, Tag, TargetGroupIpAddressTypeEnum, TargetTypeEnum},
};
use serde_json::{Map, Value};

use crate::{
    aws::{
        alb::tags,
        document::{self, is_id, placeholders, text, unknown, unwise, wrong},
    },
    error::Result,
    preflight::Finding,
};

const FIELDS: [&str; 17] = [
    "Name",
    "Protocol",
    "ProtocolVersion",
    "Port",
    "VpcId",
    "HealthCheckProtocol",
    "HealthCheckPort",
    "HealthCheckEnabled",
    "HealthCheckPath",
    "HealthCheckIntervalSeconds",
    "HealthCheckTimeoutSeconds",
    "HealthyThresholdCount",
    "UnhealthyThresholdCount",
    "Matcher",
    "TargetType",
    "IpAddressType",
    "Tags",
];

/// Fields of other things that are written here now and then.
const ELSEWHERE: [(&str, &str); 3] = [
    (
        "HealthCheckGracePeriodSeconds",
        "it belongs into the ECS service: healthCheckGracePeriodSeconds",
    ),
    (
        "DeregistrationDelayTimeoutSeconds",
        "it is an attribute: aws elbv2 modify-target-group-attributes",
    ),
    (
        "Attributes",
        "attributes are set afterwards: aws elbv2 modify-target-group-attributes",
    ),
];

/// A target group as JSON, spelt as the AWS CLI takes it (`aws elbv2 create-target-group
/// --cli-input-json`), of an Application Load Balancer. Ranges are those of
/// [CreateTargetGroup](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html).
///
/// # Examples
///
/// ```
/// use bluegreen::aws::alb::{GreenGroup, TargetGroupSpec};
///
/// let spec = TargetGroupSpec::from_json(r#"{
///     "Name": "chatbot-fastapi-tg", "Protocol": "HTTP", "Port": 8000,
///     "VpcId": "vpc-12345678", "TargetType": "ip", "HealthCheckPath": "/health",
///     "HealthCheckGracePeriodSeconds": 60
/// }"#)?;
/// let findings = spec.findings();
/// assert_eq!(
///     findings[0].to_string(),
///     "HealthCheckGracePeriodSeconds: there is no such field here"
/// );
/// # Ok::<(), bluegreen::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TargetGroupSpec {
    document: Map<String, Value>,
}

impl TargetGroupSpec {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// `Invalid` where it is no JSON object, with line and column.
    pub fn from_json(text: &str) -> Result<Self> {
        let document = document::read("target group", text)?;
        Ok(Self { document })
    }

    /// The group's name in it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.document.get("Name")?.as_str()
    }

    /// Everything that is wrong with it: refusals are what AWS would refuse or do otherwise than
    /// was meant, notes what is merely unwise.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let document = &Value::Object(self.document.clone());
        let mut findings = Vec::new();
        placeholders("", document, &mut findings);
        unknown("", document, &FIELDS, &ELSEWHERE, &mut findings);
        if !is_name(text(document, "Name")) {
            let hint = "up to 32 letters, digits and hyphens, no hyphen at either end";
            let message = format!("`{}` is no name", text(document, "Name"));
            findings.push(wrong("Name", message, hint));
        }
        for field in ["Protocol", "HealthCheckProtocol"] {
            let protocol = text(document, field);
            let is_default = field == "HealthCheckProtocol" && protocol.is_empty();
            if !["HTTP", "HTTPS"].contains(&protocol) && !is_default {
                let message = format!("an Application Load Balancer has no `{protocol}`");
                findings.push(wrong(field, message, "HTTP or HTTPS"));
            }
        }
        let version = text(document, "ProtocolVersion");
        if !["", "HTTP1", "HTTP2", "GRPC"].contains(&version) {
            let message = format!("there is no `{version}`");
            findings.push(wrong("ProtocolVersion", message, "HTTP1, HTTP2 or GRPC"));
        }
        match text(document, "TargetType") {
            "ip" | "lambda" => {}
            "" | "instance" => findings.push(unwise(
                "TargetType",
                "by instance: tasks on Fargate, and all in awsvpc mode, need `ip`",
            )),
            other => {
                let message = format!("there is no `{other}`");
                findings.push(wrong("TargetType", message, "ip, instance or lambda"));
            }
        }
        let vpc = text(document, "VpcId");
        if !is_id(vpc, "vpc-") {
            let message = format!("`{vpc}` is no id");
            findings.push(wrong("VpcId", message, "vpc- and hexadecimal digits"));
        }
        findings.extend(health_check(document));
        findings
    }

    /// The exact request, with these tags beside its own.
    pub(in crate::aws::alb) fn create_input(
        &self,
        tags: Vec<Tag>,
    ) -> CreateTargetGroupInputBuilder {
        let document = &Value::Object(self.document.clone());
        let string = |field: &str| document.get(field)?.as_str().map(str::to_owned);
        let number = |field: &str| i32::try_from(document.get(field)?.as_i64()?).ok();
        let matcher = document.get("Matcher").map(|matcher| {
            let code = |field: &str| matcher.get(field)?.as_str().map(str::to_owned);
            Matcher::builder()
                .set_http_code(code("HttpCode"))
                .set_grpc_code(code("GrpcCode"))
                .build()
        });
        let own = document::list(document, "/Tags")
            .map(|(_, tag)| tags::tag(text(tag, "Key"), text(tag, "Value")));
        let protocol = |field: &str| string(field).map(|one| ProtocolEnum::from(one.as_str()));
        CreateTargetGroupInput::builder()
            .set_name(string("Name"))
            .set_protocol(protocol("Protocol"))
            .set_protocol_version(string("ProtocolVersion"))
            .set_port(number("Port"))
            .set_vpc_id(string("VpcId"))
            .set_health_check_protocol(protocol("HealthCheckProtocol"))
            .set_health_check_port(string("HealthCheckPort"))
            .set_health_check_enabled(document.get("HealthCheckEnabled").and_then(Value::as_bool))
            .set_health_check_path(string("HealthCheckPath"))
            .set_health_check_interval_seconds(number("HealthCheckIntervalSeconds"))
            .set_health_check_timeout_seconds(number("HealthCheckTimeoutSeconds"))
            .set_healthy_threshold_count(number("HealthyThresholdCount"))
            .set_unhealthy_threshold_count(number("UnhealthyThresholdCount"))
            .set_matcher(matcher)
            .set_target_type(string("TargetType").map(|one| TargetTypeEnum::from(one.as_str())))
            .set_ip_address_type(
                string("IpAddressType").map(|one| TargetGroupIpAddressTypeEnum::from(one.as_str())),
            )
            .set_tags(Some(own.chain(tags).collect()))
    }
}

/// Whether this may be a target group's name.
pub(in crate::aws::alb) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 32
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.starts_with("internal-")
}

fn health_check(document: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ranges = [
        ("Port", 1, 65_535),
        ("HealthCheckIntervalSeconds", 5, 300),
        ("HealthCheckTimeoutSeconds", 2, 120),
        ("HealthyThresholdCount", 2, 10),
        ("UnhealthyThresholdCount", 2, 10),
    ];
    for (field, from, to) in ranges {
        let found = document.get(field);
        if found.is_none() && field != "Port" {
            continue;
        }
        let number = found.and_then(Value::as_i64);
        if !number.is_some_and(|number| (from..=to).contains(&number)) {
            let shown = found.map_or("nothing".to_owned(), ToString::to_string);
            let message = format!("{shown} is not from {from} to {to}");
            findings.push(wrong(field, message, "write a number in that range"));
        }
    }
    let seconds = |field: &str, default: i64| {
        let found = document.get(field).and_then(Value::as_i64);
        found.unwrap_or(default)
    };
    let interval = seconds("HealthCheckIntervalSeconds", 30);
    let timeout = seconds("HealthCheckTimeoutSeconds", 5);
    if timeout >= interval {
        let message = format!("{timeout} s is not less than the interval of {interval} s");
        findings.push(wrong(
            "HealthCheckTimeoutSeconds",
            message,
            "make the interval longer than the timeout",
        ));
    }
    let path = text(document, "HealthCheckPath");
    if path.is_empty() {
        findings.push(unwise("HealthCheckPath", "none: the balancer asks for `/`"));
    } else if !path.starts_with('/') || path.len() > 1024 {
        let message = format!("`{path}` is no path");
        findings.push(wrong("HealthCheckPath", message, "it begins with `/`"));
    }
    if document.get("HealthCheckEnabled") == Some(&Value::Bool(false)) {
        let message = "without health checks no target ever counts as healthy";
        findings.push(wrong("HealthCheckEnabled", message, "leave it out"));
    }
    if let Some(matcher) = document.get("Matcher") {
        unknown(
            "Matcher",
            matcher,
            &["HttpCode", "GrpcCode"],
            &[],
            &mut findings,
        );
        let codes = text(matcher, "HttpCode");
        if matcher.get("HttpCode").is_some() && !are_codes(codes) {
            let message = format!("`{codes}` are no success codes");
            let hint = "codes from 200 to 499: 200, 200,202 or 200-299";
            findings.push(wrong("Matcher.HttpCode", message, hint));
        }
    }
    findings
}

/// `200`, `200,202`, `200-299`.
fn are_codes(text: &str) -> bool {
    let code = |text: &str| text.parse().ok().filter(|code| (200..=499).contains(code));
    text.split(',').all(|part| match part.split_once('-') {
        None => code(part).is_some(),
        Some((from, to)) => {
            let (from, to): (Option<u16>, Option<u16>) = (code(from), code(to));
            from.zip(to).is_some_and(|(from, to)| from <= to)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Severity;

    fn told(text: &str) -> Vec<String> {
        let spec = TargetGroupSpec::from_json(text).unwrap();
        let tell = |one: &Finding| match one.severity {
            Severity::Note => format!("note {one}"),
            _ => format!("{one} ({})", one.hint.as_deref().unwrap()),
        };
        spec.findings().iter().map(tell).collect()
    }

    /// The guide's, word for word.
    const GUIDE: &str = r#"{
      "Name": "chatbot-fastapi-tg",
      "Protocol": "HTTP",
      "Port": 8000,
      "VpcId": "vpc-12345678",
      "HealthCheckProtocol": "HTTP",
      "HealthCheckPath": "/health",
      "HealthCheckIntervalSeconds": 30,
      "HealthCheckTimeoutSeconds": 5,
      "HealthyThresholdCount": 2,
      "UnhealthyThresholdCount": 3,
      "TargetType": "ip",
      "Matcher": {
        "HttpCode": "200"
      },
      "HealthCheckGracePeriodSeconds": 60,
      "Tags": [
        {
          "Key": "Name",
          "Value": "chatbot-fastapi-targets"
        },
        {
          "Key": "Environment",
          "Value": "production"
        }
      ]
    }"#;

    #[test]
    fn the_guides_one_mistake_is_found_and_its_twin_is_sound() {
        assert_eq!(
            told(GUIDE),
            [
                "HealthCheckGracePeriodSeconds: there is no such field here (it belongs into the ECS service: healthCheckGracePeriodSeconds)"
            ]
        );
        let twin = GUIDE.replace("\"HealthCheckGracePeriodSeconds\": 60,", "");
        assert_eq!(told(&twin), [""; 0]);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let told = told(
            r#"{"Name": "-chat_bot", "Protocol": "TCP", "ProtocolVersion": "HTTP3", "port": 8000,
                "VpcId": "production", "HealthCheckPath": "health", "TargetType": "pod",
                "HealthCheckIntervalSeconds": 400, "HealthCheckTimeoutSeconds": 500,
                "HealthyThresholdCount": "2", "UnhealthyThresholdCount": 1,
                "HealthCheckEnabled": false, "Matcher": {"HttpCode": "200-600", "Code": "1"},
                "LoadBalancer": "arn:aws:elasticloadbalancing:us-east-1:ACCOUNT:x"}"#,
        )
        .join("\n");
        for wanted in [
            "LoadBalancer: a placeholder",
            "port: there is no such field here (it is spelt Port)",
            "Name: `-chat_bot` is no name",
            "Protocol: an Application Load Balancer has no `TCP`",
            "ProtocolVersion: there is no `HTTP3`",
            "TargetType: there is no `pod`",
            "VpcId: `production` is no id",
            "Port: nothing is not from 1 to 65535",
            "HealthCheckIntervalSeconds: 400 is not from 5 to 300",
            "HealthCheckTimeoutSeconds: 500 is not from 2 to 120",
            "HealthCheckTimeoutSeconds: 500 s is not less than the interval of 400 s",
            "HealthyThresholdCount: \"2\" is not from 2 to 10",
            "UnhealthyThresholdCount: 1 is not from 2 to 10",
            "HealthCheckPath: `health` is no path",
            "HealthCheckEnabled: without health checks",
            "Matcher.Code: there is no such field",
            "Matcher.HttpCode: `200-600` are no success codes",
        ] {
            assert!(told.contains(wanted), "{wanted} in\n{told}");
        }
    }

    #[test]
    fn the_request_holds_all_of_it() {
        let spec = TargetGroupSpec::from_json(GUIDE).unwrap();
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let wanted = CreateTargetGroupInput::builder()
            .name("chatbot-fastapi-tg")
            .protocol(ProtocolEnum::Http)
            .port(8000)
            .vpc_id("vpc-12345678")
            .health_check_protocol(ProtocolEnum::Http)
            .health_check_path("/health")
            .health_check_interval_seconds(30)
            .health_check_timeout_seconds(5)
            .healthy_threshold_count(2)
            .unhealthy_threshold_count(3)
            .matcher(Matcher::builder().http_code("200").build())
            .target_type(TargetTypeEnum::Ip)
            .tags(tag("Name", "chatbot-fastapi-targets"))
            .tags(tag("Environment", "production"))
            .tags(tag("bluegreen:made-for", "x"));
        assert_eq!(
            spec.create_input(vec![tag("bluegreen:made-for", "x")]),
            wanted
        );
    }

    #[test]
    fn success_codes_are_codes_lists_and_ranges() {
        for good in ["200", "200,202", "200-299", "200-204,404"] {
            assert!(are_codes(good), "{good}");
        }
        for bad in ["", "20", "200-", "299-200", "500", "2xx", "200;202"] {
            assert!(!are_codes(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_no_document_is_refused_with_a_word() {
        let error = TargetGroupSpec::from_json("{\n  \"Name\" 1}").unwrap_err();
        let chain = crate::Failure::from(&error).message;
        assert!(chain.contains("line 2"), "{chain}");
        let error = TargetGroupSpec::from_json("apiVersion: v1\nkind: ConfigMap").unwrap_err();
        assert!(error.hint().is_some());
    }
}
