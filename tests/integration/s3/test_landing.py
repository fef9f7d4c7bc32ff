"""What is in a bucket is landed once: which objects, as what, in which order, and at which cost."""

from __future__ import annotations

import hashlib
import threading

import pytest
from sqlalchemy import event
from sqlmodel import select

from ingester.domain.status import Origin
from ingester.feed import declare
from ingester.store.ledger_tables import Companion
from tests.integration.s3.desk import ITEMS, Desk


def test_an_object_is_landed_and_imported_like_any_drop(desk: Desk) -> None:
    inbox = desk.inbox()
    desk.bucket.put("in/items.csv", ITEMS)
    desk.bring(inbox)
    ((job, drop),) = desk.engine.ledger.imports()
    assert (drop.origin, drop.name, drop.folder, drop.size) == (Origin.S3, "items.csv", "", len(ITEMS))
    assert drop.sha256 == hashlib.sha256(ITEMS.encode()).hexdigest()
    assert drop.address == f"s3://{desk.bucket.name}/in/items.csv"
    desk.engine.work()
    assert desk.engine.report(job).status["outcome"] == "accepted"
    assert desk.engine.leftovers() == []


def test_what_was_landed_is_known_by_the_next_pass_and_after_a_restart(desk: Desk) -> None:
    inbox = desk.inbox()
    desk.bucket.put("in/items.csv", ITEMS)
    desk.bring(inbox)
    desk.bring(inbox)
    desk.restart()
    desk.bring(inbox)
    assert desk.landed() == [("", "items.csv")]
    assert len(desk.proxy.of("GET", "/in/items.csv")) == 1


def test_other_bytes_and_the_same_bytes_put_again_are_new_drops(desk: Desk) -> None:
    inbox = desk.inbox()
    desk.bucket.put("in/items.csv", ITEMS)
    desk.bucket.age("in/items.csv", 120)
    desk.all(inbox)
    desk.bucket.put("in/items.csv", ITEMS)
    desk.bucket.age("in/items.csv", 60)
    desk.all(inbox)
    desk.bucket.put("in/items.csv", ITEMS + "C,Gamma,3\n")
    desk.all(inbox)
    outcomes = [job.outcome for job, _ in reversed(desk.engine.ledger.imports())]
    assert outcomes == ["accepted", "duplicate", "accepted"]


def test_marks_of_folders_and_unfinished_and_hidden_keys_are_left_alone(desk: Desk) -> None:
    inbox = desk.inbox(after="delete")
    names = [
        "",
        "item/",
        "items.csv.part",
        "items.csv.filepart",
        "items.tmp",
        ".items.csv",
        "items.csv~",
        ".git/items.csv",
    ]
    for name in names:
        desk.bucket.put(f"in/{name}", ITEMS)
    desk.bucket.put("elsewhere/items.csv", ITEMS)
    desk.all(inbox)
    assert desk.landed() == []
    assert len(desk.bucket.listed("in/")) == len(names)


def test_an_object_without_bytes_fails_as_an_empty_file_does(desk: Desk) -> None:
    inbox = desk.inbox()
    desk.bucket.put("in/items.csv")
    desk.all(inbox)
    ((job, _),) = desk.engine.ledger.imports()
    assert (job.status, job.reason) == ("failed", "empty_file")


ODD = {
    "in/item/a.csv": ("item", "a.csv"),
    "in/ITEMS/b.csv": ("ITEMS", "b.csv"),
    "in/item/2026/11/c.csv": ("item", "c.csv"),
    "in/2026/11/items_d.csv": ("", "items_d.csv"),
    "in/validate/items_e.csv": ("validate", "items_e.csv"),
    "in/validate/item/f.csv": ("validate/item", "f.csv"),
    "in/../items_g.csv": ("", "items_g.csv"),
    "in//items_h.csv": ("", "items_h.csv"),
    "in/items_\t\x1b\x7fi.csv": ("", "items____i.csv"),
    "in/items_j +%2F&?#ü 日本.csv": ("", "items_j +%2F&?#ü 日本.csv"),
    "in/items_k\\..\\k.csv": ("", "items_k\\..\\k.csv"),
    f"in/{'x' * 300}/items_{'l' * 600}.csv": ("", f"items_{'l' * 600}.csv"),
    "in/-rf items_m.csv": ("", "-rf items_m.csv"),
    "in/%2e%2e/items_n.csv": ("", "items_n.csv"),
}


def test_keys_of_every_kind_land_where_their_path_and_name_say_and_leave_no_trace_elsewhere(desk: Desk) -> None:
    inbox = desk.inbox(after="delete", outbox_prefix="out/")
    for key in ODD:
        desk.bucket.put(key, ITEMS.replace("Alpha", hashlib.md5(key.encode()).hexdigest()))
    desk.bring(inbox)
    by_address = {drop.address: (drop.folder, drop.name) for drop in desk.drops()}
    assert by_address == {f"s3://{desk.bucket.name}/{key}": where for key, where in ODD.items()}
    desk.engine.work()
    desk.answer(inbox)
    assert desk.bucket.listed("in/") == []
    assert len(desk.bucket.listed("out/")) == len([key for key in desk.bucket.listed() if key.endswith(".status.json")])
    assert len([key for key in desk.bucket.listed("out/") if key.endswith(".status.json")]) == len(ODD)
    root = desk.engine.directory.root
    outside = {path.name for path in root.parent.iterdir()} - {root.name}
    assert outside == set()
    assert all(path.is_relative_to(root) for path in root.rglob("*"))


