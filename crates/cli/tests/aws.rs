//! The command on the real AWS: the SDK, HTTP and the shared configuration are real, but AWS is a
//! server of this test on loopback, or is absent.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use crate::common::{bluegreen, ended};

const RULE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";
const BLUE: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/flask/73e2d6bc24d8a067";
const MISTYPED: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/flask/73e2d6bc24d8a066";
const GREEN: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/fastapi/6d0ecf831eec9f09";

/// The environment of a command: variables, and the text of the shared configuration.
struct Surroundings<'a> {
    variables: &'a [(&'a str, &'a str)],
    profile: &'a str,
}

impl Surroundings<'_> {
    /// Runs a verb on the rule, and returns its exit code and its output.
    fn verb(&self, verb: &[&str], blue: &str) -> (Option<i32>, String) {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config");
        fs::write(&config, self.profile).unwrap();
        let mut command = bluegreen(verb);
        command.args(["--rule-arn", RULE, "--green-target-group", GREEN]);
        command.args(["--blue-target-group", blue]);
        command.env("HOME", folder.path());
        command.env("AWS_CONFIG_FILE", &config);
        command.envs(self.variables.iter().copied());
        let run = ended(&mut command);
        (run.code, run.said())
    }
}

/// The lines that begin with a word, without the word.
fn lines<'a>(said: &'a str, word: &str) -> Vec<&'a str> {
    let lines = said.lines().map(str::trim);
    lines.filter_map(|line| line.strip_prefix(word)).collect()
}

/// Asserts that one line says what happened, and one line what to do.
#[track_caller]
fn assert_told(said: &str, cause: &str, hint: &str) {
    let (causes, hints) = (lines(said, "error: "), lines(said, "hint: "));
    assert_eq!((causes.len(), hints.len()), (1, 1), "{said}");
    assert!(causes[0].contains(cause), "{said}");
    assert!(hints[0].contains(hint), "{said}");
}

/// A port on which nothing listens.
fn closed() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Serves the same answer to each request, and keeps the requests. Ends with the process.
fn server(status: &'static str, body: &'static [u8], kind: &'static str) -> (String, Requests) {
    answering(status, kind, |_| body.to_vec())
}

/// Serves an answer that depends on the request's body, and keeps the requests. Ends with the process.
fn answering(
    status: &'static str,
    kind: &'static str,
    answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static,
) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Requests::default();
    let kept = Arc::clone(&requests);
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            if let Some((head, body)) = read(&connection) {
                let request = head + &String::from_utf8_lossy(&body);
                kept.lock().unwrap().push(request);
                let body = answer(&body);
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nsmithy-protocol: rpc-v2-cbor\r\n\
                     Content-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let mut connection = &connection;
                let _ = connection.write_all(&[head.as_bytes(), &body].concat());
            }
        }
    });
    (url, requests)
}

type Requests = Arc<Mutex<Vec<String>>>;

fn read(connection: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(connection);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or_default()];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

const KEYS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "testing"),
    ("AWS_SECRET_ACCESS_KEY", "testing"),
    ("AWS_REGION", "us-east-1"),
];

fn with_keys<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&KEYS[..], more].concat()
}

fn status(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let profile = "";
    Surroundings { variables, profile }.verb(&["status"], BLUE)
}

#[test]
fn without_credentials_the_cause_and_the_way_to_them_are_named() {
    let endpoint = format!("http://127.0.0.1:{}", closed());
    let (code, said) = status(&[("AWS_REGION", "us-east-1"), ("AWS_ENDPOINT_URL", &endpoint)]);
    assert_eq!(code, Some(3), "{said}");
    assert_told(&said, "no credentials", "there are no credentials: log in");
    assert!(!said.contains("EcsContainer"), "{said}");
}

