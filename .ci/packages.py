"""Holds that no published crate reads a file outside of its own folder.

Such a file is there for us and missing in the package. A symbolic link inside the folder does: packages get
the file that it points to.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

# `include_str!("…")`, and `concat!(env!("CARGO_MANIFEST_DIR"), "/…")`, which is seen from the crate's folder.
INCLUDED = re.compile(r'\binclude(?:_str|_bytes)?!\(\s*"([^"]+)"')
FROM_ROOT = re.compile(r'env!\("CARGO_MANIFEST_DIR"\),\s*"/?([^"]+)"')

metadata = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"]
packages = json.loads(subprocess.check_output(metadata))["packages"]
published = [package for package in packages if package["publish"] is None]
failed, count = False, 0
for package in published:
    root = pathlib.Path(package["manifest_path"]).parent
    for file in sorted(root.rglob("*.rs")):
        text = file.read_text()
        named = [(file.parent, name) for name in INCLUDED.findall(text)]
        named += [(root, name) for name in FROM_ROOT.findall(text)]
        for folder, name in named:
            count += 1
            # Not resolved: a link counts for where it stands.
            path = pathlib.Path(os.path.normpath(folder / name))
            if not path.is_relative_to(root):
                problem = "stands outside of the package"
            elif not path.exists():
                problem = "does not exist"
            else:
                continue
            failed = True
            print(f"FAIL {file}: {name} {problem}")
if not count:
    sys.exit("error: no file is read by any crate, which is not so")
if failed:
    sys.exit(1)
print(f"ok   {count} files that {len(published)} crates read are in their packages")
