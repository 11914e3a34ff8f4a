use super::*;

fn failures(expect: &Expect, answer: &HttpResponse) -> Vec<String> {
    let failures = expect.failures(answer);
    failures.iter().map(ToString::to_string).collect()
}

fn json(path: &str) -> ExpectJson {
    ExpectJson::present(path.parse().unwrap())
}

#[test]
fn judges_a_status_by_number_class_and_list() {
    for (set, status, fails) in [
        ("200", 200, None),
        ("200", 204, Some("status: wanted 200, got 204")),
        ("2xx", 204, None),
        ("2xx", 302, Some("status: wanted 2xx, got 302")),
        ("400, 422", 422, None),
        ("4xx,503", 500, Some("status: wanted 4xx or 503, got 500")),
    ] {
        let expect = Expect::default().with_status(set.parse().unwrap());
        let got = failures(&expect, &HttpResponse::new(status, ""));
        assert_eq!(got.first().map(String::as_str), fails, "{set} {status}");
    }
    for bad in [
        "", "0", "2", "20", "0200", "600", "6xx", "xx", "2xx,", "+20", "ok",
    ] {
        assert!(bad.parse::<StatusSet>().is_err(), "{bad}");
    }
}

#[test]
fn says_where_a_redirect_points_without_its_query() {
    let answer = HttpResponse::new(301, "").with_header("Location", "https://h/?token=canary");
    let got = failures(&Expect::default(), &answer);
    assert_eq!(got, ["status: wanted 200, got 301 to https://h/?token=…"]);
}

