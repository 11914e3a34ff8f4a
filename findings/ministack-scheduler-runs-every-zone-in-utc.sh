#!/usr/bin/env bash
# ministack 1.5.33 (PyPI), EventBridge Scheduler: `at(...)` runs in UTC whatever `ScheduleExpressionTimezone` says,
# although `GetSchedule` returns the zone.
#
# On AWS the zone decides when the time of the expression is
# (https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#time-zones). A test with a zone
# passes here if the program under test forgets to convert the time, and fails if the program is right. A return
# of traffic that is due in eight hours happens at once.
#
# Seen: of two schedules, the one that is due now in Tokyo does not run, and the one that is due in Los Angeles
# hours from now runs, together with a schedule in UTC. Not found in the tracker.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.6 tzdata==2026.3
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > "$work/probe.py" <<'PY'
import datetime
import json
import sys
import time
import zoneinfo

import boto3

place = dict(
    region_name="us-east-1",
    aws_access_key_id="a",
    aws_secret_access_key="b",
    endpoint_url=sys.argv[1],
)
scheduler = boto3.client("scheduler", **place)
sqs = boto3.client("sqs", **place)
url = sqs.create_queue(QueueName="q")["QueueUrl"]
queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def schedule(name, zone, time):
    scheduler.create_schedule(
        Name=name,
        ScheduleExpression=time.strftime("at(%Y-%m-%dT%H:%M:%S)"),
        ScheduleExpressionTimezone=zone,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": queue, "RoleArn": "arn:aws:iam::000000000000:role/r", "Input": json.dumps(name)},
    )
    print(name, "in", scheduler.get_schedule(Name=name)["ScheduleExpressionTimezone"])


soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
schedule("due-now", "Asia/Tokyo", soon.astimezone(zoneinfo.ZoneInfo("Asia/Tokyo")))
schedule("due-in-hours", "America/Los_Angeles", soon)
schedule("control", "UTC", soon + datetime.timedelta(seconds=1))
ran = set()
end = time.monotonic() + 60
while "control" not in ran and time.monotonic() < end:
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    ran |= {json.loads(message["Body"]) for message in answer.get("Messages", [])}
print("ran:", *sorted(ran))
PY
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port "$work/venv/bin/ministack" > "$work/log" 2>&1 &
server=$!
for _ in $(seq 100); do
    python3 -c "import socket; socket.create_connection(('127.0.0.1', $port))" 2> "$work/connect" && break
    sleep 0.3
done
"$work/venv/bin/python" "$work/probe.py" "http://127.0.0.1:$port" > "$work/seen"
cat "$work/seen"
diff "$work/seen" - <<'SEEN'
due-now in Asia/Tokyo
due-in-hours in America/Los_Angeles
control in UTC
ran: control due-in-hours
SEEN
echo "as stated: the zone is kept and not used"
