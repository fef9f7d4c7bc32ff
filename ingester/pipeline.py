"""Runs one import through the seven phases: the whole story on one page.

Everything up to the commit happens in a workspace of the attempt's own and in one database transaction; a crash
leaves nothing behind but the workspace. After the commit the import is applied, and what is left is renaming files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from ingester import arrow_alone as _arrow_alone  # noqa: F401 -- before any other module makes an array
from ingester import fault, manifest, repeat
from ingester.checks.style import Style
from ingester.directory import DataDirectory, sync_file, sync_folder
from ingester.domain import notice
from ingester.domain.claim import Claims
from ingester.domain.errors import Held, InvariantError, TransientError, UnreadableFile
from ingester.domain.limits import DEFAULT_LIMITS, Limits
from ingester.domain.phase import PhaseName, PhaseRecord
from ingester.domain.reads import Reads
from ingester.domain.status import Action, Outcome, Status
from ingester.formats.opening import open_drop
from ingester.formats.packed.pgp import Keyring
from ingester.formats.text.encoding import Encoding, NotUtf8
from ingester.outbox import name as outbox_name
from ingester.outbox import report, seal, status
from ingester.phases import (
    cleanup,
    parsing,
    preparsing,
    prevalidation,
    processing,
    transforming,
    validation,
)
from ingester.phases.account import Account
from ingester.phases.assertions import Assertions
from ingester.repeat import Repeat
from ingester.ruleset.columns import ColumnMatch, known_names
from ingester.ruleset.model import Entity
from ingester.ruleset.narrow import for_action
from ingester.spill.notices import Notices
from ingester.spill.references import RECORD
from ingester.spill.rows import Rows
from ingester.spill.verdict import Verdict
from ingester.store import datastore, lock
from ingester.store.data_tables import ImportOutcome
from ingester.store.database import now
from ingester.store.datastore import DataStore
from ingester.store.ledger_tables import Drop, Import
from ingester.store.merge import Merged
from ingester.store.removal import Referring
from ingester.store.scope import Scope
from ingester.store.target import Target

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One import to run: what the ledger says of it, and what its entity's rules and its tenant say."""

    job: Import
    drop: Drop
    entity: Entity
    #: Who refers to the entity's records; they cannot go while somebody does.
    referring: Referring = ()
    timezone: str = "UTC"
    block_bytes: int = 8 << 20
    limits: Limits = DEFAULT_LIMITS
    #: What decrypts the drop, if it is encrypted.
    keys: Callable[[], Keyring] = Keyring
    #: The certificates that reports are encrypted for; None where they are in clear.
    recipients: Sequence[str] | None = None
    #: What the drop's companions say of it.
    claims: Sequence[Claims] = ()
    #: Told of each phase as it ends, for a progress bar.
    on_phase: Callable[[PhaseRecord], None] = lambda _: None
    #: Whether the import is still ours; asked last thing before the commit.
    holds: Callable[[], bool] = lambda: True


def run(order: Order, store: DataStore, directory: DataDirectory, workspace: Path) -> ImportOutcome:
    """Import one drop. Returns the committed outcome; its files wait in the workspace to be published.

    Raises UnreadableFile or Held when nothing may be imported, TransientError when it may work later.
    """
    job, action, entity = order.job, order.job.action, _asked(order)
    attempt = _Attempt(order, directory, workspace)
    rows, notices, verdict = attempt.prevalidated(entity), attempt.notices, attempt.verdict
    attempt.passed(preparsing.run(rows, entity, notices, verdict, job.duplicate_handling))

    scope = Scope(tenant=job.tenant, source=job.source, import_id=job.id, timezone=order.timezone)
    with store.writing() as connection:
        lock.take(connection, order.entity, scope, action)
        resolved, record = transforming.run(connection, rows, entity, verdict, workspace, scope, action)
        attempt.passed(record)
        attempt.passed(parsing.run(verdict))
        columns = (*rows.fields, *(name for name in resolved.columns if name != RECORD))
        target = Target(entity=entity, columns=columns, scope=scope, erases=job.empty_erases)
        stored = validation.Stored(connection, target, resolved, order.referring, workspace)
        attempt.passed(validation.run(rows, entity, attempt.assertions, action, notices, verdict, stored))
        done, record = processing.run(connection, target, resolved, verdict, action, dry_run=job.dry_run)
        attempt.passed(record)
        removed, record = cleanup.run(
            connection,
            target,
            resolved,
            order.referring,
            notices,
            verdict,
            action,
            _guard(job),
            done.created,
            dry_run=job.dry_run,
        )
        attempt.passed(record)

        outcome = attempt.write_outbox(_reconciled(verdict, done, removed))
        datastore.record(connection, outcome)
        _refuse_if_lost(order.holds)
        fault.point("merge.before_commit")
    fault.point("merge.committed")
    log.info("import_applied", outcome=outcome.outcome, rows=verdict.total, valid=verdict.valid_rows)
    return outcome


