//! [`JsonPath`].

use std::{fmt, str::FromStr};

use serde_json::Value;

/// The longest path, in bytes, and the deepest nesting of its brackets and parentheses: they bound
/// the work of a parser.
const LONGEST: usize = 1_000;
const DEEPEST: usize = 8;
/// 2^53: up to here a filter compares whole numbers exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A JSON path of [RFC 9535](https://www.rfc-editor.org/rfc/rfc9535), such as `$.response` or
/// `$.items[*].id`.
///
/// It finds what the
/// [compliance suite](https://github.com/jsonpath-standard/jsonpath-compliance-test-suite) of the
/// standard says, in every case. Refused are paths of more than 1,000 bytes, or nested more than 8
/// deep, and numbers of 2^53 or more in a filter, which would not be compared exactly
/// ([`ExpectJson::equals`](super::ExpectJson::equals) compares them exactly). A filter that
/// compares two values of the document, such as `$[?@.a == @.b]`, finds nothing in a document with
/// such numbers, and the check says so.
///
/// The suite does not ask what serde_json_path 0.7.2 gets wrong: a filter that compares a value by
/// an index from the end (`$[?@[-1] == 1]`) never finds it, so such a path is refused; arrays and
/// objects with `1` and `1.0` are unequal, so both are compared as `1`; and `<=` or `>=` of two
/// absent values is false, but the standard says true.
#[derive(Clone)]
pub(crate) struct JsonPath {
    text: String,
    path: serde_json_path::JsonPath,
    /// Whether a filter compares two values of the document.
    compares_found: bool,
}

/// A JSON path or a status that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ParseExpectError(pub(super) String);

impl JsonPath {
    /// The values that the path finds; or why the result would not be exact.
    pub(super) fn find<'a>(&self, document: &'a Value) -> Result<Vec<&'a Value>, &'static str> {
        if !self.compares_found {
            return Ok(self.path.query(document).all());
        }
        if has_inexact(document) {
            return Err("numbers of 2^53 or more, which its filter does not compare exactly");
        }
        let mut compared = document.clone();
        unify_numbers(&mut compared);
        let found = self.path.query_located(&compared).all();
        let places = found.iter().map(|node| node.location().to_json_pointer());
        Ok(places
            .filter_map(|place| document.pointer(&place))
            .collect())
    }
}

impl FromStr for JsonPath {
    type Err = ParseExpectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |why: &str| Err(ParseExpectError(format!("`{text}` {why}")));
        if text.len() > LONGEST {
            return Err(ParseExpectError(format!(
                "a JSON path of {} bytes is too long: at most {LONGEST}",
                text.len()
            )));
        }
        let seen = Seen::of(text);
        if seen.depth > DEEPEST {
            return refuse("is nested too deep for a JSON path");
        }
        let Ok(path) = serde_json_path::JsonPath::parse(text) else {
            return refuse("is not a JSON path");
        };
        if seen.largest >= EXACT {
            return refuse(
                "has a number that a filter does not compare exactly: find the value, and write \
                 what it should equal",
            );
        }
        if seen.compares && seen.counts_from_end {
            return refuse(
                "compares a value by an index from the end, which a filter does not find: find the \
                 value, and write what it should equal",
            );
        }
        Ok(Self {
            text: text.to_owned(),
            path,
            compares_found: seen.compares_found,
        })
    }
}

/// The facts about a path that are read before it is parsed. Quoted names do not count.
#[derive(Debug, Default)]
struct Seen {
    depth: usize,
    largest: f64,
    /// Whether a filter compares anything.
    compares: bool,
    compares_found: bool,
    /// Whether a filter has an index from the end.
    counts_from_end: bool,
}

