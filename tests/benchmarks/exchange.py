"""`make bench-exchange`: a whole service under the load of many customers, on SQLite and on PostgreSQL.

How long customers wait when it is idle, when a thousand come at once, when somebody else has a long queue or a million
rows; and what it costs to have it there.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from ingester.directory import DataDirectory
from ingester.routing import Router
from ingester.ruleset.shipped import in_force
from ingester.store.ledger import Ledger
from ingester.store.tenant import Tenants
from ingester.tenancy import prepare_tenant
from tests.benchmarks import figure, table
from tests.benchmarks.claim import Claim
from tests.benchmarks.figure import Figure, Figures, Ref
from tests.benchmarks.generate import write_customers, write_territories
from tests.benchmarks.measure import REPOSITORY
from tests.postgres import Postgres, shared_server
from tests.process import memory, session_members
from tests.report import ENDED, reports
from tests.service import Service
from tests.tenant import Tenant

ROWS = 100
#: 100 rows that refer to nothing, so that their import is nobody's child.
_FILE = "external_id,name\n" + "".join(f"T{number:03d},Territory {number}\n" for number in range(ROWS))
_DATABASES = ("SQLite", "PostgreSQL")
_RACE = "exchange"
_IDLE_SECONDS = 20.0

Tell = Callable[[str], None]


def _ref(lap: str, database: str = "SQLite") -> Ref:
    return Ref(_RACE, database, lap)


LATENCY, START, LANDING = "close to final status, idle", "another tenant's file starts", "close while 1M rows merge"
CROWD, READY, IDLE_CPU, IDLE_MEMORY = "a crowd is reported", "ready", "idle, share of a core", "idle, memory"


def _at_most(what: str, ref: Ref, seconds: float, share: float = 0.5) -> Claim:
    return Claim(what, partial(figure.percentile, ref=ref, share=share), seconds, shown="{:.3f} s")


CLAIMS = (
    _at_most("close to final status, 100 rows, idle: median", _ref(LATENCY), 0.25),
    _at_most("close to final status, 100 rows, idle: p99", _ref(LATENCY), 1.0, 0.99),
    _at_most("1,000 tenants drop 100 rows at once: all reported, SQLite", _ref(CROWD), 30),
    _at_most("1,000 tenants drop 100 rows at once: all reported, PostgreSQL", _ref(CROWD, "PostgreSQL"), 25),
    _at_most("behind another tenant's 500 files: landed to started, slowest", _ref(START), 2, 1.0),
    _at_most("close of a small file while 1,000,000 rows merge, SQLite: p99", _ref(LANDING), 0.05, 0.99),
    _at_most("ingester up: ready", _ref(READY), 3),
    Claim("ingester up, idle: share of a core", partial(figure.percentile, ref=_ref(IDLE_CPU), share=0.5), 0.01,
          shown="{:.2%}"),
    Claim("ingester up, idle: memory of the process tree", partial(figure.megabytes, ref=_ref(IDLE_MEMORY)), 220,
          shown="{:.0f} MB"),
)  # fmt: skip


class Exchange(Service):
    """A service whose tenants are added the quick way."""

    def __init__(self, scratch: Path, database: str | None) -> None:
        super().__init__(scratch)
        self._database = database
        if database is not None:
            self._environment["INGESTER_DATABASE_URL"] = database

    def add_tenants(self, count: int, prefix: str = "tenant") -> list[Tenant]:
        """Add tenants with keys; most of the time is taken by making the keys."""
        directory = DataDirectory(self.data_dir)
        ledger = Ledger.open(self._database or f"sqlite:///{directory.ledger}")
        tenants, router, found = Tenants(ledger), Router(in_force(())), []
        for number in range(count):
            tenant = Tenant(self, f"{prefix}{number}")
            made = tenants.add(tenant.name, ["field_service"])
            tenants.add_key(tenant.name, tenant.key.with_suffix(".pub").read_text())
            prepare_tenant(directory, router, made)
            found.append(tenant)
        ledger.close()
        return found


@contextmanager
def _service(database: str, postgres: Postgres) -> Iterator[Exchange]:
    url = postgres.create_database() if database == "PostgreSQL" else None
    with tempfile.TemporaryDirectory() as scratch:
        service = Exchange(Path(scratch), url)
        service.start()
        try:
            yield service
        finally:
            service.kill()
            if url is not None:
                postgres.drop_database(url)


def latency(repeats: int, tell: Tell, postgres: Postgres) -> Figures:
    """From the answer to the close until the final status file is there, one file after the other."""
    tell(f"{LATENCY}: {repeats} files")
    seconds = []
    with _service("SQLite", postgres) as service:
        (tenant,) = service.add_tenants(1)
        with tenant.connect() as client:
            for number in range(repeats):
                with client.open(f"/inbox/territory_{number}.csv", "w") as file:
                    file.write(_FILE.replace("Territory", f"Territory {number}"))
                closed = time.perf_counter()
                tenant.wait(f"territory_{number}.csv", poll=0.002)
                seconds.append(time.perf_counter() - closed)
    return _figure(_ref(LATENCY), seconds)


def crowd(tenants: int, database: str, tell: Tell, postgres: Postgres) -> Figures:
    """Every tenant has one file put into its inbox at the same moment; until the last one's final status."""
    tell(f"{CROWD}: {tenants} tenants, {database}")
    with _service(database, postgres) as service:
        everybody = service.add_tenants(tenants)
        service.stop()
        service.start()
        began = time.perf_counter()
        for tenant in everybody:
            (tenant.inbox / "territory.csv").write_text(_FILE)
        waiting, looked = {tenant.name: tenant for tenant in everybody}, 0.0
        while waiting and time.perf_counter() - began < 300:
            # Customers look from machines of their own: here to look may take a tenth of a processor, no more.
            time.sleep(max(0.1, looked * 10))
            looking = time.perf_counter()
            done = [name for name, tenant in waiting.items() if any(each.ended for each in reports(tenant.outbox))]
            looked = time.perf_counter() - looking
            for name in done:
                outcome = reports(waiting.pop(name).outbox)[0].status["outcome"]
                assert outcome == "accepted", f"{name}: {outcome}"
        assert not waiting, f"{len(waiting)} tenants were never answered\n{service.log[-3000:]}"
        return _figure(_ref(CROWD, database), [time.perf_counter() - began], rows=tenants * ROWS)


