"""An archive of several files: each is an import of its own, parents first, and the archive ends with the last."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from ingester import fault, orphan, turn
from ingester.alert import alerts
from ingester.domain.errors import UsageError
from ingester.domain.status import Outcome, Status
from ingester.feed import declare
from ingester.fileset import FileSets
from ingester.store.database import now
from ingester.store.ledger_tables import Companion, Import, Total
from tests.integration.engine.harness import Engine, armed
from tests.report import assert_reconciles, reports
from tests.zipped import zipped

CATEGORIES = "external_id,label\nC1,Tools\n"
ITEMS = "external_id,label,category_external_id\nA,Alpha,C1\nB,Beta,C1\n"


NIGHTLY = zipped({"items.csv": ITEMS, "data/categories.csv": CATEGORIES})


def members(engine: Engine, job: Import) -> dict[str, Import]:
    return {drop.member or "": member for drop, member in FileSets(engine.ledger, engine.directory).members(job.id)}


def status_of(engine: Engine, job: Import) -> dict[str, Any]:
    return engine.report(job).status


def claim_order(engine: Engine) -> list[str]:
    """The names of files as their turns came."""
    with engine.ledger.reading() as session:
        jobs = session.exec(select(Import).order_by(col(Import.started_at))).all()
    found = [(job.started_at, engine.drop_of(job).name) for job in jobs if job.started_at is not None]
    return [name for _, name in sorted(found)]


def test_the_files_of_an_archive_are_imported_parents_first_and_reported_each_and_as_a_whole(engine: Engine) -> None:
    job = engine.drop("nightly.zip", NIGHTLY)
    assert (job.status, job.entity, job.opens) == (Status.QUEUED, None, True)
    assert engine.work() == 3
    assert [row["external_id"] for row in engine.rows("item")] == ["A", "B"]
    assert all(row["category_id"] for row in engine.rows("item"))
    items, categories = members(engine, job)["items.csv"], members(engine, job)["categories.csv"]
    for member, name in ((items, "nightly.zip.items.csv"), (categories, "nightly.zip.categories.csv")):
        report = engine.report(member)
        assert_reconciles(report)
        assert report.path.name == f"{name}.{member.short_id}.status.json"
        assert report.status["file"]["name"] == name
        assert (report.status["run_id"], report.status["outcome"]) == (job.id, "accepted")
    whole = status_of(engine, job)
    assert (whole["status"], whole["outcome"], whole["run_id"]) == ("completed", "accepted", job.id)
    assert whole["stats"]["total_rows"] == whole["stats"]["created_count"] == 3
    told = {each["name"]: (each["short_id"], each["status"], each["outcome"]) for each in whole["members"]}
    assert told == {
        "items.csv": (items.short_id, "completed", "accepted"),
        "categories.csv": (categories.short_id, "completed", "accepted"),
    }
    for each in whole["members"]:
        assert (engine.directory.tenant("acme").outbox / each["files"]["status"]).exists()
    archived = [path for path in engine.directory.tenant("acme").archive.rglob("*") if path.is_file()]
    assert [path.name for path in archived] == [f"nightly.zip.{job.short_id}"]
    assert archived[0].read_bytes() == NIGHTLY
    assert engine.directory.root / engine.drop_of(job).location == archived[0]
    assert engine.leftovers() == []


def test_while_its_files_run_an_archive_says_how_far_it_is(engine: Engine) -> None:
    job = engine.drop("nightly.zip", NIGHTLY)
    worker = engine.worker()
    assert worker.run_next()
    assert (status_of(engine, job)["status"], status_of(engine, job)["message"]) == (
        "processing",
        "0 of 2 files are done",
    )
    assert {member.status for member in members(engine, job).values()} == {Status.QUEUED}
    assert [engine.report(member).status["status"] for member in members(engine, job).values()] == ["queued"] * 2
    assert worker.run_next()
    assert status_of(engine, job)["message"] == "1 of 2 files are done"
    # Nobody works on the archive itself: no lease of it runs out, and nothing is counted as running.
    assert engine.queue.recover(everything=True) == []
    assert worker.run_next()
    assert engine.job(job).status is Status.COMPLETED


def test_what_landed_after_an_archive_does_not_overtake_its_files_nor_they_what_landed_before(engine: Engine) -> None:
    before = engine.drop("items_1.csv", "external_id,label\nA,first\n")
    archive = engine.drop("nightly.zip", zipped({"items.csv": "external_id,label\nA,second\n", "x/items_b.csv": ITEMS}))
    after = engine.drop("items_2.csv", "external_id,label\nA,third\n")
    also = engine.drop("categories.csv", CATEGORIES)
    with engine.ledger.reading() as session:
        waits = turn.waits(session, [after, also], now())
    assert (waits[also.id].reason, waits[also.id].expected) == ("waits_for_its_turn", archive.short_id)
    assert engine.work() == 6
    assert [row["label"] for row in engine.rows("item") if row["external_id"] == "A"] == ["third"]
    assert claim_order(engine) == [
        "nightly.zip",
        "categories.csv",
        "items_1.csv",
        "nightly.zip.items.csv",
        "nightly.zip.items_b.csv",
        "items_2.csv",
    ]
    assert engine.job(before).place < members(engine, archive)["items.csv"].place < engine.job(after).place


def test_a_file_after_an_archive_is_no_repetition_of_what_came_before_it(engine: Engine) -> None:
    old = "external_id,label\nA,old\n"
    engine.take("items.csv", old)
    engine.drop("nightly.zip", zipped({"items.csv": "external_id,label\nA,new\n", "categories.csv": CATEGORIES}))
    again = engine.drop("items.csv", old)
    engine.work()
    assert engine.job(again).outcome is Outcome.ACCEPTED
    assert [row["label"] for row in engine.rows("item")] == ["old"]


def test_files_of_an_archive_that_repeat_the_last_ones_are_skipped_each_by_its_own_bytes(engine: Engine) -> None:
    engine.drop("one.zip", NIGHTLY)
    engine.work()
    changed = zipped({"items.csv": ITEMS + "C,Gamma,C1\n", "categories.csv": CATEGORIES})
    job = engine.drop("two.zip", changed)
    engine.work()
    found = members(engine, job)
    assert (found["categories.csv"].outcome, found["items.csv"].outcome) == (Outcome.DUPLICATE, Outcome.ACCEPTED)
    assert engine.job(job).outcome is Outcome.ACCEPTED
    same = engine.drop("three.zip", changed)
    engine.work()
    assert engine.job(same).outcome is Outcome.DUPLICATE


def test_a_file_that_nobody_knows_fails_alone_and_can_be_tried_again_under_a_feed(engine: Engine) -> None:
    job = engine.drop(
        "nightly.zip", zipped({"categories.csv": CATEGORIES, "stuff.csv": "external_id,label\nC2,Toys\n"})
    )
    engine.work()
    stuff = members(engine, job)["stuff.csv"]
    assert (stuff.status, stuff.reason) == (Status.FAILED, "unknown_entity")
    assert engine.report(stuff).status["status"] == "failed"
    whole = status_of(engine, job)
    assert (whole["status"], whole["outcome"]) == ("completed", "partial")
    tenant = engine.tenants.get("acme")
    feed = declare(name="stuff", entity="category", pattern="stuff*").feed(tenant, engine.rules)
    engine.decisions.route_again(stuff, engine.drop_of(stuff), engine.router, tenant, [feed])
    engine.work()
    assert status_of(engine, job)["outcome"] == "accepted"
    assert len(engine.rows("category")) == 2
    assert engine.leftovers() == []


def test_an_archive_of_which_nothing_can_be_imported_has_failed(engine: Engine) -> None:
    job = engine.drop("nightly.zip", zipped({"x.csv": "a\n1\n", "y.csv": "a\n1\n"}))
    assert engine.work() == 1
    whole = status_of(engine, job)
    assert (whole["status"], whole["reason"]) == ("failed", "nothing_imported")
    failed = engine.decisions.failed_members(engine.job(job))
    assert [drop.member for drop, _ in failed] == ["x.csv", "y.csv"]
    with pytest.raises(UsageError, match="is an archive"):
        engine.decisions.retry(engine.job(job), engine.drop_of(job))


def test_a_parent_that_is_refused_stops_no_other_file(engine: Engine) -> None:
    job = engine.drop("nightly.zip", zipped({"items.csv": ITEMS, "categories.csv": "no,header,of,ours\n1,2,3,4\n"}))
    engine.work()
    found = members(engine, job)
    assert found["items.csv"].outcome is Outcome.REJECTED
    assert {line["code"] for line in engine.report(found["items.csv"]).errors} == {"reference_not_found"}


def test_all_files_of_an_archive_in_a_folder_or_under_a_feed_are_what_that_says(engine: Engine) -> None:
    files = {"items.csv": "external_id,label\nC1,Tools\n", "b.csv": "external_id,label\nC2,Toys\n"}
    job = engine.drop("x.zip", zipped(files), folder="category")
    assert (job.entity, job.opens) == ("category", False)
    engine.work()
    assert [row["external_id"] for row in engine.rows("category")] == ["C1", "C2"]
    tenant = engine.tenants.get("acme")
    feed = declare(name="f", entity="category", pattern="full*", source="crm", action="overwrite", priority=3)
    engine.tenants.add_feed(feed.feed(tenant, engine.rules))
    job = engine.drop("full.zip", zipped({**files, "c.csv": "external_id,label\nC3,Toys\n"}))
    engine.work()
    words = {(each.feed, each.source, each.action.value, each.priority) for each in members(engine, job).values()}
    assert words == {("f", "crm", "overwrite", 3)}


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_an_archive_that_is_packed_once_more_is_opened(engine: Engine, pack: Callable[[bytes], bytes]) -> None:
    job = engine.drop("nightly.zip.gz", pack(NIGHTLY))
    assert engine.work() == 3
    assert engine.job(job).outcome is Outcome.ACCEPTED
    assert engine.leftovers() == []


def test_an_archive_is_told_by_its_bytes_where_its_name_says_something_else(engine: Engine) -> None:
    job = engine.drop("categories.csv", zipped({"a.csv": CATEGORIES, "b.csv": "external_id,label\nC2,Toys\n"}))
    engine.work()
    assert engine.job(job).outcome is Outcome.ACCEPTED
    assert len(engine.rows("category")) == 2


def test_an_archive_in_an_archive_is_refused_unless_its_name_says_what_it_holds(engine: Engine) -> None:
    job = engine.drop("nightly.zip", zipped({"inner.zip": NIGHTLY, "categories.csv": CATEGORIES}))
    engine.work()
    found = members(engine, job)
    assert (found["inner.zip"].status, found["inner.zip"].reason) == (Status.FAILED, "unknown_entity")
    assert found["categories.csv"].outcome is Outcome.ACCEPTED


def test_a_feed_takes_a_packed_file_by_its_name_without_what_it_is_packed_in(engine: Engine) -> None:
    tenant = engine.tenants.get("acme")
    for name, pattern in (("plain", "export*.csv"), ("packed", "export*.csv.gz")):
        engine.tenants.add_feed(declare(name=name, entity="category", pattern=pattern).feed(tenant, engine.rules))
    feeds = engine.tenants.feeds("acme")
    for file, feed in (("export.csv", "plain"), ("export.csv.gz", "packed"), ("export_1.csv.zip.PGP", "plain")):
        assert engine.router.route(tenant, feeds, "", file).feed == feed


def test_a_batch_that_settles_is_put_in_order_with_the_files_of_its_archive(engine: Engine) -> None:
    engine.tenants.limit("acme", settle_seconds=600)
    items = engine.drop("items.csv", ITEMS)
    job = engine.drop("nightly.zip", zipped({"categories.csv": CATEGORIES, "remarks.csv": "text\nx\n"}))
    assert engine.work() == 1
    assert {member.status for member in members(engine, job).values()} == {Status.QUEUED}
    engine.make_due()
    engine.work()
    assert engine.job(items).outcome is Outcome.ACCEPTED
    assert engine.job(job).outcome is Outcome.ACCEPTED


def test_a_held_file_of_an_archive_keeps_the_archive_open_until_somebody_decides(engine: Engine) -> None:
    job = engine.drop("nightly.zip", zipped({"categories.csv": CATEGORIES, "items.csv": ITEMS.rstrip() + "\nC,Ga"}))
    engine.work()
    held = members(engine, job)["items.csv"]
    assert (held.status, held.reason) == (Status.NEEDS_ATTENTION, "possibly_truncated")
    assert (engine.job(job).status, status_of(engine, job)["members"][1]["status"]) == (
        Status.PROCESSING,
        "needs_attention",
    )
    engine.crash()
    assert engine.job(job).status is Status.PROCESSING
    engine.decisions.reject_members(engine.job(job))
    assert status_of(engine, job)["outcome"] == "partial"


def test_an_archive_in_validate_imports_nothing(engine: Engine) -> None:
    job = engine.drop("nightly.zip", NIGHTLY, folder="validate")
    engine.work()
    assert engine.rows("category") == []
    assert {each.dry_run for each in members(engine, job).values()} == {True}
    assert status_of(engine, job)["members"][1]["outcome"] == "accepted"


def test_an_archive_of_one_file_is_imported_as_that_file(engine: Engine) -> None:
    job = engine.drop("nightly.zip", zipped({"sub/categories.csv": CATEGORIES}))
    engine.work()
    report = engine.report(engine.job(job))
    assert_reconciles(report)
    assert (report.status["file"]["name"], report.status["run_id"], report.status["outcome"]) == (
        "nightly.zip",
        None,
        "accepted",
    )
    named = engine.drop("items.csv.zip.gz", gzip.compress(zipped({"export.csv": ITEMS})))
    engine.work()
    assert engine.job(named).outcome is Outcome.ACCEPTED
    assert len(engine.rows("item")) == 2
    assert engine.leftovers() == []


def test_an_archive_of_one_file_goes_on_as_that_file(engine: Engine) -> None:
    worker = engine.worker()
    by_member = engine.drop("nightly.zip", zipped({"sub/categories.csv": CATEGORIES}))
    assert worker.run_next()
    job = engine.job(by_member)
    assert (job.status, job.entity, job.opens, job.run_id) == (Status.QUEUED, "category", False, None)
    by_name = engine.drop("items_2026.zip", zipped({"export.csv": ITEMS}))
    assert (by_name.entity, by_name.opens) == ("item", True)
    nobody = engine.drop("x.zip", zipped({"stuff.csv": "a\n1\n"}))
    # The newest go first: opening them imports nothing.
    assert worker.run_next()
    assert worker.run_next()
    assert (engine.job(by_name).entity, engine.job(by_name).opens) == ("item", False)
    assert (engine.job(nobody).status, engine.job(nobody).reason) == (Status.FAILED, "unknown_entity")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(zipped({}), "empty_archive"), (zipped({".hidden": "x"}), "empty_archive"), (NIGHTLY[:-30], "unreadable_file")],
)
def test_an_archive_that_cannot_be_opened_is_quarantined_and_keeps_nobody_waiting(
    engine: Engine, content: bytes, reason: str
) -> None:
    job = engine.drop("nightly.zip", content)
    after = engine.drop("categories.csv", CATEGORIES)
    engine.work()
    assert (engine.job(job).status, engine.job(job).reason) == (Status.FAILED, reason)
    assert engine.report(job).status["reason"] == reason
    assert engine.job(after).outcome is Outcome.ACCEPTED
    assert engine.leftovers() == []
    # Tried again, it is looked into again.
    tenant = engine.tenants.get("acme")
    engine.decisions.route_again(engine.job(job), engine.drop_of(job), engine.router, tenant, [])
    engine.work()
    assert engine.job(job).reason == reason


def test_a_damaged_member_leaves_nothing_behind(engine: Engine) -> None:
    content = bytearray(zipped({"categories.csv": CATEGORIES, "items.csv": ITEMS * 50}))
    at = content.find(b"items.csv") + 40
    content[at : at + 4] = bytes(4)
    job = engine.drop("nightly.zip", bytes(content))
    engine.work()
    assert engine.job(job).status is Status.FAILED
    assert members(engine, job) == {}
    assert (engine.leftovers(), engine.rows("category")) == ([], [])


def test_canceling_an_archive_cancels_what_has_not_begun(engine: Engine) -> None:
    job = engine.drop("nightly.zip", NIGHTLY)
    worker = engine.worker()
    assert worker.run_next()
    assert worker.run_next()
    engine.decisions.cancel(engine.job(job), engine.drop_of(job))
    assert members(engine, job)["items.csv"].status is Status.CANCELED
    whole = status_of(engine, job)
    assert (whole["status"], whole["outcome"]) == ("completed", "partial")
    assert engine.work() == 0
    assert engine.leftovers() == []
    with pytest.raises(UsageError):
        engine.decisions.cancel(engine.job(job), engine.drop_of(job))


def test_an_archive_may_be_canceled_before_it_is_opened_and_as_a_whole(engine: Engine) -> None:
    unopened = engine.drop("one.zip", NIGHTLY)
    engine.decisions.cancel(unopened, engine.drop_of(unopened))
    assert engine.job(unopened).status is Status.CANCELED
    opened = engine.drop("two.zip", NIGHTLY)
    assert engine.worker().run_next()
    engine.decisions.cancel(engine.job(opened), engine.drop_of(opened))
    assert (engine.job(opened).status, status_of(engine, opened)["status"]) == (Status.CANCELED, "canceled")
    assert engine.leftovers() == []


def test_totals_count_an_archive_as_one_file_and_its_rows_once(engine: Engine) -> None:
    engine.drop("nightly.zip", NIGHTLY)
    engine.work()
    with engine.ledger.reading() as session:
        totals = {(each.name, each.label): each.value for each in session.exec(select(Total)) if each.tenant}
    assert totals["drops", "sftp"] == 1
    assert totals["rows", "created"] == 3
    assert totals["imports", "completed.accepted"] == 3


def test_a_set_under_a_limit_of_one_import_at_once_comes_to_its_end(engine: Engine) -> None:
    engine.tenants.limit("acme", concurrency=1)
    job = engine.drop("nightly.zip", NIGHTLY)
    assert engine.work() == 3
    assert engine.job(job).status is Status.COMPLETED


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_checksums_and_markers_in_an_archive_are_of_its_files_and_no_files_of_their_own(engine: Engine) -> None:
    wrong = "0" * 32
    packed = {
        "items.csv": ITEMS,
        "ITEMS.CSV.MD5": f"{wrong}  items.csv\n",
        "categories.csv": CATEGORIES,
        "categories.csv.sha256": f"{sha256(CATEGORIES)}  categories.csv\n",
        "categories.done": "",
    }
    job = engine.drop("nightly.zip", zipped(packed))
    engine.work()
    found = members(engine, job)
    assert sorted(found) == ["categories.csv", "items.csv"]
    assert engine.job(found["categories.csv"]).outcome is Outcome.ACCEPTED
    held = engine.job(found["items.csv"])
    assert (held.status, held.reason) == (Status.NEEDS_ATTENTION, "checksum_mismatch")
    assert wrong in str(held.message)
    assert hashlib.md5(ITEMS.encode()).hexdigest() in str(held.message)
    assert status_of(engine, job)["message"] == "1 of 2 files are done"
    engine.decisions.approve(held, engine.drop_of(held))
    engine.work()
    assert engine.job(job).outcome is Outcome.ACCEPTED
    assert engine.leftovers() == []


def test_what_is_beside_a_file_in_one_folder_of_an_archive_says_nothing_of_another_folder(engine: Engine) -> None:
    first, second = "external_id,label\nC1,Tools\n", "external_id,label\nC2,Toys\n"
    packed = {f"{name}/categories.csv": text for name, text in (("a", first), ("b", second))}
    packed |= {f"{name}/categories.csv.sha256": sha256(text) for name, text in (("b", second), ("a", first))}
    job = engine.drop("nightly.zip", zipped(packed))
    engine.work()
    assert sorted(members(engine, job)) == ["categories.csv", "categories_2.csv"]
    assert engine.job(job).outcome is Outcome.ACCEPTED


def test_one_file_and_its_checksum_in_an_archive_are_a_set_of_one(engine: Engine) -> None:
    job = engine.drop("nightly.zip", zipped({"items.csv": ITEMS, "items.csv.sha256": sha256(ITEMS + "\n")}))
    engine.work()
    assert engine.job(members(engine, job)["items.csv"]).reason == "checksum_mismatch"


def test_a_checksum_in_an_archive_is_what_the_feed_of_its_file_demands(engine: Engine) -> None:
    said = declare(
        name="goods", entity="item", pattern="goods*.csv", reads={"checksum": "any", "control": "{stem}.ctl"}
    )
    engine.tenants.add_feed(said.feed(engine.tenants.get("acme"), engine.rules))
    goods = "external_id,label\nA,Alpha\n"
    packed = {"goods_1.csv": goods, "goods_1.csv.sha256": sha256(goods), "goods_1.ctl": "rows=1\n"}
    packed |= {"goods_2.csv": goods, "goods_2.ctl": "rows=1\n"}
    job = engine.drop("nightly.zip", zipped(packed))
    engine.work()
    found = members(engine, job)
    assert engine.job(found["goods_1.csv"]).outcome is Outcome.ACCEPTED
    assert engine.job(found["goods_2.csv"]).reason == "companion_missing"
    assert engine.job(found["goods_2.csv"]).message == "It came without its checksum"


def test_a_checksum_in_an_archive_without_its_file_waits_for_that_and_somebody_is_told(engine: Engine) -> None:
    job = engine.drop("nightly.zip", zipped({"categories.csv": CATEGORIES, "items.csv.sha256": "0" * 64}))
    engine.work()
    assert engine.job(job).outcome is Outcome.ACCEPTED
    orphan.look(engine.ledger, now() + timedelta(hours=2))
    (alert,) = alerts(engine.ledger)
    assert (alert.kind, alert.message) == (
        "orphan_marker",
        "items.csv.sha256 has come without the file that it is about",
    )
    late = engine.drop("items.csv", ITEMS)
    engine.work()
    assert engine.job(late).reason == "checksum_mismatch"


def test_an_archive_of_nothing_but_checksums_holds_no_file(engine: Engine) -> None:
    job = engine.drop("items.zip", zipped({"items.csv.sha256": sha256(ITEMS)}))
    engine.work()
    assert (engine.job(job).status, engine.job(job).reason) == (Status.FAILED, "empty_archive")


class Killed(BaseException):
    """What nothing in the program catches."""


@pytest.mark.parametrize(
    "point", ["set.unpacked", "set.placed", "set.begun", "set.staged", "set.ended", "ledger.completed"]
)
def test_a_death_anywhere_in_an_archive_s_way_ends_as_if_there_had_been_none(engine: Engine, point: str) -> None:
    beside = {"items.csv.sha256": sha256(ITEMS), "other.done": ""}
    job = engine.drop("nightly.zip", zipped({"items.csv": ITEMS, "categories.csv": CATEGORIES, **beside}))

    def die(passed: str) -> None:
        if passed == point:
            fault.arm(lambda _: None)
            raise Killed

    with armed(die), pytest.raises(Killed):
        engine.work()
    engine.crash()
    engine.work()
    assert engine.job(job).outcome is Outcome.ACCEPTED
    assert len(members(engine, job)) == 2
    assert (len(engine.rows("item")), len(engine.rows("category"))) == (2, 1)
    found = reports(engine.directory.tenant("acme").outbox)
    assert len(found) == 3
    assert all(report.status["status"] == "completed" for report in found)
    assert engine.leftovers() == []
    with engine.ledger.reading() as session:
        kept = session.exec(select(Companion).order_by(col(Companion.number))).all()
    assert [(each.name, each.import_id is None) for each in kept] == [("items.csv.sha256", False), ("other.done", True)]


def test_the_archive_s_end_that_nobody_recorded_is_found_out_by_whoever_looks_next(engine: Engine) -> None:
    job = engine.drop("nightly.zip", NIGHTLY)

    def die(passed: str) -> None:
        if passed == "set.staged":
            raise Killed

    with armed(die), pytest.raises(Killed):
        engine.work()
    assert engine.job(job).status is Status.PROCESSING
    assert status_of(engine, job)["status"] == "processing"
    FileSets(engine.ledger, engine.directory).close_all()
    assert engine.job(job).status is Status.COMPLETED
    assert status_of(engine, job)["status"] == "completed"


def test_the_archive_s_end_is_shown_only_when_it_is_recorded_and_then_by_whoever_looks_next(engine: Engine) -> None:
    job = engine.drop("nightly.zip", NIGHTLY)

    def die(passed: str) -> None:
        if passed == "set.ended":
            raise Killed

    with armed(die), pytest.raises(Killed):
        engine.work()
    assert engine.job(job).status is Status.COMPLETED
    assert status_of(engine, job)["status"] == "processing"
    FileSets(engine.ledger, engine.directory).close_all()
    assert status_of(engine, job)["status"] == "completed"
    assert engine.leftovers() == []
