"""What is told of a file that was transcribed into the plain form, beside its rows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The columns and where they were found.

    Line *n* of the plain file is line *n* of the source: a row of its sheet, a line, a record by number.
    `header_row` is the line of the header, None where there is none. `names` is empty where there are no rows either.
    """

    names: tuple[str, ...]
    rows: int
    #: The line of the first row of data, whether or not there is one.
    first_line: int = 1
    header_row: int | None = None
    sheet: str | None = None
    #: Sheets that have rows as well, and were not read.
    other_sheets: tuple[str, ...] = ()
    #: Where the rows were found: `records` in JSON, `catalog/item` in XML.
    path: str | None = None
    encoding: str | None = None
    #: Cells whose formula was never calculated; they stand as `#CALC!`.
    uncalculated: int = 0
    #: A row of units or dashes below the names.
    aside: tuple[str, ...] = ()
    #: Columns with numbers of sixteen digits and more, of which a spreadsheet keeps fifteen.
    rounded: tuple[str, ...] = ()
