"""`enum`: the value is one of a few. Compared as typed values, so that `1.0` is the number `1`."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.fault import Cast, Column, Constraint, Fault, Positions, where_true
from ingester.domain.errors import ConfigurationError
from ingester.ruleset.model import Field

#: Distinct wrong values of one batch that are looked at for a suggestion: comparing texts is slow.
_SUGGESTIONS = 500
_CACHED = 10_000


def membership(field: Field, cast: Cast) -> list[Constraint]:
    """The enum of one field, if it has one. Raises ConfigurationError for a value that is not of the field's type."""
    names = field.constraints.enum
    if names is None:
        return []
    typed = cast(pa.array(names, pa.string()))
    if typed.faults:
        wrong = names[int(typed.faults[0].positions[0])]
        raise ConfigurationError(f"the enum of field {field.name} holds {wrong!r}, which is not valid for it")
    expected = " | ".join(f"'{name}'" for name in names)
    suggestion = _Suggestions(names)

    def faults(column: Column) -> list[Fault]:
        is_other = pc.invert(pc.is_in(column.values, value_set=typed.values))
        wrong = where_true(pc.and_(is_other, column.values.is_valid()))
        if not wrong.size:
            return []
        return [Fault("invalid_enum_value", expected, at, hint) for hint, at in suggestion.split(column.text, wrong)]

    return [faults]


class _Suggestions:
    """Which of the names a wrong value was probably meant to be."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = {name.casefold(): name for name in reversed(names)}
        self._longest = max(map(len, names))
        self._hint = lru_cache(_CACHED)(self._read)

    def split(self, text: pa.StringArray, wrong: Positions) -> list[tuple[str, Positions]]:
        """The positions by hint; those without a suggestion have none."""
        encoded = text.take(pa.array(wrong)).dictionary_encode()
        hints = [self._hint(cell) for cell in encoded.dictionary.slice(0, _SUGGESTIONS).to_pylist()]
        distinct = sorted({*hints, ""})
        numbers = np.full(len(encoded.dictionary), distinct.index(""), np.int64)
        numbers[: len(hints)] = [distinct.index(hint) for hint in hints]
        chosen = numbers[encoded.indices.to_numpy()]
        found = ((hint, wrong[chosen == number]) for number, hint in enumerate(distinct))
        return [(hint, at) for hint, at in found if at.size]

    def _read(self, cell: str) -> str:
        word = cell.strip().casefold()
        if len(word) > 2 * self._longest:
            return ""
        close = difflib.get_close_matches(word, self._names, n=1)
        return f"Did you mean '{self._names[close[0]]}'?" if close else ""
