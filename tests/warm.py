"""Python programs forked from a process that has loaded already what they import: a second of processor time for each.

Such a program runs the same script with its own arguments, environment, folder and session, and ends with the same exit
code as one of a fresh interpreter; what it imports has merely been imported before. What a fresh one loads, and how
much memory it takes, is for tests that start one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing import util
from pathlib import Path
from typing import IO, Any

_REQUEST_BYTES = 1 << 17
_NUMBER = struct.Struct("=i")
#: Worker processes that are forked; what a service starts beyond them is spawned.
_WORKERS = 2


class Program:
    """A running program, with what tests use of `subprocess.Popen`."""

    def __init__(self, pid: int, end: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._end = end

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the program's end; its exit code, or the negative number of the signal that killed it."""
        if self.returncode is None:
            self._end.settimeout(timeout)
            try:
                said = self._end.recv(_NUMBER.size)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
            self._end.close()
            (self.returncode,) = _NUMBER.unpack(said)
        return self.returncode

    def poll(self) -> int | None:
        """The exit code, if the program has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def terminate(self) -> None:
        """Ask the program to end."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


class Warm:
    """The process that programs are forked from; made at the first of them."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    def start(
        self,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path,
        stdout: IO[Any],
        stderr: IO[Any],
    ) -> Program:
        """Run a Python script in a session of its own, with nothing to read."""
        if self._requests is None:
            self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._server = subprocess.Popen(
                    # -P: this folder's modules are not to be found by programs.
                    [sys.executable, "-P", __file__, str(theirs.fileno())],
                    env={**os.environ, "LANG": "C.UTF-8"},
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            request = json.dumps({"command": [*map(str, command)], "env": {**env}, "cwd": str(cwd)}).encode()
            assert len(request) < _REQUEST_BYTES
            socket.send_fds(self._requests, [request], [theirs.fileno(), stdout.fileno(), stderr.fileno()])
        (pid,) = _NUMBER.unpack(ours.recv(_NUMBER.size))
        return Program(pid, ours)

    def close(self) -> None:
        """End the process; programs that still run go on."""
        if self._server is not None and self._requests is not None:
            self._requests.close()
            self._server.wait()
            self._server = self._requests = None


# --- the process itself ----------------------------------------------------------------------------------------------


def _load() -> None:
    """Import what `ingester` programs and their workers import: nothing of it starts a thread or reads a setting."""
    import alembic.command
    import sqlalchemy.dialects.postgresql.psycopg
    import sqlalchemy.dialects.sqlite

    import ingester.cli.app
    import ingester.cli.site
    import ingester.service
    import ingester.worker

    assert alembic, (sqlalchemy, ingester)


def _serve(requests: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Fork for each request and tell how each program ended, until nobody asks. A program returns with its request."""
    ends: dict[int, socket.socket] = {}
    waker, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([requests, waker], [], [])
        if waker in ready:
            os.read(waker, 512)
            while ends and (ended := os.waitpid(-1, os.WNOHANG))[0]:
                with ends.pop(ended[0]) as end, contextlib.suppress(OSError):  # a test that failed does not listen
                    end.send(_NUMBER.pack(os.waitstatus_to_exitcode(ended[1])))
        if requests in ready:
            request, descriptors, _, _ = socket.recv_fds(requests, _REQUEST_BYTES, 3)
            if not request:
                return None
            end = socket.socket(fileno=descriptors[0])
            pid = os.fork()
            if not pid:
                os.setsid()
                end.send(_NUMBER.pack(os.getpid()))
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for open_here in (end, requests, *ends.values()):
                    open_here.close()
                os.close(waker)
                os.close(wakes)
                return json.loads(request), descriptors[1:]
            for descriptor in descriptors[1:]:
                os.close(descriptor)
            ends[pid] = end


def _run(request: dict[str, Any], outputs: list[int]) -> None:
    for number, descriptor in enumerate(outputs, start=1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    sys.argv = request["command"]
    if sys.argv[1:2] in (["up"], ["serve"]):
        _keep_workers()
    runpy.run_path(sys.argv[0], run_name="__main__")


def _keep_workers() -> None:
    """Have processes ready that become worker processes, which a service starts when it cannot fork any more."""
    spawn, ready = util.spawnv_passfds, [_keep_one() for _ in range(_WORKERS)]

    def fork_instead(path: bytes, arguments: list[str], descriptors: Sequence[int]) -> int:
        words = [os.fsdecode(each) for each in arguments]
        if not ready or "--multiprocessing-fork" not in words:
            return spawn(path, arguments, descriptors)
        pid, ours = ready.pop()
        with ours:
            socket.send_fds(ours, [json.dumps([words, *descriptors]).encode()], descriptors)
        return pid

    util.spawnv_passfds = fork_instead


def _keep_one() -> tuple[int, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid:
        theirs.close()
        return pid, ours
    ours.close()
    request, received, _, _ = socket.recv_fds(theirs, _REQUEST_BYTES, 16)
    theirs.close()
    if not request:
        os._exit(0)
    arguments, *numbers = json.loads(request)
    # Out of one another's way first.
    for number, descriptor in zip(numbers, [fcntl.fcntl(each, fcntl.F_DUPFD, 1000) for each in received], strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    code = arguments.index("-c") + 1
    sys.argv = ["-c", *arguments[code + 1 :]]
    try:
        exec(arguments[code], {})
    except SystemExit as ended:
        os._exit(ended.code if isinstance(ended.code, int) else 0)
    os._exit(0)


if __name__ == "__main__":
    _load()
    asked = _serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        _run(*asked)
