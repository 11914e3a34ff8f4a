"""Serves one emulator on a free port of 127.0.0.1 and prints that port.

Usage: serve.py moto|ministack

The port is bound here and handed over as an open socket, so that no other process can take it
in between. The server ends when its standard input is closed, so it never outlives the process
that started it.
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

    # moto lists its folders for each request, a third of its time, although the folders do not change.
    modules = list(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: modules

    app = DomainDispatcherApplication(create_backend_app)
    one = threading.Lock()

    # moto's state has no locks: while one request walks a list, another may change the list.
    def one_at_a_time(environ, start_response):
        with one:
            return [b"".join(app(environ, start_response))]

    host, port = listening.getsockname()
    server = make_server(host, port, one_at_a_time, threaded=True, fd=listening.fileno())
    server.serve_forever()


def serve_ministack(listening):
    import asyncio

    # Without cbor2 the server answers CloudWatch in the wrong encoding and loses the metrics that it gets.
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
    # Otherwise ministack opens a listener on a fixed port.
    os.environ["IOT_MTLS_ENABLED"] = "0"
    print(port, flush=True)
    sys.stdout = sys.stderr
    {"moto": serve_moto, "ministack": serve_ministack}[sys.argv[1]](listening)


main()
