"""The outside checker of one world: reads the rule at 10 Hz, and the journal's folder at each rise.

Usage: checker.py WORLD.json

One line for each change of the rule that it sees: `at`, green's `share` and the share `before`; for a rise also `announced`:
the record of the journal that announced a rise to that share, or `null`. Which group is green stands in the world's file
`green`. `reads` counts all reads, and `late` those that came too late. It uses no code of bluegreen: a record of a change is
`{"record": {"entry": {"entry": "change", "action": {"action": "shift", "to": {"green": 20.0}, …}}}}`.
"""

import json
import pathlib
import sys
import time

import aws

HERTZ = 10


class Journal:
    """The records of a folder that announce a change of the split, each read once."""

    def __init__(self, folder):
        self.folder, self.read, self.changes = pathlib.Path(folder), set(), []

    def newest(self):
        """All changes so far: number, time of the file, action, green's share and group."""
        for path in sorted(self.folder.glob("*/*.json")):
            if path in self.read:
                continue
            try:
                # The first line is the file's own record; some files hold the records before it, too.
                entry = json.loads(path.read_text().partition("\n")[0]).get("record", {}).get("entry", {})
                # When the record got its name, not only its content.
                written = path.stat().st_ctime
            except (OSError, ValueError):
                # A record that is being written.
                continue
            self.read.add(path)
            if entry.get("entry") == "change":
                action = entry["action"]
                self.changes.append({
                    "number": int(path.stem), "written": written, "action": action["action"],
                    "share": action["to"]["green"] if "to" in action else None, "green": green_of(action)})
        return self.changes


def green_of(action):
    """The group that an action calls green."""
    for name, groups in action.get("from", {}).get("rest", {}).items():
        if name.endswith("forward.groups"):
            return next((one.split("=")[0] for one in groups.split(", ") if one.endswith("=green")), None)
    return None


def share_of(weights, group):
    total = sum(weights.values())
    return 100 * weights.get(group, 0) / total if total else 0.0


class Checker:
    def __init__(self, world):
        self.world, self.folder = world, pathlib.Path(world["folder"])
        self.journal, self.used = Journal(world["journal"]), -1
        self.before = None

    def look(self, now):
        """Reads the rule; returns a line if it has changed."""
        green = (self.folder / "green").read_text()
        share = share_of(aws.rule(self.world["moto"], self.world["rule"]).weights, green)
        if (green, share) == self.before:
            return None
        line = {"at": now, "green": green, "share": share, "before": self.before and self.before[1]}
        if self.before and self.before[0] == green and share > self.before[1]:
            line["announced"] = self.announced(green, share)
        self.before = green, share
        return line

    def announced(self, green, share):
        """The record after the last one that was used which announced this rise; a record counts once."""
        for one in self.journal.newest():
            is_of = one["green"] == green and one["share"] is not None and abs(one["share"] - share) < 0.05
            if one["number"] > self.used and is_of:
                self.used = one["number"]
                return one
        return None


def main():
    world = json.loads(pathlib.Path(sys.argv[1]).read_text())
    out = open(pathlib.Path(world["folder"]) / "checker.jsonl", "a", buffering=1)
    checker, reads, late, next_read = Checker(world), 0, 0, time.monotonic()
    while True:
        line = checker.look(time.time())
        reads += 1
        if line or reads % (10 * HERTZ) == 0:
            out.write(json.dumps((line or {"at": time.time()}) | {"reads": reads, "late": late}) + "\n")
        next_read += 1 / HERTZ
        wait = next_read - time.monotonic()
        if wait < 0:
            # The machine is busy: a read that was missed is not made up for.
            late, next_read = late + 1, time.monotonic()
        time.sleep(max(wait, 0))


if __name__ == "__main__":
    main()
