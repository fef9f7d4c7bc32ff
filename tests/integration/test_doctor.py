"""`ingester doctor` finds what is planted, says how to mend it, and leaves everything as it was."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pysequoia
import pytest
from sqlalchemy import text

from ingester import alert, keyring
from ingester.directory import DataDirectory
from ingester.doctor.examine import CHECKS, examine
from ingester.doctor.finding import Finding, State, ok
from ingester.doctor.stored import filesystem
from ingester.doctor.subject import Subject
from ingester.domain.alert import AlertKind
from ingester.domain.status import Origin, Status
from ingester.routing import Router
from ingester.ruleset import shipped
from ingester.ruleset.shipped import in_force
from ingester.settings import HttpSettings, Settings
from ingester.store import database
from ingester.store.database import now, sqlite_url
from ingester.store.datastore import DataStore
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Feed, Import, S3Inbox
from ingester.store.s3_inbox import S3Inboxes
from ingester.store.tenant import Tenants
from ingester.tenancy import prepare_tenant
from sftp_server import ensure_host_keys
from tests.service import Service

SHOP = Path(__file__).parent / "engine" / "shop"


@dataclass
class Site:
    """A data directory as a service leaves it, to plant faults in; `settings` are those of the doctor."""

    root: Path
    settings: dict[str, Any] = field(default_factory=dict)
    config: Path | None = None

    @property
    def directory(self) -> DataDirectory:
        return DataDirectory(self.root)

    def examined(self) -> list[tuple[str, Finding]]:
        settings = Settings(data_dir=self.root, **{"rules_dirs": (SHOP,), **self.settings})
        subject = Subject(settings, self.config)
        try:
            return list(examine(subject))
        finally:
            subject.close()

    def ledger(self) -> Ledger:
        return Ledger.open(sqlite_url(self.directory.ledger))

    def execute(self, statement: str, file: str = "ledger.db") -> None:
        engine = database.connect(sqlite_url(self.root / file))
        with database.writing(engine).begin() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def queued(self, hours: float, **values: object) -> None:
        """An import that could have run so long ago."""
        at, ledger = now() - timedelta(hours=hours), self.ledger()
        number = str(len(ledger.imports()))
        drop = Drop(
            id=number, tenant="acme", origin=Origin.SFTP, name="items.csv", size=1, sha256="", location="x",
            shown_folder="", shown_name="items.csv", landed_at=at,
        )  # fmt: skip
        job = Import(
            id=number, short_id=number, tenant="acme", drop_id=number, catalogue="shop", entity="item", due_at=at,
            created_at=at, **values,
        )  # fmt: skip
        ledger.land([(drop, job)])
        ledger.close()

    def announce(self, pid: int) -> None:
        said = {"pid": pid, "host": "127.0.0.1", "sftp_port": 1, "http_host": "127.0.0.1", "http_port": 1}
        self.directory.announcement.write_text(json.dumps(said))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site without a fault."""
    before = os.umask(0o027)
    try:
        directory = DataDirectory(tmp_path_factory.mktemp("sound") / "data")
        directory.create()
        ensure_host_keys(directory.host_keys)
        ledger, rules = Ledger.open(sqlite_url(directory.ledger)), in_force([SHOP])
        DataStore.open(sqlite_url(directory.data)).close()
        tenants = Tenants(ledger)
        prepare_tenant(directory, Router(rules), tenants.add("acme", ["shop"]))
        key = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode()
        tenants.add_key("acme", key)
        ledger.close()
    finally:
        os.umask(before)
    return directory.root


