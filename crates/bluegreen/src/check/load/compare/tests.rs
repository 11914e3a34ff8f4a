//! What a move from Flask to FastAPI changes, as both frameworks answer.

use serde_json::{Value, json};

use super::*;
use crate::check::{HttpFailure, HttpResponse};

fn ok(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(status, body.to_string()).with_header("Content-Type", "application/json")
}

fn compared(rules: &Rules, pairs: &[(HttpResponse, HttpResponse)]) -> Vec<Difference> {
    let mut comparison = Comparison::new(rules);
    for (blue, green) in pairs {
        let replies = Replies {
            blue: [Ok(blue.clone()), Ok(blue.clone())],
            green: Ok(green.clone()),
        };
        comparison.push("chat", "/items", &replies);
    }
    comparison.differences()
}

fn one(blue: HttpResponse, green: HttpResponse) -> Vec<String> {
    let found = compared(&Rules::default(), &[(blue, green)]);
    let line = |one: &Difference| {
        let places = one.places.join(", ");
        format!("{} {places}: {} -> {}", one.kind, one.blue, one.green)
    };
    let mut lines: Vec<String> = found.iter().map(line).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn what_a_move_between_frameworks_changes_is_told_by_kind() {
    let error = json!({"error": "message is required"});
    let detail = json!({"detail": [{"loc": ["body", "message"], "msg": "field required"}]});
    assert_eq!(
        one(ok(400, &error), ok(422, &detail)),
        [
            "error-body body: {error: string} -> {detail: array}",
            "validation-status status: 400 -> 422",
        ]
    );
    // Flask redirects to the path with a slash; FastAPI answers with 404, or the other way round.
    let redirect = HttpResponse::new(308, "").with_header("Location", "http://h/items/");
    assert_eq!(
        one(redirect.clone(), ok(404, &json!({"detail": "Not Found"}))),
        ["trailing-slash status: 308 to the path with another end -> 404"]
    );
    let elsewhere = HttpResponse::new(308, "").with_header("Location", "/login");
    assert_eq!(
        one(redirect, elsewhere),
        ["redirect status: 308 to a place -> 308 to another place"]
    );
    let blue = json!({
        "at": "Tue, 01 Jan 2030 00:00:00 GMT", "user": null, "count": "3", "tags": ["a", "b"],
        "score": 1, "on": true, "old": 1,
    });
    let green = json!({
        "at": "2030-01-01T00:00:00", "count": 3, "tags": ["b", "a"], "score": 1.0, "on": "true",
        "new": {},
    });
    assert_eq!(
        one(ok(200, &blue), ok(200, &green)),
        [
            "absent $.new: absent -> object",
            "absent $.old: number -> absent",
            "array-order $.tags: array -> the same in another order",
            "date-format $.at: date of RFC 1123 -> date with T, without offset",
            "null-absent $.user: null -> absent",
            "number-string $.count: string -> number",
            "type $.on: boolean -> string",
        ]
    );
}

#[test]
fn equal_answers_of_other_servers_do_not_differ() {
    let blue = ok(200, &json!({"a": [1, {"b": null}]}))
        .with_header("Server", "gunicorn")
        .with_header("Set-Cookie", "session=1")
        .with_header("Date", "yesterday");
    let green = HttpResponse::new(200, r#"{ "a": [1.0, {"b":null}] }"#)
        .with_header("content-type", "application/json; charset=utf-8")
        .with_header("server", "uvicorn")
        .with_header("set-cookie", "session=2");
    assert_eq!(one(blue, green), [""; 0]);
}

#[test]
fn headers_and_media_types_are_compared_without_their_values() {
    let blue = ok(200, &json!(1)).with_header("Cache-Control", "no-store");
    let green = HttpResponse::new(200, "1")
        .with_header("Content-Type", "text/html")
        .with_header("X-New", "secret");
    assert_eq!(
        one(blue.clone(), green),
        [
            "content-type header content-type: application/json -> text/html",
            "header header cache-control: present -> absent",
            "header header x-new: absent -> present",
        ]
    );
    let other = ok(200, &json!(1)).with_header("Cache-Control", "private");
    assert_eq!(
        one(blue, other),
        ["header header cache-control: a value -> another value"]
    );
}

#[test]
fn a_hundred_differences_of_one_kind_are_one() {
    let items = |make: &dyn Fn(usize) -> Value| Value::Array((0..100).map(make).collect());
    let blue = ok(200, &items(&|n| json!({"id": n})));
    let green = ok(200, &items(&|n| json!({"id": n.to_string()})));
    let found = compared(
        &Rules::default(),
        &[(blue.clone(), green.clone()), (blue, green)],
    );
    assert_eq!(found.len(), 1, "{found:?}");
    let only = &found[0];
    assert_eq!((only.kind, only.count), (Kind::NumberString, 200));
    assert_eq!(only.places, ["$[*].id"]);
    assert_eq!(only.requests, ["chat"]);
}

#[test]
fn many_places_of_one_kind_are_one_with_ten_of_them() {
    let fields = |null: bool| -> Value {
        let fields = (0..40).map(|n| (format!("field_{n:02}"), Value::Null));
        Value::Object(fields.filter(|_| null).collect())
    };
    let found = compared(
        &Rules::default(),
        &[(ok(200, &fields(true)), ok(200, &fields(false)))],
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].places.len(), found[0].all_places), (10, 40));
    assert_eq!(found[0].kind, Kind::NullAbsent);
}

