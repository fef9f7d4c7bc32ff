"""What one step removed, or would remove."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Removed:
    """One thing that went: the reports of an import, an original, a leftover."""

    tenant: str
    #: `archive`, `outbox`, `quarantine`, `history`, `spool`.
    place: str
    what: str
    policy: str
    files: int = 1
    size: int = 0
    import_id: str | None = None