/// The session is in no cache, so there are no credentials. Without a feature of `aws-config` the SDK could
/// not even look for the session.
#[test]
fn a_profile_of_aws_login_is_read() {
    let endpoint = format!("http://127.0.0.1:{}", closed());
    let surroundings = Surroundings {
        variables: &[("AWS_PROFILE", "p"), ("AWS_ENDPOINT_URL", &endpoint)],
        profile: "[profile p]\nregion = us-east-1\n\
                  login_session = arn:aws:iam::123456789012:user/of-a-test\n",
    };
    let (code, said) = surroundings.verb(&["status"], BLUE);
    assert_eq!(code, Some(3), "{said}");
    assert_told(&said, "login/cache", "log in");
}

#[test]
fn p12_a_closed_endpoint_is_named_without_user_and_password() {
    let port = closed();
    let endpoint = format!("http://me:hunter2@127.0.0.1:{port}");
    let variables = [
        ("AWS_ENDPOINT_URL", &*endpoint),
        ("AWS_RETRY_MODE", "adaptive"),
    ];
    let (code, said) = status(&with_keys(&variables));
    assert_eq!(code, Some(3), "{said}");
    assert!(!said.contains("hunter2") && !said.contains("me:"), "{said}");
    let named = format!("asked at http://127.0.0.1:{port}, which is not an endpoint of AWS");
    assert!(lines(&said, "note: ")[0].contains(&named), "{said}");
    assert_told(&said, "refused", "AWS_ENDPOINT_URL");
}

#[test]
fn a_rule_is_asked_about_in_its_own_region() {
    let (url, requests) = server("500 Oops", b"", "text/xml");
    let variables = [("AWS_ENDPOINT_URL", &*url), ("AWS_REGION", "eu-west-1")];
    let (code, said) = status(&with_keys(&variables));
    assert_eq!(code, Some(3), "{said}");
    let asked = requests.lock().unwrap().concat();
    assert!(
        asked.contains("/us-east-1/elasticloadbalancing/"),
        "{asked}"
    );
    assert!(!asked.contains("eu-west-1"), "{asked}");
}

#[test]
fn a_rule_that_aws_does_not_find_is_told_with_the_region_to_check() {
    let body = b"<ErrorResponse><Error><Type>Sender</Type><Code>RuleNotFound</Code>\
        <Message>One or more rules not found</Message></Error><RequestId>1</RequestId></ErrorResponse>";
    let (url, _) = server("400 Bad Request", body, "text/xml");
    let (code, said) = status(&with_keys(&[("AWS_ENDPOINT_URL", &*url)]));
    assert_eq!(code, Some(3), "{said}");
    assert_told(&said, "RuleNotFound", "region");
}

