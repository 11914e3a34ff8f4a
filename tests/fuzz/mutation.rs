//! Mutations of a valid document.

use bolero::TypeGenerator;

/// A few edits of one of the valid documents.
#[derive(Debug, Clone, TypeGenerator)]
pub(crate) struct Mutation {
    document: u8,
    edits: [Option<Edit>; 4],
}

#[derive(Debug, Clone, TypeGenerator)]
enum Edit {
    Set {
        at: u16,
        byte: u8,
    },
    Cut {
        at: u16,
        length: u8,
    },
    Truncate {
        at: u16,
    },
    Copy {
        from: u16,
        length: u8,
        to: u16,
    },
    Insert {
        at: u16,
        token: u8,
    },
    Nest {
        at: u16,
        token: u8,
        times: u16,
    },
    /// Replaces a number by another value.
    Number {
        nth: u8,
        value: u8,
    },
}

/// Tokens that parsers often get wrong.
const TOKENS: [&[u8]; 16] = [
    b"{",
    b"[",
    b"\"",
    b"null",
    b"-1",
    b"1e999",
    b"\\u0000",
    b"\\ud800",
    b"<a>",
    b"</a>",
    b"&#0;",
    b"&lt;",
    b"[[a]]",
    b"\xff\xfe",
    b"\x9f",
    b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
];
const NUMBERS: [&str; 10] = [
    "0",
    "-1",
    "1e308",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "0.1",
    "999999999999",
    "NaN",
    "",
];
/// The greatest length of a mutated document.
const LONGEST: usize = 1 << 20;

impl Mutation {
    /// Picks one of this many documents.
    pub(crate) fn pick(&self, documents: usize) -> usize {
        usize::from(self.document) % documents.max(1)
    }

    /// The document after the edits.
    pub(crate) fn of(&self, document: &[u8]) -> Vec<u8> {
        let mut bytes = document.to_vec();
        for edit in self.edits.iter().flatten() {
            edit.apply(&mut bytes);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    /// The same as text; bytes that are not text any more are replaced by a mark.
    pub(crate) fn of_text(&self, document: &str) -> String {
        String::from_utf8_lossy(&self.of(document.as_bytes())).into_owned()
    }
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: u16, bytes: &[u8]| usize::from(at) % (bytes.len() + 1);
        match *self {
            Self::Set { at, byte } => {
                let at = place(at, bytes);
                if let Some(there) = bytes.get_mut(at) {
                    *there = byte;
                }
            }
            Self::Cut { at, length } => {
                let at = place(at, bytes);
                let end = (at + usize::from(length)).min(bytes.len());
                bytes.drain(at..end);
            }
            Self::Truncate { at } => bytes.truncate(place(at, bytes)),
            Self::Copy { from, length, to } => {
                let from = place(from, bytes);
                let end = (from + usize::from(length)).min(bytes.len());
                let piece = bytes[from..end].to_vec();
                let to = place(to, bytes);
                bytes.splice(to..to, piece);
            }
            Self::Insert { at, token } => {
                let at = place(at, bytes);
                let token = TOKENS[usize::from(token) % TOKENS.len()];
                bytes.splice(at..at, token.iter().copied());
            }
            Self::Nest { at, token, times } => {
                let at = place(at, bytes);
                let token = TOKENS[usize::from(token) % TOKENS.len()];
                bytes.splice(at..at, token.repeat(usize::from(times)));
            }
            Self::Number { nth, value } => {
                let value = NUMBERS[usize::from(value) % NUMBERS.len()];
                let numbers = numbers(bytes);
                if let Some(range) = numbers.get(usize::from(nth) % numbers.len().max(1)) {
                    bytes.splice(range.clone(), value.bytes());
                }
            }
        }
    }
}

/// The places of numbers.
fn numbers(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut begun = None;
    for (at, byte) in bytes.iter().enumerate() {
        match (byte.is_ascii_digit(), begun) {
            (true, None) => begun = Some(at),
            (false, Some(from)) => {
                found.push(from..at);
                begun = None;
            }
            _ => {}
        }
    }
    found
}
