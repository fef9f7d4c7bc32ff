"""The events that a target may be told, and which it is told if it does not say."""

from __future__ import annotations

from enum import StrEnum

from ingester.domain.alert import AlertKind
from ingester.domain.errors import UsageError
from ingester.domain.status import Outcome, Status


class Event(StrEnum):
    """What a target can be told of."""

    LATE = AlertKind.LATE.value
    MISSING = AlertKind.MISSING.value
    EMPTY = AlertKind.EMPTY.value
    SHRUNKEN = AlertKind.SHRUNKEN.value
    STALE_UPLOAD = AlertKind.STALE_UPLOAD.value
    ORPHAN_MARKER = AlertKind.ORPHAN_MARKER.value
    #: An import ended without changing a row.
    FAILED = "failed"
    #: An import waits for a decision.
    HELD = "held"
    #: An import refused every row.
    REJECTED = "rejected"
    #: An import refused some rows.
    PARTIAL = "partial"
    #: An import did its work, whatever it refused.
    COMPLETED = "completed"


#: What needs somebody: told to a target that does not say what it wants.
PROBLEMS = tuple(event for event in Event if event not in (Event.PARTIAL, Event.COMPLETED))


def parse(text: str) -> tuple[Event, ...]:
    """The events of `late,failed` or `all`; UsageError for an unknown one."""
    if text.strip().lower() == "all":
        return tuple(Event)
    wanted = [part.strip().lower() for part in text.split(",")]
    known = {event.value for event in Event}
    if unknown := [part for part in wanted if part not in known]:
        raise UsageError(f"there is no event '{unknown[0]}'", fix=f"There are: {', '.join(Event)}; or say all.")
    return tuple(dict.fromkeys(Event(part) for part in wanted))


def of_import(status: Status, outcome: Outcome | None) -> tuple[Event, ...]:
    """What an import tells by where it has come to, the most telling first; nothing where nobody needs to know."""
    if status is Status.NEEDS_ATTENTION:
        return (Event.HELD,)
    if status in (Status.FAILED, Status.TIMED_OUT, Status.EXPIRED):
        return (Event.FAILED,)
    if status is not Status.COMPLETED:
        return ()
    told = {Outcome.REJECTED: (Event.REJECTED,), Outcome.PARTIAL: (Event.PARTIAL,)}
    return (*(told.get(outcome, ()) if outcome is not None else ()), Event.COMPLETED)
