"""The side of `child.py` that is in the process which reads a file: its bounds, what it hears and says."""

from __future__ import annotations

import errno
import json
import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from ingester.domain.errors import UnreadableFile


@dataclass(frozen=True, slots=True)
class Allowed:
    """The limits of a plain file, as they were told."""

    rows: int
    columns: int
    unpacked_bytes: int
    cell_bytes: int

    @classmethod
    def of(cls, order: Mapping[str, Any]) -> Self:
        """From the first thing that was asked."""
        return cls(order["rows"], order["columns"], order["unpacked_bytes"], order["cell_bytes"])


def hear() -> dict[str, Any]:
    """What is asked next."""
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    return order


def say(**answer: object) -> None:
    """Answer."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def serve(read: Callable[[dict[str, Any]], None], what: str, reasons: Mapping[type[BaseException], str]) -> None:
    """Read a file within bounds, and say what came of it; `reasons` are what some errors mean."""
    try:
        order = hear()
        resource.setrlimit(resource.RLIMIT_AS, (order["sheet_memory"], order["sheet_memory"]))
        resource.setrlimit(resource.RLIMIT_CPU, (order["seconds"], order["seconds"] + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        read(order)
    except UnreadableFile as error:
        say(code=error.code, reason=error.reason)
    except MemoryError:
        say(memory=True)
    except OSError as error:
        # A damaged file sends the reader to places that are none.
        if error.errno in (None, errno.EINVAL):
            say(broken=f"{what} is damaged ({_short(error)})")
        else:
            say(trouble=str(error))
    except BaseException as error:  # noqa: BLE001 - a panic of Rust is no Exception
        say(broken=reasons.get(type(error), f"{what} is damaged ({type(error).__name__}: {_short(error)})"))


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
