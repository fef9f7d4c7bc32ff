"""A real `ingester up` in a scratch folder, started, stopped and killed the way an operator or a power cut would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.process import kill_session, session_members
from tests.tenant import Tenant

INGESTER = Path(sys.executable).with_name("ingester")


class Service:
    """One service on one data directory below `scratch`; it may be started again after it ended."""

    def __init__(self, scratch: Path, *, rules: Sequence[Path] = ()) -> None:
        self.data_dir = scratch / "data"
        self.scratch = scratch
        self.host = "127.0.0.1"
        self.port = 0
        self._log = scratch / "up.log"
        self._process: subprocess.Popen[bytes] | None = None
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

    def start(self, *, seconds: float = 30) -> Service:
        """Start the service on a free port and wait until it takes connections."""
        ready = self.data_dir / "run" / "up.json"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [INGESTER, "up", "--host", self.host, "--sftp-port", "0"],
                env=self._environment,
                cwd=self.scratch,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + seconds
        while True:
            # The file of a service that was killed is still there, under another process id.
            if ready.exists() and (up := json.loads(ready.read_text()))["pid"] == self._process.pid:
                self.port = up["sftp_port"]
                return self
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"`ingester up` did not become ready:\n{self.log}")
            time.sleep(0.02)

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
        done = subprocess.run(
            [INGESTER, *arguments],
            env=self._environment,
            cwd=self.scratch,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if check:
            assert done.returncode == 0, f"ingester {' '.join(map(str, arguments))}:\n{done.stdout}{done.stderr}"
        return done

    def add_tenant(self, name: str, *catalogues: str) -> Tenant:
        """Add a tenant with a fresh key of its own."""
        self.run("tenant", "add", name, *(part for catalogue in catalogues for part in ("--catalogue", catalogue)))
        tenant = Tenant(self, name)
        self.run("tenant", "key", name, "add", tenant.key.with_suffix(".pub"))
        return tenant