def check(order: Order, directory: DataDirectory, workspace: Path) -> ImportOutcome:
    """Do what can be done without a database; `not_checked` names the rest. Nothing is committed anywhere."""
    job, action, entity = order.job, order.job.action, _asked(order)
    attempt = _Attempt(order, directory, workspace)
    rows, notices, verdict = attempt.prevalidated(entity), attempt.notices, attempt.verdict
    attempt.passed(preparsing.run(rows, entity, notices, verdict, job.duplicate_handling))
    attempt.passed(Account(PhaseName.TRANSFORMING).skip(_NO_DATABASE, total=verdict.valid_rows))
    attempt.passed(parsing.run(verdict))
    attempt.passed(validation.run(rows, entity, attempt.assertions, action, notices, verdict, None))
    attempt.passed(Account(PhaseName.PROCESSING).skip(_NO_DATABASE, total=verdict.valid_rows))
    attempt.passed(Account(PhaseName.CLEANUP).skip(_NO_DATABASE))
    return attempt.write_outbox(
        _reconciled(verdict, None), not_checked=(*attempt.assertions.not_told(action), *_NEED_A_DATABASE)
    )


def skip(
    job: Import,
    drop: Drop,
    found: Repeat,
    store: DataStore,
    directory: DataDirectory,
    workspace: Path,
    holds: Callable[[], bool] = lambda: True,
) -> ImportOutcome:
    """Commit that a drop was not imported since it repeats another; its rows are accounted for by that one's counts."""
    rows = (found.of.stats or {}).get("total_rows")
    stats = {**_reconciled(Verdict(), Merged()), "total_rows": rows, "duplicate_rows": rows}
    said = {"outcome": Outcome.DUPLICATE.value, "duplicate_of": found.of.id, "stats": stats}
    said |= {"reason": repeat.REASON, "message": found.said}
    finished = workspace / "outbox"
    finished.mkdir()
    outcome = _finished(job, drop, said, [], finished, directory, now())
    with store.writing() as connection:
        datastore.record(connection, outcome)
        _refuse_if_lost(holds)
        fault.point("merge.before_commit")
    fault.point("merge.committed")
    log.info("import_skipped", duplicate_of=found.of.short_id)
    return outcome


def _refuse_if_lost(holds: Callable[[], bool]) -> None:
    """A worker that was stopped for so long that somebody else has a say must not commit what that one ended."""
    if not holds():
        raise TransientError("the claim was lost while the import ran")


_NO_DATABASE = "there is no database"
_NEED_A_DATABASE = ("references", "unique values of stored records", "created, updated and skipped counts")


