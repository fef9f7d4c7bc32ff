"""File sets: the files of one archive, each an import of its own, and the archive, which ends when the last one has.

All of a set begin in one transaction, in the archive's place in the order, and go parents first like any other files.
One that fails stops no other: what refers to it is refused row by row, and says so. While they run the archive is
`processing`, and nobody works on it. Its end is found out from theirs, so that a crash in between loses nothing:
whoever looks next finds it out again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import func, insert, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from ingester import consequence, fault
from ingester.directory import DataDirectory, sync_file, sync_folder
from ingester.domain import notice
from ingester.domain.errors import TransientError
from ingester.domain.status import Outcome, Status
from ingester.outbox import name as outbox_name
from ingester.outbox import publish, status
from ingester.store import totals
from ingester.store.database import now
from ingester.store.ledger import Ledger, ShortIdTaken, put_off
from ingester.store.ledger_tables import ROUTED, Attempt, Companion, Drop, Import

log = structlog.get_logger()

_UNFINISHED = tuple(status for status in Status if not status.ended)
#: How often the status file of a set is written while its files run, more or less.
_TOLD = 50
#: How the names of status files end that are not shown yet.
_STAGED = ".set"
_REPORTS = {"errors": outbox_name.errors, "rejects": outbox_name.rejects}
_STATS = (
    *("total_rows", "valid_rows", "error_rows", "duplicate_rows"),
    *("created_count", "updated_count", "skipped_count", "deleted_count", "removed_count"),
)


class FileSets:
    """The sets of one ledger."""

    def __init__(self, ledger: Ledger, directory: DataDirectory) -> None:
        self._ledger = ledger
        self._directory = directory

    # --- how one begins --------------------------------------------------------------------------------------------

    def begin(self, job: Import, found: Sequence[tuple[Drop, Import]], companions: Sequence[Companion] = ()) -> bool:
        """Make a claimed archive a set of these files, whose bytes are in their places, all at once.

        `companions` are what it has beside them. False if the claim is lost. Raises ShortIdTaken.
        """
        with self._ledger.writing() as session:
            if not _let_go(session, job, run_id=job.id, opens=False):
                return False
            connection = session.connection()
            connection.execute(insert(Drop), [drop.model_dump() for drop, _ in found])
            try:
                connection.execute(insert(Import), [member.model_dump(exclude={"sequence"}) for _, member in found])
            except IntegrityError as error:
                if "short_id" in str(error.orig):
                    raise ShortIdTaken from error
                raise
            session.add_all(companions)
            for _, member in found:
                if member.status.ended:
                    totals.add(session, totals.of_end(member.tenant, member.status))
                    consequence.follow(session, member.id)
            if any(member.settle_seconds for _, member in found):
                put_off(session, job.tenant, job.created_at)
        fault.point("set.begun")
        return True

    def tell_begun(self, job: Import) -> None:
        """Show that a set, and each of its files, waits or has failed already. A worker may have been faster."""
        outbox = self._directory.tenant(job.tenant).outbox
        for its_drop, member in self.members(job.id):
            status.put(outbox, status.document(member, its_drop), self._directory.work, replace=False)
        if not self.close(job.id):
            self._tell_progress(job.id)

    def go_on_as(self, job: Import) -> bool:
        """Let a claimed archive go on as the one file that it is, by its route now. False if the claim is lost."""
        route = job.model_dump(include={*ROUTED, "due_at", "opens"})
        with self._ledger.writing() as session:
            if not _let_go(session, job, status=Status.QUEUED, **route):
                return False
            if job.settle_seconds:
                put_off(session, job.tenant, job.created_at)
            return True

    # --- how it ends -----------------------------------------------------------------------------------------------

    def close_of(self, member: Import) -> None:
        """Look whether the set of a file that has just ended has ended with it. What goes wrong, others make good."""
        if member.is_member and member.run_id is not None:
            try:
                if not self.close(member.run_id):
                    self._tell_progress(member.run_id)
            except (OSError, TransientError) as error:
                log.warning("set_not_closed_yet", import_id=member.run_id, error=str(error))

    def close_all(self) -> None:
        """End every set whose files have ended, and nobody did; show the ends that nobody could show any more."""
        for staged in self._directory.work.glob(f"*{_STAGED}"):
            self._show(staged)
        for run_id in self._open():
            try:
                self.close(run_id)
            except OSError as error:
                log.warning("set_not_closed_yet", import_id=run_id, error=str(error))

    def close(self, run_id: str) -> bool:
        """End a set if its files have ended, its original put away before; False if some have not."""
        with self._ledger.reading() as session:
            total, done = _counted(session, run_id)
            found = _set(session, run_id) if done == total else None
            if found is None:
                return False
            job, drop = found
            last = _last(member for _, member in _members(session, run_id))
        # Nobody else's day: whoever else is at it moves it to the same place, and it is moved once.
        location = drop.location if job.status.ended else publish.archive(self._directory, job, drop, last)
        publish.discard(self._directory, job)
        with self._ledger.noting() as session:
            found, members = _set(session, run_id), _members(session, run_id)
            # One may have been tried again meanwhile.
            if found is None or not all(member.status.ended for _, member in members):
                return False
            job, drop = found
            was = job.status
            _conclude(job, members)
            drop.location = location
            session.add(job)
            session.add(drop)
            session.flush()
            if job.status is not was:
                totals.add(session, totals.of_end(job.tenant, job.status, job.outcome))
                consequence.follow(session, job.id)
            staged = self._staged(job, drop, members)
            fault.point("set.staged")
        fault.point("set.ended")
        self._show(staged)
        if job.status is not was:
            log.info("set_ended", import_id=job.id, tenant=job.tenant, status=job.status.value, outcome=job.outcome)
        return True

    def _staged(self, job: Import, drop: Drop, members: Sequence[tuple[Drop, Import]]) -> Path:
        """Write what is to be shown once the end is committed, so that a crash in between loses no word of it."""
        staged = self._directory.work / f"{job.id}.{secrets.token_hex(4)}{_STAGED}"
        staged.write_bytes(status.encode(status.document(job, drop, self._report(job, members))))
        sync_file(staged)
        sync_folder(staged.parent)
        return staged

    def _show(self, staged: Path) -> None:
        """Put a staged status file in its place if the set has ended so; nobody changes that meanwhile."""
        with self._ledger.noting() as session:
            try:
                said = json.loads(staged.read_bytes())
            except FileNotFoundError:
                return  # somebody else has shown it
            except ValueError:
                said = {}  # half written when its writer died
            found = _set(session, said.get("id", ""))
            outbox = None if found is None else self._directory.tenant(found[0].tenant).outbox
            if found is not None and outbox is not None and outbox.is_dir() and _is_as(found[0], said):
                staged.rename(outbox / outbox_name.status(found[1].name, found[0].short_id))
            else:
                staged.unlink(missing_ok=True)

    def _tell_progress(self, run_id: str) -> None:
        """Show how far a set is, not at every file of a large one."""
        with self._ledger.reading() as session:
            total, done = _counted(session, run_id)
        if done % max(1, total // _TOLD):
            return
        # Nobody ends it meanwhile: whoever does writes to the ledger.
        with self._ledger.noting() as session:
            found = _set(session, run_id)
            if found is not None:
                self._put(*found, _members(session, run_id))

    def _put(self, job: Import, drop: Drop, members: Sequence[tuple[Drop, Import]]) -> None:
        outbox = self._directory.tenant(job.tenant).outbox
        if outbox.is_dir():
            content = status.document(job, drop, self._report(job, members))
            status.put(outbox, content, self._directory.work)

    # --- what is known of it ---------------------------------------------------------------------------------------

    def members(self, run_id: str) -> list[tuple[Drop, Import]]:
        """The files of a set, in the archive's order, with their imports."""
        with self._ledger.reading() as session:
            return _members(session, run_id)

    def report(self, job: Import) -> dict[str, Any]:
        """What a set's status document says beyond that of any import; nothing of other imports."""
        return self._report(job, self.members(job.id)) if job.is_set else {}

    def _report(self, job: Import, members: Sequence[tuple[Drop, Import]]) -> dict[str, Any]:
        outbox = self._directory.tenant(job.tenant).outbox
        done = sum(member.status.ended for _, member in members)
        said = {} if job.status.ended else {"message": f"{done} of {len(members)} files are done"}
        return said | {
            "stats": _sums(member for _, member in members),
            "members": [_member(_files(outbox, drop, member), drop, member) for drop, member in members],
        }

    def _open(self) -> Sequence[str]:
        statement = select(Import.id).where(
            Import.status == Status.PROCESSING, col(Import.worker).is_(None), Import.run_id == Import.id
        )
        with self._ledger.reading() as session:
            return session.exec(statement).all()


