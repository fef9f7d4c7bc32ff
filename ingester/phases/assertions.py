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

from ingester.checks.assertion import Batch
from ingester.checks.compile import CompiledEntity
from ingester.domain.status import Action
from ingester.spill.asserted import Asserted
from ingester.spill.notices import Kind
from ingester.store.lookup import stored_values
from ingester.store.scope import is_empty
from ingester.store.target import Target

_Numbers = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]


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
        checks = self.rules.checks
        open_ = [n for n in sorted(self.asserted.waiting) if stored is not None or self._is_told_by_file(n, action)]
        wrong: dict[int, list[_Numbers]] = {number: [np.empty(0, np.int64)] for number in open_}
        fields = list(dict.fromkeys(name for number in open_ for name in checks[number][1]))
        for numbers, keys, said, waits in self.asserted.undecided(len(checks)) if open_ else ():
            is_stored, records = self._records(fields, keys, said, stored)
            batch = Batch(records, len(numbers))
            for number in open_:
                # An update of a record that is not there has a notice of its own; one of which nothing is said stays.
                says = self.rules.says(checks[number][1], said, len(numbers))
                counts = waits[number] & np.where(is_stored, says, action is not Action.UPDATE)
                at = self.rules.failing(number, batch)
                wrong[number].append(numbers[at[counts[at]]])
        for number, rows in wrong.items():
            check = checks[number][0]
            yield Kind(check.code, check.fields, check.message, check.severity, check.hint), np.concatenate(rows)

    def not_told(self, action: Action) -> list[str]:
        """The codes of the checks that are not made for some rows where there is no database."""
        waiting = sorted(self.asserted.waiting)
        return [self.rules.checks[n][0].code for n in waiting if not self._is_told_by_file(n, action)]

    def _is_told_by_file(self, number: int, action: Action) -> bool:
        """Whether the file says all that a new record would have."""
        return action is not Action.UPDATE and set(self.rules.checks[number][1]) <= set(self.asserted.said or ())

    def _records(
        self,
        fields: list[str],
        keys: pa.RecordBatch,
        said: Mapping[str, pa.Array],
        stored: tuple[Connection, Target] | None,
    ) -> tuple[_Mask, dict[str, pa.Array]]:
        """Which rows are about a stored record, and what the records of all rows come to hold in some fields."""
        count = keys.num_rows
        records = self.rules.created(fields, said, count)
        if stored is None or is_empty(stored[0], stored[1].entity.table, stored[1].scope):
            return np.zeros(count, np.bool_), records
        connection, target = stored
        wanted = [target.entity.field(name) for name in fields]
        is_stored, values = stored_values(connection, target.entity, wanted, keys, target.scope)
        for name, value in zip(fields, values, strict=True):
            cell = said.get(name)
            if cell is None:
                cell = value
            elif not target.erases:
                cell = pc.coalesce(cell, value)
            records[name] = pc.if_else(pa.array(is_stored), cell, records[name])
        return is_stored, records
