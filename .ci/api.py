#!/usr/bin/env python3
"""Compares the public API of the published libraries with the listings that are checked in.

    api.py           fails if a listing is not what rustdoc sees
    api.py --write   writes the listings anew

A listing is `crates/NAME/api.txt`: one line an item, by its path, with all features. So each addition to
the surface, and each loss, is a line of a change that is read. What `doc(hidden)` hides is listed too.

The stable rustdoc writes its JSON only if it is told that it may. That is said to rustdoc alone: the
compiler would take it as another setting and compile all dependencies again.
"""

import difflib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LISTED = {"bluegreen": "crates/bluegreen", "bluegreen_monitor": "crates/monitor"}
WORDS = {"struct": "struct", "enum": "enum", "union": "union", "trait": "trait", "type_alias": "type"}


def documented():
    """What rustdoc knows of each library."""
    with tempfile.TemporaryDirectory() as folder:
        wrapper = pathlib.Path(folder, "rustdoc")
        wrapper.write_text('#!/bin/sh\nexec env RUSTC_BOOTSTRAP=1 rustdoc "$@"\n')
        wrapper.chmod(0o755)
        flags = "-Zunstable-options --output-format json --document-hidden-items"
        environment = os.environ | {"RUSTDOC": str(wrapper), "RUSTDOCFLAGS": flags}
        command = "cargo doc --quiet --locked --workspace --no-deps --all-features".split()
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
    metadata = subprocess.check_output(["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=ROOT)
    target = pathlib.Path(json.loads(metadata)["target_directory"])
    return {name: json.loads((target / "doc" / f"{name}.json").read_text()) for name in LISTED}


class Listing:
    """The items of a crate, each once; further paths of an item are `use` lines."""

    def __init__(self, crate):
        self.index = crate["index"]
        self.lines = []
        self.seen = set()
        root = self.item(crate["root"])
        # Modules before what is brought up from them, so that each item stands where it is at home.
        self.module(root, root["name"])
        self.lines.sort()

    def item(self, id):
        return self.index.get(str(id))

    def module(self, module, path):
        kind = lambda id: next(iter(self.item(id)["inner"])) if self.item(id) else ""
        items = sorted(module["inner"]["module"]["items"], key=lambda id: kind(id) != "module")
        for id in items:
            item = self.item(id)
            if item and item["visibility"] == "public" and not (item["name"] or "").startswith("__"):
                self.add(item, path)

    def add(self, item, path):
        kind, inner = next(iter(item["inner"].items()))
        if kind == "use":
            target = self.item(inner["id"]) if inner["id"] is not None else None
            if inner["is_glob"] and target:
                self.module(target, path)
            elif target and str(target["id"]) not in self.seen:
                self.add(target | {"name": inner["name"]}, path)
            else:
                self.lines.append(f"use {path}::{inner['name']}")
            return
        path = f"{path}::{item['name']}"
        self.seen.add(str(item["id"]))
        if kind == "module":
            self.lines.append(f"mod {path}")
            self.module(item, path)
        elif kind in WORDS:
            self.lines.append(f"{WORDS[kind]} {path}")
            # What a mock offers is mockall's.
            if not path.startswith("bluegreen::mock::Mock"):
                self.members(kind, inner, path)
        elif kind == "function":
            self.lines.append(f"fn {path}")
        else:
            self.lines.append(f"{kind} {path}")

    def members(self, kind, inner, path):
        for id in inner.get("variants", []):
            variant = self.item(id)
            self.lines.append(f"variant {path}::{variant['name']}")
            held = variant["inner"]["variant"]["kind"]
            if isinstance(held, dict) and "struct" in held:
                self.fields(held["struct"]["fields"], f"{path}::{variant['name']}")
        if kind == "struct":
            held = inner["kind"]
            if isinstance(held, dict):
                self.fields(held.get("plain", {}).get("fields", []) or held.get("tuple", []), path)
        for id in inner.get("items", []):
            self.member(id, path)
        for id in inner.get("impls", []):
            found = self.item(id)
            if found and found["inner"]["impl"]["trait"] is None:
                for id in found["inner"]["impl"]["items"]:
                    if self.item(id)["visibility"] == "public":
                        self.member(id, path)

    def fields(self, ids, path):
        for field in (self.item(id) for id in ids if id is not None):
            # Those of a variant have no word of their own.
            if field and field["visibility"] in ("public", "default"):
                self.lines.append(f"field {path}::{field['name']}")

    def member(self, id, path):
        item = self.item(id)
        word = {"function": "fn", "assoc_const": "const", "assoc_type": "type"}
        kind = next(iter(item["inner"]))
        self.lines.append(f"{word.get(kind, kind)} {path}::{item['name']}")


def main():
    is_written, failed = "--write" in sys.argv[1:], False
    for name, crate in documented().items():
        lines = Listing(crate).lines
        file = ROOT / LISTED[name] / "api.txt"
        was = file.read_text().splitlines() if file.exists() else []
        if is_written:
            file.write_text("".join(f"{line}\n" for line in lines))
        elif was != lines:
            failed = True
            print("\n".join(difflib.unified_diff(was, lines, str(file), "what rustdoc sees", lineterm="", n=0)))
        words = [line.split(" ")[0] for line in lines]
        types = sum(words.count(word) for word in ("struct", "enum", "union", "trait", "type"))
        print(f"{name}: {types} types, {words.count('fn')} functions, {len(lines)} items")
    if failed:
        sys.exit("error: the public API has changed; if it is meant to, write it anew: python3 .ci/api.py --write")


if __name__ == "__main__":
    main()
