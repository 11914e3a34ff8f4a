//! JSON into a [`Node`].

use super::{Broken, Holds, Member, Node, Place};

/// The deepest nesting of a document: the limit of `serde_json`.
const DEEPEST: usize = 127;

/// Reads one JSON value. A byte order mark before it is skipped.
pub(crate) fn parse(text: &str) -> Result<Node, Broken> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser {
        text,
        at: 0,
        counted: 0,
        place: Place { line: 1, column: 1 },
    };
    let node = parser.value(0)?;
    match parser.peek() {
        None => Ok(node),
        Some(byte) => Err(parser.unexpected(byte, "there is more text after the document's end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// The next byte to read.
    at: usize,
    /// The byte up to which `place` is counted, so that each byte is counted once.
    counted: usize,
    place: Place,
}

impl Parser<'_> {
    fn value(&mut self, depth: usize) -> Result<Node, Broken> {
        let Some(byte) = self.peek() else {
            return Err(self.broken("the document ends too early"));
        };
        let at = self.place();
        if depth > DEEPEST {
            return Err(self.broken("the document is nested too deeply"));
        }
        let holds = match byte {
            b'{' => Holds::Object(self.object(depth)?),
            b'[' => Holds::List(self.list(depth)?),
            b'"' => Holds::Text(self.string()?),
            b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => self.word()?,
            byte => return Err(self.unexpected(byte, "a value is missing")),
        };
        Ok(Node { at, holds })
    }

    fn object(&mut self, depth: usize) -> Result<Vec<Member>, Broken> {
        let mut members = Vec::new();
        self.at += 1;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(members);
        }
        loop {
            match self.peek() {
                Some(b'"') => {}
                Some(b'}') => return Err(self.broken("a comma stands before the end")),
                Some(byte) => {
                    return Err(self.unexpected(byte, "a name in double quotes is missing"));
                }
                None => return Err(self.broken("the document ends within an object")),
            }
            let at = self.place();
            let name = self.string()?;
            match self.peek() {
                Some(b':') => self.at += 1,
                Some(byte) => return Err(self.unexpected(byte, "a colon is missing")),
                None => return Err(self.broken("the document ends within an object")),
            }
            let value = self.value(depth + 1)?;
            members.push(Member { at, name, value });
            if self.ends(b'}', "object")? {
                return Ok(members);
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Broken> {
        let mut list = Vec::new();
        self.at += 1;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(list);
        }
        loop {
            if self.peek() == Some(b']') {
                return Err(self.broken("a comma stands before the end"));
            }
            list.push(self.value(depth + 1)?);
            if self.ends(b']', "list")? {
                return Ok(list);
            }
        }
    }

    /// Reads the byte after an entry: a comma, or the end.
    fn ends(&mut self, end: u8, what: &str) -> Result<bool, Broken> {
        match self.peek() {
            Some(byte) if byte == end || byte == b',' => {
                self.at += 1;
                Ok(byte == end)
            }
            Some(byte) => Err(self.unexpected(byte, "a comma or the end is missing")),
            None => Err(self.broken(format!("the document ends within a {what}"))),
        }
    }

    fn string(&mut self) -> Result<String, Broken> {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(b'\n') | None => {
                    return Err(self.broken("a text has no end"));
                }
                Some(_) => end += 1,
            }
        }
        let whole = self.text.get(self.at..=end).unwrap_or_default();
        // `serde_json` decides which characters and escapes a text may have.
        let read = serde_json::from_str(whole)
            .map_err(|_| self.broken("the text holds what a JSON string cannot"))?;
        self.at = end + 1;
        Ok(read)
    }

    /// A number, or one of the three words.
    fn word(&mut self) -> Result<Holds, Broken> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_part = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        let holds = match word {
            "null" => Holds::Null,
            "true" => Holds::Bool(true),
            "false" => Holds::Bool(false),
            _ => match serde_json::from_str(word) {
                Ok(number) => Holds::Number(number),
                Err(_) => return Err(self.broken(format!("`{word}` is not a JSON value"))),
            },
        };
        self.at += length;
        Ok(holds)
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.at += rest.iter().take_while(|byte| is_space(byte)).count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn place(&mut self) -> Place {
        let bytes = self.text.as_bytes();
        for byte in bytes.get(self.counted..self.at).unwrap_or_default() {
            if *byte == b'\n' {
                self.place.line += 1;
                self.place.column = 1;
            } else if byte & 0b1100_0000 != 0b1000_0000 {
                self.place.column += 1;
            }
        }
        self.counted = self.at;
        self.place
    }

    fn unexpected(&mut self, byte: u8, otherwise: &str) -> Broken {
        match byte {
            b'/' | b'#' => self.broken("there is a comment, and JSON has none"),
            b'\'' => self.broken("JSON strings are in double quotes"),
            _ => self.broken(otherwise),
        }
    }

    fn broken(&mut self, message: impl Into<String>) -> Broken {
        Broken {
            at: self.place(),
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn broken(text: &str) -> String {
        parse(text).expect_err("it is broken").to_string()
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, wanted) in [
            ("", "the document ends too early (line 1, column 1)"),
            (
                "{\n  // why\n}",
                "there is a comment, and JSON has none (line 2, column 3)",
            ),
            (
                "{\n# why\n}",
                "there is a comment, and JSON has none (line 2, column 1)",
            ),
            (
                "{\"é\": 1,\n}",
                "a comma stands before the end (line 2, column 1)",
            ),
            ("[1,]", "a comma stands before the end (line 1, column 4)"),
            (
                "{'a': 1}",
                "JSON strings are in double quotes (line 1, column 2)",
            ),
            (
                "{a: 1}",
                "a name in double quotes is missing (line 1, column 2)",
            ),
            ("{\"é\" 1}", "a colon is missing (line 1, column 6)"),
            ("[1 2]", "a comma or the end is missing (line 1, column 4)"),
            ("[\"a", "a text has no end (line 1, column 2)"),
            ("[\"\\", "a text has no end (line 1, column 2)"),
            (
                "[\"\\x\"]",
                "the text holds what a JSON string cannot (line 1, column 2)",
            ),
            ("[NaN]", "`NaN` is not a JSON value (line 1, column 2)"),
            ("[01]", "`01` is not a JSON value (line 1, column 2)"),
            (
                "{} x",
                "there is more text after the document's end (line 1, column 4)",
            ),
            (
                "{\"a\"",
                "the document ends within an object (line 1, column 5)",
            ),
            ("[1", "the document ends within a list (line 1, column 3)"),
        ] {
            assert_eq!(broken(text), wanted, "{text}");
        }
        assert!(broken(&"[".repeat(200_000)).contains("nested too deeply"));
    }

    #[test]
    fn a_byte_order_mark_is_no_matter_and_every_name_is_kept() {
        let node =
            parse("\u{feff}{\"a\": 1,\n \"b.c\": [null, {\"d\": 2}], \"a\": 3}").expect("JSON");
        assert_eq!(node.members().len(), 3);
        assert_eq!(node.get("a").map(Node::to_value), Some(Value::from(3)));
        for (path, place) in [
            ("b.c[1].d", (2, 22)),
            ("b.c[1].e", (2, 16)),
            ("b.c[7]", (2, 9)),
            ("a", (2, 32)),
            ("z", (1, 1)),
        ] {
            let found = node.place_of(path);
            assert_eq!((found.line, found.column), place, "{path}");
        }
    }

    /// Texts that are JSON, or nearly.
    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "{",
                "}",
                "[",
                "]",
                ",",
                ":",
                "\"a\"",
                "\"a\":",
                "1",
                "-0",
                "1.5e3",
                "1e999",
                "true",
                "null",
                " ",
                "\n",
                "\"\\u00e9\"",
                "\"\\ud800\"",
                "\"\t\"",
                "/",
                "\"",
                "\\",
                "é",
                "nul",
                "0x1",
                "+1",
                ".5",
                "1.",
            ])
            .prop_map(str::to_owned),
            "[ -~]{0,3}",
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_takes_what_serde_json_takes(text in text()) {
            let (ours, theirs) = (parse(&text), serde_json::from_str::<Value>(&text));
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}: {:?} {:?}", text, ours, theirs);
        }

        #[test]
        fn it_reads_what_was_written(value in value()) {
            let text = format!("{value:#}");
            prop_assert_eq!(parse(&text).expect("JSON").to_value(), value);
        }
    }
}
