"""Packets no decent client sends: the server stays up, small and responsive."""

from __future__ import annotations

import asyncio
import os
import random
import struct
import time
from typing import Any

import pytest

from sftp_server import Limits


async def test_a_giant_read_is_clamped_and_does_not_stall_anybody(site: Any) -> None:
    with (site.outbox / "big.bin").open("wb") as file:
        file.truncate(400 << 20)
    raw = await site.raw()
    handle = await raw.open("/outbox/big.bin", 1)
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - before)

    watcher = asyncio.create_task(watch())
    kind, body = await raw.ask(5, struct.pack(">I", len(handle)) + handle + struct.pack(">QI", 0, 400 << 20))
    watcher.cancel()
    assert kind == 103
    assert struct.unpack(">I", body[:4])[0] == Limits().read_bytes == 255 * 1024
    assert longest < 0.1


async def test_a_client_that_asks_for_much_and_reads_nothing_is_held_back(site: Any) -> None:
    with (site.outbox / "big.bin").open("wb") as file:
        file.truncate(400 << 20)
    connection = await site.connect()
    writer, reader, _ = await connection.open_session(subsystem="sftp", encoding=None, window=64 * 1024)
    writer.write(struct.pack(">IBI", 5, 1, 3))
    await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
    path = b"/outbox/big.bin"
    body = struct.pack(">I", len(path)) + path + struct.pack(">II", 1, 0)
    writer.write(struct.pack(">IBI", 5 + len(body), 3, 1) + body)
    handle = (await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big")))[9:]
    for number in range(500):
        offset = number * 255 * 1024
        body = struct.pack(">I", len(handle)) + handle + struct.pack(">QI", offset, 255 * 1024)
        writer.write(struct.pack(">IBI", 5 + len(body), 5, number + 2) + body)
    await asyncio.sleep(0.3)
    connection.abort()
    await site.until(lambda: site.named("download"))
    assert site.named("download")[0].size < 4 << 20


@pytest.mark.parametrize("length", [0, 256 * 1024 + 1, 0x7FFFFFFF, 0xFFFFFFFF])
async def test_an_sftp_packet_of_an_impossible_length_ends_the_session(site: Any, length: int) -> None:
    raw = await site.raw()
    handle = await raw.open("/inbox/a.csv", 0x1A)
    assert handle
    raw.writer.write(struct.pack(">I", length) + b"\x06rest")
    async with asyncio.timeout(5):
        assert await raw.reader.read() == b""
    await site.until(lambda: site.named("abandoned"))


async def test_a_giant_ssh_packet_before_the_login_is_not_buffered(site: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    await reader.readline()
    writer.write(b"SSH-2.0-x\r\n" + struct.pack(">I", 2 << 30) + os.urandom(1 << 16))
    async with asyncio.timeout(5):
        await reader.read()
    writer.close()
    assert await (await site.sftp()).exists("/inbox")


async def test_random_packets_crash_nothing(site: Any) -> None:
    chance = random.Random(7)
    for _ in range(20):
        raw = await site.raw()
        for _ in range(20):
            raw.send(chance.choice([*range(3, 21), 200, 255]), chance.randbytes(chance.randrange(0, 60)))
        raw.writer.write_eof()
        async with asyncio.timeout(5):
            await raw.reader.read()
    assert await (await site.sftp()).exists("/inbox")
    assert site.keeper.drops == []


async def test_closing_before_the_first_packet_leaves_the_connection_alone(site: Any) -> None:
    connection = await site.connect()
    writer, reader, _ = await connection.open_session(subsystem="sftp", encoding=None)
    writer.write_eof()
    assert await reader.read() == b""
    assert await (await connection.start_sftp_client()).exists("/inbox")


async def test_signals_to_the_channel_are_ignored(site: Any) -> None:
    connection = await site.connect()
    writer, reader, _ = await connection.open_session(subsystem="sftp", encoding=None)
    writer.channel.send_signal("TERM")
    writer.channel.send_break(100)
    writer.write(struct.pack(">IBI", 5, 1, 3))
    assert await reader.readexactly(4)


async def test_reading_with_a_write_handle_and_the_reverse_are_answered_sensibly(site: Any) -> None:
    (site.outbox / "a.csv").write_bytes(b"x")
    raw = await site.raw()
    reading = await raw.open("/outbox/a.csv", 1)
    raw.write(reading, 0, b"y")
    assert (await raw.receive())[1][:4] == b"\0\0\0\3"
    writing = await raw.open("/inbox/a.csv", 0x1B)
    raw.write(writing, 0, b"hello")
    await raw.receive()
    kind, body = await raw.ask(5, struct.pack(">I", len(writing)) + writing + struct.pack(">QI", 1, 100))
    assert (kind, body) == (103, struct.pack(">I", 4) + b"ello")
    for kind, argument in ((5, struct.pack(">QI", 1 << 63, 10)), (6, struct.pack(">QI", (1 << 64) - 1, 1) + b"x")):
        answer, body = await raw.ask(kind, struct.pack(">I", len(writing)) + writing + argument)
        assert answer == 101, body
    for forged in (b"", b"\xff" * 4, b"x" * 300):
        assert (await raw.ask(4, struct.pack(">I", len(forged)) + forged))[1][:4] == b"\0\0\0\4"
    assert (site.outbox / "a.csv").read_bytes() == b"x"
