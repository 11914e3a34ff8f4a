"""Nothing is lost at the border: what goes through comes back with value and type."""

from __future__ import annotations

import copy
import json
import pickle
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import bluegreen
import pytest
from bluegreen import (
    Event,
    Journal,
    Look,
    Migration,
    Observation,
    Outcome,
    Plan,
    Progress,
    Shift,
    Simulation,
    Spec,
    Traffic,
    Verdict,
)
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

JOURNALS = ROOT / "tests" / "stories" / "journals"

# What serde_json holds exactly: signed and unsigned 64-bit integers, and finite floats.
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
SPANS = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=300))
WEIGHTS = st.integers(0, 2**32 - 1)


def exactly(value: Any) -> Any:
    """The value with the types of its numbers, since `1 == 1.0 == True`."""
    if isinstance(value, dict):
        return {key: exactly(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [exactly(one) for one in value]
    return (type(value).__name__, repr(value))


def comes_back(value: Any) -> None:
    """Through JSON, through pickle, and by copies."""
    assert type(value).from_json(value.to_json()) == value
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.deepcopy(value) == value
    assert hash(value) == hash(pickle.loads(pickle.dumps(value)))
    with pytest.raises(AttributeError):
        value.anything = 1


@given(JSON)
def test_an_observation_keeps_every_number(body: Any) -> None:
    seen = Observation("acme.queue/1", body)
    assert exactly(seen.body) == exactly(body)
    assert exactly(Observation.from_json(seen.to_json()).body) == exactly(body)


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1, 2**64 - 1, -(2**63), 0.1, 1e-320, 1.7976931348623157e308])
def test_numbers_at_the_edges(number: float) -> None:
    assert exactly(Observation("acme.queue/1", number).body) == exactly(number)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 2**64, -(2**63) - 1, {1: "a"}, object(), {"a": {1, 2}}])
def test_what_json_cannot_hold_is_refused(number: Any) -> None:
    with pytest.raises((bluegreen.InvalidError, TypeError, ValueError, OverflowError)):
        Observation("acme.queue/1", number)


@given(
    st.tuples(WEIGHTS, WEIGHTS),
    st.text(),
    st.none() | SPANS,
    st.dictionaries(st.text(), st.text(), max_size=3),
    st.none() | st.text(),
)
def test_traffic_comes_back(
    weights: tuple[int, int], mark: str, stickiness: Any, rest: dict[str, str], command: Any
) -> None:
    traffic = Traffic(*weights, mark, rest=rest, stickiness=stickiness, restore_command=command, blue_targets=4)
    assert (traffic.blue, traffic.green) == weights
    assert (traffic.fingerprint, traffic.rest, traffic.restore_command) == (mark, rest, command)
    assert traffic.stickiness == stickiness and isinstance(traffic.stickiness, (timedelta, type(None)))
    assert traffic.blue_targets["healthy"] == 4
    comes_back(traffic)


@given(SPANS)
def test_a_span_of_a_plan_keeps_its_microseconds(span: timedelta) -> None:
    bake = timedelta(seconds=600) + span % timedelta(minutes=9)
    plan = Plan(bake=bake, step_deadline=timedelta(hours=3), deadline=timedelta(days=1))
    assert plan.to_dict()["bake"] == bake
    comes_back(plan)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("3m", 180), (180, 180), (180.5, 180.5), (timedelta(minutes=3), 180), ("2m 30s", 150), ("1h", 3600)],
    ids=str,
)
def test_a_span_is_text_seconds_or_a_timedelta(given: Any, wanted: float) -> None:
    assert Plan(bake=given, step_deadline="3h", deadline="12h").to_dict()["bake"] == timedelta(seconds=wanted)


@pytest.mark.parametrize("given", ["soon", -1, float("nan"), timedelta(seconds=-1), None, [], "3"])
def test_what_is_no_span_is_refused(given: Any) -> None:
    with pytest.raises((bluegreen.SpecError, TypeError, ValueError)):
        Plan(bake=given)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(timezone.utc)), st.text(min_size=1))
def test_a_verdict_keeps_the_time_of_its_expiry(expires: datetime, summary: str) -> None:
    verdict = Verdict.healthy(summary, expires=expires)
    assert verdict.expires == expires and verdict.expires.tzinfo is not None
    assert verdict.summary == summary
    comes_back(verdict)


def test_an_expiry_of_another_zone_is_the_same_moment_and_one_without_a_zone_is_refused() -> None:
    east = timezone(timedelta(hours=9))
    expires = datetime(2026, 1, 5, 18, 0, tzinfo=east)
    assert Verdict.healthy("well", expires=expires).expires == expires
    with pytest.raises((TypeError, ValueError)):
        Verdict.healthy("well", expires=datetime(2026, 1, 5, 9, 0))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(1, 999), min_size=0, max_size=5, unique=True))
def test_shares_are_tenths_of_a_percent(tenths: list[int]) -> None:
    shares = [tenth / 10 for tenth in sorted(tenths)] + [100]
    plan = Plan(steps=shares, deadline="30h")
    assert plan.steps == tuple(float(share) for share in shares)
    comes_back(plan)


