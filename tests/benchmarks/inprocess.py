"""Contenders in warm processes of their own, both ends of the pipe: imports are done, the clock sees the work alone.

    python -m tests.benchmarks.inprocess tests.benchmarks.recipe:duckdb_count

reads courses as lines of JSON, runs the contender on each and answers with its laps. The first is for warming up.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from tests.benchmarks.course import Course
from tests.benchmarks.measure import REPOSITORY


@dataclass(frozen=True)
class Lap:
    """Wall seconds of one piece of work, and the most memory that its process had resident meanwhile."""

    seconds: float
    peak_bytes: int


class Clock:
    """Times the laps of one contender on one course: `with clock("first"): …`."""

    def __init__(self, course: Course) -> None:
        self.laps: dict[str, Lap] = {}
        self._course = course

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a lap, on disks and databases that have written what was done before."""
        self._settle()
        Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
        self.laps[name] = Lap(seconds, int(status.split()[0]) * 1024)

    def _settle(self) -> None:
        gc.collect()
        if self._course.database_url.startswith("postgresql"):
            import psycopg

            from tests.postgres import conninfo

            with psycopg.connect(conninfo(self._course.database_url), autocommit=True) as connection:
                connection.execute("CHECKPOINT")
        os.sync()


Workload = Callable[[Course, Clock], None]


class ContenderFailed(Exception):
    """The process of a contender ended; the message is what it said."""


class WarmProcess:
    """A process that runs one contender, named `module:function`, as often as it is asked to."""

    def __init__(self, workload: str) -> None:
        self._told = tempfile.TemporaryFile("w+")  # noqa: SIM115 -- closed in __exit__
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.inprocess", workload],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._told,
            text=True,
            bufsize=1,
        )

    def run(self, course: Course) -> dict[str, Lap]:
        """Run it once; its laps by name. Raises ContenderFailed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(course.dump() + "\n")
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._process.wait()
            self._told.seek(0)
            raise ContenderFailed(self._told.read())
        return {name: Lap(**lap) for name, lap in json.loads(answer).items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(30)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._told.close()


def _workload(name: str) -> Workload:
    module, function = name.split(":")
    found: Workload = getattr(importlib.import_module(module), function)
    return found


def main() -> None:
    # What a contender prints must not stand between the answers.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        workload = _workload(sys.argv[1])
        for line in sys.stdin:
            course = Course.load(line)
            clock = Clock(course)
            workload(course, clock)
            print(json.dumps({name: asdict(lap) for name, lap in clock.laps.items()}), file=answers, flush=True)


if __name__ == "__main__":
    main()
