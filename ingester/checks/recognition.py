"""What a step of `normalise` says that recognises cells: their standard form, or that there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ingester.checks.cells import replaced
from ingester.checks.fault import Fault, Positions, present


@dataclass(frozen=True, slots=True)
class Recognised:
    """The column with standard forms; a cell that has none keeps its text and is in the faults."""

    text: pa.StringArray
    faults: list[Fault]


def recognise(
    text: pa.StringArray, left: Positions, standard: Callable[[str], str | None], code: str, expected: str = ""
) -> Recognised:
    """Recognise the cells at `left` by a function of one cell, called for each distinct one; None is no such form."""
    if not left.size:
        return Recognised(text, [])
    encoded = text.take(pa.array(left)).dictionary_encode()
    found = pa.array(map(standard, encoded.dictionary.to_pylist()), pa.string()).take(encoded.indices)
    known = present(found)
    if known.any():
        text = replaced(text, left[known], found.drop_null())
    return Recognised(text, [] if known.all() else [Fault(code, expected, left[np.flatnonzero(~known)])])
