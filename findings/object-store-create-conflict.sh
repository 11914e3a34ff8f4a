#!/usr/bin/env bash
# object_store 0.14.2 (crates.io): a conditional create on S3 that is refused with 409
# ConditionalRequestConflict comes back as `AlreadyExists`, although nothing is stored under that name.
#
# S3 answers 412 if the object exists, and 409 if another request on the key was under way; after a 409
# the client should send the same request again
# (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html). The crate sends it again
# for conditional updates (`PutMode::Update`), but not for creates (`PutMode::Create`). So a program that
# uses a create as a lock takes `AlreadyExists` as "another process was first", and then reads an object
# that does not exist.
#
# Seen: `create: AlreadyExists, then head: NotFound` after the 409, and after a 412
# `create: AlreadyExists, then head: found`.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT

# An S3 of two keys: creates of `busy` are refused with 409, and `taken` exists.
cat > "$work/s3.py" <<'PY'
import http.server, pathlib, sys

class S3(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"e"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["If-None-Match"] == "*"
        if self.path.endswith("/busy"):
            return self.answer(409, b"<Error><Code>ConditionalRequestConflict</Code><Message>m</Message></Error>")
        self.answer(412, b"<Error><Code>PreconditionFailed</Code><Message>m</Message></Error>")

    def do_HEAD(self):
        self.answer(200 if self.path.endswith("/taken") else 404)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), S3)
pathlib.Path(sys.argv[1]).write_text(str(server.server_port))
server.serve_forever()
PY
python3 "$work/s3.py" "$work/port" &
server=$!
for _ in $(seq 100); do [ -s "$work/port" ] && break; sleep 0.1; done

mkdir -p "$work/probe/src"
cat > "$work/probe/Cargo.toml" <<'TOML'
[package]
name = "probe"
version = "0.0.0"
edition = "2024"

[dependencies]
object_store = { version = "=0.14.2", features = ["aws"] }
tokio = { version = "1", features = ["macros", "rt"] }

[workspace]
TOML
cat > "$work/probe/src/main.rs" <<'RS'
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, aws::AmazonS3Builder};

fn name(error: &object_store::Error) -> &'static str {
    match error {
        object_store::Error::AlreadyExists { .. } => "AlreadyExists",
        object_store::Error::NotFound { .. } => "NotFound",
        _ => "another error",
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let port = std::env::args().nth(1).expect("a port");
    let store = AmazonS3Builder::new()
        .with_bucket_name("bucket")
        .with_region("us-east-1")
        .with_access_key_id("a")
        .with_secret_access_key("b")
        .with_endpoint(format!("http://127.0.0.1:{port}"))
        .with_allow_http(true)
        .build()
        .expect("a store");
    for key in ["busy", "taken"] {
        let path = key.into();
        let options = PutOptions::from(PutMode::Create);
        let created = store.put_opts(&path, PutPayload::from_static(b"x"), options).await;
        let head = store.head(&path).await;
        let created = created.as_ref().map_or_else(name, |_| "created");
        let head = head.as_ref().map_or_else(name, |_| "found");
        println!("{key}: create: {created}, then head: {head}");
    }
}
RS
(cd "$work/probe" && cargo run --quiet -- "$(cat "$work/port")") > "$work/seen"
cat "$work/seen"
diff "$work/seen" - <<'SEEN'
busy: create: AlreadyExists, then head: NotFound
taken: create: AlreadyExists, then head: found
SEEN
echo "as stated: a 409 of S3 is reported as AlreadyExists for a create"
