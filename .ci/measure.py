#!/usr/bin/env python3
"""Measures size and language of the tree, and holds both against their ceilings.

    measure.py            a table; exit code 1 if a ceiling is passed
    measure.py --list     also each place that the two measures of language count

Per crate, tests aside:

  lines      of Rust, and the 90th percentile and the longest of its files
  function   the longest one, from its name to its last brace
  public     items that a line begins with `pub`: types (struct, enum, union, trait, type), functions, all
  doc, why   the parts of the lines that are rustdoc and plain comments
  words      of rustdoc, without its code blocks
  where      how often "where" stands for "if", per 1,000 words: see `is_condition`
  persons    how often a person without a name or a phrase of that kind stands there, per 1,000 words: PERSONS
"""

import re
import sys
from pathlib import Path

from circles import blanked, line_of, test_items

README_WORDS = 900
# Names that the front page of the docs leads with.
LEADING = 25
# Per 1,000 words.
WHERE, PERSONS_MOST = 1.0, 0.3

PROSE = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "examples/README.md", "crates/bluegreen/docs/*.md"]

# ---- code ------------------------------------------------------------------------------------------

PUBLIC = re.compile(
    r"^\s*pub\s+(?:(?:unsafe|async|const(?=\s+(?:unsafe\s+|async\s+)*fn\b))\s+)*"
    r"(fn|struct|enum|union|trait|type|const|static|mod|macro)\b",
    re.MULTILINE,
)
TYPES = {"struct", "enum", "union", "trait", "type"}
FUNCTION = re.compile(r"\bfn\s+(\w+)")
FOR_TESTS = {"tests", "benches"}


class File:
    def __init__(self, path):
        self.path = path
        self.lines = path.read_text().splitlines()
        text = blanked("\n".join(self.lines) + "\n")
        self.tests, of_tests = set(), set()
        for start, end, module in list(test_items(text)):
            of_tests |= set(range(line_of(text, start), line_of(text, end - 1) + 1))
            if module:
                folder = path.parent if path.name in ("lib.rs", "main.rs", "mod.rs") else path.with_suffix("")
                self.tests |= {folder / module, folder / f"{module}.rs"}
            text = text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
        self.text = text
        self.kept = [line for number, line in enumerate(self.lines, 1) if number not in of_tests]
        # The same with the numbers that they have in the file.
        self.placed = ["" if number in of_tests else line for number, line in enumerate(self.lines, 1)]

    def functions(self):
        """(lines, name, line) of each function that has a body."""
        for found in FUNCTION.finditer(self.text):
            at, depth = found.end(), 0
            while at < len(self.text) and not (depth == 0 and self.text[at] in "{;"):
                depth += (self.text[at] in "([") - (self.text[at] in ")]")
                at += 1
            if self.text[at : at + 1] != "{":
                continue
            begin, depth = at, 0
            while at < len(self.text):
                depth += (self.text[at] == "{") - (self.text[at] == "}")
                if depth == 0:
                    break
                at += 1
            first = line_of(self.text, found.start())
            yield self.text.count("\n", found.start(), at) + 1, found[1], first


def files_of(root):
    """The files below a folder that are not for tests."""
    found = [File(path) for path in sorted(root.rglob("*.rs")) if not FOR_TESTS & set(path.relative_to(root).parts)]
    tests = set().union(*(file.tests for file in found)) if found else set()
    return [file for file in found if not tests & {file.path, *file.path.parents}]


# ---- language --------------------------------------------------------------------------------------

PERSONS = re.compile(
    r"\b(?:(?:some|any|no|every)body(?:'s)?|someone(?:'s)?|who(?:m|so)?ever|whom|strangers?(?:'s)?"
    r"|so long|go(?:es|ing)? on|went on|takes? back|took back|taken back)\b",
    re.IGNORECASE,
)
WORD = re.compile(r"[A-Za-z']+")
# "where" after these begins a noun clause or a place.
BEFORE_A_PLACE = set(
    "and at by down finds find for from hides hide hold holds in is keep keeps know known knows of on place places "
    "points prove proves remembered said say says see sees show shows stand stands tell tells to told was whatever "
    "with write writes".split()
)
# "… where it is": a place, whatever stands before.
A_PLACE = re.compile(r"(?:\W+(?:it|they|that|this|everything|traffic)){0,2}\W+(?:is|was|are|were|stands?|stood)\s*(?:[.,;:)]|$)")


def is_condition(before, after, is_of_errors):
    """Whether a "where" between these two texts stands for "if", as well as such a rule can tell.

    At the start of a paragraph: if a main clause follows behind a comma, or in a section of errors. Else: unless
    what stands before it asks for a place.
    """
    if A_PLACE.match(after):
        return False
    before = before.rstrip()
    if not before:
        return is_of_errors or "," in re.split(r"[.;:](?:\s|$)", after, maxsplit=1)[0]
    if before[-1] in ":|":
        return False
    word = re.search(r"(\w+)\W*$", before)
    return not (before[-1].isalnum() and word and word[1].lower() in BEFORE_A_PLACE)


