"""What one column of a sample holds, guessed from its different cells: the narrowest field that takes all of them.

Every guess is tried with the cast that constants of rule files go through, so a field never refuses its own sample.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence

from ingester.ruleset.cast import STRING_FORMATS, cast
from ingester.ruleset.model import Field, FieldType

#: Cells that mean "nothing" where the rest of their column has a type.
MARKERS = ("NA", "N/A", "n/a", "NULL", "null", "None", "NaN", "nan", "#N/A", "-", "--")

_WORDS = (("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off"), ("ja", "nein"), ("oui", "non"))
_FLAG = re.compile(r"(is|has|can|was|allows?|accepts?)_", re.IGNORECASE)
#: Digits under such a header name something: nobody adds them up, and zeros in front count.
_LABEL = re.compile(
    r"(^|[_. ])((id|key|code|zip|sku|ssn|iban|vat|ref|number|no|reference)$|(postal|phone|mobile|fax|tel)([_. ]|$))"
)
_YEAR = re.compile(r"(^|_)year(_|$)")
_DAY = re.compile(r"(^|_)(date|day|on)(_|$)")
#: Decimal sign and the one between groups of digits, the usual ones first.
_SIGNS = ((".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " "), (".", "'"))
_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y")
_NAMED_DATES = ("%d %b %Y", "%d-%b-%Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%y")
_TIMES = ("%I:%M %p", "%I:%M:%S %p")
_CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
_AFFIX = r"(?:[$€£¥%]|[A-Z]{3})"
_AFFIXED = re.compile(rf"(?:{_AFFIX} ?)?(?P<number>[-+]?[0-9.,' ]*[0-9])(?: ?{_AFFIX})?")


def guess(name: str, cells: Sequence[str]) -> tuple[Field, tuple[Field, ...]]:
    """The narrowest field that takes every one of the different `cells`, and others that would as well.

    Only dates are ever doubtful: 03/04 is in March or in April. No cells at all are a string.
    """
    if cells:
        for candidates in _KINDS:
            fitting = [field for field in candidates(name.lower(), cells) if _takes(field, cells)]
            if fitting:
                first = fitting[0]
                others = fitting[1:] if first.format != "default" else []
                return first, tuple(each for each in others if each.type is first.type)
    return Field(name=name), ()


def _takes(field: Field, cells: Sequence[str]) -> bool:
    form = STRING_FORMATS.get(field.format) if field.type is FieldType.STRING else None
    try:
        for cell in cells:
            cast(field, cell, strict=False)
    except ValueError:
        return False
    return form is None or all(map(form.fullmatch, cells))


def _booleans(name: str, cells: Sequence[str]) -> Iterator[Field]:
    words = {cell.casefold() for cell in cells}
    if words <= {"1", "0"} and _FLAG.match(name):
        yield Field(name=name, type=FieldType.BOOLEAN)
    for true, false in _WORDS:
        # One letter alone could stand for anything.
        if words <= {true, false} and (len(true) > 1 or words == {true, false}):
            cased = str.upper if all(cell.isupper() for cell in cells) else str.title if cells[0][0].isupper() else str
            yes = tuple(cell for cell in cells if cell.casefold() == true) or (cased(true),)
            no = tuple(cell for cell in cells if cell.casefold() == false) or (cased(false),)
            plain = Field(name=name, type=FieldType.BOOLEAN)
            yield plain
            yield dataclasses.replace(plain, true_values=yes, false_values=no)


def _whole_numbers(name: str, cells: Sequence[str]) -> Iterator[Field]:
    if _YEAR.search(name) and all(len(cell) == 4 for cell in cells):
        yield Field(name=name, type=FieldType.YEAR)
    if _DAY.search(name):
        yield Field(name=name, type=FieldType.DATE, format="%Y%m%d")
    if not _LABEL.search(name) and not any(re.match(r"[-+]?0[0-9]", cell) for cell in cells):
        yield Field(name=name, type=FieldType.INTEGER)


def _numbers(name: str, cells: Sequence[str]) -> Iterator[Field]:
    if _LABEL.search(name) or any(re.match(r"[-+]?0[0-9]", cell) for cell in cells):
        return
    within = [_AFFIXED.fullmatch(cell) for cell in cells]
    if not all(within):
        return
    plain = [match["number"] for match in within if match]
    bare = plain == list(cells)
    for decimal, group in _SIGNS:
        shape = re.compile(
            rf"[-+]?([0-9]{{1,3}}({re.escape(group)}[0-9]{{3}})+|[0-9]+)?(?P<part>{re.escape(decimal)}[0-9]+)?"
            if group
            else rf"[-+]?[0-9]*(?P<part>{re.escape(decimal)}[0-9]+)?"
        )
        found = [shape.fullmatch(cell) for cell in plain]
        if all(found):
            whole = not any(match and match["part"] for match in found)
            kind = FieldType.INTEGER if whole else FieldType.NUMBER
            used = group if any(group in cell for cell in plain) else ""
            sign = "." if whole else decimal
            yield Field(name=name, type=kind, decimal_char=sign, group_char=used, bare_number=bare)


def _moments(name: str, _: Sequence[str]) -> Iterator[Field]:
    """Dates, times and datetimes, the standard's own form first."""
    for kind, formats in (
        (FieldType.DATE, ("default", *_DATES, *_NAMED_DATES)),
        (FieldType.YEARMONTH, ("default",)),
        (FieldType.TIME, ("default", *_TIMES)),
        (FieldType.DURATION, ("default",)),
        (FieldType.DATETIME, ("default", *(f"{date} {clock}" for date in ("%Y-%m-%d", *_DATES) for clock in _CLOCKS))),
    ):
        yield from (Field(name=name, type=kind, format=each) for each in formats)


def _texts_with_a_form(name: str, cells: Sequence[str]) -> Iterator[Field]:
    yield from (Field(name=name, format=each) for each in ("uuid", "email", "uri"))
    yield Field(name=name, type=FieldType.GEOJSON)
    yield Field(name=name, type=FieldType.OBJECT)
    if all(cell.startswith("[") for cell in cells):
        yield Field(name=name, type=FieldType.ARRAY)
    # In a cell with a delimiter there are no blanks beside it, or it is a sentence.
    if any("|" in cell for cell in cells) and not any(re.search(r"\s\||\|\s|\|\||^\||\|$|^\[", cell) for cell in cells):
        yield Field(name=name, type=FieldType.ARRAY)


_KINDS: tuple[Callable[[str, Sequence[str]], Iterator[Field]], ...] = (
    _booleans,
    _whole_numbers,
    _numbers,
    _moments,
    _texts_with_a_form,
)
