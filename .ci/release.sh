#!/usr/bin/env bash
# Makes all that is published with a release, and tries it. It runs on your machine too.
#
#   .ci/release.sh [TAG]
#
# TAG must be `v` and the version of the crates, and the changelog must have a section for it. With no TAG
# it is a trial. What is made stands in target/release-files (with CARGO_TARGET_DIR: there):
#
#   files/     what users download: the binary, its list of components, SHA256SUMS
#   image.tar  the container image
#   notes.md   what changed
#
# What this machine cannot do is SKIPPED, with the reason; with BLUEGREEN_RELEASE_REQUIRED=1 that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

tag=${1:-}
# Linked with nothing but the kernel: any Linux of this processor, and an empty image, can run it.
target=x86_64-unknown-linux-musl
sbom_version=0.5.9
published=(bluegreen bluegreen-monitor bluegreen-cli)

build=$(realpath -m "${CARGO_TARGET_DIR:-target}")
out=$build/release-files
files=$out/files
root=$out/image/rootfs
skipped=()

step() { printf '\n== %s\n' "$1"; }
fail() { echo "error: $*" >&2; exit 1; }
skip() {
    [ "${BLUEGREEN_RELEASE_REQUIRED:-0}" != 1 ] || fail "cannot be skipped here: $*"
    echo "SKIPPED: $*"
    skipped+=("$*")
}

