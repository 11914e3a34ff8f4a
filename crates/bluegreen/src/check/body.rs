//! The text of an answer's body: out of its encoding and its charset.

use std::io::Read as _;

use encoding_rs::{Encoding, UTF_8};
use flate2::read::{GzDecoder, ZlibDecoder};

use super::HttpResponse;

/// The largest size of a decoded body, the same as of a body that is not encoded.
const LARGEST: u64 = 1024 * 1024;
/// The first bytes of a gzip stream
/// ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952#page-6)).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The body as text, or why it cannot be read. Bytes that are wrong in its charset become U+FFFD.
///
/// The request asks for no encoding, but some balancers and networks send one all the same. A byte
/// order mark counts before the charset of the `Content-Type`, and without either the text is UTF-8
/// ([Encoding Standard](https://encoding.spec.whatwg.org/#decode)).
pub(super) fn text_of(answer: &HttpResponse) -> Result<String, String> {
    let decoded = decoded(answer)?;
    let charset = answer.header("content-type").find_map(charset);
    let encoding = match &charset {
        Some(label) => Encoding::for_label(label.as_bytes())
            .ok_or_else(|| format!("text in the charset `{label}`, which is not known"))?,
        None => UTF_8,
    };
    let (text, _, _) = encoding.decode(&decoded);
    Ok(text.into_owned())
}

/// The body without its `Content-Encoding`s, the last of which was applied last.
fn decoded(answer: &HttpResponse) -> Result<Vec<u8>, String> {
    let mut body = answer.body.clone();
    let listed: Vec<&str> = answer.header("content-encoding").collect();
    let listed = listed.join(",").to_ascii_lowercase();
    for encoding in listed.rsplit(',').map(str::trim) {
        body = match encoding {
            "" | "identity" => body,
            // A client that decodes by itself may leave the header.
            "gzip" | "x-gzip" if !body.starts_with(&GZIP) => body,
            "gzip" | "x-gzip" => whole(GzDecoder::new(body.as_slice()), encoding)?,
            "deflate" => whole(ZlibDecoder::new(body.as_slice()), encoding)?,
            other => {
                return Err(format!(
                    "a body in the encoding `{other}`, which is not known"
                ));
            }
        };
    }
    Ok(body)
}

fn whole(decoder: impl std::io::Read, encoding: &str) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    match decoder.take(LARGEST + 1).read_to_end(&mut body) {
        Ok(_) if body.len() as u64 > LARGEST => Err("a body that is larger than 1 MiB".to_owned()),
        Ok(_) => Ok(body),
        Err(error) => Err(format!("a body that is not {encoding}: {error}")),
    }
}

/// The charset of a `Content-Type`.
fn charset(content_type: &str) -> Option<String> {
    let parameters = content_type.split(';').skip(1);
    let mut pairs = parameters.filter_map(|one| one.split_once('='));
    let is_charset = |name: &str| name.trim().eq_ignore_ascii_case("charset");
    let (_, value) = pairs.find(|(name, _)| is_charset(name))?;
    let value = value.trim().trim_matches('"').trim();
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{
        Compression,
        write::{GzEncoder, ZlibEncoder},
    };

    use super::*;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(body: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn read(body: impl Into<Vec<u8>>, headers: &[(&str, &str)]) -> Result<String, String> {
        let answer = HttpResponse::new(200, body);
        let with =
            |answer: HttpResponse, (name, value): &(&str, &str)| answer.with_header(*name, *value);
        text_of(&headers.iter().fold(answer, with))
    }

    #[test]
    fn an_encoded_body_is_read() {
        let text = r#"{"status": "healthy"}"#;
        let both = gzip(&deflate(text.as_bytes()));
        for (body, encoding) in [
            (gzip(text.as_bytes()), "gzip"),
            (gzip(text.as_bytes()), "X-GZIP"),
            (deflate(text.as_bytes()), "deflate"),
            (both, "deflate, gzip"),
            (text.into(), "identity"),
            (text.into(), "gzip"),
        ] {
            let headers = [("Content-Encoding", encoding)];
            assert_eq!(read(body, &headers).as_deref(), Ok(text), "{encoding}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_said() {
        let bomb = gzip(&vec![b' '; 2 * 1024 * 1024]);
        let mut cut = gzip(b"some text that is long enough to be cut");
        cut.truncate(20);
        for (body, encoding, why) in [
            (bomb, "gzip", "larger than 1 MiB"),
            (cut, "gzip", "not gzip"),
            (b"text".to_vec(), "deflate", "not deflate"),
            (b"text".to_vec(), "br", "`br`, which is not known"),
        ] {
            let error = read(body, &[("content-encoding", encoding)]).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let error = read("a", &[("content-type", "text/plain; charset=klingon")]).unwrap_err();
        assert!(error.contains("klingon"), "{error}");
    }

    #[test]
    fn charsets_and_byte_order_marks_are_read() {
        let utf16 = |text: &str| Vec::from_iter(text.encode_utf16().flat_map(u16::to_le_bytes));
        for (body, content_type, wanted) in [
            (b"\xef\xbb\xbf{}".to_vec(), "application/json", "{}"),
            (
                b"M\xfcnchen".to_vec(),
                "text/html; charset=ISO-8859-1",
                "M\u{fc}nchen",
            ),
            (
                b"M\xfcnchen".to_vec(),
                "text/html;Charset=\"latin1\"",
                "M\u{fc}nchen",
            ),
            (utf16("\u{feff}{}"), "application/json", "{}"),
            (utf16("{}"), "application/json; charset=utf-16le", "{}"),
            (
                b"\x82\xa0".to_vec(),
                "text/plain; charset=Shift_JIS",
                "\u{3042}",
            ),
            (b"plain".to_vec(), "text/plain; boundary=x", "plain"),
            (b"a\xff".to_vec(), "text/plain", "a\u{fffd}"),
        ] {
            let headers = [("Content-Type", content_type)];
            assert_eq!(
                read(body, &headers).as_deref(),
                Ok(wanted),
                "{content_type}"
            );
        }
    }
}