impl Seen {
    fn of(text: &str) -> Self {
        let mut seen = Self::default();
        let mut depth = 0_usize;
        let mut is_in_name = false;
        let mut rest = text.char_indices();
        while let Some((at, c)) = rest.next() {
            match c {
                '\'' | '"' => {
                    while let Some((_, inner)) = rest.next() {
                        match inner {
                            '\\' => drop(rest.next()),
                            end if end == c => break,
                            _ => {}
                        }
                    }
                }
                '[' | '(' => {
                    depth += 1;
                    seen.depth = seen.depth.max(depth);
                    let index = text[at + 1..].trim_start().strip_prefix('-');
                    let end =
                        index.map(|index| index.trim_start_matches(|c: char| c.is_ascii_digit()));
                    let is_index = end.is_some_and(|end| end.trim_start().starts_with([']', ',']));
                    seen.counts_from_end |= c == '[' && depth > 1 && is_index;
                }
                ']' | ')' => depth = depth.saturating_sub(1),
                '=' | '<' | '>' => {
                    seen.compares = true;
                    // A side that is no literal is a value of the document. Of an operator with two
                    // characters both are seen, and the second sees the right side.
                    let other = text[at + 1..].trim_start();
                    let mut literals = ["true", "false", "null"].iter();
                    let is_literal = literals.any(|word| other.starts_with(word));
                    let is_path =
                        other.starts_with(|c: char| "@$".contains(c) || c.is_alphabetic());
                    seen.compares_found |= is_path && !is_literal;
                }
                '0'..='9' if !is_in_name => {
                    let number = &text[at..];
                    let end = number.find(|c: char| !c.is_ascii_digit() && !"eE.+-".contains(c));
                    let number = &number[..end.unwrap_or(number.len())];
                    seen.largest = seen.largest.max(number.parse().unwrap_or_default());
                }
                _ => {}
            }
            is_in_name = c.is_alphanumeric() || c == '_' || c == '.';
        }
        seen
    }
}

/// Whether a document holds a number that a filter may take for another.
fn has_inexact(document: &Value) -> bool {
    match document {
        Value::Number(number) => number.as_f64().is_some_and(|float| float.abs() >= EXACT),
        Value::Array(list) => list.iter().any(has_inexact),
        Value::Object(object) => object.values().any(has_inexact),
        _ => false,
    }
}

/// Writes whole numbers as integers, so that equal numbers are equal inside of arrays and objects too.
fn unify_numbers(document: &mut Value) {
    match document {
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "larger numbers were refused"
            )]
            if let Some(whole) = whole {
                *number = (whole as i64).into();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(unify_numbers),
        Value::Object(object) => object.values_mut().for_each(unify_numbers),
        _ => {}
    }
}