def _files(outbox: Path, drop: Drop, member: Import) -> dict[str, str | None]:
    """Names of the reports about one file; of those that there need not be, none that the outbox does not have."""
    names = {kind: make(drop.name, member.short_id) for kind, make in _REPORTS.items()}
    found = {kind: name if (outbox / name).exists() else None for kind, name in names.items()}
    return {"status": outbox_name.status(drop.name, member.short_id), **found}


def _member(files: dict[str, str | None], drop: Drop, member: Import) -> dict[str, Any]:
    return {
        "name": drop.member,
        "id": member.id,
        "short_id": member.short_id,
        "entity_type": member.entity,
        "status": member.status.value,
        "outcome": None if member.outcome is None else member.outcome.value,
        "reason": member.reason,
        "message": member.message,
        "files": files,
    }


def _let_go(session: Session, job: Import, **values: Any) -> bool:
    """End the attempt at opening an archive; False if it is no longer this attempt's to change."""
    statement = update(Import).where(
        col(Import.id) == job.id,
        col(Import.status) == Status.PROCESSING,
        col(Import.worker) == job.worker,
        col(Import.attempts) == job.attempts,
    )
    if not session.exec(statement.values(worker=None, lease_until=None, **values)).rowcount:
        return False
    attempt = update(Attempt).where(col(Attempt.import_id) == job.id, col(Attempt.number) == job.attempts)
    session.exec(attempt.values(ended_at=now(), result="opened"))
    totals.add(session, totals.of_attempt("opened"))
    return True


