"""Processes of the harness: each has a log, dies with the harness, and is ended by its id."""

import ctypes
import os
import pathlib
import signal
import subprocess
import threading
import uuid

MARK = "BLUEGREEN_REAL"
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """Runs in the child: the kernel kills the child if the thread that started it ends, however that happens."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Processes:
    """All processes of one run of the harness. A mark in their environment finds what they start themselves."""

    def __init__(self, folder):
        self.folder, self.mark = pathlib.Path(folder), uuid.uuid4().hex
        self.lock, self.running, self.is_over = threading.Lock(), [], False

    def start(self, name, words, env=None, **more):
        whole = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {}), MARK: self.mark}
        for absent in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            whole.pop(absent, None)
        with open(self.folder / f"{name}.log", "a") as log:
            more = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **more}
            with self.lock:
                assert not self.is_over, f"{name} is not started any more"
                process = subprocess.Popen([str(word) for word in words], env=whole, preexec_fn=die_with_parent, **more)
                process.name = name
                self.running.append(process)
        return process

    def log(self, name, lines=15):
        """The end of a process's log."""
        return "\n".join((self.folder / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])

    def end(self, *processes):
        """Ends processes: they are asked first, and killed after 5 seconds."""
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin:
                process.stdin.close()
            with self.lock:
                if process in self.running:
                    self.running.remove(process)

    def of(self, prefix):
        """The processes that run and whose names begin so."""
        with self.lock:
            return [process for process in self.running if process.name.startswith(prefix)]

    def end_all(self):
        with self.lock:
            self.is_over = True
        self.end(*reversed(self.of("")))

    def left(self):
        """The ids of processes with our mark that still run, and their words."""
        found = {}
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if int(path.name) != os.getpid() and f"{MARK}={self.mark}".encode() in (path / "environ").read_bytes().split(b"\0"):
                    found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                # It has ended, or is another user's.
                continue
        return found
