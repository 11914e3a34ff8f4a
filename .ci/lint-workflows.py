"""Lints the workflows: GitHub's schema, and what a schema cannot say.

actionlint would say more, but its package fetches a program that no hash of ours covers.
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / ".ci" / "workflows" / "requirements.txt"
OWN = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
EXAMPLES = sorted(file for file in (ROOT / "examples" / "ci").rglob("*.yml") if file.name != "action.yml")
ACTIONS = sorted((ROOT / "examples" / "ci").rglob("action.yml"))

# An action of the repository itself has no version.
PINNED = re.compile(r"^\s*(?:- )?uses: (?:\./\S+|[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$")
EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)


def environment():
    """A virtual environment with exactly the pinned packages; made once for each set of pins."""
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = ROOT / "target" / "lint-workflows" / key
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        install += ["--require-hashes", "--only-binary", ":all:", "--requirement", REQUIREMENTS]
        subprocess.run([python, *install], check=True)
        (folder / "complete").touch()
    return python


def problems_of(text, workflow):
    """What the schema cannot say, a line each."""
    jobs = workflow["jobs"]
    if "permissions" not in workflow:
        yield "no `permissions` at the top"
    for line in text.splitlines():
        if re.match(r"^\s*(?:- )?uses: ", line) and not PINNED.match(line):
            yield f"not pinned by commit, with its version as a comment: {line.strip()}"
    for name, job in jobs.items():
        needs = job.get("needs", [])
        needs = [needs] if isinstance(needs, str) else needs
        steps = job.get("steps", [])
        ids = {}
        if "timeout-minutes" not in job:
            yield f"{name}: no `timeout-minutes`"
        for need in needs:
            if need not in jobs:
                yield f"{name}: needs `{need}`, which is no job"
        for need, output in references(job, r"needs\.([\w-]+)\.(?:result|outputs\.([\w-]+))"):
            if need not in needs:
                yield f"{name}: uses `{need}` without needing it"
            elif output and output not in jobs[need].get("outputs", {}):
                yield f"{name}: `{need}` has no output `{output}`"
        for index, step in enumerate(steps):
            for (used,) in references(step, r"steps\.([\w-]+)\."):
                if used not in ids:
                    yield f"{name}: step {index} uses step `{used}`, which does not come before it"
            if "id" in step:
                if step["id"] in ids:
                    yield f"{name}: two steps are called `{step['id']}`"
                ids[step["id"]] = step
            if EXPRESSION.search(step.get("run", "")):
                yield f"{name}: step {index} puts an expression into a script; use `env`"
            if "run" in step:
                checked = subprocess.run(["bash", "-n"], input=step["run"], text=True, capture_output=True)
                if checked.returncode != 0:
                    yield f"{name}: step {index}: {checked.stderr.strip()}"
        for (used,) in references(job.get("outputs", {}), r"steps\.([\w-]+)\."):
            if used not in ids:
                yield f"{name}: an output uses step `{used}`, which there is not"


def read(file, python):
    """The file as data. Only the environment has a reader of YAML; JSON is what both sides can read."""
    load = "import json, sys, ruamel.yaml; json.dump(ruamel.yaml.YAML(typ='safe').load(open(sys.argv[1])), sys.stdout)"
    return json.loads(subprocess.run([python, "-c", load, file], capture_output=True, text=True, check=True).stdout)


def references(node, pattern):
    """All matches of the pattern in the expressions and conditions below the node."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "if" and isinstance(value, str) and not EXPRESSION.search(value):
                value = "${{" + value + "}}"
            yield from references(value, pattern)
    elif isinstance(node, list):
        for value in node:
            yield from references(value, pattern)
    elif isinstance(node, str):
        for expression in EXPRESSION.findall(node):
            for match in re.finditer(pattern, expression):
                yield match.groups()


def main():
    if not OWN or not EXAMPLES or not ACTIONS:
        sys.exit("error: there are no workflows to lint")
    python = environment()
    files = [*OWN, *EXAMPLES]
    failed = False
    for schema, several in (("github-workflows", files), ("github-actions", ACTIONS)):
        check = [python, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *several]
        failed |= subprocess.run(check).returncode != 0
    for file in files:
        for problem in problems_of(file.read_text(), read(file, python)):
            failed = True
            print(f"FAIL {file.relative_to(ROOT)}: {problem}")
    if failed:
        sys.exit(1)
    print(f"ok   {len(files)} workflows, {len(ACTIONS)} actions")


if __name__ == "__main__":
    main()
