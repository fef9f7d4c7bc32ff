"""Renaming and deleting in an inbox: unfinished files land when they get their final name."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import asyncssh
import pytest


async def put(sftp: asyncssh.SFTPClient, path: str, data: bytes = b"data") -> None:
    async with sftp.open(path, "wb") as file:
        await file.write(data)


async def test_an_unfinished_file_is_kept_and_lands_when_it_is_renamed(site: Any) -> None:
    sftp = await site.sftp()
    await put(sftp, "/inbox/customer/a.csv.filepart", b"hello")
    assert site.keeper.drops == []
    assert (site.inbox / "customer" / "a.csv.filepart").read_bytes() == b"hello"
    assert (await sftp.stat("/inbox/customer/a.csv.filepart")).size == 5
    await sftp.rename("/inbox/customer/a.csv.filepart", "/inbox/customer/a.csv")
    ((upload, landed),) = site.keeper.drops
    assert (upload.folder, upload.name, upload.size) == ("inbox/customer", "a.csv", 5)
    assert upload.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert landed.path.read_bytes() == b"hello"
    assert list((site.inbox / "customer").iterdir()) == []
    assert [event.name for event in site.events][1:] == ["upload_started", "kept", "landed", "renamed"]


async def test_a_refused_landing_by_rename_leaves_the_unfinished_file(site: Any) -> None:
    sftp = await site.sftp()
    await put(sftp, "/inbox/a.csv.part", b"hello")
    site.keeper.refusal = "The quota is used up"
    with pytest.raises(asyncssh.SFTPFailure, match="The quota is used up"):
        await sftp.rename("/inbox/a.csv.part", "/inbox/a.csv")
    assert (site.inbox / "a.csv.part").read_bytes() == b"hello"
    assert site.spooled() == []
    site.keeper.refusal = None
    await sftp.rename("/inbox/a.csv.part", "/inbox/a.csv")
    assert site.keeper.names == ["inbox/a.csv"]


async def test_two_renames_of_one_unfinished_file_land_it_once(site: Any) -> None:
    first, second = await site.sftp(), await site.sftp()
    await put(first, "/inbox/a.csv.part")
    site.keeper.gate.clear()
    landing = asyncio.create_task(first.rename("/inbox/a.csv.part", "/inbox/a.csv"))
    await asyncio.wait_for(site.keeper.landing.wait(), 5)
    with pytest.raises(asyncssh.SFTPFailure, match="already"):
        await second.rename("/inbox/a.csv.part", "/inbox/b.csv")
    site.keeper.gate.set()
    await landing
    with pytest.raises(asyncssh.SFTPNoSuchFile):
        await second.rename("/inbox/a.csv.part", "/inbox/b.csv")
    assert site.keeper.names == ["inbox/a.csv"]


async def test_an_unfinished_file_can_be_overwritten_continued_renamed_and_deleted(site: Any) -> None:
    sftp = await site.sftp()
    await put(sftp, "/inbox/a.part", b"one")
    await put(sftp, "/inbox/a.part", b"two")
    async with sftp.open("/inbox/a.part", "ab") as file:
        await file.write(b" and three")
    assert (site.inbox / "a.part").read_bytes() == b"two and three"
    await sftp.rename("/inbox/a.part", "/inbox/b.part")
    await put(sftp, "/inbox/c.part")
    with pytest.raises(asyncssh.SFTPFailure, match="exists already"):
        await sftp.rename("/inbox/b.part", "/inbox/c.part")
    await sftp.posix_rename("/inbox/b.part", "/inbox/c.part")
    await sftp.remove("/inbox/c.part")
    assert list(site.inbox.iterdir()) == []
    assert site.keeper.drops == []


async def test_a_continued_unfinished_file_lands_whole(site: Any) -> None:
    sftp = await site.sftp()
    await put(sftp, "/inbox/a.part", b"x" * 100_000)
    async with sftp.open("/inbox/a.part", "ab") as file:
        await file.write(b"y" * 100_000)
    await sftp.rename("/inbox/a.part", "/inbox/a.csv")
    assert site.keeper.drops[0][0].sha256 == hashlib.sha256(b"x" * 100_000 + b"y" * 100_000).hexdigest()


async def test_a_landed_file_is_renamed_by_the_owner(site: Any) -> None:
    sftp = await site.sftp()
    await put(sftp, "/inbox/a.csv")
    await put(sftp, "/inbox/b.csv")
    await sftp.rename("/inbox/a.csv", "/inbox/customer/c.csv")
    assert site.keeper.names == ["inbox/b.csv", "inbox/customer/c.csv"]
    with pytest.raises(asyncssh.SFTPFailure, match="exists already"):
        await sftp.rename("/inbox/b.csv", "/inbox/customer/c.csv")
    await sftp.posix_rename("/inbox/b.csv", "/inbox/customer/c.csv")
    with pytest.raises(asyncssh.SFTPFailure, match="unfinished"):
        await sftp.rename("/inbox/customer/c.csv", "/inbox/c.part")
    with pytest.raises(asyncssh.SFTPNoSuchFile):
        await sftp.rename("/inbox/none.csv", "/inbox/d.csv")
    with pytest.raises(asyncssh.SFTPFailure, match="must not start"):
        await sftp.rename("/inbox/customer/c.csv", "/inbox/-rf")


async def test_a_landed_file_is_deleted_by_the_owner(site: Any) -> None:
    sftp = await site.sftp()
    await put(sftp, "/inbox/a.csv")
    await sftp.remove("/inbox/a.csv")
    assert site.keeper.drops == []
    with pytest.raises(asyncssh.SFTPNoSuchFile):
        await sftp.remove("/inbox/a.csv")
    assert len(site.named("removed")) == 1


async def test_uploading_a_landed_name_again_is_a_new_drop(site: Any) -> None:
    sftp = await site.sftp()
    await put(sftp, "/inbox/a.csv", b"old")
    await put(sftp, "/inbox/a.csv", b"newer")
    assert [upload.size for upload, _ in site.keeper.drops] == [3, 5]
    async with sftp.open("/inbox/a.csv", "rb") as file:
        assert await file.read() == b"newer"
    with pytest.raises(asyncssh.SFTPFailure, match="upload it again as a whole"):
        await sftp.open("/inbox/a.csv", "ab")


async def test_a_file_waiting_on_disk_can_be_read_and_deleted_but_not_renamed(site: Any) -> None:
    (site.inbox / "drop.csv").write_bytes(b"hello")
    sftp = await site.sftp()
    async with sftp.open("/inbox/drop.csv", "rb") as file:
        assert await file.read() == b"hello"
    with pytest.raises(asyncssh.SFTPFailure, match="picked up"):
        await sftp.rename("/inbox/drop.csv", "/inbox/b.csv")
    await sftp.remove("/inbox/drop.csv")
    assert list(site.inbox.iterdir()) == []


async def test_an_upload_that_is_deleted_while_it_is_written_does_not_land(site: Any) -> None:
    sftp = await site.sftp()
    file = await sftp.open("/inbox/a.csv", "wb")
    await file.write(b"x")
    with pytest.raises(asyncssh.SFTPFailure, match="still being uploaded"):
        await sftp.rename("/inbox/a.csv", "/inbox/b.csv")
    await sftp.remove("/inbox/a.csv")
    assert not await sftp.exists("/inbox/a.csv")
    with pytest.raises(asyncssh.SFTPFailure, match="deleted"):
        await file.close()
    assert (site.keeper.drops, site.spooled()) == ([], [])
