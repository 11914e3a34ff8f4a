//! [`TargetGroupSpec`]: a target group as a file describes it.

use aws_sdk_elasticloadbalancingv2::{
    operation::create_target_group::{
        CreateTargetGroupInput, builders::CreateTargetGroupInputBuilder,
    },
    types::{
        Matcher, ProtocolEnum, Tag, TargetGroup, TargetGroupIpAddressTypeEnum, TargetTypeEnum,
    },
};
use serde_json::{Map, Value};

use super::{
    conversions,
    request::{self, number, string},
    rule_rules::is_port,
};
use crate::{
    aws::{
        document::{self, File, Told, is_id, is_said, placeholders, tags, text, unwise, wrong},
        model::Input,
    },
    error::Result,
    preflight::Finding,
};

/// Settings that are set on a group after it was made.
const ATTRIBUTES: [&str; 2] = ["DeregistrationDelayTimeoutSeconds", "Attributes"];

/// A target group as JSON, in the form that the AWS CLI takes (`aws elbv2 create-target-group
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
/// let wanted = "HealthCheckGracePeriodSeconds: there is no such field here (line 4, column 5)";
/// assert_eq!(findings[0].to_string(), wanted);
/// # Ok::<(), bluegreen::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TargetGroupSpec {
    document: Map<String, Value>,
    file: File,
}

impl TargetGroupSpec {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// `Invalid`, with line and column, if the text is not a JSON object.
    pub fn from_json(text: &str) -> Result<Self> {
        let (file, document) = File::read("target group", Input::TargetGroup, text, None)?;
        Ok(Self { document, file })
    }

    /// Accepts a value that is newer than this crate's model of AWS, by the path that its finding
    /// names. The value is sent to AWS as it is, and its finding becomes a note. A field that the SDK
    /// in use does not know stays refused: it cannot be sent.
    #[must_use]
    pub fn accept_unknown(mut self, path: &str) -> Self {
        self.file.accept(path);
        self
    }

    /// The group's name in the file.
    #[must_use]
    pub(crate) fn name(&self) -> Option<&str> {
        self.document.get("Name")?.as_str()
    }

    /// Returns every problem of the group. A refusal: AWS would refuse it, or do something that was
    /// not meant. A note: it is only unwise.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let rules = rules(&Value::Object(self.document.clone()));
        let mut findings = self.file.findings(Input::TargetGroup, &[], rules);
        let is_attribute = |one: &&mut Finding| {
            let mut names = ATTRIBUTES.iter();
            names.any(|name| one.message.starts_with(&format!("{name}: there is no")))
        };
        for finding in findings.iter_mut().filter(is_attribute) {
            let hint = "set this attribute by aws elbv2 modify-target-group-attributes";
            finding.hint = Some(hint.to_owned());
        }
        findings
    }

    /// Whether an existing group is as this file would make it; AWS's defaults do not count.
    #[cfg(test)]
    pub(super) fn is_same_as(&self, group: &TargetGroup) -> bool {
        self.differences(group).is_empty()
    }

    /// Whether the file sets a field.
    pub(in crate::aws::alb) fn says(&self, field: &str) -> bool {
        self.document.get(field).is_some_and(is_said)
    }

    /// Returns the differences between an existing group and this file: each field, with its message.
    /// Tags are not compared.
    pub(in crate::aws::alb) fn differences(&self, group: &TargetGroup) -> Vec<(String, String)> {
        let found = conversions::document(group);
        let there = conversions::canonical(&found);
        let asked = conversions::canonical(&self.document);
        let apart = found
            .iter()
            .filter(|(field, _)| there.get(field) != asked.get(field));
        let tell = |(field, found): (&String, &Value)| {
            let own = self.document.get(field).filter(|one| is_said(one)).cloned();
            let wanted = own.unwrap_or_else(|| conversions::default(field, &self.document));
            let line = format!("its {field} is {found}, not {wanted}");
            (field.clone(), line)
        };
        apart.map(tell).collect()
    }

    /// The exact request, with these tags beside the file's own.
    pub(in crate::aws::alb) fn create_input(
        &self,
        tags: Vec<Tag>,
    ) -> CreateTargetGroupInputBuilder {
        let document = &Value::Object(self.document.clone());
        let string = |field: &str| string(document, field);
        let number = |field: &str| number(document, field);
        let matcher = document
            .get("Matcher")
            .filter(|one| one.is_object())
            .map(|matcher| {
                Matcher::builder()
                    .set_http_code(request::string(matcher, "HttpCode"))
                    .set_grpc_code(request::string(matcher, "GrpcCode"))
                    .build()
            });
        let own = document::list(document, "/Tags").map(|(_, tag)| request::tag(tag));
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
            .set_target_control_port(number("TargetControlPort"))
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
}