class _Attempt:
    """What one attempt knows so far, and the report it writes in the end."""

    def __init__(self, order: Order, directory: DataDirectory, workspace: Path) -> None:
        self._order = order
        self._directory = directory
        self._workspace = workspace
        self._reads = Reads.model_validate(order.job.reads or {})
        self._records: list[PhaseRecord] = []
        self.notices = Notices(workspace)
        self.verdict = Verdict()

    def prevalidated(self, entity: Entity) -> Rows:
        """Run the first phase, which finds out what there is to work on."""
        try:
            self._prevalidate(entity)
        except NotUtf8 as error:
            # So far down that the sample did not show it: once more, as what it is.
            if self._reads.encoding is not None:
                raise
            late = self._opened.late(error)
            self._workspace = self._workspace / "again"
            self._workspace.mkdir()
            self.notices, self.verdict = Notices(self._workspace), Verdict()
            self._prevalidate(entity, late)
        self._judge()
        self.passed(self._checked.record)
        return self._checked.rows

    def _judge(self) -> None:
        """Raise Held if the file has not what was said of it. One whose rows are all refused is told that instead."""
        if not self._checked.unusable:
            rows, totals, approved = self.verdict.total, self._checked.totals, self._order.job.approved
            manifest.judge(self._claims, rows, totals, self._reads.decimal, approved)

    @property
    def _claims(self) -> list[Claims]:
        trailer = self._opened.layout.trailer
        return [*self._order.claims, *([] if trailer is None else [trailer])]

    def _prevalidate(self, entity: Entity, late: Encoding | None = None) -> None:
        drop, job = self._order.drop, self._order.job
        self._opened = opened = open_drop(
            self._directory.drop_file(drop.id, drop.location),
            drop.name,
            self._workspace,
            reads=self._reads,
            limits=self._order.limits,
            is_known=known_names(self._order.entity),
            keys=self._order.keys,
            late=late,
        )
        if opened.layout.header_line is None and opened.layout.names and not self._reads.columns:
            raise UnreadableFile("missing_header", notice.message("missing_header"))
        if self._reads.trailer and opened.layout.trailer is None and "trailer_missing" not in job.approved:
            raise Held("trailer_missing", notice.message("trailer_missing", expected=self._reads.trailer))
        self._checked = prevalidation.run(
            opened,
            entity,
            self.notices,
            self.verdict,
            self._workspace,
            timezone=self._order.timezone,
            block_bytes=self._order.block_bytes,
            whole=self._order.entity,
            creates=job.action is Action.CREATE or not entity.primary_key,
            partial=job.action is Action.UPDATE,
            erases=job.empty_erases,
            truncation_approved="possibly_truncated" in job.approved,
            style=Style.of(self._reads.decimal, self._reads.dates),
            summed=manifest.summed(self._claims),
        )

    @property
    def assertions(self) -> Assertions:
        """The rules' own checks, as far as the first phase came with them."""
        return self._checked.assertions

    def passed(self, record: PhaseRecord) -> None:
        """Keep a phase's account."""
        self._records.append(record)
        self._order.on_phase(record)

    def write_outbox(self, stats: dict[str, int | None], not_checked: Sequence[str] = ()) -> ImportOutcome:
        """Write and sync the files that will be published, and describe them in the outcome to be committed."""
        job, drop, checked, at = self._order.job, self._order.drop, self._checked, now()
        finished = self._workspace / "outbox"
        finished.mkdir()
        errors, rejects = outbox_name.errors(drop.name, job.short_id), outbox_name.rejects(drop.name, job.short_id)
        written = report.write(
            checked.reader,
            checked.columns,
            self._order.entity.primary_key,
            self.notices,
            self.verdict,
            job.id,
            finished / errors,
            finished / rejects,
        )
        outcome = Outcome.REJECTED if checked.unusable else _outcome(self.verdict)
        names = {
            "errors": errors if written.errors_written else None,
            "rejects": rejects if written.rejects_written else None,
        }
        found = {
            "outcome": outcome.value,
            "reason": None,
            "message": None,
            "detected": checked.opened.detected.to_json(),
            "columns": [_column(match, checked.styles) for match in checked.columns],
            "phases": [_phase(record) for record in self._records],
            "stats": stats,
            "counts": [
                {"code": code, "field": field or None, "severity": severity.value, "rows": rows}
                for (code, field, severity), rows in self.notices.counts().items()
            ],
            "not_checked": list(not_checked),
            "errors": written.errors,
            "warnings": written.warnings,
            "files": names,
        }
        reports = [name for name in names.values() if name is not None]
        seconds, recipients = _seconds(self._records), self._order.recipients
        return _finished(job, drop, found, reports, finished, self._directory, at, seconds, recipients)


