"""Health: what is stuck is told within seconds, and holds one thread, however many ask."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from ingester.monitor import health
from ingester.monitor.health import Health, Unwell
from ingester.monitor.question import Question


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_PATIENCE_SECONDS", 0.2)


def judged(**checks: health.Check) -> tuple[bool, dict[str, object]]:
    judge = Health()
    for name, check in checks.items():
        judge.add(name, check)
    well, document = judge.judge()
    return well, document["checks"]  # type: ignore[return-value]  # as it is written in JSON


def test_all_checks_that_are_well_make_a_well_service() -> None:
    assert judged(one=lambda: "fine") == (True, {"one": {"ok": True, "said": "fine"}})


def test_one_that_is_unwell_or_broken_makes_it_unwell_and_tells_no_secret() -> None:
    def unwell() -> str:
        raise Unwell("no room")

    def broken() -> str:
        raise ValueError("password")

    well, checks = judged(one=lambda: "fine", two=unwell, three=broken)
    assert not well
    assert checks["two"] == {"ok": False, "said": "no room"}
    assert checks["three"] == {"ok": False, "said": "the check failed: ValueError"}


def test_what_is_stuck_is_told_in_time_and_asked_once() -> None:
    release, asked = threading.Event(), []

    def stuck() -> str:
        asked.append(1)
        release.wait(10)
        return "at last"

    judge = Health()
    judge.add("database", stuck)
    judge.add("other", lambda: "fine")
    began, threads = time.monotonic(), threading.active_count()
    for _ in range(3):
        well, document = judge.judge()
        assert not well
        assert "no answer" in str(document)
        assert "fine" in str(document)
    assert time.monotonic() - began < 2
    assert len(asked) == 1
    assert threading.active_count() <= threads + 1
    release.set()
    assert Question(lambda: 1).answer(1) == 1
    while not (found := judge.judge())[0]:
        assert time.monotonic() - began < 5, found


def test_an_answer_is_good_for_a_while_and_an_error_is_not() -> None:
    answers = iter([1, 2, 3])
    fresh = Question(lambda: next(answers), fresh=60)
    assert [fresh.answer(1), fresh.answer(1)] == [1, 1]
    failures = iter([ValueError("first")])

    def fails_once() -> str:
        for error in failures:
            raise error
        return "then not"

    question = Question(fails_once, fresh=60)
    with pytest.raises(ValueError, match="first"):
        question.answer(1)
    assert question.answer(1) == "then not"


async def test_an_event_loop_that_is_stuck_is_told() -> None:
    loop = asyncio.get_running_loop()
    judge = Health()
    judge.add("event_loop", partial(health.event_loop, loop))
    assert (await asyncio.to_thread(judge.judge))[0]
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(judge.judge()[0]))
    thread.start()
    # What must never happen on a loop.
    thread.join(5)
    assert results == [False]


def test_a_landing_thread_that_is_gone_or_stuck_is_told() -> None:
    assert health.landing(lambda: 0.0) == "idle"
    assert health.landing(lambda: 3.0) == "busy for 3.0 s"
    for busy in (None, 500.0):
        with pytest.raises(Unwell):
            health.landing(lambda busy=busy: busy)


def test_a_disk_below_the_floor_is_told(tmp_path: Path) -> None:
    assert "free" in health.disk(tmp_path, 1)
    with pytest.raises(Unwell, match="fewer than"):
        health.disk(tmp_path, 2**62)


def test_host_keys_that_are_gone_or_open_to_others_are_told(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch(mode=0o600)
    assert health.host_keys([key]) == "1 keys"
    key.chmod(0o640)
    with pytest.raises(Unwell, match="open to other users"):
        health.host_keys([key])
    key.unlink()
    with pytest.raises(Unwell, match="No such file"):
        health.host_keys([key])


def test_no_worker_is_told() -> None:
    assert health.workers(lambda: 1, 2) == "1 of 2 are alive"
    with pytest.raises(Unwell):
        health.workers(lambda: 0, 2)
