"""The monitor of one service process: what it measures, what is checked, and the pages that tell.

Whoever builds the process says what there is to watch; a role without workers or without a listener leaves that out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from prometheus_client.exposition import choose_encoder
from sqlalchemy import Engine

from ingester.directory import DataDirectory
from ingester.domain.errors import ConfigurationError
from ingester.monitor import health
from ingester.monitor.counted import Counted
from ingester.monitor.health import Check, Health, Unwell
from ingester.monitor.listener import Listener, Reply
from ingester.monitor.meter import Meter
from ingester.settings import HttpSettings
from ingester.store.ledger import Ledger


class Monitor:
    """Serves `/metrics`, `/healthz` and `/readyz`."""

    def __init__(self, settings: HttpSettings, port: int, directory: DataDirectory, ledger: Ledger) -> None:
        self._settings = settings
        self._port = port
        self._engines: list[Engine] = []
        self._ledger = ledger
        self._state = "starting"
        self.meter = Meter(ledger.engine.dialect.name)
        self.meter.gauge(
            "ingester_disk_free_bytes",
            "What may still be written where the data directory is.",
            partial(health.free_bytes, directory.root),
        )
        self._alive, self._ready = Health(), Health()
        self.check("service", self._serving)
        self.check("ledger", partial(health.answers, ledger.engine))
        self.check("disk", partial(health.disk, directory.root, settings.min_free_bytes))
        pages = {"/metrics": self._metrics, "/healthz": self._judged(self._alive), "/readyz": self._judged(self._ready)}
        self._listener = Listener(settings.host, port, pages)

    # --- what there is to watch ------------------------------------------------------------------------------------

    def check(self, name: str, check: Check, *, alive: bool = False) -> None:
        """Have a check of readiness; `alive`: of being alive as well."""
        self._ready.add(name, check)
        if alive:
            self._alive.add(name, check)

    def count_ledger(self, is_mine: Callable[[], bool] = lambda: True) -> None:
        """Show the ledger's own numbers while they are this process's to show: sums over processes count them once."""
        self.meter.registry.register(Counted(self._ledger, self._settings.metric_tenants, is_mine))

    def watch_database(self, engine: Engine) -> None:
        """Be ready only if the database of records answers; `engine` is the monitor's to dispose of."""
        self._engines.append(engine)
        self.check("database", partial(health.answers, engine))

    def watch_landing(self, busy_seconds: Callable[[], float | None]) -> None:
        """Be alive only if the landing thread gets on."""
        self.check("landing", partial(health.landing, busy_seconds), alive=True)

    def watch_workers(self, alive: Callable[[], int], wanted: Callable[[], int]) -> None:
        """Be ready only if there is a worker."""
        self.check("workers", lambda: health.workers(alive, wanted()))
        self.meter.gauge("ingester_workers_alive", "Worker processes that are alive.", alive)
        self.meter.gauge("ingester_workers_wanted", "Worker processes that there should be.", wanted)

    # --- its life --------------------------------------------------------------------------------------------------

    def start(self, loop: asyncio.AbstractEventLoop) -> int:
        """Listen, and return the port; `loop` is watched. ConfigurationError if the port is taken."""
        self.check("event_loop", partial(health.event_loop, loop), alive=True)
        try:
            return self._listener.start()
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {self._settings.host} port {self._port}: {error.strerror or error}",
                fix="Stop what uses the port, or choose another with --http-port.",
            ) from error

    def ready(self) -> None:
        """Say that the service takes work."""
        self._state = "serving"

    def draining(self) -> None:
        """Say that the service takes no more work."""
        self._state = "draining"

    def stop(self) -> None:
        """End."""
        self._listener.stop()
        for engine in self._engines:
            engine.dispose()

    # --- pages -----------------------------------------------------------------------------------------------------

    def _serving(self) -> str:
        if self._state != "serving":
            raise Unwell(f"the service is {self._state}")
        return self._state

    def _metrics(self, accept: str) -> Reply:
        encode, content_type = choose_encoder(accept)
        return Reply(encode(self.meter.registry), content_type)

    @staticmethod
    def _judged(checks: Health) -> Callable[[str], Reply]:
        def page(_accept: str) -> Reply:
            well, document = checks.judge()
            body = json.dumps(document, indent=2).encode() + b"\n"
            return Reply(body, "application/json", HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE)

        return page
