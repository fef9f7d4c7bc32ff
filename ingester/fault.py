"""Named places where a crash hurts most, so that tests can crash there.

Production code calls `point(name)`; nothing happens. There is no setting and no environment variable that arms a
point: only a program that imports this module and calls `arm` can, and the only such programs are under `tests/`.
Worker processes are spawned from the main module, so a test's runner script arms them as well.
"""

from __future__ import annotations

from collections.abc import Callable

#: Every point there is, in the order a drop meets them.
POINTS = (
    "taking.copied",
    "landing.written",
    "landing.fsynced",
    "landing.renamed",
    "landing.folder_synced",
    "landing.committed",
    "taking.landed",
    "taking.unmarked",
    "taking.aside",
    "s3.noted",
    "s3.fetched",
    "s3.landed",
    "claim.committed",
    "set.unpacked",
    "set.placed",
    "set.begun",
    "set.staged",
    "set.ended",
    "phase.prevalidation",
    "phase.preparsing",
    "phase.transforming",
    "phase.parsing",
    "phase.validation",
    "phase.processing",
    "phase.cleanup",
    "outbox.written",
    "merge.before_commit",
    "merge.committed",
    "outbox.half_published",
    "outbox.published",
    "archive.moved",
    "ledger.completed",
    "s3.copied",
    "s3.settled",
    "s3.reports_sent",
    "s3.told",
    "purge.records",
    "purge.folders",
    "purge.ledger",
)

_action: Callable[[str], None] | None = None


def arm(action: Callable[[str], None]) -> None:
    """Call `action` with the name of every point that is passed from now on, in this process."""
    global _action
    _action = action


def point(name: str) -> None:
    """Mark a place where a test may interfere; does nothing unless a test armed this process."""
    if _action is not None:
        assert name in POINTS, f"unknown fault point {name}"
        _action(name)
