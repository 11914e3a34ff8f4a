"""The dataclasses of `bluegreen.events` have every field that the library's JSON has."""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import bluegreen
import pytest
from bluegreen import Journal, Migration, Simulation, deployments, events, values
from bluegreen._wire import read, span, tag_of, time, variants
from bluegreen.events import typed
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

SOURCE = ROOT / "crates" / "bluegreen" / "src" / "migration" / "event.rs"


def plain(value: Any) -> Any:
    """A dataclass as the JSON that it was made from; what has its default is left out, as JSON may."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name.rstrip("_"): plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        if isinstance(value, values.Phase):
            return fields["name"] if value.step is None else {"step": value.step}
        if isinstance(value, values.Operator) and value.reason is None and value.request is None:
            return value.name
        if isinstance(value, values.Finding) and value.risk is not None:
            return bare({**fields, "severity": {"refuse_unless": value.risk}, "risk": None})
        tag = next((base._tag for base in type(value).__mro__ if "_tag" in vars(base)), None)
        return bare({**fields, **({tag: tag_of(type(value).__name__)} if tag else {})})
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return bare({key: plain(one) for key, one in value.items()})
    return value


def bare(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: one for key, one in value.items() if not (one is None or one is False or one in ([], {}, timedelta(0)))
    }


def moments(value: Any, name: str = "") -> Any:
    """The library's JSON with times and spans read, by their form, and without what may be left out."""
    if isinstance(value, dict):
        if set(value) == {"secs", "nanos"}:
            return span(value)
        if set(value) in ({"Ok"}, {"Err"}):
            return moments(next(iter(value.values())))
        return bare({key: moments(one, key) for key, one in value.items()})
    if isinstance(value, list):
        return [moments(one) for one in value]
    if isinstance(value, str):
        if re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", value):
            return time(value)
        if name not in ("message", "summary", "name", "by", "reason", "hint") and re.fullmatch(
            r"(\d+(h|m|s|ms|µs|ns) ?)+", value
        ):
            return span(value)
    return value


def test_nothing_is_lost_in_any_scenario(bluegreen_scenario: Any) -> None:
    world = bluegreen_scenario.world()
    migration = Migration(world.spec, world)
    told = migration.events()
    try:
        outcome = migration.run()
    except bluegreen.UnresolvedError as error:
        facts = typed(error)
        assert isinstance(facts, events.UnresolvedTraffic) and facts.restore_command
    except bluegreen.RefusedError:
        return
    else:
        same(outcome)
    for event in told:
        same(event)


def same(value: Any) -> None:
    fact = typed(value)
    assert not type(fact).__name__.startswith("Unknown"), fact
    wanted = json.loads(value.to_json())
    for name in ("run", "seq", "at", "elapsed") if "seq" in wanted else ():
        del wanted[name]
    assert plain(fact) == moments(wanted)
    with pytest.raises(dataclasses.FrozenInstanceError):
        fact.report = None


def test_the_journals_of_all_versions_have_types() -> None:
    for file in sorted((ROOT / "tests" / "stories" / "journals").glob("migration-v*.jsonl")):
        for event in bluegreen.replay(file.read_text().splitlines()).events:
            same(event)


def test_there_is_a_class_for_each_variant_of_the_library() -> None:
    body = SOURCE.read_text().split("pub enum MigrationEvent {")[1].split("\n}\n")[0]
    rust = {tag_of(name) for name in re.findall(r"^    ([A-Z]\w+)(?: \{|,)", body, re.MULTILINE)}
    assert rust == set(variants(events.MigrationEvent))
    outcome = (SOURCE.parent / "outcome.rs").read_text().split("pub enum MigrationOutcome {")[1].split("\n}\n")[0]
    rust = {tag_of(name) for name in re.findall(r"^    ([A-Z]\w+)(?: \{|,)", outcome, re.MULTILINE)}
    assert rust == set(variants(events.MigrationOutcome))


@pytest.mark.parametrize(("name", "kind"), [("Step", events.Step), ("MigrationPlanBuilder", events.MigrationPlan)])
def test_plans_have_every_field_of_the_library(name: str, kind: type) -> None:
    body = (SOURCE.parent / "plan.rs").read_text().split(f"pub struct {name} {{")[1].split("\n}\n")[0]
    rust = set(re.findall(r"^    (?:pub )?(\w+): ", body, re.MULTILINE))
    assert rust == {field.name for field in dataclasses.fields(kind)}


