"""Logs: one line an event on standard error, JSON for machines or coloured for people, never a secret."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Any, TextIO, cast

_without_rich = "structlog" not in sys.modules and "rich" not in sys.modules
if _without_rich:
    # It would load rich, for coloured tracebacks that nobody is shown: three megabytes in every process.
    sys.modules["rich"] = None  # type: ignore[assignment]  # what an import then finds is that there is none
import structlog  # noqa: E402 -- after rich is out of its sight

if _without_rich:
    del sys.modules["rich"]

get_logger = structlog.get_logger


class _Stderr:
    """Standard error that may be full or gone: a line that cannot be written is lost, and nothing else."""

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError, ValueError):
            return sys.stderr.write(text)
        return 0

    def flush(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def configure(form: str, level: str) -> None:
    """Set up logging for this process. `form` is `json`, `console` or `auto`; `level` a standard level's name."""
    people = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if people
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks as one JSON string: a log line stays a line.
    final: list[Any] = [] if people else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, *final, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Stderr())),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library; what they warn of belongs in the same stream.
    handler = logging.StreamHandler(_Stderr())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final, renderer],
        )
    )
    # It warns of every file that came while a folder's watch began; the rescan finds them anyway.
    logging.getLogger("watchdog").setLevel(logging.ERROR)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
