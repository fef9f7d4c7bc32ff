"""The ways an upload can end: only the client's own close, after no failed write, lands a file."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import resource
import socket
import struct
from collections.abc import Iterator
from typing import Any

import asyncssh
import pytest
from asyncssh import constants
from asyncssh.sftp import SFTPServerHandler

from sftp_server import Limits
from sftp_server.handler import Handler
from sftp_server.spool import Spool

WRITE_CREATE_TRUNCATE = 0x02 | 0x08 | 0x10
DATA = os.urandom(300_000)


async def begin(site: Any, raw: Any) -> bytes:
    """Open an upload and have a part of it written."""
    handle: bytes = await raw.open("/inbox/a.csv", WRITE_CREATE_TRUNCATE)
    raw.write(handle, 0, b"x" * 1000)
    assert (await raw.receive())[1][:4] == b"\0\0\0\0"
    assert len(site.spooled()) == 1
    return handle


async def test_a_closed_upload_lands_with_its_size_and_hash(site: Any) -> None:
    sftp = await site.sftp()
    async with sftp.open("/inbox/customer/a.csv", "wb") as file:
        await file.write(DATA)
    ((upload, landed),) = site.keeper.drops
    assert (upload.account, upload.folder, upload.name) == ("acme", "inbox/customer", "a.csv")
    assert (upload.size, upload.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert (upload.session, upload.address) == (site.keeper.opened[0], "127.0.0.1")
    assert landed.path.read_bytes() == DATA
    (event,) = site.named("landed")
    facts = event.facts()
    assert 0 <= facts.pop("seconds") < 60
    assert facts == {
        "session": upload.session,
        "address": "127.0.0.1",
        "account": "acme",
        "path": "/inbox/customer/a.csv",
        "size": len(DATA),
        "sha256": upload.sha256,
    }


async def test_close_and_end_of_file_sent_together_still_land(site: Any) -> None:
    raw = await site.raw()
    handle = await begin(site, raw)
    raw.send(4, struct.pack(">I", len(handle)) + handle)
    raw.writer.write_eof()
    assert (await raw.receive())[1][:4] == b"\0\0\0\0"
    assert site.keeper.names == ["inbox/a.csv"]


async def test_a_close_that_misses_our_handler_lands_nothing(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Handler._packet_handlers, constants.FXP_CLOSE, SFTPServerHandler._process_close)
    raw = await site.raw()
    handle = await begin(site, raw)
    await raw.ask(4, struct.pack(">I", len(handle)) + handle)
    assert (site.keeper.drops, site.spooled()) == ([], [])


async def test_end_of_file_without_close_never_lands(site: Any) -> None:
    raw = await site.raw()
    await begin(site, raw)
    raw.writer.write_eof()
    await site.until(lambda: site.named("abandoned"))
    assert site.keeper.drops == []
    assert site.spooled() == []


async def test_a_closed_channel_never_lands(site: Any) -> None:
    raw = await site.raw()
    await begin(site, raw)
    raw.writer.channel.close()
    await site.until(lambda: site.named("abandoned"))
    assert (site.keeper.drops, site.spooled()) == ([], [])


async def test_a_disconnect_never_lands(site: Any) -> None:
    connection = await site.connect()
    await begin(site, await site.raw(connection))
    connection.disconnect(11, "bye")
    await site.until(lambda: site.named("session_closed"))
    assert (site.keeper.drops, site.spooled()) == ([], [])
    assert site.named("abandoned")[0].reason == "the connection ended before the client closed the file"


async def test_an_aborted_client_never_lands(site: Any) -> None:
    connection = await site.connect()
    await begin(site, await site.raw(connection))
    connection.abort()
    await site.until(lambda: site.named("session_closed"))
    assert (site.keeper.drops, site.spooled()) == ([], [])


async def test_a_reset_tcp_connection_never_lands(site: Any) -> None:
    connection = await site.connect()
    await begin(site, await site.raw(connection))
    sock = connection.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection._transport.abort()
    await site.until(lambda: site.named("session_closed"))
    assert (site.keeper.drops, site.spooled()) == ([], [])


async def test_a_killed_client_never_lands(site: Any, sftp_program: str) -> None:
    source = site.root / "big.csv"
    with source.open("wb") as file:
        file.truncate(1 << 30)
    process = await asyncio.create_subprocess_exec(
        sftp_program, "-q", "-P", str(site.port), "-i", str(site.key_path), "-F", "none", "-l", "80000",
        "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "acme@127.0.0.1",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(f"put {source} /inbox/big.csv\n".encode())
    await site.until(lambda: site.named("upload_started"), 10)
    await asyncio.sleep(0.2)
    process.kill()
    await process.wait()
    await site.until(lambda: site.named("session_closed"))
    assert (site.keeper.drops, site.spooled()) == ([], [])


async def test_the_owner_hears_of_a_session_s_end_only_after_its_landing(site: Any) -> None:
    site.keeper.gate.clear()
    connection = await site.connect()
    raw = await site.raw(connection)
    handle = await begin(site, raw)
    raw.send(4, struct.pack(">I", len(handle)) + handle)
    await asyncio.wait_for(site.keeper.landing.wait(), 5)
    connection.abort()
    await asyncio.sleep(0.1)
    assert site.keeper.closed == []
    site.keeper.gate.set()
    await site.until(lambda: site.keeper.closed)
    assert site.keeper.names == ["inbox/a.csv"]


async def test_a_refused_landing_shows_its_message_to_the_client(site: Any) -> None:
    site.keeper.refusal = "File name does not match any feed: expected customers*.csv"
    sftp = await site.sftp()
    file = await sftp.open("/inbox/a.csv", "wb")
    await file.write(DATA)
    with pytest.raises(asyncssh.SFTPFailure, match=r"expected customers\*\.csv"):
        await file.close()
    assert site.spooled() == []
    assert site.named("abandoned")[0].reason == site.keeper.refusal
    assert not await sftp.exists("/inbox/a.csv")


async def test_a_failed_landing_says_nothing_about_the_inside(site: Any) -> None:
    site.keeper.failure = OSError(errno.EIO, "Input/output error", "/secret/place")
    sftp = await site.sftp()
    file = await sftp.open("/inbox/a.csv", "wb")
    with pytest.raises(asyncssh.SFTPFailure) as caught:
        await file.close()
    assert "not received" in caught.value.reason
    assert "secret" not in caught.value.reason
    assert site.spooled() == []


@pytest.fixture
def small_files() -> Iterator[int]:
    """Let this process write no file beyond 100,500 bytes: the write that crosses it is short, the next one fails."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_500, old[1]))
    yield 100_500
    resource.setrlimit(resource.RLIMIT_FSIZE, old)


