"""Journals in S3 over real HTTP, against moto: its conditional writes are the lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import bluegreen
import pytest
from bluegreen import Aws, Journal, Migration
from emulators import REGION, topology
from test_emulator import environment, spec_of, urls

__all__ = ["environment", "urls"]  # Fixtures.


@pytest.fixture
def bucket(urls: dict[str, str], request: pytest.FixtureRequest) -> str:
    import boto3

    name = f"py-{abs(hash(request.node.name))}"
    boto3.client("s3", endpoint_url=urls["moto"], region_name=REGION).create_bucket(Bucket=name)
    return name


def objects(urls: dict[str, str], bucket: str) -> list[str]:
    """The names of all objects, as another client lists them."""
    import boto3

    pages = boto3.client("s3", endpoint_url=urls["moto"], region_name=REGION).get_paginator("list_objects_v2")
    return [one["Key"] for page in pages.paginate(Bucket=bucket) for one in page.get("Contents", [])]


def test_a_journal_in_s3(urls: dict[str, str], bucket: str) -> None:
    world = topology(urls["moto"])
    journal, aws = Journal.s3(bucket, "prod"), Aws.from_env()
    migration = Migration(spec_of(world), aws, act="complete", by="ann", journal=journal)
    for event in migration.events():
        if event.name == "shifted":
            second = Migration(spec_of(world), aws, act="complete", by="bob", journal=journal, blue="flask")
            with pytest.raises(bluegreen.HeldError, match="ann"):
                second.run()
            migration.handle.abort("ann")
        if event.name == "restored":
            # Nothing here publishes metrics that could confirm it: a second abort ends the wait for them.
            migration.handle.abort("ann")
    assert migration.run().exit_code == 11
    [log] = journal.logs(aws)
    assert world.rule.rsplit("/", 1)[1] in log
    assert objects(urls, bucket) and all(name.startswith("prod/") for name in objects(urls, bucket))
    again = bluegreen.replay(journal.records(aws=aws))
    assert again.outcome is not None and again.outcome.exit_code == 11


def test_a_killed_process_is_resumed_by_another(urls: dict[str, str], bucket: str, tmp_path: Path) -> None:
    world, journal = topology(urls["moto"]), Journal.s3(bucket)
    (tmp_path / "spec.json").write_text(spec_of(world).to_json())
    program = f"""
import bluegreen
spec, journal = bluegreen.Spec.from_file("spec.json"), bluegreen.Journal.s3("{bucket}")
run = bluegreen.Migration(spec, bluegreen.Aws.from_env(), act="complete", by="ann", journal=journal)
run.on_event(lambda event: print(event.name, flush=True)).run()
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "shifted":
            break
    process.kill()
    process.wait(30)
    assert world.weights()[1] > 0

    aws = Aws.from_env()
    before = journal.records(aws=aws)
    resumed = Migration(spec_of(world), aws, act="resume", by="bob", journal=journal)
    seen: list[Any] = []
    for event in resumed.events():
        seen.append(event)
        print(event.line(120))
        if event.name in ("looked", "restored") and event.name not in [one.name for one in seen[:-1]]:
            resumed.handle.abort("bob")
    outcome = resumed.run()
    assert (outcome.exit_code, world.weights()[1]) == (11, 0), str(outcome)
    [told] = [event for event in seen if event.name == "resumed"]
    assert told.data["by"] == "bob"
    # One run, whose records nothing has changed: told again, it is both processes' run.
    after = journal.records(aws=aws)
    assert after[: len(before)] == before and len(after) > len(before)
    again = bluegreen.replay(after)
    names = [event.name for event in again.events]
    assert names.count("started") == names.count("resumed") == 1 and again.outcome == outcome
    with pytest.raises(bluegreen.ResumeError) as raised:
        Migration(spec_of(world), aws, act="resume", by="bob", journal=journal).run()
    assert raised.value.ended == outcome


def test_of_two_that_begin_together_one_gets_the_rule(urls: dict[str, str], bucket: str) -> None:
    world = topology(urls["moto"])
    runs = [
        Migration(spec_of(world), Aws.from_env(), act="complete", by=name, journal=Journal.s3(bucket)).start()
        for name in ("ann", "bob", "carl")
    ]
    ends: list[Any] = []
    for run in runs:
        for event in run.events():
            if event.name in ("shifted", "restored"):
                run.handle.abort("ann")
    for run in runs:
        try:
            ends.append(run.run().exit_code)
        except (bluegreen.HeldError, bluegreen.RefusedError) as refused:
            ends.append(type(refused).__name__)
    assert ends.count(11) == 1 and len(ends) == 3, ends
    assert world.weights()[1] == 0
