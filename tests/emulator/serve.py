"""Serves one emulator on a free port of 127.0.0.1 and prints that port.

Usage: serve.py moto|ministack

The port is bound here and handed over as an open socket, so no other process can take the port in
between. The server ends when its standard input ends: however the parent process ends, no server is
left behind.
"""

import os
import socket
import sys
import threading


def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)


def serve_moto(listening):
    from moto import backends
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    # It lists its folders for each request, which is a third of its time; they stay the same.
    modules = list(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: modules

    app = DomainDispatcherApplication(create_backend_app)
    one = threading.Lock()

    # Its state has no locks: while one request walks a listing, another may change it.
    def one_at_a_time(environ, start_response):
        with one:
            return [b"".join(app(environ, start_response))]

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
