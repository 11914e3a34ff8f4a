//! A load balancer and a service as bytes: the answers of AWS, operation by operation, for the verbs that make
//! green's place and retire blue. A change changes the answers after it.
//!
//! The shapes are those of AWS's API references:
//! [ELB](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/),
//! [ECS](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/).

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

pub(crate) const RULE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";
pub(crate) const ROUTE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2/1111b2d02a6c1111";
pub(crate) const BLUE: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/flask/73e2d6bc24d8a067";
pub(crate) const GREEN: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/fastapi/6d0ecf831eec9f09";
const LISTENER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2";
const BALANCER: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/chatbot/50dc6c495c0c9188";
const OTHER: &str = "arn:aws:ecs:us-east-1:123456789012:service/c/worker";
pub(crate) const SERVICE: &str = "arn:aws:ecs:us-east-1:123456789012:service/c/flask";

/// A request: its operation, and the fields of its form, or its body.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) operation: String,
    pub(crate) form: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let text = String::from_utf8_lossy(&body).into_owned();
        let fields = text.split('&').filter_map(|field| field.split_once('='));
        let form: BTreeMap<String, String> = fields
            .map(|(name, value)| (plain(name), plain(value)))
            .collect();
        let target = request.headers().get("x-amz-target");
        let target = target.and_then(|target| target.rsplit('.').next());
        let path = request.uri().split('?').next().unwrap_or_default();
        let operation = match (form.get("Action"), target) {
            (Some(action), _) => action.clone(),
            (None, Some(target)) => target.to_owned(),
            (None, None) if path.contains("/schedules/") => "GetSchedule".to_owned(),
            (None, None) => path.rsplit('/').next().unwrap_or_default().to_owned(),
        };
        Self {
            operation,
            form,
            body,
        }
    }

    fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }
}

/// A value of a form, without its escapes.
fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The world behind the answers.
#[derive(Debug)]
struct World {
    /// The groups of the rule, and their weights.
    groups: Vec<(String, String)>,
    /// The group of the test route, if there is such a rule.
    route: Option<String>,
    /// Which target groups exist.
    there: Vec<String>,
    tags: BTreeMap<String, BTreeMap<String, String>>,
    /// How many tasks blue's service wants; `None` once it is deleted.
    tasks: Option<u64>,
    /// The minimum of its scaling.
    minimum: u64,
    /// The first minute of the metrics, in seconds, and their number.
    minutes: (u64, u64),
}

/// A world that several connections share.
#[derive(Debug, Clone)]
pub(crate) struct Fleet(Arc<Mutex<World>>);

impl Fleet {
    /// Green serves everything, a test route leads to green, and blue's service runs two tasks. In each of these
    /// minutes green had 60 requests and blue none.
    pub(crate) fn retiring(first: u64, minutes: u64) -> Self {
        let made = [("bluegreen:made-for".to_owned(), RULE.to_owned())];
        Self(Arc::new(Mutex::new(World {
            groups: vec![
                (BLUE.to_owned(), "0".to_owned()),
                (GREEN.to_owned(), "100".to_owned()),
            ],
            route: Some(GREEN.to_owned()),
            there: vec![BLUE.to_owned(), GREEN.to_owned()],
            tags: BTreeMap::from([(ROUTE.to_owned(), made.into())]),
            tasks: Some(2),
            minimum: 2,
            minutes: (first, minutes),
        })))
    }

    /// Blue is alone in the rule, and green's group may exist.
    pub(crate) fn preparing(has_group: bool) -> Self {
        let mut there = vec![BLUE.to_owned()];
        there.extend(has_group.then(|| GREEN.to_owned()));
        Self(Arc::new(Mutex::new(World {
            groups: vec![(BLUE.to_owned(), "1".to_owned())],
            route: None,
            there,
            tags: BTreeMap::new(),
            tasks: Some(2),
            minimum: 2,
            minutes: (0, 0),
        })))
    }

