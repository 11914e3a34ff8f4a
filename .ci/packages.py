"""Holds that the published crates are whole.

- No crate reads a file outside of its own folder: such a file is there for us and missing in the package. A
  symbolic link inside the folder does, since packages get the file that the link points to.
- Each link of the README, and of the pages that docs.rs shows, works where the text is shown: it is absolute, and
  what it names in this repository or among the library's pages exists. A page also links to its own headings and
  to items of the library, which rustdoc checks.
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

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
IN_REPOSITORY = re.compile(r"(?:github\.com/([^/]+/[^/]+)/(?:blob|tree)|raw\.githubusercontent\.com/([^/]+/[^/]+))/main/(.+)")
OF_LIBRARY = re.compile(r"docs\.rs/bluegreen/latest/bluegreen/(\w+)/")
PAGE = re.compile(r'#\[doc = include_str!\("\.\./(docs/[\w-]+\.md)"\)\]\s*pub mod (\w+)')
OWN_PAGE = re.compile(r"crate::([a-z_]+)$")


def anchors(text):
    """The names that Markdown gives to headings."""
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(FENCED.sub("", text)))
    return {heading.strip().replace(" ", "-") for heading in kept}


def broken_links(text, is_page, repository, pages):
    """Each link of the text that leads nowhere, with what is wrong about it."""
    for link in LINK.findall(FENCED.sub("", text)):
        path, _, anchor = link.partition("#")
        if is_page and not path:
            target = text
        elif is_page and path.startswith("crate::"):
            # Items are rustdoc's to check; of a page the heading is not.
            page = OWN_PAGE.match(path)
            target = pages.get(page[1]) if page else None
        elif not path.startswith("https://"):
            yield link, "is not absolute"
            continue
        elif found := OF_LIBRARY.search(path):
            if found[1] not in pages:
                yield link, "is no page of the library"
                continue
            target = pages[found[1]]
        elif (found := IN_REPOSITORY.search(path)) and repository in (found[1], found[2]):
            file = pathlib.Path(found[3])
            if not file.exists():
                yield link, "is not in the repository"
                continue
            target = file.read_text() if file.suffix == ".md" else None
        else:
            continue
        if anchor and target is not None and anchor not in anchors(target):
            yield link, f"has no heading `{anchor}`"


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

library = pathlib.Path("crates/bluegreen")
pages = {name: (library / file).read_text() for file, name in PAGE.findall((library / "src/lib.rs").read_text())}
if not pages:
    sys.exit("error: the library has no page, which is not so")
repository = re.search(r"github\.com/([^/]+/[^/]+)$", published[0]["repository"])[1]
texts = [("README.md", pathlib.Path("README.md").read_text(), False)]
texts += [(f"page {name}", text, True) for name, text in pages.items()]
for name, text, is_page in texts:
    for link, problem in broken_links(text, is_page, repository, pages):
        failed = True
        print(f"FAIL {name}: {link} {problem}")

if failed:
    sys.exit(1)
print(f"ok   the links of the README and of {len(pages)} pages")
print(f"ok   {count} files that {len(published)} crates read are in their packages")
