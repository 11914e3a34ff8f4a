#!/usr/bin/env bash
# serde_json_path 0.7.2 (crates.io) and jsonpath-rfc9535 1.0.1 (PyPI), both made for RFC 9535: filters that compare
# find different values in the same document. Nothing is reported.
#
# 1. In a comparison, the Rust crate knows no index from the end: `$[?@[-1] == 1]` finds nothing. `$[-1]` and the
#    test of existence `$[?@[-1]]` work, so the filter looks sound
#    (https://www.rfc-editor.org/rfc/rfc9535#section-2.3.3).
# 2. In the crate 1 equals 1.0, and [1] does not equal [1.0]. By the standard arrays and objects are equal if
#    their members are (https://www.rfc-editor.org/rfc/rfc9535#section-2.3.5.2.2).
# 3. In the crate `@.a <= @.b` is false if both are absent. By the standard it is true, as `@.a == @.b` is.
# 4. `$[?@ == 9007199254740993]` (2^53 + 1) of that number and its neighbour finds both in Rust, and in Python only
#    the neighbour: the literal is rounded, the document is not.
#
# Seen: the lines under SEEN. The compliance suite of the standard
# (https://github.com/jsonpath-standard/jsonpath-compliance-test-suite) compares no index from the end. Not found
# in the trackers.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jsonpath-rfc9535==1.0.1
cat > "$work/cases" <<'CASES'
$[?@[-1] == 1]	[[1],[2,1]]
$[?@[-1]]	[[1],[2,1]]
$[?@[0] == 1]	[[1],[2,1]]
$[?@.a == @.b]	[{"a":1,"b":1.0}]
$[?@.a == @.b]	[{"a":[1],"b":[1.0]}]
$[?@.a == @.b]	[{}]
$[?@.a <= @.b]	[{}]
$[?@ == 9007199254740993]	[9007199254740992,9007199254740993]
CASES
cat > "$work/probe.py" <<'PY'
import json

import jsonpath_rfc9535

for line in open("cases"):
    path, document = line.rstrip("\n").split("\t")
    found = jsonpath_rfc9535.find(path, json.loads(document)).values()
    print(path, "in Python:", json.dumps(found, separators=(",", ":")))
PY
mkdir -p "$work/probe/src"
cat > "$work/probe/Cargo.toml" <<'TOML'
[package]
name = "probe"
version = "0.0.0"
edition = "2024"

[dependencies]
serde_json = "1"
serde_json_path = "=0.7.2"

[workspace]
TOML
cat > "$work/probe/src/main.rs" <<'RS'
use serde_json::Value;
use serde_json_path::JsonPath;

fn main() {
    for line in std::fs::read_to_string("cases").expect("a file").lines() {
        let (path, document) = line.split_once('\t').expect("a tab");
        let document: Value = serde_json::from_str(document).expect("JSON");
        let found = JsonPath::parse(path).expect("a path").query(&document).all();
        println!("{path} in Rust: {}", serde_json::to_string(&found).expect("JSON"));
    }
}
RS
cd "$work"
cargo run --quiet --manifest-path probe/Cargo.toml > rust
venv/bin/python probe.py > python
paste -d '\n' rust python > seen
cat seen
diff seen - <<'SEEN'
$[?@[-1] == 1] in Rust: []
$[?@[-1] == 1] in Python: [[1],[2,1]]
$[?@[-1]] in Rust: [[1],[2,1]]
$[?@[-1]] in Python: [[1],[2,1]]
$[?@[0] == 1] in Rust: [[1]]
$[?@[0] == 1] in Python: [[1]]
$[?@.a == @.b] in Rust: [{"a":1,"b":1.0}]
$[?@.a == @.b] in Python: [{"a":1,"b":1.0}]
$[?@.a == @.b] in Rust: []
$[?@.a == @.b] in Python: [{"a":[1],"b":[1.0]}]
$[?@.a == @.b] in Rust: [{}]
$[?@.a == @.b] in Python: [{}]
$[?@.a <= @.b] in Rust: []
$[?@.a <= @.b] in Python: [{}]
$[?@ == 9007199254740993] in Rust: [9007199254740992,9007199254740993]
$[?@ == 9007199254740993] in Python: [9007199254740992]
SEEN
echo "as stated: the two find different values"
