//! [`ListenerRuleSpec`]: a listener rule as a file describes it.

use std::fmt;

use aws_sdk_elasticloadbalancingv2::{
    operation::create_rule::{CreateRuleInput, builders::CreateRuleInputBuilder},
    types::Rule,
};
use serde_json::{Map, Value};

use super::{request, rule_rules};
use crate::{
    aws::{
        Aws,
        alb::{
            ListenerArn, RuleArn, TargetGroupArn,
            rule::{fingerprint, locate},
        },
        document::{File, list, refusals},
        model::Input,
    },
    error::{Error, ErrorKind, Result},
    preflight::Finding,
};

/// A listener rule as JSON, in the form that the AWS CLI takes (`aws elbv2 create-rule
/// --cli-input-json`). Rules with an OIDC log-in are refused: their client secret does not belong in
/// a file. Fields and ranges are those of
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
    file: File,
}

impl ListenerRuleSpec {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// `Invalid`, with line and column, if the text is not a JSON object.
    pub fn from_json(text: &str) -> Result<Self> {
        let (file, document) = File::read("listener rule", Input::Rule, text, None)?;
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

    /// Returns every problem of the rule. A refusal: AWS would refuse it, or do something that was
    /// not meant, or the rule sends everything to `green` at once. A note: it is only unwise.
    #[must_use]
    pub fn findings(&self, green: Option<&TargetGroupArn>) -> Vec<Finding> {
        let rules = rule_rules::rule(&Value::Object(self.document.clone()), green);
        self.file.findings(Input::Rule, &[], rules)
    }

    /// Makes the rule on a listener, or finds it there: a rule of the same priority that routes
    /// alike, apart from AWS's defaults and order.
    ///
    /// # Errors
    ///
    /// `Refused` with every refusal of [`findings`](Self::findings), before any call; `Conflict` if
    /// the priority is taken by another rule; `OutcomeUnknown` if no answer came: look before you try
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
        if let Some(reasons) = refusals(&self.findings(green)) {
            let message = format!("{attempted}: {reasons}");
            return Err(Error::new(ErrorKind::Refused, message));
        }
        let own = self.document.get("ListenerArn").and_then(Value::as_str);
        if let Some(own) = own.filter(|own| *own != listener.as_str()) {
            let message = format!("{attempted}: the file names another listener, {own}");
            return Err(Error::new(ErrorKind::Refused, message));
        }
        let sent = aws.elb.create_rule(self.create_input(listener)).await;
        let output = match sent {
            Ok(output) => output,
            Err(error) if error.kind == ErrorKind::Conflict => {
                // An earlier call may have made the rule.
                return match self.made_before(aws, listener).await? {
                    Some(rule) => Ok(rule),
                    None => Err(error.into_error(attempted)),
                };
            }
            Err(error) => return Err(error.into_error(attempted)),
        };
        let arn = output.rules().first().and_then(|rule| rule.rule_arn());
        arn.unwrap_or_default()
            .parse()
            .map_err(|error| Error::new(ErrorKind::OutcomeUnknown, attempted).with_source(error))
    }

    /// The rule at this priority, if it is the one of this file.
    async fn made_before(&self, aws: &Aws, listener: &ListenerArn) -> Result<Option<RuleArn>> {
        let rules = locate::rules_of(&*aws.elb, listener).await?;
        let input = self.create_input(listener);
        let wanted = Rule::builder()
            .set_conditions(input.get_conditions().clone())
            .set_actions(input.get_actions().clone())
            .set_transforms(input.get_transforms().clone())
            .is_default(false)
            .build();
        let priority = input.get_priority().map(|one| one.to_string());
        let mut rules = rules.iter();
        let found = rules
            .find(|rule| rule.priority == priority)
            .filter(|rule| fingerprint::is_same(rule, &wanted));
        let arn = found.and_then(|rule| rule.rule_arn.as_deref());
        Ok(arn.and_then(|arn| arn.parse().ok()))
    }