def test_every_event_and_outcome_of_every_scenario_comes_back(bluegreen_scenario: Any) -> None:
    world = bluegreen_scenario.world()
    journal = Journal.memory()
    migration = Migration(world.spec, world, journal=journal)
    events = migration.events()
    try:
        outcome = migration.run()
    except bluegreen.RefusedError:
        return
    except bluegreen.UnresolvedError as error:
        assert pickle.loads(pickle.dumps(error)).exit_code == 20
    else:
        comes_back(outcome)
    for event in events:
        assert json.loads(event.to_json())["event"] == event.name
        comes_back(event)
        assert isinstance(event.at, datetime) and event.at.tzinfo is not None
        assert isinstance(event.elapsed, timedelta)
        times(event.to_dict())
    for record in journal.records():
        assert isinstance(json.loads(record)["seq"], int)


def times(value: Any, name: str = "") -> None:
    """No time and no span is left as text."""
    if isinstance(value, dict):
        for key, one in value.items():
            times(one, key)
    elif isinstance(value, list):
        for one in value:
            times(one, name)
    elif isinstance(value, str) and name not in ("hint", "message", "reason", "summary"):
        assert not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value), (name, value)
        assert not re.fullmatch(r"(\d+(h|m|s|ms|µs|us|ns) ?)+", value), (name, value)


@pytest.mark.parametrize("file", sorted(JOURNALS.glob("migration-v*.jsonl")), ids=lambda file: file.stem)
def test_journals_of_all_versions_are_told_again(file: Path) -> None:
    records = file.read_text().splitlines()
    told = bluegreen.replay(records)
    assert told.events and told.events[0].name == "started"
    for event in told.events:
        comes_back(event)


def test_shift_progress_and_look_come_back() -> None:
    seen: list[Any] = []

    class Splitter:
        propagation = 0
        weights = (1000, 0)

        def observe(self) -> Traffic:
            return Traffic(*self.weights, "v1:r", blue_targets=1, green_targets=1)

        def shift(self, shift: Shift) -> Traffic:
            seen.append(shift)
            self.weights = shift.weights
            return self.observe()

    def gate(look: Look) -> Verdict:
        seen.extend([look, look.progress])
        return Verdict.healthy("well")

    plan = Plan(steps=[100], bake=60, step_deadline=300, look_interval=15, warm_up=0)
    Migration(aws=Simulation(), plan=plan, splitter=Splitter(), gates={"own": gate}).run()
    kinds = {type(value) for value in seen}
    assert kinds == {Shift, Look, Progress}
    for value in seen:
        comes_back(value)


def test_a_spec_comes_back_by_all_its_ways() -> None:
    spec = Simulation("healthy").spec
    comes_back(spec)
    assert Spec.from_toml(spec.to_toml()) == spec
    assert Spec(json.loads(spec.to_json())) == spec
    assert Spec(**json.loads(spec.to_json())) == spec


def test_hooks_and_tests_of_a_file_have_times_and_come_back() -> None:
    world = Simulation("healthy").spec.to_dict()
    hooks = {"command": ["./tell"], "limit": timedelta(minutes=2)}
    hooks["webhook"] = {"url": {"env": "HOOK_URL"}, "secret": {"env": "HOOK_SECRET"}}
    test = {
        "file": "requests.toml",
        "require": timedelta(hours=1),
        "ramp": timedelta(seconds=30),
        "duration": timedelta(minutes=5),
        "max_latency": {"p50": timedelta(milliseconds=300), "p99": timedelta(seconds=2)},
    }
    spec = Spec(world, hooks=hooks, test=test, safety={"accept": ["untested", "infrastructure-code"]})
    told = spec.to_dict()
    assert told["hooks"] == hooks and told["test"] == test
    times(told)
    comes_back(spec)
    assert Spec.from_toml(spec.to_toml()) == spec


def spans(schema: Any, name: str = "") -> set[str]:
    """The fields of a JSON Schema that are spans of time."""
    if isinstance(schema, list):
        return set().union(*(spans(one, name) for one in schema))
    if not isinstance(schema, dict):
        return set()
    found = {name} if schema.get("format") == "span" else set()
    for key, part in schema.items():
        if key in ("properties", "$defs"):
            found = found.union(*(spans(one, inner) for inner, one in part.items()))
        elif key not in ("default", "examples"):
            found |= spans(part, name)
    return found


def test_every_span_of_the_schema_is_a_timedelta() -> None:
    wanted = spans(bluegreen.schema())
    assert {"bake", "limit", "max_latency", "require"} <= wanted
    source = (ROOT / "crates" / "python" / "src" / "convert.rs").read_text()
    known = re.findall(r'"(\w+)"', source.split("const SPANS")[1].split("];")[0])
    assert wanted <= set(known), wanted - set(known)


def test_the_full_example_comes_back() -> None:
    text = (ROOT / "crates" / "bluegreen" / "docs" / "migration.toml").read_text()
    spec = Spec.from_toml(text)
    assert Spec.from_toml(spec.to_toml()) == spec
    comes_back(spec)
    assert spec.name == "chatbot"


def test_errors_keep_their_fields_in_a_pickle() -> None:
    with pytest.raises(bluegreen.SpecError) as raised:
        Spec.from_toml("nme = 1")
    back = pickle.loads(pickle.dumps(raised.value))
    assert [str(one) for one in back.problems] == [str(one) for one in raised.value.problems]
    assert str(back) == str(raised.value)
    refused = bluegreen.DeniedError("not yours", hint="ask ann")
    assert pickle.loads(pickle.dumps(refused)).hint == "ask ann"


def test_outcomes_of_unequal_runs_differ() -> None:
    def run(seed: int) -> Outcome:
        world = Simulation("green-errors", seed=seed)
        return Migration(world.spec, world).run()

    one, other = run(1), run(2)
    assert one == run(1) and one != other
    assert isinstance(one, Outcome) and not isinstance(one, Event)