#[test]
fn p12_what_aws_says_is_shown_and_no_terminal_acts_on_it() {
    let body = "<ErrorResponse><Error><Type>Sender</Type><Code>RuleNotFound</Code>\
        <Message>no&#x1b;[2J&#x1b;[31mrule\u{9b}2J\u{202e}</Message></Error></ErrorResponse>";
    let (url, _) = server("400 Bad Request", body.as_bytes(), "text/xml");
    let (code, said) = status(&with_keys(&[("AWS_ENDPOINT_URL", &*url)]));
    assert_eq!(code, Some(3), "{said}");
    let shown = r"no\u{1b}[2J\u{1b}[31mrule\u{9b}2J\u{202e}";
    assert!(said.contains(shown), "{said}");
    assert!(!said.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{said}");
}

#[test]
fn p12_an_endpoint_that_is_no_url_is_told_by_rule_and_journal_without_its_text() {
    let variables = with_keys(&[("AWS_ENDPOINT_URL", "me:hunter2@127.0.0.1:1")]);
    let surroundings = Surroundings {
        variables: &variables,
        profile: "",
    };
    for verb in [&["status"][..], &["resume", "--journal", "s3://bucket/p"]] {
        let (code, said) = surroundings.verb(verb, BLUE);
        assert!(matches!(code, Some(2 | 3)), "{verb:?}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
        assert!(
            lines(&said, "note: ")[0].contains("not asked at all"),
            "{said}"
        );
        assert_eq!(lines(&said, "error: ").len(), 1, "{said}");
    }
}

#[test]
fn a_plan_that_outlasts_its_credentials_is_refused_before_anything_is_called() {
    let (url, requests) = server("500 Oops", b"", "text/xml");
    let ends = "2026-01-01T01:00:00+01:00";
    let variables = [
        ("AWS_ENDPOINT_URL", &*url),
        ("AWS_SESSION_TOKEN", "session"),
        ("AWS_CREDENTIAL_EXPIRATION", ends),
    ];
    let plan = |variables: &[(&str, &str)]| {
        let profile = "";
        Surroundings { variables, profile }.verb(&["plan"], BLUE)
    };
    let (code, said) = plan(&with_keys(&variables));
    assert_eq!(code, Some(3), "{said}");
    assert_told(&said, "end at 2026-01-01T00:00:00Z", "last longer than 2h");
    assert!(requests.lock().unwrap().is_empty());

    // Without the variable the end is not known.
    let (_, said) = plan(&with_keys(&variables[..2]));
    assert!(!said.contains("cannot be renewed"), "{said}");
    let notes = lines(&said, "note: ");
    assert!(
        notes
            .iter()
            .any(|note| note.contains("their end is not known")),
        "{said}"
    );
}

/// The whole answer of DescribeRules: blue serves, green waits.
const RULES: &[u8] = br#"<DescribeRulesResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><DescribeRulesResult><Rules><member>
  <RuleArn>arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee</RuleArn>
  <Priority>100</Priority><IsDefault>false</IsDefault>
  <Actions><member><Type>forward</Type><ForwardConfig><TargetGroups>
    <member><TargetGroupArn>arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/flask/73e2d6bc24d8a067</TargetGroupArn><Weight>100</Weight></member>
    <member><TargetGroupArn>arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/fastapi/6d0ecf831eec9f09</TargetGroupArn><Weight>0</Weight></member>
  </TargetGroups></ForwardConfig></member></Actions>
</member></Rules></DescribeRulesResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeRulesResponse>"#;

#[test]
fn a_mistyped_digit_of_blue_asks_for_the_group_that_serves_and_takes_nothing_from_it() {
    let (url, _) = server("200 OK", RULES, "text/xml");
    let variables = with_keys(&[("AWS_ENDPOINT_URL", &*url)]);
    let (variables, profile) = (&*variables, "");
    let (code, said) = Surroundings { variables, profile }.verb(&["status"], MISTYPED);
    assert_eq!(code, Some(3), "{said}");
    let hint = format!("did you mean {BLUE}?");
    assert_told(&said, "does not forward to blue's target group", &hint);
    assert!(
        !said.contains("weight 0,") && !said.contains("give"),
        "{said}"
    );
}

/// The journal and the rule are read at the endpoints of the profile, each at its own.
#[test]
fn a_services_section_holds_for_the_journal_and_for_both_spellings_of_the_balancer() {
    for key in ["elastic_load_balancing_v2", "elastic-load-balancing-v2"] {
        let (balancer, of_rule) = server("200 OK", RULES, "text/xml");
        let (store, of_journal) = server(
            "403 Forbidden",
            b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>",
            "application/xml",
        );
        let profile = format!(
            "[profile p]\nservices = local\nendpoint_url = http://127.0.0.1:{}\n\
             [services local]\n{key} =\n  endpoint_url = {balancer}\ns3 =\n  endpoint_url = {store}\n",
            closed()
        );
        let variables = with_keys(&[("AWS_PROFILE", "p")]);
        let surroundings = Surroundings {
            variables: &variables,
            profile: &profile,
        };
        let (_, said) = surroundings.verb(&["status"], BLUE);
        let said_of = |url: &str| lines(&said, "note: ").iter().any(|note| note.contains(url));
        assert!(said_of(&balancer) && said_of(&store), "{said}");
        let asked = of_rule.lock().unwrap().concat();
        assert!(asked.contains("Action=DescribeRules"), "{key}: {said}");

        let verb = ["resume", "--journal", "s3://bucket/p"];
        let (_, said) = surroundings.verb(&verb, BLUE);
        let asked = of_journal.lock().unwrap().concat();
        assert!(asked.contains(" /bucket"), "{key}: {said}");
    }
}

/// A short text or the head of a list in CBOR: kind and length in one byte or two.
fn cbor(kind: u8, length: usize) -> Vec<u8> {
    match u8::try_from(length).unwrap() {
        length @ ..24 => vec![kind | length],
        length => vec![kind | 24, length],
    }
}

fn cbor_text(text: &[u8]) -> Vec<u8> {
    [cbor(0x60, text.len()), text.to_vec()].concat()
}

/// The rule has everything on blue, both sides have healthy targets, and no metric has data.
fn no_requests(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let group = |arn: &str, weight: u32| {
        format!("<member><TargetGroupArn>{arn}</TargetGroupArn><Weight>{weight}</Weight></member>")
    };
    let (operation, result) = if text.contains("Action=DescribeRules") {
        let groups = group(BLUE, 100) + &group(GREEN, 0);
        let action = format!(
            "<Type>forward</Type><ForwardConfig><TargetGroups>{groups}</TargetGroups></ForwardConfig>"
        );
        let rule = format!("<RuleArn>{RULE}</RuleArn><Actions><member>{action}</member></Actions>");
        (
            "DescribeRules",
            format!("<Rules><member>{rule}</member></Rules>"),
        )
    } else if text.contains("Action=DescribeTargetHealth") {
        let target = "<Target><Id>10.0.0.1</Id><Port>8000</Port></Target>\
            <TargetHealth><State>healthy</State></TargetHealth>";
        let targets = format!("<member>{target}</member>");
        (
            "DescribeTargetHealth",
            format!("<TargetHealthDescriptions>{targets}</TargetHealthDescriptions>"),
        )
    } else {
        return no_data(request);
    };
    let answer = format!("<{operation}Result>{result}</{operation}Result>");
    format!("<{operation}Response>{answer}</{operation}Response>").into_bytes()
}

/// The answer of GetMetricData, in CBOR: each query is complete and has no data point.
fn no_data(request: &[u8]) -> Vec<u8> {
    let key = cbor_text(b"Id");
    let places = request.windows(key.len()).enumerate();
    let ids: Vec<&[u8]> = places
        .filter(|(_, bytes)| *bytes == key)
        .map(|(index, _)| {
            let text = &request[index + key.len()..];
            match usize::from(text[0] - 0x60) {
                24 => &text[2..2 + usize::from(text[1])],
                length => &text[1..1 + length],
            }
        })
        .collect();
    let mut answer = vec![0xa1];
    answer.extend(cbor_text(b"MetricDataResults"));
    answer.extend(cbor(0x80, ids.len()));
    for id in ids {
        answer.push(0xa4);
        for (key, value) in [
            (&b"Id"[..], cbor_text(id)),
            (b"StatusCode", cbor_text(b"Complete")),
            (b"Timestamps", cbor(0x80, 0)),
            (b"Values", cbor(0x80, 0)),
        ] {
            answer.extend(cbor_text(key));
            answer.extend(value);
        }
    }
    answer
}

#[test]
fn without_traffic_in_the_last_hour_nothing_is_foreseen_and_a_way_on_is_named() {
    let (url, requests) = answering("200 OK", "application/cbor", no_requests);
    let variables = with_keys(&[("AWS_ENDPOINT_URL", &*url)]);
    let (variables, profile) = (&*variables, "");
    let (code, said) = Surroundings { variables, profile }.verb(&["plan"], BLUE);
    assert_eq!(code, Some(3), "{said}");
    assert_told(
        &said,
        "no request in the last hour",
        "check that blue's target group",
    );
    assert!(!requests.lock().unwrap().is_empty());
}

/// The file names the region, and the environment cannot change it.
#[test]
fn a_file_names_its_region() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bluegreen.toml");
    let text = format!(
        "name = \"chatbot\"\n[traffic]\nrules = [\"{RULE}\"]\n\
         [side.flask]\ntarget_group = \"flask\"\n[side.fastapi]\ntarget_group = \"fastapi\"\n"
    );
    fs::write(&file, text).unwrap();
    for region in [None, Some("eu-west-1")] {
        let mut command = bluegreen(&["status", "--file"]);
        command.arg(&file);
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
        command.env("AWS_ACCESS_KEY_ID", "testing");
        command.env("AWS_SECRET_ACCESS_KEY", "testing");
        command.envs(region.map(|region| ("AWS_REGION", region)));
        let run = ended(&mut command);
        let said = run.err;
        assert_eq!(run.code, Some(3), "{said}");
        assert!(!said.contains("no region is"), "{said}");
        assert!(said.contains("127.0.0.1:9"), "{said}");
    }
}

/// With credentials of another account than the file's, no call is made for the file.
#[test]
fn a_file_of_another_account_is_refused() {
    const CALLER: &[u8] = br#"<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
  <Arn>arn:aws:iam::210987654321:user/ann</Arn><UserId>A</UserId><Account>210987654321</Account>
</GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"#;
    let (url, requests) = server("200 OK", CALLER, "text/xml");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bluegreen.toml");
    let text = format!(
        "name = \"chatbot\"\naccount = \"123456789012\"\n[traffic]\nrules = [\"{RULE}\"]\n\
         [side.flask]\ntarget_group = \"flask\"\n[side.fastapi]\ntarget_group = \"fastapi\"\n"
    );
    fs::write(&file, text).unwrap();
    let mut command = bluegreen(&["migrate", "--file"]);
    command.arg(&file);
    command.envs(with_keys(&[("AWS_ENDPOINT_URL", &*url)]));
    let run = ended(&mut command);
    let said = run.err;
    assert_eq!(run.code, Some(2), "{said}");
    assert_told(&said, "account 210987654321", "that account");
    let asked = requests.lock().unwrap().concat();
    assert!(!asked.contains("Describe"), "{asked}");
}

/// A journal in S3 that does not answer is told in one sentence, with what to look at.
#[test]
fn a_store_that_does_not_answer_is_told_in_a_sentence() {
    let endpoint = format!("http://127.0.0.1:{}", closed());
    let mut command = bluegreen(&["journal", "list", "--journal", "s3://bucket/p"]);
    command.envs(with_keys(&[("AWS_ENDPOINT_URL", &endpoint)]));
    let run = ended(&mut command);
    let said = run.err;
    assert_eq!(run.code, Some(3), "{said}");
    assert_told(&said, "no answer of S3: ", "AWS_ENDPOINT_URL_S3");
    assert!(
        !said.contains("retry_timeout") && !said.contains("list-type"),
        "{said}"
    );
}

/// Takes every request and never answers.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut open = Vec::new();
        for connection in listener.incoming().flatten() {
            open.push(connection);
        }
    });
    url
}