def _set(session: Session, run_id: str) -> tuple[Import, Drop] | None:
    statement = (
        select(Import, Drop)
        .join(Drop, col(Import.drop_id) == col(Drop.id))
        .where(Import.id == run_id, Import.run_id == run_id)
    )
    return session.exec(statement).first()


def _is_as(job: Import, said: Mapping[str, Any]) -> bool:
    """Whether a set is as a status document has it."""
    outcome = None if job.outcome is None else job.outcome.value
    is_now = (job.status.value, outcome, status.moment(job.completed_at))
    return job.status.ended and is_now == (said["status"], said["outcome"], said["completed_at"])


def _members(session: Session, run_id: str) -> list[tuple[Drop, Import]]:
    statement = (
        select(Drop, Import)
        .join(Import, col(Import.drop_id) == col(Drop.id))
        .where(Import.run_id == run_id, Import.id != run_id)
        .order_by(col(Import.sequence))
    )
    return list(session.exec(statement))


def _counted(session: Session, run_id: str) -> tuple[int, int]:
    """How many files a set has, and how many of them have ended."""
    statement = (
        select(Import.status, func.count())
        .where(Import.run_id == run_id, Import.id != run_id)
        .group_by(col(Import.status))
    )
    counts = [(Status(found), number) for found, number in session.exec(statement)]
    return sum(number for _, number in counts), sum(number for found, number in counts if found.ended)


def _conclude(job: Import, members: Sequence[tuple[Drop, Import]]) -> None:
    """What an archive comes to whose files have come to this."""
    jobs = [member for _, member in members]
    worked = [member for member in jobs if member.status is Status.COMPLETED]
    job.completed_at = _last(jobs)
    job.stats, job.outcome, job.reason, job.message = _sums(jobs), None, None, None
    if worked:
        job.status, job.outcome = Status.COMPLETED, _outcome([member.outcome for member in jobs])
    elif all(member.status is Status.CANCELED for member in jobs):
        job.status, job.reason, job.message = Status.CANCELED, "canceled", notice.message("canceled")
    else:
        job.status, job.reason = Status.FAILED, "nothing_imported"
        job.message = notice.message("nothing_imported", expected=str(len(jobs)))


def _last(jobs: Iterable[Import]) -> datetime:
    """When the last of them ended."""
    return max((job.completed_at for job in jobs if job.completed_at is not None), default=now())


def _outcome(found: Iterable[Outcome | None]) -> Outcome:
    """Of the whole; a file that failed or was canceled has none."""
    outcomes = set(found)
    for whole in (Outcome.DUPLICATE, Outcome.REJECTED):
        if outcomes == {whole}:
            return whole
    # What repeats an earlier file was accepted when that was.
    return Outcome.ACCEPTED if outcomes <= {Outcome.ACCEPTED, Outcome.DUPLICATE} else Outcome.PARTIAL


def _sums(jobs: Iterable[Import]) -> dict[str, int | None] | None:
    """The counts of all files that were read; None before the first."""
    read = [member.stats for member in jobs if member.stats is not None]
    return {count: sum(stats.get(count) or 0 for stats in read) for count in _STATS} if read else None
