"""After the import: what was landed is kept, tagged, moved or deleted, once, and nothing else is touched."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ingester import fault
from ingester.domain.status import Status
from tests.integration.engine.harness import armed
from tests.integration.s3.desk import ITEMS, Desk
from tests.proxy import Asked

KEY = "in/sub/items.csv"
MOVE = {"after": "move", "move_prefix": "done/"}
POLICIES = [{"after": "keep"}, {"after": "tag"}, MOVE, {"after": "delete"}]


def deleting(asked: Asked) -> bool:
    return asked.method == "DELETE"


def short_ids(desk: Desk) -> list[str]:
    return [job.short_id for job, _ in reversed(desk.engine.ledger.imports())]


def assert_settled(desk: Desk, after: str) -> None:
    (short_id,) = short_ids(desk)
    found = {
        "keep": [KEY],
        "tag": [KEY],
        "move": [f"done/sub/items.csv.{short_id}"],
        "delete": [],
    }[after]
    assert [key for key in desk.bucket.listed() if not key.startswith("out/")] == found
    assert desk.open_objects() == []
    if found:
        assert desk.bucket.get(found[0]) == ITEMS.encode()
    if after == "tag":
        assert desk.bucket.tags(KEY)["ingester-status"] == "completed"


@pytest.mark.parametrize("words", POLICIES, ids=lambda words: words["after"])
def test_when_the_import_has_ended_the_object_is_treated_as_its_inbox_says(desk: Desk, words: dict[str, str]) -> None:
    inbox = desk.inbox(**words)
    desk.bucket.put(KEY, ITEMS)
    desk.bring(inbox)
    desk.answer(inbox)
    assert desk.bucket.listed() == [KEY], "its import had not ended"
    assert desk.open_objects() == [KEY]
    desk.engine.work()
    desk.answer(inbox)
    assert_settled(desk, words["after"])
    desk.all(inbox)
    assert desk.landed() == [("", "items.csv")]


@pytest.mark.parametrize(
    ("words", "point"),
    [
        *((MOVE, point) for point in fault.POINTS if point.startswith("s3.")),
        *(({"after": after}, "s3.settled") for after in ("tag", "delete")),
        ({"after": "keep"}, "s3.landed"),
    ],
    ids=str,
)
def test_a_crash_at_any_step_ends_in_the_same_result(desk: Desk, words: dict[str, str], point: str) -> None:
    inbox = desk.inbox(**words, outbox_prefix="out/")
    desk.bucket.put(KEY, ITEMS)
    crashed: list[str] = []

    def crash(name: str) -> None:
        if name == point and not crashed and threading.current_thread() is threading.main_thread():
            crashed.append(name)
            raise SystemExit(point)

    try:
        with armed(crash):
            desk.all(inbox)
    except SystemExit:
        pass
    assert crashed == [point]
    desk.restart()
    inbox = desk.inboxes.get("acme", "main")
    for _ in range(2):
        desk.all(inbox)
    assert len(desk.landed()) == 1
    assert_settled(desk, words["after"])
    assert len([key for key in desk.bucket.listed("out/") if key.endswith(".status.json")]) == 1


@pytest.mark.parametrize("status", [503, 403])
def test_a_deletion_that_fails_after_the_import_is_tried_again_and_imports_nothing_anew(
    desk: Desk, status: int
) -> None:
    inbox = desk.inbox(after="delete")
    desk.bucket.put(KEY, ITEMS)
    fault_ = desk.proxy.break_next(deleting, status=status, times=100)
    desk.all(inbox)
    desk.restart()
    desk.all(inbox)
    assert desk.bucket.listed() == [KEY]
    assert desk.landed() == [("", "items.csv")]
    fault_.times = 0
    desk.answer(inbox)
    assert desk.bucket.listed() == [KEY], "it was tried again at once"
    desk.make_due()
    desk.answer(inbox)
    assert_settled(desk, "delete")


@pytest.mark.parametrize(
    ("words", "same_bytes"),
    [({"after": "tag"}, False), (MOVE, False), (MOVE, True), ({"after": "delete"}, True)],
    ids=str,
)
def test_an_object_that_was_overwritten_since_it_was_landed_is_left_alone_and_landed_anew(
    desk: Desk, words: dict[str, str], same_bytes: bool
) -> None:
    inbox = desk.inbox(**words)
    desk.bucket.put(KEY, ITEMS)
    desk.bucket.age(KEY)
    desk.bring(inbox)
    newer = ITEMS if same_bytes else ITEMS.replace("Alpha", "Omega")
    desk.bucket.put(KEY, newer)
    desk.engine.work()
    desk.answer(inbox)
    assert desk.bucket.listed() == [KEY]
    assert desk.bucket.get(KEY) == newer.encode()
    assert desk.bucket.tags(KEY) == {}
    desk.all(inbox)
    assert len(desk.landed()) == 2
    assert desk.open_objects() == []


def test_an_object_that_is_overwritten_at_the_very_moment_is_not_deleted(desk: Desk) -> None:
    inbox = desk.inbox(after="delete")
    desk.bucket.put(KEY, ITEMS)
    desk.bring(inbox)
    desk.engine.work()
    newer = ITEMS.replace("Alpha", "Omega")
    desk.proxy.break_next(deleting, before=lambda: desk.bucket.put(KEY, newer))
    desk.answer(inbox)
    assert desk.bucket.get(KEY) == newer.encode()


def test_a_server_without_conditional_deletion_deletes_all_the_same(desk: Desk) -> None:
    inbox = desk.inbox(after="delete")
    desk.bucket.put(KEY, ITEMS)
    desk.proxy.break_next(lambda asked: deleting(asked) and "If-Match" in asked.headers, status=501)
    desk.all(inbox)
    assert_settled(desk, "delete")


@pytest.mark.parametrize("words", [MOVE, {"after": "delete"}], ids=lambda words: words["after"])
def test_in_a_bucket_that_keeps_versions_nothing_older_comes_to_light(desk: Desk, words: dict[str, str]) -> None:
    desk.bucket.keep_versions()
    desk.bucket.put(KEY, ITEMS.replace("Alpha", "older"))
    desk.bucket.put(KEY, ITEMS)
    inbox = desk.inbox(**words)
    desk.all(inbox)
    assert_settled(desk, words["after"])
    desk.all(inbox)
    assert len(desk.landed()) == 1
    kept = desk.bucket.client.list_object_versions(Bucket=desk.bucket.name, Prefix=KEY)
    assert (len(kept["Versions"]), len(kept["DeleteMarkers"])) == (2, 1)


def test_tags_of_others_stay(desk: Desk) -> None:
    inbox = desk.inbox(after="tag")
    desk.bucket.put(KEY, ITEMS, Tagging="team=sales")
    desk.all(inbox)
    ((job, _),) = desk.engine.ledger.imports()
    assert desk.bucket.tags(KEY) == {"team": "sales", "ingester-import": job.id, "ingester-status": "completed"}


def test_a_server_whose_objects_look_newer_when_they_are_tagged_does_not_make_us_land_them_for_ever(desk: Desk) -> None:
    inbox = desk.inbox(after="tag")
    desk.bucket.put(KEY, ITEMS)
    desk.bucket.age(KEY, 120)
    desk.all(inbox)
    desk.bucket.age(KEY, -60)
    desk.all(inbox)
    assert len(desk.landed()) == 1
    # The customer's own new upload has no tags.
    desk.bucket.put(KEY, ITEMS)
    desk.all(inbox)
    assert len(desk.landed()) == 2


def test_a_file_that_fails_is_seen_to_as_well(desk: Desk) -> None:
    inbox = desk.inbox(after="tag")
    desk.bucket.put("in/mystery.csv", ITEMS)
    desk.all(inbox)
    assert desk.statuses() == [Status.FAILED]
    assert desk.bucket.tags("in/mystery.csv")["ingester-status"] == "failed"


def test_what_is_moved_never_takes_another_s_place(desk: Desk) -> None:
    inbox = desk.inbox(**MOVE)
    for content in (ITEMS, ITEMS.replace("Alpha", "Omega")):
        desk.bucket.put(KEY, content)
        desk.all(inbox)
    assert sorted(desk.bucket.listed()) == sorted(f"done/sub/items.csv.{short_id}" for short_id in short_ids(desk))


def test_an_inbox_that_was_removed_and_added_again_knows_what_was_landed(desk: Desk) -> None:
    inbox = desk.inbox(after="delete")
    desk.bucket.put(KEY, ITEMS)
    desk.bring(inbox)
    assert desk.inboxes.remove("acme", "main") == 1
    desk.engine.work()
    again = desk.inbox("other", after="delete")
    desk.all(again)
    assert desk.landed() == [("", "items.csv")]
    assert_settled(desk, "delete")


def test_one_object_that_cannot_be_settled_does_not_keep_the_others(desk: Desk) -> None:
    inbox = desk.inbox(after="delete")
    for name in "abcd":
        desk.bucket.put(f"in/items_{name}.csv", ITEMS)
    stuck: Callable[[Asked], bool] = lambda asked: deleting(asked) and "items_b" in asked.path  # noqa: E731 -- short
    desk.proxy.break_next(stuck, status=403, times=100)
    desk.all(inbox)
    assert desk.bucket.listed() == ["in/items_b.csv"]
