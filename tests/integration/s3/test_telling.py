"""Reports in the bucket: what the outbox says is written back, in order, and again until it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingester.decision import Decisions
from ingester.outbox import status
from tests.integration.s3.desk import ITEMS, Desk
from tests.proxy import Asked
from tests.zipped import zipped

KEY = "in/items.csv"
BAD = ITEMS + "C,,3\n"


def putting(asked: Asked) -> bool:
    return asked.method == "PUT" and "/out/" in asked.path


def told(desk: Desk, short_id: str, name: str = "items.csv") -> dict[str, Any]:
    content: dict[str, Any] = json.loads(desk.bucket.get(f"out/{name}.{short_id}.status.json"))
    return content


def test_status_errors_and_rejects_come_back_below_the_prefix_the_status_last(desk: Desk) -> None:
    inbox = desk.inbox(outbox_prefix="out/")
    desk.bucket.put(KEY, BAD)
    desk.bring(inbox)
    desk.engine.work()
    desk.answer(inbox)
    ((job, _),) = desk.engine.ledger.imports()
    outbox = desk.engine.directory.tenant("acme").outbox
    assert {key.removeprefix("out/"): desk.bucket.get(key) for key in desk.bucket.listed("out/")} == {
        path.name: path.read_bytes() for path in outbox.iterdir()
    }
    content = told(desk, job.short_id)
    assert (content["status"], content["outcome"]) == ("completed", "partial")
    puts = [asked.path.rpartition("/")[2] for asked in desk.proxy.asked if putting(asked)]
    assert puts[-1].endswith(".status.json")
    assert {name for name in content["files"].values() if name} == set(puts[:-1])
    assert len(puts) == 3
    desk.answer(inbox)
    assert len([asked for asked in desk.proxy.asked if putting(asked)]) == 3, "it was told twice"


def test_a_status_never_precedes_the_reports_that_it_names(desk: Desk) -> None:
    inbox = desk.inbox(outbox_prefix="out/")
    desk.bucket.put(KEY, BAD)
    desk.bring(inbox)
    desk.engine.work()
    fault = desk.proxy.break_next(lambda asked: putting(asked) and "rejects" in asked.path, status=403, times=100)
    with pytest.raises(Exception, match="rejects"):
        desk.answer(inbox)
    assert not [key for key in desk.bucket.listed("out/") if "status" in key]
    fault.times = 0
    desk.restart()
    desk.answer(inbox)
    assert len(desk.bucket.listed("out/")) == 3
    assert desk.open_objects() == []


def test_every_change_of_status_is_told(desk: Desk) -> None:
    inbox = desk.inbox(outbox_prefix="out/")
    desk.bucket.put(KEY, ITEMS + 'C,"cut off')
    desk.bring(inbox)
    desk.answer(inbox)
    ((job, _),) = desk.engine.ledger.imports()
    assert told(desk, job.short_id)["status"] == "queued"
    desk.engine.work()
    desk.answer(inbox)
    held = told(desk, job.short_id)
    assert (held["status"], held["reason"]) == ("needs_attention", "possibly_truncated")
    decisions = Decisions(desk.engine.ledger, desk.engine.directory)
    decisions.approve(*desk.engine.ledger.import_(job.id))
    desk.engine.work()
    desk.answer(inbox)
    assert told(desk, job.short_id)["status"] == "completed"
    assert desk.open_objects() == []


def test_a_failed_import_that_is_tried_again_is_told_again(desk: Desk) -> None:
    inbox = desk.inbox(outbox_prefix="out/")
    desk.bucket.put(KEY, "")
    desk.all(inbox)
    ((job, _),) = desk.engine.ledger.imports()
    assert told(desk, job.short_id)["status"] == "failed"
    Decisions(desk.engine.ledger, desk.engine.directory).retry(*desk.engine.ledger.import_(job.id))
    desk.watch.tick()
    desk.watch.stop()
    desk.new_watch()
    desk.answer(inbox)
    assert told(desk, job.short_id)["status"] == "queued"
    desk.engine.work()
    desk.answer(inbox)
    assert told(desk, job.short_id)["status"] == "failed"


def test_what_the_customer_took_from_the_outbox_is_told_from_the_ledger(desk: Desk) -> None:
    inbox = desk.inbox(outbox_prefix="out/")
    desk.bucket.put(KEY, BAD)
    desk.bring(inbox)
    desk.engine.work()
    for path in desk.engine.directory.tenant("acme").outbox.iterdir():
        path.unlink()
    desk.answer(inbox)
    ((job, drop),) = desk.engine.ledger.imports()
    assert told(desk, job.short_id) == json.loads(status.encode(status.document(job, drop)))


def test_drops_of_other_doors_and_other_inboxes_are_not_told(desk: Desk) -> None:
    inbox = desk.inbox(outbox_prefix="out/")
    quiet = desk.inbox("quiet", prefix="quiet/")
    desk.engine.drop("items.csv", ITEMS)
    desk.bucket.put("quiet/items.csv", ITEMS)
    for each in (inbox, quiet):
        desk.all(each)
    assert desk.bucket.listed("out/") == []


def test_what_is_written_back_is_never_brought_in(desk: Desk) -> None:
    inbox = desk.inbox(prefix="", outbox_prefix=None)
    desk.bucket.put("items.csv", ITEMS)
    desk.all(inbox)
    desk.inboxes.remove("acme", "main")
    with pytest.raises(Exception, match="would come back as drops"):
        desk.inbox(prefix="", outbox_prefix="out/")


def test_of_an_archive_everything_about_its_files_is_told_when_it_has_ended(desk: Desk) -> None:
    inbox = desk.inbox(outbox_prefix="out/")
    desk.bucket.put("in/all.zip", zipped({"items.csv": BAD, "items_2.csv": ITEMS}))
    desk.bring(inbox)
    desk.engine.work()
    desk.answer(inbox)
    outbox = desk.engine.directory.tenant("acme").outbox
    assert len(list(outbox.iterdir())) == 5
    assert {key.removeprefix("out/"): desk.bucket.get(key) for key in desk.bucket.listed("out/")} == {
        path.name: path.read_bytes() for path in outbox.iterdir()
    }
