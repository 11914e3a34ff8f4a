"""The dataclasses of `bluegreen.deployments` have every field that the library's JSON has."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import timedelta
from typing import Any

import bluegreen
import pytest
from bluegreen import DeploymentEvent, DeploymentOutcome, deployments
from bluegreen._wire import read, tag_of, variants
from bluegreen.events import typed
from conftest import ROOT, told
from test_border import comes_back, times
from test_deployment import Platform, deploys
from test_typed import moments, plain, same

SOURCE = ROOT / "crates" / "bluegreen" / "src"
IMAGE = "repo@sha256:" + "a" * 64
AT = "2026-01-05T09:02:05.000001Z"
ENVELOPE = {"run": "20260105T090000.000Z", "seq": 7, "at": AT, "elapsed": "2m 5s"}
TO = {"target": "revision", "revision": "chat:7"}
SERVICE = {
    "service": "chat",
    "revision": "chat:8",
    "deployment": "d-2",
    "rollout": "in_progress",
    "desired": 4,
    "running": 3,
    "others": 1,
    "rollback_owner": "service",
    "rollback_point": {"deployed": "chat:8", "previous": TO},
}
FAILURE = {"kind": "throttled", "message": "update chat: slow down", "hint": "wait"}
FINDING = {"severity": {"refuse_unless": "untested"}, "message": "not tested", "is_accepted": True}
TASK = {"task": "t-1", "reason": "exit code 137", "logs": "https://logs.example/t-1"}
CHECK = {
    "check": "chat",
    "asked": "GET https://chat.example/health",
    "answer": {"status": 503, "took": "1s 20ms"},
    "failures": [{"what": "status", "wanted": "200", "got": "503"}],
}
CONTROL = {"control": "abort", "by": {"name": "ann", "reason": "too slow"}}
REQUEST = {"context": "service", "tag": "v7"}
PLAN = {
    "poll_every": "10s",
    "rollout_deadline": "20m",
    "health": {"successes": 3, "every": "10s", "deadline": "5m"},
    "write_within": "10m",
    "rollback_deadline": "30m",
    "also_tag": "latest",
    "on_cancel": "roll-back",
    "accept": ["untested"],
}
REPORT = {
    "started": AT,
    "ended": "2026-01-05T09:12:05Z",
    "service": SERVICE,
    "service_read_at": AT,
    "image": IMAGE,
    "restore_command": "aws ecs update-service …",
    "accepted": ["untested"],
    "left_behind": ["revision chat:8"],
}
CAUSES: list[dict[str, Any]] = [
    {"cause": "rollout_failed", "reason": "the circuit breaker", "stopped": [TASK]},
    {"cause": "stalled", "summary": "3 of 4 run", "stopped": [TASK]},
    {"cause": "never_healthy", "failed": CHECK},
    {"cause": "smoke_failed", "failed": [CHECK, CHECK]},
    {"cause": "not_steady", "summary": "3 of 4 run"},
    {"cause": "update_failed", "failure": FAILURE},
    {"cause": "never_visible", "deployment": "d-2"},
    {"cause": "journal_failed", "failure": FAILURE},
    {"cause": "clock_fault"},
    {"cause": "cancelled", "control": CONTROL},
    {"cause": "asked", "by": "ann"},
]
HELD: list[dict[str, Any]] = [
    {"reason": "asked", "control": CONTROL},
    {"reason": "superseded", "by": "d-3", "revision": "chat:9"},
    {"reason": "gone"},
    {"reason": "taken_over", "failure": FAILURE},
]
UNCHANGED: list[dict[str, Any]] = [
    {"reason": "refused", "findings": [FINDING]},
    {"reason": "read_failed", "failure": FAILURE},
    {"reason": "build_failed", "failure": FAILURE},
    {"reason": "register_failed", "failure": FAILURE},
    {"reason": "update_failed", "failure": FAILURE},
    {"reason": "superseded", "revision": "chat:9"},
    {"reason": "check_failed", "failed": [CHECK]},
    {"reason": "no_way_back", "revision": "chat:8"},
    {"reason": "nothing_to_roll_back", "why": "it is new"},
    {"reason": "journal_failed", "failure": FAILURE},
    {"reason": "clock_fault"},
    {"reason": "cancelled", "control": CONTROL},
]
OUTCOMES: list[dict[str, Any]] = [
    {"outcome": "deployed", "revision": "chat:8", "report": REPORT},
    {"outcome": "begun", "deployment": "d-2", "revision": "chat:8", "report": REPORT},
    {
        "outcome": "begun",
        "deployment": "d-2",
        "revision": "chat:8",
        "then": CONTROL,
        "report": REPORT,
    },
    *({"outcome": "rolled_back", "cause": cause, "to": TO, "report": REPORT} for cause in CAUSES),
    *({"outcome": "held", "reason": reason, "report": REPORT} for reason in HELD),
    *({"outcome": "unchanged", "reason": reason, "report": REPORT} for reason in UNCHANGED),
    {"outcome": "checks_passed", "report": REPORT},
    {"outcome": "check_failed", "failed": [CHECK], "report": REPORT},
]
UNRESOLVED = {
    "summary": "the service could not be rolled back",
    "cause": CAUSES[0],
    "wanted": TO,
    "failure": FAILURE,
    "change_unseen": True,
    "report": REPORT,
}
EVENTS: list[dict[str, Any]] = [
    {"event": "started", "intent": {"intent": "roll_back", "by": "ann", "to": "chat:6"}, "plan": PLAN},
    *(
        {"event": "started", "intent": {"intent": "deploy", "image": image}, "plan": PLAN}
        for image in ({"source": "build", "request": REQUEST, "reuse": True}, {"source": "given", "image": IMAGE})
    ),
    {"event": "started", "intent": {"intent": "begin", "image": {"source": "given", "image": IMAGE}}, "plan": PLAN},
    *({"event": "started", "intent": {"intent": intent}, "plan": PLAN} for intent in ("check_health", "smoke")),
    {"event": "reopened", "found": 3, "version": 4},
    {"event": "preflight_passed", "findings": [FINDING], "service": SERVICE},
    {"event": "read_failed", "failure": FAILURE, "retry_at": AT},
    {"event": "image_reused", "image": IMAGE},
    {"event": "building", "request": REQUEST},
    {"event": "built", "image": IMAGE},
    {
        "event": "registered",
        "registration": {"revision": "chat:8", "is_new": True, "diff": ["+ image"], "notes": [FINDING]},
    },
    {"event": "already_runs", "service": SERVICE},
    {"event": "adopted", "service": SERVICE, "previous": TO},
    {"event": "updating", "to": {"target": "nothing"}, "from": "chat:7", "attempt": 2},
    {"event": "updated", "deployment": "d-2"},
    {"event": "never_visible", "to": TO},
    {"event": "update_failed", "failure": FAILURE, "retry_at": AT},
    {"event": "rollout", "deployment": "d-2", "desired": 4, "running": 2, "pending": 1, "failed": 1},
    {"event": "service_said", "said": {"id": "e-1", "at": AT, "message": "has started 1 tasks"}},
    {"event": "task_stopped", "task": TASK},
    {"event": "service_rolls_back", "to": "chat:7"},
    {"event": "rolled_out", "deployment": "d-2"},
    {"event": "checked", "kind": "smoke", "report": CHECK, "in_a_row": 1, "wanted": 3},
    *({"event": "rolling_back", "cause": cause, "to": TO} for cause in CAUSES),
    {"event": "rollback_seen", "service": SERVICE},
    {"event": "restored", "service": SERVICE},
    *(
        {"event": "tagged", "tag": "latest", "result": result}
        for result in (
            {"Ok": {"tagging": "moved"}},
            {"Ok": {"tagging": "already_there"}},
            {"Ok": {"tagging": "refused", "reason": "the tag may not move"}},
            {"Err": FAILURE},
        )
    ),
    {"event": "controlled", "control": CONTROL, "effect": {"effect": "ignored", "why": "it is over"}},
    {"event": "journal_failed", "failure": FAILURE},
    *({"event": "ended", "outcome": outcome, "exit_code": 0} for outcome in OUTCOMES),
    {"event": "unresolved", "unresolved": UNRESOLVED, "exit_code": 20},
]


def named(value: dict[str, Any]) -> str:
    return str(value.get("event") or value.get("outcome"))


@pytest.mark.parametrize("fields", EVENTS, ids=named)
def test_nothing_of_an_event_is_lost(fields: dict[str, Any]) -> None:
    """The library reads the fields, and the dataclass has all that the library then writes."""
    event = DeploymentEvent.from_json(json.dumps({**ENVELOPE, **fields}))
    whole(event, fields)
    assert event.name == fields["event"] == tag_of(type(typed(event)).__name__)


@pytest.mark.parametrize("fields", OUTCOMES, ids=named)
def test_nothing_of_an_outcome_is_lost(fields: dict[str, Any]) -> None:
    outcome = DeploymentOutcome.from_json(json.dumps(fields))
    whole(outcome, fields)
    assert outcome.kind == fields["outcome"] == tag_of(type(typed(outcome)).__name__)


def whole(value: Any, fields: dict[str, Any]) -> None:
    comes_back(value)
    times(value.to_dict())
    told = typed(value)
    assert not type(told).__name__.startswith("Unknown")
    wanted = moments(fields)
    assert {name: moments(json.loads(value.to_json())).get(name) for name in wanted} == wanted, "the library read all"
    assert plain(told) == listed(wanted)


def listed(value: Any) -> Any:
    """A cause has its one failed check as a list of one."""
    if isinstance(value, dict):
        if value.get("cause") == "never_healthy":
            return {**value, "failed": [value["failed"]]}
        return {key: listed(one) for key, one in value.items()}
    return value


def body(file: str, head: str) -> str:
    return (SOURCE / file).read_text().split(head + " {")[1].split("\n}\n")[0]


def test_the_samples_have_every_variant_of_the_library() -> None:
    for file, name, samples, base in (
        ("deployment/event.rs", "DeploymentEvent", EVENTS, deployments.DeploymentFact),
        ("deployment/outcome.rs", "DeploymentOutcome", OUTCOMES, deployments.DeploymentEnd),
    ):
        rust = {tag_of(one) for one in re.findall(r"^    ([A-Z]\w+)(?: \{|,)", body(file, f"pub enum {name}"), re.M)}
        assert rust == set(variants(base)) == {named(sample) for sample in samples}
    for name, samples, tag in (("Cause", CAUSES, "cause"), ("HoldReason", HELD, "reason"), ("Unchanged", UNCHANGED, "reason")):
        source = body("deployment/outcome.rs", f"pub enum {name}")
        rust = {tag_of(one) for one in re.findall(r"^    ([A-Z]\w+)(?: \{|,)", source, re.M)}
        assert rust == {sample[tag] for sample in samples}


@pytest.mark.parametrize(
    ("file", "name", "kind"),
    [
        ("deployment/outcome.rs", "Report", deployments.Report),
        ("deployment/outcome.rs", "Unresolved", deployments.UnresolvedService),
        ("deployment/plan.rs", "DeploymentPlanBuilder", deployments.DeploymentPlan),
        ("deployment/plan.rs", "HealthPolicy", deployments.HealthPolicy),
        ("service/deployer.rs", "ServiceObservation", deployments.ServiceObservation),
        ("service/deployer.rs", "Registration", deployments.Registration),
        ("service/deployer.rs", "StoppedTask", deployments.StoppedTask),
        ("check/report.rs", "CheckReport", deployments.CheckReport),
    ],
)
def test_structures_have_every_field_of_the_library(file: str, name: str, kind: type) -> None:
    rust = set(re.findall(r"^    (?:pub )?(\w+): ", body(file, f"pub struct {name}"), re.M))
    assert rust == {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("broken", [(), ("rev-aaa",)], ids=["deployed", "rolled_back"])
def test_a_run_is_told_in_types(broken: tuple[str, ...]) -> None:
    events, outcome = told(deploys(Platform(broken)))
    for value in (*events, outcome):
        same(value)
    facts = [typed(event) for event in events]
    [begun] = [fact for fact in facts if isinstance(fact, deployments.Started)]
    assert begun.intent.image is not None and begun.intent.image.source == "given"
    assert begun.plan.poll_every == timedelta(seconds=10)
    end = typed(outcome)
    if broken:
        assert isinstance(end, deployments.RolledBack) and str(end.to) == "rev-bbb"
        assert end.cause.cause == "rollout_failed"
    else:
        assert isinstance(end, deployments.Deployed) and end.revision == "rev-aaa"
        assert end.report.service is not None and end.report.service.is_steady
    assert facts[-1] == deployments.Ended(outcome=end, exit_code=outcome.exit_code)


def test_an_unresolved_service_is_told_in_types() -> None:
    """The rollout fails, and from then on the platform answers nothing."""

    class Gone(Platform):
        def observe(self) -> dict[str, Any]:
            if self.deployments[-1] == "rev-aaa":
                raise OSError("no route to the platform")
            return super().observe()

    with pytest.raises(bluegreen.UnresolvedError) as raised:
        deploys(Gone(broken=("rev-aaa",))).run()
    facts = typed(raised.value)
    assert isinstance(facts, deployments.UnresolvedService)
    assert facts.failure is not None and "no route to the platform" in facts.failure.message


def test_an_error_without_facts_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="broke off"):
        typed(bluegreen.UnresolvedError("the run broke off"))


def test_a_fact_of_a_newer_library_keeps_its_fields() -> None:
    fact = read(deployments.DeploymentFact, {"event": "levitated", "height": {"metres": 3}})
    assert isinstance(fact, deployments.UnknownEvent) and fact.fields["height"]["metres"] == 3
