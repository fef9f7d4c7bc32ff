"""Many random deaths under load, and what must hold in the end: `python -m tests.integration.crash.storm --kills 300`.

Customers upload over SFTP and into folders without a pause while the service, or one of its workers, is killed with
SIGKILL at random moments and started again. Every file has keys of its own, so that one that was imported twice shows
as records that were there already.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from tests.integration.crash.conftest import FragileService
from tests.postgres import shared_server
from tests.process import session_members
from tests.report import assert_reconciles, reports
from tests.tenant import Tenant

_TENANTS = 3
_ROWS = 40
_SETTLED_SECONDS = 180.0


@dataclass
class Customer:
    """Uploads one file after the other and remembers which of them were answered OK."""

    tenant: Tenant
    answered: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)

    def content(self, name: str) -> str:
        """A file of its own: a row of every ninth is wrong."""
        rows = (f"{name}-{row},Label,{'x' if row % 9 == 8 else row}" for row in range(_ROWS))
        return "external_id,label,stock\n" + "\n".join(rows) + "\n"

    def work(self, over: threading.Event) -> None:
        """Until it is over, through every broken connection."""
        while not over.is_set():
            try:
                with self.tenant.connect() as client:
                    while not over.is_set():
                        self._upload(client)
                        over.wait(0.05)
            except (OSError, EOFError, paramiko.SSHException):
                over.wait(0.2)

    def _upload(self, client: paramiko.SFTPClient) -> None:
        name = f"items_{len(self.tried)}.csv"
        self.tried.append(name)
        if len(self.tried) % 4 == 0:
            beside = self.tenant.folder / name
            beside.write_text(self.content(name))
            beside.rename(self.tenant.inbox / name)
            self.by_hand.append(name)
            return
        client.putfo(io.BytesIO(self.content(name).encode()), f"/inbox/{name}")
        self.answered.append(name)


class Watcher:
    """Looks over the customers' shoulders: a report must never come before what it reports is committed."""

    def __init__(self, service: FragileService, tenants: list[Tenant]) -> None:
        self.lies: list[str] = []
        self._service = service
        self._tenants = tenants
        self._seen: set[str] = set()

    def work(self, over: threading.Event) -> None:
        """Ask the database about every final report, as soon as it is there."""
        while not over.wait(0.1):
            for tenant in self._tenants:
                self._look(tenant)

    def _look(self, tenant: Tenant) -> None:
        for report in reports(tenant.outbox):
            if report.status["status"] != "completed" or report.status["id"] in self._seen:
                continue
            self._seen.add(report.status["id"])
            stored = self._service.select("SELECT count(*) FROM shop__item WHERE import_id = ?", report.status["id"])[
                0
            ][0]
            if stored != report.stats["created_count"]:
                self.lies.append(f"{report.path.name} says {report.stats['created_count']}, stored are {stored}")


def storm(service: FragileService, kills: int, *, seed: int, tell: Callable[[str], None]) -> None:
    """Let it rage, let it settle, and assert what must hold."""
    chance, over = random.Random(seed), threading.Event()
    # A file that was there at two deaths is not to blame for them here.
    service.tolerate_losses(100)
    service.start()
    customers = [Customer(service.new_tenant()) for _ in range(_TENANTS)]
    watcher = Watcher(service, [customer.tenant for customer in customers])
    threads = [threading.Thread(target=each.work, args=(over,)) for each in (*customers, watcher)]
    for thread in threads:
        thread.start()
    try:
        for number in range(1, kills + 1):
            time.sleep(chance.uniform(0.05, 1.0))
            _kill(service, chance)
            if number % 20 == 0:
                landed = sum(len(customer.answered) for customer in customers)
                tell(f"{number} kills, {landed} uploads answered OK")
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    if not service.is_up:
        service.kill()
        service.start()
    for customer in customers:
        _assert_exactly_once(service, customer)
    service.until(lambda: not service.leftovers(), "the spool to be empty", seconds=60)
    assert not watcher.lies, watcher.lies
    assert service.staging_tables() == []


def _kill(service: FragileService, chance: random.Random) -> None:
    """The whole service, started again at once, or one of its processes, which it replaces."""
    if not service.is_up:
        service.kill()
        service.start()
    members = [each for each in session_members(service.leader) if each != service.leader]
    if chance.random() < 0.4 or not members:
        service.kill()
        service.start()
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(chance.choice(members), signal.SIGKILL)


def _assert_exactly_once(service: FragileService, customer: Customer) -> None:
    tenant = customer.tenant
    promised = {*customer.answered, *customer.by_hand}

    def settled() -> bool | None:
        found = reports(tenant.outbox)
        told = {report.status["file"]["name"] for report in found}
        return True if promised <= told and all(report.ended for report in found) else None

    tenant.until(settled, f"the end of {len(promised)} files", seconds=_SETTLED_SECONDS, poll=0.2)
    found = reports(tenant.outbox)
    names = [report.status["file"]["name"] for report in found]
    assert len(names) == len(set(names)), "a file was landed twice"
    assert set(names) <= set(customer.tried), "a file that nobody sent"
    for report in found:
        assert_reconciles(report)
        wrong = _ROWS // 9
        assert report.stats["created_count"] == _ROWS - wrong, report.brief()
        assert len(report.errors) == wrong
    stored = service.select("SELECT external_id FROM shop__item WHERE tenant_id = ?", tenant.name)
    assert len(stored) == len(set(stored)) == len(names) * (_ROWS - _ROWS // 9)
    kept = [path for path in (tenant.folder / "archive").rglob("*") if path.is_file()]
    originals = {path.name.rpartition(".")[0]: path for path in kept}
    assert len(kept) == len(originals)
    assert set(originals) == set(names)
    for name, path in originals.items():
        assert path.read_text() == customer.content(name)


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill a service at random under load and check that nothing is lost.")
    parser.add_argument("--kills", type=int, default=300, help="for each database")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", default="", help="sqlite or postgres")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("sqlite", "postgres"):
            if given.only not in name:
                continue
            url = (
                shared_server(Path(scratch), owner=os.getpid(), as_shipped=True).create_database()
                if name == "postgres"
                else None
            )
            folder = Path(scratch, f"{name}-storm")
            folder.mkdir()
            service = FragileService(folder, url)
            sys.stdout.write(f"{name}: {given.kills} kills, seed {given.seed}\n")
            try:
                storm(service, given.kills, seed=given.seed, tell=lambda text: print(f"  {text}", flush=True))
            finally:
                service.kill()
            sys.stdout.write(f"{name}: every drop exactly once\n")


if __name__ == "__main__":
    main()
