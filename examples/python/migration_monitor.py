"""The guide's `deploy/migration_monitor.py`, which ends after its imports: the charts that these promise.

It draws from the event stream of a migration, so it shows what the migration itself has seen and decided: no
metric is asked for twice, and no minute is guessed.

    python migration_monitor.py                          # a simulated migration, into migration.png
    python migration_monitor.py --scenario slow-leak     # one that is rolled back
    python migration_monitor.py --json run.jsonl         # the output of `bluegreen migrate --json`
    python migration_monitor.py --show                   # in a window instead of a file

In a program of your own:

    monitor = MigrationMonitor()
    migration.on_event(monitor.take)
    outcome = migration.run()
    monitor.draw("migration.png")

It needs matplotlib, and `frame` needs pandas: `pip install matplotlib pandas`.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import bluegreen
from bluegreen.events import Looked, RollingBack, StepPassed, typed
from bluegreen.values import TrafficObservation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, GREEN, GREY = "#2563eb", "#16a34a", "#6b7280"
VERDICTS = {"healthy": GREEN, "inconclusive": "#f59e0b", "unhealthy": "#dc2626"}


@dataclass(frozen=True)
class Look:
    """What one look showed. `None`: not known at that moment."""

    minute: float
    green_share: float | None
    green_seen: float | None
    blue_healthy: int | None
    green_healthy: int | None
    blue_error_rate: float | None = None
    green_error_rate: float | None = None
    blue_latency_ms: float | None = None
    green_latency_ms: float | None = None


class MigrationMonitor:
    """Monitor migration metrics in real-time."""

    def __init__(self, region: str = "us-east-1", *, keep: int = 20_000) -> None:
        """`region` is the guide's argument, and not needed: the migration knows its region. `keep` is the number
        of looks that are held; 20,000 are three and a half days."""
        self.region = region
        #: The looks, oldest first.
        self.metrics_data: deque[Look] = deque(maxlen=keep)
        #: Each gate's verdicts: minute, gate, status.
        self.verdicts: deque[tuple[float, str, str]] = deque(maxlen=4 * keep)
        #: What else is marked in the charts: minute, words.
        self.marks: list[tuple[float, str]] = []
        self.title = "no event yet"
        self.started: datetime | None = None

    def take(self, event: bluegreen.Event) -> None:
        """Takes the next event of a migration: the sink for `Migration.on_event`."""
        if self.started is None:
            self.started = event.at
        minute = event.elapsed.total_seconds() / 60
        if event.name in ("looked", "step_passed", "rolling_back"):
            self._take(minute, typed(event))
        elif event.name in ("ended", "unresolved"):
            self.title = str(event).splitlines()[0].partition(" ")[2]

    def _take(self, minute: float, fact: Any) -> None:
        if isinstance(fact, StepPassed):
            self.marks.append((minute, f"step {fact.step + 1} passed"))
        if isinstance(fact, RollingBack):
            self.marks.append((minute, "rolling back"))
        if not isinstance(fact, Looked):
            return
        self.verdicts.extend((minute, gate.gate, gate.verdict.status) for gate in fact.gates)
        traffic = fact.traffic if isinstance(fact.traffic, TrafficObservation) else None
        seen = next((gate.verdict.evidence.traffic for gate in fact.gates if gate.verdict.evidence.traffic), None)
        sides = seen.sides if seen else None
        requests = sides.blue.requests + sides.green.requests if sides else 0
        self.metrics_data.append(
            Look(
                minute=minute,
                green_share=traffic.green_share if traffic else None,
                green_seen=sides.green.requests / requests if sides and requests else None,
                blue_healthy=traffic.targets.blue.healthy if traffic else None,
                green_healthy=traffic.targets.green.healthy if traffic else None,
                blue_error_rate=sides.blue.error_rate if sides else None,
                green_error_rate=sides.green.error_rate if sides else None,
                blue_latency_ms=sides.blue.mean_latency_ms if sides else None,
                green_latency_ms=sides.green.mean_latency_ms if sides else None,
            )
        )

    def frame(self) -> Any:
        """Returns the looks as a pandas DataFrame, one row a look."""
        import pandas

        return pandas.DataFrame([asdict(look) for look in self.metrics_data])

    def draw(self, path: str | None = None) -> Figure:
        """Draws four charts: green's share, error rates, latencies, and verdicts with healthy targets. Writes
        them to `path`, if there is one; its ending says how, such as `.png` or `.svg`."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(11, 10), layout="constrained")
        figure.suptitle(self.title)
        share, errors, latency, verdicts = figure.subplots(4, 1, sharex=True)
        self._lines(
            share,
            "green's share, %",
            [("by the weights", "green_share", GREEN), ("seen in requests", "green_seen", GREY)],
            100,
        )
        share.set_ylim(-3, 103)
        self._lines(
            errors, "failed requests, %", [("blue", "blue_error_rate", BLUE), ("green", "green_error_rate", GREEN)], 100
        )
        errors.set_ylim(bottom=0)
        self._lines(
            latency, "mean latency, ms", [("blue", "blue_latency_ms", BLUE), ("green", "green_latency_ms", GREEN)], 1
        )
        latency.set_ylim(bottom=0)
        self._verdicts(verdicts)
        verdicts.set_xlabel(f"minutes since {self.started:%Y-%m-%d %H:%M:%S} UTC" if self.started else "minutes")
        for axes in (share, errors, latency, verdicts):
            for minute, _ in self.marks:
                axes.axvline(minute, color=GREY, linewidth=0.6, linestyle=":")
        for minute, words in self.marks:
            share.annotate(
                words, (minute, 103), fontsize=7, color=GREY, ha="center", va="bottom", annotation_clip=False
            )
        if path is not None:
            figure.savefig(path, dpi=110)
        return figure

    def _lines(self, axes: Any, label: str, lines: list[tuple[str, str, str]], factor: float) -> None:
        minutes = [look.minute for look in self.metrics_data]
        for name, field, colour in lines:
            values = [getattr(look, field) for look in self.metrics_data]
            # A gap is a gap: nothing is drawn over a time in which nothing was seen.
            shown = [float("nan") if value is None else value * factor for value in values]
            axes.step(minutes, shown, where="post", color=colour, label=name, linewidth=1.4)
        axes.set_ylabel(label)
        axes.grid(alpha=0.25)
        axes.legend(loc="upper left", fontsize=8)

    def _verdicts(self, axes: Any) -> None:
        names = sorted({gate for _, gate, _ in self.verdicts})
        for status, colour in VERDICTS.items():
            points = [(minute, names.index(gate)) for minute, gate, given in self.verdicts if given == status]
            axes.scatter([x for x, _ in points], [y for _, y in points], color=colour, marker="|", s=120, label=status)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(-0.6, max(len(names), 1) - 0.4)
        axes.set_ylabel("verdicts")
        axes.legend(loc="upper left", fontsize=8)


