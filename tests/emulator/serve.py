"""Serves one emulator on a free port of 127.0.0.1 and prints that port.

Usage: serve.py moto|ministack

The port is bound here and handed over as an open socket, so no other process can take the port in
between. The server ends when its standard input ends: however the parent process ends, no server is
left behind.
"""

import json
import os
import socket
import sys
import threading
import uuid
from xml.etree import ElementTree


def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)


def serve_moto(listening):
    from moto import backends
    from moto.ecs.models import EC2ContainerServiceBackend
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    # It lists its folders for each request, which is a third of its time; they stay the same.
    modules = list(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: modules

    app = DomainDispatcherApplication(create_backend_app)
    one = threading.Lock()

    # On it a new task definition changes a service, and no deployment of the service:
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
    update = EC2ContainerServiceBackend.update_service

    def as_deployment(backend, properties):
        revision = properties.get("task_definition")
        service = update(backend, properties)
        if revision and service.deployments:
            deployment = service.deployments[0]
            deployment["id"] = f"ecs-svc/{uuid.uuid4().int >> 64}"
            deployment["taskDefinition"] = service.task_definition
        return service

    EC2ContainerServiceBackend.update_service = as_deployment

    # A refusal by IAM is nested one level deeper than the query protocol has it, and is XML for services that speak
    # JSON, so that no client finds its code:
    # https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#operation-error-serialization
    # https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html#operation-error-serialization
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html
    def as_aws(kind, status, headers, body):
        nested = b"<ErrorResponse><Errors><Error>"
        if not status.startswith("403") or nested not in body:
            return status, headers, body
        if kind.startswith("application/x-amz-json"):
            error = ElementTree.fromstring(body).find("Errors/Error")
            code = error.findtext("Code").replace("AccessDenied", "AccessDeniedException")
            body = json.dumps({"__type": code, "message": error.findtext("Message")}).encode()
            status = "400 Bad Request"
        else:
            kind = "text/xml"
            body = body.replace(nested, b"<ErrorResponse><Error>").replace(b"</Error></Errors>", b"</Error>")
        changed = {"Content-Type": kind, "Content-Length": str(len(body))}
        kept = [(name, value) for name, value in headers if name.title() not in changed]
        return status, [*kept, *changed.items()], body

    # Its state has no locks: while one request walks a listing, another may change it.
    def one_at_a_time(environ, start_response):
        with one:
            started = []
            body = b"".join(app(environ, lambda *head: started.append(head)))
            status, headers = started[0][:2]
            kind = environ.get("CONTENT_TYPE", "")
            status, headers, body = as_aws(kind, status, headers, body)
            start_response(status, headers)
            return [body]

    host, port = listening.getsockname()
    server = make_server(host, port, one_at_a_time, threaded=True, fd=listening.fileno())
    server.serve_forever()


def serve_ministack(listening):
    import asyncio

    # Without it the server answers CloudWatch in the wrong encoding and loses what it is given.
    import cbor2  # noqa: F401
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    config = Config()
    config.bind = [f"fd://{listening.fileno()}"]
    asyncio.run(serve(app, config))


def main():
    threading.Thread(target=end_with_parent, daemon=True).start()
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    port = listening.getsockname()[1]
    os.environ["MOTO_PORT"] = os.environ["GATEWAY_PORT"] = str(port)
    os.environ["BIND_HOST"] = "127.0.0.1"
    # A listener of its own on a fixed port.
    os.environ["IOT_MTLS_ENABLED"] = "0"
    print(port, flush=True)
    sys.stdout = sys.stderr
    {"moto": serve_moto, "ministack": serve_ministack}[sys.argv[1]](listening)


main()