/// A file that names its account, and a deployment of a side.
const OF_ACCOUNT: &str = r#"name = "chatbot"
account = "123456789012"
[traffic]
rules = ["RULE"]
[side.flask]
target_group = "flask"
[side.fastapi]
target_group = "fastapi"
service = "chatbot-cluster/chatbot-fastapi"
[side.fastapi.deployment]
image = "r/chatbot@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
"#;

/// Whose credentials these are is asked for some seconds. What begins something ends then; what shows or
/// resumes continues.
#[test]
fn an_sts_that_never_answers_is_told_and_begins_nothing() {
    let (balancer, requests) = server("500 Oops", b"", "text/xml");
    let sts = silent();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bluegreen.toml");
    fs::write(&file, OF_ACCOUNT.replace("RULE", RULE)).unwrap();
    let run = |verb: &[&str]| {
        let mut command = bluegreen(verb);
        command.arg("--file").arg(&file);
        let variables = [
            ("AWS_ENDPOINT_URL", &*balancer),
            ("AWS_ENDPOINT_URL_STS", &sts),
        ];
        command.envs(with_keys(&variables));
        let run = ended(&mut command);
        (run.code, run.err)
    };
    let journal = folder.path().join("journal");
    let place = ["--journal", journal.to_str().unwrap(), "--single-host"];
    for verb in [&["migrate"][..], &["deploy", "fastapi"]] {
        let (code, said) = run(&[verb, &place].concat());
        assert_eq!(code, Some(2), "{verb:?}: {said}");
        assert_told(
            &said,
            "check that this is account 123456789012: ask STS whose credentials these are: no answer within 5 s",
            "make sure that STS can be reached",
        );
        let asked = requests.lock().unwrap().concat();
        assert!(
            !asked.contains("Modify") && !asked.contains("Update"),
            "{asked}"
        );
    }
    let (code, said) = run(&["status"]);
    assert_eq!(code, Some(3), "{said}");
    let told = lines(&said, "warning: ");
    assert!(told[0].contains("check that this is account"), "{said}");
    assert!(
        requests.lock().unwrap().concat().contains("DescribeRules"),
        "{said}"
    );
}

