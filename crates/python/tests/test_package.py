"""The package as it is installed: stubs, docs, plugin, import, and the log."""

from __future__ import annotations

import ast
import doctest
import inspect
import logging
import subprocess
import sys
from pathlib import Path

import bluegreen
import pytest
from bluegreen import Migration, Simulation, testing

PACKAGE = Path(bluegreen.__file__).parent


def test_the_stubs_are_those_of_the_module() -> None:
    pytest.importorskip("mypy")
    ended = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "bluegreen", "--ignore-disjoint-bases"],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_package_and_examples_pass_a_strict_type_check(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    from conftest import EXAMPLES

    files = [str(EXAMPLES / "traffic_router.py"), str(EXAMPLES / "migration_monitor.py")]
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--ignore-missing-imports",
            "-p",
            "bluegreen",
            "--cache-dir",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", "--cache-dir", str(tmp_path), *files],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_marker_of_types_and_the_stubs_are_installed() -> None:
    assert (PACKAGE / "py.typed").exists() and (PACKAGE / "_bluegreen.pyi").exists()


def test_the_examples_of_the_docs_are_true() -> None:
    from bluegreen import _wire

    for module in (bluegreen, _wire):
        failed, tried = doctest.testmod(module)
        assert tried > 0 and failed == 0, module


def test_the_manual_is_that_of_the_stubs() -> None:
    """`help` and an editor, which reads the stubs, show the same words."""
    stubs = ast.parse((PACKAGE / "_bluegreen.pyi").read_text())
    classes = {node.name: node for node in stubs.body if isinstance(node, ast.ClassDef)}
    compared = 0
    for name in bluegreen.__all__:
        node, one = classes.get(name), getattr(bluegreen, name)
        if node is None:
            continue
        assert ast.get_docstring(node), name
        assert squeezed(inspect.getdoc(one)) == squeezed(ast.get_docstring(node)), name
        bases = [classes[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in classes]
        for member in [member for one_class in (node, *bases) for member in one_class.body]:
            if isinstance(member, ast.FunctionDef) and ast.get_docstring(member) and not member.name.startswith("_"):
                found = inspect.getdoc(getattr(one, member.name))
                assert squeezed(found) == squeezed(ast.get_docstring(member)), f"{name}.{member.name}"
                compared += 1
    assert compared > 40


def squeezed(text: str | None) -> str:
    return " ".join((text or "").split())


def test_everything_that_is_written_in_python_is_documented() -> None:
    from bluegreen import deployments, events, values

    for module in (deployments, events, values, testing):
        assert module.__doc__
        for name, one in vars(module).items():
            if inspect.isclass(one) and one.__module__ == module.__name__ and not name.startswith("_"):
                assert one.__doc__, name
    for one in vars(bluegreen).values():
        if inspect.isclass(one) and issubclass(one, bluegreen.BluegreenError):
            assert one.__doc__, one


def test_the_names_are_all_there() -> None:
    assert sorted(bluegreen.__all__) == sorted(set(bluegreen.__all__))
    for name in bluegreen.__all__:
        assert hasattr(bluegreen, name), name
        one = getattr(bluegreen, name)
        if inspect.isclass(one):
            assert one.__module__ in ("bluegreen", "bluegreen._bluegreen", "bluegreen._errors"), name


def test_the_errors_are_by_what_a_caller_can_do() -> None:
    transient = {bluegreen.ThrottledError, bluegreen.OutcomeUnknownError, bluegreen.UnavailableError}
    for one in vars(bluegreen).values():
        if inspect.isclass(one) and issubclass(one, bluegreen.CallError) and one is not bluegreen.CallError:
            assert one.is_transient == (one in transient), one
            assert str(one("modify rule", hint="ask ann")) == "modify rule"


def test_an_import_starts_nothing() -> None:
    program = """
import sys, threading
before = threading.active_count()
import bluegreen
assert threading.active_count() == before
assert not {"asyncio", "pytest", "typing_extensions"} & set(sys.modules), sorted(sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_the_log_of_the_library_reaches_logging(caplog: pytest.LogCaptureFixture) -> None:
    world = Simulation("throttled")
    with caplog.at_level(logging.DEBUG, "bluegreen"):
        Migration(world.spec, world).run()
    assert caplog.records and all(record.name.split(".")[0] == "bluegreen" for record in caplog.records)


def test_a_log_handler_that_raises_loses_no_run() -> None:
    class Bad(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("the disk is full")

    logger, bad = logging.getLogger("bluegreen"), Bad()
    logger.addHandler(bad)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        world = Simulation("healthy")
        testing.ended(Migration(world.spec, world).run(), world, 0)
    finally:
        logger.removeHandler(bad)
        logger.setLevel(level)


def test_repr_tells_what_it_is() -> None:
    world = Simulation("healthy")
    migration = Migration(world.spec, world)
    for one in (world, world.spec, migration, migration.handle, bluegreen.Verdict.healthy("well"), bluegreen.Plan()):
        assert type(one).__name__ in repr(one)


def test_the_plugin_checks_worlds_and_parametrises(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from bluegreen import Migration
        from bluegreen.testing import ended

        def release(spec, aws):
            return Migration(spec, aws).run()

        def test_a_lost_answer(simulated_aws):
            world = simulated_aws()
            world.fail("ModifyRule", "timeout_after_effect", nth=2)
            ended(release(world.spec, world), world, 0)

        def test_a_wrong_hope_fails(simulated_aws):
            world = simulated_aws("green-errors")
            ended(release(world.spec, world), world, 0)

        def test_faults(simulated_aws, bluegreen_fault):
            world = bluegreen_fault.inject(simulated_aws())
            outcome = release(world.spec, world)
            assert outcome.exit_code in bluegreen_fault.exit_codes

        def test_names(bluegreen_scenario):
            assert bluegreen_scenario.explanation
        """
    )
    result = pytester.runpytest_subprocess("-q")
    total = 1 + len(testing.FAULTS) + len(bluegreen.scenarios())
    result.assert_outcomes(passed=total, failed=1)
    result.stdout.fnmatch_lines(["*ended with 10, not 0*"])


def test_check_sees_a_wrong_claim() -> None:
    world = Simulation("healthy")
    outcome = Migration(world.spec, world).run()
    testing.check(world, outcome)
    world.third_party_write(70, 30)
    with pytest.raises(AssertionError, match="is true"):
        testing.check(world, outcome)