    /// The exact request.
    pub(super) fn create_input(&self, listener: &ListenerArn) -> CreateRuleInputBuilder {
        let document = &Value::Object(self.document.clone());
        let all = |field: &'static str| list(document, field).map(|(_, one)| one);
        let tags: Vec<_> = all("/Tags").map(request::tag).collect();
        let transforms: Vec<_> = all("/Transforms").map(request::transform).collect();
        CreateRuleInput::builder()
            .listener_arn(listener.as_str())
            .set_priority(request::number(document, "Priority"))
            .set_conditions(Some(all("/Conditions").map(request::condition).collect()))
            .set_actions(Some(all("/Actions").map(request::action).collect()))
            .set_transforms(Some(transforms).filter(|all| !all.is_empty()))
            .set_tags(Some(tags).filter(|tags| !tags.is_empty()))
    }
}

impl fmt::Debug for ListenerRuleSpec {
    /// Without the document: the file may hold a secret nevertheless.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerRuleSpec")
            .field("priority", &self.document.get("Priority"))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::types::{
        HttpHeaderConditionConfig, QueryStringConditionConfig, QueryStringKeyValuePair,
        RuleCondition,
    };
    use serde_json::json;

    use super::*;
    use crate::{
        aws::{
            alb::{tags::tag, testing::*},
            sim::{Call, Simulation},
        },
        preflight::Severity,
    };

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
        let tell = |one: &Finding| {
            let (said, place) = one.message.rsplit_once(" (line ").expect("it has a place");
            assert!(place.contains("column"), "{one}");
            match one.severity {
                Severity::Note => format!("note {said}"),
                _ => {
                    assert!(one.hint.is_some(), "{one}");
                    said.to_owned()
                }
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
                "note Conditions[1].Values: AWS documents a single value here: write several in PathPatternConfig",
                "note Actions[0]: one target group gets everything: for a migration name both, green at weight 0",
            ]
        );
        let mine = GUIDE.replace("ACCOUNT", "123456789012");
        let green = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/chatbot-fastapi-tg/1234567890123456";
        assert_eq!(
            told(&mine, Some(green)),
            [
                "note Conditions[1].Values: AWS documents a single value here: write several in PathPatternConfig",
                "Actions[0]: it sends everything to green at once"
            ]
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
            "Priority: 0 is not from 1 to 50000",
            "ListenerArn: `listener` is not a listener's ARN",
            "Conditions[0].Field: there is no condition `header`",
            "Conditions[1].Values: `Values` outside of a config is only for hosts and paths",
            "Conditions[2].HttpHeaderConfig.HttpHeaderName: the header has no name",
            "Conditions[3].Values: it stands beside PathPatternConfig",
            "Conditions[4]: it has no values",
            "Conditions: 10 values in all",
            "Actions[0]: the file would hold its client secret",
            "Actions[1].TargetGroupArn: it is allowed only beside a single",
            "1000 is not a weight",
            "stands twice",
            "`green` is not a target group's ARN",
            "stickiness without a duration",
            "Actions[2].Type: there is no `mirror` here",
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
        assert_eq!(simulation.calls(Call::CreateRule), 1);
    }

    /// A sound rule with these conditions and actions.
    fn rule_of(conditions: Value, actions: Value) -> Vec<String> {
        let rule = json!({"Priority": 100, "Conditions": conditions, "Actions": actions});
        told(&rule.to_string(), None)
    }

