"""What an account sees: the virtual tree, what is where, and that nothing leads out of it."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from sftp_server import Limits
from sftp_server.name import parse


async def put(sftp: asyncssh.SFTPClient, path: str, data: bytes = b"a,b\n1,2\n") -> None:
    async with sftp.open(path, "wb") as file:
        await file.write(data)


async def names(sftp: asyncssh.SFTPClient, path: str) -> list[str]:
    return sorted(str(name) for name in await sftp.listdir(path))


async def test_the_root_shows_the_account_s_folders_and_nothing_else(site: Any) -> None:
    sftp = await site.sftp()
    assert await names(sftp, "/") == ["archive", "inbox", "outbox"]
    assert await sftp.realpath(".") == "/"
    for folder, mode in (("/", 0o555), ("/inbox", 0o755), ("/outbox", 0o755), ("/archive", 0o755)):
        attributes = await sftp.stat(folder)
        assert stat.S_ISDIR(attributes.permissions or 0), folder
        assert (attributes.permissions or 0) & mode & 0o555, folder


async def test_an_inbox_shows_landed_files_files_on_disk_and_virtual_folders(site: Any) -> None:
    (site.inbox / "dropped.csv").write_bytes(b"1")
    (site.inbox / "stray").mkdir()
    sftp = await site.sftp()
    await put(sftp, "/inbox/landed.csv")
    await put(sftp, "/inbox/validate/customer/checked.csv")
    assert await names(sftp, "/inbox") == ["customer", "dropped.csv", "landed.csv", "validate"]
    assert await names(sftp, "/inbox/validate") == ["customer"]
    assert await names(sftp, "/inbox/validate/customer") == ["checked.csv"]
    assert await names(sftp, "/inbox/customer") == []
    assert site.keeper.names == ["inbox/landed.csv", "inbox/validate/customer/checked.csv"]


async def test_a_landed_file_can_be_read_and_described_though_it_lives_elsewhere(site: Any) -> None:
    sftp = await site.sftp()
    await put(sftp, "/inbox/a.csv", b"0123456789")
    assert not (site.inbox / "a.csv").exists()
    attributes = await sftp.stat("/inbox/a.csv")
    assert attributes.size == 10
    assert stat.S_ISREG(attributes.permissions or 0)
    async with sftp.open("/inbox/a.csv", "rb") as file:
        assert await file.read(3, 4) == b"456"
        assert (await file.stat()).size == 10
    assert site.named("download")[0].size == 3


async def test_an_upload_shows_while_it_is_being_written(site: Any) -> None:
    sftp = await site.sftp()
    other = await site.sftp()
    async with sftp.open("/inbox/a.csv", "wb") as file:
        await file.write(b"12345")
        assert (await sftp.stat("/inbox/a.csv")).size == 5
        assert await names(sftp, "/inbox") == ["a.csv", "customer", "validate"]
        assert not await other.exists("/inbox/a.csv")
    assert await other.exists("/inbox/a.csv")


async def test_attributes_set_by_a_client_are_accepted_and_ignored(site: Any) -> None:
    sftp = await site.sftp()
    async with sftp.open("/inbox/a.csv", "wb", asyncssh.SFTPAttrs(permissions=0o4777)) as file:
        await file.setstat(asyncssh.SFTPAttrs(permissions=0o6777, uid=0, gid=0, atime=1, mtime=1))
    await sftp.chmod("/inbox/a.csv", 0o4777)
    await sftp.utime("/inbox/a.csv", (1, 1))
    await sftp.chown("/inbox/a.csv", 0, 0)
    attributes = await sftp.stat("/inbox/a.csv")
    assert attributes.permissions == stat.S_IFREG | 0o644
    assert attributes.uid != 0
    assert (attributes.mtime or 0) > 1_000_000
    with pytest.raises(asyncssh.SFTPPermissionDenied):
        await sftp.truncate("/inbox/a.csv", 3)


async def test_nothing_can_be_written_outside_the_inbox(site: Any) -> None:
    (site.outbox / "report.csv").write_bytes(b"x")
    (site.root / "tenant" / "archive" / "old.csv").write_bytes(b"x")
    sftp = await site.sftp()
    for path in ("/a.csv", "/outbox/a.csv", "/archive/old.csv", "/nowhere/a.csv"):
        with pytest.raises(asyncssh.SFTPPermissionDenied, match="upload into /inbox"):
            await put(sftp, path)
    for path in ("/new", "/outbox/new", "/archive/new", "/inbox/new"):
        with pytest.raises(asyncssh.SFTPPermissionDenied):
            await sftp.mkdir(path)
    with pytest.raises(asyncssh.SFTPFailure, match="exists already"):
        await sftp.mkdir("/inbox/customer")
    for path in ("/outbox/report.csv", "/archive/old.csv"):
        with pytest.raises(asyncssh.SFTPPermissionDenied):
            await sftp.chmod(path, 0o777)
        with pytest.raises(asyncssh.SFTPPermissionDenied):
            await sftp.rename(path, "/inbox/x.csv")
    with pytest.raises(asyncssh.SFTPPermissionDenied):
        await sftp.remove("/archive/old.csv")
    with pytest.raises(asyncssh.SFTPPermissionDenied):
        await sftp.rmdir("/inbox/customer")


async def test_the_outbox_lets_its_files_be_read_and_deleted(site: Any) -> None:
    (site.outbox / "report.csv").write_bytes(b"hello")
    sftp = await site.sftp()
    async with sftp.open("/outbox/report.csv", "rb") as file:
        assert await file.read() == b"hello"
    await sftp.remove("/outbox/report.csv")
    assert not (site.outbox / "report.csv").exists()
    assert [event.path for event in site.named("removed")] == ["/outbox/report.csv"]
    with pytest.raises(asyncssh.SFTPFailure, match="folder"):
        await sftp.remove("/outbox")


async def test_dated_folders_of_the_archive_can_be_listed(site: Any) -> None:
    day = site.root / "tenant" / "archive" / "2026-11-21"
    day.mkdir()
    (day / "a.csv.7f3a9c2e").write_bytes(b"x")
    sftp = await site.sftp()
    assert await names(sftp, "/archive") == ["2026-11-21"]
    assert await names(sftp, "/archive/2026-11-21") == ["a.csv.7f3a9c2e"]
    assert (await sftp.stat("/archive/2026-11-21/a.csv.7f3a9c2e")).size == 1


async def test_opening_a_missing_folder_or_file_says_so_at_once(site: Any) -> None:
    raw = await site.raw()
    for kind, path in ((11, "/outbox/none"), (11, "/inbox/none"), (11, "/none"), (17, "/outbox/none"), (17, "/none")):
        answer, body = await raw.ask(kind, struct.pack(">I", len(path)) + path.encode())
        assert (answer, body[:4]) == (101, b"\0\0\0\2"), path
    sftp = await site.sftp()
    for path in ("/outbox/none", "/inbox/none", "/none", "/inbox/none/a.csv"):
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await sftp.open(path, "rb")


async def test_a_long_listing_comes_complete(site: Any) -> None:
    expected = sorted(f"file{number:04}.csv" for number in range(1000))
    for name in expected:
        (site.outbox / name).touch()
    assert await names(await site.sftp(), "/outbox") == expected


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_an_abandoned_listing_leaves_nothing_open(site: Any) -> None:
    for number in range(300):
        (site.outbox / f"{number}.csv").touch()
    before = open_descriptors()
    connection = await site.connect()
    raw = await site.raw(connection)
    for _ in range(20):
        _, body = await raw.ask(11, struct.pack(">I", 7) + b"/outbox")
        await raw.ask(12, body)
    connection.abort()
    await site.until(lambda: site.named("session_closed"))
    await site.until(lambda: open_descriptors() <= before)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"", ()),
        (b".", ()),
        (b"/", ()),
        (b"//etc/x", ("etc", "x")),
        (b"/../x", ("x",)),
        (b"../../../x", ("x",)),
        (b"/inbox/../../outbox/./a", ("outbox", "a")),
        (b"/inbox//a/", ("inbox", "a")),
        (b"..\\x", ("..\\x",)),
        ("/inbox/Öl ملف.csv".encode(), ("inbox", "Öl ملف.csv")),
    ],
)
def test_a_path_stays_inside_when_parsed(path: bytes, expected: tuple[str, ...]) -> None:
    assert parse(path) == expected


async def test_paths_that_try_to_escape_stay_inside(site: Any) -> None:
    (site.root / "secret.csv").write_bytes(b"secret")
    sftp = await site.sftp()
    for path in (
        "//etc/passwd",
        "/../../etc/passwd",
        "/inbox/../../secret.csv",
        "/outbox/../../secret.csv",
        "../secret.csv",
        f"/{site.root}/secret.csv",
        "/outbox/..\\secret.csv",
        "/acme0/inbox",
    ):
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await sftp.open(path, "rb")
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await sftp.stat(path)
    assert await sftp.realpath("/inbox/../../..") == "/"


async def test_planted_links_and_devices_are_refused_and_not_listed(site: Any) -> None:
    (site.root / "secret.csv").write_bytes(b"secret")
    for folder in (site.outbox, site.inbox):
        (folder / "leaf.csv").symlink_to(site.root / "secret.csv")
        (folder / "way").symlink_to(site.root)
        (folder / "relative.csv").symlink_to("../../secret.csv")
        os.mkfifo(folder / "pipe.csv")
    (site.inbox / "customer").symlink_to(site.root)
    sftp = await site.sftp()
    assert await names(sftp, "/outbox") == []
    assert await names(sftp, "/inbox") == ["customer", "validate"]
    for folder in ("/outbox", "/inbox"):
        for name in ("leaf.csv", "way", "relative.csv", "pipe.csv"):
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await sftp.open(f"{folder}/{name}", "rb")
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await sftp.stat(f"{folder}/{name}")
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await sftp.remove(f"{folder}/{name}")
    for path in ("/outbox/way/secret.csv", "/inbox/customer/secret.csv"):
        with pytest.raises(asyncssh.SFTPPermissionDenied):
            await sftp.open(path, "rb")
    with pytest.raises(asyncssh.SFTPPermissionDenied):
        await put(sftp, "/inbox/customer/new.part")
    assert (site.root / "secret.csv").read_bytes() == b"secret"


async def test_links_copies_and_folder_renames_are_refused(site: Any) -> None:
    sftp = await site.sftp()
    await put(sftp, "/inbox/a.csv")
    with pytest.raises(asyncssh.SFTPOpUnsupported):
        await sftp.symlink("/etc/passwd", "/inbox/link.csv")
    with pytest.raises(asyncssh.SFTPOpUnsupported):
        await sftp.link("/inbox/a.csv", "/inbox/b.csv")
    with pytest.raises(asyncssh.SFTPOpUnsupported):
        await sftp.readlink("/inbox/a.csv")
    for source, target in (("/inbox", "/b"), ("/inbox/customer", "/inbox/b"), ("/archive", "/inbox/archive")):
        with pytest.raises((asyncssh.SFTPFailure, asyncssh.SFTPPermissionDenied)):
            await sftp.rename(source, target)
    raw = await site.raw()
    handle = await raw.open("/inbox/copy.csv", 0x1B)
    raw.write(handle, 0, b"x" * 1000)
    await raw.receive()
    copy = (
        _string(b"copy-data") + _string(handle) + struct.pack(">QQ", 0, 0) + _string(handle) + struct.pack(">Q", 1000)
    )
    assert (await raw.ask(200, copy))[1][:4] == b"\0\0\0\x08"
    hard_link = _string(b"hardlink@openssh.com") + _string(b"/inbox/a.csv") + _string(b"/inbox/b.csv")
    assert (await raw.ask(200, hard_link))[1][:4] == b"\0\0\0\x08"
    assert {event.request for event in site.named("refused")} >= {"symlink", "openssh_link", "readlink", "copy_data"}
    assert not await sftp.exists("/inbox/b.csv")


def _string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (b"a\0b.csv", "control characters"),
        (b"a\nb.csv", "control characters"),
        (b"a\x1b[2J.csv", "control characters"),
        ("a\u0085b.csv".encode(), "control characters"),
        (b"\xff\xfe.csv", "UTF-8"),
        (b"-rf", "must not start with '-'"),
        (b"..\\x.csv", "backslash"),
        (b"x" * 252 + b".csv", "255 bytes"),
    ],
)
async def test_dangerous_names_are_refused_with_a_clear_message(site: Any, name: bytes, message: str) -> None:
    raw = await site.raw()
    path = b"/inbox/" + name
    kind, body = await raw.ask(3, struct.pack(">I", len(path)) + path + struct.pack(">II", 0x1A, 0))
    assert (kind, body[:4]) == (101, b"\0\0\0\4")
    assert message.encode() in body
    (event,) = site.named("refused")
    assert (event.path or "").isprintable()


async def test_a_name_of_255_bytes_and_any_script_is_fine(site: Any) -> None:
    sftp = await site.sftp()
    for name in ("x" * 251 + ".csv", "Kunden Größe ملف 客户 👩‍👧.csv"):
        await put(sftp, f"/inbox/{name}")
        assert name in await names(sftp, "/inbox")


async def test_names_on_disk_that_could_hurt_a_terminal_are_not_listed(site: Any) -> None:
    for name in (b"a\x1b[2J.csv", b"a\nb.csv", b"\xff.csv", b"good.csv"):
        (site.outbox / os.fsdecode(name)).touch()
    assert await names(await site.sftp(), "/outbox") == ["good.csv"]


async def test_one_account_cannot_see_another_whose_name_begins_alike(site: Any) -> None:
    mine, theirs = await site.sftp("acme"), await site.sftp("acme0")
    await put(mine, "/inbox/mine.csv")
    await put(theirs, "/inbox/theirs.csv")
    assert "theirs.csv" not in await names(mine, "/inbox")
    assert await names(theirs, "/inbox") == ["theirs.csv"]
    with pytest.raises(asyncssh.SFTPPermissionDenied):
        await theirs.remove("/inbox/theirs.csv")


@pytest.mark.parametrize("limits", [Limits(handles=3)])
async def test_open_files_of_a_session_are_limited(site: Any) -> None:
    (site.outbox / "a.csv").touch()
    sftp = await site.sftp()
    files = [await sftp.open("/outbox/a.csv", "rb") for _ in range(3)]
    with pytest.raises(asyncssh.SFTPFailure, match="No more than 3"):
        await sftp.open("/outbox/a.csv", "rb")
    await files[0].close()
    await (await sftp.open("/outbox/a.csv", "rb")).close()
    for file in files[1:]:
        await file.close()


async def test_an_error_inside_the_server_does_not_reach_the_client(site: Any) -> None:
    async def broken(*arguments: object) -> Any:
        raise ValueError("the password of the database is hunter2")

    site.keeper.landed = broken
    sftp = await site.sftp()
    with pytest.raises(asyncssh.SFTPFailure) as caught:
        await sftp.stat("/inbox/a.csv")
    assert "hunter2" not in caught.value.reason
    assert site.keeper.opened[0] in caught.value.reason
