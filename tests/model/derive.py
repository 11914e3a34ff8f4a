"""Derives the table by which the crate reads definition files, from AWS's models.

    derive.py            writes crates/bluegreen/src/aws/model/table.json
    derive.py --check    fails if that file differs, or if the SDK lacks a field of AWS's models

Only facts are taken from the models: names, types, values, bounds, and which members are required or
deprecated. None of their text is taken.
"""

import gzip
import json
import pathlib
import re
import subprocess
import sys

import botocore
from botocore.loaders import Loader

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "crates" / "bluegreen" / "src" / "aws" / "model" / "table.json"

# The day on which this botocore was released: "newer than the model of …?".
DATE = "2026-11-20"

# Each service: the requests, the shapes of answers, and the crate that sends them.
SERVICES = {
    "ecs": (
        ["RegisterTaskDefinition", "CreateService", "UpdateService"],
        ["TaskDefinition", "Service", "Deployment"],
        "aws-sdk-ecs",
    ),
    "elbv2": (
        ["CreateTargetGroup", "CreateRule"],
        [],
        "aws-sdk-elasticloadbalancingv2",
    ),
}
# The table's names for types without bounds, values or members.
PLAIN = {
    "string": "text",
    "integer": "whole",
    "long": "long",
    "double": "number",
    "float": "number",
    "boolean": "bool",
}


def model_of(service):
    """The newest model of a service."""
    loader = Loader()
    version = loader.determine_latest_version(service, "service-2")
    folder = pathlib.Path(botocore.__file__).parent / "data" / service / version
    return json.loads(gzip.decompress((folder / "service-2.json.gz").read_bytes()))


def reference(shapes, name):
    """The name of a member's type: only its kind, if the kind says everything."""
    shape = shapes[name]
    if shape.get("document"):
        return "any"
    plain = PLAIN.get(shape["type"])
    is_bare = not {"enum", "min", "max"} & shape.keys()
    return plain if plain and is_bare else name


def entry(shapes, name):
    """The entry of one shape in the table."""
    shape = shapes[name]
    bounds = {key: shape[key] for key in ("min", "max") if key in shape}
    match shape["type"]:
        case "structure":
            members = shape["members"]
            found = {
                "is": "structure",
                "fields": {key: reference(shapes, one["shape"]) for key, one in members.items()},
            }
            if shape.get("required"):
                found["required"] = shape["required"]
            if shape.get("union"):
                found["union"] = True
            old = [key for key, one in members.items() if is_deprecated(shapes, one)]
            if old:
                found["deprecated"] = old
            return found
        case "list":
            return {"is": "list", "of": reference(shapes, shape["member"]["shape"]), **bounds}
        case "map":
            return {"is": "map", "of": reference(shapes, shape["value"]["shape"])}
        case kind if "enum" in shape:
            assert kind == "string", name
            return {"is": "choice", "values": shape["enum"]}
        case kind:
            if kind == "integer":
                # A bound that the model does not name is the bound of the wire's type.
                bounds = {"min": -(2**31), "max": 2**31 - 1, **bounds}
            return {"is": {"long": "whole"}.get(kind, PLAIN[kind]), **bounds}


def is_deprecated(shapes, member):
    return bool(member.get("deprecated") or shapes[member["shape"]].get("deprecated"))


def reached(shapes, start):
    """Every shape that a request may hold."""
    found, open_ = set(), [start]
    while open_:
        name = open_.pop()
        if name in found or reference(shapes, name) != name:
            continue
        found.add(name)
        shape = shapes[name]
        open_ += [one["shape"] for one in shape.get("members", {}).values()]
        open_ += [shape[key]["shape"] for key in ("member", "value") if key in shape]
    return found


def crates():
    """Version and folder of each dependency."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    packages = json.loads(subprocess.check_output(command, cwd=ROOT))["packages"]
    return {one["name"]: (one["version"], pathlib.Path(one["manifest_path"]).parent) for one in packages}


def flat(name):
    """A name without the differences between the spellings of Rust and AWS."""
    return name.replace("_", "").removeprefix("r#").lower()


def fields_of_crate(folder):
    """The fields of each structure that the crate can send, by flat names."""
    found = {}
    for path in [*folder.glob("src/types/_*.rs"), *folder.glob("src/operation/*/_*_input.rs")]:
        source = path.read_text()
        for name, body in re.findall(r"^pub struct (\w+) \{\n(.*?)^\}", source, re.S | re.M):
            fields = re.findall(r"^    pub (?:r#)?(\w+):", body, re.M)
            found[flat(name)] = {flat(field).removesuffix("value") for field in fields}
    return found


def unsent(table, folder):
    """The fields of AWS's model that the crate cannot send."""
    known = fields_of_crate(folder)
    for name, shape in sorted(table.items()):
        if shape["is"] != "structure":
            continue
        fields = known.get(flat(name)) or known.get(flat(name).removesuffix("request") + "input")
        for field in shape["fields"]:
            if fields is None or flat(field).removesuffix("value") not in fields:
                yield f"{name}.{field}"


def derived():
    """The whole table."""
    dependencies = crates()
    services = {}
    for service, (inputs, outputs, crate) in SERVICES.items():
        model = model_of(service)
        shapes = model["shapes"]
        named = {one: model["operations"][one]["input"]["shape"] for one in inputs}
        all_ = set().union(*(reached(shapes, shape) for shape in named.values()))
        table = {name: entry(shapes, name) for name in sorted(all_)}
        version, folder = dependencies[crate]
        services[service] = {
            "crate": f"{crate} {version}",
            "unsent": list(unsent(table, folder)),
            "inputs": named,
            "outputs": {name: sorted(shapes[name]["members"]) for name in outputs},
            "shapes": table,
        }
    return {"botocore": botocore.__version__, "date": DATE, "services": services}


def text_of(table):
    """One line for each shape, so that a diff shows each change."""
    line = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    out = [f'{{"botocore":{line(table["botocore"])},"date":{line(table["date"])},"services":{{']
    for place, (service, one) in enumerate(table["services"].items()):
        head = ",\n".join(f'{line(key)}:{line(value)}' for key, value in one.items() if key != "shapes")
        shapes = ",\n".join(f"{line(name)}:{line(shape)}" for name, shape in one["shapes"].items())
        comma = "," if place + 1 < len(table["services"]) else ""
        out.append(f'{line(service)}:{{{head},\n"shapes":{{\n{shapes}}}}}{comma}')
    return "\n".join(out) + "\n}}\n"


def main():
    table = text_of(derived())
    if sys.argv[1:] != ["--check"]:
        TABLE.write_text(table)
        return
    if TABLE.read_text() != table:
        sys.exit(f"{TABLE.relative_to(ROOT)} is not what derive.py makes of botocore {botocore.__version__}")
    print(f"the table is that of botocore {botocore.__version__}")


if __name__ == "__main__":
    main()
