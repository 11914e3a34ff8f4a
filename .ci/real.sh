#!/usr/bin/env bash
# The real command, real applications behind HAProxy, live users. Usage: real.sh [OPTIONS OF tests/real/run.py]
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v haproxy >/dev/null; then
    root=()
    [ "$(id -u)" = 0 ] || root=(sudo)
    "${root[@]}" apt-get update -q
    "${root[@]}" apt-get install -qy --no-install-recommends haproxy
    # The package starts a service of its own, which nothing here uses.
    [ ! -d /run/systemd/system ] || "${root[@]}" systemctl disable --quiet --now haproxy
fi

export PYTHONDONTWRITEBYTECODE=1
venv=target/real/venv
want=$(sha256sum tests/real/requirements.txt | cut -c1-16)
if [ ! -e "$venv/$want" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        --requirement tests/real/requirements.txt
    touch "$venv/$want"
fi

# As the tests build the command: alone it has other features, and the SDK would be compiled anew.
cargo test --locked --quiet --workspace --no-run --test command
# A copy: what is built beside this run replaces the command.
cp -f target/debug/bluegreen target/real/bluegreen
exec "$venv/bin/python" tests/real/run.py --command target/real/bluegreen "$@"