#[test]
fn p12_no_value_and_no_key_that_may_be_data_is_told() {
    let blue = ok(
        200,
        &json!({
            "canary@mail.example": {"a": "canary-1"}, "card": 4711, "text": "canary-2",
        }),
    )
    .with_header("X-Token", "canary-3");
    let green = ok(
        200,
        &json!({
            "canary@mail.example": {"a": "canary-4"}, "card": "canary-5", "canary ü": 1,
        }),
    )
    .with_header("X-Token", "canary-6");
    let found = compared(&Rules::default(), &[(blue, green)]);
    let told = format!("{found:?}{}", serde_json::to_string(&found).unwrap());
    assert!(!told.contains("canary") && !told.contains("4711"), "{told}");
    assert!(told.contains("$.*.a"), "{told}");
}

#[test]
fn ignored_places_and_tolerances_are_left_out() {
    let rules = Rules {
        ignore: vec!["$.at".parse().unwrap(), "$.items[*].id".parse().unwrap()],
        ignore_headers: vec!["X-Version".to_owned()],
        tolerances: vec![Tolerance {
            path: "$.score".parse().unwrap(),
            within: 0.01,
        }],
        accept: vec![Kind::Value],
    };
    let blue = json!({"at": 1, "items": [{"id": 1}], "score": 0.5});
    let green = json!({"items": [{"id": "x"}], "score": 0.505});
    let near = (
        ok(200, &blue).with_header("x-version", "1"),
        ok(200, &green),
    );
    assert_eq!(compared(&rules, std::slice::from_ref(&near)), []);
    let far = (ok(200, &blue), ok(200, &json!({"items": [], "score": 0.6})));
    let found = compared(&rules, &[near, far]);
    let kinds: Vec<(Kind, bool)> = found
        .iter()
        .map(|one| (one.kind, one.is_accepted))
        .collect();
    assert_eq!(kinds, [(Kind::ArrayLength, false), (Kind::Value, true)]);
}

/// A place at which blue differs from itself says nothing about green, in earlier rounds neither.
#[test]
fn what_varies_on_blue_itself_is_no_difference() {
    let mut comparison = Comparison::new(&Rules::default());
    let said = |id: u32, kind: &str| Ok(ok(200, &json!({"id": id, "kind": kind})));
    for (first, second, green) in [(1, 1, 2), (3, 4, 5)] {
        comparison.push(
            "chat",
            "/chat",
            &Replies {
                blue: [said(first, "a"), said(second, "a")],
                green: said(green, "b"),
            },
        );
    }
    let found = comparison.differences();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].places, ["$.kind"]);
    assert_eq!((comparison.varying(), comparison.compared), (1, 2));
}

#[test]
fn a_side_without_an_answer_differs() {
    let mut comparison = Comparison::new(&Rules::default());
    let answer = || Ok(ok(200, &json!(1)));
    let failure = || Err(HttpFailure::new("connection refused"));
    comparison.push(
        "a",
        "/",
        &Replies {
            blue: [answer(), answer()],
            green: failure(),
        },
    );
    comparison.push(
        "b",
        "/",
        &Replies {
            blue: [failure(), failure()],
            green: failure(),
        },
    );
    let found = comparison.differences();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].kind, found[0].requests.as_slice()),
        (Kind::NoAnswer, &["a".to_owned()][..])
    );
}
