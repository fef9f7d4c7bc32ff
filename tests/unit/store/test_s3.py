"""S3 inboxes and their objects in the ledger, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from ingester.domain.errors import UsageError
from ingester.domain.status import AfterImport, Origin, Status
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Import, S3Inbox, S3Object
from ingester.store.s3_inbox import S3Inboxes
from ingester.store.s3_object import S3Objects
from ingester.store.tenant import Tenants


def inbox(name: str = "main", **words: Any) -> S3Inbox:
    given = {"tenant": "acme", "bucket": "exchange", "prefix": "in/", **words}
    return S3Inbox(name=name, created_at=now(), **given)


def noted(ref: str, inbox_id: int, **words: Any) -> S3Object:
    at = now()
    given = {"key": f"in/{ref}", "etag": '"e"', "last_modified": at, "size": 1, "due_at": at, "created_at": at, **words}
    return S3Object(ref=ref, inbox_id=inbox_id, **given)


def land(ledger: Ledger, ref: str, status: Status) -> None:
    at = now()
    drop = Drop(
        id=ref,
        tenant="acme",
        origin=Origin.S3,
        name=ref,
        size=1,
        sha256="",
        origin_ref=ref,
        location=ref,
        shown_folder="",
        shown_name=ref,
        landed_at=at,
    )
    job = Import(id=ref, short_id=ref, tenant="acme", drop_id=ref, status=status, due_at=at, created_at=at)
    ledger.land([(drop, job)])


@pytest.fixture
def ledger(any_ledger: Ledger) -> Ledger:
    for tenant in ("acme", "zoo"):
        Tenants(any_ledger).add(tenant, ["shop"])
    return any_ledger


def refs(found: Any) -> list[str]:
    return [each.object.ref for each in found]


def test_an_object_goes_from_noted_to_landed_to_settled_and_told(ledger: Ledger) -> None:
    inboxes, objects = S3Inboxes(ledger), S3Objects(ledger)
    inboxes.add(inbox(outbox_prefix="out/"))
    (main,) = inboxes.all()
    assert main.id is not None
    at = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
    objects.note([noted("a", main.id, last_modified=at), noted("b", main.id), noted("c", main.id)])
    standing = objects.standing(["a", "b", "c", "unknown", *(f"more{number}" for number in range(996))])
    assert {ref: each.known for ref, each in standing.items()} == {"a": False, "b": False, "c": False}

    land(ledger, "a", Status.COMPLETED)
    land(ledger, "b", Status.QUEUED)
    assert {ref: each.known for ref, each in objects.standing(["a", "b", "c"]).items()} == {
        "a": True,
        "b": True,
        "c": False,
    }
    assert objects.waiting() == ({main.id}, {main.id})
    (due,) = objects.to_settle(main, 10)
    assert (due.object.ref, due.object.last_modified, due.drop.id, due.job.id) == ("a", at, "a", "a")
    objects.later("a", 0)
    assert objects.to_settle(main, 10) == []
    assert objects.standing(["a"])["a"].tries == 1
    objects.settled(["a"])

    assert refs(objects.to_tell(main, 10)) == ["a", "b"]
    objects.told("a", Status.COMPLETED)
    objects.told("b", Status.QUEUED)
    assert objects.waiting() == (set(), set())
    with ledger.writing() as session:
        session.exec(update(Import).where(col(Import.id) == "b").values(status=Status.FAILED))
    assert refs(objects.to_tell(main, 10)) == ["b"]
    objects.told("b", Status.FAILED)
    with ledger.writing() as session:
        session.exec(update(Import).where(col(Import.id) == "b").values(status=Status.QUEUED))
    assert objects.to_tell(main, 10) == []
    objects.reopen()
    assert refs(objects.to_tell(main, 10)) == ["b"]


def test_what_never_landed_is_forgotten_and_what_did_is_not(ledger: Ledger) -> None:
    inboxes, objects = S3Inboxes(ledger), S3Objects(ledger)
    inboxes.add(inbox())
    (main,) = inboxes.all()
    assert main.id is not None
    long_ago = now() - timedelta(days=2)
    objects.note([noted("gone", main.id, due_at=long_ago), noted("landed", main.id, due_at=long_ago)])
    objects.note([noted("lately", main.id), noted("other", main.id + 1, due_at=long_ago)])
    land(ledger, "landed", Status.QUEUED)
    objects.forget("landed")
    objects.forget_gone(main)
    assert set(objects.standing(["gone", "landed", "lately", "other"])) == {"landed", "lately", "other"}
    objects.forget("lately")
    assert set(objects.standing(["gone", "landed", "lately"])) == {"landed"}


def test_retries_come_less_and_less_often(ledger: Ledger) -> None:
    objects = S3Objects(ledger)
    objects.note([noted("a", 1)])
    delays = [objects.later("a", tries).total_seconds() for tries in (0, 1, 2, 9, 500)]
    assert delays == [5, 10, 20, 2560, 3600]


def test_tagged_uploads_and_versions_are_remembered(ledger: Ledger) -> None:
    objects = S3Objects(ledger)
    main = inbox()
    main.id = 7
    objects.note([noted("a", 7), noted("b", 7), noted("c", 8)])
    objects.settled(["a", "c"])
    assert objects.tagged(main, ["in/a", "in/b", "in/c"]) == {("in/a", '"e"')}
    objects.keep_versions({"a": "v1", "b": "v2"})
    objects.adopt(main, ["c"])
    assert objects.tagged(main, ["in/c"]) == {("in/c", '"e"')}


def test_inboxes_are_kept_listed_and_removed_with_their_tenant(ledger: Ledger) -> None:
    inboxes = S3Inboxes(ledger)
    inboxes.add(inbox(after=AfterImport.MOVE, move_prefix="done/", poll_seconds=7.5))
    inboxes.add(inbox("theirs", tenant="zoo", prefix="zoo/"))
    found = inboxes.get("acme", "main")
    assert (found.after, found.poll_seconds, found.position) == (AfterImport.MOVE, 7.5, None)
    inboxes.keep_position(found, "in/k")
    inboxes.keep_trouble(found, "no way")
    again = inboxes.get("acme", "main")
    assert (again.position, again.trouble, again.trouble_since is None) == ("in/k", "no way", False)
    inboxes.keep_trouble(again, None)
    assert inboxes.get("acme", "main").trouble_since is None
    Tenants(ledger).remove("zoo")
    assert [each.name for each in inboxes.all()] == ["main"]
    assert inboxes.remove("acme", "main") == 0
    with pytest.raises(UsageError, match="has no S3 inbox 'main'"):
        inboxes.get("acme", "main")
    inboxes.add(inbox())
    assert inboxes.get("acme", "main").id != found.id, "an inbox's number is given twice"


SQLITE = pytest.mark.parametrize("any_ledger", ["sqlite"], indirect=True)


@SQLITE
@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"name": "a b"}, "cannot name"),
        ({"bucket": "s3://exchange"}, "not the name of a bucket"),
        ({"bucket": "exchange/in"}, "not the name of a bucket"),
        ({"prefix": "in"}, "not a prefix"),
        ({"prefix": "i\nn/"}, "not a prefix"),
        ({"prefix": "x" * 800 + "/"}, "not a prefix"),
        ({"endpoint_url": "minio:9000"}, "not the address of a server"),
        ({"endpoint_url": "https://user:secret@minio"}, "holds no password"),
        ({"sqs_queue_url": "arn:aws:sqs:x"}, "not the address of a server"),
        ({"access_key_variable": "A"}, "come together"),
        ({"access_key_variable": "A", "secret_key_variable": "B", "profile": "p"}, "not from both"),
        ({"after": AfterImport.MOVE}, "moved to a prefix"),
        ({"move_prefix": "done/"}, "moved to a prefix"),
        ({"poll_seconds": 0.5}, "every 1 to"),
        ({"tenant": "nobody"}, "no tenant"),
        ({"after": AfterImport.MOVE, "move_prefix": "in/done/"}, "come back"),
        ({"after": AfterImport.MOVE, "move_prefix": "in/"}, "come back"),
        ({"outbox_prefix": "in/out/"}, "come back"),
        ({"prefix": "", "outbox_prefix": "out/"}, "come back"),
        ({"prefix": "a/in/", "after": AfterImport.MOVE, "move_prefix": "a/"}, "come back"),
    ],
)
def test_an_inbox_that_makes_no_sense_is_refused(ledger: Ledger, words: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        S3Inboxes(ledger).add(inbox(**words))
    assert S3Inboxes(ledger).all() == []


@SQLITE
@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"prefix": "other/"}, "already"),
        ({"name": "second"}, "crosses"),
        ({"name": "second", "prefix": ""}, "crosses"),
        ({"name": "second", "prefix": "in/sub/", "tenant": "zoo"}, "crosses"),
        ({"name": "second", "prefix": "b/", "outbox_prefix": "in/b/"}, "come back"),
        ({"name": "second", "prefix": "out/"}, "come back"),
    ],
)
def test_an_inbox_that_crosses_another_is_refused(ledger: Ledger, words: dict[str, Any], why: str) -> None:
    inboxes = S3Inboxes(ledger)
    inboxes.add(inbox(outbox_prefix="out/"))
    with pytest.raises(UsageError, match=why):
        inboxes.add(inbox(**words))
    inboxes.add(inbox("elsewhere", bucket="other"))
    inboxes.add(inbox("server", endpoint_url="https://minio.example.com"))
    inboxes.add(inbox("beside", prefix="inbox/", outbox_prefix="out/"))