def _finished(
    job: Import,
    drop: Drop,
    found: dict[str, Any],
    reports: list[str],
    folder: Path,
    directory: DataDirectory,
    at: datetime,
    phase_seconds: dict[str, float] | None = None,
    recipients: Sequence[str] | None = None,
) -> ImportOutcome:
    """Write the status file beside the reports, sync them all, and describe them in the outcome to be committed."""
    status_file = outbox_name.status(drop.name, job.short_id)
    said = {"status": Status.COMPLETED.value, **found, "completed_at": status.moment(at)}
    document = status.document(job, drop, said)
    (folder / status_file).write_bytes(status.encode(document))
    if recipients is not None:
        reports, shown = seal.seal(folder, reports, status_file, document, recipients)
        (folder / status_file).write_bytes(status.encode(shown))
    files = [*reports, status_file]
    for name in files:
        sync_file(folder / name)
    sync_folder(folder)
    fault.point("outbox.written")
    return ImportOutcome(
        import_id=job.id,
        tenant=job.tenant,
        outcome=said["outcome"],
        workspace=directory.relative(folder),
        files=files,
        stats=said["stats"],
        phase_seconds=phase_seconds,
        publish_pending=True,
        committed_at=at,
    )


def _outcome(verdict: Verdict) -> Outcome:
    if verdict.valid_rows == verdict.total:
        return Outcome.ACCEPTED
    return Outcome.PARTIAL if verdict.valid_rows else Outcome.REJECTED


def _phase(record: PhaseRecord) -> dict[str, Any]:
    return {
        "name": record.name.value,
        "mode": "async",
        "status": "skipped" if record.skipped_reason else "completed",
        "total": record.total,
        "processed": record.processed,
        "success": record.success,
        "error": record.error,
        "skipped_reason": record.skipped_reason,
        "started_at": status.moment(record.started_at),
        "finished_at": status.moment(record.finished_at),
    }


def _column(match: ColumnMatch, styles: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One column of the file as the status file tells of it, with the style of its cells where that was in question."""
    said = {"column": match.column, "field": match.field, "matched_by": match.matched_by, "score": match.score}
    style = styles.get(match.key or "")
    return said | {"style": style} if style else said


def _seconds(records: Sequence[PhaseRecord]) -> dict[str, float]:
    return {record.name.value: record.seconds for record in records if not record.skipped_reason}


def _asked(order: Order) -> Entity:
    return for_action(order.entity, order.job.action, erases=order.job.empty_erases)


def _guard(job: Import) -> cleanup.Guard:
    return cleanup.Guard(
        percent=job.removal_guard_percent,
        approved="mass_removal" in job.approved,
        empty_approved="empty_overwrite" in job.approved,
    )


def _reconciled(verdict: Verdict, done: Merged | None, removed: int = 0) -> dict[str, int | None]:
    """The counts of the status file; what a customer is told must add up, or nothing is committed."""
    total, valid, wrong = verdict.total, verdict.valid_rows, verdict.error_rows
    duplicate = verdict.duplicate_rows
    counted = None if done is None else done.created + done.updated + done.skipped + done.deleted
    stats = {
        "total_rows": total,
        "valid_rows": valid,
        "error_rows": wrong,
        "duplicate_rows": duplicate,
        "created_count": None if done is None else done.created,
        "updated_count": None if done is None else done.updated,
        "skipped_count": None if done is None else done.skipped,
        "deleted_count": None if done is None else done.deleted,
        "removed_count": None if done is None else removed,
    }
    if total != valid + wrong + duplicate or counted not in (None, valid):
        raise InvariantError("the counts of the import do not add up", stats=stats)
    return stats
