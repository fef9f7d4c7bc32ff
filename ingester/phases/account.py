"""How a phase accounts for itself: a stopwatch around its work and its counts in rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from ingester import fault
from ingester.domain.phase import PhaseName, PhaseRecord


@dataclass(slots=True)
class Account:
    """Opened when a phase starts, closed with its counts."""

    name: PhaseName
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def close(self, *, total: int, error: int) -> PhaseRecord:
        """The record of a phase that looked at `total` rows and found `error` of them wrong."""
        fault.point(f"phase.{self.name}")
        return PhaseRecord(
            name=self.name,
            total=total,
            processed=total,
            success=total - error,
            error=error,
            started_at=self.started_at,
            finished_at=datetime.now(UTC),
        )

    def skip(self, reason: str, *, total: int = 0) -> PhaseRecord:
        """The record of a phase that had nothing to do."""
        fault.point(f"phase.{self.name}")
        return PhaseRecord(
            name=self.name,
            total=total,
            skipped_reason=reason,
            started_at=self.started_at,
            finished_at=datetime.now(UTC),
        )
