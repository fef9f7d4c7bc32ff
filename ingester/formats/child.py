"""A process that reads one file, so that nobody else dies of it.

Some files are read by libraries that take the memory a file asks for, or end the process over a file that is damaged.
It is asked and answers in lines of JSON (`serving.py` is its side); what it may take is bounded.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any, Self

from ingester.domain import notice
from ingester.domain.errors import TransientError, UnreadableFile
from ingester.domain.limits import Limits
from ingester.domain.size import in_words
from ingester.formats.plain import too_large, unreadable

#: Of the processor; 50 million cells take about two minutes.
_CPU_SECONDS = 900
_DEADLINE_SECONDS = 3600.0
_BOUNDS = {"sheet_cells", "sheet_memory", "rows", "columns", "cell_bytes", "unpacked_bytes", "ratio", "ratio_bytes"}


class Child:
    """A process that runs a module, with a `with` block; `what` it reads stands in what customers are told.

    Whatever it says or dies of that is no answer becomes an error.
    """

    def __init__(self, module: str, what: str, limits: Limits) -> None:
        self._module = module
        self._what = what
        self._limits = limits

    def __enter__(self) -> Self:
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        self._errors = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a module of ours
                [sys.executable, "-m", self._module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=environment,
                cwd="/",
            )
        except OSError as error:
            self._errors.close()
            raise TransientError(f"{self._what} cannot be read: {error}") from None
        self._deadline = Timer(_DEADLINE_SECONDS, self._process.kill)
        self._deadline.daemon = True
        self._deadline.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._deadline.cancel()
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()

    def begin(self, source: Path, target: Path, **order: object) -> dict[str, Any]:
        """The first thing it is asked."""
        bounds = self._limits.model_dump(include=_BOUNDS)
        return self.ask(
            {
                "source": str(source.absolute()),
                "target": str(target.absolute()),
                "seconds": _CPU_SECONDS,
                **bounds,
                **order,
            }
        )

    def ask(self, order: object) -> dict[str, Any]:
        """What it answers to one thing more."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        if "code" in answer:
            code = str(answer["code"])
            raise UnreadableFile(code, str(answer["reason"]) or notice.message(code))
        if "memory" in answer:
            raise self._too_much()
        if "trouble" in answer:
            raise TransientError(f"{self._what} cannot be read: {answer['trouble']}")
        if "broken" in answer:
            raise unreadable(str(answer["broken"]))
        return answer

    def _too_much(self) -> UnreadableFile:
        return too_large(f"{self._what} that takes over {in_words(self._limits.sheet_memory)} of memory")

    def _ended(self) -> Exception:
        status = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read(1 << 16)
        if status == -signal.SIGXCPU:
            return too_large(f"{self._what} that takes over {_CPU_SECONDS // 60} minutes to read")
        if b"memory allocation" in said or b"MemoryError" in said or b"capacity overflow" in said:
            return self._too_much()
        if status in (-signal.SIGKILL, -signal.SIGTERM):
            return TransientError(f"the process that read {self._what} was stopped")
        return unreadable(f"{self._what} that is damaged")
