"""From the outbox to real receivers: every notification at least once, none too often, none for ever."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import structlog

from ingester.domain.errors import UsageError
from ingester.notify.delivery import backoff
from ingester.notify.event import Event
from ingester.notify.notification import announce
from ingester.notify.send import Sender
from ingester.store.database import now
from ingester.store.tenant import Tenants
from tests.integration.notify.conftest import AT
from tests.receiver import Answer, Receiver

Post = Any


class PowerCut(BaseException):
    """Nothing catches it."""


def test_what_is_announced_is_delivered_once(post: Post, receiver: Receiver) -> None:
    post.add(receiver)
    post.announce()
    assert (post.deliver(), post.deliver(1), post.deliver(600)) == (1, 0, 0)
    (request,), (row,) = receiver.requests, post.rows
    body = json.loads(request.body)
    assert body == {
        "schema": "ingester.notification/1",
        "id": request.headers["webhook-id"],
        "type": "import.failed",
        "timestamp": "2026-11-23T01:30:00.000Z",
        "data": row.content,
    }
    assert (row.id, row.state, row.attempts) == (request.headers["webhook-id"], "sent", 1)


def test_the_same_occasion_is_told_once(post: Post, receiver: Receiver) -> None:
    post.add(receiver)
    told = {"tenant": "acme", "feed": None, "events": (Event.FAILED,), "occasion": "import/1", "content": {}, "at": AT}
    with post.ledger.writing() as session:
        assert announce(session, **told) == 1
        session.flush()
        assert announce(session, **told) == 0
    with post.ledger.writing() as session:
        assert announce(session, **told) == 0
    assert len(post.rows) == 1


def test_what_is_not_committed_is_not_told(post: Post, receiver: Receiver) -> None:
    post.add(receiver)
    with suppress(PowerCut), post.ledger.writing() as session:
        announce(session, tenant="acme", feed=None, events=(Event.FAILED,), occasion="import/1", content={}, at=AT)
        session.flush()
        raise PowerCut
    assert post.rows == []


def test_targets_are_told_of_their_tenant_their_feed_and_their_events(post: Post, receiver: Receiver) -> None:
    with post.ledger.writing() as session:
        from ingester.store.ledger_tables import Feed

        session.add(Feed(tenant="acme", name="crm", catalogue="shop", entity="item", pattern="*", created_at=AT))
    post.add(receiver, "tenants")
    post.add(receiver, "everybodys", tenant="*")
    post.add(receiver, "others", tenant="globex")
    post.add(receiver, "feeds", feed="crm")
    post.targets.add("acme", "late", "mailto:ops@example.com", (Event.LATE,))

    def told(tenant: str, feed: str | None, *events: Event) -> list[str]:
        occasion = f"{tenant}/{feed}/{events}"
        with post.ledger.writing() as session:
            announce(session, tenant=tenant, feed=feed, events=events, occasion=occasion, content={}, at=AT)
        pairs = post.targets.told(None, None, 1000)
        return sorted(target.name for row, target in pairs if row.occasion == occasion)

    assert told("acme", None, Event.FAILED) == ["everybodys", "tenants"]
    assert told("acme", "crm", Event.LATE) == ["everybodys", "feeds", "late", "tenants"]
    assert told("acme", "erp", Event.PARTIAL, Event.COMPLETED) == ["everybodys", "tenants"]
    assert told("globex", None, Event.HELD) == ["everybodys", "others"]
    Tenants(post.ledger).remove("globex")
    assert [target.name for target in post.targets.all("globex")] == ["everybodys"]


def test_what_does_not_go_through_is_tried_later_and_later_under_the_same_id(post: Post, receiver: Receiver) -> None:
    post.add(receiver)
    receiver.answers = [Answer(500), Answer(503)]
    post.announce()
    assert post.deliver() == 0
    assert post.deliver(3.9) == 0
    assert len(receiver.requests) == 1, "after 5 seconds, more or less"
    assert (post.deliver(6.1), len(receiver.requests)) == (0, 2)
    assert post.rows[0].error == "the receiver answered 503"
    assert (post.deliver(6.1 + 7.9), len(receiver.requests)) == (0, 2)
    assert (post.deliver(6.1 + 12.1), len(receiver.requests)) == (1, 3)
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    moments = [int(request.headers["webhook-timestamp"]) for request in receiver.requests]
    assert moments == sorted(set(moments)), "each attempt is of its own time"
    assert [(row.state, row.attempts, row.error) for row in post.rows] == [("sent", 3, None)]


def test_the_wait_doubles_up_to_an_hour_and_is_never_twice_the_same() -> None:
    for attempts, seconds in ((1, 5), (2, 10), (5, 80), (10, 2560), (11, 3600), (200, 3600)):
        waits = [backoff(attempts).total_seconds() for _ in range(20)]
        assert all(0.8 * seconds <= wait <= 1.2 * seconds for wait in waits)
        assert len(set(waits)) > 1


def test_a_receiver_is_left_alone_for_as_long_as_it_says(post: Post, receiver: Receiver) -> None:
    post.add(receiver)
    receiver.answers = [Answer(429, {"Retry-After": "300"}), Answer(429, {"Retry-After": "99999999"})]
    post.announce()
    post.deliver()
    post.deliver(299)
    assert len(receiver.requests) == 1
    post.deliver(301)
    assert len(receiver.requests) == 2
    assert post.deliver(301 + 3601) == 1, "but no longer than an hour"


def test_what_never_goes_through_is_given_up_after_a_day_and_stays_visible(post: Post, receiver: Receiver) -> None:
    post.add(receiver)
    receiver.answers = [Answer(500)] * 1000
    post.announce()
    seconds = 0.0
    while post.states == ["waiting"]:
        post.deliver(seconds)
        seconds = (post.rows[0].due_at - AT).total_seconds()
        assert seconds <= 24 * 3600 + 300
    assert post.states == ["given_up"]
    assert 25 < len(receiver.requests) < 45
    counts, error = post.targets.standing(post.targets.get("acme", "hook"))
    assert (counts["given_up"], error) == (1, "the receiver answered 500")


def test_a_receiver_that_is_gone_is_told_nothing_more_until_it_is_enabled(post: Post, receiver: Receiver) -> None:
    post.add(receiver)
    receiver.answers = [Answer(410)]
    post.announce(3)
    post.deliver(per_minute=1)
    target = post.targets.get("acme", "hook")
    assert target.disabled_at is not None
    assert "410" in target.disabled_reason
    assert "waiting" not in post.states
    post.announce()
    assert len(receiver.requests) == 1
    assert post.deliver(600) == 0
    post.targets.enable("acme", "hook")
    post.announce()
    assert post.deliver(601) == 1


def test_an_address_that_is_out_of_bounds_is_given_up_at_once(post: Post) -> None:
    post.add("https://10.0.0.1/hook", secrets=[f"file:{post.folder / 'key'}"])
    post.guard = type(post.guard)()
    post.announce()
    assert post.deliver() == 0
    assert [(row.state, row.error.split(".")[0:4]) for row in post.rows] == [
        ("given_up", ["10", "0", "0", "1 is not a public address"])
    ]


def test_a_secret_that_is_missing_delays_and_loses_nothing(post: Post, receiver: Receiver) -> None:
    post.add(receiver, secrets=["env:INGESTER_NO_SUCH", f"file:{post.folder / 'later'}"])
    post.announce()
    assert post.deliver() == 0
    assert post.states == ["waiting"]
    assert "the secret env:INGESTER_NO_SUCH is empty" in post.rows[0].error


def test_one_that_does_not_answer_holds_up_nobody_else(post: Post, receiver: Receiver) -> None:
    slow = Receiver().start()
    slow.answers = [Answer(wait=0.5)] * 3
    post.add(slow, "slow")
    post.add(receiver, "quick")
    post.announce(3)
    begun, done = time.monotonic(), []
    watch = threading.Thread(
        target=lambda: (_until(lambda: len(receiver.requests) == 3), done.append(time.monotonic()))
    )
    watch.start()
    assert post.deliver() == 6
    watch.join()
    assert done[0] - begun < 1.0 < time.monotonic() - begun
    slow.stop()


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- crashes and company ---------------------------------------------------------------------------------------------


def test_after_a_crash_while_sending_it_is_sent_again_under_the_same_id(
    post: Post, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.add(receiver)
    post.announce()
    send = Sender.send

    def crash(*arguments: Any) -> None:
        send(*arguments)
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(Sender, "send", crash)
        with pytest.raises(PowerCut):
            post.deliver()
    assert post.deliver(60) == 0, "somebody may still be at it"
    assert post.deliver(301) == 1
    assert [request.headers["webhook-id"] for request in receiver.requests] == [post.rows[0].id] * 2


def test_two_that_deliver_at_once_send_each_once(any_post: Post, receiver: Receiver) -> None:
    post = any_post
    post.add(receiver)
    post.announce(8)
    threads = [threading.Thread(target=post.deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(request.headers["webhook-id"] for request in receiver.requests) == sorted(row.id for row in post.rows)


def test_the_thread_delivers_until_it_is_stopped(post: Post, receiver: Receiver) -> None:
    post.add(receiver)
    delivery = post.delivery()
    delivery.start()
    post.announce(at=now())
    _until(lambda: len(receiver.requests) == 1)
    delivery.stop()
    assert post.states == ["sent"]


# --- storms ----------------------------------------------------------------------------------------------------------


def test_many_events_at_once_are_one_message(any_post: Post, receiver: Receiver) -> None:
    post = any_post
    post.add(receiver)
    post.announce(30)
    post.announce(5, event=Event.HELD)
    assert post.deliver() == 1
    (request,) = receiver.requests
    body = json.loads(request.body)
    assert body["type"] == "digest"
    assert (body["data"]["total"], body["data"]["counts"]) == (35, {"failed": 30, "held": 5})
    assert len(body["data"]["first"]) == 20
    assert body["data"]["first"][0]["about"] == "f0.csv"
    assert post.states.count("folded") == 35
    digest = next(row for row in post.rows if row.event == "digest")
    assert {row.digest_id for row in post.rows if row.state == "folded"} == {digest.id}


def test_a_stream_of_events_is_so_many_messages_a_minute_and_then_a_summary(post: Post, receiver: Receiver) -> None:
    post.add(receiver)
    for second in range(59):
        post.announce(at=AT + timedelta(seconds=second))
        post.deliver(second)
    assert len(receiver.requests) == 10
    for second in range(59, 121):
        post.deliver(second)
    types = [json.loads(request.body)["type"] for request in receiver.requests]
    assert types == ["import.failed"] * 10 + ["digest"]
    assert json.loads(receiver.requests[-1].body)["data"]["total"] == 49


def test_a_summary_that_does_not_go_through_is_tried_again_as_it_was(post: Post, receiver: Receiver) -> None:
    post.add(receiver)
    receiver.answers = [Answer(500)]
    post.announce(30)
    post.deliver()
    post.announce(30)
    post.deliver(70)
    first, *others = receiver.requests
    assert first.headers["webhook-id"] in {request.headers["webhook-id"] for request in others}
    assert next(request.body for request in others if request.headers["webhook-id"] == first.headers["webhook-id"]) == (
        first.body
    )
    assert {"waiting"}.isdisjoint(post.states)
    assert len(receiver.requests) == 3


def test_the_storm_of_one_target_is_not_anothers(post: Post, receiver: Receiver) -> None:
    post.add(receiver, "acmes")
    post.add(receiver, "globexs", tenant="globex")
    post.announce(30)
    post.announce(tenant="globex")
    post.deliver()
    assert sorted(json.loads(request.body)["type"] for request in receiver.requests) == ["digest", "import.failed"]


def test_what_one_target_was_sent_is_not_counted_for_another(post: Post, receiver: Receiver) -> None:
    post.add(receiver, "busy")
    post.announce(10)
    assert post.deliver() == 10
    post.add(receiver, "idle")
    post.announce()
    assert post.deliver(1) == 1


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_what_was_told_is_forgotten_after_a_week_and_what_was_not_after_a_month(post: Post, receiver: Receiver) -> None:
    post.add(receiver)
    post.announce()
    post.deliver()
    receiver.answers = [Answer(410)]
    post.announce(at=AT + timedelta(minutes=2))
    post.deliver(120)
    post.targets.enable("acme", "hook")
    post.announce(at=AT + timedelta(days=40))
    delivery = post.delivery()
    delivery.purge(AT + timedelta(days=6))
    assert post.states == ["sent", "given_up", "waiting"]
    delivery.purge(AT + timedelta(days=8))
    assert post.states == ["given_up", "waiting"]
    delivery.purge(AT + timedelta(days=400))
    assert post.states == ["waiting"]


def test_no_more_are_kept_than_there_is_room_for(
    post: Post, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingester.notify.delivery._MOST_KEPT", 3)
    post.add(receiver)
    for second in range(6):
        post.announce(at=AT + timedelta(seconds=second))
        post.deliver(second)
    post.delivery().purge(AT + timedelta(minutes=1))
    assert len(post.rows) == 3
    assert [row.content["file"]["name"] for row in post.rows] == ["f3.csv", "f4.csv", "f5.csv"]


def test_a_target_that_is_removed_takes_what_waits_for_it_along(post: Post, receiver: Receiver) -> None:
    post.add(receiver)
    post.announce()
    post.targets.remove("acme", "hook")
    assert post.rows == []
    assert post.deliver() == 0


def test_a_target_is_of_a_tenant_and_a_feed_that_there_are(post: Post) -> None:
    for tenant, feed in (("nobody", None), ("acme", "nothing"), ("*", "crm")):
        with pytest.raises(UsageError):
            post.targets.add(tenant, "x", "mailto:ops@example.com", (Event.LATE,), feed=feed)
    post.add("mailto:ops@example.com")
    with pytest.raises(UsageError, match="already"):
        post.add("mailto:ops@example.com")
    with pytest.raises(UsageError, match="is not a name"):
        post.add("mailto:ops@example.com", name="a\nb")


def test_no_secret_is_logged_or_kept_whatever_goes_wrong(post: Post, receiver: Receiver) -> None:
    token = "t0ken"
    url = f"http://hooks.example.com:{receiver.port}/{token}?key={token}"
    receiver.answers = [Answer(500), Answer(410)]
    (post.folder / "url").write_text(url)
    for name, address in (("plain", url), ("kept", f"file:{post.folder / 'url'}"), ("odd", f"https://[{token}/")):
        post.add(address, name, secrets=[f"file:{post.folder / 'key'}"])
    post.announce()
    with structlog.testing.capture_logs() as logs:
        post.deliver()
    assert logs
    said = f"{logs} {[row.error for row in post.rows]} {[each.disabled_reason for each in post.targets.all()]}"
    assert token not in said
    assert "s3cret" not in said
