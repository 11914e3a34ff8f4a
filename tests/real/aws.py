"""What the harness itself asks of the emulated AWS, without any code of bluegreen."""

import json
import urllib.request
from urllib.parse import urlencode
from xml.etree import ElementTree

REGION = "us-east-1"
TEST_HEADER = "X-Bluegreen-Test"
ELB = "{http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/}"


def environment(moto, ministack):
    """The variables with which a program of AWS finds the emulators. CloudWatch is ministack's: the SDK for Rust asks in
    CBOR, which moto does not speak."""
    return {
        "AWS_ENDPOINT_URL": moto,
        "AWS_ENDPOINT_URL_CLOUDWATCH": ministack,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


def post(url, service, **form):
    """A call of AWS's query protocol; returns the tree of the answer."""
    head = {"Authorization": f"AWS4-HMAC-SHA256 Credential=testing/20260101/{REGION}/{service}/aws4_request, "
            "SignedHeaders=host, Signature=0"}
    request = urllib.request.Request(url, urlencode(form).encode(), head)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return ElementTree.fromstring(answer.read())


class Rule:
    """A rule of a listener: the weights of its groups, and the header that it asks for."""

    def __init__(self, member):
        self.arn = member.findtext(f"{ELB}RuleArn")
        self.weights = {}
        for action in member.iter(f"{ELB}Actions"):
            for group in action.iter(f"{ELB}TargetGroups"):
                for one in group.findall(f"{ELB}member"):
                    self.weights[one.findtext(f"{ELB}TargetGroupArn")] = int(one.findtext(f"{ELB}Weight") or 1)
            for alone in action.findall(f"{ELB}member/{ELB}TargetGroupArn"):
                self.weights.setdefault(alone.text, 1)
        self.header, self.values = None, []
        for config in member.iter(f"{ELB}HttpHeaderConfig"):
            self.header = config.findtext(f"{ELB}HttpHeaderName")
            self.values = [one.text for one in config.findall(f"{ELB}Values/{ELB}member")]


def rules(moto, **which):
    """The rules of a listener (`ListenerArn`), or one rule."""
    tree = post(moto, "elasticloadbalancing", Action="DescribeRules", Version="2015-12-01", **which)
    return [Rule(member) for member in tree.findall(f".//{ELB}Rules/{ELB}member")]


def rule(moto, arn):
    return rules(moto, **{"RuleArns.member.1": arn})[0]


def put_health(moto, health):
    """Tells moto what health checks found."""
    request = urllib.request.Request(f"{moto}/real/health", json.dumps(health).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).read()
