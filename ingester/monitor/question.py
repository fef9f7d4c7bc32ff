"""A question to something that may be stuck, such as a database: nobody waits for it longer than he wants to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Question(Generic[T]):
    """Asked in a thread of its own, once at a time; who asks meanwhile waits for the same answer.

    An answer is good for `fresh` seconds. However many ask, what is stuck holds one thread.
    """

    def __init__(self, ask: Callable[[], T], *, fresh: float = 0.0) -> None:
        self._ask = ask
        self._fresh = fresh
        self._lock = threading.Lock()
        self._asked: Future[T] | None = None
        self._answered_at = 0.0

    def ask(self) -> Future[T]:
        """Begin to ask, unless somebody did; the answer, which may be there already."""
        with self._lock:
            asked = self._asked
            if asked is None or (asked.done() and not self._is_fresh(asked)):
                asked = self._asked = Future()
                threading.Thread(target=self._find_out, args=(asked,), name="question", daemon=True).start()
            return asked

    def answer(self, seconds: float) -> T:
        """The answer, or whatever asking raised; TimeoutError if there is none within `seconds`."""
        return self.ask().result(seconds)

    def _is_fresh(self, asked: Future[T]) -> bool:
        return asked.exception() is None and time.monotonic() < self._answered_at + self._fresh

    def _find_out(self, asked: Future[T]) -> None:
        try:
            answer = self._ask()
        except BaseException as error:  # noqa: BLE001 -- it is raised where the answer is waited for
            asked.set_exception(error)
        else:
            self._answered_at = time.monotonic()
            asked.set_result(answer)
