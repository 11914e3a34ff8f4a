"""What all tests share. Nothing here talks to anything but loopback."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples" / "python"

pytest_plugins = ["pytester"]

# A job in the background ignores SIGINT, and its children inherit that.
HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts a Python program of its own: for what signals, forks and the exit of an interpreter do."""

    def start(text: str) -> subprocess.Popen[str]:
        file = tmp_path / "program.py"
        file.write_text(HEARS + textwrap.dedent(text))
        return subprocess.Popen(
            [sys.executable, str(file)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def told(migration: Any) -> tuple[list[Any], Any]:
    """Runs a migration, and returns all its events and its outcome. Raises what `run` raises."""
    events = list(migration.events())
    return events, migration.run()


def end_of(process: subprocess.Popen[str], limit: float = 120) -> tuple[int, str, str]:
    """Returns exit code, output and errors of a program that must end by itself."""
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        pytest.fail(f"the program did not end\n{out}\n{err}")
    return process.returncode, out, err
