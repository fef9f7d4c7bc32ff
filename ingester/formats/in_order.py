"""Work on one part of a file after the other, done by threads, its results in the order of the parts."""

from __future__ import annotations

import itertools
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

_SWITCH_SECONDS = 0.001


def in_order(work: Callable[[S], T], items: Iterable[S], threads: int) -> Iterator[T]:
    """`work` done on every item by threads, results in the order of the items, few items ahead of what is taken."""
    items = iter(items)
    first = list(itertools.islice(items, 2))
    if len(first) < 2:
        # Starting threads takes longer than most files that are one block.
        yield from map(work, first)
        return
    items = itertools.chain(first, items)
    pending: deque[Future[T]] = deque()
    with _brisk(), ThreadPoolExecutor(threads, thread_name_prefix="block") as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


@contextmanager
def _brisk() -> Iterator[None]:
    """Let threads take the interpreter from each other sooner than by default.

    A thread that comes back from Arrow asks for it dozens of times a block, and each time may wait that long.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, _SWITCH_SECONDS))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
