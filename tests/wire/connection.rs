//! A connection to nowhere: it answers by operation, and counts.

use std::{
    ops::Range,
    sync::{Arc, Mutex},
};

use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use bluegreen::Aws;

use crate::over;

pub(crate) const RULE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";
pub(crate) const BLUE: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/flask/73e2d6bc24d8a067";
pub(crate) const GREEN: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/fastapi/6d0ecf831eec9f09";

/// How AWS names each request here, in a header and in the body.
pub(crate) const REQUEST: &str = "3ac7d2f1";

/// The answer to a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// A status and a body.
    Http(u16, &'static str),
    /// An error as AWS writes it: status, code, message.
    Error(u16, &'static str, &'static str),
    /// No connection came about.
    NotConnected,
    /// The connection broke after the request.
    Reset,
    /// Nothing, ever.
    Never,
}

impl Answer {
    pub(crate) const fn error(status: u16, code: &'static str, message: &'static str) -> Self {
        Self::Error(status, code, message)
    }

    pub(crate) fn send(self) -> HttpConnectorFuture {
        let (status, body) = match self {
            Self::Http(status, body) => (status, body.to_owned()),
            Self::Error(status, code, message) => (status, error_body(code, message)),
            Self::NotConnected => {
                let refused = ConnectorError::io("connection refused".into());
                return HttpConnectorFuture::ready(Err(refused.never_connected()));
            }
            Self::Reset => {
                let reset = ConnectorError::io("connection reset".into());
                return HttpConnectorFuture::ready(Err(reset));
            }
            Self::Never => return HttpConnectorFuture::new(std::future::pending()),
        };
        let status = StatusCode::try_from(status).unwrap();
        let mut response = HttpResponse::new(status, SdkBody::from(body));
        response.headers_mut().insert("x-amzn-requestid", REQUEST);
        HttpConnectorFuture::ready(Ok(response))
    }
}

/// A connection on which one operation fails.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    failing: &'static str,
    answer: Answer,
    only: Range<usize>,
    sent: Arc<Mutex<Vec<String>>>,
}

impl Connection {
    /// Answers `operation` in this way, each time.
    pub(crate) fn failing(operation: &'static str, answer: Answer) -> Self {
        Self {
            failing: operation,
            answer,
            only: 0..usize::MAX,
            sent: Arc::default(),
        }
    }

    /// Answers every operation with success, but no write changes anything.
    pub(crate) fn healthy() -> Self {
        Self::failing("none", Answer::Never)
    }

    /// Fails these requests of the operation only, counted from 0.
    pub(crate) fn only(mut self, only: Range<usize>) -> Self {
        self.only = only;
        self
    }

    /// How many requests of an operation were sent.
    pub(crate) fn sent(&self, operation: &str) -> usize {
        self.forms(operation).len()
    }

    /// The requests of an operation as they were sent.
    pub(crate) fn forms(&self, operation: &str) -> Vec<String> {
        let sent = self.sent.lock().unwrap();
        let of_operation = sent.iter().filter(|form| operation_of(form) == operation);
        of_operation.cloned().collect()
    }

    pub(crate) fn aws(&self) -> Aws {
        over::aws_over(self.clone())
    }
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let form = String::from_utf8_lossy(request.body().bytes().unwrap()).into_owned();
        let operation = operation_of(&form);
        let is_failing = operation == self.failing && self.only.contains(&self.sent(operation));
        let answer = if is_failing {
            self.answer
        } else {
            Answer::Http(200, usual(operation))
        };
        self.sent.lock().unwrap().push(form);
        answer.send()
    }
}

impl HttpClient for Connection {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn operation_of(form: &str) -> &str {
    let mut fields = form.split('&');
    let operation = fields.find_map(|field| field.strip_prefix("Action="));
    operation.expect("an operation")
}

fn error_body(code: &str, message: &str) -> String {
    format!(
        r#"<ErrorResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">
  <Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>
  <RequestId>{REQUEST}</RequestId>
</ErrorResponse>"#
    )
}

/// A rule at 90:10, one healthy target in each group.
pub(crate) fn usual(operation: &str) -> &'static str {
    match operation {
        "DescribeRules" => {
            r#"<DescribeRulesResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><DescribeRulesResult><Rules><member>
  <RuleArn>arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee</RuleArn>
  <Priority>100</Priority><IsDefault>false</IsDefault>
  <Actions><member><Type>forward</Type><ForwardConfig>
    <TargetGroups>
      <member><TargetGroupArn>arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/flask/73e2d6bc24d8a067</TargetGroupArn><Weight>90</Weight></member>
      <member><TargetGroupArn>arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/fastapi/6d0ecf831eec9f09</TargetGroupArn><Weight>10</Weight></member>
    </TargetGroups>
    <TargetGroupStickinessConfig><Enabled>true</Enabled><DurationSeconds>60</DurationSeconds></TargetGroupStickinessConfig>
  </ForwardConfig></member></Actions>
</member></Rules></DescribeRulesResult><ResponseMetadata><RequestId>usual-1</RequestId></ResponseMetadata></DescribeRulesResponse>"#
        }
        "DescribeTargetHealth" => {
            r#"<DescribeTargetHealthResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><DescribeTargetHealthResult><TargetHealthDescriptions><member>
  <Target><Id>10.0.0.1</Id><Port>8080</Port></Target><TargetHealth><State>healthy</State></TargetHealth>
</member></TargetHealthDescriptions></DescribeTargetHealthResult><ResponseMetadata><RequestId>usual-2</RequestId></ResponseMetadata></DescribeTargetHealthResponse>"#
        }
        "ModifyRule" => {
            r#"<ModifyRuleResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><ModifyRuleResult><Rules/></ModifyRuleResult><ResponseMetadata><RequestId>usual-3</RequestId></ResponseMetadata></ModifyRuleResponse>"#
        }
        "GetCallerIdentity" => {
            r#"<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
  <Arn>arn:aws:iam::123456789012:user/ann</Arn><UserId>A</UserId><Account>123456789012</Account>
</GetCallerIdentityResult><ResponseMetadata><RequestId>usual-4</RequestId></ResponseMetadata></GetCallerIdentityResponse>"#
        }
        other => panic!("no test asks for {other}"),
    }
}
