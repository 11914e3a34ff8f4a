"""What must hold in a world that has ended. Each function returns what does not hold, in words."""

import json
from bisect import bisect
from collections import Counter

import aws
from checker import Journal, share_of
from world import BLUE, GREEN

# Of a thousand requests this many may be off after a change of weights at run time; and a request that was on its way.
OFF, ON_ITS_WAY = 0.02, 1.0
# What `green_fastapi/app.py` changes in the world `differs`, by the kinds of `bluegreen test`, each with its place.
PLANTED = {("date-format", "$.created_at"), ("number-string", "$.tokens"), ("validation-status", "status"), ("error-body", "body")}


def problems(world):
    """All that does not hold in this world."""
    found = [*rises_are_announced(world), *end_is_live(world), *users_follow_weights(world)]
    of_kind = {"right": right, "errs": errs, "dies": dies, "differs": differs, "soak": soak}
    return found + list(of_kind[world.kind.name](world))


# --- every world

def rises_are_announced(world):
    """No rise of green without a record of the journal before it: by the checker at 10 Hz, and by moto's own log."""
    looks = world.lines("checker")
    seen = [line for line in looks if "announced" in line]
    for line in seen:
        if line["announced"] is None:
            yield f"the checker saw a rise to {line['share']}% that no record announces"
    # The newest record of each share that was written before the change arrived.
    records, used = Journal(world.journal).newest(), -1
    before, rises = {world.groups[BLUE]: 100}, 0
    for change in world.rule_changes():
        green = world.green_at(change["at"])
        share = share_of(change["weights"], green)
        if share > share_of(before, green):
            rises += 1
            matches = [one for one in records if one["number"] > used and one["green"] == green
                       and one["share"] is not None and abs(one["share"] - share) < 0.05 and one["written"] <= change["at"]]
            if not matches:
                yield f"moto got a rise to {share}% before a record announced it"
            else:
                used = matches[0]["number"]
        before = change["weights"]
    if len(seen) != rises:
        yield f"the checker saw {len(seen)} rises, and moto got {rises}"
    reads = max((line["reads"] for line in looks), default=0)
    if reads < 100:
        yield f"the checker read the rule {reads} times only"


def end_is_live(world):
    """The end that the command states is the live split: of the rule, of the balancer, and of users' requests."""
    stated = world.stated_share()
    if abs(world.live["rule"] - stated) > 0.01:
        yield f"stated: green at {stated}%; the rule: {world.live['rule']}%"
    by_haproxy = share_of(world.live["haproxy"], GREEN)
    if abs(by_haproxy - stated) > 0.01:
        yield f"stated: green at {stated}%; HAProxy: {by_haproxy}%"
    last = [one for one in world.lines("users") if world.moments["end"] + 2 < one["at"] < world.moments["last"]]
    sides = Counter(one["side"] for one in last)
    wanted = {GREEN} if stated == 100 else {BLUE}
    if len(last) < 20 or set(sides) != wanted:
        yield f"stated: green at {stated}%; users after the end: {dict(sides)}"


def users_follow_weights(world):
    """Between two changes of weights users' requests divide as the rule says."""
    changes = [line for line in world.lines("agent") if "weights" in line] + [{"at": world.moments["last"]}]
    users = sorted(world.lines("users"), key=lambda user: user["at"])
    times = [user["at"] for user in users]
    for one, after in zip(changes, changes[1:]):
        served = users[bisect(times, one["at"] + ON_ITS_WAY):bisect(times, after["at"] - ON_ITS_WAY)]
        share = sum(user["side"] == GREEN for user in served) / max(len(served), 1)
        wanted = share_of(one["weights"], GREEN) / 100
        if len(served) >= 200 and abs(share - wanted) > OFF:
            yield f"{len(served)} requests at {wanted:.0%}: {share:.1%} were on green"


def failures(world):
    return [one for one in world.lines("users") if not one["ok"]]


def of_cloudwatch(world, side, metric):
    """The sum of a metric of the application over the whole run, as CloudWatch has it."""
    statistics = aws.post(
        world.ministack, "monitoring", Action="GetMetricStatistics", Version="2010-08-01", Namespace=world.namespace(side),
        MetricName=metric, Period=86400, StartTime="2020-01-01T00:00:00Z", EndTime="2100-01-01T00:00:00Z",
        **{"Statistics.member.1": "Sum", "Dimensions.member.1.Name": "Endpoint", "Dimensions.member.1.Value": "/api/v1/chat"})
    return round(sum(float(one.text) for one in statistics.iter() if one.tag.endswith("}Sum")))


