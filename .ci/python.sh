#!/usr/bin/env bash
# The Python package and the command by pip: built, checked, installed in bare environments, and run.
#
# Wheels are built with the profile `dev` here, which is cheap, large and slow: it shows that they install and work.
# release.yml builds with `release`. The packages of the tests and of the build come from PyPI by version.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
out=$target/python
maturin_version=1.16.0
rm -rf "$out/wheels"
mkdir -p "$out"

# Says what begins, and after how many seconds.
say() { printf '\n-- %s (%s s)\n' "$1" "$SECONDS"; }
venv() {
    rm -rf "$out/$1"
    "${2:-python3}" -m venv "$out/$1"
}

cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
cargo clippy --version >/dev/null 2>&1 || rustup component add clippy

say "format"
cargo fmt --manifest-path crates/python/Cargo.toml --check

venv tools
"$out/tools/bin/pip" install --quiet --disable-pip-version-check "maturin==$maturin_version"
export PATH=$out/tools/bin:$PATH

say "the module's wheel, and its clippy"
# Clippy's driver is the compiler: a check of its own would compile the SDK once more.
CARGO_TARGET_DIR=$out/build RUSTC_WORKSPACE_WRAPPER=clippy-driver maturin build --locked --quiet --profile dev \
    --manifest-path crates/python/Cargo.toml --out "$out/wheels" -- -D warnings

say "installed in a bare environment: a whole simulated migration"
venv bare
"$out/bare/bin/pip" install --quiet --disable-pip-version-check --no-index "$out"/wheels/bluegreen-[0-9]*.whl
(cd "$out" && "$out/bare/bin/python" - <<'PY'
from bluegreen import Migration, Simulation

world = Simulation("healthy", seed=1)
outcome = Migration(world.spec, world).run()
print(outcome)
assert outcome.exit_code == 0 and world.weights[0] == 0, (outcome, world.weights)
PY
)

say "tests, types and stubs"
"$out/bare/bin/pip" install --quiet --disable-pip-version-check --requirement crates/python/tests/requirements.in
"$out/bare/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement tests/emulator/requirements.txt
"$out/bare/bin/python" -m pytest -q --durations=5 --hypothesis-profile=ci crates/python/tests

say "the command's wheel"
# The workspace's own target: what the other groups have compiled is used again.
maturin build --locked --quiet --profile dev --manifest-path crates/cli/Cargo.toml --out "$out/wheels"
wheel=$(ls "$out"/wheels/bluegreen_cli-*.whl)
ls -l "$wheel"
# The tag says which glibc the wheel needs; the binary in the wheel must not need a newer one.
python3 - "$wheel" <<'PY'
import pathlib, re, subprocess, sys, tempfile, zipfile

wheel = pathlib.Path(sys.argv[1])
tagged = [tuple(map(int, tag)) for tag in re.findall(r"manylinux_(\d+)_(\d+)_", wheel.name)]
with tempfile.TemporaryDirectory() as folder:
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith(".data/scripts/bluegreen"))
    symbols = subprocess.check_output(["objdump", "-T", archive.extract(name, folder)], text=True)
needed = max(tuple(map(int, version)) for version in re.findall(r"GLIBC_(\d+)\.(\d+)", symbols))
print(f"needs glibc {needed[0]}.{needed[1]}; its tag says {tagged}")
assert tagged and max(tagged) >= needed, "the tag promises an older glibc than the binary needs"
PY
venv command
"$out/command/bin/pip" install --quiet --disable-pip-version-check --no-index "$wheel"
(cd "$out" && "$out/command/bin/bluegreen" --version && "$out/command/bin/bluegreen" migrate --sim --speed max 2>&1 | tail -n 3)
say "all of it"
