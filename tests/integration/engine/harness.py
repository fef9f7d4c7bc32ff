"""The engine in one process: a real ledger, a real data store, real files; drops go in, workers run when told to.

Nothing is replaced: what a test arms are the fault points that the engine itself passes.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import update
from sqlmodel import col
from sqlmodel import select as select_rows

from ingester import fault, recovery
from ingester.decision import Decisions
from ingester.directory import DataDirectory
from ingester.domain.limits import DEFAULT_LIMITS
from ingester.domain.status import Origin, RepeatHandling
from ingester.intake import Arrival, Intake
from ingester.queue import Queue
from ingester.routing import Router
from ingester.ruleset.load import load_folder
from ingester.ruleset.model import Entity, RuleSet
from ingester.settings import WorkerSettings
from ingester.store.database import now, sqlite_url
from ingester.store.datastore import DataStore
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Import
from ingester.store.tenant import Tenants
from ingester.tenancy import prepare_tenant
from ingester.worker import Worker
from tests.report import Report, reports
from tests.stored import Row, select

SHOP = RuleSet({"shop": load_folder(Path(__file__).with_name("shop"))})


class Engine:
    """Everything of a service but its listener, clocks and processes, on the data directory `root`."""

    def __init__(
        self,
        root: Path,
        rules: RuleSet = SHOP,
        settings: WorkerSettings | None = None,
        database: str | None = None,
        *,
        has_tables: bool = False,
    ) -> None:
        #: URL of a PostgreSQL database for ledger and records; without one, SQLite files in the data directory.
        self.database = database
        self.directory = DataDirectory(root)
        self.directory.create()
        self.rules = rules
        self.ledger = Ledger.open(database or sqlite_url(self.directory.ledger))
        self.store = DataStore.open(database or sqlite_url(self.directory.data))
        if not has_tables:
            self.store.ensure_tables(rules)
        self.router = Router(rules)
        self.queue = Queue(self.ledger)
        self.tenants = Tenants(self.ledger)
        self.decisions = Decisions(self.ledger, self.directory)
        self.settings = settings or WorkerSettings(block_bytes=2**16)
        self.limits = DEFAULT_LIMITS
        self.restart_intake()

    def restart_intake(self) -> None:
        """A landing thread; an earlier one must have been stopped."""
        self.intake = Intake(self.ledger, self.router, self.directory)
        self.intake.start()

    def close(self) -> None:
        """Land what was submitted and let go of the databases."""
        self.intake.stop()
        self.ledger.close()
        self.store.close()

    def add_tenant(self, name: str = "acme", timezone: str = "UTC") -> str:
        tenant = self.tenants.add(name, list(self.rules.catalogues), timezone)
        prepare_tenant(self.directory, self.router, tenant)
        return name

    # --- what goes in --------------------------------------------------------------------------------------------

    def arrival(self, name: str, content: str | bytes, *, tenant: str = "acme", folder: str = "") -> Arrival:
        """A complete file in the spool, as a listener would hand it over."""
        data = content.encode() if isinstance(content, str) else content
        path = self.directory.incoming / secrets.token_hex(8)
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        return Arrival(
            tenant=tenant, origin=Origin.SFTP, folder=folder, name=name, path=path, size=len(data), sha256=digest
        )

    def submit(self, name: str, content: str | bytes, *, tenant: str = "acme", folder: str = "") -> Future[str]:
        return self.intake.submit(self.arrival(name, content, tenant=tenant, folder=folder))

    def drop(self, name: str, content: str | bytes, *, tenant: str = "acme", folder: str = "") -> Import:
        """Land a file; its import, as it waits."""
        drop_id = self.submit(name, content, tenant=tenant, folder=folder).result(30)
        with self.ledger.reading() as session:
            return session.exec(select_rows(Import).where(Import.drop_id == drop_id)).one()

    # --- what happens --------------------------------------------------------------------------------------------

    def worker(self) -> Worker:
        return Worker(self.ledger, self.store, self.rules, self.directory, self.settings, self.limits)

    def work(self) -> int:
        """Run all that may run now; how many claims that took."""
        worker, claims = self.worker(), 0
        while worker.run_next():
            claims += 1
        return claims

    def take(
        self, name: str, content: str | bytes, *, tenant: str = "acme", folder: str = "", **policy: object
    ) -> Report:
        """Land a file, work, and read the report. `policy` is what its feed would say: `action`, `empty_erases`, …

        Unless it says otherwise, files are imported as often as they come.
        """
        job = self.drop(name, content, tenant=tenant, folder=folder)
        policy = {"on_repeated": RepeatHandling.IMPORT, "on_renamed": RepeatHandling.IMPORT, **policy}
        with self.ledger.writing() as session:
            session.exec(update(Import).where(col(Import.id) == job.id).values(**policy))
        self.work()
        return self.report(job)

    def crash(self) -> None:
        """What start-up does after everything died."""
        recovery.reconcile(self.ledger, self.store, self.directory)

    def make_due(self) -> None:
        """Let the time of every delayed retry come."""
        with self.ledger.writing() as session:
            session.exec(update(Import).values(due_at=now()))

    # --- what comes out ------------------------------------------------------------------------------------------

    def job(self, job: Import) -> Import:
        return self.ledger.import_(job.id)[0]

    def drop_of(self, job: Import) -> Drop:
        return self.ledger.import_(job.id)[1]

    def report(self, job: Import) -> Report:
        """The one report about an import."""
        outbox, deadline = self.directory.tenant(job.tenant).outbox, time.monotonic() + 10
        # A file is answered OK before its first status is shown.
        while not (found := [r for r in reports(outbox, short_id=job.short_id) if r.status["id"] == job.id]):
            assert time.monotonic() < deadline, f"no report about {job.short_id}"
            time.sleep(0.005)
        assert len(found) == 1, [r.path.name for r in found]
        return found[0]

    def rows(self, entity: str, *, tenant: str | None = "acme") -> list[Row]:
        """The stored records of an entity, as SQLite holds them, oldest first."""
        table = self.entity(entity).table
        if tenant is None:
            return self.select(f'SELECT * FROM "{table}" ORDER BY id')
        return self.select(f'SELECT * FROM "{table}" WHERE tenant_id = ? ORDER BY id', tenant)

    def select(self, query: str, *values: object) -> list[Row]:
        return select(self.store.engine, query, *values)

    def entity(self, name: str) -> Entity:
        return next(entity for entity in self.rules if entity.name == name)

    def leftovers(self) -> list[str]:
        """What is in the spool although nothing is under way; quarantined drops belong there."""
        # A file that landed is shown to its customer after the answer.
        deadline = time.monotonic() + 10
        while self.intake.busy_seconds() and time.monotonic() < deadline:
            time.sleep(0.01)
        folders = (self.directory.incoming, self.directory.drops, self.directory.work)
        return [str(path.relative_to(self.directory.root)) for folder in folders for path in folder.rglob("*")]


@contextmanager
def armed(action: Callable[[str], None]) -> Iterator[None]:
    """Let `action` interfere at every fault point that this process passes."""
    fault.arm(action)
    try:
        yield
    finally:
        fault.arm(lambda _: None)


@contextmanager
def failing(point: str, error: BaseException, *, times: int = 1) -> Iterator[list[str]]:
    """Raise `error` at the first passes of a fault point; yields the names of the points passed."""
    passed: list[str] = []

    def interfere(name: str) -> None:
        passed.append(name)
        if name == point and passed.count(name) <= times:
            raise error

    with armed(interfere):
        yield passed
    assert point in passed, f"{point} was never reached: {passed}"
