"""A real server on a free port, an owner that lands files in a folder, and clients for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from sftp_server import Account, Event, Folder, Landed, LandingRefused, Limits, Server, Upload


def is_unfinished(name: str) -> bool:
    return name.startswith(".") or name.endswith(("~", ".filepart", ".part", ".tmp"))


@dataclass
class Keeper:
    """An owner that moves what lands into a folder and remembers it."""

    store: Path
    accounts: dict[str, Account]
    drops: list[tuple[Upload, Landed]] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    refusal: str | None = None
    failure: Exception | None = None
    #: Landing waits for it.
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    landing: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def account(self, name: str) -> Account | None:
        return self.accounts.get(name)

    async def land(self, upload: Upload) -> None:
        self.landing.set()
        await self.gate.wait()
        if self.refusal:
            raise LandingRefused(self.refusal)
        if self.failure:
            raise self.failure
        path = self.store / str(len(list(self.store.iterdir())))
        await asyncio.to_thread(self._store, upload.path, path)
        landed = Landed(name=upload.name, size=upload.size, modified_at=datetime.now(UTC), path=path)
        self.drops.append((upload, landed))

    @staticmethod
    def _store(source: Path, target: Path) -> None:
        with source.open("rb") as file:
            os.fsync(file.fileno())
        source.rename(target)

    def _matching(self, account: str, folder: str, name: str | None) -> list[tuple[Upload, Landed]]:
        return [
            drop
            for drop in self.drops
            if (drop[0].account, drop[0].folder) == (account, folder) and name in (None, drop[1].name)
        ]

    async def landed(self, account: str, folder: str, name: str | None = None) -> Sequence[Landed]:
        return [landed for _, landed in self._matching(account, folder, name)]

    async def remove(self, account: str, folder: str, name: str) -> bool:
        matching = self._matching(account, folder, name)
        self.drops = [drop for drop in self.drops if drop not in matching]
        return bool(matching)

    async def rename(self, account: str, folder: str, name: str, new_folder: str, new_name: str) -> bool:
        matching = self._matching(account, folder, name)
        for drop in matching:
            upload, landed = drop
            self.drops.remove(drop)
            moved = Landed(name=new_name, size=landed.size, modified_at=landed.modified_at, path=landed.path)
            values = {key: getattr(upload, key) for key in Upload.__dataclass_fields__}
            self.drops.append((Upload(**{**values, "folder": new_folder, "name": new_name}), moved))
        return bool(matching)

    async def session_opened(self, session: str, account: str) -> None:
        assert account in self.accounts
        self.opened.append(session)

    async def session_closed(self, session: str) -> None:
        self.closed.append(session)

    @property
    def names(self) -> list[str]:
        return [f"{upload.folder}/{upload.name}" for upload, _ in self.drops]


class Raw:
    """SFTP packets sent by hand over a real SSH channel, for what no client library would do."""

    def __init__(self, writer: asyncssh.SSHWriter[bytes], reader: asyncssh.SSHReader[bytes]) -> None:
        self.writer = writer
        self.reader = reader
        self._id = 0

    def send(self, kind: int, body: bytes) -> None:
        self._id += 1
        packet = bytes([kind]) + struct.pack(">I", self._id) + body
        self.writer.write(struct.pack(">I", len(packet)) + packet)

    async def receive(self) -> tuple[int, bytes]:
        """Return the type and what follows the request id."""
        length = struct.unpack(">I", await self.reader.readexactly(4))[0]
        packet = await self.reader.readexactly(length)
        return packet[0], packet[5:]

    async def ask(self, kind: int, body: bytes) -> tuple[int, bytes]:
        self.send(kind, body)
        return await self.receive()

    async def open(self, path: str, flags: int) -> bytes:
        kind, body = await self.ask(3, string(path) + struct.pack(">II", flags, 0))
        assert kind == 102, body
        return body[4:]

    def write(self, handle: bytes, offset: int, data: bytes) -> None:
        self.send(6, string(handle) + struct.pack(">Q", offset) + string(data))


def string(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(data)) + data


@dataclass
class Site:
    """A running server and everything around it."""

    root: Path
    keeper: Keeper
    server: Server
    port: int
    key_path: Path
    events: list[Event]
    stack: contextlib.AsyncExitStack

    @property
    def inbox(self) -> Path:
        return self.root / "tenant" / "inbox"

    @property
    def outbox(self) -> Path:
        return self.root / "tenant" / "outbox"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    def spooled(self) -> list[str]:
        return sorted(path.name for path in self.spool.iterdir())

    def named(self, name: str) -> list[Event]:
        return [event for event in self.events if event.name == name]

    async def connect(self, username: str = "acme", **options: Any) -> asyncssh.SSHClientConnection:
        options = {
            "client_keys": [str(self.key_path)],
            "known_hosts": None,
            "config": None,
            "agent_path": None,
            **options,
        }
        return await self.stack.enter_async_context(
            asyncssh.connect("127.0.0.1", self.port, username=username, **options)
        )

    async def sftp(self, username: str = "acme") -> asyncssh.SFTPClient:
        connection = await self.connect(username)
        return await self.stack.enter_async_context(connection.start_sftp_client())

    async def raw(self, connection: asyncssh.SSHClientConnection | None = None) -> Raw:
        connection = connection or await self.connect()
        writer, reader, _ = await connection.open_session(subsystem="sftp", encoding=None)
        raw = Raw(writer, reader)
        raw.writer.write(struct.pack(">IBI", 5, 1, 3))
        length = struct.unpack(">I", await reader.readexactly(4))[0]
        version = await reader.readexactly(length)
        assert version[:5] == b"\x02\x00\x00\x00\x03"
        return raw

    async def until(self, condition: Callable[[], object], seconds: float = 5) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - conditions span server, owner and file system
                await asyncio.sleep(0.01)


@pytest.fixture(scope="session")
def client_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "id_ed25519"
    key = asyncssh.generate_private_key("ssh-ed25519", comment="test")
    key.write_private_key(path)
    key.write_public_key(path.with_suffix(".pub"))
    path.chmod(0o600)
    return path


@pytest.fixture(scope="session")
def host_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
def limits() -> Limits:
    """Override with `@pytest.mark.parametrize("limits", [Limits(...)])`."""
    return Limits()


@pytest.fixture
async def site(tmp_path: Path, client_key: Path, host_key: asyncssh.SSHKey, limits: Limits) -> AsyncIterator[Site]:
    tenant = tmp_path / "tenant"
    for name in ("inbox", "outbox", "archive"):
        (tenant / name).mkdir(parents=True)
    for name in ("spool", "store"):
        (tmp_path / name).mkdir()
    public = client_key.with_suffix(".pub").read_text().strip()
    folders = {
        "inbox": Folder(
            path=tenant / "inbox",
            upload=True,
            remove=True,
            subfolders=("customer", "validate", "validate/customer"),
        ),
        "outbox": Folder(path=tenant / "outbox", remove=True),
        "archive": Folder(path=tenant / "archive"),
    }
    other = tmp_path / "other"
    other.mkdir()
    accounts = {
        "acme": Account(name="acme", keys=("ssh-ed25519 broken", public), folders=folders),
        "acme0": Account(name="acme0", keys=(public,), folders={"inbox": Folder(path=other, upload=True)}),
    }
    keeper = Keeper(store=tmp_path / "store", accounts=accounts)
    events: list[Event] = []
    server = Server(
        keeper,
        host_keys=[host_key],
        spool=tmp_path / "spool",
        unfinished=is_unfinished,
        on_event=events.append,
        limits=limits,
    )
    port = await server.start()
    async with contextlib.AsyncExitStack() as stack:
        yield Site(tmp_path, keeper, server, port, client_key, events, stack)
        keeper.gate.set()
    await server.stop(5)
    left = [path.name for path in (tmp_path / "spool").iterdir()]
    assert left == [], "something stayed in the spool"
    assert sorted(keeper.opened) == sorted(keeper.closed), "a session was not closed"


@pytest.fixture
def sftp_program() -> str:
    program = shutil.which("sftp")
    if program is None:
        pytest.skip("needs the program sftp (Debian package openssh-client)")
    return program


@pytest.fixture
def run_sftp(sftp_program: str, site: Site) -> Callable[..., Any]:
    """Run a batch of commands with OpenSSH's sftp; returns exit code and output."""

    async def run(*commands: str) -> tuple[int, str]:
        batch = site.root / "batch"
        batch.write_text("\n".join(commands) + "\n")
        process = await asyncio.create_subprocess_exec(
            sftp_program, "-q", "-b", str(batch), "-P", str(site.port), "-i", str(site.key_path), "-F", "none",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes",
            "-o", "IdentityAgent=none", "acme@127.0.0.1",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode is not None
        return process.returncode, output.decode()

    return run
