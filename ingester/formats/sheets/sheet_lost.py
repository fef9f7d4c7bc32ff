"""What the reader of workbooks does not tell of a sheet's cells.

It gives nothing where a cell has an error or a formula that was never calculated, a float for a number of twenty
digits, and 123 where people see 00123. Each would be a wrong value that nobody hears of.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from ingester.formats.plain import text, too_large
from ingester.formats.sheets.number_format import EXACT, Show

#: What a cell is whose formula nobody calculated, as an error of Excel's own.
NEVER_CALCULATED = "#CALC!"
#: Errors by their numbers in XLS and XLSB.
ERRORS = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A"}
_MOST = 5_000_000


@dataclass(slots=True)
class Lost:
    """Cells by row and column from 0."""

    #: The cell as it is to be written: an error, all digits of a number, or with its zeros.
    cells: dict[tuple[int, int], str] = field(default_factory=dict)
    #: Formatted numbers below zero, of which no time of day can be.
    negative: set[tuple[int, int]] = field(default_factory=set)
    uncalculated: int = 0
    #: Whether some number has more digits than a spreadsheet keeps; whoever wrote it rounded none.
    has_all_digits: bool = False

    def keep(self, place: tuple[int, int], cell: str) -> None:
        """What a cell is, in plain form."""
        self.cells[place] = cell
        self.uncalculated += cell == NEVER_CALCULATED
        if len(self.cells) > _MOST:
            raise too_large(
                f"a sheet with over {_MOST} errors, formulas without a value and numbers of 16 digits or 00123"
            )

    def keep_shown(self, place: tuple[int, int], value: float, show: Show) -> None:
        """A number as its format shows it, if that is more than the number."""
        value = float(f"{value:.15g}")  # as people see it: formulas leave traces behind
        if value.is_integer() and 0 <= value < EXACT and (shown := show(int(value))) != str(int(value)):
            self.keep(place, text(shown))


def short_number(short: int) -> float:
    """A number of XLS and XLSB in 30 bits: whole, or the begin of a float; and perhaps a hundred times as large."""
    if short & 2:
        value = float((short >> 2) - ((short >> 31) << 30))
    else:
        value = float(struct.unpack("<d", struct.pack("<Q", (short & ~3) << 32))[0])
    return value / 100 if short & 1 else value