impl PartialEq for JsonPath {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every case of the suite, at the commit that `testdata/jsonpath` names.
    #[test]
    fn paths_find_what_the_compliance_suite_says() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/jsonpath/cts.json");
        let suite = std::fs::read_to_string(file).expect("the suite");
        let suite: Value = serde_json::from_str(&suite).expect("JSON");
        let cases = suite["tests"].as_array().expect("cases");
        let is_right = |case: &&Value| {
            let selector = case["selector"].as_str().expect("a selector");
            let Ok(path) = selector.parse::<JsonPath>() else {
                return case["invalid_selector"] == true;
            };
            let Ok(found) = path.find(&case["document"]) else {
                return false;
            };
            let found = found.into_iter().cloned().collect();
            let found = Value::Array(found);
            let several = case["results"].as_array();
            case["result"] == found || several.is_some_and(|all| all.contains(&found))
        };
        let wrong: Vec<&str> = cases
            .iter()
            .filter(|case| !is_right(case))
            .filter_map(|case| case["name"].as_str())
            .collect();
        assert_eq!((cases.len(), wrong), (703, Vec::<&str>::new()));
    }

    #[test]
    fn values_of_the_document_are_compared_exactly_or_not_at_all() {
        let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let large = read(r#"[{"a": 9007199254740993, "b": 9007199254740992}]"#);
        let small = read(r#"[{"a": 1, "b": 1.0}, {"a": 1, "b": 2}]"#);
        for path in [
            "$[?@.a == @.b]",
            "$[?@.a<=$[0].b]",
            "$[?1 == 1 && @.a!=@.b]",
            "$[?@.a == value(@.b)]",
        ] {
            let path: JsonPath = path.parse().expect("a path");
            assert!(path.find(&large).is_err(), "{path}");
            assert!(path.find(&small).is_ok(), "{path}");
        }
        // Compared with a literal of the path it is exact: the literal is below 2^53.
        for path in ["$[?@.a > 5]", "$[?@.a == 'x']", "$[?@.a == true]", "$[0].a"] {
            let path: JsonPath = path.parse().expect("a path");
            assert!(path.find(&large).is_ok(), "{path}");
        }
        let path: JsonPath = "$[?@.a == @.b].b".parse().expect("a path");
        assert_eq!(path.find(&small), Ok(vec![&read("1.0")]));
    }

    /// [RFC 9535, 2.3.5.2.2](https://www.rfc-editor.org/rfc/rfc9535#section-2.3.5.2.2): arrays and objects are
    /// equal if their members are, and numbers if they are the same number.
    #[test]
    fn equal_numbers_are_equal_inside_of_arrays_and_objects_and_are_found_as_written() {
        let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let path: JsonPath = "$[?@.a == @.b].b".parse().expect("a path");
        let document = read(
            r#"[{"a": [1, {"x": -2.0}], "b": [1.0, {"x": -2}]}, {"a": [1], "b": [1.5]}, {"a/b~": 0},
                {"a": {"x": 0}, "b": {"x": -0.0}}]"#,
        );
        let found: Vec<String> = path
            .find(&document)
            .expect("found")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, [r#"[1.0,{"x":-2}]"#, r#"{"x":-0.0}"#]);
        let path: JsonPath = "$.l[?@.k == $.m]".parse().expect("a path");
        let document = read(r#"{"l": {"a/b~1": {"k": [2.0]}}, "m": [2]}"#);
        assert_eq!(path.find(&document), Ok(vec![&document["l"]["a/b~1"]]));
    }

    #[test]
    fn an_index_from_the_end_in_a_comparison_is_refused_and_elsewhere_it_is_not() {
        for path in [
            "$[?@[-1] == 1]",
            "$[?@.a[ -2 ].b != 'x']",
            "$[?1 < $.l[-1]]",
            "$.a[?@.b[-1] > @.c]",
        ] {
            let error = path.parse::<JsonPath>().expect_err(path).to_string();
            assert!(error.contains("index from the end"), "{error}");
        }
        for path in [
            "$[-1]",
            "$[?@[-1]]",
            "$[?@.a == -1][-1]",
            "$[?@['-1'] == 1]",
            "$[?@.a == 1][-2:]",
        ] {
            assert!(path.parse::<JsonPath>().is_ok(), "{path}");
        }
    }

    #[test]
    fn what_would_take_too_long_or_be_compared_inexactly_is_refused() {
        let nested = |levels: usize| format!("${}{}", "[?@".repeat(levels), "]".repeat(levels));
        assert!(nested(8).parse::<JsonPath>().is_ok());
        let long = format!("$.{}", "a".repeat(1_000));
        for (path, why) in [
            (nested(9), "nested too deep"),
            (long, "too long"),
            (
                format!("$[?{}@.a{}]", "(".repeat(9), ")".repeat(9)),
                "nested too deep",
            ),
            (
                "$[?@.id==9007199254740993]".to_owned(),
                "does not compare exactly",
            ),
            ("$[?@.id > 1e16]".to_owned(), "does not compare exactly"),
            (
                "$[?@.id==-9007199254740992]".to_owned(),
                "does not compare exactly",
            ),
        ] {
            let error = path.parse::<JsonPath>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        for path in [
            "$.a9007199254740993",
            "$['9007199254740993', \"[[[[[[[[[[\"]",
            r"$['\'9007199254740993']",
            "$[?@.id==9007199254740991]",
            "$.a[?@.b == 1.5e3 && match(@.c, '[(][0-9]{17}')]",
        ] {
            assert!(path.parse::<JsonPath>().is_ok(), "{path}");
        }
    }
}
