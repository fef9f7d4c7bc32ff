"""What a check says: the positions of the cells that share a fault; how Arrow's answers become positions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

#: Sorted indices into a batch.
Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fault:
    """The cells at `positions` have the fault `code`; `expected` completes the code's message."""

    code: str
    expected: str
    positions: Positions
    #: A better hint than the code's own.
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Typed:
    """A column cast to its type: null where the text was missing or faulty."""

    values: pa.Array
    faults: list[Fault]


@dataclass(frozen=True, slots=True)
class Column:
    """What a constraint looks at: the text as sent and the typed values, both null where there is nothing to check."""

    text: pa.StringArray
    values: pa.Array


#: Text with nulls for missing cells → typed values.
Cast = Callable[[pa.StringArray], Typed]
#: The positions that violate a constraint.
Violations = Callable[[Column], Positions]
#: One constraint of one field, compiled: nothing where every cell meets it.
Constraint = Callable[[Column], list[Fault]]


def constraint(code: str, expected: str, violations: Violations) -> Constraint:
    """A constraint whose faults share one text."""

    def faults(column: Column) -> list[Fault]:
        positions = violations(column)
        return [Fault(code, expected, positions)] if positions.size else []

    return faults


def where_false(answers: pa.BooleanArray) -> Positions:
    """Where a kernel said no; a null is no answer."""
    if answers.true_count + answers.null_count == len(answers):
        return np.empty(0, np.int64)
    return np.flatnonzero(~answers.fill_null(True).to_numpy(zero_copy_only=False))


def where_true(answers: pa.BooleanArray) -> Positions:
    """Where a kernel said yes."""
    if not answers.true_count:
        return np.empty(0, np.int64)
    return np.flatnonzero(answers.fill_null(False).to_numpy(zero_copy_only=False))


def present(column: pa.Array) -> Mask:
    """Where a column is not null."""
    if not column.null_count:
        return np.ones(len(column), np.bool_)
    mask: Mask = column.is_valid().to_numpy(zero_copy_only=False)
    return mask
