"""The program `gpg`, run with a home of its own that goes with the operation: no key stays, no agent is left behind.

What it writes is counted while it writes, and it is stopped at a limit; what it says is read from its status lines
(doc/DETAILS of GnuPG), which are for programs and stay the same, never from its words.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from ingester.domain.errors import ConfigurationError, TransientError

_PIPE_BYTES = 1 << 20
#: What gpg says of an honest message is a few kilobytes.
_STATUS_BYTES = 1 << 20
#: gpg streams in 5 MB, 200 MB a second where it was measured; a message of millions of packets makes it collect them,
#: and look through them all for each one.
_MEMORY_BYTES = 256 << 20
_START_SECONDS = 20.0
_BYTES_A_SECOND = 2 << 20
_PAGE_BYTES, _TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
_LOOK_SECONDS = 0.05
_MARK = "[GNUPG:] "
_HIDDEN = ".gpg-"
#: Of IMPORT_OK's number: a private key was among what was imported.
_WITH_PRIVATE = 16
_TRIES = 2


class TooMuch(Exception):
    """It would write more than it may."""


class Overgrown(Exception):
    """It says more, or needs more memory or time of a processor, than any honest input makes it."""


@dataclass(frozen=True, slots=True)
class Said:
    """How gpg ended, and its status lines: a word and its arguments each."""

    code: int
    lines: tuple[tuple[str, ...], ...]

    def of(self, *words: str) -> list[tuple[str, ...]]:
        """The arguments of every line that begins with one of these words."""
        return [line[1:] for line in self.lines if line[0] in words]

    def has(self, *words: str) -> bool:
        """Whether a line begins with one of these words."""
        return any(line[0] in words for line in self.lines)


class Gpg:
    """gpg with a home below `folder`, from entering the context until it is left.

    The agent's sockets are in the home, and their paths may have a hundred characters only. So the home is named by the
    descriptor that this process has of it, however deep `folder` lies. An agent whose home goes away ends by itself.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        self._home = Path(tempfile.mkdtemp(prefix=_HIDDEN, dir=self._folder))
        self._descriptor = os.open(self._home, os.O_RDONLY | os.O_DIRECTORY)
        self._name = f"/proc/{os.getpid()}/fd/{self._descriptor}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if (self._home / "S.gpg-agent").exists():
                end = ["gpgconf", "--homedir", self._name, "--kill", "gpg-agent"]
                with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                    subprocess.run(end, env=_environment(), capture_output=True, timeout=10, check=False)  # noqa: S603
            # The agent removes its sockets while we do.
            for _ in range(20):
                shutil.rmtree(self._home, ignore_errors=True)
                if not self._home.exists():
                    break
                time.sleep(_LOOK_SECONDS)
        finally:
            os.close(self._descriptor)

    def take(self, keys: Sequence[str]) -> frozenset[str]:
        """Import keys, public or secret; returns their fingerprints. TransientError if gpg cannot for its agent."""
        # One by one: a key that gpg cannot read would end the import of those behind it.
        imports = [self._imported(key) for key in keys]
        return frozenset(line[1] for said in imports for line in said.of("IMPORT_OK"))

    def _imported(self, key: str) -> Said:
        """Without its agent, which a busy machine may start too late, gpg takes the public half and says nothing."""
        for _ in range(_TRIES):
            said, _ = self.ask("--import", given=key.encode())
            imported = said.of("IMPORT_OK")
            if "PRIVATE KEY" not in key or not imported or any(int(each[0]) & _WITH_PRIVATE for each in imported):
                return said
        raise TransientError("the agent of gpg did not take a private key")

    def ask(self, *arguments: str, given: bytes = b"", limit_bytes: int = 16 << 20) -> tuple[Said, bytes]:
        """Run it on a few bytes; returns what it said and what it wrote."""
        source = self._home / "given"
        source.write_bytes(given)  # a file, since a pipe would have to be fed while the answer is read
        written = bytearray()
        try:
            return self._run(arguments, source, written.extend, limit_bytes), bytes(written)
        finally:
            source.unlink()

    def stream(self, *arguments: str, source: Path, target: Path, limit_bytes: int) -> Said:
        """Run it on a file; what it writes goes to `target`, for this user alone. TooMuch if that is over the limit."""
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:  # noqa: PTH123 -- a mode of its own
            return self._run(arguments, source, file.write, limit_bytes)

    def _run(self, arguments: Sequence[str], source: Path, write: Callable[[bytes], object], limit_bytes: int) -> Said:
        status, told = os.pipe()
        with contextlib.ExitStack() as ends:
            ends.callback(os.close, status)
            try:
                given = ends.enter_context(source.open("rb"))
                process = ends.enter_context(self._start(arguments, given, told))
                ends.callback(process.kill)
            finally:
                os.close(told)
            lines = _follow(process, status, write, limit_bytes, given.fileno())
            return Said(process.wait(), lines)

    def _start(self, arguments: Sequence[str], given: IO[bytes], told: int) -> subprocess.Popen[bytes]:
        command = ["gpg", "--homedir", self._name, *_ALWAYS, "--status-fd", str(told), *arguments]
        try:
            return subprocess.Popen(  # noqa: S603 -- the program by name, and nothing that a customer wrote
                command,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(told,),
                env=_environment(),
                cwd="/",
                bufsize=0,
            )
        except FileNotFoundError:
            raise ConfigurationError(
                "the program gpg is not installed", fix="Install GnuPG 2.2 or newer: apt-get install gnupg."
            ) from None


