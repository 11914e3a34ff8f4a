"""Runs a whole release on the simulated AWS, and holds the transcript in the guide against what the commands say.

Usage: transcript.py [--write]

Left out by rule: lines of progress (they begin with the time since the start, or with the seconds of a test), the
lines that continue them, lines of a wait, and the count of calls. A number may differ: in a simulated world that is
kept, time passes while a command runs, as fast as the machine is. Every word must be the same. With `--write` the
page is written anew.
"""

import difflib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PAGE = pathlib.Path("crates/bluegreen/docs/deploying.md")
BEGIN = "<!-- the transcript, by .ci/transcript.py -->\n"
END = "<!-- the end of the transcript -->\n"
VERBS = (
    "init --sim",
    "plan",
    "prepare",
    "deploy",
    "test",
    "migrate",
    "cleanup --keep 0s",
)
# The longest run; the world's own speed would take minutes.
FASTER = {"migrate": ("--speed", "600")}
COMMAND = os.environ.get("BLUEGREEN", "target/debug/examples/command")


def said(verb, folder):
    words = [str(pathlib.Path(COMMAND).resolve()), *verb.split(), *FASTER.get(verb, ())]
    run = subprocess.run(words, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
    if run.returncode != 0:
        sys.exit(f"error: `bluegreen {verb}` ended with {run.returncode}:\n{run.stdout}")
    return shortened(run.stdout)


def shortened(text):
    lines, is_progress = [], False
    for line in text.splitlines():
        if re.match(r" *\+\d+[hm]|\s*\d+ s  ", line):
            is_progress = True
        elif not (is_progress and line.startswith("      ")):
            is_progress = False
        if not is_progress and not line.startswith(("waiting: ", "API calls: ")):
            lines.append(line.rstrip())
    return lines


def words(block):
    return [re.sub(r"[0-9][0-9a-f:.TZ-]*", "N", line) for line in block.splitlines()]


def main():
    block = "```console\n"
    with tempfile.TemporaryDirectory() as folder:
        for verb in VERBS:
            block += "\n".join([f"$ bluegreen {verb}", *said(verb, folder), ""])
    block += "```\n"
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    standing, after = rest.split(END)
    if "--write" in sys.argv[1:]:
        PAGE.write_text(before + BEGIN + block + END + after)
        return
    found = list(difflib.unified_diff(words(standing), words(block), "the guide", "the commands", lineterm=""))
    if found:
        print("\n".join(found))
        sys.exit("error: the guide's transcript is not what the commands say; `python3 .ci/transcript.py --write`")
    print(f"{len(VERBS)} commands say what the guide says")


main()