async def test_a_short_write_fails_the_upload_and_never_lands(site: Any, small_files: int) -> None:
    raw = await site.raw()
    handle = await raw.open("/inbox/a.csv", WRITE_CREATE_TRUNCATE)
    answers = []
    for offset in range(0, 200_000, 20_000):
        raw.write(handle, offset, b"x" * 20_000)
        answers.append((await raw.receive())[1][:4])
    assert answers == [b"\0\0\0\0"] * 5 + [b"\0\0\0\4"] * 5
    kind, body = await raw.ask(4, struct.pack(">I", len(handle)) + handle)
    assert kind == 101
    assert body[:4] == b"\0\0\0\4"
    assert b"was not received" in body
    assert (site.keeper.drops, site.spooled()) == ([], [])


@pytest.mark.parametrize("limits", [Limits(file_bytes=100_000)])
async def test_a_file_above_the_limit_is_refused_and_never_lands(site: Any) -> None:
    sftp = await site.sftp()
    file = await sftp.open("/inbox/a.csv", "wb")
    with pytest.raises(asyncssh.SFTPFailure, match="larger than 100000 bytes"):
        await file.write(b"x" * 100_001)
    with pytest.raises(asyncssh.SFTPFailure, match="not received"):
        await file.close()
    assert site.keeper.drops == []


@pytest.mark.parametrize("limits", [Limits(file_bytes=100_000)])
async def test_a_huge_truncate_is_refused(site: Any) -> None:
    sftp = await site.sftp()
    file = await sftp.open("/inbox/a.csv", "wb")
    with pytest.raises(asyncssh.SFTPFailure, match="larger than"):
        await file.truncate(4 << 40)
    with pytest.raises(asyncssh.SFTPFailure):
        await file.close()
    assert site.keeper.drops == []


async def test_a_zero_byte_upload_lands(site: Any) -> None:
    sftp = await site.sftp()
    async with sftp.open("/inbox/empty.csv", "wb"):
        pass
    assert site.keeper.drops[0][0].size == 0
    assert site.keeper.drops[0][0].sha256 == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    "order",
    [
        pytest.param([2, 0, 1], id="out of order"),
        pytest.param([0, 1, 1, 2], id="overlapping"),
        pytest.param([0, 1, 2, 0], id="rewritten"),
    ],
)
async def test_the_hash_is_right_whatever_the_order_of_writes(site: Any, order: list[int]) -> None:
    sftp = await site.sftp()
    file = await sftp.open("/inbox/a.csv", "wb")
    for block in order:
        await file.write(DATA[block * 100_000 : (block + 1) * 100_000], block * 100_000)
    await file.close()
    assert site.keeper.drops[0][0].sha256 == hashlib.sha256(DATA).hexdigest()


async def test_the_hash_of_a_large_upload_is_right(site: Any) -> None:
    data = os.urandom(5_300_001)
    sftp = await site.sftp()
    async with sftp.open("/inbox/a.csv", "wb") as file:
        await file.write(data)
    assert site.keeper.drops[0][0].sha256 == hashlib.sha256(data).hexdigest()


async def test_the_hash_is_right_after_truncating(site: Any) -> None:
    sftp = await site.sftp()
    async with sftp.open("/inbox/a.csv", "wb") as file:
        await file.write(DATA)
        await file.truncate(1234)
    upload = site.keeper.drops[0][0]
    assert (upload.size, upload.sha256) == (1234, hashlib.sha256(DATA[:1234]).hexdigest())


async def test_two_handles_on_one_name_are_two_uploads(site: Any) -> None:
    sftp = await site.sftp()
    first = await sftp.open("/inbox/a.csv", "wb")
    second = await sftp.open("/inbox/a.csv", "wb")
    await first.write(b"first")
    await second.write(b"the second")
    await first.close()
    await second.close()
    assert [landed.path.read_bytes() for _, landed in site.keeper.drops] == [b"first", b"the second"]
    assert (await sftp.stat("/inbox/a.csv")).size == 10


async def test_leftovers_of_a_crash_go_at_start_but_not_uploads_of_a_running_server(site: Any) -> None:
    (site.spool / "dead-0-0.writing").write_bytes(b"half")
    (site.spool / "drop").write_bytes(b"somebody else's")
    raw = await site.raw()
    handle = await raw.open("/inbox/a.csv", WRITE_CREATE_TRUNCATE)
    assert Spool(site.spool).remove_leftovers() == 1
    await raw.ask(4, struct.pack(">I", len(handle)) + handle)
    assert site.keeper.names == ["inbox/a.csv"]
    assert site.spooled() == ["drop"]
    (site.spool / "drop").unlink()
