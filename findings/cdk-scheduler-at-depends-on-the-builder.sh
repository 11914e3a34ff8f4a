#!/usr/bin/env bash
# aws-cdk-lib 2.276.0 (npm), EventBridge Scheduler: when `ScheduleExpression.at(date, timeZone)` runs depends on the
# time zone of the machine that builds the stack, and an instant that is named exactly runs hours late.
#
# The method writes the date as UTC has it, and gives the schedule the time zone beside it; nothing converts one to
# the other. So 15:00 UTC, with America/New_York, becomes 15:00 in New York, which is 20:00 UTC. The
# package's own example, `new Date(2022, 10, 20, 19, 20, 23)` with America/New_York, runs at 19:20 there if a machine
# in UTC builds it, such as CI, and at 00:20 of the next day if an engineer in New York does. A deployment from
# either of them changes the schedule of the other. A return of traffic "in eight hours" comes in thirteen.
# Leave the time zone out, and the time is right.
#
# Seen: the lines under SEEN, with the instant of each that `Intl` computes from what the stack has. The same was
# found by a reviewer of another class, https://github.com/aws/aws-cdk/pull/37504. Not found for the scheduler.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" aws-cdk-lib@2.276.0 constructs@10.8.1 > "$work/npm"
cat > "$work/probe.js" <<'JS'
const { TimeZone } = require("aws-cdk-lib");
const { ScheduleExpression } = require("aws-cdk-lib/aws-scheduler");

// The instant at which clocks of the zone show the time: UTC's, less the offset that the zone has then.
function instant(local, zone) {
  const guess = Date.parse(`${local}Z`);
  const there = new Date(guess).toLocaleString("sv", { timeZone: zone }).replace(" ", "T");
  return new Date(2 * guess - Date.parse(`${there}Z`)).toISOString().slice(0, 19);
}

function show(name, date, timeZone) {
  const { expressionString, timeZone: zone } = ScheduleExpression.at(date, timeZone);
  const local = expressionString.slice(3, -1);
  const text = `${expressionString} ${zone.timezoneName} = ${instant(local, zone.timezoneName)}Z`;
  console.log(`${name}, built in ${process.env.TZ}: ${text}`);
}

const exact = new Date("2026-11-28T15:00:00Z");
show("15:00 UTC without a zone", exact);
show("15:00 UTC with New York", exact, TimeZone.AMERICA_NEW_YORK);
show("the example, 19:20:23 in New York", new Date(2022, 10, 20, 19, 20, 23), TimeZone.AMERICA_NEW_YORK);
JS
cd "$work"
for zone in UTC America/New_York; do TZ=$zone node probe.js; done > seen
cat seen
diff seen - <<'SEEN'
15:00 UTC without a zone, built in UTC: at(2026-11-28T15:00:00) Etc/UTC = 2026-11-28T15:00:00Z
15:00 UTC with New York, built in UTC: at(2026-11-28T15:00:00) America/New_York = 2026-11-28T20:00:00Z
the example, 19:20:23 in New York, built in UTC: at(2022-11-20T19:20:23) America/New_York = 2022-11-21T00:20:23Z
15:00 UTC without a zone, built in America/New_York: at(2026-11-28T15:00:00) Etc/UTC = 2026-11-28T15:00:00Z
15:00 UTC with New York, built in America/New_York: at(2026-11-28T15:00:00) America/New_York = 2026-11-28T20:00:00Z
the example, 19:20:23 in New York, built in America/New_York: at(2022-11-21T00:20:23) America/New_York = 2022-11-21T05:20:23Z
SEEN
echo "as stated: the time zone is put beside a time of UTC, and not applied to it"
