"""Which of the first rows of a table is its header, however much stands above it. Text files and sheets share it."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: Rows that may stand above a header.
_ABOVE = 50
#: Rows below a candidate that say what kind of values its columns hold.
_BELOW = 100
#: Columns that are asked what kind of values they hold.
_COLUMNS = 400

_NUMBER = re.compile(r"[+-]?[$€£¥]?\s?(?=.*\d)[\d.,'\u00a0\u202f ]+(?:[eE][+-]?\d+)?\s?[%€$£]?-?|\([\d.,]+\)")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T]\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(?::\d{2})?")
_OTHER = re.compile(
    r"(?i:true|false|null|n/?a)|[^@\s]+@[^@\s]+\.[a-z]+|https?://\S+|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}"
)
_YEAR = re.compile(r"(?:19|20)\d\d")
#: What is drawn between names and rows.
_DRAWN = re.compile(r"[-=]{2,}")
_UNIT = re.compile(r"[(\[][^()\[\]]{1,20}[)\]]")

IsKnown = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Heading:
    """Column names, and where they were: `row` is the index of the (first) header row, None if there is none.

    `data` is the index of the first row after it. Without a header `names` is empty.
    """

    row: int | None
    data: int
    names: tuple[str, ...] = ()
    #: A row of units or dashes below the names.
    aside: tuple[str, ...] = ()


def find_heading(rows: Sequence[Sequence[str]], is_known: IsKnown | None = None) -> Heading:
    """Find the header among the first rows of a table, of which none is blank.

    `is_known` tells whether a text is a name that the rules know for a column; where one row has such names, it is the
    header.
    """
    if not rows:
        return Heading(None, 0)
    width = _width(rows)
    if is_known is not None and (row := _with_known(rows, is_known)) is not None:
        return _from(rows, row, is_known)
    for index, cells in enumerate(rows[:_ABOVE]):
        filled = _filled(cells)
        if filled >= max(1, width - max(1, width // 3)) and (width == 1 or filled > 1):
            is_title = _last(cells) > width and _is_header(rows, index + 1, width)
            return _judged(rows, index + 1 if is_title else index, is_known)
    return _from(rows, 0)


def _width(rows: Sequence[Sequence[str]]) -> int:
    """The usual number of cells. A row whose last ones are empty may be as wide as it is, or as what is in it."""
    extents = Counter((_last(row), len(row)) for row in rows[: _ABOVE + _BELOW])

    def support(width: int) -> float:
        alike = sum(n if last == width else n / 2 for (last, most), n in extents.items() if last <= width <= most)
        return alike * min(width, 3)

    return max({last for last, _ in extents}, key=lambda width: (support(width), width))


def _last(row: Sequence[str]) -> int:
    return max((place + 1 for place, cell in enumerate(row) if cell.strip()), default=0)


def _filled(row: Sequence[str]) -> int:
    return sum(1 for cell in row if cell.strip())


def _with_known(rows: Sequence[Sequence[str]], is_known: IsKnown) -> int | None:
    """The row with most known names, if they are no accident."""
    counts = [known_names(row, is_known) for row in rows[: _ABOVE + 1]]
    # The first that has about as many as any: below it are rows, even if one of them is the header once more.
    best = next(index for index, count in enumerate(counts) if count * 2 >= max(counts))
    known, filled = counts[best], _filled(rows[best])
    return best if known and (known * 3 >= filled or known > 2) else None


def known_names(row: Sequence[str], is_known: IsKnown) -> int:
    """How many names that the rules know a row has."""
    return sum(map(is_known, {cell.strip() for cell in row if cell.strip()}))


def _judged(rows: Sequence[Sequence[str]], index: int, is_known: IsKnown | None) -> Heading:
    """What the first row of full width is: a header, the first line of one, or data already."""
    row, below = rows[index], rows[index + 1 : index + 2]
    if _is_group(row) and below and (_is_names(below[0]) or _is_under(row, below[0])):
        return _from(rows, index, is_known)
    against, in_favour = _evidence(rows, index)
    if against > in_favour:
        return Heading(None, index)
    return _from(rows, index, is_known)


def _is_header(rows: Sequence[Sequence[str]], index: int, width: int) -> bool:
    """Whether a row is as wide as the table and has names above values."""
    if index >= len(rows) or not len(rows[index]) == _last(rows[index]) == width:
        return False
    against, in_favour = _evidence(rows, index)
    return in_favour > against


def _evidence(rows: Sequence[Sequence[str]], index: int) -> tuple[int, int]:
    """What speaks against a row's being the header, and in favour of it."""
    row, below = rows[index], rows[index + 1 : index + 1 + _BELOW]
    same = [each for each in below if len(each) == len(row)]
    against = in_favour = 0
    for place, cell in enumerate(row[:_COLUMNS]):
        kinds = Counter(kind(each[place]) for each in same if each[place].strip())
        own = kind(cell)
        if not kinds:
            continue
        if _YEAR.fullmatch(cell.strip()) and not any(_YEAR.fullmatch(each[place].strip()) for each in same):
            in_favour += 1
            continue
        (usual, count), total = kinds.most_common(1)[0], kinds.total()
        if own == "text" and usual != "text" and count * 2 > total:
            in_favour += 1
        elif own not in ("text", "") and own == usual:
            against += 2
        elif own not in ("text", ""):
            against += 1
    if not below:  # nothing but itself tells
        against = sum(1 for cell in row[:_COLUMNS] if kind(cell) not in ("text", ""))
        in_favour = len(row[:_COLUMNS]) // 3
    return against, in_favour


