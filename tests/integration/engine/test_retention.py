"""What need not be kept goes, what must be kept stays, and all of it is recorded. Time is passed in."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, or_, select

from ingester.domain.errors import UsageError
from ingester.feed import declare
from ingester.retention.keeper import Keeper
from ingester.retention.purge import Purge
from ingester.retention.removed import Removed
from ingester.settings import RetentionSettings
from ingester.store.database import now
from ingester.store.datastore import DataStore
from ingester.store.ledger_tables import Import
from ingester.store.retention import Retention
from tests.integration.engine.harness import SHOP, Engine, failing
from tests.report import reports
from tests.zipped import zipped

ITEMS = "external_id,label\nA,Alpha\n"
WRONG = "external_id,label,stock\nA,Alpha,x\n"
DAY = timedelta(days=1)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    """One engine is enough where the databases do the same."""
    engine = Engine(tmp_path / "data", SHOP)
    engine.add_tenant()
    yield engine
    engine.close()


def retention(engine: Engine, **settings: Any) -> Retention:
    return Retention(engine.ledger, RetentionSettings(**settings))


def keep(
    engine: Engine, at: datetime, *, dry_run: bool = False, tenant: str | None = None, **settings: Any
) -> list[Removed]:
    """One whole pass."""
    url = str(engine.store.engine.url.render_as_string(hide_password=False))
    keeper = Keeper(engine.ledger, engine.directory, RetentionSettings(**settings), lambda: DataStore.open(url))
    try:
        return [each for step in keeper.steps(at, dry_run=dry_run, tenant=tenant) for each in step]
    finally:
        keeper.close()


def archived(engine: Engine, tenant: str = "acme") -> list[str]:
    archive = engine.directory.tenant(tenant).archive
    return sorted(path.name for path in archive.rglob("*") if path.is_file())


def outbox(engine: Engine, tenant: str = "acme") -> list[str]:
    return sorted(path.name for path in engine.directory.tenant(tenant).outbox.iterdir())


def failed(engine: Engine, name: str = "items_failed.csv") -> Import:
    """An import that failed; its file is in quarantine."""
    job = engine.drop(name, "external_id,label\nA,Zoë Jürgen\n".encode() + b"B,\xff\n")
    engine.work()
    job = engine.job(job)
    assert job.status == "failed"
    return job


def test_by_default_everything_is_kept_for_ever(sqlite: Engine) -> None:
    sqlite.take("items.csv", WRONG)
    failed(sqlite)
    before = (archived(sqlite), outbox(sqlite), len(sqlite.ledger.imports()))
    assert keep(sqlite, now() + 10_000 * DAY) == []
    assert (archived(sqlite), outbox(sqlite), len(sqlite.ledger.imports())) == before


def test_originals_and_reports_go_when_their_import_ended_for_long_enough(sqlite: Engine) -> None:
    job = sqlite.drop("items.csv", WRONG)
    sqlite.work()
    job = sqlite.job(job)
    assert (len(archived(sqlite)), len(outbox(sqlite))) == (1, 3)
    assert keep(sqlite, now() + 9 * DAY, archive_days=10, outbox_days=10) == []
    removed = keep(sqlite, now() + 10 * DAY, archive_days=10, outbox_days=20)
    assert [(each.place, each.what, each.files, each.policy) for each in removed] == [
        ("archive", "items.csv", 1, "archive 10 days")
    ]
    assert removed[0].import_id == job.id
    assert not list(sqlite.directory.tenant("acme").archive.iterdir()), "a day's folder goes with its last file"
    assert sqlite.drop_of(job).removed_at is not None
    assert len(outbox(sqlite)) == 3
    (reported,) = keep(sqlite, now() + 20 * DAY, archive_days=10, outbox_days=20)
    assert (reported.place, reported.what, reported.files) == ("outbox", "items.csv", 3)
    assert outbox(sqlite) == []
    record = retention(sqlite).removals("acme")
    assert [(each.place, each.policy, each.import_id) for each in record] == [
        ("outbox", "outbox 20 days", job.id),
        ("archive", "archive 10 days", job.id),
    ]
    assert record[1].size == len(WRONG)


def test_a_file_s_own_times_say_nothing_where_the_ledger_knows_better(sqlite: Engine) -> None:
    sqlite.take("items.csv", ITEMS)
    for folder in (sqlite.directory.tenant("acme").outbox, sqlite.directory.tenant("acme").archive):
        for path in folder.rglob("*"):
            os.utime(path, (0, 0))
    assert keep(sqlite, now() + DAY, archive_days=2, outbox_days=2) == []


def test_what_has_not_ended_is_never_touched(sqlite: Engine) -> None:
    held = sqlite.take("items.csv", "external_id,label\nA,Alpha\nB")
    assert held.status["status"] == "needs_attention"
    waiting = sqlite.drop("items_2.csv", ITEMS)
    before = sorted(str(path) for path in sqlite.directory.root.rglob("*") if path.is_file() and "spool" in path.parts)
    limits = {"archive_days": 0, "outbox_days": 0, "quarantine_days": 0, "history_days": 0, "spool_days": 1}
    assert keep(sqlite, now() + 1000 * DAY, **limits) == []
    assert sqlite.job(waiting).status == "queued"
    assert len(outbox(sqlite)) == 2
    after = sorted(str(path) for path in sqlite.directory.root.rglob("*") if path.is_file() and "spool" in path.parts)
    assert after == before
    # And can still be approved.
    job, drop = sqlite.ledger.import_(held.status["id"])
    sqlite.decisions.approve(job, drop)
    sqlite.work()
    assert sqlite.job(job).outcome == "partial"


def test_a_failed_import_can_be_tried_again_until_its_file_goes_and_then_says_so(engine: Engine) -> None:
    job = failed(engine)
    assert keep(engine, now() + 29 * DAY, quarantine_days=30) == []
    before = engine.job(job).message
    (removed,) = keep(engine, now() + 30 * DAY, quarantine_days=30)
    assert (removed.place, removed.what) == ("quarantine", "items_failed.csv")
    assert not list(engine.directory.quarantine.iterdir())
    job, drop = engine.ledger.import_(job.id)
    assert (job.status, job.reason) == ("failed", "drop_missing")
    assert job.message == f"The stored file is gone; before that: {before}"
    assert engine.report(job).status["reason"] == "drop_missing"
    with pytest.raises(UsageError, match="was removed"):
        engine.decisions.retry(job, drop)


def test_one_that_was_tried_again_meanwhile_keeps_its_file(sqlite: Engine) -> None:
    job, drop = sqlite.ledger.import_(failed(sqlite).id)
    sqlite.decisions.retry(job, drop)
    assert keep(sqlite, now() + 30 * DAY, quarantine_days=1) == []
    assert len(list(sqlite.directory.quarantine.iterdir())) == 1


@pytest.mark.parametrize("place", ["archive", "quarantine"])
def test_a_crash_between_deciding_and_removing_is_finished_and_recorded_once(
    sqlite: Engine, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    sqlite.take("items.csv", ITEMS)
    failed(sqlite)
    limits = {f"{place}_days": 1}
    with monkeypatch.context() as patched:
        patched.setattr("ingester.retention.folder.remove", lambda *_: (_ for _ in ()).throw(OSError(5, "power cut")))
        with pytest.raises(OSError, match="power cut"):
            keep(sqlite, now() + 2 * DAY, **limits)
    assert keep(sqlite, now() + 2 * DAY, **limits) == []
    left = archived(sqlite) if place == "archive" else list(sqlite.directory.quarantine.iterdir())
    assert left == []
    assert len(retention(sqlite).removals()) == 1


def test_a_dry_run_tells_the_same_and_removes_nothing(engine: Engine) -> None:
    engine.take("items.csv", WRONG)
    engine.take("items_2.csv", ITEMS)
    failed(engine)
    limits = {"archive_days": 1, "outbox_days": 1, "quarantine_days": 1, "history_days": 1}
    at = now() + 2 * DAY
    before = (archived(engine), outbox(engine), len(engine.ledger.imports()))
    told = [each for each in keep(engine, at, dry_run=True, **limits) if each.place != "history"]
    assert (archived(engine), outbox(engine), len(engine.ledger.imports())) == before
    assert retention(engine).removals() == []
    assert [each for each in keep(engine, at, **limits) if each.place != "history"] == told
    assert (archived(engine), outbox(engine)) == ([], [])


def test_a_tenant_s_own_periods_go_before_the_settings(sqlite: Engine) -> None:
    sqlite.add_tenant("zoo")
    for tenant in ("acme", "zoo"):
        sqlite.take("items.csv", ITEMS, tenant=tenant)
    words = retention(sqlite, archive_days=1)
    words.set("zoo", {"archive": None, "outbox": 5})
    assert str(words.periods(sqlite.tenants.get("zoo"))["archive"]) == "forever"
    keep(sqlite, now() + 6 * DAY, archive_days=1)
    assert (len(archived(sqlite)), len(outbox(sqlite))) == (0, 1)
    assert (len(archived(sqlite, "zoo")), len(outbox(sqlite, "zoo"))) == (1, 0)
    words.set("zoo", {}, default=["archive"])
    keep(sqlite, now() + 6 * DAY, archive_days=1)
    assert archived(sqlite, "zoo") == []


def test_under_legal_hold_nothing_goes_until_it_is_released(engine: Engine) -> None:
    first = engine.take("items.csv", ITEMS)
    engine.take("items_2.csv", WRONG)
    job = failed(engine)
    words = retention(engine)
    limits = {"archive_days": 1, "outbox_days": 1, "quarantine_days": 1, "history_days": 1}
    words.hold("acme", "case 4711")
    assert keep(engine, now() + 2 * DAY, **limits) == []
    with pytest.raises(UsageError, match="already"):
        words.hold("acme", "again")
    words.hold("acme", "this one", first.status["id"])
    words.hold("acme", "and this one", job.id)
    words.release("acme")
    keep(engine, now() + 2 * DAY, **limits)
    assert archived(engine) == [f"items.csv.{first.status['short_id']}"]
    assert {report.status["id"] for report in reports(engine.directory.tenant("acme").outbox)} == {
        first.status["id"],
        job.id,
    }
    assert engine.decisions.retry(*engine.ledger.import_(job.id)) is None
    words.release("acme", first.status["id"])
    keep(engine, now() + 2 * DAY, **limits)
    assert archived(engine) == []


def test_history_goes_but_what_tells_a_repetition_stays(engine: Engine) -> None:
    for number in range(4):
        engine.take(f"items_{number}.csv", ITEMS + f"K{number},x\n")
    engine.take("remarks.csv", "text\nx\n")
    bad = failed(engine)
    at = now() + 100 * DAY
    (removed,) = keep(engine, at, history_days=90)
    assert (removed.place, removed.policy) == ("history", "history 90 days")
    assert removed.what.startswith("3 imports, ")
    left = [drop.name for _, drop in reversed(engine.ledger.imports())]
    assert left == ["items_3.csv", "remarks.csv", "items_failed.csv"], "a failed import with its file can be retried"
    assert engine.select("SELECT count(*) AS n FROM import_outcomes")[0]["n"] == 2
    assert engine.select("SELECT count(*) AS n FROM shop__item")[0]["n"] == 5, "records stay"
    # The same bytes again are still known.
    again = engine.drop("items_3.csv", ITEMS + "K3,x\n")
    engine.work()
    assert engine.job(again).outcome == "duplicate"
    keep(engine, at, quarantine_days=1)
    keep(engine, at, history_days=90)
    assert bad.id not in {job.id for job, _ in engine.ledger.imports()}
    # What the ledger has forgotten goes by the file's own age.
    assert len(archived(engine)) == 6
    keep(engine, at, archive_days=1)
    assert archived(engine) == []


def test_leftovers_of_the_spool_go_and_what_is_in_use_stays(sqlite: Engine) -> None:
    spool = sqlite.directory
    waiting = sqlite.drop("items.csv", ITEMS)
    for path in (spool.drops / "unknown", spool.incoming / "left.writing", spool.work / "x.status"):
        path.write_text("left")
    (spool.work / "gone.1" / "outbox").mkdir(parents=True)
    (spool.work / f"{waiting.id}.0").mkdir()
    with (spool.incoming / "busy.writing").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        assert keep(sqlite, now() + 6 * DAY) == []
        removed = keep(sqlite, now() + 8 * DAY)
        assert sorted(each.what for each in removed) == [
            "drops/unknown", "incoming/left.writing", "work/gone.1", "work/x.status",
        ]  # fmt: skip
        assert (spool.incoming / "busy.writing").exists()
    assert (spool.work / f"{waiting.id}.0").exists()
    sqlite.work()
    assert sqlite.job(waiting).outcome == "accepted"


def test_links_lead_nowhere_and_what_is_not_ours_stays(sqlite: Engine, tmp_path: Path) -> None:
    sqlite.take("items.csv", ITEMS)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").write_text("x")
    archive = sqlite.directory.tenant("acme").archive
    (archive / "2020-01-01").symlink_to(tmp_path / "elsewhere")
    (archive / "notes").mkdir()
    (archive / "notes" / "mine").write_text("x")
    (sqlite.directory.tenant("acme").outbox / "link").symlink_to(tmp_path / "elsewhere" / "precious")
    keep(sqlite, now() + 1000 * DAY, archive_days=1, outbox_days=1)
    assert (tmp_path / "elsewhere" / "precious").exists()
    assert (archive / "notes" / "mine").exists()


def test_the_record_is_bounded(sqlite: Engine) -> None:
    sqlite.take("items.csv", ITEMS)
    at = now() + 10 * DAY
    keep(sqlite, at, archive_days=1)
    keep(sqlite, at + 99 * DAY, removals_days=100)
    assert len(retention(sqlite).removals()) == 1
    keep(sqlite, at + 101 * DAY, removals_days=100)
    assert retention(sqlite).removals() == []


def test_work_goes_in_small_steps_and_once_an_hour(sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingester.retention.report._SLICE", 1)
    monkeypatch.setattr("ingester.retention.keeper._WORK_SECONDS", 0.0)
    for number in range(3):
        sqlite.take(f"items_{number}.csv", ITEMS + f"K{number},x\n")
    keeper = Keeper(sqlite.ledger, sqlite.directory, RetentionSettings(archive_days=1), lambda: sqlite.store)
    at = now() + 2 * DAY
    keeper.work(at)
    assert len(archived(sqlite)) == 2
    for _ in range(20):
        keeper.work(at)
    assert archived(sqlite) == []
    sqlite.take("items.csv", ITEMS)
    keeper.work(at + timedelta(minutes=50))
    assert len(archived(sqlite)) == 1
    for _ in range(20):
        keeper.work(at + timedelta(minutes=70))
    assert archived(sqlite) == []


# --- purge -----------------------------------------------------------------------------------------------------------


def purge(engine: Engine, tenant: str = "acme") -> Purge:
    return Purge(engine.ledger, lambda: engine.store, engine.directory, tenant)


def traces(engine: Engine, tenant: str = "acme") -> list[str]:
    """Whatever there is of a tenant in any table but the record, and in any folder."""
    found = [str(path) for path in (engine.directory.root / "tenants").iterdir() if path.name == tenant]
    for database in {engine.ledger.engine, engine.store.engine}:
        metadata = MetaData()
        metadata.reflect(database)
        with database.connect() as connection:
            for table in metadata.tables.values():
                whose = [column for column in table.c if column.name in ("tenant", "tenant_id")]
                whose += [table.c.name] if table.name == "tenants" else []
                if whose and table.name != "removals":
                    query = select(table).where(or_(*(column == tenant for column in whose))).limit(1)
                    found += [table.name] if connection.execute(query).first() else []
    return found


@pytest.fixture
def furnished(engine: Engine) -> Callable[[str], None]:
    def furnish(name: str) -> None:
        tenant = engine.tenants.get(name)
        engine.tenants.add_feed(declare(name="f", entity="item", pattern="f_*").feed(tenant, engine.rules))
        engine.tenants.add_key(
            name, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA x"
        )
        engine.take("categories.csv", "external_id,label\nC,Cat\n", tenant=name)
        engine.take("items.csv", WRONG + "B,Beta,1\n", tenant=name)
        engine.drop("items_failed.csv", "external_id,label\nA,Zoë Jürgen\n".encode() + b"B,\xff\n", tenant=name)
        engine.work()
        engine.drop("items_waiting.csv", ITEMS, tenant=name)
        (engine.directory.tenant(name).inbox / "x.csv.part").write_text("half")

    return furnish


def test_a_purge_leaves_nothing_of_a_tenant_and_everything_of_others(
    engine: Engine, furnished: Callable[[str], None]
) -> None:
    engine.add_tenant("zoo")
    furnished("acme")
    furnished("zoo")
    before = traces(engine, "zoo")
    zoo = [job.id for job, _ in engine.ledger.imports(tenant="zoo")]
    inventory = purge(engine).inventory()
    assert (inventory.drops, inventory.imports) == (4, 4)
    assert inventory.rows["shop__item"] == 2
    assert len(traces(engine)) > 6
    for _ in purge(engine).steps():
        pass
    assert traces(engine) == []
    assert traces(engine, "zoo") == before
    assert [job.id for job, _ in engine.ledger.imports()] == zoo
    assert len(list(engine.directory.drops.iterdir())) == 1
    assert len(list(engine.directory.quarantine.iterdir())) == 1
    ended, begun = retention(engine).removals("acme")
    assert (ended.place, ended.what) == ("tenant", "purged")
    assert (begun.what, begun.files, begun.size) == (
        f"purge of 4 imports and {sum(inventory.rows.values())} stored rows begun",
        inventory.files,
        inventory.size,
    )
    with pytest.raises(UsageError, match="there is no tenant"):
        next(purge(engine).steps())
    # The name is free again.
    engine.add_tenant("acme")
    assert engine.take("items.csv", ITEMS).status["outcome"] == "accepted"


@pytest.mark.parametrize("point", ["purge.records", "purge.folders", "purge.ledger"])
def test_a_purge_that_was_interrupted_is_finished_by_the_next_pass(sqlite: Engine, point: str) -> None:
    sqlite.take("items.csv", ITEMS)
    sqlite.drop("items_2.csv", ITEMS)
    with failing(point, OSError(5, "power cut")), pytest.raises(OSError, match="power cut"):
        for _ in purge(sqlite).steps():
            pass
    with pytest.raises(UsageError, match="is being purged"):
        sqlite.add_tenant("acme")
    sqlite.crash()
    keep(sqlite, now())
    assert traces(sqlite) == []
    assert sqlite.leftovers() == []


def test_a_purge_is_refused_under_legal_hold_and_while_an_import_runs(sqlite: Engine) -> None:
    report = sqlite.take("items.csv", ITEMS)
    words = retention(sqlite)
    words.hold("acme", "case 1", report.status["id"])
    with pytest.raises(UsageError, match="legal hold"):
        next(purge(sqlite).steps())
    words.release("acme", report.status["id"])
    sqlite.drop("items_2.csv", ITEMS + "B,Beta\n")
    claim = sqlite.queue.claim("somebody")
    with pytest.raises(UsageError, match="is running"):
        next(purge(sqlite).steps())
    assert claim is not None
    sqlite.queue.recover(everything=True)
    for _ in purge(sqlite).steps():
        pass
    assert traces(sqlite) == []


def test_what_is_left_of_an_archive_goes_when_its_time_has_come(engine: Engine) -> None:
    for number in range(2):
        files = {"items.csv": ITEMS + f"K{number},x\n", "stuff.csv": ITEMS, "remarks.csv": f"text\n{number}\n"}
        engine.drop(f"nightly_{number}.zip", zipped(files))
        engine.work()
    assert len(archived(engine)) == 2
    at = now() + 100 * DAY
    keep(engine, at, history_days=90)
    left = [drop.name for _, drop in reversed(engine.ledger.imports())]
    assert left == [
        "nightly_0.zip.stuff.csv",
        "nightly_1.zip.items.csv",
        "nightly_1.zip.stuff.csv",
        "nightly_1.zip.remarks.csv",
    ], "what failed can be tried again, and repetitions are told by what changed something last"
    keep(engine, at, quarantine_days=1, archive_days=1, outbox_days=1)
    assert (archived(engine), outbox(engine)) == ([], [])
    assert list(engine.directory.quarantine.iterdir()) == []


def test_a_purge_takes_an_archive_that_is_under_way_with_its_files(engine: Engine) -> None:
    engine.drop("nightly.zip", zipped({"items.csv": ITEMS, "stuff.csv": ITEMS, "remarks.csv": "text\nx\n"}))
    assert engine.worker().run_next()
    assert list(purge(engine).steps())[-1] == "tenant"
    assert engine.leftovers() == []
    assert list(engine.directory.quarantine.iterdir()) == []
    assert engine.ledger.imports() == []
