"""Stopping: landings under way end and are answered, everything else is abandoned."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncssh
import pytest
from asyncssh.sftp import SFTPServerHandler

from sftp_server import Server, handler


async def test_an_open_upload_is_abandoned(site: Any) -> None:
    sftp = await site.sftp()
    file = await sftp.open("/inbox/a.csv", "wb")
    await file.write(b"half")
    await site.server.stop(5)
    assert (site.keeper.drops, site.spooled()) == ([], [])
    with pytest.raises(asyncssh.SFTPNoConnection):
        await file.write(b"the other half")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", site.port)


async def test_a_landing_under_way_ends_and_is_answered(site: Any) -> None:
    site.keeper.gate.clear()
    sftp = await site.sftp()
    file = await sftp.open("/inbox/a.csv", "wb")
    await file.write(b"whole")
    closing = asyncio.create_task(file.close())
    await asyncio.wait_for(site.keeper.landing.wait(), 5)
    other = await site.sftp()
    stopping = asyncio.create_task(site.server.stop(5))
    await asyncio.sleep(0.05)
    with pytest.raises(asyncssh.SFTPFailure, match="shutting down"):
        await other.open("/inbox/b.csv", "wb")
    site.keeper.gate.set()
    await closing
    await stopping
    assert site.keeper.names == ["inbox/a.csv"]


async def test_a_landing_that_never_ends_does_not_stop_the_shutdown(site: Any) -> None:
    site.keeper.gate.clear()
    sftp = await site.sftp()
    file = await sftp.open("/inbox/a.csv", "wb")
    closing = asyncio.create_task(file.close())
    await asyncio.wait_for(site.keeper.landing.wait(), 5)
    stopping = asyncio.create_task(site.server.stop(0.1))
    with pytest.raises((asyncssh.SFTPError, OSError)):
        await closing
    site.keeper.gate.set()
    await stopping
    await site.until(lambda: site.keeper.closed)


async def test_a_taken_port_is_an_error_at_start(site: Any, host_key: asyncssh.SSHKey) -> None:
    second = Server(
        site.keeper,
        host_keys=[host_key],
        spool=site.spool,
        unfinished=str.isupper,
        on_event=site.events.append,
        port=site.port,
    )
    with pytest.raises(OSError, match="in use"):
        await second.start()
    await second.stop(0)


async def test_an_asyncssh_that_works_differently_stops_the_server_at_start(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncssh, "__version__", "2.25.0")
    with pytest.raises(RuntimeError, match="not known to land files safely"):
        handler.check()
    monkeypatch.undo()
    monkeypatch.delattr(SFTPServerHandler, "_process_close")
    with pytest.raises(RuntimeError, match="_process_close"):
        handler.check()