@pytest.fixture
def site(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A copy of it. Its rules are those of `shop`: the shipped ones take half a second to read."""
    (tmp_path / "none").mkdir()
    monkeypatch.setattr(shipped, "_PLACES", (tmp_path / "none",))
    return Site(shutil.copytree(sound, tmp_path / "data"))


def snapshot(folder: Path) -> Mapping[str, tuple[int, int, bytes]]:
    """Everything in a folder: mode, time of change, content."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() and path.stat().st_size < 2**24 else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


# --- faults ----------------------------------------------------------------------------------------------------------


def open_host_key(site: Site) -> None:
    (site.directory.host_keys / "ssh_host_rsa_key").chmod(0o644)


def broken_host_key(site: Site) -> None:
    (site.directory.host_keys / "ssh_host_ed25519_key").write_text("rubbish")


def weak_host_key(site: Site) -> None:
    path = site.directory.host_keys / "ssh_host_rsa_key"
    path.write_bytes(asyncssh.generate_private_key("ssh-rsa", key_size=2048).export_private_key())


def no_data_directory(site: Site) -> None:
    shutil.rmtree(site.root)


def open_data_directory(site: Site) -> None:
    site.root.chmod(0o755)
    site.directory.ledger.chmod(0o644)


def open_password(site: Site) -> None:
    site.config = site.root.parent / "ingester.toml"
    site.config.write_text('database_url = "postgresql+psycopg://ingester:secret@db/ingester"\n')
    site.config.chmod(0o644)


def another_owner(site: Site) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(site.directory.ledger, 65534, 65534)


def full_disk(site: Site) -> None:
    site.settings["http"] = HttpSettings(min_free_bytes=2**62)


def full_quarantine(site: Site) -> None:
    with (site.directory.quarantine / "drop").open("wb") as file:
        file.truncate(2**31)


def leftover(site: Site) -> None:
    (site.directory.work / "0.1").mkdir()


def ruined_ledger(site: Site) -> None:
    site.directory.ledger.write_bytes(b"rubbish" * 1000)


def no_postgres(site: Site) -> None:
    site.settings["database_url"] = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"


def older_tables(site: Site) -> None:
    site.execute("UPDATE alembic_version SET version_num = 'ledger_0001'")


def newer_tables(site: Site) -> None:
    site.execute("UPDATE alembic_version SET version_num = 'data_9999'", "ingester.db")


def no_tables(site: Site) -> None:
    site.directory.data.write_bytes(b"")


def no_journal(site: Site) -> None:
    with closing(sqlite3.connect(site.directory.data)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")


def broken_rule_file(site: Site) -> None:
    folder = site.root.parent / "more"
    folder.mkdir()
    (folder / "thing.yaml").write_text("name: thing\nfields:\n  - name: a\n    type: sting\n")
    site.settings["rules_dirs"] = (SHOP, folder)


def broken_rule_of_a_tenant(site: Site) -> None:
    folder = site.directory.tenant("acme").rules
    folder.mkdir()
    (folder / "item.yaml").write_text("extends: shop.nothing\n")


def feed_of_nothing(site: Site) -> None:
    ledger = site.ledger()
    Tenants(ledger).add_feed(
        Feed(tenant="acme", name="ghosts", catalogue="shop", entity="ghost", pattern="*", created_at=now())
    )
    ledger.close()


def catalogue_of_nothing(site: Site) -> None:
    site.execute("""UPDATE tenants SET catalogues = '["gone"]'""")


def no_key(site: Site) -> None:
    site.execute("DELETE FROM tenant_keys")


def dead_service(site: Site) -> None:
    process = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
    site.announce(int(process.stdout))


def stuck_queue(site: Site) -> None:
    site.queued(2)


def forgotten_hold(site: Site) -> None:
    site.queued(30, status=Status.NEEDS_ATTENTION, reason="mass_removal")


def queue_behind_a_hold(site: Site) -> None:
    site.queued(20, status=Status.NEEDS_ATTENTION, reason="mass_removal")
    site.queued(2, status=Status.QUEUED)


def forgotten_pause(site: Site) -> None:
    site.queued(20)
    site.execute("UPDATE tenants SET paused_at = '2026-01-01'")


def open_alert(site: Site) -> None:
    ledger = site.ledger()
    with ledger.writing() as session:
        alert.raise_alert(session, tenant="acme", kind=AlertKind.LATE, subject="x", message="crm is late", feed="crm")
    ledger.close()


def bucket_out_of_reach(site: Site) -> None:
    ledger = site.ledger()
    S3Inboxes(ledger).add(
        S3Inbox(
            tenant="acme",
            name="main",
            bucket="drops",
            prefix="in/",
            endpoint_url="http://127.0.0.1:1",
            region="eu-central-1",
            created_at=now(),
        )
    )
    ledger.close()


@pytest.mark.parametrize(
    ("plant", "check", "state", "said"),
    [
        (open_host_key, "host_keys", "wrong", "open to other users"),
        (broken_host_key, "host_keys", "wrong", "cannot be read"),
        (weak_host_key, "host_keys", "warning", "2048 bits"),
        (no_data_directory, "data_directory", "wrong", "no data directory"),
        (open_data_directory, "secrets", "wrong", "ledger.db"),
        (open_password, "secrets", "wrong", "ingester.toml"),
        (another_owner, "owner", "wrong", "ledger.db"),
        (full_disk, "free_space", "wrong", "GiB are free"),
        (full_quarantine, "quarantine", "warning", "2048 MiB"),
        (leftover, "leftovers", "warning", "1 workspaces"),
        (ruined_ledger, "databases", "wrong", "ledger does not answer"),
        (no_postgres, "databases", "wrong", "database does not answer"),
        (older_tables, "schemas", "wrong", "ledger are of an older version"),
        (newer_tables, "schemas", "wrong", "data are of a newer version"),
        (no_tables, "schemas", "wrong", "no tables of the data"),
        (no_journal, "journals", "warning", "data has no write-ahead log"),
        (broken_rule_file, "shipped_and_added", "wrong", "thing.yaml:4"),
        (broken_rule_of_a_tenant, "tenants_own", "wrong", "item.yaml"),
        (feed_of_nothing, "feeds", "wrong", "shop.ghost"),
        (catalogue_of_nothing, "feeds", "wrong", "gone"),
        (no_key, "tenants_without_keys", "warning", "acme"),
        (dead_service, "running", "wrong", "died without stopping"),
        (stuck_queue, "queue", "wrong", "no worker works"),
        (forgotten_hold, "holds", "warning", "mass_removal"),
        (forgotten_pause, "pauses", "warning", "1 imports wait"),
        (queue_behind_a_hold, "queue", "warning", "behind 0"),
        (open_alert, "alerts", "warning", "crm is late"),
        (bucket_out_of_reach, "s3_inboxes", "wrong", "bucket drops"),
    ],
)
def test_a_fault_is_found_with_how_to_mend_it(
    site: Site, plant: Callable[[Site], None], check: str, state: str, said: str
) -> None:
    plant(site)
    before = snapshot(site.root.parent)
    found = site.examined()
    assert snapshot(site.root.parent) == before
    (finding,) = (each for name, each in found if name == check and each.state is not State.OK)
    assert (finding.state, said in finding.said) == (state, True), finding
    assert finding.fix.endswith(".")
    others = [name for name, each in found if each.state is State.WRONG and name != check]
    # What cannot be read cannot be journalled either.
    assert others in ([], ["journals"]), found


@pytest.mark.needs("gpg")
def test_a_certificate_that_runs_out_is_told_in_time(site: Site) -> None:
    keys = keyring.Keys(site.directory, "acme")
    keys.make("acme")
    for days in (10, 400):
        key = pysequoia.Tsk.generate(f"in {days} days", validity_seconds=days * 86400)
        keys.add(bytes(key.extract_certificate()), now())
    before = snapshot(site.root)
    found = [finding for check, finding in site.examined() if check == "pgp_keys"]
    assert snapshot(site.root) == before
    assert [finding.state for finding in found] == [State.WARNING, State.OK]
    assert "expires on" in found[0].said
    assert "ingester tenant pgp acme add" in found[0].fix


def test_what_is_paused_is_not_stuck(site: Site) -> None:
    site.queued(2)
    site.execute("UPDATE tenants SET paused_at = '2026-01-01'")
    assert dict(site.examined())["queue"].state is State.OK


def test_a_sound_site_has_nothing_wrong_even_while_nobody_runs_it(site: Site) -> None:
    before = snapshot(site.root)
    found = site.examined()
    assert [each for each in found if each[1].state is State.WRONG] == []
    assert {name for name, _ in found} >= {"host_keys", "schemas", "feeds", "queue", "open_files"}
    assert dict(found)["running"].state is State.WARNING
    assert snapshot(site.root) == before


@pytest.fixture
def listens_nowhere() -> Iterator[int]:
    """A process that could be a service by its command line."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "ingester"])
    yield process.pid
    process.kill()
    process.wait()


def test_a_service_that_does_not_answer_is_found(site: Site, listens_nowhere: int) -> None:
    site.announce(listens_nowhere)
    found = site.examined()
    assert [name for name, each in found if each.state is State.WRONG] == ["sftp", "health"]


def test_a_check_that_fails_is_a_finding_and_the_others_go_on(site: Site) -> None:
    def sick(_: Subject) -> list[Finding]:
        raise KeyError("nothing")

    def well(_: Subject) -> list[Finding]:
        return [ok("fine")]

    found = dict(examine(Subject(Settings(data_dir=site.root)), (sick, well)))
    assert (found["sick"].state, found["well"].said) == (State.WRONG, "fine")
    assert "this check failed" in found["sick"].said
    assert found["sick"].fix


def test_every_check_has_a_name_of_its_own_and_says_what_it_looks_at() -> None:
    assert len({check.__name__ for check in CHECKS}) == len(CHECKS)
    assert all((check.__doc__ or "").strip().endswith(".") for check in CHECKS)


@pytest.mark.parametrize(
    ("path", "kind"), [("/", "ext4"), ("/srv/in box/data", "nfs4"), ("/srv/inside", "ext4"), ("/mnt/x", "xfs")]
)
def test_the_filesystem_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    mounts = (
        "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        "30 27 0:40 / /srv/in\\040box rw shared:1 - nfs4 server:/x rw\n"
        "31 27 0:41 / /mnt rw - tmpfs tmpfs rw\n"
        "32 27 0:42 / /mnt rw - xfs /dev/vdb rw\n"
    )
    assert filesystem(Path(path), mounts) == kind


def test_a_postgresql_is_looked_at_and_its_clock_compared(site: Site, postgres_url: str) -> None:
    Ledger.open(postgres_url).close()
    DataStore.open(postgres_url).close()
    settings = Settings(data_dir=site.root, database_url=postgres_url, rules_dirs=(SHOP,))
    told = {}
    for seconds, state in ((0, State.OK), (10, State.WARNING), (-45, State.WRONG)):
        subject = Subject(settings, now=lambda ahead=seconds: now() + timedelta(seconds=ahead))  # type: ignore[misc]  # mypy cannot see a default's type
        told = dict(examine(subject))
        assert told["database_clock"].state is state
        subject.close()
    assert "PostgreSQL" in told["databases"].said
    assert (told["roles"].state, "running" in told) == (State.WARNING, False)
    assert told["schemas"].state is State.OK
    assert "network_filesystem" not in told


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_finds_a_running_service_well(service: Service) -> None:
    done = service.run("doctor", "--json")
    found = json.loads(done.stdout)
    assert found["state"] in ("ok", "warning")
    said = {check["said"] for check in found["checks"] if check["check"] == "health"}
    assert {"service: serving", "workers: 1 of 1 are alive"} <= said
    assert all(check["fix"] for check in found["checks"] if check["state"] != "ok")


def test_the_command_tells_lines_and_ends_with_three_where_something_is_wrong(
    launch: Callable[..., Service], sound: Path
) -> None:
    service = launch()
    shutil.copytree(sound, service.data_dir)
    (service.data_dir / "host_keys" / "ssh_host_rsa_key").chmod(0o640)
    done = service.run("doctor", check=False)
    assert (done.returncode, done.stderr) == (3, "")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("wrong") and "host_keys" in line)
    assert "-> Run: chmod 600 " in line
    assert " wrong, " in done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_a_service_that_was_killed_is_found_dead(launch: Callable[..., Service]) -> None:
    service = launch().start()
    service.kill()
    done = service.run("doctor", "--json", check=False)
    assert done.returncode == 3
    wrong = [check for check in json.loads(done.stdout)["checks"] if check["state"] == "wrong"]
    assert [check["check"] for check in wrong] == ["running"]
