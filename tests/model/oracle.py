"""Makes files, has AWS's own client library judge them, and compares its judgement with ours.

    oracle.py [NUMBER]      default: 500 sound files of each kind, and as many with one change

A sound file has every required member and some of the others, by the model. A changed file differs in
one place: a name, a type, a value, a required member left out, null, one too few or small, one too
many or large. botocore's ParamValidator judges each file; then `cargo test` judges it by our rules. Both
must agree on names, types, required members and lower bounds. They must differ in these cases:

  value  a value that the model does not list: the library does not check values, but AWS refuses such a
         value, so only our rules refuse it
  above  a value above the model's upper bound, or a whole number that the wire's type cannot hold: only
         our rules refuse it
  null   the library refuses null anywhere; AWS reads null as absent, and uses it often in its own skeletons
         and answers, so only the library refuses it. Both refuse it for a required member and for an entry
         of a list or a map
"""

import json
import os
import pathlib
import random
import subprocess
import sys

import botocore.session
from botocore.validate import ParamValidator

ROOT = pathlib.Path(__file__).resolve().parents[2]
KINDS = {
    "RegisterTaskDefinition": "ecs",
    "CreateService": "ecs",
    "CreateTargetGroup": "elbv2",
    "CreateRule": "elbv2",
}


class Maker:
    """Makes documents by a shape."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def make(self, shape, depth=0):
        if getattr(shape, "is_document_type", False):
            return {"any": [1, "two"]}
        match shape.type_name:
            case "structure":
                required = set(shape.metadata.get("required", []))
                share = max(0.1, 0.6 - depth * 0.1)
                if shape.is_tagged_union:
                    name = self.random.choice(list(shape.members))
                    return {name: self.make(shape.members[name], depth + 1)}
                return {
                    name: self.make(member, depth + 1)
                    for name, member in shape.members.items()
                    if name in required or self.random.random() < share
                }
            case "list":
                least = shape.metadata.get("min", 0)
                most = min(shape.metadata.get("max", 3), 3)
                number = self.random.randint(least, max(least, most))
                return [self.make(shape.member, depth + 1) for _ in range(number)]
            case "map":
                return {f"key{n}.x": self.make(shape.value, depth + 1) for n in range(self.random.randint(0, 2))}
            case "string":
                if shape.enum:
                    return self.random.choice(shape.enum)
                least = max(1, shape.metadata.get("min", 1))
                return "x" * self.random.randint(least, least + 3)
            case "integer" | "long":
                least = shape.metadata.get("min", 0)
                return self.random.randint(least, min(shape.metadata.get("max", least + 9), least + 9))
            case "double" | "float":
                return self.random.choice([1, 2.5])
            case "boolean":
                return self.random.random() < 0.5
        raise AssertionError(shape.type_name)


def places(shape, document, path=()):
    """Every place of a document: its shape, and the path to it."""
    yield shape, document, path
    if getattr(shape, "is_document_type", False):
        return
    if shape.type_name == "structure":
        for name, value in document.items():
            yield from places(shape.members[name], value, (*path, name))
    elif shape.type_name == "list":
        for place, value in enumerate(document):
            yield from places(shape.member, value, (*path, place))
    elif shape.type_name == "map":
        for name, value in document.items():
            yield from places(shape.value, value, (*path, name))


def with_value(document, path, value):
    """The document with another value at a path."""
    if not path:
        return value
    step, *rest = path
    copy = list(document) if isinstance(document, list) else dict(document)
    copy[step] = with_value(document[step], rest, value)
    return copy


def too_small(shape, value):
    """A value below the model's lower bound, if there can be such a value."""
    least = shape.metadata.get("min", 0)
    match shape.type_name:
        case "list" if least > 0:
            return value[: least - 1]
        case "string" if least > 0 and not shape.enum:
            return value[: least - 1]
        case "integer" | "long" if "min" in shape.metadata:
            return least - 1
    return None


