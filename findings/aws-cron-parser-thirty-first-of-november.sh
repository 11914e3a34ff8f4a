#!/usr/bin/env bash
# aws-cron-parser 1.1.12 (npm), for the schedules of EventBridge: a month that lacks the day of an expression gets
# the run on a day of the next month.
#
# `0 0 31 * ? *`, the 31st of each month, also gives 3 March, 1 May, 1 July, 1 October and 1 December, and
# `0 0 29 2 ? *` gives 1 March in each year without a leap day. The parser builds a date of the wanted month and
# day, and JavaScript turns the 31st of November into 1 December. The runs at the real ends of months are right, so
# a look at one of them does not show it. `prev` leaves the added days out, so the two do not agree.
#
# aws-croniter 2.1.1 (PyPI) leaves such months out. pyawscron 1.0.7 (PyPI), a port of the package, raises an error
# in place of the next run. All three accept the expression.
#
# Seen: the lines under SEEN. Not found in the tracker; the port's error is in
# https://github.com/pitchblack408/pyawscron/pull/58.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check aws-croniter==2.1.1 pyawscron==1.0.7
npm install --silent --no-audit --no-fund --prefix "$work" aws-cron-parser@1.1.12 > "$work/npm"
cat > "$work/probe.js" <<'JS'
const cron = require("aws-cron-parser");
for (const expression of ["0 0 31 * ? *", "0 0 29 2 ? *"]) {
  const parsed = cron.parse(expression);
  const days = [];
  let at = new Date("2026-12-31T12:00:00Z");
  for (let run = 0; run < 6; run++) {
    at = cron.next(parsed, at);
    days.push(at.toISOString().slice(0, 10));
  }
  console.log(`aws-cron-parser, ${expression}: ${days.join(" ")}`);
}
const december = cron.parse("0 0 31 * ? *");
const next = cron.next(december, new Date("2026-11-28T00:00:00Z"));
const previous = cron.prev(december, new Date("2026-12-02T00:00:00Z"));
console.log("next after 28 November:", next.toISOString().slice(0, 10));
console.log("previous before 2 December:", previous.toISOString().slice(0, 10));
JS
cat > "$work/probe.py" <<'PY'
import datetime

from aws_croniter import AwsCroniter
from pyawscron import AWSCron

begin = datetime.datetime(2026, 12, 31, 12, tzinfo=datetime.timezone.utc)
for expression in "0 0 31 * ? *", "0 0 29 2 ? *":
    runs = AwsCroniter(expression).get_next(begin, 6)
    print(f"aws-croniter, {expression}:", *[run.date() for run in runs])
    try:
        runs = AWSCron.get_next_n_schedule(6, begin, expression)
        print(f"pyawscron, {expression}:", *[run.date() for run in runs])
    except ValueError as error:
        print(f"pyawscron, {expression}:", error)
PY
cd "$work"
{
    node probe.js
    venv/bin/python probe.py
} > seen
cat seen
diff seen - <<'SEEN'
aws-cron-parser, 0 0 31 * ? *: 2027-01-31 2027-03-03 2027-03-31 2027-05-01 2027-05-31 2027-07-01
aws-cron-parser, 0 0 29 2 ? *: 2027-03-01 2028-02-29 2029-03-01 2030-03-01 2031-03-01 2032-02-29
next after 28 November: 2026-12-01
previous before 2 December: 2026-10-31
aws-croniter, 0 0 31 * ? *: 2027-01-31 2027-03-31 2027-05-31 2027-07-31 2027-08-31 2027-10-31
pyawscron, 0 0 31 * ? *: day is out of range for month
aws-croniter, 0 0 29 2 ? *: 2028-02-29 2032-02-29 2036-02-29 2040-02-29 2044-02-29 2048-02-29
pyawscron, 0 0 29 2 ? *: day is out of range for month
SEEN
echo "as stated: the 31st of November is 1 December"