_ALWAYS = (
    "--no-options",
    "--batch",
    "--no-tty",
    "--quiet",
    "--disable-dirmngr",
    "--no-auto-key-retrieve",
    "--no-auto-key-locate",
    "--no-random-seed-file",
    "--pinentry-mode=loopback",
)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _follow(
    process: subprocess.Popen[bytes], status: int, write: Callable[[bytes], object], limit_bytes: int, given: int
) -> tuple[tuple[str, ...], ...]:
    """Take what a process writes and says until it does neither any more."""
    assert process.stdout is not None
    output = process.stdout.fileno()
    with contextlib.suppress(OSError):  # an account may have used up what it has of pipes
        fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    written, said, looked = 0, bytearray(), 0.0
    with selectors.DefaultSelector() as waiting:
        waiting.register(output, selectors.EVENT_READ)
        waiting.register(status, selectors.EVENT_READ)
        while waiting.get_map():
            for ready, _ in waiting.select(_LOOK_SECONDS):
                block = os.read(ready.fd, _PIPE_BYTES)
                if not block:
                    waiting.unregister(ready.fd)
                elif ready.fd == status:
                    said += block
                else:
                    written += len(block)
                    if written > limit_bytes:
                        raise TooMuch
                    write(block)
            if time.monotonic() - looked > _LOOK_SECONDS:
                looked = time.monotonic()
                # The file is read through a descriptor that we share: where gpg is in it, so are we.
                _refuse_overgrown(process.pid, written + os.lseek(given, 0, os.SEEK_CUR))
            if len(said) > _STATUS_BYTES:
                raise Overgrown
    lines = said.decode(errors="replace").splitlines()
    return tuple(tuple(line.removeprefix(_MARK).split(" ")) for line in lines if line.startswith(_MARK))


def _refuse_overgrown(pid: int, moved: int) -> None:
    """Raise Overgrown if a process has taken more than moving so many bytes through it is worth."""
    # The name, in brackets, may hold anything; after it come the fields from the third on (proc(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = (int(fields[11]) + int(fields[12])) / _TICKS
    if int(fields[21]) * _PAGE_BYTES > _MEMORY_BYTES or seconds > _START_SECONDS + moved / _BYTES_A_SECOND:
        raise Overgrown
