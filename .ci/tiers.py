"""Counts the tests that ran in each tier, and fails when a tier ran none.

Usage: tiers.py LOG [TIER]
"""

import re
import sys

TIERS = {
    "units and adapters": r"unittests src/lib\.rs \(.*debug/deps/bluegreen-",
    "stories": r"tests/stories/main\.rs",
    "faults": r"tests/faults/main\.rs",
    "fuzz": r"tests/fuzz/main\.rs",
    "wire": r"tests/wire/main\.rs",
    "conformance": r"tests/conformance/main\.rs",
    "emulator": r"tests/emulator/main\.rs",
    "monitor": r"unittests src/lib\.rs \(.*debug/deps/bluegreen_monitor-|^Running tests/(shown|hostile)\.rs",
    "docs": r"Doc-tests bluegreen$",
}
# Run beside a container engine only, so asked for by name.
ELSEWHERE = {"images": r"tests/image/main\.rs"}

if len(sys.argv) > 2:
    TIERS = {sys.argv[2]: ELSEWHERE[sys.argv[2]]}

counts = dict.fromkeys(TIERS, 0)
tier = None
for line in open(sys.argv[1], encoding="utf-8", errors="replace"):
    running = re.match(r"\s*(Running|Doc-tests) ", line)
    if running:
        tier = next((name for name, sign in TIERS.items() if re.search(sign, line.strip())), None)
    result = re.match(r"test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", line)
    if result and tier:
        counts[tier] += int(result[1])

for name, count in counts.items():
    print(f"{count:5} {name}")
empty = [name for name, count in counts.items() if count == 0]
if empty:
    sys.exit(f"error: no test ran in: {', '.join(empty)}")