/// Checks that AWS makes beyond its model, by the text of
/// [CreateTargetGroup](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html)
/// and of the types that it names.
fn rules(document: &Value) -> Vec<Told> {
    let mut told = Vec::new();
    placeholders("", document, &mut told);
    told.extend(tags(document, "Tags", "Key"));
    let name = text(document, "Name");
    if !is_name(name) {
        let hint = "up to 32 letters, digits and hyphens, no hyphen at either end";
        told.push(wrong(
            "Name",
            format!("`{name}` cannot be a target group's name"),
            hint,
        ));
    }
    let kind = text(document, "TargetType");
    let is_there = |field: &str| document.get(field).is_some_and(is_said);
    match kind {
        "lambda" => {
            for field in ["Protocol", "Port", "VpcId", "ProtocolVersion"] {
                if is_there(field) {
                    let message = "it does not apply to a function";
                    told.push(wrong(field, message, "leave it out"));
                }
            }
        }
        "alb" => {
            let message = "a group of `alb` belongs to a Network Load Balancer";
            told.push(wrong("TargetType", message, "ip, instance or lambda"));
        }
        "" | "instance" => told.push(unwise(
            "TargetType",
            "instance: tasks on Fargate, and all tasks in awsvpc mode, need `ip`",
        )),
        _ => {}
    }
    if kind != "lambda" {
        if !is_there("Port") {
            told.push(wrong("Port", "it is missing", "the port of the targets"));
        }
        let vpc = text(document, "VpcId");
        if !is_id(vpc, "vpc-") {
            let message = format!("`{vpc}` is not an id");
            told.push(wrong("VpcId", message, "vpc- and hexadecimal digits"));
        }
        if document.get("HealthCheckEnabled") == Some(&Value::Bool(false)) {
            let message = "without health checks no target ever counts as healthy";
            told.push(wrong("HealthCheckEnabled", message, "leave it out"));
        }
    }
    for field in ["Protocol", "HealthCheckProtocol"] {
        let protocol = text(document, field);
        let is_default =
            protocol.is_empty() && (field == "HealthCheckProtocol" || kind == "lambda");
        if !["HTTP", "HTTPS"].contains(&protocol) && !is_default && kind != "lambda" {
            let message = format!("an Application Load Balancer has no `{protocol}`");
            told.push(wrong(field, message, "HTTP or HTTPS"));
        }
    }
    let version = text(document, "ProtocolVersion");
    if !["", "HTTP1", "HTTP2", "GRPC"].contains(&version) {
        let message = format!("there is no `{version}`");
        told.push(wrong("ProtocolVersion", message, "HTTP1, HTTP2 or GRPC"));
    }
    let is_grpc = version == "GRPC";
    health_check(document, kind == "lambda", is_grpc, &mut told);
    for (field, is_own, codes, such) in [
        ("HttpCode", !is_grpc, 200..=499, "200, 200,202 or 200-299"),
        ("GrpcCode", is_grpc, 0..=99, "0, 0,12 or 0-5"),
    ] {
        let at = format!("Matcher.{field}");
        match document
            .pointer(&format!("/Matcher/{field}"))
            .and_then(Value::as_str)
        {
            Some(_) if !is_own => {
                let message = format!("it is not for protocol version {}", or(version, "HTTP1"));
                let hint = "HttpCode goes with HTTP1 and HTTP2, GrpcCode with GRPC";
                told.push(wrong(&at, message, hint));
            }
            Some(found)
                if !are_codes(found, &codes) && are_codes(&found.replace(' ', ""), &codes) =>
            {
                // No text of AWS says whether it accepts spaces.
                told.push(unwise(&at, "it has spaces, which AWS may refuse"));
            }
            Some(found) if !are_codes(found, &codes) => {
                let message = format!("`{found}` are not success codes");
                let hint = format!("codes from {} to {}: {such}", codes.start(), codes.end());
                told.push(wrong(&at, message, &hint));
            }
            _ => {}
        }
    }
    told
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

fn health_check(document: &Value, is_lambda: bool, is_grpc: bool, told: &mut Vec<Told>) {
    let seconds = |field: &str, default: i64| {
        let found = document.get(field).and_then(Value::as_i64);
        found.unwrap_or(default)
    };
    let defaults = if is_lambda { (35, 30) } else { (30, 5) };
    let interval = seconds("HealthCheckIntervalSeconds", defaults.0);
    let timeout = seconds("HealthCheckTimeoutSeconds", defaults.1);
    if timeout >= interval {
        let message = format!("{timeout} s is not less than the interval of {interval} s");
        let hint = "make the interval longer than the timeout";
        told.push(wrong("HealthCheckTimeoutSeconds", message, hint));
    }
    let path = text(document, "HealthCheckPath");
    if path.is_empty() && !is_grpc && !is_lambda {
        told.push(unwise("HealthCheckPath", "none: the balancer asks for `/`"));
    } else if !path.is_empty() && !path.starts_with('/') {
        let message = format!("`{path}` is not a path");
        told.push(wrong("HealthCheckPath", message, "it begins with `/`"));
    }
    let port = text(document, "HealthCheckPort");
    if !["", "traffic-port"].contains(&port) && !is_port(port) {
        let message = format!("`{port}` is not a port");
        told.push(wrong(
            "HealthCheckPort",
            message,
            "1 to 65535, or traffic-port",
        ));
    }
}

/// `200`, `200,202`, `200-299`.
fn are_codes(text: &str, codes: &std::ops::RangeInclusive<u16>) -> bool {
    let code = |text: &str| text.parse().ok().filter(|code| codes.contains(code));
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
        let tell = |one: &Finding| {
            let (said, _) = one.message.rsplit_once(" (line ").expect("it has a place");
            match one.severity {
                Severity::Note => format!("note {said}"),
                _ => format!("{said} ({})", one.hint.as_deref().unwrap()),
            }
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
        let told_of_guide = told(GUIDE);
        let wanted = "HealthCheckGracePeriodSeconds: there is no such field here (it belongs in the ECS service: healthCheckGracePeriodSeconds (newer than";
        assert!(told_of_guide[0].starts_with(wanted), "{told_of_guide:?}");
        assert_eq!(told_of_guide.len(), 1);
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
            "LoadBalancer: there is no such field",
            "port: there is no such field here (it is spelt Port;",
            "Name: `-chat_bot` cannot be a target group's name",
            "Protocol: an Application Load Balancer has no `TCP`",
            "ProtocolVersion: there is no `HTTP3`",
            "TargetType: there is no `pod`",
            "VpcId: `production` is not an id",
            "HealthCheckIntervalSeconds: 400 is not from 5 to 300",
            "HealthCheckTimeoutSeconds: 500 is not from 2 to 120",
            "HealthyThresholdCount: a text stands there, not a whole number (write 2, without",
            "UnhealthyThresholdCount: 1 is not from 2 to 10",
            "HealthCheckPath: `health` is not a path",
            "HealthCheckEnabled: without health checks",
            "Matcher.Code: there is no such field",
            "Matcher.HttpCode: `200-600` are not success codes",
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
            assert!(are_codes(good, &(200..=499)), "{good}");
        }
        for bad in ["", "20", "200-", "299-200", "500", "2xx", "200;202"] {
            assert!(!are_codes(bad, &(200..=499)), "{bad}");
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

    /// A sound group with some fields set otherwise; null leaves one out.
    fn group(fields: serde_json::Value) -> Vec<String> {
        let mut group = serde_json::json!({"Name": "orders", "Protocol": "HTTP", "Port": 8000,
            "VpcId": "vpc-0123456789abcdef0", "TargetType": "ip", "HealthCheckPath": "/health"});
        for (field, value) in fields.as_object().unwrap() {
            group[field] = value.clone();
        }
        told(&group.to_string())
    }

    #[test]
    fn what_aws_takes_is_taken() {
        use serde_json::json;
        let function = json!({"Protocol": null, "Port": null, "VpcId": null, "HealthCheckPath": null, "TargetType": "lambda"});
        let mut checked = function.clone();
        checked["HealthCheckEnabled"] = json!(true);
        checked["HealthCheckIntervalSeconds"] = json!(35);
        checked["HealthCheckTimeoutSeconds"] = json!(30);
        for fields in [
            json!({}),
            json!({"Name": "internal-orders-tg"}),
            json!({"TargetControlPort": 3000}),
            json!({"IpAddressType": "ipv6", "HealthCheckPort": "traffic-port"}),
            json!({"ProtocolVersion": "GRPC", "HealthCheckPath": null, "Matcher": {"GrpcCode": "0-5,12"}}),
            json!({"ProtocolVersion": "HTTP2", "Protocol": "HTTPS", "HealthCheckPort": "8081"}),
            function,
            checked,
        ] {
            assert_eq!(group(fields), [""; 0]);
        }
    }

    #[test]
    fn spaces_among_codes_are_told_and_not_refused() {
        let codes = serde_json::json!({"Matcher": {"HttpCode": "200, 301"}});
        let wanted = "note Matcher.HttpCode: it has spaces, which AWS may refuse";
        assert_eq!(group(codes), [wanted]);
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        use serde_json::json;
        for (fields, sign) in [
            (json!({"Port": 0}), "Port: 0 is not from 1 to 65535"),
            (json!({"Port": null}), "Port: it is missing"),
            (
                json!({"IpAddressType": "dualstack"}),
                "IpAddressType: there is no `dualstack` here",
            ),
            (
                json!({"HealthCheckPort": "http"}),
                "HealthCheckPort: `http` is not a port",
            ),
            (
                json!({"Matcher": {"GrpcCode": "0"}}),
                "Matcher.GrpcCode: it is not for protocol version HTTP1",
            ),
            (
                json!({"ProtocolVersion": "GRPC", "Matcher": {"HttpCode": "200"}}),
                "Matcher.HttpCode: it is not for protocol version GRPC",
            ),
            (
                json!({"ProtocolVersion": "GRPC", "Matcher": {"GrpcCode": "100"}}),
                "Matcher.GrpcCode: `100` are not success codes",
            ),
            (
                json!({"Tags": {"team": "orders"}}),
                "Tags: an object stands there, not a list",
            ),
            (
                json!({"Tags": [{"Key": "a"}, {"Key": "a"}]}),
                "Tags[1].Key: `a` stands twice",
            ),
            (
                json!({"Tags": [{"Key": "aws:x"}]}),
                "Tags[0].Key: `aws:x` is AWS's own",
            ),
            (
                json!({"TargetType": "lambda"}),
                "Port: it does not apply to a function",
            ),
            (
                json!({"TargetType": "alb"}),
                "belongs to a Network Load Balancer",
            ),
            (
                json!({"HealthCheckIntervalSeconds": 5}),
                "5 s is not less than the interval of 5 s",
            ),
            (
                json!({"Attributes": []}),
                "aws elbv2 modify-target-group-attributes",
            ),
        ] {
            let told = group(fields).join("\n");
            assert!(told.contains(sign), "{sign} in\n{told}");
        }
    }
}