def neighbour(files: int, tell: Tell, postgres: Postgres) -> Figures:
    """One tenant has a long queue; how long another tenant's file waits for its start, from landing."""
    tell(f"{START}: behind {files} files")
    seconds = []
    with _service("SQLite", postgres) as service:
        busy, other = service.add_tenants(2)
        for number in range(files):
            (busy.inbox / f"territory_{number}.csv").write_text(_FILE.replace("Territory", f"Territory {number}"))
        busy.until(lambda: True if len(reports(busy.outbox)) >= files else None, "all of them queued", seconds=120)
        with other.connect() as client:
            for number in range(5):
                with client.open(f"/inbox/territory_{number}.csv", "w") as file:
                    file.write(_FILE.replace("Territory", f"Region {number}"))
                status = other.wait(f"territory_{number}.csv").status
                started, landed = (datetime.fromisoformat(status[key]) for key in ("started_at", "created_at"))
                seconds.append((started - landed).total_seconds())
        assert any(each.status["status"] not in ENDED for each in reports(busy.outbox)), "the queue was too short"
    return _figure(_ref(START), seconds)


def landing(rows: int, tell: Tell, postgres: Postgres) -> Figures:
    """How long a client waits for the answer to its close while another tenant's big import runs."""
    tell(f"{LANDING}: {rows} rows")
    seconds = []
    with _service("SQLite", postgres) as service:
        busy, other = service.add_tenants(2)
        write_territories(service.scratch / "territories.csv")
        (service.scratch / "territories.csv").rename(busy.inbox / "territories.csv")
        busy.wait("territories.csv")
        write_customers(service.scratch / "customers.csv", rows)
        (service.scratch / "customers.csv").rename(busy.inbox / "customers.csv")
        busy.wait("customers.csv", status="processing", seconds=120)
        with other.connect() as client:
            while not any(each.ended for each in reports(busy.outbox, "customers.csv")):
                file = client.open(f"/inbox/territory_{len(seconds)}.csv", "w")
                file.write(_FILE.replace("Territory", f"Region {len(seconds)}"))
                began = time.perf_counter()
                file.close()
                seconds.append(time.perf_counter() - began)
                time.sleep(0.1)
    return _figure(_ref(LANDING), seconds)


def idle(tell: Tell, postgres: Postgres) -> Figures:
    """How long it takes to be ready, and what it costs to have it there, on SQLite with as many workers as shipped."""
    tell(f"idle for {_IDLE_SECONDS:.0f} s")
    ready, found = [], Figures()
    for _ in range(3):
        began = time.perf_counter()
        with _service("SQLite", postgres) as service:
            ready.append(time.perf_counter() - began)
    with _service("SQLite", postgres) as service:
        time.sleep(5)
        before = _processor_seconds(service.leader)
        time.sleep(_IDLE_SECONDS)
        share = (_processor_seconds(service.leader) - before) / _IDLE_SECONDS
        held = memory(service.leader)
    found |= _figure(_ref(READY), ready) | _figure(_ref(IDLE_CPU), [share])
    return found | {_ref(IDLE_MEMORY): Figure(_ref(IDLE_MEMORY), 0, [_IDLE_SECONDS], [held])}


def _processor_seconds(leader: int) -> float:
    ticks = 0
    for member in session_members(leader):
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _figure(ref: Ref, seconds: Sequence[float], rows: int = ROWS) -> Figures:
    return {ref: Figure(ref, rows, seconds, [0])}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a whole service under the load of many customers.")
    parser.add_argument("--only", default="", help="idle, latency, crowd, neighbour or landing")
    parser.add_argument("--repeats", type=int, default=200, help="files of the latency race")
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, default=REPOSITORY / "build" / "bench-exchange.json")
    given = parser.parse_args()
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        postgres = shared_server(Path(scratch), owner=os.getpid(), as_shipped=True)
        races: dict[str, list[Callable[[Tell, Postgres], Figures]]] = {
            "idle": [idle],
            "latency": [partial(latency, given.repeats)],
            "crowd": [partial(crowd, given.tenants, database) for database in _DATABASES],
            "neighbour": [partial(neighbour, given.files)],
            "landing": [partial(landing, given.rows)],
        }
        for name, runs in races.items():
            for run in runs if given.only in name else ():
                figures |= run(table.tell, postgres)
        met = table.conclude(figures, CLAIMS, postgres, {"rows": given.rows, "tenants": given.tenants}, given.json)
    sys.exit(0 if met or given.only else 1)


if __name__ == "__main__":
    main()
