"""`enum`: the value is one of a few. Compared as typed values, so that `1.0` is the number `1`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.fault import Cast, Column, Constraint, Positions, where_true
from ingester.domain.errors import ConfigurationError
from ingester.ruleset.model import Field


def membership(field: Field, cast: Cast) -> list[Constraint]:
    """The enum of one field, if it has one. Raises ConfigurationError for a value that is not of the field's type."""
    names = field.constraints.enum
    if names is None:
        return []
    typed = cast(pa.array(names, pa.string()))
    if typed.faults:
        wrong = names[int(typed.faults[0].positions[0])]
        raise ConfigurationError(f"the enum of field {field.name} holds {wrong!r}, which is not valid for it")

    def violations(column: Column) -> Positions:
        return where_true(pc.and_(pc.invert(pc.is_in(column.values, value_set=typed.values)), column.values.is_valid()))

    return [Constraint("invalid_enum_value", " | ".join(f"'{name}'" for name in names), violations)]
