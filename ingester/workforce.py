"""The worker processes of one service: started, replaced when one dies, stopped. Loads none of what they load.

They are forked from a process that has loaded it once (`nursery.py`), so that they share that memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import time
from multiprocessing.context import ForkServerProcess

import structlog

from ingester.domain.errors import TransientError
from ingester.queue import Queue
from ingester.ruleset.model import RuleSet
from ingester.settings import Settings

log = structlog.get_logger()

#: What multiprocessing says of a process whose end nobody could see.
_UNKNOWN = 255
#: How long imports may go on after the service was told to end; what takes longer is done again by the next one.
_DRAIN_SECONDS = 60.0


def _work(settings: Settings, rules: RuleSet) -> None:
    """What a worker process runs; only there are pyarrow and the phases loaded."""
    from ingester import worker

    worker.main(settings, rules)


class Workforce:
    """The worker processes: started, and started again when one dies."""

    def __init__(self, settings: Settings, rules: RuleSet, queue: Queue) -> None:
        self._settings = settings
        self._rules = rules
        self._queue = queue
        # Never fork this process itself: it has threads and an event loop.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["ingester.nursery"])
        self._processes: list[ForkServerProcess] = []
        self._living = 0

    def start(self) -> None:
        """Start them all."""
        self._processes = [self._spawn() for _ in range(self._settings.worker.processes)]
        self._living = len(self._processes)

    def _spawn(self) -> ForkServerProcess:
        process = self._context.Process(target=_work, args=(self._settings, self._rules), name="ingester-worker")
        process.start()
        return process

    def alive(self) -> int:
        """How many lived at the last look; may be asked in any thread."""
        return self._living

    async def watch(self, stop: asyncio.Event) -> None:
        """Replace workers that die, until `stop` is set. What a dead one was doing is queued again at once."""
        while not stop.is_set():
            self._living = sum(process.is_alive() for process in self._processes)
            for index, process in enumerate(self._processes):
                if not process.is_alive():
                    log.error("worker_died", exit_code=process.exitcode)
                    _end_for_certain(process)
                    try:
                        await asyncio.to_thread(self._queue.recover, process=process.pid)
                    except TransientError as error:
                        log.warning("worker_not_replaced_yet", error=str(error))
                        continue
                    self._processes[index] = self._spawn()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), timeout=0.5)

    def stop(self) -> None:
        """Let each finish its import, then end; one that takes too long is killed, and its import queued again."""
        for process in self._processes:
            process.terminate()
        deadline = time.monotonic() + _DRAIN_SECONDS
        for process in self._processes:
            process.join(timeout=max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                log.warning("worker_killed", pid=process.pid)
                process.kill()
                process.join()
                # Otherwise a lease would have to expire, and a few restarts would put a long import aside as poison.
                with contextlib.suppress(TransientError):
                    self._queue.recover(process=process.pid, stopped=True)


def _end_for_certain(process: ForkServerProcess) -> None:
    """Kill a worker that only seems dead since the process it was forked from is; one that is dead is left alone."""
    if process.exitcode != _UNKNOWN or process.pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        # Not somebody else's by now, who has the same number.
        if os.getsid(process.pid) == os.getsid(0):
            os.kill(process.pid, signal.SIGKILL)
