"""The one door: what is answered OK is durable, and one file's trouble is not another's."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ingester.domain.errors import TransientError, UsageError
from ingester.domain.status import DuplicateHandling, Status
from ingester.store.database import now
from ingester.store.ledger_tables import Feed
from tests.integration.engine.harness import Engine, armed, failing
from tests.report import reports

CATEGORIES = "external_id,label\nA,Alpha\n"


@contextmanager
def held_back(engine: Engine, then: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Let everything submitted inside land as one group, behind a file of its own; `then` interferes with it."""
    begun, go = threading.Event(), threading.Event()

    def wait(point: str) -> None:
        if go.is_set():
            then(point)
        elif point == "landing.committed":
            begun.set()
            assert go.wait(20)

    with armed(wait):
        first = engine.submit("remarks.csv", "text\nx\n")
        assert begun.wait(20)
        yield
        go.set()
        engine.intake.stop()
        first.result(20)
    engine.restart_intake()


def test_a_file_is_moved_whole_and_recorded_before_it_is_answered(engine: Engine) -> None:
    arrival = engine.arrival("categories.csv", CATEGORIES)
    drop = engine.ledger.drop(engine.intake.submit(arrival).result(20))
    assert not arrival.path.exists()
    content = (engine.directory.root / drop.location).read_bytes()
    assert content == CATEGORIES.encode()
    assert (drop.size, drop.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    ((job, _),) = engine.ledger.imports()
    assert (job.status, job.entity, job.drop_id) == (Status.QUEUED, "category", drop.id)
    assert engine.report(job).status["status"] == "queued"


def test_files_that_arrive_together_are_committed_together(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[int] = []
    land = engine.ledger.land
    monkeypatch.setattr(engine.ledger, "land", lambda pairs, *more: (commits.append(len(pairs)), land(pairs, *more))[1])
    with held_back(engine):
        answers = [engine.submit(f"categories_{number}.csv", CATEGORIES) for number in range(30)]
    assert len({answer.result(20) for answer in answers}) == 30
    assert commits == [1, 30]
    names = [drop.name for _, drop in reversed(engine.ledger.imports())]
    assert names == ["remarks.csv", *(f"categories_{number}.csv" for number in range(30))]


@pytest.mark.parametrize("point", ["landing.written", "landing.fsynced", "landing.renamed"])
def test_a_file_that_cannot_be_made_durable_is_refused_and_the_others_land(engine: Engine, point: str) -> None:
    passed: list[str] = []

    def break_the_second(name: str) -> None:
        passed.append(name)
        if name == point and passed.count(name) == 2:
            raise OSError(5, "Input/output error")

    with held_back(engine, then=break_the_second):
        answers = [engine.submit(f"categories_{number}.csv", CATEGORIES) for number in range(3)]
    assert [type(answer.exception(20)) for answer in answers] == [type(None), OSError, type(None)]
    landed = [drop.name for _, drop in engine.ledger.imports() if drop.name != "remarks.csv"]
    assert sorted(landed) == ["categories_0.csv", "categories_2.csv"]
    assert [each.status["file"]["name"] for each in reports(engine.directory.tenant("acme").outbox)].count(
        "categories_1.csv"
    ) == 0


def test_a_commit_that_fails_tells_nobody_ok(engine: Engine) -> None:
    with failing("landing.folder_synced", OSError(28, "No space left on device")):
        first = engine.submit("categories.csv", CATEGORIES)
        with pytest.raises(TransientError, match="could not be recorded"):
            first.result(20)
    assert engine.ledger.imports() == []
    assert reports(engine.directory.tenant("acme").outbox) == []
    engine.crash()
    assert engine.leftovers() == []
    assert engine.take("categories.csv", CATEGORIES).status["outcome"] == "accepted"


def test_a_file_of_nobody_is_refused(engine: Engine) -> None:
    with pytest.raises(UsageError, match="there is no tenant 'nobody'"):
        engine.submit("categories.csv", CATEGORIES, tenant="nobody").result(20)
    assert engine.take("categories.csv", CATEGORIES).status["outcome"] == "accepted"


def test_a_status_that_says_queued_never_replaces_a_later_one(engine: Engine) -> None:
    worker, done = engine.worker(), threading.Event()

    def work_first(point: str) -> None:
        # Everything is committed and nobody is told yet: a quick worker is done before the first status is put.
        if point == "landing.committed" and not done.is_set():
            done.set()
            assert worker.run_next()

    with armed(work_first):
        job = engine.drop("categories.csv", CATEGORIES)
        engine.intake.stop()
    assert done.is_set()
    assert engine.report(job).status["status"] == "completed"
    engine.restart_intake()


def test_short_ids_that_collide_are_drawn_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    first = engine.drop("categories.csv", CATEGORIES)
    twin = uuid.UUID(first.id[:8] + str(uuid.uuid4())[8:])
    fresh = [uuid.uuid4(), twin, *(uuid.uuid4() for _ in range(4))]
    monkeypatch.setattr("ingester.intake.uuid.uuid4", lambda: fresh.pop(0))
    second = engine.drop("categories.csv", CATEGORIES)
    assert second.short_id != first.short_id
    assert second.id.startswith(second.short_id)


# --- where a file belongs --------------------------------------------------------------------------------------------


def add_feed(engine: Engine, **values: object) -> None:
    given = {"name": "nightly", "catalogue": "shop", "entity": "category", "pattern": "*.csv", **values}
    engine.tenants.add_feed(Feed(tenant="acme", created_at=now(), **given))


def test_a_file_that_belongs_nowhere_is_quarantined_with_a_status_that_says_what_would_match(engine: Engine) -> None:
    job = engine.drop("mystery.csv", "a,b\n1,2\n")
    assert (job.status, job.reason) == (Status.FAILED, "unknown_entity")
    status = engine.report(job).status
    assert (status["status"], status["reason"], status["entity_type"]) == ("failed", "unknown_entity", None)
    assert status["completed_at"] is not None
    assert all(name in status["message"] for name in ("category", "item", "remark", "supplier", "/inbox/"))
    drop = engine.drop_of(job)
    assert drop.location.startswith("spool/quarantine/")
    assert (engine.directory.root / drop.location).read_bytes() == b"a,b\n1,2\n"
    assert engine.work() == 0
    assert engine.leftovers() == []


def test_folder_wins_over_feed_and_feed_over_name(engine: Engine) -> None:
    add_feed(engine, source="crm", duplicate_handling=DuplicateHandling.USE_LAST)
    in_folder = engine.drop("supplier.csv", "text\nx\n", folder="remark")
    assert (in_folder.entity, in_folder.feed, in_folder.source) == ("remark", None, "default")
    by_feed = engine.drop("supplier.csv", CATEGORIES)
    assert (by_feed.entity, by_feed.feed, by_feed.source) == ("category", "nightly", "crm")
    assert by_feed.duplicate_handling is DuplicateHandling.USE_LAST
    by_name = engine.drop("supplier.txt", "region,code\nx,1\n")
    assert (by_name.entity, by_name.feed) == ("supplier", None)


def test_the_first_feed_that_matches_wins_whatever_the_case(engine: Engine) -> None:
    add_feed(engine, name="one", pattern="NIGHTLY_*.csv", entity="remark")
    add_feed(engine, name="two", pattern="*", entity="category")
    assert engine.drop("nightly_Items.CSV", "text\nx\n").feed == "one"
    assert engine.drop("items.csv", CATEGORIES).feed == "two"


def test_what_is_put_below_validate_is_checked_and_counted_but_never_imported(engine: Engine) -> None:
    engine.take("categories.csv", "external_id,label\nA,Alpha\nB,Beta\n")
    before = engine.rows("category")
    content = "external_id,label\nA,Alpha\nB,changed\nC,Gamma\nD,\n"
    for folder in ("validate", "validate/category"):
        report = engine.take("categories_check.csv" if folder == "validate" else "any.csv", content, folder=folder)
        assert report.status["dry_run"] is True
        assert (report.status["status"], report.status["outcome"]) == ("completed", "partial")
        assert {name: report.stats[name] for name in ("created_count", "updated_count", "skipped_count")} == {
            "created_count": 1,
            "updated_count": 1,
            "skipped_count": 1,
        }
        assert [line["code"] for line in report.errors] == ["required"]
    assert engine.rows("category") == before
    live = engine.take("categories_live.csv", content)
    assert live.stats == report.stats
    assert live.status["dry_run"] is False
