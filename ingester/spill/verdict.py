"""The verdict on every row of a file: good, wrong, a duplicate, or both. One byte a row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_ERROR = np.uint8(1)
_DUPLICATE = np.uint8(2)


class Verdict:
    """Rows are numbered from 1. A row that is wrong and a duplicate counts as wrong."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget every row."""
        self._flags = np.zeros(1024, dtype=np.uint8)
        self.total = 0

    def extend(self, total: int) -> None:
        """Make room for rows up to number `total`, all good so far."""
        self.total = max(self.total, total)
        if self.total >= len(self._flags):
            # Memory that is never written to costs none.
            flags = np.zeros(self.total + len(self._flags), dtype=np.uint8)
            flags[: len(self._flags)] = self._flags
            self._flags = flags

    def reject(self, rows: npt.NDArray[np.int64]) -> None:
        """Mark rows as wrong."""
        self._flags[rows] |= _ERROR

    def refuse(self, rows: npt.NDArray[np.int64]) -> None:
        """Mark rows as duplicates."""
        self._flags[rows] |= _DUPLICATE

    def reject_all(self) -> None:
        """Mark every row as wrong."""
        self._flags[1 : self.total + 1] |= _ERROR

    def good(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of `rows` nothing speaks against."""
        return np.equal(self._flags[rows], 0)

    def bad(self) -> npt.NDArray[np.bool_]:
        """Which rows will not be imported, by number; number 0 is no row."""
        return np.not_equal(self._flags[: self.total + 1], 0)

    def bad_rows(self) -> npt.NDArray[np.int64]:
        """Numbers of all rows that will not be imported, ascending."""
        return np.flatnonzero(self._all()).astype(np.int64) + 1

    @property
    def error_rows(self) -> int:
        """How many rows are wrong."""
        return int(np.count_nonzero(self._all() & _ERROR))

    @property
    def duplicate_rows(self) -> int:
        """How many rows are duplicates and nothing worse."""
        return int(np.count_nonzero(self._all() == _DUPLICATE))

    @property
    def valid_rows(self) -> int:
        """How many rows will be imported."""
        return self.total - self.error_rows - self.duplicate_rows

    def _all(self) -> npt.NDArray[np.uint8]:
        return self._flags[1 : self.total + 1]
