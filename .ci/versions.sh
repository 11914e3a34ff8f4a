#!/usr/bin/env bash
# An older program and this one on one journal, over real HTTP, while a run is under way, in both
# orders: tests/emulator/versions.rs says how each must end.
#
#   .ci/versions.sh [OLD_REF]
#
# OLD_REF is by default the last commit whose journals are of version 3. It is built beside this one,
# in a work tree under target/versions, which takes minutes the first time.
set -euo pipefail
cd "$(dirname "$0")/.."

ref=$(git rev-parse --verify --short=12 "${1:-c5c0796}^{commit}")
tree=$PWD/target/versions/$ref
old=$PWD/target/versions/traffic_router-$ref
if [ ! -x "$old" ]; then
    [ -e "$tree/.git" ] || git worktree add --quiet --detach "$tree" "$ref"
    # Dependencies are the same for the most part, so they share a folder.
    (cd "$tree" && CARGO_TARGET_DIR=$OLDPWD/target cargo build --workspace --locked --example traffic_router)
    cp target/debug/examples/traffic_router "$old"
    git worktree remove --force "$tree"
fi
version=$(git grep -hoE 'pub const (JOURNAL|MACHINE)_VERSION: u32 = [0-9]+' "$ref" -- \
    crates/bluegreen/src/engine crates/bluegreen/src/migration | grep -oE '[0-9]+$' | head -n 1)
echo "$ref writes version $version"

cargo build --workspace --locked --example command
BLUEGREEN_REQUIRE_EMULATOR=1 BLUEGREEN_OLD_PROGRAM=$old BLUEGREEN_OLD_VERSION=$version \
    cargo test --workspace --locked --test emulator versions -- --ignored --nocapture
