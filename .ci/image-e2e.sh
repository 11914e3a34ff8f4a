#!/usr/bin/env bash
# Runs a command beside a real container engine and a real registry, both in namespaces of their
# own: loopback only, and everything ends with this script. With no command it shows what it made.
#
#   .ci/image-e2e.sh cargo test --offline --test image -- --ignored
#
# The command sees BLUEGREEN_E2E_REGISTRY, BLUEGREEN_E2E_USER, BLUEGREEN_E2E_PASSWORD and
# DOCKER_HOST. Exit 77: cannot be had on this machine, with the reason; with
# BLUEGREEN_E2E_REQUIRED=1 that is a failure.
set -u

unavailable() {
    echo "SKIPPED: images for real: $*" >&2
    [ "${BLUEGREEN_E2E_REQUIRED:-0}" = 1 ] && exit 1
    exit 77
}

if [ -z "${BLUEGREEN_E2E_INSIDE:-}" ]; then
    [ "$(uname -s)" = Linux ] || unavailable "not Linux"
    [ "$(id -u)" = 0 ] || unavailable "not root"
    if ! { [ -x /usr/sbin/dockerd ] && command -v docker-registry && command -v ip; } >/dev/null; then
        command -v apt-get >/dev/null || unavailable "no engine, and no apt-get to install one"
        log=$(mktemp)
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update -q && apt-get install -qy --no-install-recommends docker.io docker-registry iproute2; } >"$log" 2>&1 \
            || { tail -n 5 "$log" >&2; unavailable "docker.io and docker-registry cannot be installed"; }
    fi
    unshare --net --mount --pid --fork --mount-proc true 2>/dev/null || unavailable "no namespaces of one's own"
    export BLUEGREEN_E2E_INSIDE=1
    exec unshare --net --mount --pid --fork --kill-child=SIGKILL --mount-proc "$BASH" "$0" "$@"
fi

# A short path: that of a unix socket has at most 108 bytes.
work=$(mktemp -d -t bg.XXXXXX)
engine= registry=
finish() {
    [ -n "$registry" ] && kill "$registry" 2>/dev/null
    if [ -n "$engine" ]; then
        kill "$engine" 2>/dev/null
        for _ in $(seq 100); do kill -0 "$engine" 2>/dev/null || break; sleep 0.1; done
    fi
    awk -v under="$work/" 'index($2, under) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount 2>/dev/null
    rm -rf --one-file-system "$work"
}
trap finish EXIT
fail() {
    echo "FAILED: images for real: $*" >&2
    tail -n 20 "$work"/*.log >&2
    exit 1
}

ip link set lo up || fail "no loopback"

# User AWS, password bluegreen-test-password: the registry takes bcrypt only.
echo 'AWS:$2y$05$wj0.wmtXm6nC1d0lMmzbSuw5.wL9/wpqIEkSzBxCaiu3iggQFZMH6' >"$work/htpasswd"
cat >"$work/registry.yml" <<YML
version: 0.1
storage: {filesystem: {rootdirectory: $work/images}}
http: {addr: "127.0.0.1:0", secret: bluegreen}
auth: {htpasswd: {realm: test, path: $work/htpasswd}}
YML
docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
registry=$!
address=
for _ in $(seq 100); do
    address=$(grep -o 'listening on 127.0.0.1:[0-9]*' "$work/registry.log" | head -n 1 | cut -d' ' -f3)
    [ -n "$address" ] && break
    kill -0 "$registry" 2>/dev/null || fail "the registry ended"
    sleep 0.1
done
[ -n "$address" ] || fail "the registry does not listen"

storage=overlay2
[ "$(stat -f -c %T "$work")" = overlayfs ] && storage=vfs
mkdir "$work/data" "$work/exec"
/usr/sbin/dockerd --host "unix://$work/docker.sock" --data-root "$work/data" --exec-root "$work/exec" \
    --pidfile "$work/docker.pid" --storage-driver "$storage" >"$work/engine.log" 2>&1 &
engine=$!
for _ in $(seq 150); do
    [ -S "$work/docker.sock" ] && DOCKER_HOST="unix://$work/docker.sock" /usr/bin/docker version >/dev/null 2>&1 && break
    kill -0 "$engine" 2>/dev/null || { tail -n 5 "$work/engine.log" >&2; unavailable "the engine does not start"; }
    sleep 0.2
done

export DOCKER_HOST="unix://$work/docker.sock" DOCKER_CONFIG="$work/config"
export BLUEGREEN_E2E_REGISTRY="$address" BLUEGREEN_E2E_USER=AWS BLUEGREEN_E2E_PASSWORD=bluegreen-test-password
mkdir "$DOCKER_CONFIG"
echo "engine $(/usr/bin/docker version --format '{{.Server.Version}}') ($storage), registry $address"
[ $# -gt 0 ] || exit 0
"$@"
