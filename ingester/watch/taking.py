"""Taking complete files out of an inbox: copied, landed, then removed where they were, a slice at a time.

A writer may still hold a file, so it is copied and never moved, and looked at again after the copy. A crash between
landing and removing is told by the file's own identity, which the ledger keeps with the drop.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import structlog

from ingester import fault
from ingester.directory import DataDirectory
from ingester.domain.errors import IngesterError
from ingester.domain.status import Origin
from ingester.intake import Arrival, Intake
from ingester.store.ledger import Ledger
from ingester.watch import tree
from ingester.watch.tree import Facts, Place

log = structlog.get_logger()

_CHUNK = 1 << 26
#: What copy_file_range(2) fails with where the two filesystems cannot do it.
_NOT_BY_KERNEL = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be complete."""

    place: Place
    facts: Facts
    #: Whether it may have landed before.
    uncertain: bool = False
    #: Whether it goes by done-markers, which go with it, and whether there is none.
    by_marker: bool = False
    unmarked: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a candidate: gone from the inbox, not as it was seen (`facts`), to wait, or an error."""

    place: Place
    gone: bool = False
    facts: Facts | None = None
    wait_until: float | None = None
    error: Exception | None = None


#: Says until when a file is to wait, given whether somebody has it open for writing; None: not at all.
Scruple = Callable[[Place, bool | None], float | None]


@dataclass(frozen=True, slots=True)
class Flight:
    """Files of one inbox that were handed over, and what became of those that were not."""

    root: Path
    landed: set[Candidate]
    submitted: list[tuple[Candidate, Future[str], Path]]
    results: list[Result]

    @property
    def candidates(self) -> list[Candidate]:
        """The files of which nobody has said yet what became of them."""
        return [*self.landed, *(each for each, _, _ in self.submitted)]


class Taking:
    """Takes files out of the inbox of one tenant after the other."""

    def __init__(
        self, ledger: Ledger, intake: Intake, directory: DataDirectory, marker_suffixes: Sequence[str] = ()
    ) -> None:
        self._ledger = ledger
        self._intake = intake
        self._directory = directory
        self._marker_suffixes = marker_suffixes

    def submit(
        self, tenant: str, root: Path, candidates: Sequence[Candidate], scruple: Scruple, *, local: bool = True
    ) -> Flight:
        """Hand these files over to land, without waiting for it. `local`: whether the kernel knows all who write."""
        flight = Flight(root, self._landed_before(tenant, candidates), [], [])
        for folder, group in groupby(sorted(candidates, key=_folder_of), key=_folder_of):
            files = list(group)
            try:
                with tree.opened(root, folder) as descriptor:
                    for each in files:
                        if each in flight.landed:
                            continue
                        if each.unmarked:
                            # Only if it had landed before would it be taken: away.
                            flight.results.append(Result(each.place))
                            continue
                        submitted = self._submit(tenant, each, descriptor, scruple, local=local)
                        if isinstance(submitted, Result):
                            flight.results.append(submitted)
                        else:
                            flight.submitted.append((each, *submitted))
            except (FileNotFoundError, NotADirectoryError):
                flight.results.extend(Result(each.place, gone=True) for each in files)
        return flight

    def land(self, flight: Flight) -> list[Result]:
        """Wait until the files have landed, and remove them where they were; what became of each."""
        landed, results = flight.landed, flight.results
        for each, answer, copy in flight.submitted:
            try:
                answer.result()
                landed.add(each)
            except Exception as error:  # noqa: BLE001 -- one file's trouble is not the others'; the watch tries again
                results.append(Result(each.place, error=error))
            finally:
                copy.unlink(missing_ok=True)
        if landed:
            fault.point("taking.landed")
        for folder, group in groupby(sorted(landed, key=_folder_of), key=_folder_of):
            results += self._take_away(flight.root, folder, list(group))
        return results

    def _landed_before(self, tenant: str, candidates: Sequence[Candidate]) -> set[Candidate]:
        references = {_reference(tenant, each.place, each.facts): each for each in candidates if each.uncertain}
        known = self._ledger.landed(references) if references else ()
        return {references[reference] for reference in known}

    def _submit(
        self, tenant: str, each: Candidate, folder: int, scruple: Scruple, *, local: bool
    ) -> tuple[Future[str], Path] | Result:
        """Copy one file and hand the copy over, if it is still what was seen."""
        name, copy = each.place[1], self._directory.incoming / secrets.token_hex(16)
        try:
            with _reading(folder, name) as descriptor:
                facts = tree.facts(os.fstat(descriptor))
                if facts != each.facts:
                    return Result(each.place, facts=facts)
                wait = scruple(each.place, _is_written(descriptor) if local else None)
                if wait is not None:
                    return Result(each.place, wait_until=wait)
                size, digest = _copy(descriptor, copy)
            fault.point("taking.copied")
            now = tree.look(folder, name)
            if now != each.facts:
                copy.unlink()  # its writer went on, or it is gone: wait until it is still again
                return Result(each.place, gone=now is None, facts=now)
            arrival = Arrival(
                tenant=tenant,
                origin=Origin.FOLDER,
                folder=each.place[0],
                name=name,
                path=copy,
                size=size,
                sha256=digest,
                origin_ref=_reference(tenant, each.place, each.facts),
            )
            return self._intake.submit(arrival), copy
        except FileNotFoundError:
            return Result(each.place, gone=True)
        except (OSError, IngesterError) as error:
            copy.unlink(missing_ok=True)
            return Result(each.place, error=error)

    def _take_away(self, root: Path, folder: str, files: Sequence[Candidate]) -> list[Result]:
        """Remove landed files, unless others took their places meanwhile.

        A look at a name and its removal are two steps, between which it may come to mean another file; so each is moved
        aside first, and looked at there.
        """
        aside = f"{tree.ASIDE}{secrets.token_hex(4)}"
        results = []
        try:
            with tree.opened(root, folder) as here:
                os.mkdir(aside, 0o700, dir_fd=here)
                with tree.opened(root, tree.joined(folder, aside)) as there:
                    for each in files:
                        try:
                            results.append(self._remove(each, here, there))
                        except OSError as error:
                            results.append(Result(each.place, error=error))
                with contextlib.suppress(OSError):
                    # Not empty: something could not be put back yet. The next look tries again.
                    os.rmdir(aside, dir_fd=here)
        except OSError as error:
            done = {result.place for result in results}
            results += [Result(each.place, error=error) for each in files if each.place not in done]
        return results

    def _remove(self, each: Candidate, here: int, there: int) -> Result:
        # A marker first: one that stayed behind would vouch for the next file of that name before it is whole.
        name = each.place[1]
        now = tree.look(here, name)
        if now is not None and now[:3] != each.facts[:3]:
            # Another took its place while it landed, whose marker it is by now.
            return Result(each.place, facts=now)
        for suffix in self._marker_suffixes if each.by_marker else ():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{name}{suffix}", dir_fd=here)
        fault.point("taking.unmarked")
        try:
            os.rename(name, name, src_dir_fd=here, dst_dir_fd=there)
        except FileNotFoundError:
            return Result(each.place, gone=True)
        fault.point("taking.aside")
        now = tree.look(there, name)
        # Moving it changed its time of change: compare what it does not touch.
        if now is not None and now[:3] == each.facts[:3]:
            os.unlink(name, dir_fd=there)
            return Result(each.place, gone=True)
        _put_back(name, there, here)
        return Result(each.place, facts=now)

    def mend(self, tenant: str, root: Path, place: Place) -> None:
        """Finish what a crash interrupted while landed files were taken away; `place` is a folder aside."""
        folder, aside = place
        with tree.opened(root, folder) as here:
            with tree.opened(root, tree.joined(folder, aside)) as there:
                for name in os.listdir(there):  # noqa: PTH208 -- by descriptor, as everything here
                    facts = tree.look(there, name)
                    if facts is not None and self._is_landed(tenant, (folder, name), facts, there):
                        os.unlink(name, dir_fd=there)
                    else:
                        _put_back(name, there, here)
            with contextlib.suppress(OSError):
                os.rmdir(aside, dir_fd=here)
        log.info("inbox_mended", tenant=tenant, folder=folder)

    def _is_landed(self, tenant: str, place: Place, facts: Facts, folder: int) -> bool:
        """Whether these very bytes of this file were landed; its time of change is not known any more."""
        begins, _, ends = _reference(tenant, place, facts).split(":")
        known = [drop for drop in self._ledger.drops_like(f"{begins}:") if (drop.origin_ref or "").endswith(ends)]
        if not known:
            return False
        with _reading(folder, place[1]) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() in {drop.sha256 for drop in known}


def _folder_of(each: Candidate) -> str:
    return each.place[0]


def _reference(tenant: str, place: Place, facts: Facts) -> str:
    """What identifies this version of this file, as the ledger keeps it: `<what a rename keeps>:<changed>:<place>`.

    Without the device's number, which a reboot may change.
    """
    inode, size, modified, changed = facts
    where = hashlib.sha256(os.fsencode(f"{tenant}/{tree.joined(*place)}")).hexdigest()
    return f"{inode}-{size}-{modified}:{changed}:{where}"


@contextlib.contextmanager
def _reading(folder: int, name: str) -> Iterator[int]:
    """Open a regular file for the time of a `with`; FileNotFoundError if that is not what it is."""
    # Without O_NONBLOCK, opening a pipe that took the file's place would wait for a writer.
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileNotFoundError(errno.ENOENT, "not a file any more", name)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_written(descriptor: int) -> bool | None:
    """Whether somebody has a file open for writing; None where the system does not tell us.

    A read lease (fcntl(2), F_SETLEASE) is granted only while nobody has. It is given back at once; a writer that comes
    in between has us sent a signal, by default one that kills, so it is made one that is ignored.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _copy(source: int, target: Path) -> tuple[int, str]:
    """Copy a file and hash the copy; (bytes, sha256). The kernel copies, or shares the blocks where it can."""
    with target.open("x+b") as writer:
        try:
            while os.copy_file_range(source, writer.fileno(), _CHUNK):
                pass
        except OSError as error:
            if error.errno not in _NOT_BY_KERNEL:
                raise
            writer.truncate(0)
            os.lseek(source, 0, os.SEEK_SET)
            writer.seek(0)
            with os.fdopen(os.dup(source), "rb") as reader:
                shutil.copyfileobj(reader, writer)
            writer.flush()
        writer.seek(0)
        digest = hashlib.file_digest(writer, "sha256").hexdigest()
        return os.fstat(writer.fileno()).st_size, digest


def _put_back(name: str, there: int, here: int) -> None:
    """Give a file its name back, unless yet another took it; then a later look finds it."""
    try:
        os.link(name, name, src_dir_fd=there, dst_dir_fd=here, follow_symlinks=False)
        os.unlink(name, dir_fd=there)
    except FileExistsError:
        pass
    except PermissionError:  # a folder, which cannot replace a file either
        os.rename(name, name, src_dir_fd=there, dst_dir_fd=here)