def ended(world, code, outcome):
    if (world.code, world.end and world.end.get("outcome", {}).get("outcome")) != (code, outcome):
        yield f"it ended with {world.code}, and {json.dumps(world.end)[:300]}"


def passed(world):
    if (world.tested["verdict"], world.tested.get("differences", [])) != ("passed", []):
        yield f"the test of green says {world.tested['verdict']}: {world.tested.get('differences')}"


# --- the four worlds, and the soak

def right(world):
    yield from ended(world, 0, "promoted")
    yield from passed(world)
    for one in failures(world):
        yield f"a user's request failed: {one}"
    # Blue is the way back: its minimum stays raised to what ran, until a person puts it back.
    if world.blue_scales != (2, 4):
        yield f"blue scales between {world.blue_scales}"


def errs(world):
    yield from ended(world, 10, "rolled_back")
    yield from passed(world)
    yield from stopped_by(world, "metrics")
    if world.end["outcome"]["restored"]["confirmed"]:
        yield "a confirmation by an application's metrics, whose silence proves nothing"
    failed = failures(world)
    planted = [one for one in failed if (one["side"], one["kind"], one["status"]) == (GREEN, "unicode", 500)]
    if not planted or len(planted) != len(failed):
        yield f"{len(failed)} requests failed, {len(planted)} of them as planted: {[one for one in failed if one not in planted][:3]}"
    right_ones = [one for one in world.lines("users") if (one["side"], one["kind"], one["ok"]) == (GREEN, "unicode", True)]
    if right_ones:
        yield f"green answered {len(right_ones)} requests that it should not be able to answer"
    counted = of_cloudwatch(world, GREEN, "ErrorCount")
    if counted != len(planted):
        yield f"CloudWatch has {counted} errors of green, users saw {len(planted)}"


def dies(world):
    yield from ended(world, 10, "rolled_back")
    yield from passed(world)
    yield from stopped_by(world, "targets")
    if not world.end["outcome"]["restored"]["confirmed"]:
        yield "no minute of the balancer's metrics confirmed the restore"
    restored, failed = world.restored_at(), failures(world)
    for one in failed:
        is_within = world.moments["green died"] - ON_ITS_WAY < one["at"] < restored + ON_ITS_WAY
        if one["side"] == BLUE or not is_within:
            yield f"a request failed that green's death does not explain: {one}"
    if not failed:
        yield "green died, and no user noticed"


def differs(world):
    if world.code != 3:
        yield f"a migration with a failed test ended with {world.code}"
    found = {(one["kind"], place) for one in world.tested.get("differences", []) for place in one["places"]}
    if (world.tested["verdict"], found) != ("failed", PLANTED):
        yield f"the test of green says {world.tested['verdict']}: found {found}, planted {PLANTED}"
    yield from (f"a user's request failed: {one}" for one in failures(world))
    on_green = sum(one["side"] == GREEN for one in world.lines("users"))
    if on_green or world.rises():
        yield f"{on_green} users' requests reached green, {world.rises()} rises"


def soak(world):
    yield from (f"a user's request failed: {one}" for one in failures(world))


def stopped_by(world, gate):
    cause = world.end["outcome"].get("cause", {}) if world.end else {}
    if cause.get("gate") != gate:
        yield f"stopped by {cause}, not by {gate}"


# --- the figures

def table(worlds):
    """Users' requests and failures on each side."""
    rows = ["world       ended  requests on blue  failed  on green  failed  no side  rises  runs of the command"]
    for world in worlds:
        users = world.lines("users")
        count = lambda side, only_failed: sum(one["side"] == side and not (only_failed and one["ok"]) for one in users)
        verbs = " ".join(words.split()[0] for words in world.ran)
        rows.append(f"{world.kind.name:8} {world.code:6} {count(BLUE, False):17} {count(BLUE, True):7} {count(GREEN, False):9} "
                    f"{count(GREEN, True):7} {count(None, False):8} {world.rises():6}  {verbs}")
        if "green died" in world.moments:
            seconds = world.restored_at() - world.moments["green died"]
            rows.append(f"         HAProxy sent users to blue alone {seconds:.1f} s after green's death")
    return "\n".join(rows)
