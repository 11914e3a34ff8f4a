#!/usr/bin/env bash
# The monitor in a real browser. Usage: browser.sh [FOLDER FOR SCREENSHOTS]
set -euo pipefail
cd "$(dirname "$0")/.."
command -v chromium >/dev/null || { apt-get update -q && apt-get install -qy chromium; }
venv=target/browser/venv
want=$(sha256sum .ci/browser/requirements.txt | cut -c1-16)
if [ ! -e "$venv/$want" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --require-hashes -r .ci/browser/requirements.txt
    touch "$venv/$want"
fi
cargo build --quiet --locked --example command
# Of the whole workspace: alone the monitor has other features, and everything would be compiled anew.
MONITOR_HOSTILE="$PWD/target/browser/hostile.jsonl" cargo test --quiet --locked --workspace --test hostile
"$venv/bin/python" .ci/browser/run.py target/debug/examples/command target/browser/hostile.jsonl "$@"
