//! Possible answers of AWS: a body for each operation, one of which is mutated.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use bluegreen::Aws;

use crate::over;

pub(crate) const LISTENER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2";
pub(crate) const RULE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";
pub(crate) const BLUE: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/flask/73e2d6bc24d8a067";
pub(crate) const GREEN: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/fastapi/6d0ecf831eec9f09";

pub(crate) const DEPLOYMENT: &str =
    "arn:aws:ecs:us-east-1:123456789012:service-deployment/c/chatbot/1";

/// The bodies of the answers.
#[derive(Debug, Clone)]
pub(crate) struct Bodies {
    pub(crate) rules: Vec<u8>,
    pub(crate) health: Vec<u8>,
    pub(crate) metrics: Vec<u8>,
    pub(crate) services: Vec<u8>,
    pub(crate) definition: Vec<u8>,
    pub(crate) deployment: Vec<u8>,
    pub(crate) deployments: Vec<u8>,
    pub(crate) revisions: Vec<u8>,
}

/// The start of the minute of the metrics.
pub(crate) const MINUTE: i64 = 1_767_603_600;

impl Bodies {
    /// A rule at 90:10, a target in each group, a minute of metrics, a service with a complete rollout.
    pub(crate) fn valid() -> Self {
        let rules = format!(
            r"<DescribeRulesResponse><DescribeRulesResult><Rules><member><RuleArn>{RULE}</RuleArn><Priority>100</Priority><IsDefault>false</IsDefault><Actions><member><Type>forward</Type><ForwardConfig><TargetGroups><member><TargetGroupArn>{BLUE}</TargetGroupArn><Weight>90</Weight></member><member><TargetGroupArn>{GREEN}</TargetGroupArn><Weight>10</Weight></member></TargetGroups><TargetGroupStickinessConfig><Enabled>true</Enabled><DurationSeconds>60</DurationSeconds></TargetGroupStickinessConfig></ForwardConfig></member></Actions></member></Rules></DescribeRulesResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeRulesResponse>"
        );
        let health = "<DescribeTargetHealthResponse><DescribeTargetHealthResult><TargetHealthDescriptions><member><Target><Id>10.0.0.1</Id><Port>8080</Port></Target><TargetHealth><State>healthy</State></TargetHealth></member></TargetHealthDescriptions></DescribeTargetHealthResult><ResponseMetadata><RequestId>2</RequestId></ResponseMetadata></DescribeTargetHealthResponse>";
        let services = r#"{"services": [{"serviceArn": "arn:aws:ecs:us-east-1:123456789012:service/c/chatbot",
            "serviceName": "chatbot", "status": "ACTIVE", "desiredCount": 1, "createdAt": 1767603600.123,
            "deployments": [{"id": "ecs-svc/1", "status": "PRIMARY", "desiredCount": 1, "runningCount": 1,
            "taskDefinition": "arn:aws:ecs:us-east-1:123456789012:task-definition/chatbot:1",
            "rolloutState": "COMPLETED"}]}], "failures": []}"#;
        let definition = r#"{"taskDefinition": {"taskDefinitionArn": "arn:of:it", "revision": 1,
            "status": "ACTIVE", "family": "chatbot", "containerDefinitions": [{"name": "app",
            "image": "old", "environment": [{"name": "A", "value": "b"}]}]}, "tags": []}"#;
        let source = r#"{"arn": "arn:source", "requestedTaskCount": 1, "runningTaskCount": 1,
            "requestedProductionTrafficWeight": 90.0}"#;
        let target = r#"{"arn": "arn:target", "requestedTaskCount": 1, "runningTaskCount": 1,
            "requestedTestTrafficWeight": 100.0, "requestedProductionTrafficWeight": 10.0}"#;
        let configuration = r#"{"strategy": "LINEAR", "bakeTimeInMinutes": 5,
            "linearConfiguration": {"stepPercent": 10.0, "stepBakeTimeInMinutes": 6},
            "alarms": {"alarmNames": ["a"], "enable": true, "rollback": true},
            "lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
            "timeoutConfiguration": {"timeoutInMinutes": 60, "action": "ROLLBACK"}}]}"#;
        let deployment = format!(
            r#"{{"serviceDeployments": [{{"serviceDeploymentArn": "{DEPLOYMENT}", "createdAt": 1767603600.5,
            "updatedAt": 1767603700.5, "status": "IN_PROGRESS", "lifecycleStage": "PRODUCTION_TRAFFIC_SHIFT",
            "sourceServiceRevisions": [{source}], "targetServiceRevision": {target},
            "lifecycleHookDetails": [{{"hookId": "h", "targetType": "PAUSE", "status": "AWAITING_ACTION",
            "expiresAt": 1767607200.5, "timeoutAction": "ROLLBACK"}}],
            "deploymentConfiguration": {configuration}}}], "failures": []}}"#
        );
        let deployments = format!(
            r#"{{"serviceDeployments": [{{"serviceDeploymentArn": "{DEPLOYMENT}", "createdAt": 1767603600.5,
            "status": "IN_PROGRESS"}}, {{"serviceDeploymentArn": "arn:newer", "createdAt": 1767603900.5,
            "status": "PENDING"}}]}}"#
        );
        let revisions = format!(
            r#"{{"serviceRevisions": [{{"serviceRevisionArn": "arn:source", "resolvedConfiguration":
            {{"loadBalancers": [{{"targetGroupArn": "{BLUE}", "productionListenerRule": "{RULE}"}}]}}}},
            {{"serviceRevisionArn": "arn:target", "resolvedConfiguration":
            {{"loadBalancers": [{{"targetGroupArn": "{GREEN}", "productionListenerRule": "{RULE}"}}]}}}}]}}"#
        );
        Self {
            deployment: deployment.into_bytes(),
            deployments: deployments.into_bytes(),
            revisions: revisions.into_bytes(),
            rules: rules.into_bytes(),
            health: health.into(),
            metrics: metrics(),
            services: services.into(),
            definition: definition.into(),
        }
    }

    fn of(&self, operation: &str) -> Option<&[u8]> {
        Some(match operation {
            "DescribeRules" => &self.rules,
            "DescribeTargetHealth" => &self.health,
            "GetMetricData" => &self.metrics,
            "DescribeServices" => &self.services,
            "DescribeTaskDefinition" => &self.definition,
            "DescribeServiceDeployments" => &self.deployment,
            "ListServiceDeployments" => &self.deployments,
            "DescribeServiceRevisions" => &self.revisions,
            _ => return None,
        })
    }
}

