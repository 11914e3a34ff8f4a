#!/usr/bin/env bash
# cargo-cyclonedx 0.5.9 (crates.io): the list of components of one workspace member names crates that are not
# part of it, if another member, or a test, turns on a feature of a library that both use.
#
# `cargo build --package` uses the features that the package itself asks for; the tool uses `cargo metadata`,
# which joins the features of all members, tests included. So a scanner that reads the list warns of crates
# that were never compiled into the program.
#
# Seen: `cargo tree` of `program` shows only `library`, but the list of `program` names `itoa` too, for which
# only `other` asks. The list also holds the path of the folder in which the tool ran.
set -euo pipefail
version=0.5.9
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tool=$(command -v cargo-cyclonedx || true)
if [ -z "$tool" ] || [[ $("$tool" cyclonedx --version) != *" $version" ]]; then
    CARGO_TARGET_DIR=$work/build cargo install --quiet --locked --debug --root "$work/tool" "cargo-cyclonedx@$version"
    tool=$work/tool/bin/cargo-cyclonedx
fi

mkdir -p "$work/probe"/{program,library,other}/src
cd "$work/probe"
cat > Cargo.toml <<'TOML'
[workspace]
members = ["program", "library", "other"]
resolver = "3"
TOML
manifest() { printf '[package]\nname = "%s"\nversion = "1.0.0"\nedition = "2024"\n\n[dependencies]\n' "$1"; }
{ manifest program; echo 'library = { path = "../library" }'; } > program/Cargo.toml
{ manifest library; echo 'itoa = { version = "=1.0.15", optional = true }'; } > library/Cargo.toml
{ manifest other; echo 'library = { path = "../library", features = ["itoa"] }'; } > other/Cargo.toml
echo 'fn main() {}' > program/src/main.rs
touch library/src/lib.rs other/src/lib.rs
cargo generate-lockfile --quiet

names() { sed 's/^/  /' | sort; }
{
    echo "compiled:"
    cargo tree --package program --edges normal --prefix none | cut -d' ' -f1 | grep -vx program | names
    "$tool" cyclonedx --manifest-path program/Cargo.toml --format json --describe binaries --quiet
    echo "listed:"
    python3 -c '
import json
print(*(part["name"] for part in json.load(open("program/program_bin.cdx.json"))["components"]), sep="\n")' | names
    grep -qF "$work" program/program_bin.cdx.json && echo "with the path of the folder"
} > "$work/seen"
cat "$work/seen"
diff "$work/seen" - <<'SEEN'
compiled:
  library
listed:
  itoa
  library
with the path of the folder
SEEN
echo "as stated: the list has a crate that is not compiled into the program"
