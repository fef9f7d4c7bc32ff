"""The composition root: builds the parts of some roles from settings, runs them together, takes them down in order.

The event loop serves SFTP; landing, folder watch and clocks are threads; imports run in worker processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from ingester import recovery, supervision
from ingester.directory import DataDirectory
from ingester.domain.errors import ConfigurationError
from ingester.domain.name import is_unfinished
from ingester.intake import Intake
from ingester.monitor import health
from ingester.monitor.monitor import Monitor
from ingester.notify.delivery import Delivery
from ingester.notify.send import Sender
from ingester.queue import Queue, worker_name
from ingester.retention.keeper import Keeper
from ingester.role import EVERY, Role, http_port
from ingester.routing import Router
from ingester.ruleset.shipped import in_force
from ingester.schedule.clock import Clock
from ingester.schedule.upkeep import Upkeep
from ingester.settings import Settings
from ingester.store import database
from ingester.store.datastore import DataStore
from ingester.store.ledger import Ledger
from ingester.store.tenant import Tenants
from ingester.tenancy import prepare_tenants
from ingester.watch.folder import FolderWatch
from ingester.watch.s3.watch import S3Watch
from ingester.watch.sftp import SftpOwner, record_event
from ingester.watch.sftp_meter import SftpMeter
from ingester.workforce import Workforce
from sftp_server import Event, HostKey, HostKeyError, Limits, Server, ensure_host_keys

log = structlog.get_logger()

_TELL_SECONDS = 300.0
_KEEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Ready:
    """What a service says when it can be used; without SFTP it has neither port nor host keys."""

    host: str
    http_port: int
    sftp_port: int | None = None
    host_keys: tuple[HostKey, ...] = ()


class Service:
    """Everything `ingester up` runs, or the part of it that `ingester serve ROLE` does.

    With every role it has the data directory to itself; otherwise it shares it with other processes, and only a
    PostgreSQL ledger keeps them in step.
    """

    def __init__(self, settings: Settings, roles: frozenset[Role] = EVERY) -> None:
        self._settings = settings
        self._roles = roles
        self._alone = roles == EVERY
        if not self._alone and not settings.ledger_url.startswith("postgresql"):
            raise ConfigurationError(
                "several processes need a database that all of them reach",
                fix="Set INGESTER_DATABASE_URL to a PostgreSQL database, or run everything with `ingester up`.",
            )
        self.directory = DataDirectory(settings.data_dir)
        self.directory.create()
        self._lock = self.directory.lock(shared=not self._alone)
        self._rules = in_force(settings.rules_dirs)
        self.ledger = Ledger.open(settings.ledger_url)
        recovery.refuse_strangers(self.ledger, self.directory)
        self._router = Router(self._rules)
        self._prepare()
        port = http_port(roles) if settings.http.port is None else settings.http.port
        self._monitor = Monitor(settings.http, port, self.directory, self.ledger)
        self._intake = Intake(
            self.ledger,
            self._router,
            self.directory,
            self._monitor.meter.landed,
            marker_suffixes=settings.folder.marker_suffixes,
        )
        self._name = worker_name()
        self._host_keys: tuple[HostKey, ...] = ()
        self._server = self._sftp_server() if Role.SFTP in roles else None
        # Whoever is alone needs one clock only.
        self._clock = self._clock_of("scheduler") if Role.SCHEDULER in roles else None
        self._watch_clock = self._clock_of("watcher") if Role.WATCHER in roles and not self._alone else self._clock
        self._keeper = Keeper(
            self.ledger, self.directory, settings.retention, partial(DataStore.open, settings.data_url)
        )
        self._schedule()
        self._delivery = self._notify() if Role.SCHEDULER in roles else None
        self._folder_watch: FolderWatch | None = None
        self._s3_watch: S3Watch | None = None
        if Role.WATCHER in roles:
            self._folder_watch, self._s3_watch = self._watch()
        self._workers = Workforce(settings, self._rules, Queue(self.ledger)) if Role.WORKER in roles else None
        self._watch_parts()

    # --- building ------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Bring tables and tenants' folders up to the rules; what a crash left, if nobody else can be at work."""
        store = DataStore.open(self._settings.data_url)
        try:
            store.ensure_tables(self._rules)
            prepare_tenants(self.directory, self._router, Tenants(self.ledger).all())
            if self._alone:
                recovery.reconcile(self.ledger, store, self.directory)
        finally:
            # Only workers need it from here on.
            store.close()

    @property
    def _grace(self) -> timedelta:
        return timedelta(seconds=self._settings.sftp.visible_grace_seconds)

    def _sftp_server(self) -> Server:
        try:
            self._host_keys = ensure_host_keys(self.directory.host_keys)
        except HostKeyError as error:
            raise ConfigurationError(str(error)) from error
        suffixes = self._settings.folder.marker_suffixes
        owner = SftpOwner(self.ledger, self._intake, self._router, self.directory, self._grace, suffixes)
        meter = SftpMeter(self._monitor.meter.registry, owner.sessions)

        def on_event(event: Event) -> None:
            meter.count(event)
            record_event(event)

        return Server(
            owner,
            host_keys=[key.path for key in self._host_keys],
            spool=self.directory.incoming,
            unfinished=is_unfinished,
            on_event=on_event,
            host=self._settings.sftp.host,
            port=self._settings.sftp.port,
            limits=Limits(file_bytes=self._settings.sftp.max_upload_bytes),
        )

    def _clock_of(self, lease: str) -> Clock:
        return Clock(self.ledger, lease, self._name, alone=self._alone)

    def _schedule(self) -> None:
        """Give the scheduler its jobs."""
        if self._clock is None:
            return
        Upkeep(self.ledger, self.directory, self._grace).join(self._clock)
        self._clock.every(_KEEP_SECONDS, self._keeper.work)
        if not self._alone:
            self._clock.every(_TELL_SECONDS, self._tell)

    def _notify(self) -> Delivery:
        sender = Sender(self._settings.notify, self._settings.smtp, self.directory.secrets)
        return Delivery(self.ledger, sender, self._settings.notify)

    def _watch(self) -> tuple[FolderWatch, S3Watch]:
        """What looks for files; two processes that did would bring them twice."""
        clock = self._watch_clock
        assert clock is not None
        doors = (self.ledger, self._intake, self._router, self.directory)
        folder = FolderWatch(*doors, self._settings.folder, lambda: clock.leads)
        buckets = S3Watch(*doors, self._settings.s3)
        clock.every(1.0, buckets.tick)
        return folder, buckets

    def _tell(self) -> None:
        """Show what a process that died could not."""
        store = DataStore.open(self._settings.data_url)
        try:
            recovery.tell(self.ledger, store, self.directory)
        finally:
            store.close()

    def _watch_parts(self) -> None:
        """Have the monitor look at what this process has."""
        if self._server is not None or self._folder_watch is not None:
            self._monitor.watch_landing(self._intake.busy_seconds)
        if self._server is not None:
            self._monitor.check("host_keys", partial(health.host_keys, [key.path for key in self._host_keys]))
        if self._workers is not None:
            self._monitor.watch_workers(self._workers.alive, self._workers.wanted)
        clock = self._clock
        if clock is not None:
            # Of several schedulers one leads, so that sums over all processes count nothing twice.
            self._monitor.count_ledger(lambda: clock.leads)
        if self._settings.data_url != self._settings.ledger_url:
            self._monitor.watch_database(database.connect(self._settings.data_url))

    # --- running -------------------------------------------------------------------------------------------------

    async def run(self, on_ready: Callable[[Ready], None], until: asyncio.Event | None = None) -> None:
        """Serve until SIGTERM or SIGINT, or until `until` is set; then finish what is under way."""
        stop = until or asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with contextlib.AsyncExitStack() as parts:
            parts.callback(self._stopped)
            metrics = self._monitor.start(loop)
            parts.push_async_callback(asyncio.to_thread, self._monitor.stop)
            host, port = await self._start(parts)
            ready = Ready(host, metrics, port, self._host_keys)
            if self._alone:
                self._announce(ready)
                parts.callback(partial(self.directory.announcement.unlink, missing_ok=True))
            alive = asyncio.create_task(supervision.keep_alive(self._is_well))
            parts.callback(alive.cancel)
            parts.callback(supervision.say, "STOPPING=1", "STATUS=Finishing what is under way")
            parts.callback(log.info, "stopping")
            parts.callback(self._monitor.draining)
            self._monitor.ready()
            supervision.say("READY=1", f"STATUS=At work: {', '.join(sorted(self._roles))}")
            on_ready(ready)
            where = {"sftp_port": port, "http_port": metrics, "data_dir": str(self.directory.root)}
            log.info("ready", roles=sorted(self._roles), **where)
            if self._workers is not None:
                await self._workers.watch(stop)
            await stop.wait()
        log.info("stopped")

    async def _start(self, parts: contextlib.AsyncExitStack) -> tuple[str, int | None]:
        """Start every part there is; `parts` takes them down, those first that bring something.

        Returns where SFTP is. Listening comes before all that would have to be told if it cannot be done.
        """
        if self._server is not None or self._folder_watch is not None:
            self._intake.start()
        where: tuple[str, int | None] = (self._settings.sftp.host, None)
        if self._server is not None:
            where = await self._listen(self._server)
        if self._workers is not None:
            self._workers.start()
            parts.push_async_callback(asyncio.to_thread, self._workers.stop)
        if self._server is not None or self._folder_watch is not None:
            parts.push_async_callback(asyncio.to_thread, self._intake.stop)
        if self._s3_watch is not None:
            parts.push_async_callback(asyncio.to_thread, self._s3_watch.stop)
        for part in dict.fromkeys((self._delivery, self._clock, self._watch_clock, self._folder_watch)):
            if part is not None:
                part.start()
                parts.push_async_callback(asyncio.to_thread, part.stop)
        if self._server is not None:
            parts.push_async_callback(self._server.stop)
        return where

    async def _listen(self, server: Server) -> tuple[str, int]:
        host, port = self._settings.sftp.host, self._settings.sftp.port
        listening = supervision.listening_socket()
        if listening is not None:
            host = listening.getsockname()[0]
        try:
            return host, await server.start(listening=listening)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {host} port {port}: {error.strerror or error}",
                fix="Stop what uses the port, or choose another with --sftp-port.",
            ) from error

    def _is_well(self) -> bool:
        """Whether every part is at work, as far as can be told without waiting."""
        lands = self._intake if self._server is not None or self._folder_watch is not None else None
        parts = (lands, self._folder_watch, self._clock, self._watch_clock)
        return all(part.is_alive for part in parts if part is not None)

    def _stopped(self) -> None:
        self._keeper.close()
        self.ledger.close()
        os.close(self._lock)

    def _announce(self, ready: Ready) -> None:
        temporary = self.directory.announcement.with_suffix(".tmp")
        said = {
            "pid": os.getpid(),
            "host": ready.host,
            "sftp_port": ready.sftp_port,
            "http_host": self._settings.http.host,
            "http_port": ready.http_port,
        }
        temporary.write_text(json.dumps(said))
        temporary.rename(self.directory.announcement)
