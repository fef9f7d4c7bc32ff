"""Waking sleeping workers: a nudge saves a poll, and losing one costs no more than that."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from ingester.wake import Alarm, nudge


@pytest.fixture(params=["short", "long"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of sleepers; the path of the long one is longer than a socket's address may be."""
    path = tmp_path / "wake" if request.param == "short" else tmp_path.joinpath(*["deep" * 12] * 4)
    path.mkdir(parents=True)
    return path


def test_a_nudge_wakes_a_sleeper_at_once(folder: Path) -> None:
    alarm = Alarm(folder, "w1")
    threading.Timer(0.05, nudge, [folder]).start()
    began = time.monotonic()
    assert alarm.wait(20)
    assert time.monotonic() - began < 5
    alarm.close()


def test_a_nudge_before_sleeping_is_not_lost(folder: Path) -> None:
    alarm = Alarm(folder, "w1")
    assert nudge(folder) == 1
    assert alarm.wait(20)
    alarm.close()


def test_nudges_that_pile_up_count_as_one_and_never_block(folder: Path) -> None:
    alarm = Alarm(folder, "w1")
    for _ in range(2000):
        assert nudge(folder) == 1
    assert alarm.wait(20)
    assert not alarm.wait(0.01)
    alarm.close()


def test_everybody_is_woken(folder: Path) -> None:
    alarms = [Alarm(folder, f"w{number}") for number in range(5)]
    assert nudge(folder) == 5
    assert all(alarm.wait(20) for alarm in alarms)
    for alarm in alarms:
        alarm.close()
    assert list(folder.iterdir()) == []


def test_nobody_is_woken_by_nobody(folder: Path, tmp_path: Path) -> None:
    alarm = Alarm(folder, "w1")
    assert not alarm.wait(0.01)
    alarm.close()
    assert nudge(folder) == 0
    assert nudge(tmp_path / "nowhere") == 0


def test_the_socket_of_a_dead_sleeper_is_swept_away(folder: Path) -> None:
    dead, alive = Alarm(folder, "dead"), Alarm(folder, "alive")
    dead._socket.close()
    assert nudge(folder) == 1
    assert [path.name for path in folder.iterdir()] == ["alive"]
    alive.close()
    dead.close()
