"""The composition root: builds the parts from settings and runs them together, and takes them down in order.

The event loop serves SFTP; landing, folder watch and clocks are threads; imports run in worker processes.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from ingester import recovery
from ingester.directory import DataDirectory
from ingester.domain.errors import ConfigurationError
from ingester.domain.name import is_unfinished
from ingester.intake import Intake
from ingester.queue import Queue
from ingester.retention.keeper import Keeper
from ingester.routing import Router
from ingester.ruleset.shipped import in_force
from ingester.schedule.clock import Clock
from ingester.settings import Settings
from ingester.store.datastore import DataStore
from ingester.store.ledger import Ledger
from ingester.store.tenant import Tenants
from ingester.tenancy import prepare_tenant
from ingester.watch.folder import FolderWatch
from ingester.watch.sftp import SftpOwner, record_event
from ingester.workforce import Workforce
from sftp_server import HostKey, HostKeyError, Limits, Server, ensure_host_keys

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ready:
    """What a service says when it can be used."""

    host: str
    sftp_port: int
    host_keys: tuple[HostKey, ...]


class Service:
    """Everything `ingester up` runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.directory = DataDirectory(settings.data_dir)
        self.directory.create()
        self._lock = self.directory.lock()
        self._rules = in_force(settings.rules_dirs)
        self.ledger = Ledger.open(settings.ledger_url)
        router = Router(self._rules)
        store = DataStore.open(settings.data_url)
        try:
            store.ensure_tables(self._rules)
            for tenant in Tenants(self.ledger).all():
                prepare_tenant(self.directory, router, tenant)
            recovery.reconcile(self.ledger, store, self.directory)
        finally:
            # Only workers need it from here on.
            store.close()
        grace = timedelta(seconds=settings.sftp.visible_grace_seconds)
        self._intake = Intake(self.ledger, router, self.directory)
        self._folder_watch = FolderWatch(self.ledger, self._intake, router, self.directory, settings.folder)
        self._keeper = Keeper(
            self.ledger, self.directory, settings.retention, lambda: DataStore.open(settings.data_url)
        )
        self._clock = Clock(self.ledger, self.directory, grace, self._keeper)
        self._workers = Workforce(settings, self._rules, Queue(self.ledger))
        try:
            self._host_keys = ensure_host_keys(self.directory.host_keys)
        except HostKeyError as error:
            raise ConfigurationError(str(error)) from error
        self._server = Server(
            SftpOwner(self.ledger, self._intake, router, self.directory, grace),
            host_keys=[key.path for key in self._host_keys],
            spool=self.directory.incoming,
            unfinished=is_unfinished,
            on_event=record_event,
            host=settings.sftp.host,
            port=settings.sftp.port,
            limits=Limits(file_bytes=settings.sftp.max_upload_bytes),
        )

    async def run(self, on_ready: Callable[[Ready], None], until: asyncio.Event | None = None) -> None:
        """Serve until SIGTERM or SIGINT, or until `until` is set; then finish what is under way."""
        stop = until or asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        host, port = self._settings.sftp.host, self._settings.sftp.port
        try:
            sftp_port = await self._server.start()
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {host} port {port}: {error.strerror or error}",
                fix="Stop what uses the port, or choose another with --sftp-port.",
            ) from error
        self._intake.start()
        self._folder_watch.start()
        self._workers.start()
        self._clock.start()
        try:
            ready = Ready(host, sftp_port, self._host_keys)
            self._announce(ready)
            on_ready(ready)
            log.info("ready", host=host, sftp_port=sftp_port, data_dir=str(self.directory.root))
            await self._workers.watch(stop)
        finally:
            log.info("stopping")
            self.directory.announcement.unlink(missing_ok=True)
            await self._server.stop()
            await asyncio.to_thread(self._folder_watch.stop)
            await asyncio.to_thread(self._clock.stop)
            self._keeper.close()
            await asyncio.to_thread(self._intake.stop)
            await asyncio.to_thread(self._workers.stop)
            self.ledger.close()
            os.close(self._lock)
            log.info("stopped")

    def _announce(self, ready: Ready) -> None:
        temporary = self.directory.announcement.with_suffix(".tmp")
        temporary.write_text(json.dumps({"pid": os.getpid(), "host": ready.host, "sftp_port": ready.sftp_port}))
        temporary.rename(self.directory.announcement)