    /// Answers: a status and a body.
    pub(crate) fn answer(&self, asked: &Asked) -> (u16, Vec<u8>) {
        let mut world = self.0.lock().expect("no panic");
        let operation = asked.operation.as_str();
        if operation == "GetMetricData" {
            return (200, world.metrics());
        }
        if operation == "GetSchedule" {
            let missing = br#"{"Message": "Schedule does not exist."}"#;
            return (404, missing.to_vec());
        }
        if let Some(body) = world.service(asked) {
            return (200, body.into());
        }
        match world.balancer(asked) {
            Ok(result) => {
                let text = format!(
                    "<{operation}Response xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\">\
                     <{operation}Result>{result}</{operation}Result>\
                     <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{operation}Response>"
                );
                (200, text.into())
            }
            Err(code) => {
                let text = format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error>\
                     <RequestId>1</RequestId></ErrorResponse>"
                );
                (400, text.into())
            }
        }
    }
}

impl World {
    /// The answer of ECS or of Application Auto Scaling.
    fn service(&mut self, asked: &Asked) -> Option<String> {
        let text = String::from_utf8_lossy(&asked.body);
        Some(match asked.operation.as_str() {
            "ListServices" => format!(r#"{{"serviceArns": ["{SERVICE}", "{OTHER}"]}}"#),
            "DescribeServices" if text.contains(OTHER) => {
                r#"{"services": [{"serviceName": "worker", "status": "ACTIVE", "loadBalancers": []}],
                    "failures": []}"#
                    .to_owned()
            }
            "DescribeServices" => format!(r#"{{"services": [{}], "failures": []}}"#, self.described()),
            "UpdateService" => {
                self.tasks = Some(0);
                format!(r#"{{"service": {}}}"#, self.described())
            }
            "DeleteService" => {
                let described = self.described().replace("ACTIVE", "DRAINING");
                self.tasks = None;
                format!(r#"{{"service": {described}}}"#)
            }
            "TagResource" => {
                let tags = self.tags.entry(SERVICE.to_owned()).or_default();
                tags.insert("bluegreen:retired".to_owned(), "2".to_owned());
                "{}".to_owned()
            }
            "DescribeScalableTargets" => format!(
                r#"{{"ScalableTargets": [{{"ServiceNamespace": "ecs", "ResourceId": "service/c/flask",
                "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": {}, "MaxCapacity": 8,
                "RoleARN": "arn:aws:iam::123456789012:role/scaling", "CreationTime": 1767603600.123}}]}}"#,
                self.minimum
            ),
            "RegisterScalableTarget" => {
                let asked: serde_json::Value = serde_json::from_slice(&asked.body).ok()?;
                self.minimum = asked["MinCapacity"].as_u64()?;
                r#"{"ScalableTargetARN": "arn:of:it"}"#.to_owned()
            }
            _ => return None,
        })
    }

    fn described(&self) -> String {
        let (status, tasks) = match self.tasks {
            Some(tasks) => ("ACTIVE", tasks),
            None => ("INACTIVE", 0),
        };
        let tags = self.tags.get(SERVICE).into_iter().flatten();
        let tags: Vec<String> = tags
            .map(|(key, value)| format!(r#"{{"key": "{key}", "value": "{value}"}}"#))
            .collect();
        format!(
            r#"{{"serviceArn": "{SERVICE}", "serviceName": "flask", "status": "{status}",
            "desiredCount": {tasks}, "runningCount": {tasks}, "pendingCount": 0, "createdAt": 1767603600.123,
            "schedulingStrategy": "REPLICA", "loadBalancers": [{{"targetGroupArn": "{BLUE}",
            "containerName": "web", "containerPort": 8080}}], "tags": [{}],
            "deployments": [{{"id": "ecs-svc/1", "status": "PRIMARY", "desiredCount": {tasks},
            "runningCount": {tasks}, "rolloutState": "COMPLETED",
            "taskDefinition": "arn:aws:ecs:us-east-1:123456789012:task-definition/flask:1"}}]}}"#,
            tags.join(", ")
        )
    }

    /// The answer of Elastic Load Balancing, or the code of an error.
    fn balancer(&mut self, asked: &Asked) -> Result<String, &'static str> {
        let group = || asked.field("TargetGroupArn").to_owned();
        Ok(match asked.operation.as_str() {
            "DescribeListeners" => format!(
                "<Listeners><member><ListenerArn>{LISTENER}</ListenerArn><LoadBalancerArn>{BALANCER}\
                 </LoadBalancerArn><Port>80</Port><Protocol>HTTP</Protocol></member></Listeners>"
            ),
            "DescribeRules" => self.rules(),
            "DescribeTargetGroups" => {
                let wanted = match asked.field("Names.member.1") {
                    "" => asked.field("TargetGroupArns.member.1"),
                    _ => GREEN,
                };
                let is_there = self.there.iter().any(|one| one == wanted);
                let found = is_there.then(|| self.group(wanted));
                found.ok_or("TargetGroupNotFound")?
            }
            "CreateTargetGroup" => {
                self.there.push(GREEN.to_owned());
                self.tag(GREEN, asked);
                self.group(GREEN)
            }
            "DeleteTargetGroup" => {
                self.there.retain(|one| *one != group());
                String::new()
            }
            "DescribeTargetGroupAttributes" => {
                let delay = if group() == BLUE { "120" } else { "300" };
                let delay = self.tags.get("delay").map_or(delay, |_| "120");
                format!(
                    "<Attributes><member><Key>deregistration_delay.timeout_seconds</Key><Value>{delay}</Value>\
                     </member></Attributes>"
                )
            }
            "ModifyTargetGroupAttributes" => {
                self.tags.insert("delay".to_owned(), BTreeMap::new());
                "<Attributes/>".to_owned()
            }
            "DescribeTargetHealth" => self.health(&group()),
            "DescribeTags" => self.tags_of(asked),
            "AddTags" => {
                let of = asked.field("ResourceArns.member.1").to_owned();
                self.tag(&of, asked);
                String::new()
            }
            "RemoveTags" => {
                self.tags.remove(asked.field("ResourceArns.member.1"));
                String::new()
            }
            "ModifyRule" => {
                self.groups = (1..=5)
                    .filter_map(|number| {
                        let of =
                            format!("Actions.member.1.ForwardConfig.TargetGroups.member.{number}.");
                        let arn = asked.form.get(&format!("{of}TargetGroupArn"))?;
                        let weight = asked.field(&format!("{of}Weight"));
                        Some((arn.clone(), weight.to_owned()))
                    })
                    .collect();
                self.rules()
            }
            "CreateRule" => {
                self.route = Some(GREEN.to_owned());
                self.tag(ROUTE, asked);
                self.rules()
            }
            "DeleteRule" => {
                self.route = None;
                String::new()
            }
            other => panic!("no test asks for {other}"),
        })
    }

    /// Keeps the tags of a request.
    fn tag(&mut self, of: &str, asked: &Asked) {
        let tags = self.tags.entry(of.to_owned()).or_default();
        for number in 1..=9 {
            let part = |part: &str| asked.form.get(&format!("Tags.member.{number}.{part}"));
            if let (Some(key), Some(value)) = (part("Key"), part("Value")) {
                tags.insert(key.clone(), value.clone());
            }
        }
    }

    fn tags_of(&self, asked: &Asked) -> String {
        let mut text = "<TagDescriptions>".to_owned();
        for (field, arn) in &asked.form {
            if !field.starts_with("ResourceArns.") {
                continue;
            }
            let _ = write!(text, "<member><ResourceArn>{arn}</ResourceArn><Tags>");
            for (key, value) in self.tags.get(arn).into_iter().flatten() {
                let _ = write!(
                    text,
                    "<member><Key>{key}</Key><Value>{value}</Value></member>"
                );
            }
            text.push_str("</Tags></member>");
        }
        text + "</TagDescriptions>"
    }

    fn group(&self, arn: &str) -> String {
        let name = if arn == BLUE { "flask" } else { "fastapi" };
        let is_attached = self.groups.iter().any(|(of, _)| of == arn);
        let balancer = match is_attached {
            true => format!("<member>{BALANCER}</member>"),
            false => String::new(),
        };
        format!(
            "<TargetGroups><member><TargetGroupArn>{arn}</TargetGroupArn><TargetGroupName>{name}</TargetGroupName>\
             <Protocol>HTTP</Protocol><ProtocolVersion>HTTP1</ProtocolVersion><Port>8080</Port><VpcId>vpc-1</VpcId>\
             <TargetType>ip</TargetType><IpAddressType>ipv4</IpAddressType>\
             <HealthCheckEnabled>true</HealthCheckEnabled><HealthCheckProtocol>HTTP</HealthCheckProtocol>\
             <HealthCheckPort>traffic-port</HealthCheckPort><HealthCheckPath>/health</HealthCheckPath>\
             <HealthCheckIntervalSeconds>30</HealthCheckIntervalSeconds>\
             <HealthCheckTimeoutSeconds>5</HealthCheckTimeoutSeconds>\
             <HealthyThresholdCount>5</HealthyThresholdCount><UnhealthyThresholdCount>2</UnhealthyThresholdCount>\
             <Matcher><HttpCode>200</HttpCode></Matcher>\
             <LoadBalancerArns>{balancer}</LoadBalancerArns></member></TargetGroups>"
        )
    }

    fn rules(&self) -> String {
        let forward = |groups: &[(String, String)]| {
            let mut listed = String::new();
            for (arn, weight) in groups {
                let _ = write!(
                    listed,
                    "<member><TargetGroupArn>{arn}</TargetGroupArn><Weight>{weight}</Weight></member>"
                );
            }
            format!(
                "<Actions><member><Type>forward</Type><ForwardConfig><TargetGroups>{listed}</TargetGroups>\
                 <TargetGroupStickinessConfig><Enabled>false</Enabled></TargetGroupStickinessConfig>\
                 </ForwardConfig></member></Actions>"
            )
        };
        let path = "<member><Field>path-pattern</Field><PathPatternConfig><Values><member>/chat/*</member></Values>\
            </PathPatternConfig></member>";
        let header = "<member><Field>http-header</Field><HttpHeaderConfig>\
            <HttpHeaderName>X-Bluegreen-Test</HttpHeaderName><Values><member>green</member></Values>\
            </HttpHeaderConfig></member>";
        let rule = |arn: &str, priority: u32, more: &str, groups: &[(String, String)]| {
            format!(
                "<member><RuleArn>{arn}</RuleArn><Priority>{priority}</Priority><IsDefault>false</IsDefault>\
                 <Conditions>{path}{more}</Conditions>{}</member>",
                forward(groups)
            )
        };
        let route = self.route.as_ref().map(|group| {
            let only = [(group.clone(), "1".to_owned())];
            rule(ROUTE, 9, header, &only)
        });
        let main = rule(RULE, 10, "", &self.groups);
        format!("<Rules>{}{main}</Rules>", route.unwrap_or_default())
    }

    /// Blue has targets while its tasks run, green always.
    fn health(&self, group: &str) -> String {
        let is_empty = group == BLUE && self.tasks.unwrap_or_default() == 0;
        let is_new = group == GREEN && self.minutes.1 == 0;
        let target = match is_empty || is_new {
            true => "",
            false => {
                "<member><Target><Id>10.0.0.1</Id><Port>8080</Port></Target><TargetHealth><State>healthy</State>\
                 </TargetHealth></member>"
            }
        };
        format!("<TargetHealthDescriptions>{target}</TargetHealthDescriptions>")
    }

    /// The metrics, as CloudWatch writes them: CBOR.
    fn metrics(&self) -> Vec<u8> {
        let mut cbor = Cbor(Vec::new());
        cbor.head(5, 1);
        cbor.text("MetricDataResults");
        let of_side = [
            ("requests", 60.0),
            ("codes_2xx", 60.0),
            ("codes_3xx", 0.0),
            ("codes_4xx", 0.0),
            ("codes_5xx", 0.0),
            ("connection_errors", 0.0),
            ("unhealthy_routing", 0.0),
            ("latency_sum", 6.0),
            ("latency_samples", 60.0),
        ];
        cbor.head(4, 2 * of_side.len() as u64);
        let (first, number) = self.minutes;
        for (side, share) in [("blue", 0.0), ("green", 1.0)] {
            for (metric, value) in of_side {
                cbor.head(5, 4);
                cbor.text("Id");
                cbor.text(&format!("{side}_{metric}"));
                cbor.text("StatusCode");
                cbor.text("Complete");
                cbor.text("Timestamps");
                cbor.head(4, number);
                for minute in 0..number {
                    cbor.head(6, 1);
                    cbor.head(0, first + 60 * minute);
                }
                cbor.text("Values");
                cbor.head(4, number);
                for _ in 0..number {
                    cbor.double(value * share);
                }
            }
        }
        cbor.0
    }
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