step "version"
versions=$(cargo metadata --format-version 1 --no-deps --locked | python3 -c '
import json, sys
packages = {p["name"]: p["version"] for p in json.load(sys.stdin)["packages"]}
print(*sorted({packages[name] for name in sys.argv[1:]}))' "${published[@]}")
[[ $versions != *" "* ]] || fail "the crates have different versions: $versions"
version=$versions
[ -z "$tag" ] || [ "$tag" = "v$version" ] || fail "the tag is $tag, and the crates are of version $version"
[ -z "$(git status --porcelain)" ] || fail "there are changes that are not committed"
commit=$(git rev-parse HEAD)
export SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
section=Unreleased
[ -z "$tag" ] || section=$version
rm -rf "$out"
mkdir -p "$files"
awk -v section="$section" '
    /^## / { inside = ($2 == section || $2 == "[" section "]"); next }
    inside { print }' CHANGELOG.md >"$out/notes.md"
grep -q '[^[:space:]]' "$out/notes.md" || fail "CHANGELOG.md has nothing under \"## $section\""
rustc --version
echo "bluegreen $version of $commit, ${tag:-a trial}"

step "the binary for $target"
command -v musl-gcc >/dev/null || fail "no musl-gcc: apt-get install musl-tools"
# A Rust without rustup has the target or has not; the build tells.
! command -v rustup >/dev/null || rustup target add "$target"
cargo build --release --locked -p bluegreen-cli --target "$target"
binary=$build/$target/release/bluegreen
file "$binary"
if readelf --program-headers --dynamic --wide "$binary" | grep -E 'INTERP|NEEDED'; then
    fail "it needs a loader or a library of the machine that it runs on"
fi
ls -l "$binary"
echo "not built: any other processor or system; there, cargo install --locked bluegreen-cli"

step "the binary runs alone: no source, no home, no library, no rights"
authorities=/etc/ssl/certs/ca-certificates.crt
[ -s "$authorities" ] || fail "no $authorities: apt-get install ca-certificates"
install -D -m 755 "$binary" "$root/usr/bin/bluegreen"
install -D -m 644 "$authorities" "$root$authorities"
install -d -m 1777 "$root/tmp"
install -d -m 755 "$root/work"
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
alone() { "${as_root[@]}" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot --userspec=65532:65532 "$root" /usr/bin/bluegreen "$@"; }
# The words that each try must say, and what is run: `tried WORDS how argument…`.
tried() {
    local words=$1 log=$out/tried.log
    shift
    "$@" >"$log" 2>&1 || { local code=$?; tail -n 20 "$log"; fail "ended with $code: ${*:2}"; }
    grep -qF -- "$words" "$log" || { tail -n 20 "$log"; fail "does not say \"$words\": ${*:2}"; }
    echo "ok   ${*:2}"
}
try_all() {
    tried "bluegreen $version" "$1" --version
    tried "Usage: bluegreen" "$1" --help
    tried "promoted" "$1" migrate --sim --speed max
    tried "every check passed" "$1" deploy --sim --speed max
    tried "passed" "$1" check --sim
    "$1" schema | cmp - crates/bluegreen/docs/migration.schema.json || fail "another schema than the one checked in"
    echo "ok   schema"
}
if "${as_root[@]}" true 2>/dev/null; then
    try_all alone
else
    skip "the binary in a folder of its own: that needs root"
fi

step "components (CycloneDX)"
# What is compiled into the binary. The C library and Rust's own, which come with the compiler, are not in it.
tools=$build/release-tools
if [ "$("$tools/bin/cargo-cyclonedx" cyclonedx --version 2>/dev/null)" != "cargo-cyclonedx-cyclonedx $sbom_version" ]; then
    CARGO_TARGET_DIR=$tools/build cargo install --quiet --locked --root "$tools" "cargo-cyclonedx@$sbom_version"
    rm -rf "$tools/build"
fi
# It writes beside each manifest, so it gets a copy.
source=$out/source
mkdir "$source"
git archive HEAD | tar --extract --directory "$source"
"$tools/bin/cargo-cyclonedx" cyclonedx --manifest-path "$source/crates/cli/Cargo.toml" --format json \
    --spec-version 1.5 --describe binaries --target "$target" --no-build-deps --quiet
# It lists what tests and other members of the workspace turn on, too, and the folder where it ran.
cargo tree --locked -p bluegreen-cli --target "$target" --edges normal --prefix none --no-dedupe >"$out/tree"
python3 - "$source" "$out/tree" "$version" "$files/bluegreen-$version.cdx.json" <<'PY'
import json, sys
source, tree, version, to = sys.argv[1:]
compiled = {tuple(line.split()[:2]) for line in open(tree) if line.strip()}
text = open(f"{source}/crates/cli/bluegreen_bin.cdx.json").read()
sbom = json.loads(text.replace(f"file://{source}/", "file:///"))
made = sbom["metadata"]["component"]
assert (made["name"], made["version"]) == ("bluegreen", version), made
listed = sbom["components"]
sbom["components"] = [part for part in listed if (part["name"], f"v{part['version']}") in compiled]
kept = {made["bom-ref"], *(part["bom-ref"] for part in sbom["components"])}
sbom["dependencies"] = [
    {**one, "dependsOn": [ref for ref in one.get("dependsOn", []) if ref in kept]}
    for one in sbom["dependencies"] if one["ref"] in kept
]
missing = compiled - {(part["name"], f"v{part['version']}") for part in sbom["components"]}
assert {name for name, _ in missing} == {"bluegreen-cli"}, missing
with open(to, "w") as file:
    json.dump(sbom, file, indent=2)
    file.write("\n")
print(f"{len(kept) - 1} components; {len(listed) + 1 - len(kept)} that are not compiled in are left out")
PY
rm -rf "$source" "$out/tree"

step "archive and checksums"
name=bluegreen-$version-$target
mkdir "$out/$name"
cp "$binary" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT NOTICE "$out/$name"
# The same input makes the same bytes.
tar --directory "$out" --create --sort=name --format=ustar --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner "$name" \
    | gzip --no-name --best >"$files/$name.tar.gz"
rm -rf "${out:?}/$name"
(cd "$files" && sha256sum -- * >SHA256SUMS && sha256sum --check --strict SHA256SUMS)

step "container image"
if docker info >/dev/null 2>&1; then
    cp .github/release/Dockerfile "$out/image"
    image=bluegreen:$version
    docker build --quiet --tag "$image" \
        --label org.opencontainers.image.source=https://github.com/bluegreen-rs/bluegreen \
        --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.revision=$commit" \
        --label "org.opencontainers.image.licenses=MIT OR Apache-2.0" "$out/image"
    contained() { docker run --rm --network none --cap-drop ALL "$image" "$@"; }
    try_all contained
    docker save --output "$out/image.tar" "$image"
    ls -l "$out/image.tar"
else
    skip "the image: no container engine answers"
fi

step "what would be published on crates.io"
# Compiles each as the one that fetches it will, from its package alone.
packages=("${published[@]/#/--package=}")
cargo publish --dry-run --locked "${packages[@]}"

step "done"
ls -l "$files" "$out"
for what in "${skipped[@]}"; do echo "SKIPPED: $what"; done
