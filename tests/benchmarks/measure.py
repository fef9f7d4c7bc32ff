"""One measurement: a fresh process, the time it took, and the most memory it and its children held."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.process import memory

REPOSITORY = Path(__file__).parents[2]
_SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Measurement:
    """Wall seconds, peak bytes (proportional set size of the process tree), and what the process printed as JSON."""

    seconds: float
    peak: int
    printed: Any


class Peak:
    """Samples the memory of a process and its children until it is closed; `bytes` is the most that was seen."""

    def __init__(self, leader: int) -> None:
        self.bytes = 0
        self._leader = leader
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            self.bytes = max(self.bytes, memory(self._leader))


def run(command: Sequence[str | Path], *, cwd: Path, accept: Collection[int] = (0,)) -> Measurement:
    """Run a command that prints one JSON document; an exit code that is not accepted is an error."""
    # Installed programs have their bytecode; contenders from this repository shall have theirs as well.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as told:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdout=printed, stderr=told, start_new_session=True
        )
        with Peak(process.pid) as peak:
            code = process.wait()
            seconds = time.perf_counter() - started
        printed.seek(0)
        told.seek(0)
        if code not in accept:
            raise RuntimeError(f"{' '.join(map(str, command))} ended with {code}:\n{told.read()}")
        return Measurement(seconds, peak.bytes, json.load(printed))