def test_an_inbox_for_a_type_takes_every_name_for_it(desk: Desk) -> None:
    inbox = desk.inbox(folder="item")
    for name in ("export.csv", "category/x.csv", "validate/y.csv"):
        desk.bucket.put(f"in/{name}", ITEMS)
    desk.bring(inbox)
    assert sorted(desk.landed()) == [("item", "export.csv"), ("item", "x.csv"), ("validate/item", "y.csv")]
    assert {(job.entity, job.dry_run) for job, _ in desk.engine.ledger.imports()} == {("item", False), ("item", True)}


def test_what_was_put_first_is_landed_first(desk: Desk) -> None:
    inbox = desk.inbox()
    for age, name in ((10, "items_c.csv"), (40, "items_b.csv"), (20, "items_a.csv")):
        desk.bucket.put(f"in/{name}", ITEMS)
        desk.bucket.age(f"in/{name}", age)
    desk.bring(inbox)
    assert [name for _, name in desk.landed()] == ["items_b.csv", "items_a.csv", "items_c.csv"]


def test_an_object_that_is_too_large_stays_where_it_is_and_is_not_read(desk: Desk) -> None:
    inbox = desk.inbox()
    desk.new_watch(max_object_bytes=100)
    desk.bucket.put("in/items_large.csv", b"x" * 101)
    desk.bucket.put("in/items_small.csv", ITEMS)
    desk.bring(inbox)
    assert desk.landed() == [("", "items_small.csv")]
    assert desk.proxy.of("GET", "items_large") == []


# --- what it costs ---------------------------------------------------------------------------------------------------


def lists(desk: Desk) -> int:
    return len(desk.proxy.of("GET", "list-type=2"))


def test_a_pass_goes_on_after_a_restart_where_it_was(desk: Desk) -> None:
    inbox = desk.inbox()
    for number in range(5):
        desk.bucket.put(f"in/items_{number}.csv", ITEMS)
    desk.new_watch(page_keys=2)
    assert desk.watch.bring(inbox)
    assert (len(desk.landed()), inbox.position) == (2, "in/items_1.csv")
    desk.restart()
    desk.new_watch(page_keys=2)
    again = desk.inboxes.get("acme", "main")
    desk.bring(again)
    assert [name for _, name in desk.landed()] == [f"items_{number}.csv" for number in range(5)]
    assert lists(desk) == 3
    assert desk.inboxes.get("acme", "main").position is None


def test_what_was_put_before_the_position_is_found_by_the_next_pass(desk: Desk) -> None:
    inbox = desk.inbox()
    desk.new_watch(page_keys=2)
    for name in ("items_d.csv", "items_e.csv", "items_f.csv"):
        desk.bucket.put(f"in/{name}", ITEMS)
    assert desk.watch.bring(inbox)
    desk.bucket.put("in/items_a.csv", ITEMS)
    assert not desk.watch.bring(inbox)
    assert len(desk.landed()) == 3
    desk.bring(inbox)
    assert desk.landed()[-1] == ("", "items_a.csv")


def test_a_page_of_known_objects_is_one_question_to_the_ledger(desk: Desk) -> None:
    inbox = desk.inbox()
    for number in range(20):
        desk.bucket.put(f"in/remarks_{number}.csv", "text\nx\n")
    desk.bring(inbox)
    assert len(desk.landed()) == 20
    asked: list[str] = []
    ours = threading.get_ident()

    def note(*said: object) -> None:
        if threading.get_ident() == ours:
            asked.append(str(said[2]))

    event.listen(desk.engine.ledger.engine, "before_cursor_execute", note)
    desk.bring(inbox)
    assert [statement.split()[0] for statement in asked if "s3_objects" in statement] == ["SELECT", "SELECT"]
    assert len([statement for statement in asked if "IN (" in statement]) == 1


@pytest.mark.alone
def test_a_hundred_thousand_objects_that_were_moved_cost_no_listing(desk: Desk) -> None:
    inbox = desk.inbox(after="move", move_prefix="done/")
    desk.bucket.put("in/items.csv", ITEMS)
    one = desk.bucket.backend.keys["in/items.csv"]
    for number in range(100_000):
        desk.bucket.backend.keys[f"done/items_{number}.csv"] = one
    before = lists(desk)
    desk.all(inbox)
    assert desk.bucket.listed("in/") == []
    desk.bucket.put("in/items_next.csv", ITEMS)
    desk.bring(inbox)
    assert [name for _, name in desk.landed()] == ["items.csv", "items_next.csv"]
    assert lists(desk) - before == 2


def test_markers_and_checksums_in_a_bucket_are_taken_once_and_are_no_imports(desk: Desk) -> None:
    engine = desk.engine
    said = declare(name="goods", entity="item", pattern="goods*", complete_on="marker", reads={"checksum": "md5"})
    engine.tenants.add_feed(said.feed(engine.tenants.get("acme"), engine.rules))
    inbox = desk.inbox(after="delete")
    desk.bucket.put("in/goods.csv.md5", hashlib.md5(ITEMS.encode()).hexdigest())
    desk.bucket.put("in/goods.csv", ITEMS)
    desk.all(inbox)
    assert [status.value for status in desk.statuses()] == ["queued"]
    desk.restart()
    desk.bucket.put("in/goods.csv.done", "")
    desk.all(inbox)
    desk.all(inbox)
    assert desk.landed() == [("", "goods.csv")]
    assert [status.value for status in desk.statuses()] == ["completed"]
    assert desk.open_objects() == []
    assert engine.leftovers() == []
    with engine.ledger.reading() as session:
        assert len(session.exec(select(Companion)).all()) == 2
