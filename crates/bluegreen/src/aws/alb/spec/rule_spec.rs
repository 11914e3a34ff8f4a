//! [`ListenerRuleSpec`]: what a listener rule is created with.

use std::fmt;

use aws_sdk_elasticloadbalancingv2::{
    operation::create_rule::{CreateRuleInput, builders::CreateRuleInputBuilder},
    types::{
        Action, ActionTypeEnum, FixedResponseActionConfig, ForwardActionConfig,
        HostHeaderConditionConfig, HttpHeaderConditionConfig, HttpRequestMethodConditionConfig,
        PathPatternConditionConfig, QueryStringConditionConfig, QueryStringKeyValuePair,
        RedirectActionConfig, RedirectActionStatusCodeEnum, RuleCondition, SourceIpConditionConfig,
        TargetGroupStickinessConfig, TargetGroupTuple,
    },
};
use serde_json::{Map, Value};

use crate::{
    aws::{
        Aws,
        alb::{ListenerArn, RuleArn, TargetGroupArn, tags::tag},
        document::{self, list, placeholders, text, unknown, unwise, wrong},
    },
    error::{Error, ErrorKind, Result},
    preflight::{Finding, Severity},
};

const CONDITIONS: [(&str, &str); 6] = [
    ("host-header", "HostHeaderConfig"),
    ("path-pattern", "PathPatternConfig"),
    ("http-header", "HttpHeaderConfig"),
    ("http-request-method", "HttpRequestMethodConfig"),
    ("query-string", "QueryStringConfig"),
    ("source-ip", "SourceIpConfig"),
];
/// [Quotas](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html).
const MOST_VALUES: usize = 5;
const MOST_GROUPS: usize = 5;

/// A listener rule as JSON, spelt as the AWS CLI takes it (`aws elbv2 create-rule
/// --cli-input-json`): forwards, redirects and fixed responses. Rules with a log-in hold a client
/// secret, and are refused: no file is a place for that. Ranges are those of
/// [CreateRule](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html).
///
/// # Examples
///
/// ```
/// use bluegreen::aws::alb::ListenerRuleSpec;
///
/// let spec = ListenerRuleSpec::from_json(r#"{
///     "Priority": 100,
///     "Conditions": [{"Field": "host-header", "Values": ["api.chatbot.company.com"]}],
///     "Actions": [{"Type": "forward", "TargetGroupArn":
///         "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/fastapi/943f017f100becff"}]
/// }"#)?;
/// let green = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/fastapi/943f017f100becff";
/// let findings = spec.findings(Some(&green.parse()?));
/// assert!(findings[0].message.contains("sends everything to green at once"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct ListenerRuleSpec {
    document: Map<String, Value>,
}

impl ListenerRuleSpec {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// `Invalid` where it is no JSON object, with line and column.
    pub fn from_json(text: &str) -> Result<Self> {
        let document = document::read("listener rule", text)?;
        Ok(Self { document })
    }

    /// Everything that is wrong with it: refusals are what AWS would refuse or do otherwise than
    /// was meant, a rule that sends everything to `green` at once among them; notes are what is
    /// merely unwise.
    #[must_use]
    pub fn findings(&self, green: Option<&TargetGroupArn>) -> Vec<Finding> {
        let document = &Value::Object(self.document.clone());
        let mut findings = Vec::new();
        placeholders("", document, &mut findings);
        let fields = ["ListenerArn", "Priority", "Conditions", "Actions", "Tags"];
        unknown("", document, &fields, &[], &mut findings);
        let priority = document.get("Priority").and_then(Value::as_i64);
        if !priority.is_some_and(|priority| (1..=50_000).contains(&priority)) {
            let hint = "1 to 50000; the default rule belongs to its listener";
            findings.push(wrong("Priority", "it is no priority", hint));
        }
        let listener = text(document, "ListenerArn");
        if !listener.is_empty() && listener.parse::<ListenerArn>().is_err() {
            let message = format!("`{listener}` is no listener's ARN");
            findings.push(wrong(
                "ListenerArn",
                message,
                "aws elbv2 describe-listeners",
            ));
        }
        conditions(document, &mut findings);
        actions(document, green, &mut findings);
        findings
    }

