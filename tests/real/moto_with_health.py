"""moto as `tests/emulator/serve.py` serves it, with the two things that a load balancer adds.

- `POST /real/health`, a JSON object `{GROUP_ARN: {TARGET: [STATE, REASON]}}`: what health checks have found. moto calls each
  target healthy; here DescribeTargetHealth answers what was posted, and `initial` for a target before that.
- Each change of a rule is noted in the file of the variable `RULE_CHANGES`, one JSON object a line, before it is made:
  when it arrived, which rule, and its weights. So a rise is dated by the side of AWS.

Usage: moto_with_health.py
"""

import io
import json
import os
import pathlib
import runpy
import sys
import time
from urllib.parse import parse_qsl

from moto.elbv2 import models
from moto.moto_server import werkzeug_app

SERVE = pathlib.Path(__file__).resolve().parent.parent / "emulator" / "serve.py"
checked = {}
changes = open(os.environ["RULE_CHANGES"], "a", buffering=1)


def health_for(group, target, _ec2, moto=models.FakeTargetGroup.health_for):
    found = moto(group, target, _ec2)
    if found.status == "healthy":
        state, reason = checked.get(group.arn, {}).get(target["Id"], ("initial", "Elb.InitialHealthChecking"))
        found.status, found.reason = state, reason
        found.description = f"by a health check: {reason}" if reason else None
    return found


class Dispatcher(werkzeug_app.DomainDispatcherApplication):
    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/real/health":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            checked.update(json.loads(body))
            start_response("204 No Content", [])
            return []
        if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] == "/":
            self.note(environ)
        return super().__call__(environ, start_response)

    def note(self, environ):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if b"Action=ModifyRule" not in body:
            return
        form = dict(parse_qsl(body.decode()))
        weights = {arn: int(form[name.replace("TargetGroupArn", "Weight")])
                   for name, arn in form.items() if ".TargetGroups.member." in name and name.endswith("TargetGroupArn")}
        changes.write(json.dumps({"at": time.time(), "rule": form["RuleArn"], "weights": weights}) + "\n")


models.FakeTargetGroup.health_for = health_for
werkzeug_app.DomainDispatcherApplication = Dispatcher
sys.argv = [str(SERVE), "moto"]
runpy.run_path(str(SERVE), run_name="__main__")