def test_a_manual_step_waits_for_a_promotion() -> None:
    world = Simulation("healthy")
    plan = world.spec.with_(plan={"steps": [{"green": "10%", "manual": True}, "100%"], "hold_back": "0%"})
    migration = Migration(plan, world)
    # The run waits for this callback, so the promotion comes before the step's deadline.
    migration.on_event(lambda event: migration.handle.promote("ann") if event.name == "awaiting" else None)
    told = list(migration.events())
    for event in told:
        same(event)
    facts = [typed(event) for event in told]
    [awaiting] = [event for event in told if event.name == "awaiting"]
    fact = typed(awaiting)
    assert isinstance(fact, events.Awaiting) and "bluegreen promote" in str(awaiting)
    assert awaiting.data == {"step": 0, "until": fact.until}
    [begun] = [fact for fact in facts if isinstance(fact, events.Started)]
    assert [(step.green, step.manual) for step in begun.plan.steps] == [(10, True), (100, False)]
    [passed] = [fact for fact in facts if isinstance(fact, events.StepPassed) and fact.step == 0]
    assert passed.overridden is not None and str(passed.overridden.by) == "ann"
    assert migration.run().is_promoted
    with pytest.raises(bluegreen.SpecError):
        bluegreen.Plan(steps=[{"green": 10, "by_hand": True}, 100])
    steps = bluegreen.Plan(steps=[{"green": 10, "manual": True, "deadline": "2h"}, 100], deadline="9h").to_dict()[
        "steps"
    ]
    assert steps[0] == {"green": 10, "manual": True, "deadline": timedelta(hours=2)}


def test_a_fact_of_a_newer_library_keeps_its_fields() -> None:
    fact = read(events.MigrationEvent, {"event": "levitated", "height": {"metres": 3}})
    assert isinstance(fact, events.UnknownEvent)
    assert fact.name == "levitated" and fact.fields["height"]["metres"] == 3
    more = read(events.MigrationEvent, {"event": "paused", "until": "2026-01-05T09:02:05Z", "mood": "calm"})
    assert more == events.Paused(until=datetime(2026, 1, 5, 9, 2, 5, tzinfo=timezone.utc))


def test_match_finds_the_facts() -> None:
    world = Simulation("green-errors")
    shares, causes = [], []
    for event in Migration(world.spec, world, journal=Journal.memory()).events():
        fact = typed(event)
        if isinstance(fact, events.Shifted):
            shares.append(fact.traffic.green_share)
        elif isinstance(fact, events.RollingBack):
            causes.append((fact.cause.cause, fact.cause.gate))
    assert shares == [pytest.approx(0.1), 0], "there and back"
    assert causes == [("gate", "metrics")]


@given(st.integers(0, 10**12))
def test_spans_in_both_forms(micros: int) -> None:
    wanted = timedelta(microseconds=micros)
    seconds, rest = divmod(micros, 1_000_000)
    assert span({"secs": seconds, "nanos": rest * 1000 + 999}) == wanted
    hours, left = divmod(micros, 3_600_000_000)
    minutes, left = divmod(left, 60_000_000)
    text = f"{hours}h {minutes}m {left // 1_000_000}s {left // 1000 % 1000}ms {left % 1000}µs"
    assert span(text) == wanted


@pytest.mark.parametrize("text", ["soon", "5", "5 parsecs", "-5s"])
def test_what_is_no_span_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        span(text)


def test_times_of_all_precisions() -> None:
    at = datetime(2026, 1, 5, 9, 2, 5, tzinfo=timezone.utc)
    assert time("2026-01-05T09:02:05Z") == at
    assert time("2026-01-05T09:02:05.1Z") == at + timedelta(milliseconds=100)
    assert time("2026-01-05T09:02:05.123456789Z") == at + timedelta(microseconds=123456)
    assert time("2026-01-05T18:02:05+09:00") == at
    with pytest.raises(ValueError, match="time"):
        time("yesterday")


def test_the_annotations_of_all_classes_are_readable() -> None:
    for module in (deployments, events, values):
        for one in vars(module).values():
            if dataclasses.is_dataclass(one) and isinstance(one, type):
                assert typing.get_type_hints(one) is not None
                assert one.__doc__ and not one.__doc__.startswith(f"{one.__name__}("), one