    /// Makes the rule on a listener.
    ///
    /// # Errors
    ///
    /// `Refused` with every refusal of [`findings`](Self::findings), nothing called; `Conflict`
    /// where the priority is taken; `OutcomeUnknown` where no answer came: look before doing it
    /// again.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a dropped call may have made the rule.
    pub async fn create(
        &self,
        aws: &Aws,
        listener: &ListenerArn,
        green: Option<&TargetGroupArn>,
    ) -> Result<RuleArn> {
        let attempted = format!("make a rule on listener {listener}");
        let findings = self.findings(green);
        let stops = |one: &&Finding| one.severity != Severity::Note;
        let reasons: Vec<&str> = findings
            .iter()
            .filter(stops)
            .map(|one| one.message.as_str())
            .collect();
        if !reasons.is_empty() {
            let message = format!("{attempted}: {}", reasons.join("; "));
            return Err(Error::new(ErrorKind::Refused, message));
        }
        let sent = aws.elb.create_rule(self.create_input(listener)).await;
        let output = sent.map_err(|error| error.into_error(attempted.as_str()))?;
        let arn = output.rules().first().and_then(|rule| rule.rule_arn());
        arn.unwrap_or_default()
            .parse()
            .map_err(|error| Error::new(ErrorKind::OutcomeUnknown, attempted).with_source(error))
    }

    /// The exact request.
    fn create_input(&self, listener: &ListenerArn) -> CreateRuleInputBuilder {
        let document = &Value::Object(self.document.clone());
        let priority = document.get("Priority").and_then(Value::as_i64);
        let tags =
            list(document, "/Tags").map(|(_, one)| tag(text(one, "Key"), text(one, "Value")));
        let tags: Vec<_> = tags.collect();
        CreateRuleInput::builder()
            .listener_arn(listener.as_str())
            .set_priority(priority.and_then(|priority| i32::try_from(priority).ok()))
            .set_conditions(Some(
                list(document, "/Conditions")
                    .map(|(_, one)| condition(one))
                    .collect(),
            ))
            .set_actions(Some(
                list(document, "/Actions")
                    .map(|(_, one)| action(one))
                    .collect(),
            ))
            .set_tags(Some(tags).filter(|tags| !tags.is_empty()))
    }
}

impl fmt::Debug for ListenerRuleSpec {
    /// Without the document: a file may hold a secret all the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerRuleSpec")
            .field("priority", &self.document.get("Priority"))
            .finish_non_exhaustive()
    }
}

