"""Talking to a service manager: what it hears, when the watchdog is reassured, which sockets are taken over."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingester import supervision
from ingester.domain.errors import ConfigurationError


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What a manager reads from, at either kind of address."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        name = f"@{secrets.token_hex(8)}" if request.param == "abstract" else str(Path(folder, "notify"))
        ear.bind(name.replace("@", "\0", 1))
        ear.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield ear


def test_a_manager_hears_what_is_said_in_one_message(manager: socket.socket) -> None:
    assert supervision.say("READY=1", "STATUS=At work: sftp")
    assert manager.recv(4096) == b"READY=1\nSTATUS=At work: sftp"


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "/nobody/listens", "@nobody-listens"])
def test_without_a_manager_nobody_hears_and_nothing_fails(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not supervision.say("READY=1")


def test_a_manager_that_does_not_read_stops_nothing(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "_PATIENCE_SECONDS", 0.01)
    assert supervision.say("WATCHDOG=1")
    assert not all(supervision.say("WATCHDOG=1") for _ in range(100_000)), "a queue has an end"


async def reassured(manager: socket.socket, *, well: bool, seconds: float = 0.3) -> int:
    """How often the watchdog was reassured."""
    alive = asyncio.create_task(supervision.keep_alive(lambda: well))
    await asyncio.sleep(seconds)
    ended = alive.done()
    alive.cancel()
    await asyncio.gather(alive, return_exceptions=True)
    manager.setblocking(False)
    heard = 0
    while True:
        try:
            assert manager.recv(4096) == b"WATCHDOG=1"
        except BlockingIOError:
            assert not (ended and heard)
            return heard
        heard += 1


@pytest.mark.parametrize("manager", ["abstract"], indirect=True)
async def test_the_watchdog_is_reassured_three_times_in_its_interval_while_all_is_well(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "150000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert 3 <= await reassured(manager, well=True) <= 8
    assert await reassured(manager, well=False) == 0


@pytest.mark.parametrize("manager", ["abstract"], indirect=True)
@pytest.mark.parametrize(("interval", "process"), [("", ""), ("0", ""), ("30000", "1")])
async def test_nobody_is_reassured_who_did_not_ask_this_process(
    interval: str, process: str, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", interval)
    monkeypatch.setenv("WATCHDOG_PID", process or str(os.getpid()))
    assert await reassured(manager, well=True, seconds=0.05) == 0


def hand_over(found: socket.socket, monkeypatch: pytest.MonkeyPatch, *, count: str = "1", process: int = 0) -> None:
    monkeypatch.setattr(supervision, "_FIRST_DESCRIPTOR", os.dup(found.fileno()))
    monkeypatch.setenv("LISTEN_FDS", count)
    monkeypatch.setenv("LISTEN_PID", str(process or os.getpid()))


def test_a_listening_socket_is_taken_over_once_and_by_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        hand_over(listening, monkeypatch)
        found = supervision.listening_socket()
        assert found is not None
        with found:
            assert found.getsockname() == listening.getsockname()
            assert not found.get_inheritable()
            assert not found.getblocking()
        assert "LISTEN_FDS" not in os.environ
        assert supervision.listening_socket() is None


def test_a_socket_for_another_process_or_none_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        hand_over(listening, monkeypatch, process=1)
        assert supervision.listening_socket() is None
        hand_over(listening, monkeypatch, count="0")
        assert supervision.listening_socket() is None


def test_two_sockets_or_one_that_does_not_listen_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as other:
        hand_over(listening, monkeypatch, count="2")
        with pytest.raises(ConfigurationError, match=r"handed over 2 sockets.*one ListenStream="):
            supervision.listening_socket()
        hand_over(other, monkeypatch)
        with pytest.raises(ConfigurationError, match="does not listen"):
            supervision.listening_socket()