class Language:
    def __init__(self):
        self.words, self.where, self.persons = 0, [], []

    def take(self, path, line, text, is_of_errors):
        self.words += len(WORD.findall(text))
        for found in re.finditer(r"\bwhere\b", text, re.IGNORECASE):
            if is_condition(text[: found.start()], text[found.end() :], is_of_errors):
                self.where.append((path, line, around(text, found)))
        self.persons += [(path, line, around(text, found)) for found in PERSONS.finditer(text)]

    def rate(self, hits):
        return 1000 * len(hits) / max(1, self.words)


def around(text, found):
    return text[max(0, found.start() - 50) : found.end() + 50]


ITEM = re.compile(r"(?:[*-]|\d+\.) +|\|")


def paragraphs(lines, marks):
    """What stands between blank lines, code blocks and headings, of lines that begin with one of the marks.

    An item of a list and a row of a table are paragraphs too. Each is (line, text, whether it is of errors).
    """
    first, text, is_code, is_of_errors = 0, [], False, False
    for number, line in enumerate([*lines, None], 1):
        line = None if line is None else line.strip()
        mark = None if line is None else next((mark for mark in marks if line.startswith(mark)), None)
        words = "" if mark is None else line[len(mark) :].strip()
        is_fence = words.startswith("```")
        is_code = mark is not None and is_code != is_fence
        is_heading = bool(re.match(r"#+ ", words)) and not is_code
        item = ITEM.match(words)
        if text and (not words or is_fence or is_code or is_heading or item):
            yield first, " ".join(text), is_of_errors
            text = []
        if mark is None or is_heading:
            is_of_errors = words == "# Errors"
        if words and not (is_fence or is_code or is_heading):
            first = first if text else number
            text.append(words[item.end() :] if item else words)


# ---- the table -------------------------------------------------------------------------------------


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def part(lines, total):
    return f"{100 * lines / max(1, total):.0f} %"


def row(name, files, language):
    """The figures of some files, whose rustdoc has been given to the language."""
    kept = [line.strip() for file in files for line in file.kept]
    docs = sum(line.startswith(("///", "//!")) and not line.startswith("////") for line in kept)
    comments = sum(line.startswith(("//", "/*")) for line in kept) - docs
    longest = max(files, key=lambda file: len(file.kept))
    function = max((found for file in files for found in file.functions()), default=(0, "", 0))
    kinds = [kind for file in files for kind in PUBLIC.findall(file.text)]
    return [
        name,
        f"{len(files)}",
        f"{len(kept):,}",
        f"{percentile([len(file.kept) for file in files], 0.9)}",
        f"{len(longest.kept)} {longest.path.name}",
        f"{function[0]} {function[1]}",
        f"{sum(kind in TYPES for kind in kinds)}",
        f"{kinds.count('fn')}",
        f"{len(kinds)}",
        part(docs, len(kept)),
        part(comments, len(kept)),
        f"{language.words:,}",
        f"{language.rate(language.where):.2f}",
        f"{language.rate(language.persons):.2f}",
    ]


HEAD = "crate|files|lines|p90|longest file|longest function|types|functions|public|doc|why|words|where|persons".split("|")


def leads_with(text):
    """How many names a crate's root re-exports."""
    exports = re.findall(r"^pub use self::(.*?);", text, re.MULTILINE | re.DOTALL)
    paths = [part for export in exports for part in re.split(r"[{},\s]+", export)]
    return sum(1 for part in paths if part and not part.endswith("::"))


def main():
    rows, every, all_docs = [HEAD], [], Language()
    for root in sorted(Path("crates").glob("*/src")):
        files, docs = files_of(root), Language()
        for file in files:
            for paragraph in paragraphs(file.placed, ("///", "//!")):
                docs.take(file.path, *paragraph)
                all_docs.take(file.path, *paragraph)
        rows.append(row(root.parent.name, files, docs))
        every += files
    rows.append(row("all", every, all_docs))
    prose = Language()
    for path in (path for pattern in PROSE for path in sorted(Path().glob(pattern))):
        for paragraph in paragraphs(path.read_text().splitlines(), ("",)):
            prose.take(path, *paragraph)
    rows.append(["prose", *[""] * 10, f"{prose.words:,}", *(f"{prose.rate(hits):.2f}" for hits in (prose.where, prose.persons))])
    widths = [max(len(one[column]) for one in rows) for column in range(len(HEAD))]
    for one in rows:
        print("  ".join(text.ljust(width) for text, width in zip(one, widths)).rstrip())

    if "--list" in sys.argv[1:]:
        for language in (all_docs, prose):
            for name, hits in (("where", language.where), ("persons", language.persons)):
                for path, line, text in hits:
                    print(f"{name}: {path}:{line}: {text}")

    front = Path("crates/bluegreen/src/lib.rs").read_text()
    leading = leads_with(front)
    readme = len(Path("README.md").read_text().split())
    held = [
        ("words of README", readme, README_WORDS),
        ("names that the front page leads with", leading, LEADING),
        ("where, of rustdoc", all_docs.rate(all_docs.where), WHERE),
        ("persons, of rustdoc", all_docs.rate(all_docs.persons), PERSONS_MOST),
        ("where, of prose", prose.rate(prose.where), WHERE),
        ("persons, of prose", prose.rate(prose.persons), PERSONS_MOST),
    ]
    failed = 0
    for name, figure, most in held:
        word = "ok  " if figure <= most else "FAIL"
        failed += figure > most
        print(f"{word} {name}: {figure:.4g}, at most {most:g}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
