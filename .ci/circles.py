#!/usr/bin/env python3
"""Finds circles of imports between the modules of a crate.

    circles.py [FOLDER]      default: crates/bluegreen/src

A module is a file, without its test code. A name is followed through re-exports to the file that
defines it, so a re-export in `mod.rs` makes no edge from a parent to its child. Methods are no
imports: the `impl` of one type may be spread over files. Two levels are looked at:

  files    a file uses what another defines, and that one, directly or not, uses the first;
  folders  the same between what stands side by side in one folder, with every subfolder, and a
           `name.rs` with its folder `name`, taken as one piece.

Every circle is printed with the lines that make it. Exit code 1: a circle that EXCEPTIONS does not
state, or an exception that no circle needs.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

# (level, every file or piece that may be in the circle, the reason)
EXCEPTIONS = []


# ---- reading Rust ----------------------------------------------------------------------------------


def blanked(text):
    """The text with comments, strings and characters blanked, every line where it was."""
    out = list(text)

    def blank(start, end):
        for index in range(start, end):
            if out[index] != "\n":
                out[index] = " "

    raw = re.compile(r'\b(?:b|c)?r(#*)"')
    char = re.compile(r"b?'(?:\\(?:x[0-9a-fA-F]{2}|u\{[0-9a-fA-F_]+\}|.)|[^\\'\n])'")
    at = 0
    while at < len(text):
        if text.startswith("//", at):
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
        elif text.startswith("/*", at):
            depth, end = 1, at + 2
            while depth and end < len(text):
                if text.startswith("/*", end):
                    depth, end = depth + 1, end + 2
                elif text.startswith("*/", end):
                    depth, end = depth - 1, end + 2
                else:
                    end += 1
        elif found := raw.match(text, at):
            end = text.find('"' + found[1], found.end())
            end = len(text) if end < 0 else end + 1 + len(found[1])
        elif text[at] == '"':
            end = at + 1
            while end < len(text) and text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            end += 1
        elif found := char.match(text, at):
            end = found.end()
        else:
            at += 1
            continue
        blank(at, min(end, len(text)))
        at = end
    return "".join(out)


OPEN, CLOSE = "([{", ")]}"


def end_of_item(text, at):
    """Where the item that begins at `at` ends: at its `;`, or at the `}` of its body."""
    is_use = re.compile(r"\s*(?:pub(?:\([^)]*\))?\s+)?(?:use|const|static|type)\b").match(text, at)
    depth = 0
    while at < len(text):
        here = text[at]
        if here in OPEN:
            depth += 1
        elif here in CLOSE:
            depth -= 1
            if depth == 0 and here == "}" and not is_use:
                return at + 1
            if depth < 0:
                return at
        elif here == ";" and depth == 0:
            return at + 1
        at += 1
    return at


def outermost(text):
    """What stands in no braces: the items of the module itself, without methods and locals."""
    out, depth = [], 0
    for here in text:
        depth -= here == "}"
        out.append(here if depth == 0 else " ")
        depth += here == "{"
    return "".join(out)


TEST = re.compile(r"#\[cfg\((?:test\b|all\([^)]*\b(?:test|doctest)\b)[^\]]*\]")
ATTRIBUTE = re.compile(r"\s*#!?\[")


def test_items(text):
    """What is compiled for tests only, in blanked text: (start, end, the name of its file or None)."""
    at = 0
    while found := TEST.search(text, at):
        end = found.end()
        while more := ATTRIBUTE.match(text, end):
            depth, end = 1, more.end()
            while depth:
                depth += (text[end] == "[") - (text[end] == "]")
                end += 1
        at = end_of_item(text, end)
        module = re.match(r"\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;", text[end:at])
        yield found.start(), at, module and module[1]


def without_tests(text):
    """Blanks what is compiled for tests only; also the names of the files that are."""
    tests = set()
    for start, end, module in list(test_items(text)):
        if module:
            tests.add(module)
        text = text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return text, tests


def leaves(tree, before=()):
    """The paths of a use tree: (segments, the name that it binds, or None)."""
    tree = tree.strip()
    if brace := re.match(r"((?:\w+\s*::\s*)*)\{(.*)\}$", tree, re.S):
        before += tuple(part for part in re.split(r"\s*::\s*", brace[1]) if part)
        depth, begin, inner = 0, 0, brace[2] + ","
        for at, here in enumerate(inner):
            depth += (here == "{") - (here == "}")
            if here == "," and depth == 0:
                if inner[begin:at].strip():
                    yield from leaves(inner[begin:at], before)
                begin = at + 1
        return
    path, _, name = re.sub(r"\s+", " ", tree).partition(" as ")
    path = before + tuple(re.split(r"\s*::\s*", path.removeprefix("::")))
    if path[-1] == "self" and len(path) > 1:
        path = path[:-1]
    yield path, (name or path[-1])


ITEM = re.compile(
    r"\b(fn|struct|enum|union|trait|type|static|const|macro_rules!)\s+(?:mut\s+)?(\w+)"
)
USE = re.compile(r"((?:pub(?:\([^)]*\))?\s+)?)\buse\s+([^;]+);")
MODULE = re.compile(r"\bmod\s+(\w+)\s*;")
PATH = re.compile(r"(?<![\w:$.])\w+(?:\s*::\s*\w+)+")


def line_of(text, at):
    return text.count("\n", 0, at) + 1


class Module:
    def __init__(self, file, path, text):
        self.file, self.path = file, path
        self.text, self.tests = without_tests(blanked(text))
        self.children = [name for name in MODULE.findall(self.text)]
        self.uses = [
            (line_of(self.text, tree.start(2)), bool(tree[1].strip()), path, name)
            for tree in USE.finditer(self.text)
            for path, name in leaves(tree[2])
        ]
        body = USE.sub(lambda use: re.sub(r"[^\n]", " ", use[0]), self.text)
        items = ITEM.findall(outermost(body))
        self.items = {name for _, name in items}
        self.types = {name for kind, name in items if kind not in ("fn", "static", "const")}
        self.paths = [
            (line_of(body, found.start()), tuple(re.split(r"\s*::\s*", found[0])))
            for found in PATH.finditer(body)
        ]

def read(root):
    """Every module of the crate that is not for tests, by its path."""
    modules = {}

    def add(path, file):
        module = modules[path] = Module(file, path, file.read_text())
        folder = file.parent if file.name in ("mod.rs", "lib.rs", "main.rs") else file.with_suffix("")
        for name in module.children:
            candidates = [folder / f"{name}.rs", folder / name / "mod.rs"]
            add((*path, name), next(one for one in candidates if one.exists()))

    add((), next(root / name for name in ("lib.rs", "main.rs") if (root / name).exists()))
    return modules


# ---- following names -------------------------------------------------------------------------------


class Crate:
    def __init__(self, root):
        self.root = root
        self.modules = read(root)

    def resolve(self, at, path, seen=frozenset()):
        """The module that defines what `path` names in module `at`, and whether it is that module
        itself; None where it is of another crate."""
        if (at, path) in seen:
            return None
        seen = seen | {(at, path)}
        first, rest = path[0], path[1:]
        if first == "crate":
            return self.descend((), rest, seen)
        if first == "self":
            return self.descend(at, rest, seen)
        if first == "super":
            return self.descend(at[:-1], rest, seen)
        return self.descend(at, path, seen, is_relative=True)

    def descend(self, at, path, seen, is_relative=False):
        module = self.modules.get(at)
        if module is None:
            return None
        if not path:
            return at, True
        first, rest = path[0], path[1:]
        if first == "super":
            return self.descend(at[:-1], rest, seen)
        if (*at, first) in self.modules:
            return self.descend((*at, first), rest, seen)
        if first in (module.types if rest else module.items):
            return at, False
        globs = []
        for _, _, used, name in module.uses:
            if name == first and used != (first,):
                found = self.resolve(at, used + rest, seen)
                if found or is_relative:
                    return found
                # A type of this crate, and a function or variant of that type.
                return self.resolve(at, used, seen)
            if name == "*":
                globs.append(used[:-1])
        for used in globs:
            found = self.resolve(at, used + path, seen)
            if found and found[0] != at and not found[1]:
                return found
        return None if is_relative else (at, False)

    def edges(self):
        """What each file uses: {(from, to): [(line, text)]}."""
        edges = defaultdict(list)

        def add(module, line, path, found):
            if found and found[0] != module.path:
                edges[module.path, found[0]].append((self.name(module.path), line, "::".join(path)))

        for module in self.modules.values():
            names = {}
            for line, is_public, path, name in module.uses:
                local = path[0] in ("crate", "self", "super") or (*module.path, path[0]) in self.modules
                if not local:
                    continue
                if name == "*":
                    add(module, line, path, self.resolve(module.path, path[:-1]))
                    continue
                found = self.resolve(module.path, path)
                # A `pub use` of something further down is the parent's shop window, not its need.
                if is_public and found and found[0][: len(module.path)] == module.path:
                    names[name] = None
                elif found and found[1]:
                    names[name] = (line, path, found)
                else:
                    add(module, line, path, found)
            used = set()
            for line, path in module.paths:
                is_name = path[0] in names or (*module.path, path[0]) in self.modules
                if path[0] in ("crate", "self", "super") or is_name:
                    found = self.resolve(module.path, path)
                    used.add(path[0])
                    add(module, line, path, found)
            for name, imported in names.items():
                if imported and name not in used:
                    add(module, *imported)
        return edges

    def name(self, path):
        return str(self.modules[path].file.relative_to(self.root))


# ---- circles ---------------------------------------------------------------------------------------


def components(graph):
    """The strongly connected components of more than one node (Tarjan)."""
    index, low, stack, on, found = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on.add(node)
        for to in sorted(graph.get(node, ())):
            if to not in index:
                visit(to)
                low[node] = min(low[node], low[to])
            elif to in on:
                low[node] = min(low[node], index[to])
        if low[node] == index[node]:
            component = []
            while True:
                component.append(stack.pop())
                on.discard(component[-1])
                if component[-1] == node:
                    break
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def between_files(crate, edges):
    """The edges as they are: {"": {(file, file): lines}}."""
    return {"": {(crate.name(a), crate.name(b)): lines for (a, b), lines in edges.items()}}


def between_pieces(crate, edges):
    """For each folder the edges between what stands in it: {folder: {(piece, piece): lines}}."""
    inside = defaultdict(lambda: defaultdict(list))
    for (source, target), lines in edges.items():
        common = 0
        while common < min(len(source), len(target)) and source[common] == target[common]:
            common += 1
        folder = source[:common]
        # What the parent module itself defines is a piece of its own.
        pieces = [path[common] if len(path) > common else "mod" for path in (source, target)]
        inside["/".join(folder)][tuple(pieces)] += lines
    return inside


def circles(level, places):
    """Every circle: (level, its members, the edges between them)."""
    for place, pairs in sorted(places.items()):
        graph = defaultdict(set)
        for source, target in pairs:
            graph[source].add(target)
        for component in components(graph):
            inner = {pair: lines for pair, lines in pairs.items() if set(pair) <= set(component)}
            yield level, [f"{place}/{one}".lstrip("/") for one in component], inner


def main():
    sys.setrecursionlimit(10_000)
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "crates/bluegreen/src")
    crate = Crate(root)
    edges = crate.edges()
    found = [*circles("files", between_files(crate, edges))]
    folders = {"/".join(path[:-1]) for path in crate.modules if len(path) > 1}
    for circle in circles("folders", between_pieces(crate, edges)):
        # One of files alone was found above.
        if folders & set(circle[1]):
            found.append(circle)

    wrong, needed = 0, set()
    for level, members, inner in found:
        stated = [one for one in EXCEPTIONS if one[0] == level and set(members) <= set(one[1])]
        if stated:
            needed.add(EXCEPTIONS.index(stated[0]))
            print(f"stated: {level}: {', '.join(members)}: {stated[0][2]}")
            continue
        wrong += 1
        print(f"CIRCLE: {level}: {', '.join(members)}")
        for (source, target), lines in sorted(inner.items()):
            print(f"    {source} uses {target}")
            for file, line, path in lines[:4]:
                print(f"        {file}:{line}: {path}")
            if len(lines) > 4:
                print(f"        and {len(lines) - 4} more")
    for number, (level, pieces, _) in enumerate(EXCEPTIONS):
        if number not in needed:
            wrong += 1
            print(f"NOT NEEDED: the exception for {level}: {', '.join(pieces)}")
    print(
        f"{len(crate.modules)} modules, {len(edges)} uses of one by another, "
        f"{len(found)} circles, {wrong} of them not stated"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