    fn to_both() -> Value {
        json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": [
            {"TargetGroupArn": BLUE, "Weight": 100}, {"TargetGroupArn": GREEN, "Weight": 0}]}}])
    }

    fn on_path() -> Value {
        json!([{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/orders/*"]}}])
    }

    #[test]
    fn what_aws_takes_is_taken() {
        let conditions = [
            json!([{"Field": "host-header", "HostHeaderConfig": {"RegexValues": ["^api:8443$"]}}]),
            json!([{"Field": "path-pattern", "RegexValues": ["^/v[12]/"]}]),
            json!([{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET", "HEAD"]}}]),
            json!([{"Field": "query-string", "QueryStringConfig": {"Values": [{"Value": "beta"}]}}]),
            json!([{"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8", "2001:db8::/32"]}}]),
        ];
        for condition in conditions {
            assert_eq!(rule_of(condition, to_both()), [""; 0]);
        }
        let jwt = json!({"Type": "jwt-validation", "Order": 1, "JwtValidationConfig":
            {"JwksEndpoint": "https://idp.example.com/keys", "Issuer": "https://idp.example.com"}});
        let cognito = json!({"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig":
            {"UserPoolArn": "arn:aws:cognito-idp:us-east-1:123456789012:userpool/x",
             "UserPoolClientId": "c", "UserPoolDomain": "d"}});
        for first in [jwt, cognito] {
            let mut last = to_both()[0].clone();
            last["Order"] = json!(2);
            assert_eq!(rule_of(on_path(), json!([first, last])), [""; 0]);
        }
        let partitions = json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": [
            {"TargetGroupArn": BLUE.replace("arn:aws:", "arn:aws-us-gov:"), "Weight": 1},
            {"TargetGroupArn": GREEN.replace("arn:aws:", "arn:aws-cn:"), "Weight": 0}]}}]);
        assert_eq!(rule_of(on_path(), partitions), [""; 0]);
        let rewrite = json!({"Priority": 1, "Conditions": on_path(), "Actions": to_both(), "Transforms":
            [{"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": "^/a", "Replace": "/b"}]}}]});
        assert_eq!(told(&rewrite.to_string(), None), [""; 0]);
    }

    #[test]
    fn what_aws_refuses_in_words_is_refused() {
        let path = "Conditions[0]";
        let of = |field: &str, config: &str, value: &str| json!([{"Field": field, config: {"Values": [value]}}]);
        for (conditions, sign) in [
            (
                of("host-header", "HostHeaderConfig", "api.example.com:8443"),
                format!("{path}: `api.example.com:8443`: not a host"),
            ),
            (
                of("http-request-method", "HttpRequestMethodConfig", "get"),
                format!("{path}: `get`: not a method"),
            ),
            (
                of("source-ip", "SourceIpConfig", "10.0.0.1"),
                format!("{path}: `10.0.0.1`: not a block"),
            ),
            (
                of(
                    "path-pattern",
                    "PathPatternConfig",
                    "/*/a/*/b/*/c/*/d/*/e/*",
                ),
                "Conditions: 6 wildcards in all".into(),
            ),
            (
                of("path-pattern", "PathPatternConfig", &"/".repeat(129)),
                format!("{path}: 129 characters"),
            ),
            (
                of("path-pattern", "HostHeaderConfig", "a.com"),
                format!("{path}.HostHeaderConfig: it is for another condition"),
            ),
            (
                json!([{"Field": "source-ip", "SourceIpConfig": {"IpAddressType": "ipv6"}}]),
                format!("{path}.SourceIpConfig.IpAddressType: it is for Network Load Balancers"),
            ),
            (
                json!([{"Field": "host-header", "HostHeaderConfig": {"Values": ["a.com"], "RegexValues": ["a"]}}]),
                format!("{path}: Values and RegexValues exclude each other"),
            ),
            (
                json!([{"Field": "http-request-method", "HttpRequestMethodConfig": {"RegexValues": ["a"]}}]),
                format!("{path}.HttpRequestMethodConfig.RegexValues: there is no such field"),
            ),
            (
                json!([{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "Host", "Values": ["a.com"]}}]),
                format!(
                    "{path}.HttpHeaderConfig.HttpHeaderName: hosts have a condition of their own"
                ),
            ),
            (
                json!([{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "x".repeat(41), "Values": ["a"]}}]),
                format!("{path}.HttpHeaderConfig.HttpHeaderName: 41 characters"),
            ),
            (
                json!([{"Field": "query-string", "RegexValues": ["a"]}]),
                format!("{path}: query-string takes no regular expressions"),
            ),
        ] {
            let told = rule_of(conditions, to_both()).join("\n");
            assert!(told.contains(&sign), "{sign} in\n{told}");
        }
        let to = |kind: &str, config: &str, value: Value| json!([{"Type": kind, config: value}]);
        let redirect = |value: Value| to("redirect", "RedirectConfig", value);
        let weights = |blue: Value, green: Value| {
            json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": [
                {"TargetGroupArn": BLUE, "Weight": blue}, {"TargetGroupArn": GREEN, "Weight": green}]}}])
        };
        for (actions, sign) in [
            (
                json!([{"Type": "redirect"}]),
                "Actions[0].RedirectConfig: redirect needs it",
            ),
            (
                redirect(json!({"StatusCode": "HTTP_301"})),
                "Actions[0].RedirectConfig: it redirects to itself",
            ),
            (
                redirect(json!({"StatusCode": "HTTP_301", "Host": "#{host}", "Query": "a"})),
                "it redirects to itself",
            ),
            (
                redirect(json!({"StatusCode": "HTTP_301", "Protocol": "FTP"})),
                "Protocol: there is no `FTP`",
            ),
            (
                redirect(json!({"StatusCode": "HTTP_301", "Port": "http"})),
                "Port: `http` is not a port",
            ),
            (
                redirect(json!({"StatusCode": "HTTP_301", "Path": "new"})),
                "Path: `new` is not a path",
            ),
            (
                to(
                    "fixed-response",
                    "FixedResponseConfig",
                    json!({"StatusCode": "302", "ContentType": "text/xml"}),
                ),
                "StatusCode: a fixed response has no code 302\nActions[0].FixedResponseConfig.ContentType: there is no `text/xml`",
            ),
            (
                to(
                    "forward",
                    "RedirectConfig",
                    json!({"StatusCode": "HTTP_301"}),
                ),
                "Actions[0].RedirectConfig: it is for redirect, and this is forward",
            ),
            (
                weights(json!("100"), json!("0")),
                "TargetGroups[0].Weight: a text stands there, not a whole number",
            ),
            (
                weights(json!(100), Value::Null),
                "TargetGroups[1].Weight: it is missing, and AWS then uses 1",
            ),
            (weights(json!(0), json!(0)), "all weights are 0"),
            (
                weights(json!(1), json!(999)),
                "note Actions[0].ForwardConfig.TargetGroups: it sends 0.1 % to",
            ),
            (
                json!([to_both()[0], {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Port": "1"}}]),
                "Actions: 2 actions that end",
            ),
        ] {
            let told = rule_of(on_path(), actions).join("\n");
            assert!(told.contains(sign), "{sign} in\n{told}");
        }
        let jwt = json!({"Type": "jwt-validation", "Order": 2, "JwtValidationConfig": {"JwksEndpoint": "a", "Issuer": "b"}});
        let mut forward = to_both()[0].clone();
        let told = rule_of(on_path(), json!([jwt, forward])).join("\n");
        assert!(told.contains("needs an Order of its own"), "{told}");
        forward["Order"] = json!(1);
        let told = rule_of(on_path(), json!([jwt, forward])).join("\n");
        assert!(
            told.contains("the action that ends the request is not the last"),
            "{told}"
        );
    }

    #[test]
    fn a_rule_that_gives_green_most_is_refused_if_green_is_known() {
        let rule = json!({"Priority": 1, "Conditions": on_path(), "Actions": [{"Type": "forward",
            "ForwardConfig": {"TargetGroups": [
                {"TargetGroupArn": BLUE, "Weight": 1}, {"TargetGroupArn": GREEN, "Weight": 999}]}}]});
        let said = "Actions[0].ForwardConfig.TargetGroups: it sends 0.1 % to flask, 99.9 % to fastapi at once";
        assert_eq!(told(&rule.to_string(), Some(GREEN)), [said]);
        assert_eq!(
            told(&rule.to_string(), Some(BLUE)),
            [format!("note {said}")]
        );
    }

    #[test]
    fn a_newer_value_is_sent_if_it_is_accepted_and_a_newer_field_never() {
        let mut actions = to_both();
        actions[0]["Type"] = json!("mirror");
        actions[0]["Novel"] = json!(1);
        let text = json!({"Priority": 1, "Conditions": on_path(), "Actions": actions}).to_string();
        let spec = spec(&text)
            .accept_unknown("Actions[0].Type")
            .accept_unknown("Actions[0].Novel");
        let findings = spec.findings(None);
        let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(
            told.iter()
                .any(|one| one.starts_with("Actions[0].Novel: this program's SDK cannot send it")),
            "{told:?}"
        );
        let accepted = findings
            .iter()
            .find(|one| one.message.starts_with("Actions[0].Type: accepted"));
        assert_eq!(
            accepted.map(|one| one.severity),
            Some(Severity::Note),
            "{told:?}"
        );
        let sent = format!("{:?}", spec.create_input(&listener_arn()));
        assert!(sent.contains("mirror"), "{sent}");
    }
}
