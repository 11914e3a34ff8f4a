"""Specifications: all mistakes at once, each with field, place and hint."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import bluegreen
import pytest
from bluegreen import Plan, Simulation, Spec, SpecError

LISTENER = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/chatbot/50dc6c495c0c9188/f2f7dc8efc522ab2"
FIELDS: dict[str, Any] = {
    "name": "chatbot",
    "traffic": {"rules": [LISTENER]},
    "side": {"flask": {"target_group": "chatbot-flask-tg"}, "fastapi": {"target_group": "chatbot-fastapi-tg"}},
}
TOML = f"""name = "chatbot"
[traffic]
rules = ["{LISTENER}"]
[side.flask]
target_group = "chatbot-flask-tg"
[side.fastapi]
target_group = "chatbot-fastapi-tg"
[plan]
steps = [5, "25%", "100%"]
"""


def problems_of(make: Any) -> list[bluegreen.Problem]:
    with pytest.raises(SpecError) as raised:
        make()
    assert raised.value.exit_code == 2
    assert isinstance(raised.value, ValueError)
    return list(raised.value.problems)


def test_dict_keywords_toml_json_and_file_are_the_same(tmp_path: Path) -> None:
    fields = {**FIELDS, "plan": {"steps": [5, "25%", "100%"]}}
    spec = Spec(fields)
    assert spec == Spec(**fields) == Spec.from_toml(TOML) == Spec.from_json(json.dumps(fields))
    toml, written = tmp_path / "a.toml", tmp_path / "a.json"
    toml.write_text(TOML)
    written.write_text(json.dumps(fields))
    assert spec == Spec.from_file(toml) == Spec.from_file(str(written))
    assert spec.plan().steps[:2] == (5.0, 25.0) and spec.plan().steps[-1] == 100.0


def test_each_mistake_has_field_place_and_hint() -> None:
    # As the library's own example: three mistakes, one of them two lines apart.
    found = problems_of(lambda: Spec.from_toml(TOML.replace("steps", "stpes").replace("rules", "ruls")))
    assert len(found) == 3
    typo = next(one for one in found if one.field == "traffic.ruls")
    assert (typo.line, typo.column) == (3, 1)
    assert "did you mean `rules`?" in typo.hint + typo.message
    assert any(one.field == "plan.stpes" and one.line == 9 for one in found)


def test_a_mistake_of_syntax_has_its_place() -> None:
    [problem] = problems_of(lambda: Spec.from_toml('name = "chatbot\n'))
    assert problem.field == "" and problem.line == 1 and problem.message


def test_a_dict_has_fields_and_no_places() -> None:
    found = problems_of(lambda: Spec({**FIELDS, "plan": {"steps": [50, 10, 100], "bake": "soon"}}))
    fields = {one.field for one in found}
    assert "plan.bake" in fields
    assert all(one.line is None and one.column is None for one in found)


def test_values_of_python_are_taken() -> None:
    plan = {"steps": [10, {"green": 50, "bake": timedelta(minutes=5)}, 100], "bake": timedelta(minutes=4)}
    spec = Spec({**FIELDS, "plan": plan})
    told = spec.plan().to_dict()
    assert told["bake"] == timedelta(minutes=4)
    assert told["steps"][1]["bake"] == timedelta(minutes=5)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        Spec.from_file(tmp_path / "nowhere.toml")


def test_with_merges_tables_and_leaves_the_original() -> None:
    spec = Spec(FIELDS)
    other = spec.with_(plan={"bake": "7m"}).with_({"plan": {"steps": [20, 100]}})
    assert other.plan().to_dict()["bake"] == timedelta(minutes=7)
    assert other.plan().steps[0] == 20.0
    assert spec == Spec(FIELDS)
    assert problems_of(lambda: spec.with_(plan={"bake": "soon"}))


def test_a_plan_tells_every_problem_at_once() -> None:
    found = problems_of(lambda: Plan(steps=[50, 10], look_interval=0))
    assert len(found) == 3, "as the library's own example says"
    assert all(one.field and one.message and one.hint for one in found)
    [typo] = problems_of(lambda: Plan(stpes=[10]))  # type: ignore[call-arg]
    assert "stpes" in typo.message and "steps" in typo.message


def test_a_plan_shows_its_course() -> None:
    assert "50%" in Plan().preview()
    assert Plan().steps == (10.0, 50.0, 100.0)


def test_gates_and_plan_must_fit_together() -> None:
    world = Simulation()
    with pytest.raises(SpecError) as raised:
        bluegreen.Migration(world.spec, world, gates={"targets": lambda look: None}).run()
    assert "targets" in str(raised.value)


def test_the_schema_names_all_tables() -> None:
    assert {"name", "traffic", "side", "plan", "judge", "safety"} <= set(bluegreen.schema()["properties"])


def test_the_policy_is_json_with_the_rule() -> None:
    policy = json.loads(Spec(FIELDS).iam_policy())
    assert policy["Version"] == "2012-10-17"
    assert "elasticloadbalancing:ModifyRule" in json.dumps(policy)


def test_the_forecast_says_how_long_each_step_takes() -> None:
    world = Simulation("healthy")
    forecast = world.spec.forecast(world)
    assert forecast is not None and forecast["steps"] and forecast.get("refusal") is None
    # Three requests a minute prove nothing.
    low = Simulation("low-traffic")
    refused = low.spec.forecast(low)
    assert refused is not None and refused["refusal"]


def test_unknown_scenarios_calls_and_faults_name_what_is_known() -> None:
    with pytest.raises(ValueError, match="healthy"):
        Simulation("helthy")
    with pytest.raises(ValueError, match="ModifyRule"):
        Simulation().fail("ModfyRule", "throttle")
    with pytest.raises(ValueError, match="throttle"):
        Simulation().fail("ModifyRule", "throtle")


def test_observe_and_shift_by_hand() -> None:
    world = Simulation()
    assert world.spec.observe(world).is_all_blue
    assert world.spec.shift(world, 10).green_share == pytest.approx(0.1)
    assert world.weights in ((90, 10), (900, 100))
    world.fail("ModifyRule", "denied")
    with pytest.raises(bluegreen.DeniedError):
        world.spec.shift(world, 20, blue="flask")