def _from(rows: Sequence[Sequence[str]], index: int, is_known: IsKnown | None = None) -> Heading:
    """The header that begins at a row, with what belongs to it: a line of names above, of units or dashes below."""
    row = [cell.strip() for cell in rows[index]]
    above = [cell.strip() for cell in rows[index - 1]] if index else []
    names = [cell.casefold() for cell in row if cell]
    if above and len(above) == len(row) and len(set(names)) < len(names) and _is_group(above):
        return Heading(index - 1, index + 1, tuple(_under_groups(above, row)))
    following = [cell.strip() for cell in rows[index + 1]] if index + 1 < len(rows) else []
    if following and len(following) == len(row):
        is_names = is_known is not None and known_names(row, is_known) > known_names(following, is_known)
        if _is_group(row) and _is_names(following) and not is_names:
            return Heading(index, index + 2, tuple(_under_groups(row, following)))
        if _is_under(row, following) and not is_names:
            return Heading(index, index + 2, tuple(_joined(row, following)))
        if _is_of_units(following, rows[index + 2 :]) or _is_drawn(following):
            return Heading(index, index + 2, tuple(row), tuple(following))
    return Heading(index, index + 1, tuple(row))


def _is_of_units(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether it has units in brackets, `(kg)`; rows may have cells in brackets too, and negative amounts."""
    places = [place for place, cell in enumerate(row) if cell]
    others = (each[place].strip() for each in below for place in places if place < len(each))
    return (
        bool(places)
        and all(_UNIT.fullmatch(row[place]) and kind(row[place]) == "text" for place in places)
        and not any(map(_UNIT.fullmatch, others))
    )


def _is_drawn(row: Sequence[str]) -> bool:
    filled = [cell for cell in row if cell]
    return bool(filled) and all(map(_DRAWN.fullmatch, filled))


def _is_group(row: Sequence[str]) -> bool:
    """Whether a row is names that stand above several columns each: gaps after them, and no value."""
    cells = [cell.strip() for cell in row]
    gaps = sum(1 for before, cell in itertools.pairwise(cells) if before and not cell)
    return gaps > 0 and all(kind(cell) in ("text", "") or _YEAR.fullmatch(cell) for cell in cells)


def _is_under(groups: Sequence[str], row: Sequence[str]) -> bool:
    """Whether a row has names just where groups span several columns, and nothing below the names of single ones."""
    if not _is_group(groups) or len(row) != len(groups):
        return False
    spanned = [not cell.strip() for cell in groups]
    spanned = [gap or after for gap, after in itertools.zip_longest(spanned, spanned[1:], fillvalue=False)]
    return [bool(cell.strip()) for cell in row] == spanned and all(kind(cell) in ("text", "") for cell in row)


def _joined(groups: Sequence[str], names: Sequence[str]) -> list[str]:
    """The names of single columns, and those below groups with the group's in front."""
    above, whole = "", []
    for group, name in zip(groups, names, strict=True):
        above = group or above
        whole.append(f"{above} {name}".strip())
    return whole


def _is_names(row: Sequence[str]) -> bool:
    cells = [cell.strip() for cell in row]
    return all(cells) and all(kind(cell) == "text" for cell in cells)


def _under_groups(groups: Sequence[str], names: Sequence[str]) -> list[str]:
    """The lower line alone if it tells the columns apart, else with the name above it."""
    if len(set(map(str.casefold, names))) == len(names):
        return list(names)
    return _joined(groups, names)


def kind(cell: str) -> str:
    """`number`, `date`, `other` for further values that no column is called, `text`, or nothing for an empty cell."""
    cell = cell.strip()
    if not cell:
        return ""
    if _NUMBER.fullmatch(cell):
        return "number"
    if _DATE.fullmatch(cell):
        return "date"
    return "other" if _OTHER.fullmatch(cell) else "text"
