"""The worker processes of one service: started, replaced when one dies, stopped. Loads none of what they load."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import time
from multiprocessing.context import SpawnProcess

from ingester.domain.errors import TransientError
from ingester.log import get_logger
from ingester.queue import Queue
from ingester.ruleset.model import RuleSet
from ingester.settings import Settings

log = get_logger()

#: How often workers and the queue are looked at.
_LOOK_SECONDS = 1.0
#: A worker that had nothing to do for so long, and has others beside it, is let go.
_QUIET_SECONDS = 60.0
#: How long imports may go on after the service was told to end; what takes longer is done again by the next one.
_DRAIN_SECONDS = 60.0


def _work(settings: Settings, rules: RuleSet) -> None:
    """What a worker process runs; only there are pyarrow and the phases loaded."""
    from ingester import worker

    worker.main(settings, rules)


class Workforce:
    """The worker processes: one while there is little to do, up to `worker.processes` while imports wait.

    They are started again when they die.
    """

    def __init__(self, settings: Settings, rules: RuleSet, queue: Queue) -> None:
        self._settings = settings
        self._rules = rules
        self._queue = queue
        # Never fork: this process has threads and an event loop.
        self._context = multiprocessing.get_context("spawn")
        self._processes: list[SpawnProcess] = []
        #: Those that were told to end, since there is nothing for them to do.
        self._leaving: list[SpawnProcess] = []
        self._wanted = 1
        self._quiet_since = time.monotonic()
        self._living = 0

    def start(self) -> None:
        """Start the first."""
        self._fill()
        self._living = len(self._processes)

    def alive(self) -> int:
        """How many lived at the last look; may be asked in any thread."""
        return self._living

    def wanted(self) -> int:
        """How many there should be now; may be asked in any thread."""
        return self._wanted

    async def watch(self, stop: asyncio.Event) -> None:
        """Have as many workers as there is work for, until `stop` is set.

        What one that died was doing is queued again at once.
        """
        while not stop.is_set():
            self._living = sum(process.is_alive() for process in self._processes)
            self._leaving = [process for process in self._leaving if process.is_alive()]
            try:
                for process in [process for process in self._processes if not process.is_alive()]:
                    log.error("worker_died", exit_code=process.exitcode)
                    await asyncio.to_thread(self._queue.recover, process=process.pid)
                    self._processes.remove(process)
                self._judge(await asyncio.to_thread(self._queue.is_pressing))
                self._fill()
            except TransientError as error:
                log.warning("workers_not_seen_to", error=str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), timeout=_LOOK_SECONDS)

    def _judge(self, pressing: bool) -> None:
        """Want one more while imports wait, one less after a while in which none did."""
        at = time.monotonic()
        if pressing:
            self._wanted = min(self._wanted + 1, self._settings.worker.processes)
            self._quiet_since = at
        elif at - self._quiet_since > _QUIET_SECONDS and self._wanted > 1:
            self._wanted -= 1
            self._quiet_since = at
            if len(self._processes) > self._wanted:
                # It ends its import first, if it has one.
                process = self._processes.pop()
                process.terminate()
                self._leaving.append(process)

    def _fill(self) -> None:
        # One that leaves may go on with its import for long, and takes no other: there is always one that does.
        while not self._processes or len(self._processes) + len(self._leaving) < self._wanted:
            process = self._context.Process(target=_work, args=(self._settings, self._rules), name="ingester-worker")
            process.start()
            self._processes.append(process)

    def stop(self) -> None:
        """Let each finish its import, then end; one that takes too long is killed, and its import queued again."""
        everybody = [*self._processes, *self._leaving]
        for process in everybody:
            process.terminate()
        deadline = time.monotonic() + _DRAIN_SECONDS
        for process in everybody:
            process.join(timeout=max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                log.warning("worker_killed", pid=process.pid)
                process.kill()
                process.join()
                # Otherwise a lease would have to expire, and a few restarts would put a long import aside as poison.
                with contextlib.suppress(TransientError):
                    self._queue.recover(process=process.pid, stopped=True)
        self._processes, self._leaving = [], []
