"""Done-markers, checksums, control files and trailers: what a file needs beside it, and what differs from it."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from ingester import orphan, turn
from ingester.alert import alerts
from ingester.domain.status import Origin, Status
from ingester.feed import declare
from ingester.retention.purge import Purge
from ingester.store import companion
from ingester.store.database import now
from ingester.store.ledger_tables import Companion, Import
from tests.integration.engine.harness import Engine, failing

ITEMS = "external_id,label,stock,price\nA,Alpha,3,12.50\nB,Beta,4,0.25\n"
SHA256 = hashlib.sha256(ITEMS.encode()).hexdigest()
MD5 = hashlib.md5(ITEMS.encode()).hexdigest()
OTHER = "0" * 64


def feed(engine: Engine, **words: Any) -> None:
    said = declare(**{"name": "goods", "entity": "item", "pattern": "goods*", **words})
    engine.tenants.add_feed(said.feed(engine.tenants.get("acme"), engine.rules))


def beside(engine: Engine, name: str, content: str | bytes = b"") -> Companion:
    """Land a companion."""
    its_id = engine.submit(name, content).result(30)
    with engine.ledger.reading() as session:
        return session.exec(select(Companion).where(Companion.id == its_id)).one()


def waits(engine: Engine, job: Import) -> str | None:
    with engine.ledger.reading() as session:
        found = turn.waits(session, [engine.job(job)], now()).get(job.id)
    return None if found is None else found.reason


def stands(engine: Engine, job: Import) -> tuple[str, str | None]:
    found = engine.job(job)
    return found.status.value, found.reason


def told(engine: Engine, job: Import, status: str, reason: str | None = None) -> bool:
    """Whether the status file comes to say this: it follows the answer."""
    deadline = time.monotonic() + 10
    while (said := engine.report(job).status) and (said["status"], said["reason"]) != (status, reason):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def pass_by(engine: Engine, length: timedelta) -> None:
    """Let time pass for all that waits."""
    with engine.ledger.writing() as session:
        for table, word in ((Import, "due_at"), (Import, "created_at"), (Companion, "landed_at")):
            for row in session.exec(select(table)):
                setattr(row, word, getattr(row, word) - length)
                session.add(row)


def test_a_marker_is_no_import_and_its_file_waits_for_nothing_unless_its_feed_says_so(engine: Engine) -> None:
    marker = beside(engine, "items.csv.done")
    job = engine.drop("items.csv", ITEMS)
    assert engine.work() == 1
    assert stands(engine, job) == ("completed", None)
    assert len(engine.ledger.imports()) == 1
    assert companion.of_import(engine.ledger, job.id)[0].id == marker.id
    assert engine.leftovers() == []


@pytest.mark.parametrize("suffix", [".done", ".fin", ".TRG", ".complete", ".ok"])
def test_an_import_waits_for_its_marker(engine: Engine, suffix: str) -> None:
    feed(engine, complete_on="marker")
    job = engine.drop("goods.csv", ITEMS)
    assert engine.work() == 0
    assert waits(engine, job) == "waits_for_companion"
    assert told(engine, job, "queued", "waits_for_companion")
    assert engine.report(job).status["message"].startswith("It waits for its done-marker, until ")
    assert beside(engine, f"goods{suffix}", "2026-01-01").import_id == job.id
    assert waits(engine, job) is None
    assert told(engine, job, "queued")
    assert engine.work() == 1
    assert engine.report(job).status["outcome"] == "accepted"


def test_a_marker_of_yesterday_vouches_for_no_file_of_today(engine: Engine) -> None:
    feed(engine, complete_on="marker", on_repeated="import")
    beside(engine, "goods.csv.done")
    first = engine.drop("goods.csv", ITEMS)
    assert engine.work() == 1
    second = engine.drop("goods.csv", ITEMS)
    assert engine.work() == 0
    assert [stands(engine, job)[0] for job in (first, second)] == ["completed", "queued"]
    beside(engine, "goods.csv.done")
    assert engine.work() == 1


def test_what_a_folder_watch_took_has_had_its_marker(engine: Engine) -> None:
    feed(engine, complete_on="marker")
    arrival = replace(engine.arrival("goods.csv", ITEMS), origin=Origin.FOLDER)
    engine.intake.submit(arrival).result(30)
    assert engine.work() == 1


@pytest.mark.parametrize("first", ["file", "checksum"])
def test_a_demanded_checksum_may_come_first_or_last(engine: Engine, first: str) -> None:
    feed(engine, reads={"checksum": "any"})
    if first == "checksum":
        beside(engine, "goods.csv.sha256", f"{SHA256}  goods.csv\n")
    job = engine.drop("goods.csv", ITEMS)
    if first == "file":
        assert engine.work() == 0
        beside(engine, "goods.csv.sha256", f"{SHA256} *goods.csv\n")
    assert engine.work() == 1
    assert stands(engine, job) == ("completed", None)


def test_what_never_comes_holds_the_file_and_lets_it_go_when_it_does(engine: Engine) -> None:
    feed(engine, reads={"checksum": "md5", "control": "{stem}.ctl", "wait": "2h"})
    job = engine.drop("goods.csv", ITEMS)
    assert engine.work() == 0
    pass_by(engine, timedelta(hours=2))
    assert engine.work() == 1
    assert stands(engine, job) == ("needs_attention", "companion_missing")
    assert engine.report(job).status["message"] == "It came without its MD5 checksum and its control file"
    beside(engine, "goods.ctl", "rows=2\nsum_price=12.75\n")
    assert engine.work() == 0
    beside(engine, "goods.csv.md5", MD5)
    assert stands(engine, job) == ("queued", None)
    assert told(engine, job, "queued")
    assert engine.work() == 1
    assert stands(engine, job) == ("completed", None)


def test_what_never_comes_can_be_done_without(engine: Engine) -> None:
    feed(engine, reads={"checksum": "md5", "wait": 0})
    job = engine.drop("goods.csv", ITEMS)
    assert engine.work() == 1
    engine.decisions.approve(engine.job(job), engine.drop_of(job))
    assert engine.work() == 1
    assert stands(engine, job) == ("completed", None)


@pytest.mark.parametrize(
    ("name", "content", "reason", "message"),
    [
        ("goods.csv.sha256", OTHER, "checksum_mismatch", f"sha256 {OTHER}, the file has {SHA256}"),
        ("goods.md5", f"MD5 (goods.csv) = {OTHER[:32]}", "checksum_mismatch", f"md5 {OTHER[:32]}, the file has {MD5}"),
        ("goods.csv.md5", "what?", "companion_unreadable", "cannot be used: it has no md5 digest"),
        ("goods.ctl", "rows=1200", "count_mismatch", "The control file goods.ctl says 1200 rows, the file has 2"),
        ("goods.ctl", '{"sum_stock": 8}', "sum_mismatch", "says that stock comes to 8, the file has 7"),
        ("goods.ctl", "rows: 2\nprice: 12.76", "sum_mismatch", "says that price comes to 12.76, the file has 12.75"),
        ("goods.ctl", "sum_weight=3", "sum_mismatch", "comes to 3, the file has no such column of numbers"),
        ("goods.ctl", "file=other.csv", "companion_unreadable", "it is about 'other.csv'"),
        ("goods.ctl", "total=7\nlines=9", "companion_unreadable", "nor a digest, but total, lines"),
        ("goods.ctl", f"md5={OTHER[:32]}", "checksum_mismatch", f"md5 {OTHER[:32]}, the file has {MD5}"),
    ],
)
def test_what_differs_holds_the_file_with_both_numbers_until_it_is_approved(
    engine: Engine, name: str, content: str, reason: str, message: str
) -> None:
    feed(engine, reads={"control": "{stem}.ctl"} if name.endswith(".ctl") else None)
    beside(engine, name, content)
    job = engine.drop("goods.csv", ITEMS)
    assert engine.work() == 1
    assert stands(engine, job) == ("needs_attention", reason)
    assert message in engine.report(job).status["message"]
    assert engine.rows("item") == []
    engine.decisions.approve(engine.job(job), engine.drop_of(job))
    assert engine.work() == 1
    assert stands(engine, job) == ("completed", None)
    assert len(engine.rows("item")) == 2


def test_another_checksum_mends_a_wrong_one(engine: Engine) -> None:
    beside(engine, "items.csv.sha256", OTHER)
    job = engine.drop("items.csv", ITEMS)
    engine.work()
    assert stands(engine, job) == ("needs_attention", "checksum_mismatch")
    beside(engine, "items.csv.sha256", SHA256.upper())
    assert engine.work() == 1
    assert stands(engine, job) == ("completed", None)


def test_refused_rows_count_and_cells_that_are_no_numbers_are_told(engine: Engine) -> None:
    feed(engine, reads={"control": "{stem}.ctl"})
    wrong = "external_id,label,stock,price\nA,,3,12.50\nB,Beta,x,0.25\nB,Beta,4,1\n"
    beside(engine, "goods.ctl", "records=3\nsum_price=13.75\n")
    job = engine.drop("goods.csv", wrong)
    engine.work()
    assert stands(engine, job) == ("completed", None)
    beside(engine, "goods2.ctl", "sum:stock=12")
    job = engine.drop("goods2.csv", wrong)
    engine.work()
    assert "says that stock comes to 12, the file has 7; 1 of its cells are no numbers" in (
        engine.job(job).message or ""
    )


@pytest.mark.parametrize("last", ["TRL|0002|12.75", "TRL|2|12,75\r\n", '"TRL"|"2"|"12.75"\n\n'])
def test_a_trailer_is_no_row_and_is_held_to(engine: Engine, last: str) -> None:
    feed(engine, reads={"trailer": "TRL|{rows}|{sum:price}"})
    table = ITEMS.replace(",", "|")
    job = engine.drop("goods.csv", table + last)
    engine.work()
    assert stands(engine, job) == ("completed", None)
    assert engine.report(job).stats["total_rows"] == 2
    assert engine.report(job).status["warnings"] == []
    short = engine.drop("goods_2.csv", table.replace("B|Beta|4|0.25\n", "") + last)
    engine.work()
    assert stands(engine, short) == ("needs_attention", "count_mismatch")
    assert engine.job(short).message == "The trailer says 2 rows, the file has 1"


def test_an_end_that_is_no_trailer_holds_the_file(engine: Engine) -> None:
    feed(engine, reads={"trailer": "TRL,{rows}"})
    job = engine.drop("goods.csv", ITEMS)
    engine.work()
    assert stands(engine, job) == ("needs_attention", "trailer_missing")
    engine.decisions.approve(engine.job(job), engine.drop_of(job))
    engine.work()
    assert engine.report(job).stats["total_rows"] == 2


def test_a_dry_run_waits_for_nothing_and_is_held_to_what_is_there(engine: Engine) -> None:
    feed(engine, complete_on="marker", reads={"checksum": "any"})
    engine.submit("goods.csv.md5", OTHER[:32], folder="validate").result(30)
    job = engine.drop("goods.csv", ITEMS, folder="validate")
    assert engine.work() == 1
    assert stands(engine, job) == ("needs_attention", "checksum_mismatch")


def test_a_schedule_holds_when_the_marker_has_come(engine: Engine) -> None:
    feed(engine, complete_on="marker", schedule="0 0 1 1 *")
    job = engine.drop("goods.csv", ITEMS)
    beside(engine, "goods.csv.done")
    assert waits(engine, job) == "waits_for_its_time"
    assert engine.job(job).due_at > now()


def test_a_crash_leaves_either_all_of_a_companion_or_nothing(engine: Engine) -> None:
    feed(engine, complete_on="marker")
    job = engine.drop("goods.csv", ITEMS)
    with failing("landing.folder_synced", OSError("power cut")):
        answer = engine.submit("goods.csv.done", b"")
        with pytest.raises(Exception, match="could not be recorded"):
            answer.result(30)
    engine.crash()
    assert waits(engine, job) == "waits_for_companion"
    with failing("landing.committed", OSError("power cut")), pytest.raises(OSError, match="power cut"):
        engine.submit("goods.csv.done", b"").result(30)
    engine.crash()
    # Recorded and believed, though nobody could be told.
    assert engine.work() == 1
    assert stands(engine, job) == ("completed", None)
    assert engine.leftovers() == []


def test_a_burst_of_files_with_their_markers_starts_whole(engine: Engine) -> None:
    feed(engine, complete_on="marker", reads={"checksum": "md5"})
    names = [f"goods_{number}.csv" for number in range(40)]
    answers = []
    for number, name in enumerate(names):
        parts = [(f"{name}.done", ""), (name, ITEMS), (f"{name}.md5", MD5)]
        answers += [engine.submit(*each) for each in (parts if number % 2 else parts[::-1])]
    for answer in answers:
        answer.result(30)
    assert engine.work() == 40
    assert {job.status for job, _ in engine.ledger.imports()} == {Status.COMPLETED}


def test_a_companion_without_its_file_raises_an_alert_and_goes_after_a_week(engine: Engine) -> None:
    beside(engine, "items.csv.done")
    orphan.look(engine.ledger, now())
    assert alerts(engine.ledger) == []
    pass_by(engine, timedelta(hours=2))
    orphan.look(engine.ledger, now())
    orphan.look(engine.ledger, now())
    (alert,) = alerts(engine.ledger)
    assert (alert.kind, alert.message) == (
        "orphan_marker",
        "items.csv.done has come without the file that it is about",
    )
    pass_by(engine, timedelta(days=7))
    orphan.look(engine.ledger, now())
    assert alerts(engine.ledger) == []
    assert companion.lonely(engine.ledger, now(), 10) == []


def test_an_import_takes_its_companions_with_it_and_a_purge_all_of_them(engine: Engine) -> None:
    beside(engine, "items.csv.done")
    engine.drop("items.csv", ITEMS)
    beside(engine, "nothing.csv.md5", MD5)
    engine.work()
    for _ in Purge(engine.ledger, lambda: engine.store, engine.directory, "acme").steps():
        pass
    with engine.ledger.reading() as session:
        assert session.exec(select(Companion)).all() == []


def test_a_feed_that_wants_such_files_gets_them(engine: Engine) -> None:
    feed(engine, pattern="*.ok")
    job = engine.drop("goods.ok", ITEMS)
    engine.work()
    assert stands(engine, job) == ("completed", None)


def test_a_large_file_is_no_companion(engine: Engine) -> None:
    job = engine.drop("items.done", ITEMS + "".join(f"X{number},x,1,1\n" for number in range(10_000)))
    engine.work()
    assert stands(engine, job) == ("completed", None)