/// 600 requests on blue and 60 on green in the minute, as CloudWatch writes them: CBOR.
fn metrics() -> Vec<u8> {
    let mut results = Vec::new();
    for (side, requests) in [("blue", 600.0), ("green", 60.0)] {
        for (id, value) in [
            ("requests", requests),
            ("codes_2xx", requests - 1.0),
            ("codes_3xx", 0.0),
            ("codes_4xx", 0.0),
            ("codes_5xx", 1.0),
            ("connection_errors", 0.0),
            ("unhealthy_routing", 0.0),
            ("latency_sum", requests / 10.0),
            ("latency_samples", requests),
        ] {
            results.push((format!("{side}_{id}"), value));
        }
    }
    let mut cbor = Cbor(Vec::new());
    cbor.head(5, 1);
    cbor.text("MetricDataResults");
    cbor.head(4, results.len() as u64);
    for (id, value) in results {
        cbor.head(5, 4);
        cbor.text("Id");
        cbor.text(&id);
        cbor.text("StatusCode");
        cbor.text("Complete");
        cbor.text("Timestamps");
        cbor.head(4, 1);
        cbor.head(6, 1);
        cbor.head(0, MINUTE.cast_unsigned());
        cbor.text("Values");
        cbor.head(4, 1);
        cbor.double(value);
    }
    cbor.0
}

/// The part of CBOR that CloudWatch's answers need.
struct Cbor(Vec<u8>);

impl Cbor {
    fn head(&mut self, major: u8, value: u64) {
        self.0.push(major << 5 | 27);
        self.0.extend(value.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.head(3, text.len() as u64);
        self.0.extend(text.bytes());
    }

    fn double(&mut self, value: f64) {
        self.0.push(0xfb);
        self.0.extend(value.to_be_bytes());
    }
}

/// A connection that answers with the bodies.
#[derive(Debug, Clone)]
pub(crate) struct Answers(Arc<Mutex<Bodies>>);

impl Answers {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Bodies::valid())))
    }

    /// Sets the bodies from now on.
    pub(crate) fn set(&self, bodies: Bodies) {
        *self.0.lock().expect("no panic") = bodies;
    }

    pub(crate) fn aws(&self) -> Aws {
        over::aws_over(self.clone())
    }
}

impl HttpConnector for Answers {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let form = String::from_utf8_lossy(request.body().bytes().unwrap_or_default());
        let query = form
            .split('&')
            .find_map(|field| field.strip_prefix("Action="));
        let target = request.headers().get("x-amz-target");
        let target = target.and_then(|target| target.rsplit('.').next());
        let path = request.uri().rsplit('/').next();
        let operation = query.or(target).or(path).unwrap_or_default();
        let bodies = self.0.lock().expect("no panic");
        let body = bodies.of(operation).unwrap_or_default().to_vec();
        let status = StatusCode::try_from(200).expect("a status");
        let mut response = HttpResponse::new(status, SdkBody::from(body));
        if request.headers().get("smithy-protocol").is_some() {
            let headers = response.headers_mut();
            headers.insert("smithy-protocol", "rpc-v2-cbor");
            headers.insert("content-type", "application/cbor");
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for Answers {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