def monitor_migration(migration: bluegreen.Migration, monitor: MigrationMonitor) -> bluegreen.Outcome:
    """Runs a migration under the monitor, prints a line a minute, and returns the outcome."""
    shown = -1

    def take(event: bluegreen.Event) -> None:
        nonlocal shown
        monitor.take(event)
        minute = int(event.elapsed.total_seconds() // 60)
        if event.name == "looked" and minute > shown:
            shown = minute
            look = monitor.metrics_data[-1]
            share = "?" if look.green_share is None else f"{look.green_share:.0%}"
            rate = "?" if look.green_error_rate is None else f"{look.green_error_rate:.2%}"
            print(f"minute {minute:>3}: {share:>4} on green, {rate} of green's requests failed")
        elif event.name in ("rolling_back", "step_passed", "drifted"):
            print(event.line(100))

    return migration.on_event(take).run()


def _main() -> int:
    parser = argparse.ArgumentParser(description="Draws a migration, a simulated one by default.")
    parser.add_argument("--scenario", default="healthy", help="a world of bluegreen.scenarios() (default: healthy)")
    parser.add_argument("--seed", type=int, default=1, help="the seed of that world (default: 1)")
    parser.add_argument("--json", metavar="FILE", help="events as `bluegreen migrate --json` writes them")
    parser.add_argument("--out", default="migration.png", help="the picture (default: migration.png)")
    parser.add_argument("--show", action="store_true", help="a window instead of a file")
    options = parser.parse_args()
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        print("error: the charts need matplotlib\n  hint: pip install matplotlib", file=sys.stderr)
        return 2
    monitor = MigrationMonitor()
    try:
        if options.json:
            with open(options.json, encoding="utf-8") as lines:
                for line in lines:
                    monitor.take(bluegreen.Event.from_json(line))
        else:
            world = bluegreen.Simulation(options.scenario, seed=options.seed)
            print(monitor_migration(bluegreen.Migration(world.spec, world), monitor))
    except bluegreen.BluegreenError as error:
        print(f"error: {error}" + (f"\n  hint: {error.hint}" if error.hint else ""), file=sys.stderr)
        if not monitor.metrics_data:
            return error.exit_code
    if options.show:
        _show(monitor)
    else:
        monitor.draw(options.out)
        print(f"{len(monitor.metrics_data)} looks drawn to {options.out}")
    return 0


def _show(monitor: MigrationMonitor) -> None:
    from io import BytesIO

    from matplotlib import pyplot

    picture = BytesIO()
    monitor.draw().savefig(picture, dpi=110)
    picture.seek(0)
    pyplot.imshow(pyplot.imread(picture))
    pyplot.axis("off")
    pyplot.show()


if __name__ == "__main__":
    sys.exit(_main())
