"""HAProxy as the load balancer: its configuration, its runtime API, its log.

A group of the rule is a frontend of its own on an abstract socket, so that its targets share the group's requests. The
backend `split` divides users' requests between both groups. HAProxy's weights end at 256 and AWS's at 999: so each group
has four lines in `split`, and a weight is spread over them.
"""

import socket

LINES, MOST = 4, 256

HEAD = """\
global
    stats socket {folder}/haproxy.sock mode 600 level admin
    log {folder}/log.sock len 1024 local0
    maxconn 2000
    nbthread 1

defaults
    mode http
    log global
    retries 0
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    timeout check 2s

frontend users
    bind {address}
    no log
    http-request set-var(txn.to) req.hdr({header}),map_str({folder}/routes.map)
    use_backend %[var(txn.to)] if {{ var(txn.to) -m found }}
    default_backend split

backend split
    balance roundrobin
{lines}
"""

SIDE = """
# The test route leads here.
backend {side}
    server {side} abns@{token}-{side} send-proxy-v2

frontend group-{side}
    bind abns@{token}-{side} accept-proxy
    log-format "{side} %s %ST %Tr %ts"
    http-after-response set-header X-Served-By {side}
    default_backend targets-{side}

backend targets-{side}
    balance roundrobin
    option httpchk GET {path}
{targets}
"""


def weights_of_lines(weight):
    """Spreads a weight of AWS over the lines of its group."""
    spread = [min(MOST, max(0, weight - MOST * line)) for line in range(LINES)]
    assert sum(spread) == weight, f"weight {weight} is above {LINES * MOST}"
    return spread


def configuration(folder, token, address, header, sides, first):
    """`sides` gives each group's `targets` (a dict of names and addresses) and `check`: path, interval in seconds, and the
    numbers of failures and successes that change a target's health. `first` has all traffic at the start."""
    lines = [f"    server {side}{line} abns@{token}-{side} send-proxy-v2 weight {weight}"
             for side in sides for line, weight in enumerate(weights_of_lines(100 if side == first else 0))]
    parts = [HEAD.format(folder=folder, address=address, header=header, lines="\n".join(lines))]
    for side, group in sides.items():
        check = group["check"]
        times = f"check inter {check['interval']}s fall {check['fall']} rise {check['rise']}"
        targets = "\n".join(f"    server {name} {place} {times}" for name, place in group["targets"].items())
        parts.append(SIDE.format(side=side, token=token, path=check["path"], targets=targets))
    return "".join(parts)


class Runtime:
    """The runtime API."""

    def __init__(self, path):
        self.path = path

    def ask(self, command):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(5)
            client.connect(str(self.path))
            client.sendall(command.encode() + b"\n")
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        return answer.decode().strip()

    def change(self, *commands):
        """Runs commands as one line. Silence means that they are done."""
        answer = self.ask("; ".join(commands))
        assert not answer, f"{commands}: {answer}"

    def set_weights(self, weights):
        """Sets the weight of each side, the larger first: never are all of them zero."""
        ordered = sorted(weights.items(), key=lambda one: -one[1])
        self.change(*(f"set server split/{side}{line} weight {part}"
                      for side, weight in ordered for line, part in enumerate(weights_of_lines(weight))))

    def servers(self, backend):
        """The lines of a backend's servers."""
        lines = self.ask(f"show servers state {backend}").splitlines()
        names = lines[1].lstrip("# ").split()
        return [dict(zip(names, line.split())) for line in lines[2:]]

    def weights(self):
        """The weights that are in use, by side."""
        sides = {}
        for server in self.servers("split"):
            side = server["srv_name"][:-1]
            sides[side] = sides.get(side, 0) + int(server["srv_uweight"])
        return sides

    def health(self, side):
        """Each target of a side, and whether its health check passes; `None` before the first check."""
        return {server["srv_name"]: None if server["srv_check_result"] == "0" else server["srv_op_state"] == "2"
                for server in self.servers(f"targets-{side}")}
