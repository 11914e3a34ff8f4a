//! The stored form of a record: one line of JSON with its checksum in front. Behind it may stand copies of
//! the lines of earlier records.

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::Error as _};
use sha2::{Digest, Sha256};

use super::Holder;
use crate::engine::{JOURNAL_VERSION, Record};

/// The version of this form: the same number as of all journal content. A newer version is refused, an
/// older version is read. Up to version 3 of the content, this form had a number of its own, which was 1.
pub(super) const FORMAT: u32 = JOURNAL_VERSION;

/// A checksum as it stands in a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Sum(String);

/// One record of a log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Envelope {
    pub(super) format: u32,
    pub(super) seq: u64,
    /// The checksum of the whole record before this one; `None` at the start of a log.
    pub(super) prev: Option<Sum>,
    pub(super) at: Timestamp,
    /// The token of the lease that wrote it.
    pub(super) by: String,
    /// The number of the record that took that lease.
    pub(super) claim: u64,
    /// The number of the record that opened the newest run so far.
    pub(super) run: Option<u64>,
    /// The number of that run's newest snapshot. Since version 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) snapshot: Option<u64>,
    #[serde(flatten)]
    pub(super) what: What,
}

/// The content of a record.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(super) enum What {
    /// A controller takes the log.
    Taken {
        holder: Holder,
        /// The holder before, if the log was held.
        from: Option<Box<Holder>>,
    },
    /// A heartbeat: the holder is alive.
    Kept,
    /// An entry of the holder's run.
    Entry { record: Record },
    /// The holder releases the lease.
    Released,
}

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Not written whole, or changed since.
    Torn,
    /// Written by a newer version of this program.
    Newer { format: u32 },
    /// Whole, but not of this form.
    Foreign { why: String },
}

const OPEN: &str = r#"{"sum":""#;
const SUM_LENGTH: usize = 64;

impl Envelope {
    /// Returns the record as bytes, with a checksum over everything behind the checksum.
    pub(super) fn encode(&self) -> Result<(Vec<u8>, Sum), serde_json::Error> {
        // The body is written to its final place; then the front with the sum overwrites its first bracket.
        const FRONT: usize = OPEN.len() + SUM_LENGTH + 1;
        let mut line = vec![b' '; FRONT];
        serde_json::to_writer(&mut line, self)?;
        let sum = sum_of(&line[FRONT..]);
        line[..FRONT + 1].copy_from_slice(format!("{OPEN}{}\",", sum.0).as_bytes());
        line.push(b'\n');
        Ok((line, sum))
    }

    /// Reads a record from the first line of `bytes`.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, Sum), Unreadable> {
        let bytes = lines(bytes).next().unwrap_or_default();
        let body = |bytes: &[u8]| -> Option<(String, Vec<u8>)> {
            let rest = bytes.strip_prefix(OPEN.as_bytes())?;
            let (sum, rest) = rest.split_at_checked(SUM_LENGTH)?;
            let rest = rest.strip_prefix(b"\",")?.strip_suffix(b"\n")?;
            let sum = String::from_utf8(sum.to_vec()).ok()?;
            Some((sum, [b"{", rest].concat()))
        };
        let (stated, body) = body(bytes).ok_or(Unreadable::Torn)?;
        let sum = sum_of(&body);
        if sum.0 != stated {
            return Err(Unreadable::Torn);
        }
        let foreign = |error: serde_json::Error| Unreadable::Foreign {
            why: error.to_string(),
        };
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = serde_json::from_slice(&body).map_err(foreign)?;
        if format > FORMAT {
            return Err(Unreadable::Newer { format });
        }
        let fields: Fields = serde_json::from_slice(&body).map_err(foreign)?;
        Ok((fields.envelope().map_err(foreign)?, sum))
    }
}

/// Every field of every record. Read so, an entry stays the text that it is; a derived reader would make a
/// tree of the whole record first, to find what it is.
#[derive(Deserialize)]
struct Fields {
    format: u32,
    seq: u64,
    prev: Option<Sum>,
    at: Timestamp,
    by: String,
    claim: u64,
    run: Option<u64>,
    snapshot: Option<u64>,
    what: Kind,
    holder: Option<Holder>,
    from: Option<Holder>,
    record: Option<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Taken,
    Kept,
    Entry,
    Released,
}

impl Fields {
    fn envelope(self) -> Result<Envelope, serde_json::Error> {
        let missing = serde_json::Error::missing_field;
        let what = match self.what {
            Kind::Taken => What::Taken {
                holder: self.holder.ok_or_else(|| missing("holder"))?,
                from: self.from.map(Box::new),
            },
            Kind::Kept => What::Kept,
            Kind::Entry => What::Entry {
                record: self.record.ok_or_else(|| missing("record"))?,
            },
            Kind::Released => What::Released,
        };
        Ok(Envelope {
            format: self.format,
            seq: self.seq,
            prev: self.prev,
            at: self.at,
            by: self.by,
            claim: self.claim,
            run: self.run,
            snapshot: self.snapshot,
            what,
        })
    }
}

/// Returns the lines, each with its line break: first the record, then copies of earlier records.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n')
}

fn sum_of(bytes: &[u8]) -> Sum {
    use std::fmt::Write as _;
    let digest = Sha256::digest(bytes);
    let mut text = String::with_capacity(SUM_LENGTH);
    for byte in digest {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Sum(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn envelope() -> Envelope {
        Envelope {
            format: FORMAT,
            seq: 7,
            prev: Some(sum_of(b"before")),
            at: Timestamp::UNIX_EPOCH,
            by: "token".to_owned(),
            claim: 3,
            run: Some(4),
            snapshot: None,
            what: What::Entry {
                record: Record::new(
                    2,
                    Timestamp::UNIX_EPOCH,
                    serde_json::json!({"rate": 0.1, "n": 9}),
                ),
            },
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let (bytes, sum) = envelope().encode().expect("plain data");
        assert_eq!(Envelope::decode(&bytes), Ok((envelope(), sum)));
        let line: serde_json::Value = serde_json::from_slice(&bytes).expect("one JSON object");
        assert_eq!(line["what"], "entry");
    }

    #[test]
    fn p05_every_torn_record_is_recognised() {
        let (bytes, _) = envelope().encode().expect("plain data");
        for end in 0..bytes.len() {
            assert_eq!(
                Envelope::decode(&bytes[..end]),
                Err(Unreadable::Torn),
                "{end}"
            );
        }
    }

    #[test]
    fn p05_every_changed_byte_is_recognised() {
        let (bytes, _) = envelope().encode().expect("plain data");
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert_eq!(Envelope::decode(&changed), Err(Unreadable::Torn), "{place}");
        }
    }

    #[test]
    fn a_newer_form_is_named() {
        let newer = Envelope {
            format: FORMAT + 1,
            ..envelope()
        };
        let (bytes, _) = newer.encode().expect("plain data");
        let format = FORMAT + 1;
        assert_eq!(Envelope::decode(&bytes), Err(Unreadable::Newer { format }));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Envelope::decode(&bytes);
        }

        #[test]
        fn no_body_with_a_right_checksum_makes_it_panic(body in "\\{.{0,200}\\}") {
            let sum = sum_of(body.as_bytes());
            let line = format!("{OPEN}{}\",{}\n", sum.0, &body[1..]);
            let _ = Envelope::decode(line.as_bytes());
        }
    }
}
