"""`make bench-sftp`: our SFTP server against OpenSSH's, same client, same machine, one after the other in every round.

Ours hashes each file, syncs it and records it before it answers; sshd does none of it.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import asyncssh

from tests.benchmarks import table
from tests.benchmarks.claim import Claim, faster
from tests.benchmarks.exchange import Exchange
from tests.benchmarks.figure import Figure, Figures, Ref, percentile
from tests.benchmarks.measure import REPOSITORY
from tests.benchmarks.sshd import sshd
from tests.postgres import shared_server
from tests.process import memory

_RACE = "SFTP"
_OURS, _SSHD = "ours", "sshd"
UPLOAD, UPLOAD_GCM, PARALLEL = "upload", "upload, aes128-gcm", "four uploads at once"
DOWNLOAD, MANY, MANY_BY_EIGHT = "download", "many small files, put -r", "many small files, eight clients"
LOGINS, SESSION_BYTES, LATE_LOGIN, STALL = "logins", "idle session", "login beside idle sessions", "slowest answer"
_AT_ONCE = 20

Tell = Callable[[str], None]


def _than_sshd(what: str, lap: str, least: float, stretch: float | None = None) -> Claim:
    """At least so many times as fast as sshd."""
    limit = None if stretch is None else 1 / stretch
    return faster(what, Ref(_RACE, _OURS, lap), Ref(_RACE, _SSHD, lap), 1 / least, limit)


def _slowest(what: str, lap: str, seconds: float) -> Claim:
    return Claim(what, partial(percentile, ref=Ref(_RACE, _OURS, lap), share=1.0), seconds, shown="{:.3f} s")


CLAIMS = (
    _than_sshd("one upload, the client's default cipher: time, at most 1/0.85 of sshd's", UPLOAD, 0.85, 1.0),
    _than_sshd("one upload, aes128-gcm: at most 1/0.75", UPLOAD_GCM, 0.75, 1.0),
    _than_sshd("four uploads at once: at most sshd's", PARALLEL, 1.0, 1.2),
    _than_sshd("one download: at most 1/0.9", DOWNLOAD, 0.9),
    _than_sshd("2,000 files of 1 KB, one client: at most 1/0.2", MANY, 0.2, 0.4),
    _than_sshd("2,000 files of 1 KB, eight clients: at most 1/0.5", MANY_BY_EIGHT, 0.5, 1.0),
    _than_sshd("logins, 20 at a time: at most 1/1.5", LOGINS, 1.5),
    Claim("an idle session: KB", lambda figures: figures[Ref(_RACE, _OURS, SESSION_BYTES)].peak / 1e3, 30,
          shown="{:.1f} KB"),
    _slowest("a login beside idle sessions", LATE_LOGIN, 0.2),
    _slowest("the slowest answer to somebody else during all this", STALL, 0.1),
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A server to upload to, as the OpenSSH client names it."""

    name: str
    login: str
    port: int
    key: Path
    known_hosts: Path
    #: Where files go. Nothing is removed between the rounds.
    folder: str

    def flags(self) -> list[str]:
        """Options of `sftp`."""
        settings = (
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=no",
            f"UserKnownHostsFile={self.known_hosts}",
            "LogLevel=ERROR",
        )
        return ["-F", "none", *(part for setting in settings for part in ("-o", setting)), "-i", str(self.key)]

    def batch(self, *commands: str, options: Sequence[str] = ()) -> None:
        """Run OpenSSH `sftp` with these commands."""
        command = ["sftp", "-q", "-b", "-", "-P", str(self.port), *options, *self.flags(), f"{self.login}@127.0.0.1"]
        done = subprocess.run(command, input="\n".join(commands) + "\n", capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{self.name}: {commands[:2]}: {done.stderr[-2000:]}"


@contextmanager
def _places(scratch: Path) -> Iterator[tuple[Exchange, list[Place]]]:
    service = Exchange(scratch / "service", None)
    service.scratch.mkdir()
    service.start()
    try:
        (tenant,) = service.add_tenants(1)
        # What is measured is the way in: imports would take the processor from whoever comes second.
        service.run("tenant", "pause", tenant.name)
        folder = scratch / "sshd"
        folder.mkdir()
        with sshd(scratch, tenant.key.with_suffix(".pub")) as port:
            hosts = scratch / "known_hosts"
            yield (
                service,
                [
                    Place(_SSHD, getpass.getuser(), port, tenant.key, hosts, str(folder)),
                    Place(_OURS, tenant.name, service.port, tenant.key, hosts, "/inbox"),
                ],
            )
    finally:
        service.kill()


class Race:
    """Laps, each run by both servers in turn, `rounds` times."""

    def __init__(self, places: Sequence[Place], source: Path, rounds: int, megabytes: int, files: int) -> None:
        self.places = places
        self.figures: Figures = {}
        self._rounds = rounds
        self._round = 0
        self._down = "customers_down.csv"
        self._files = files
        self._big = source / "big.csv"
        with self._big.open("wb") as out:
            block = os.urandom(1 << 20)
            for _ in range(megabytes):
                out.write(block)
        self._small = source / "small"
        self._small.mkdir()
        for part in range(8):
            (self._small / str(part)).mkdir()
        for number in range(files):
            content = f"external_id,name\nT{number},Territory\n".encode().ljust(1024, b"\n")
            (self._small / str(number % 8) / f"territory_{number}.csv").write_bytes(content)

    def run(self, tell: Tell, only: str) -> None:
        """All laps."""
        laps: dict[str, Callable[[Place], None]] = {
            UPLOAD: lambda place: self._upload(place),
            UPLOAD_GCM: lambda place: self._upload(place, "-c", "aes128-gcm@openssh.com"),
            PARALLEL: self._parallel,
            DOWNLOAD: self._download,
            MANY: self._many,
            MANY_BY_EIGHT: self._many_by_eight,
            LOGINS: self._logins,
        }
        for lap, work in laps.items():
            if only not in lap:
                continue
            tell(lap)
            seconds: dict[str, list[float]] = {place.name: [] for place in self.places}
            for _ in range(self._rounds):
                self._round += 1
                for place in self.places:
                    os.sync()  # What one server left unwritten is not for the next to wait for.
                    began = time.perf_counter()
                    work(place)
                    seconds[place.name].append(time.perf_counter() - began)
            for name, took in seconds.items():
                ref = Ref(_RACE, name, lap)
                self.figures[ref] = Figure(ref, self._files, took, [0])
            tell(", ".join(f"{name} {statistics.median(took):.2f} s" for name, took in seconds.items()))

    def _name(self, number: int = 0) -> str:
        return f"customers_{self._round}_{number}.csv"

    def _upload(self, place: Place, *options: str) -> None:
        place.batch(f"put {self._big} {place.folder}/{self._name()}", options=options)

    def _parallel(self, place: Place) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: place.batch(f"put {self._big} {place.folder}/{self._name(n)}"), range(4)))

    def _download(self, place: Place) -> None:
        place.batch(f"get {place.folder}/{self._down} /dev/null")

    def prepare_download(self) -> None:
        """A file that both have."""
        for place in self.places:
            place.batch(f"put {self._big} {place.folder}/{self._down}")

    def _many(self, place: Place) -> None:
        place.batch(*(f"put {self._small}/{part}/* {place.folder}/" for part in range(8)))

    def _many_by_eight(self, place: Place) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda part: place.batch(f"put {self._small}/{part}/* {place.folder}/"), range(8)))

    def _logins(self, place: Place) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda _: place.batch("pwd"), range(200)))


