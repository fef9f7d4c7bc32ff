"""Which column of a file is which field of an entity: by name, then by alias, whatever the case and spacing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingester.ruleset.model import Entity
from ingester.ruleset.naming import fold_header


@dataclass(frozen=True, slots=True)
class ColumnMatch:
    """One column of the header, by position; `field` is None where the entity has none for it."""

    position: int
    column: str
    field: str | None = None
    #: `name` or `alias`.
    matched_by: str | None = None

    @property
    def score(self) -> float | None:
        """How sure the match is, from 0 to 1."""
        return None if self.field is None else 1.0


def match_columns(header: Sequence[str], entity: Entity) -> Iterator[ColumnMatch]:
    """Match each column of `header`; two columns may match one field, which is for the caller to refuse."""
    names = {fold_header(field.name): field.name for field in entity.fields}
    aliases = {fold_header(alias): field.name for field in entity.fields for alias in field.aliases}
    for position, column in enumerate(header):
        folded = fold_header(column)
        if folded in names:
            yield ColumnMatch(position, column, names[folded], "name")
        elif folded in aliases:
            yield ColumnMatch(position, column, aliases[folded], "alias")
        else:
            yield ColumnMatch(position, column)
