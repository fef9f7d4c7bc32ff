"""A service that dies where a test wants it to, shared by the tests of one process; each takes a tenant of its own."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import tests.service
from ingester.directory import DataDirectory
from ingester.routing import Router
from ingester.ruleset.shipped import in_force
from ingester.store.database import connect, sqlite_url
from ingester.store.ledger import Ledger
from ingester.store.tenant import Tenants
from ingester.tenancy import prepare_tenant
from tests.postgres import Postgres
from tests.process import session_members
from tests.service import Service
from tests.stored import select
from tests.tenant import Tenant
from tests.warm import Warm

RUNNER = Path(__file__).with_name("runner.py")
SHOP = Path(__file__).parent.parent / "engine" / "shop"

_numbers = itertools.count(1)


@cache
def _router() -> Router:
    return Router(in_force([SHOP]))


class FragileService(Service):
    """`ingester up` by way of `runner.py`."""

    def __init__(self, scratch: Path, database: str | None = None, warm: Warm | None = None) -> None:
        super().__init__(scratch, rules=[SHOP], warm=warm)
        self._database = database
        self.plan = scratch / "crash.json"
        self._environment |= {
            "CRASH_PLAN": str(self.plan),
            "INGESTER_WORKER__PROCESSES": "1",
            "INGESTER_WORKER__MAX_ATTEMPTS": "2",
            "INGESTER_FOLDER__SETTLE_SECONDS": "0.1",
            "INGESTER_FOLDER__RESCAN_SECONDS": "0.1",
            "INGESTER_LOG_FORMAT": "json",
        }
        if database is not None:
            self._environment["INGESTER_DATABASE_URL"] = database
        self._program = scratch / "ingester"
        self._program.write_text(f"#!{sys.executable}\n{RUNNER.read_text()}")
        self._program.chmod(0o755)

    def tolerate_losses(self, attempts: int) -> None:
        """Quarantine an import only when so many workers died over it."""
        self._environment["INGESTER_WORKER__MAX_ATTEMPTS"] = str(attempts)

    def start(self, *, seconds: float = 30, fresh: bool = False) -> Service:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(tests.service, "INGESTER", self._program)
            return super().start(seconds=seconds, fresh=fresh)

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait_for_death(self, *, seconds: float = 20) -> None:
        """Wait until the service is dead; its workers must follow it by themselves."""
        leader, deadline = self.leader, time.monotonic() + seconds
        while self.is_up or session_members(leader):
            assert time.monotonic() < deadline, f"still alive: {session_members(leader)}\n{self.log[-4000:]}"
            time.sleep(0.02)

    def die_at(self, point: str, *, at_pass: int = 1, victim: str = "service", always: bool = False) -> None:
        """Plan the next death."""
        temporary = self.plan.with_suffix(".new")
        temporary.write_text(json.dumps({"point": point, "pass": at_pass, "victim": victim, "always": always}))
        temporary.rename(self.plan)

    def new_tenant(self) -> Tenant:
        """Add a tenant the quick way, while the service runs."""
        tenant = Tenant(self, f"crash{next(_numbers)}")
        directory = DataDirectory(self.data_dir)
        ledger = Ledger.open(self._database or sqlite_url(directory.ledger))
        tenants = Tenants(ledger)
        made = tenants.add(tenant.name, ["shop"])
        tenants.add_key(tenant.name, tenant.key.with_suffix(".pub").read_text())
        prepare_tenant(directory, _router(), made)
        ledger.close()
        return tenant

    def select(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """Ask the data database."""
        engine = connect(self._database or sqlite_url(self.data_dir / "ingester.db"))
        try:
            return [tuple(row.values()) for row in select(engine, query, *values)]
        finally:
            engine.dispose()

    def totals(self, tenant: str) -> dict[str, int]:
        """What the ledger has counted of a tenant, but bytes."""
        engine = connect(self._database or sqlite_url(self.data_dir / "ledger.db"))
        try:
            found = select(engine, "SELECT name, label, value FROM totals WHERE tenant = ?", tenant)
            return {f"{row['name']} {row['label']}": row["value"] for row in found if row["name"] != "drop_bytes"}
        finally:
            engine.dispose()

    def staging_tables(self) -> list[tuple[object, ...]]:
        """Tables that only an import under way may have."""
        if self._database is None:
            return []  # those of SQLite end with their connection
        return self.select("SELECT relname FROM pg_class WHERE relpersistence <> 'p'")

    def leftovers(self) -> list[str]:
        """What is in the spool of a service that has nothing to do."""
        spool = self.data_dir / "spool"
        # Not `rglob`, which stumbles over folders that go away under it.
        return [
            os.path.join(folder, name)  # noqa: PTH118 -- as `os.walk` gives it
            for top in ("incoming", "drops", "work")
            for folder, folders, files in os.walk(spool / top)
            for name in (*folders, *files)
        ]

    def until(self, condition: Callable[[], bool], what: str, *, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited for {what}; spool: {self.leftovers()}\n{self.log[-4000:]}"
            time.sleep(0.02)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, warm: Warm
) -> Iterator[FragileService]:
    database = None
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        database = postgres.create_database()
    service = FragileService(tmp_path_factory.mktemp("crash"), database, warm)
    yield service
    service.kill()
    if database is not None:
        postgres.drop_database(database)


@pytest.fixture
def fragile(shared: FragileService) -> FragileService:
    """The shared service, up and with no plan to die."""
    shared.plan.unlink(missing_ok=True)
    if not shared.is_up:
        shared.kill()
        shared.start()
    return shared
