"""Who is worked on when: turns begin when they are due, and one inbox's trouble is nobody else's."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from ingester.settings import S3Settings
from ingester.watch.s3.watch import S3Watch
from tests.integration.s3.desk import ITEMS, Desk


def until(desk: Desk, condition: Callable[[], bool], seconds: float = 15) -> None:
    """Tick until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        desk.watch.tick()
        time.sleep(0.02)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("s3-")]


def test_without_inboxes_there_are_no_threads_and_no_boto3() -> None:
    program = """
import json, sys, threading
import ingester.service
from ingester.directory import DataDirectory
from ingester.routing import Router
from ingester.ruleset.model import RuleSet
from ingester.intake import Intake
from ingester.settings import S3Settings
from ingester.store.ledger import Ledger
from ingester.watch.s3.watch import S3Watch
ledger = Ledger.open("sqlite://")
watch = S3Watch(ledger, None, Router(RuleSet({})), None, S3Settings(look_seconds=0.001))
for _ in range(3):
    watch.tick()
watch.stop()
print(json.dumps([len(threading.enumerate()), [name for name in ("boto3", "botocore") if name in sys.modules]]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [1, []]


def test_objects_are_brought_and_answered_for_without_being_asked(desk: Desk) -> None:
    desk.inbox(after="delete", outbox_prefix="out/", poll_seconds=3600)
    desk.bucket.put("in/items.csv", ITEMS)
    until(desk, lambda: bool(desk.landed()))
    desk.engine.work()
    until(desk, lambda: desk.open_objects() == [])
    assert len(desk.bucket.listed("out/")) == 1
    assert desk.bucket.listed("in/") == []


def test_between_two_looks_at_a_bucket_is_the_time_that_its_inbox_says(desk: Desk) -> None:
    desk.inbox(poll_seconds=3600)
    until(desk, lambda: len(desk.proxy.of("GET", "list-type")) == 1)
    for _ in range(20):
        desk.watch.tick()
        time.sleep(0.01)
    assert len(desk.proxy.of("GET", "list-type")) == 1
    assert threads() == []


def test_inboxes_that_come_and_go_are_noticed(desk: Desk) -> None:
    desk.watch.tick()
    desk.bucket.put("in/items.csv", ITEMS)
    desk.inbox(poll_seconds=1)
    until(desk, lambda: bool(desk.landed()))
    desk.inboxes.remove("acme", "main")
    time.sleep(0.1)
    desk.watch.tick()
    desk.bucket.put("in/items_more.csv", ITEMS)
    time.sleep(0.1)
    desk.watch.tick()
    assert threads() == []
    assert len(desk.landed()) == 1


def test_an_inbox_that_does_not_work_says_why_until_it_does_and_keeps_no_other(desk: Desk) -> None:
    broken = desk.inbox("broken", prefix="broken/", poll_seconds=1)
    desk.inbox(poll_seconds=1)
    fault = desk.proxy.break_next(lambda asked: "broken" in asked.path, status=403, times=1000)
    desk.bucket.put("in/items.csv", ITEMS)
    desk.bucket.put("broken/items.csv", ITEMS)
    until(desk, lambda: bool(desk.landed()) and desk.inboxes.get("acme", "broken").trouble is not None)
    said = desk.inboxes.get("acme", "broken")
    assert "bring: ListObjectsV2: 403" in (said.trouble or "")
    assert said.trouble_since is not None
    assert desk.inboxes.get("acme", "main").trouble is None
    fault.times = 0
    until(desk, lambda: desk.inboxes.get("acme", "broken").trouble is None)
    until(desk, lambda: len(desk.landed()) == 2)
    assert broken.trouble is None


def test_credentials_that_are_not_there_are_trouble_and_are_read_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = desk.inbox()
    desk.clients.forget(inbox)
    desk.bucket.put("in/items.csv", ITEMS)
    with monkeypatch.context() as patched:
        patched.delenv("TEST_S3_SECRET")
        until(desk, lambda: desk.inboxes.get("acme", "main").trouble is not None)
        assert "TEST_S3_SECRET is not set" in (desk.inboxes.get("acme", "main").trouble or "")
    until(desk, lambda: bool(desk.landed()))


def test_no_more_inboxes_are_worked_on_at_once_than_the_settings_allow(desk: Desk) -> None:
    for name in "abcdef":
        desk.inbox(name, prefix=f"{name}/", poll_seconds=3600)
        desk.bucket.put(f"{name}/items.csv", ITEMS)
    engine = desk.engine
    settings = S3Settings(look_seconds=0.05, connections=2)
    desk.watch.stop()
    desk.watch = S3Watch(engine.ledger, engine.intake, engine.router, engine.directory, settings, clients=desk.clients)
    most: list[int] = [0]

    def all_landed() -> bool:
        most.append(len(threads()))
        return len(desk.landed()) == 6

    until(desk, all_landed)
    assert max(most) == 2


def test_an_event_and_a_listing_of_the_same_moment_land_an_object_once(desk: Desk) -> None:
    inbox = desk.inbox(sqs_queue_url="http://127.0.0.1:9/queue")
    desk.watch._known.all = {1: inbox}
    desk.bucket.put("in/items.csv", ITEMS)
    both = threading.Barrier(2)
    answers: list[bool] = []

    def meet() -> None:
        both.wait(10)

    desk.proxy.break_next(lambda asked: "list-type" in asked.path, before=meet, times=2)
    see = threading.Thread(
        target=lambda: answers.append(desk.watch.see("http://127.0.0.1:9/queue", desk.bucket.name, "in/items.csv"))
    )
    see.start()
    desk.bring(inbox)
    see.join(20)
    assert desk.landed() == [("", "items.csv")]
    assert len(answers) == 1
