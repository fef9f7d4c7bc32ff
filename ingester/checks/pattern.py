"""`pattern`: the whole text of the cell, as sent, matches an RE2 expression."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.fault import Column, Constraint, Positions, constraint, where_false
from ingester.domain.errors import ConfigurationError
from ingester.ruleset.model import Field


def pattern(field: Field) -> list[Constraint]:
    r"""The pattern of one field, if it has one. Raises ConfigurationError if RE2 refuses it.

    Anchored by `\A` and `\z`: `$` would also match before a line end.
    """
    expression = field.constraints.pattern
    if expression is None:
        return []
    whole = rf"\A(?:{expression})\z"
    try:
        pc.match_substring_regex(pa.array([""], pa.string()), whole)
    except pa.ArrowInvalid as error:
        raise ConfigurationError(f"the pattern of field {field.name} is no RE2 expression: {error}") from error

    def violations(column: Column) -> Positions:
        return where_false(pc.match_substring_regex(column.text, whole))

    return [constraint("pattern_mismatch", expression, violations)]
