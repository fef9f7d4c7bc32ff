"""A rule file half-way: read, but not yet seen beside the other files of its catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingester.ruleset.mistake import Report
from ingester.ruleset.model import Entity


@dataclass(slots=True)
class Draft:
    """`entity` is None if the file could not be read at all. `lines` says where its parts stand, by key."""

    report: Report
    entity: Entity | None = None
    lines: dict[str, int] = field(default_factory=dict)
