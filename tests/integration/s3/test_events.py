"""Notifications: each object once, however often, late, twisted or not at all its event comes."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from urllib.parse import quote_plus

import pytest

from ingester.store.ledger_tables import S3Inbox
from ingester.watch.s3.event import Listener
from tests.integration.s3.desk import ITEMS, Desk
from tests.s3 import Queue, S3Server


@pytest.fixture
def queue(s3_server: S3Server) -> Queue:
    return s3_server.new_queue()


@pytest.fixture
def inbox(desk: Desk, queue: Queue) -> Iterator[S3Inbox]:
    inbox = desk.inbox(sqs_queue_url=queue.url)
    # What a tick would find, without its turns: nothing is listed in these tests unless they do it.
    desk.watch._known.all = {1: inbox}
    return inbox


def event(bucket: str, *keys: str, name: str = "ObjectCreated:Put") -> str:
    return json.dumps(
        {
            "Records": [
                {"eventName": name, "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}}}
                for key in keys
            ]
        }
    )


def receive(desk: Desk, queue: Queue, times: int = 1) -> None:
    listener = Listener(lambda: queue.client, queue.url, lambda *named: desk.watch.see(queue.url, *named), 0)
    for _ in range(times):
        listener.receive(queue.client)


def test_the_server_s_own_notifications_bring_an_object_without_a_listing(
    desk: Desk, queue: Queue, inbox: S3Inbox
) -> None:
    desk.bucket.client.put_bucket_notification_configuration(
        Bucket=desk.bucket.name,
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*"]}]},
    )
    desk.bucket.put("in/items +ü.csv", ITEMS)
    desk.bucket.put("elsewhere/items.csv", ITEMS)
    receive(desk, queue, 3)
    assert desk.landed() == [("", "items +ü.csv")]
    assert len(queue) == 0, "the test event and those of other keys are done with, too"


def test_duplicated_and_reordered_events_are_one_import_each(desk: Desk, queue: Queue, inbox: S3Inbox) -> None:
    names = [f"in/items_{number}.csv" for number in range(4)]
    for name in names:
        desk.bucket.put(name, ITEMS)
    bodies = [event(desk.bucket.name, name) for name in names] * 3 + [event(desk.bucket.name, *names)]
    random.Random(1).shuffle(bodies)
    queue.send(*bodies)
    receive(desk, queue, 4)
    desk.bring(inbox)
    assert sorted(name for _, name in desk.landed()) == [name.removeprefix("in/") for name in names]
    assert len(queue) == 0


def test_a_lost_event_is_made_up_for_by_the_listing(desk: Desk, queue: Queue, inbox: S3Inbox) -> None:
    desk.bucket.put("in/items_a.csv", ITEMS)
    desk.bucket.put("in/items_b.csv", ITEMS)
    queue.send(event(desk.bucket.name, "in/items_b.csv"))
    receive(desk, queue)
    assert desk.landed() == [("", "items_b.csv")]
    desk.bring(inbox)
    assert [name for _, name in desk.landed()] == ["items_b.csv", "items_a.csv"]


def test_events_of_what_is_gone_or_not_ours_or_unreadable_are_done_with_at_once(
    desk: Desk, queue: Queue, inbox: S3Inbox
) -> None:
    desk.bucket.put("in/items.csv.part", ITEMS)
    queue.send(
        event(desk.bucket.name, "in/gone.csv"),
        event("unknown-bucket", "in/items.csv"),
        event(desk.bucket.name, "in/items.csv.part", "in/", "elsewhere/items.csv"),
        event(desk.bucket.name, "in/items.csv", name="ObjectRemoved:Delete"),
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": desk.bucket.name}),
        "garbage {",
        json.dumps({"Records": [{"eventName": None}]}),
        "[]",
        "[" * 10_000,
    )
    receive(desk, queue, 2)
    assert (desk.landed(), len(queue)) == ([], 0)


def test_an_event_whose_object_cannot_be_landed_comes_again_but_not_for_ever(
    desk: Desk, queue: Queue, inbox: S3Inbox
) -> None:
    desk.bucket.put("in/items.csv", ITEMS)
    fault = desk.proxy.break_next(lambda asked: asked.path.endswith("items.csv"), status=403, times=100)
    queue.send(event(desk.bucket.name, "in/items.csv"))
    receive(desk, queue, 4)
    assert len(queue) == 1
    receive(desk, queue)
    assert len(queue) == 0
    fault.times = 0
    desk.make_due()
    desk.bring(inbox)
    assert desk.landed() == [("", "items.csv")]


def test_a_message_that_names_several_is_kept_until_all_have_landed(desk: Desk, queue: Queue, inbox: S3Inbox) -> None:
    desk.bucket.put("in/items_a.csv", ITEMS)
    desk.bucket.put("in/items_b.csv", ITEMS)
    desk.proxy.break_next(lambda asked: asked.path.endswith("items_a.csv"), status=403)
    queue.send(event(desk.bucket.name, "in/items_a.csv", "in/items_b.csv"))
    receive(desk, queue)
    assert (desk.landed(), len(queue)) == ([("", "items_b.csv")], 1)
    desk.make_due()
    receive(desk, queue)
    assert (len(desk.landed()), len(queue)) == (2, 0)


def test_a_listener_waits_for_events_and_ends_when_it_is_told_to(desk: Desk, queue: Queue) -> None:
    desk.inbox(sqs_queue_url=queue.url, poll_seconds=3600)
    desk.watch.tick()
    desk.bucket.put("in/items.csv", ITEMS)
    queue.send(event(desk.bucket.name, "in/items.csv"))
    for _ in range(1000):
        if desk.landed() and len(queue) == 0:
            break
        time.sleep(0.02)
    assert desk.landed() == [("", "items.csv")]
    assert len(queue) == 0
    desk.inboxes.remove("acme", "main")
