"""Writes model.json anew from AWS's service models, as botocore has them: the members, the required members and the
errors of each operation that the code calls.

    derive.py       needs botocore; the emulators' environment has it
"""

import json
import pathlib
import re

import botocore.session

HERE = pathlib.Path(__file__).resolve().parent
CALLS = HERE.parents[1] / "crates/bluegreen/src/aws/sim/fault.rs"
SERVICES = [
    "elbv2", "ecs", "cloudwatch", "ecr", "scheduler", "application-autoscaling", "iam", "sns",
]

session = botocore.session.get_session()
models = [(name, session.get_service_model(name)) for name in SERVICES]
# Tags of a service are meant, and ECS comes before ECR and the others that have an operation of this name.
operations = re.findall(r'Self::\w+ => "(\w+)"', CALLS.read_text())
table = {}
for operation in operations:
    name, model = next((name, model) for name, model in models if operation in model.operation_names)
    one = model.operation_model(operation)
    output = one.output_shape.members if one.output_shape else {}
    codes = {shape.metadata.get("error", {}).get("code", shape.name): shape for shape in one.error_shapes}
    table[operation] = {
        "service": name,
        "input": sorted(one.input_shape.members),
        "required": sorted(one.input_shape.required_members),
        "output": sorted(output),
        "errors": sorted(codes),
    }
text = ",\n".join(f" {json.dumps(name)}: {json.dumps(table[name])}" for name in sorted(table))
(HERE / "model.json").write_text("{\n" + text + "\n}\n")