/// A rollback that cannot read the rule says how it is done by hand, if a journal knows.
#[test]
fn a_rollback_that_aws_does_not_answer_names_the_way_by_hand() {
    let endpoint = format!("http://127.0.0.1:{}", closed());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bluegreen.toml");
    let run = |words: &[&str]| {
        let mut command = bluegreen(words);
        command.current_dir(folder.path());
        command.env("HOME", folder.path());
        command.envs(with_keys(&[("AWS_ENDPOINT_URL", &endpoint)]));
        let run = ended(&mut command);
        (run.code, run.err)
    };
    // A journal of that rule, which a simulated run has written.
    let rule = bluegreen::aws::sim::Scenario::Healthy
        .simulation(1)
        .rule_arn();
    let rule = rule.as_str();
    let begun = ["migrate", "--sim", "green-errors", "--speed", "max"];
    let (code, said) = run(&[&begun[..], &["--journal", "journal"]].concat());
    assert_eq!(code, Some(10), "{said}");

    fs::write(&file, OF_ACCOUNT.replace("RULE", rule)).unwrap();
    let place = ["--journal", "journal", "--single-host"];
    for words in [
        &["rollback", "--to", "flask"][..],
        &["rollback", "--rule-arn", rule],
    ] {
        let (code, said) = run(&[words, &place].concat());
        assert_eq!(code, Some(3), "{words:?}: {said}");
        let known = "blue is flask, as the newest run knew the rule at ";
        assert!(said.contains(known), "{said}");
        let by_hand =
            format!("aws elbv2 modify-rule --region us-east-1 --rule-arn {rule} --actions");
        assert!(said.contains(&by_hand), "{words:?}: {said}");
    }
    // Without a journal of the rule, or for the other side, the commands to look with.
    for (to, journal) in [("flask", "none"), ("fastapi", "journal")] {
        let words = [
            "rollback",
            "--to",
            to,
            "--journal",
            journal,
            "--single-host",
        ];
        let (code, said) = run(&words);
        assert_eq!(code, Some(3), "{said}");
        assert!(
            said.contains("no journal says how that is done by hand"),
            "{said}"
        );
        assert!(!said.contains("--actions"), "{said}");
    }
}
