#!/usr/bin/env bash
# Migrations as Temporal workflows: built, checked, histories replayed, and a fleet whose worker is killed.
#
#   temporal.sh                       what CI runs
#   temporal.sh faults                a fault at each call
#   temporal.sh fleet [--count N]     N migrations (200), two workers: one killed each minute, one stopped across a write
set -euo pipefail
cd "$(dirname "$0")/.."

manifest=crates/temporal/Cargo.toml
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR=$target/temporal PYTHONDONTWRITEBYTECODE=1

# Says what begins, and after how many seconds.
say() { printf '\n-- %s (%s s)\n' "$1" "$SECONDS"; }

# The crates of Temporal make their messages from its definitions.
if ! command -v protoc >/dev/null; then
    root=()
    [ "$(id -u)" = 0 ] || root=(sudo)
    "${root[@]}" apt-get update -q
    "${root[@]}" apt-get install -qy --no-install-recommends protobuf-compiler
fi

venv=$target/temporal/venv
want=$(sha256sum crates/temporal/tests/requirements.txt | cut -c1-16)
if [ ! -e "$venv/$want" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        --requirement crates/temporal/tests/requirements.txt
    touch "$venv/$want"
fi
fleet() {
    "$venv/bin/python" crates/temporal/tests/fleet/run.py "$@" \
        --command "$CARGO_TARGET_DIR/debug/bluegreen-temporal" --temporal "$venv/bin/temporal"
}

if [ $# -gt 0 ]; then
    cargo build --locked --quiet --manifest-path "$manifest"
    fleet "$@"
    exit
fi

cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
cargo clippy --version >/dev/null 2>&1 || rustup component add clippy

say "format"
cargo fmt --manifest-path "$manifest" --check

say "the crate, and its clippy"
# Clippy's driver is the compiler: a check of its own would compile the SDKs once more.
RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__ \
    cargo build --locked --quiet --manifest-path "$manifest" --all-targets

say "its tests, and the replay of recorded histories"
RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__ \
    cargo test --locked --quiet --manifest-path "$manifest"

say "5 migrations, and a worker that is killed"
fleet ci
say "all of it"
