"""The facts of a notification, as JSON: what happened to which file, in counts and codes, never a cell of the data."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ingester.domain import notice
from ingester.domain.status import Status
from ingester.notify.event import Event
from ingester.store.ledger_tables import Alert, Drop, Import

#: Reasons whose message is of our own making; that of others may quote the file, as a column's name that is data.
_OUR_WORDS = frozenset(
    {
        *("unknown_entity", "ambiguous_entity", "empty_file", "missing_header", "invalid_encoding", "internal_error"),
        *("attempts_exhausted", "drop_missing", "repeated_drop", "empty_overwrite", "mass_removal"),
    }
)


def of_import(job: Import, drop: Drop, event: Event) -> dict[str, Any]:
    """What there is to tell of an import that ended or is held."""
    known = notice.CATALOGUE.get(job.reason or "")
    message = (
        job.message if job.reason in _OUR_WORDS else known and notice.message(known.code, expected="…").split(":")[0]
    )
    return {
        "event": event.value,
        "tenant": job.tenant,
        "feed": job.feed,
        "entity_type": job.entity,
        "source": job.source,
        "action": job.action.value,
        "import_id": job.id,
        "short_id": job.short_id,
        "file": {"name": drop.name, "size": drop.size, "origin": drop.origin.value},
        "status": job.status.value,
        "outcome": None if job.outcome is None else job.outcome.value,
        "reason": job.reason,
        "message": message,
        "hint": known.hint if known is not None else None,
        "stats": job.stats if job.status is Status.COMPLETED else None,
        "created_at": moment(job.created_at),
        "completed_at": moment(job.completed_at),
    }


def of_alert(alert: Alert) -> dict[str, Any]:
    """What there is to tell of an alert, raised or resolved."""
    return {
        "event": alert.kind.value,
        "state": "raised" if alert.resolved_at is None else "resolved",
        "tenant": alert.tenant,
        "feed": alert.feed or None,
        "alert": alert.id,
        "message": alert.message,
        "due_at": moment(alert.due_at),
        "import_id": alert.import_id,
        "raised_at": moment(alert.raised_at),
        "resolved_at": moment(alert.resolved_at),
        "resolved_by": alert.resolved_by,
    }


def moment(value: datetime | None) -> str | None:
    """A point in time as reports write it: UTC, with a Z."""
    return None if value is None else value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
