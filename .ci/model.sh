#!/usr/bin/env bash
# Derives the table of AWS's models again, and holds our judgement of files against that of AWS's own
# client library. Usage: model.sh [NUMBER OF FILES OF EACH KIND]
set -euo pipefail
cd "$(dirname "$0")/.."
venv=target/model/venv
want=$(sha256sum tests/model/requirements.txt | cut -c1-16)
if [ ! -e "$venv/$want" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r tests/model/requirements.txt
    touch "$venv/$want"
fi
"$venv/bin/python" tests/model/derive.py --check
"$venv/bin/python" tests/model/oracle.py "$@"