class Watch:
    """Somebody else, logged in, asks for something small again and again; how long the slowest answer took."""

    def __init__(self, place: Place) -> None:
        self.slowest = 0.0
        self._place = place
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    async def _ask(self) -> None:
        async with _login(self._place) as connection, connection.start_sftp_client() as client:
            while not self._over.is_set():
                began = time.perf_counter()
                await client.realpath(".")
                self.slowest = max(self.slowest, time.perf_counter() - began)
                await asyncio.sleep(0.01)


def _login(place: Place) -> asyncssh.misc._ACMWrapper[asyncssh.SSHClientConnection]:
    return asyncssh.connect(
        "127.0.0.1", place.port, username=place.login, client_keys=[str(place.key)], known_hosts=None, config=None
    )


async def _idle(place: Place, leader: int, sessions: int) -> Figures:
    """What so many idle sessions hold, and how long one more takes to log in."""
    before, held = memory(leader), []
    for _ in range(sessions // _AT_ONCE):
        opened = await asyncio.gather(*(_login(place) for _ in range(_AT_ONCE)))
        held.extend([(connection, await connection.start_sftp_client()) for connection in opened])
    each = (memory(leader) - before) // len(held)
    took = []
    for _ in range(10):
        began = time.perf_counter()
        async with _login(place) as connection:
            await connection.start_sftp_client()
            took.append(time.perf_counter() - began)
    for connection, client in held:
        client.exit()
        connection.close()
    size, late = Ref(_RACE, _OURS, SESSION_BYTES), Ref(_RACE, _OURS, LATE_LOGIN)
    return {size: Figure(size, len(held), [1.0], [each]), late: Figure(late, 1, took, [0])}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure our SFTP server against OpenSSH's.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--only", default="", help="part of a lap's name")
    parser.add_argument("--json", type=Path, default=REPOSITORY / "build" / "bench-sftp.json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        (scratch / "source").mkdir()
        with _places(scratch) as (service, places):
            race = Race(places, scratch / "source", given.rounds, given.megabytes, given.files)
            with Watch(places[-1]) as watch:
                race.prepare_download()
                race.run(table.tell, given.only)
            figures = race.figures
            if not given.only:
                stall = Ref(_RACE, _OURS, STALL)
                figures[stall] = Figure(stall, 1, [watch.slowest], [0])
                figures |= asyncio.run(_idle(places[-1], service.leader, given.sessions))
        postgres = shared_server(scratch, owner=os.getpid(), as_shipped=True)
        course = {"megabytes": given.megabytes, "files": given.files, "sessions": given.sessions}
        met = table.conclude(figures, CLAIMS, postgres, course, given.json)
    sys.exit(0 if met or given.only else 1)


if __name__ == "__main__":
    main()