fn strings(value: &Value, field: &str) -> Vec<String> {
    let listed = value.get(field).and_then(Value::as_array);
    let texts = listed.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// The values of a condition, whichever way they are written.
fn values_of(condition: &Value) -> Vec<String> {
    let field = text(condition, "Field");
    let config = CONDITIONS.iter().find(|(name, _)| *name == field);
    let config = config.and_then(|(_, config)| condition.get(config));
    match config {
        Some(config) if field == "query-string" => {
            let pairs = list(config, "/Values");
            pairs
                .map(|(_, pair)| text(pair, "Value").to_owned())
                .collect()
        }
        Some(config) => strings(config, "Values"),
        None => strings(condition, "Values"),
    }
}

fn conditions(document: &Value, findings: &mut Vec<Finding>) {
    let mut sum = 0;
    for (place, one) in list(document, "/Conditions") {
        let at = |field: &str| format!("Conditions[{place}].{field}");
        let field = text(one, "Field");
        let known = CONDITIONS.iter().find(|(name, _)| *name == field);
        let Some((_, config)) = known else {
            let names: Vec<&str> = CONDITIONS.iter().map(|(name, _)| *name).collect();
            let message = format!("there is no condition `{field}`");
            findings.push(wrong(&at("Field"), message, &names.join(", ")));
            continue;
        };
        let path = format!("Conditions[{place}]");
        unknown(&path, one, &["Field", "Values", config], &[], findings);
        let values = values_of(one);
        sum += values.len();
        if values.is_empty() {
            findings.push(wrong(&path, "it has no values", "write at least one"));
        }
        let is_short = one.get(config).is_none();
        if is_short && !["host-header", "path-pattern"].contains(&field) {
            let message = format!("`Values` alone is for hosts and paths; this needs {config}");
            findings.push(wrong(
                &at("Values"),
                message,
                "see `aws elbv2 create-rule help`",
            ));
        } else if !is_short && one.get("Values").is_some() {
            let message = format!("it stands beside {config}");
            findings.push(wrong(&at("Values"), message, "leave one of them out"));
        }
        let name = one.pointer("/HttpHeaderConfig/HttpHeaderName");
        if field == "http-header" && name.and_then(Value::as_str).is_none_or(str::is_empty) {
            let message = "the header has no name";
            findings.push(wrong(
                &at("HttpHeaderConfig.HttpHeaderName"),
                message,
                "name it",
            ));
        }
    }
    if sum == 0 {
        let message = "a rule without them would take every request";
        findings.push(wrong("Conditions", message, "name hosts, paths or headers"));
    } else if sum > MOST_VALUES {
        let message = format!("{sum} values in all, and a rule may have {MOST_VALUES}");
        findings.push(wrong("Conditions", message, "make two rules of it"));
    }
}

/// The groups of a forward, with their weights.
fn groups(action: &Value) -> Vec<(String, i64)> {
    let listed: Vec<_> = list(action, "/ForwardConfig/TargetGroups")
        .map(|(_, group)| {
            let weight = group.get("Weight").and_then(Value::as_i64).unwrap_or(1);
            (text(group, "TargetGroupArn").to_owned(), weight)
        })
        .collect();
    let sole = text(action, "TargetGroupArn");
    if listed.is_empty() && !sole.is_empty() {
        return vec![(sole.to_owned(), 1)];
    }
    listed
}

fn actions(document: &Value, green: Option<&TargetGroupArn>, findings: &mut Vec<Finding>) {
    let all: Vec<_> = list(document, "/Actions").collect();
    let count = all.len();
    if count != 1 {
        let message = format!("{count} actions, where one ends the request");
        let hint = "one of forward, redirect, fixed-response";
        findings.push(wrong("Actions", message, hint));
    }
    for (place, one) in all {
        let path = format!("Actions[{place}]");
        match text(one, "Type") {
            "forward" => in_forward(&path, one, green, findings),
            "redirect" | "fixed-response" => {}
            kind @ ("authenticate-oidc" | "authenticate-cognito" | "jwt-validation") => {
                let message = format!("a rule with `{kind}` is not made from a file");
                let hint = "make it where its secret is kept, then name it by its ARN";
                findings.push(wrong(&path, message, hint));
            }
            kind => {
                let message = format!("there is no action `{kind}`");
                let hint = "forward, redirect or fixed-response";
                findings.push(wrong(&format!("{path}.Type"), message, hint));
            }
        }
    }
}

fn in_forward(
    path: &str,
    action: &Value,
    green: Option<&TargetGroupArn>,
    findings: &mut Vec<Finding>,
) {
    let groups = groups(action);
    let at = format!("{path}.ForwardConfig.TargetGroups");
    if groups.is_empty() || groups.len() > MOST_GROUPS {
        let message = format!("{} target groups", groups.len());
        findings.push(wrong(&at, message, "one to five"));
        return;
    }
    if groups.len() > 1 && action.get("TargetGroupArn").is_some() {
        let message = "it goes with a single target group only";
        findings.push(wrong(
            &format!("{path}.TargetGroupArn"),
            message,
            "leave it out",
        ));
    }
    for (place, (arn, weight)) in groups.iter().enumerate() {
        // A placeholder was told already.
        if arn.parse::<TargetGroupArn>().is_err() && !arn.contains("ACCOUNT") {
            let message = format!("`{arn}` is no target group's ARN");
            findings.push(wrong(&at, message, "aws elbv2 describe-target-groups"));
        }
        if groups[..place].iter().any(|(other, _)| other == arn) {
            findings.push(wrong(&at, format!("{arn} stands twice"), "name each once"));
        }
        if !(0..=999).contains(weight) {
            let message = format!("{weight} is no weight");
            findings.push(wrong(&at, message, "weights go from 0 to 999"));
        }
    }
    let stickiness = action.pointer("/ForwardConfig/TargetGroupStickinessConfig");
    if let Some(sticky) = stickiness
        && sticky.get("Enabled") == Some(&Value::Bool(true))
        && !sticky
            .get("DurationSeconds")
            .and_then(Value::as_i64)
            .is_some_and(|seconds| (1..=604_800).contains(&seconds))
    {
        let field = format!("{path}.ForwardConfig.TargetGroupStickinessConfig.DurationSeconds");
        findings.push(wrong(
            &field,
            "stickiness without a length",
            "1 to 604800 seconds",
        ));
    }
    let sum: i64 = groups.iter().map(|(_, weight)| weight).sum();
    if sum == 0 {
        let message = "all weights are 0: every request fails";
        findings.push(wrong(&at, message, "give blue the weight"));
        return;
    }
    let Some((sole, _)) = groups.iter().find(|(_, weight)| *weight == sum) else {
        return;
    };
    match green {
        Some(green) if sole == green.as_str() => findings.push(wrong(
            path,
            "it sends everything to green at once",
            "name both target groups, blue with all the weight and green with 0, and migrate",
        )),
        _ if groups.len() == 1 => findings.push(unwise(
            path,
            "one target group gets everything: for a migration name both, green at weight 0",
        )),
        _ => {}
    }
}

fn condition(value: &Value) -> RuleCondition {
    let field = text(value, "Field");
    let built = RuleCondition::builder().field(field);
    let values = Some(values_of(value));
    if value.get("Values").is_some() {
        return built.set_values(values).build();
    }
    match field {
        "host-header" => {
            let config = HostHeaderConditionConfig::builder().set_values(values);
            built.host_header_config(config.build())
        }
        "path-pattern" => {
            let config = PathPatternConditionConfig::builder().set_values(values);
            built.path_pattern_config(config.build())
        }
        "http-header" => {
            let name = value.pointer("/HttpHeaderConfig/HttpHeaderName");
            let config = HttpHeaderConditionConfig::builder()
                .set_http_header_name(name.and_then(Value::as_str).map(str::to_owned))
                .set_values(values);
            built.http_header_config(config.build())
        }
        "http-request-method" => {
            let config = HttpRequestMethodConditionConfig::builder().set_values(values);
            built.http_request_method_config(config.build())
        }
        "query-string" => {
            let pairs = list(value, "/QueryStringConfig/Values").map(|(_, pair)| {
                let string = |field: &str| pair.get(field)?.as_str().map(str::to_owned);
                QueryStringKeyValuePair::builder()
                    .set_key(string("Key"))
                    .set_value(string("Value"))
                    .build()
            });
            let config = QueryStringConditionConfig::builder().set_values(Some(pairs.collect()));
            built.query_string_config(config.build())
        }
        _ => {
            let config = SourceIpConditionConfig::builder().set_values(values);
            built.source_ip_config(config.build())
        }
    }
    .build()
}

fn action(value: &Value) -> Action {
    let built = Action::builder().r#type(ActionTypeEnum::from(text(value, "Type")));
    let order = value.get("Order").and_then(Value::as_i64);
    let built = built.set_order(order.and_then(|order| i32::try_from(order).ok()));
    let string = |value: &Value, field: &str| value.get(field)?.as_str().map(str::to_owned);
    let redirect = value.get("RedirectConfig").map(|config| {
        RedirectActionConfig::builder()
            .set_protocol(string(config, "Protocol"))
            .set_port(string(config, "Port"))
            .set_host(string(config, "Host"))
            .set_path(string(config, "Path"))
            .set_query(string(config, "Query"))
            .set_status_code(
                string(config, "StatusCode")
                    .map(|code| RedirectActionStatusCodeEnum::from(code.as_str())),
            )
            .build()
    });
    let response = value.get("FixedResponseConfig").map(|config| {
        FixedResponseActionConfig::builder()
            .set_message_body(string(config, "MessageBody"))
            .set_status_code(string(config, "StatusCode"))
            .set_content_type(string(config, "ContentType"))
            .build()
    });
    let forward = value.get("ForwardConfig").map(|config| {
        let tuples = list(config, "/TargetGroups").map(|(_, group)| {
            let weight = group.get("Weight").and_then(Value::as_i64);
            TargetGroupTuple::builder()
                .set_target_group_arn(string(group, "TargetGroupArn"))
                .set_weight(weight.and_then(|weight| i32::try_from(weight).ok()))
                .build()
        });
        let sticky = config.get("TargetGroupStickinessConfig").map(|sticky| {
            let seconds = sticky.get("DurationSeconds").and_then(Value::as_i64);
            TargetGroupStickinessConfig::builder()
                .set_enabled(sticky.get("Enabled").and_then(Value::as_bool))
                .set_duration_seconds(seconds.and_then(|seconds| i32::try_from(seconds).ok()))
                .build()
        });
        ForwardActionConfig::builder()
            .set_target_groups(Some(tuples.collect()))
            .set_target_group_stickiness_config(sticky)
            .build()
    });
    built
        .set_target_group_arn(string(value, "TargetGroupArn"))
        .set_forward_config(forward)
        .set_redirect_config(redirect)
        .set_fixed_response_config(response)
        .build()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::{alb::testing::*, sim::Simulation};

    /// The guide's, word for word.
    const GUIDE: &str = r#"{
      "Priority": 100,
      "Conditions": [
        {
          "Field": "host-header",
          "Values": ["api.chatbot.company.com"]
        },
        {
          "Field": "path-pattern",
          "Values": ["/api/v1/*", "/health", "/metrics/*"]
        }
      ],
      "Actions": [
        {
          "Type": "forward",
          "TargetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:ACCOUNT:targetgroup/chatbot-fastapi-tg/1234567890123456"
        }
      ]
    }"#;

    fn spec(text: &str) -> ListenerRuleSpec {
        ListenerRuleSpec::from_json(text).unwrap()
    }

    fn told(text: &str, green: Option<&str>) -> Vec<String> {
        let green = green.map(|arn| arn.parse().unwrap());
        let findings = spec(text).findings(green.as_ref());
        let tell = |one: &Finding| match one.severity {
            Severity::Note => format!("note {one}"),
            _ => {
                assert!(one.hint.is_some(), "{one}");
                one.to_string()
            }
        };
        findings.iter().map(tell).collect()
    }

    #[test]
    fn the_guides_mistakes_are_found_and_a_sound_twin_has_none() {
        assert_eq!(
            told(GUIDE, None),
            [
                "Actions[0].TargetGroupArn: a placeholder stands there, not a value",
                "note Actions[0]: one target group gets everything: for a migration name both, green at weight 0",
            ]
        );
        let mine = GUIDE.replace("ACCOUNT", "123456789012");
        let green = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/chatbot-fastapi-tg/1234567890123456";
        assert_eq!(
            told(&mine, Some(green)),
            ["Actions[0]: it sends everything to green at once"]
        );
        let sound = json!({
            "Priority": 100,
            "Conditions": [{"Field": "host-header", "HostHeaderConfig": {"Values": ["a.com"]}}],
            "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": [
                {"TargetGroupArn": BLUE, "Weight": 100}, {"TargetGroupArn": green, "Weight": 0}
            ]}}]
        });
        assert_eq!(told(&sound.to_string(), Some(green)), [""; 0]);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let told = told(
            &json!({
                "Priority": 0, "ListenerArn": "listener", "Prio": 1,
                "Conditions": [
                    {"Field": "header", "Values": ["x"]},
                    {"Field": "source-ip", "Values": ["10.0.0.0/8"]},
                    {"Field": "http-header", "HttpHeaderConfig": {"Values": ["x"]}},
                    {"Field": "path-pattern", "Values": ["/a", "/b", "/c", "/d"], "PathPatternConfig": {"Values": ["/a", "/b", "/c", "/d"]}},
                    {"Field": "host-header"}
                ],
                "Actions": [
                    {"Type": "authenticate-oidc", "AuthenticateOidcConfig": {"ClientSecret": "canary"}},
                    {"Type": "forward", "TargetGroupArn": BLUE, "ForwardConfig": {"TargetGroups": [
                        {"TargetGroupArn": BLUE, "Weight": 1000}, {"TargetGroupArn": BLUE, "Weight": 0},
                        {"TargetGroupArn": "green", "Weight": 0}],
                        "TargetGroupStickinessConfig": {"Enabled": true}}},
                    {"Type": "mirror"}
                ]
            })
            .to_string(),
            None,
        )
        .join("\n");
        for wanted in [
            "Prio: there is no such field",
            "Priority: it is no priority",
            "ListenerArn: `listener` is no listener's ARN",
            "Conditions[0].Field: there is no condition `header`",
            "Conditions[1].Values: `Values` alone is for hosts and paths",
            "Conditions[2].HttpHeaderConfig.HttpHeaderName: the header has no name",
            "Conditions[3].Values: it stands beside PathPatternConfig",
            "Conditions[4]: it has no values",
            "Conditions: 6 values in all",
            "Actions: 3 actions",
            "Actions[0]: a rule with `authenticate-oidc` is not made from a file",
            "Actions[1].TargetGroupArn: it goes with a single",
            "1000 is no weight",
            "stands twice",
            "`green` is no target group's ARN",
            "stickiness without a length",
            "Actions[2].Type: there is no action `mirror`",
        ] {
            assert!(told.contains(wanted), "{wanted} in\n{told}");
        }
        assert!(!told.contains("canary"), "{told}");
        let nothing = r#"{"Priority": 1, "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": []}}]}"#;
        assert_eq!(self::told(nothing, None).len(), 2);
    }

    #[test]
    fn p12_a_secret_in_the_file_shows_nowhere() {
        let spec = spec(r#"{"Priority": 7, "Actions": [{"ClientSecret": "canary"}]}"#);
        assert!(!format!("{spec:?}").contains("canary"));
    }

    #[test]
    fn the_request_holds_all_of_it() {
        let text = json!({
            "Priority": 7, "Tags": [{"Key": "team", "Value": "chat"}],
            "Conditions": [
                {"Field": "host-header", "Values": ["a.com"]},
                {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-A", "Values": ["b"]}},
                {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "k", "Value": "v"}]}}
            ],
            "Actions": [{"Type": "forward", "Order": 3, "ForwardConfig": {
                "TargetGroups": [{"TargetGroupArn": BLUE, "Weight": 9}, {"TargetGroupArn": GREEN, "Weight": 0}],
                "TargetGroupStickinessConfig": {"Enabled": true, "DurationSeconds": 60}}}]
        });
        let header = HttpHeaderConditionConfig::builder()
            .http_header_name("X-A")
            .values("b");
        let pair = QueryStringKeyValuePair::builder()
            .key("k")
            .value("v")
            .build();
        let query = QueryStringConditionConfig::builder().values(pair);
        let mut forward = sticky(forward(&[(BLUE, 9), (GREEN, 0)]), 60);
        forward.order = Some(3);
        let wanted = CreateRuleInput::builder()
            .listener_arn(LISTENER)
            .priority(7)
            .conditions(
                RuleCondition::builder()
                    .field("host-header")
                    .values("a.com")
                    .build(),
            )
            .conditions(
                RuleCondition::builder()
                    .field("http-header")
                    .http_header_config(header.build())
                    .build(),
            )
            .conditions(
                RuleCondition::builder()
                    .field("query-string")
                    .query_string_config(query.build())
                    .build(),
            )
            .actions(forward)
            .tags(tag("team", "chat"));
        assert_eq!(
            spec(&text.to_string()).create_input(&listener_arn()),
            wanted
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_sound_rule_is_made_and_one_that_is_not_is_refused_before_any_call() {
        let simulation = Simulation::builder().build();
        let (aws, listener) = (simulation.aws(), simulation.listener());
        let refused = spec(GUIDE).create(&aws, &listener, None).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Refused);
        assert_eq!(simulation.calls_in_all(), 0);
        let sound = json!({
            "Priority": 7,
            "Conditions": [{"Field": "host-header", "HostHeaderConfig": {"Values": ["a.com"]}}],
            "Actions": [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
        });
        let sound = spec(&sound.to_string());
        sound.create(&aws, &listener, None).await.unwrap();
        let taken = sound.create(&aws, &listener, None).await.unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::Conflict);
    }
}
