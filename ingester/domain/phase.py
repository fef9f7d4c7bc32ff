"""The seven phases of an import: their fixed names and order, and the account each one gives of itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PhaseName(StrEnum):
    """In the order they run."""

    PREVALIDATION = "prevalidation"
    PREPARSING = "preparsing"
    TRANSFORMING = "transforming"
    PARSING = "parsing"
    VALIDATION = "validation"
    PROCESSING = "processing"
    CLEANUP = "cleanup"


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseRecord:
    """One phase's own counts, in rows; `skipped_reason` says why a phase had nothing to do."""

    name: PhaseName
    total: int = 0
    processed: int = 0
    success: int = 0
    error: int = 0
    skipped_reason: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def seconds(self) -> float:
        """How long it took."""
        if self.started_at is None or self.finished_at is None:
            return 0.0
        # Clocks are set back now and then.
        return max(0.0, (self.finished_at - self.started_at).total_seconds())
