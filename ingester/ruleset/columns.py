"""Which column of a file is which field of an entity: by name, by alias or by a family's prefix.

Case and spacing never matter. A family takes every column that begins with its prefix and that no other field takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingester.ruleset.model import Entity, Field
from ingester.ruleset.naming import fold_header


@dataclass(frozen=True, slots=True)
class ColumnMatch:
    """One column of the header, by position; `field` is None where the entity has none for it."""

    position: int
    column: str
    field: str | None = None
    #: `name`, `alias` or `family`.
    matched_by: str | None = None
    #: Of a column of a family, what follows the prefix, as sent: `tier` of `customFields.tier`.
    member: str | None = None

    @property
    def key(self) -> str | None:
        """What checks and reports call the column: its field, or its own header where the field is a family."""
        return self.column if self.member is not None else self.field

    @property
    def score(self) -> float | None:
        """How sure the match is, from 0 to 1."""
        return None if self.field is None else 1.0


def match_columns(header: Sequence[str], entity: Entity) -> Iterator[ColumnMatch]:
    """Match each column of `header`; two may match one field, or one member, which is for the caller to refuse."""
    plain = [field for field in entity.fields if not field.is_family]
    names = {fold_header(field.name): field.name for field in plain}
    aliases = {fold_header(alias): field.name for field in plain for alias in field.aliases}
    # The longest prefix first: `a.b.c` is of the family `a.b.{name}` before it is of `a.{name}`.
    families = sorted((field for field in entity.fields if field.is_family), key=lambda field: -field.prefix.count("."))
    for position, column in enumerate(header):
        folded = fold_header(column)
        if folded in names:
            yield ColumnMatch(position, column, names[folded], "name")
        elif folded in aliases:
            yield ColumnMatch(position, column, aliases[folded], "alias")
        else:
            yield _of_family(position, column, families)


def _of_family(position: int, column: str, families: Sequence[Field]) -> ColumnMatch:
    for family in families:
        # Folding may change the length, dots it leaves alone: so the column is cut at its dots.
        parts = column.split(".", family.prefix.count("."))
        member = parts.pop().strip()
        # No database keeps a NUL in the name of a member.
        if member and "\0" not in member and fold_header(".".join(parts) + ".") == fold_header(family.prefix):
            return ColumnMatch(position, column, family.name, "family", member)
    return ColumnMatch(position, column)