#[test]
fn judges_json_as_jq_does_and_every_value_that_a_path_finds() {
    let body = r#"{"response": "hi", "none": null, "no": false, "empty": "", "zero": 0,
        "qps": 12.5, "items": [{"ok": true}, {"ok": false}], "nested": {"a": [1, 2.0]}}"#;
    let answer = HttpResponse::new(200, body);
    let present = "a value other than null and false";
    for (expected, fails) in [
        (json("$.response"), None),
        (json("$.empty"), None),
        (json("$.zero"), None),
        (json("$.items"), None),
        (
            json("$.none"),
            Some(format!("$.none: wanted {present}, got null")),
        ),
        (
            json("$.no"),
            Some(format!("$.no: wanted {present}, got false")),
        ),
        (
            json("$.gone"),
            Some(format!("$.gone: wanted {present}, got nothing")),
        ),
        (
            json("$.items[*].ok"),
            Some(format!("$.items[*].ok: wanted {present}, got false")),
        ),
        (json("$.no").equals(false), None),
        (json("$.none").equals(Value::Null), None),
        (json("$.response").equals("hi"), None),
        (
            json("$.response").equals("ho"),
            Some(r#"$.response: wanted "ho", got "hi""#.into()),
        ),
        (json("$.zero").equals(0.0), None),
        (
            json("$.nested").equals(serde_json::json!({"a": [1.0, 2]})),
            None,
        ),
        (
            json("$.nested.a").equals(serde_json::json!([1])),
            Some("$.nested.a: wanted [1], got [1,2.0]".into()),
        ),
        (json("$.qps").at_least(12.5).at_most(12.5), None),
        (
            json("$.qps").at_least(13.0).at_most(20.0),
            Some("$.qps: wanted at least 13 and at most 20, got 12.5".into()),
        ),
        (
            json("$.response").at_least(0.0),
            Some(r#"$.response: wanted at least 0, got "hi""#.into()),
        ),
        (json("$.items[?@.ok == true]"), None),
    ] {
        let expect = Expect::default().with_json(expected.clone());
        let got = failures(&expect, &answer);
        assert_eq!(got.first(), fails.as_ref(), "{expected:?}");
    }
}

#[test]
fn says_once_that_a_body_is_no_json_and_how_it_begins() {
    let expect = Expect::default()
        .with_json(json("$.a"))
        .with_json(json("$.b"));
    let html = format!("<html>\n{}", "x".repeat(500));
    let got = failures(&expect, &HttpResponse::new(200, html));
    assert_eq!(got.len(), 1);
    assert!(
        got[0].starts_with("body: wanted JSON, got <html> xxx"),
        "{got:?}"
    );
    assert!(got[0].ends_with('…'), "{got:?}");
    assert!(got[0].chars().count() < 250, "{got:?}");

    let got = failures(&expect, &HttpResponse::new(200, ""));
    assert_eq!(got, ["body: wanted JSON, got an empty body"]);
    let got = failures(&expect, &HttpResponse::new(200, [0xff, b'{'].to_vec()));
    assert_eq!(got, ["body: wanted JSON, got \u{fffd}{"]);
}

#[test]
fn judges_headers_by_presence_and_value_whatever_their_case() {
    let answer = HttpResponse::new(200, "")
        .with_header("Content-Type", "application/json")
        .with_header("X-Version", "7")
        .with_header("x-version", "8");
    let fine = Expect::default()
        .with_header("x-version")
        .with_header_value("X-VERSION", "8")
        .with_header_value("content-type", "application/json");
    assert!(fine.failures(&answer).is_empty());
    let not = Expect::default()
        .with_header("x-gone")
        .with_header_value("x-version", "9");
    assert_eq!(
        failures(&not, &answer),
        [
            "header x-gone: wanted any value, got none",
            "header x-version: wanted 9, got 7, 8"
        ]
    );
}

#[test]
fn judges_body_text_and_latency_and_reports_everything_at_once() {
    let expect = Expect::default()
        .with_body_containing("ready")
        .with_max_latency(Duration::from_millis(300));
    let slow = HttpResponse::new(500, "starting").with_took(Duration::from_millis(301));
    assert_eq!(
        failures(&expect, &slow),
        [
            "status: wanted 200, got 500",
            "body: wanted `ready` in it, got starting",
            "latency: wanted at most 300 ms, got 301 ms"
        ]
    );
    let just = HttpResponse::new(200, "is ready").with_took(Duration::from_millis(300));
    assert!(expect.failures(&just).is_empty());
}

#[test]
fn refuses_what_is_no_json_path() {
    for bad in ["", "response", ".response", "$.", "$[", "jq .response"] {
        let error = bad.parse::<JsonPath>().unwrap_err();
        assert_eq!(error.to_string(), format!("`{bad}` is not a JSON path"));
    }
}

#[test]
fn a_deeply_nested_answer_is_no_json_and_no_crash() {
    let deep = "[".repeat(100_000);
    let expect = Expect::default().with_json(json("$..a"));
    assert_eq!(expect.failures(&HttpResponse::new(200, deep)).len(), 1);
}

#[test]
fn whole_numbers_above_two_to_the_53rd_are_compared_as_such() {
    let answer = HttpResponse::new(
        200,
        r#"{"id": 9007199254740992, "ids": [9007199254740993]}"#,
    );
    let fails = |json: ExpectJson| {
        !Expect::default()
            .with_json(json)
            .failures(&answer)
            .is_empty()
    };
    let at = |path: &str| ExpectJson::present(path.parse().unwrap());
    let id = 9_007_199_254_740_993_u64;
    assert!(fails(at("$.id").equals(id)));
    assert!(!fails(at("$.id").equals(id - 1)));
    assert!(fails(at("$.ids").equals(serde_json::json!([id - 1]))));
    assert!(fails(at("$.id").at_least(id)));
    assert!(fails(at("$.ids[0]").at_most(id - 1)));
    assert!(!fails(at("$.ids[0]").at_least(id).at_most(id)));
    assert!(fails(at("$.id").at_least("text")));
}

#[test]
fn a_filter_within_a_filter_finds_what_it_says() {
    let answer = HttpResponse::new(200, "[[0], [42]]");
    let rows = ExpectJson::present("$[?@[?@>1]]".parse().unwrap());
    let expect = Expect::default().with_json(rows.equals(serde_json::json!([42])));
    assert_eq!(expect.failures(&answer), []);
}

#[test]
fn an_answer_is_read_whatever_its_encoding_and_its_charset() {
    let json = || ExpectJson::present("$.status".parse().unwrap()).equals("h\u{e4}lthy");
    let expect = || {
        Expect::default()
            .with_json(json())
            .with_body_containing("h\u{e4}l")
    };
    let marked = HttpResponse::new(200, "\u{feff}{\"status\": \"h\u{e4}lthy\"}");
    assert_eq!(expect().failures(&marked), []);
    let latin = HttpResponse::new(200, b"{\"status\": \"h\xe4lthy\"}".as_slice())
        .with_header("Content-Type", "application/json; charset=iso-8859-1");
    assert_eq!(expect().failures(&latin), []);
    let unknown = HttpResponse::new(200, "x").with_header("Content-Encoding", "br");
    let failures = expect().failures(&unknown);
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].got.contains("`br`"), "{failures:?}");
    assert_eq!(
        Expect::default().failures(&unknown),
        [],
        "its body is not asked for"
    );
}
