#!/usr/bin/env bash
# hdr-histogram-js 3.0.1 (npm) and hdrhistogram 7.6.0 (crates.io), two ports of HdrHistogram with one common
# format (V2, compressed): the Rust crate reads nothing that the JavaScript package writes, and the package
# changes large counts of the crate.
#
# 1. The package writes the integer 1 into two header fields that it does not use itself: the normalising
#    offset, where the other ports here write 0, and the ratio between integers and doubles, where they write
#    the floating-point number 1.0. The crate refuses both as `UnsupportedFeature`, whatever the histogram holds.
#    The Python port (PyPI, hdrhistogram 0.10.8) does not look at them, and reads the same text.
# 2. The interval log of the package has an empty line after its start time. The crate's reader stops there
#    with `ParseError`, before the first interval.
# 3. The package's counters have 32 bits, unless told otherwise, and wrap without an error: the check for
#    overflow compares with 2^53, whatever the width. So a count of the crate above 4,294,967,295 is read modulo
#    2^32. With 16 bits, 65,546 equal values count as 65,546 in `totalCount` and as 10 for the percentiles, so
#    the median of values that are all 7 is 0.
#
# Seen: the lines under SEEN. Not found in the three trackers.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check hdrhistogram==0.10.8
npm install --silent --no-audit --no-fund --prefix "$work" hdr-histogram-js@3.0.1 > "$work/npm"

cat > "$work/write.js" <<'JS'
const hdr = require("hdr-histogram-js");
const fs = require("fs");
const histogram = hdr.build();
for (const value of [3, 5, 700]) histogram.recordValue(value);
fs.writeFileSync("javascript", hdr.encodeIntoCompressedBase64(histogram));

let text = "";
const log = new hdr.HistogramLogWriter((part) => { text += part; });
histogram.startTimeStampMsec = 1780000000000;
histogram.endTimeStampMsec = 1780000001000;
log.outputStartTime(1780000000000);
log.outputIntervalHistogram(histogram);
fs.writeFileSync("log", text);
JS
cat > "$work/read.js" <<'JS'
const hdr = require("hdr-histogram-js");
const text = require("fs").readFileSync("rust", "utf8");
console.log("JavaScript reads Rust:", hdr.decodeFromCompressedBase64(text).totalCount);
console.log("JavaScript reads Rust, 64 bits:", hdr.decodeFromCompressedBase64(text, 64).totalCount);
const narrow = hdr.build({ bitBucketSize: 16 });
narrow.recordValueWithCount(7, 65546);
const median = narrow.getValueAtPercentile(50);
console.log("JavaScript, 16 bits:", narrow.totalCount, "values, median", median);
JS
cat > "$work/read.py" <<'PY'
from hdrh.histogram import HdrHistogram

for writer in "javascript", "rust":
    print(f"Python reads {writer}:", HdrHistogram.decode(open(writer).read()).get_total_count())
PY
mkdir -p "$work/probe/src"
cat > "$work/probe/Cargo.toml" <<'TOML'
[package]
name = "probe"
version = "0.0.0"
edition = "2024"

[dependencies]
base64 = "=0.22.1"
hdrhistogram = "=7.6.0"

[workspace]
TOML
cat > "$work/probe/src/main.rs" <<'RS'
use std::fs;

use base64::{Engine, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{
        Deserializer, Serializer, V2DeflateSerializer,
        interval_log::{IntervalLogIterator, LogIteratorError},
    },
};

fn read(writer: &str) {
    let text = fs::read_to_string(writer).expect("a file");
    let bytes = STANDARD.decode(text).expect("Base64");
    let histogram = Deserializer::new().deserialize::<u64, _>(&mut &bytes[..]);
    println!("Rust reads {writer}: {:?}", histogram.map(|histogram| histogram.len()));
}

fn main() {
    let mut histogram = Histogram::<u64>::new(3).expect("a histogram");
    histogram.record_n(7, 5_000_000_000).expect("in range");
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(&histogram, &mut bytes).expect("bytes");
    fs::write("rust", STANDARD.encode(bytes)).expect("a file");
    read("rust");
    read("javascript");
    let log = fs::read("log").expect("a file");
    let entries: Vec<_> = IntervalLogIterator::new(&log).collect();
    let failed = matches!(entries[..], [Ok(_), Err(LogIteratorError::ParseError { .. })]);
    println!("Rust reads the log: a start time, then an error of syntax: {failed}");
}
RS
cd "$work"
{
    node write.js
    cargo run --quiet --manifest-path probe/Cargo.toml
    venv/bin/python read.py
    node read.js
} > seen
cat seen
diff seen - <<'SEEN'
Rust reads rust: Ok(5000000000)
Rust reads javascript: Err(UnsupportedFeature)
Rust reads the log: a start time, then an error of syntax: true
Python reads javascript: 3
Python reads rust: 5000000000
JavaScript reads Rust: 705032704
JavaScript reads Rust, 64 bits: 5000000000
JavaScript, 16 bits: 65546 values, median 0
SEEN
echo "as stated: what the JavaScript package writes, the crate refuses; large counts change on the way back"
