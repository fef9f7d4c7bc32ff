"""A part of phase 5: the rules' own checks of several fields, for rows of which what is stored decides.

A cell that is empty, or not in the file at all, leaves a stored record as it is: such a row is checked as the record
that it makes. A row whose record is not stored makes one of itself and of defaults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from ingester.checks.compile import CompiledEntity
from ingester.domain.status import Action
from ingester.ruleset.model import Check
from ingester.spill.asserted import Asserted
from ingester.spill.notices import Kind
from ingester.store.lookup import stored_values
from ingester.store.target import Target

_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Assertions:
    """The checks, compiled, and what the first phase found out."""

    rules: CompiledEntity
    asserted: Asserted

    def failed(self) -> Iterator[_Numbers]:
        """The rows that fail a check whatever is stored; their notices are written."""
        return self.asserted.rejected()

    def decided(self, action: Action, stored: tuple[Connection, Target] | None) -> Iterator[tuple[Kind, _Numbers]]:
        """The other rows that fail, now that stored values can be asked for; without a database all records are new."""
        for check in self.asserted.waiting:
            if stored is None and not self._is_told_by_file(check, action):
                continue
            wrong = [np.empty(0, np.int64)]
            for numbers, keys, said in self.asserted.undecided(check):
                if stored is None:
                    at = self.rules.failing(check, self.rules.created(check, said, len(numbers)), len(numbers))
                else:
                    at = _failing(self.rules, check, keys, said, action, *stored)
                wrong.append(numbers[at])
            yield Kind(check.code, check.fields, check.message, check.severity, check.hint), np.concatenate(wrong)

    def not_told(self, action: Action) -> list[str]:
        """The codes of the checks that are not made for some rows where there is no database."""
        return [each.code for each in self.asserted.waiting if not self._is_told_by_file(each, action)]

    def _is_told_by_file(self, check: Check, action: Action) -> bool:
        """Whether the file says all that a new record would have."""
        return action is not Action.UPDATE and set(self.rules.fields_of(check)) <= self.asserted.said(check)


def _failing(
    rules: CompiledEntity,
    check: Check,
    keys: pa.RecordBatch,
    said: Mapping[str, pa.Array],
    action: Action,
    connection: Connection,
    target: Target,
) -> _Numbers:
    """Positions of the rows that make a record which fails the check."""
    fields = [target.entity.field(name) for name in rules.fields_of(check)]
    is_stored, values = stored_values(connection, target.entity, fields, keys, target.scope)
    records = rules.created(check, said, len(is_stored))
    for field, value in zip(fields, values, strict=True):
        cell = said.get(field.name)
        if cell is None:
            cell = value
        elif not target.erases:
            cell = pc.coalesce(cell, value)
        records[field.name] = pc.if_else(pa.array(is_stored), cell, records[field.name])
    # An update of a record that is not there has a notice of its own; a record of which nothing is said stays.
    counts = is_stored & bool(said) | (~is_stored & (action is not Action.UPDATE))
    wrong = rules.failing(check, records, len(is_stored))
    found: _Numbers = wrong[counts[wrong]]
    return found
