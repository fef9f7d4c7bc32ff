"""A real `ingester up` in a scratch folder, started, stopped and killed the way an operator or a power cut would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

import asyncssh

from tests.process import kill_session, session_members
from tests.tenant import Tenant
from tests.warm import Program, Warm

INGESTER = Path(sys.executable).with_name("ingester")


@cache
def _host_keys() -> dict[str, bytes]:
    """What services find instead of making it, and small: large primes take longer than all else at their start."""
    kinds = {"ssh_host_ed25519_key": ("ssh-ed25519", {}), "ssh_host_rsa_key": ("ssh-rsa", {"key_size": 2048})}
    return {
        name: asyncssh.generate_private_key(kind, **options).export_private_key()
        for name, (kind, options) in kinds.items()
    }


class Service:
    """One service on one data directory below `scratch`; it may be started again after it ended.

    Its programs are forked from `warm`, if that is given, and find host keys; else all is as on a machine of its own.
    """

    def __init__(self, scratch: Path, *, rules: Sequence[Path] = (), warm: Warm | None = None) -> None:
        self.data_dir = scratch / "data"
        self.scratch = scratch
        self.host = "127.0.0.1"
        self.port = 0
        self.http_port = 0
        self._log = scratch / "up.log"
        self._warm = warm
        self._process: subprocess.Popen[bytes] | Program | None = None
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(scratch),
            "LANG": "C.UTF-8",
            "INGESTER_DATA_DIR": str(self.data_dir),
            # The program is to be the one that these tests found, where that is not the installed one.
            **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
        }
        if rules:
            self._environment["INGESTER_RULES_DIRS"] = os.pathsep.join(map(str, rules))

    @property
    def log(self) -> str:
        """What the service has written to its terminal so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def leader(self) -> int:
        """The id of the service's first process, which is also its session's."""
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self, *, seconds: float = 30, fresh: bool = False) -> Service:
        """Start the service on a free port and wait until it takes connections; `fresh`: never forked."""
        if self._warm is not None:
            self._place_host_keys()
        ready = self.data_dir / "run" / "up.json"
        with self._log.open("ab") as log:
            options = ("--host", self.host, "--sftp-port", "0", "--http-port", "0")
            self._process = self._run("up", *options, stdout=log, stderr=log, fresh=fresh)
        deadline = time.monotonic() + seconds
        while True:
            # The file of a service that was killed is still there, under another process id.
            if ready.exists() and (up := json.loads(ready.read_text()))["pid"] == self._process.pid:
                self.port, self.http_port = up["sftp_port"], up["http_port"]
                return self
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"`ingester up` did not become ready:\n{self.log}")
            time.sleep(0.02)

    def _place_host_keys(self) -> None:
        self.data_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        folder = self.data_dir / "host_keys"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in _host_keys().items():
            if not (folder / name).exists():
                (folder / name).touch(mode=0o600)
                (folder / name).write_bytes(content)

    def stop(self, *, seconds: float = 20) -> None:
        """End the service as systemd would; it must leave no process behind."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"`ingester up` did not stop on SIGTERM:\n{self.log}") from None
        # multiprocessing's own resource tracker ends by itself, a moment after the process that it served.
        patience = time.monotonic() + 2
        while (left := session_members(self._process.pid)) and time.monotonic() < patience:
            time.sleep(0.02)
        self.kill()
        assert code == 0, f"`ingester up` ended with {code}:\n{self.log}"
        assert not left, f"`ingester up` left processes {left} behind"

    def kill(self) -> None:
        """Kill -9 every process of the service at once."""
        if self._process is not None:
            kill_session(self._process.pid)
            self._process.wait()
            self._process = None

    def run(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run another `ingester` command on the same data directory."""
        with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
            process = self._run(*arguments, stdout=stdout, stderr=stderr)
            try:
                code = process.wait(60)
            except subprocess.TimeoutExpired:
                kill_session(process.pid)
                process.wait()
                raise
            stdout.seek(0)
            stderr.seek(0)
            done = subprocess.CompletedProcess(arguments, code, stdout.read(), stderr.read())
        if check:
            assert done.returncode == 0, f"ingester {' '.join(map(str, arguments))}:\n{done.stdout}{done.stderr}"
        return done

    def _run(
        self, *arguments: str | Path, stdout: IO[Any], stderr: IO[Any], fresh: bool = False
    ) -> subprocess.Popen[bytes] | Program:
        """A program in a session of its own."""
        command = [INGESTER, *arguments]
        if self._warm is not None and not fresh:
            return self._warm.start(command, env=self._environment, cwd=self.scratch, stdout=stdout, stderr=stderr)
        return subprocess.Popen(
            command,
            env=self._environment,
            cwd=self.scratch,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    def add_tenant(self, name: str, *catalogues: str) -> Tenant:
        """Add a tenant with a fresh key of its own."""
        self.run("tenant", "add", name, *(part for catalogue in catalogues for part in ("--catalogue", catalogue)))
        tenant = Tenant(self, name)
        self.run("tenant", "key", name, "add", tenant.key.with_suffix(".pub"))
        return tenant