def too_large(shape, value):
    """A value above the model's upper bound, or too large for the wire's type."""
    most = shape.metadata.get("max")
    match shape.type_name:
        case "list" if most is not None and value and most < 1_000:
            return [value[0]] * (most + 1)
        case "string" if most is not None and not shape.enum and most < 10_000:
            return "x" * (most + 1)
        case "integer":
            return (2**31 - 1 if most is None else most) + 1
    return None


def changed(maker, shape, document):
    """The document with one change, and which kind of change that is."""
    pick = maker.random
    # Most places allow only some kinds of change, so the kind is drawn before the place: each kind occurs.
    kinds = pick.sample(["name", "type", "value", "missing", "null", "below", "above"], 7)
    for kind in (kind for kind in kinds for _ in range(40)):
        found, value, path = pick.choice(list(places(shape, document)))
        if getattr(found, "is_document_type", False) or not path and found.type_name != "structure":
            continue
        match kind:
            case "name" if found.type_name == "structure" and value:
                name = pick.choice(list(value))
                wrong = pick.choice([name + "X", name.swapcase(), name.lower() + "_", "zzz", name[:-1]])
                # A required member keeps its name: to lose it would be a second change.
                if wrong in found.members or name in found.metadata.get("required", []):
                    continue
                copy = {wrong if key == name else key: one for key, one in value.items()}
                return "name", with_value(document, path, copy)
            case "type" if path:
                other = {
                    "structure": [[], "x", 1, True],
                    "list": [{}, "x", 1],
                    "map": [[], "x", 1],
                    "string": [1, True, {}, ["x"], 2.5],
                    "integer": ["1", {}, 2.5, []],
                    "long": ["1", {}, 2.5, []],
                    "double": ["1", {}, []],
                    "float": ["1", {}, []],
                    "boolean": ["true", 1, {}],
                }[found.type_name]
                return "type", with_value(document, path, pick.choice(other))
            case "value" if found.type_name == "string" and found.enum:
                return "value", with_value(document, path, value.swapcase() + "?")
            case "null" if path:
                return "null", with_value(document, path, None)
            case "below" if path and (least := too_small(found, value)) is not None:
                return "below", with_value(document, path, least)
            case "above" if path and (most := too_large(found, value)) is not None:
                return "above", with_value(document, path, most)
            case "missing" if found.type_name == "structure":
                required = [name for name in found.metadata.get("required", []) if name in value]
                # The caller gives a rule's listener.
                required = [name for name in required if name != "ListenerArn"]
                if not required:
                    continue
                gone = pick.choice(required)
                return "missing", with_value(document, path, {k: v for k, v in value.items() if k != gone})
    return "nothing", document


def cases(number):
    session = botocore.session.get_session()
    validator = ParamValidator()
    for place, (operation, service) in enumerate(KINDS.items()):
        shape = session.get_service_model(service).operation_model(operation).input_shape
        maker = Maker(20261127 + place)
        for _ in range(number):
            sound = maker.make(shape)
            for change, document in (("nothing", sound), changed(maker, shape, sound)):
                report = validator.validate(document, shape)
                theirs = report.generate_report().splitlines() if report.has_errors() else []
                yield {"operation": operation, "document": document, "theirs": theirs, "change": change}


def main():
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    path = ROOT / "target" / "model-cases.jsonl"
    path.parent.mkdir(exist_ok=True)
    counts = {}
    with path.open("w") as out:
        for case in cases(number):
            counts[case["change"]] = counts.get(case["change"], 0) + 1
            out.write(json.dumps(case) + "\n")
    print("files by what was changed:", counts)
    command = ["cargo", "test", "--locked", "--workspace", "--lib", "--", "--ignored", "--nocapture"]
    command += ["judges_files_as_the_client_library_does"]
    environment = {**os.environ, "BLUEGREEN_MODEL_CASES": str(path)}
    sys.exit(subprocess.run(command, cwd=ROOT, env=environment).returncode)


if __name__ == "__main__":
    main()
