"""Dates, times and datetimes as people and programs write them, where the rule gives no pattern.

Every usual way of writing one that has a single reading is read. 03/04/2026 is March here and April there: it is read
as the column's style says, else refused, where 13/04/2026 and 04/04/2026 are not. Years have four digits. A datetime
is rewritten as ISO 8601 does and cast by `temporal`. Numbers of days, as spreadsheets keep dates, are no dates.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import replaced
from ingester.checks.fault import Fault, Positions, Typed, present, where_true
from ingester.checks.invisible import clean
from ingester.checks.strptime import PatternCast
from ingester.checks.style import MARKS, UNKNOWN, Style
from ingester.checks.temporal import DatetimeCast, cast_date, cast_time
from ingester.ruleset.model import FieldType
from ingester.ruleset.strptime import MONTHS

_NAMED = (
    *("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d. %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y"),
    *("%d/%b/%Y", "%Y %b %d", "%Y %B %d", "%Y-%b-%d"),
)
_YEAR_FIRST = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
_TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M%p", "%I:%M:%S %p", "%I:%M:%S%p", "%I %p", "%I%p")
#: What a datetime is made of: a date, then maybe a time, then maybe where that time is.
_MOMENT = (
    r"\A(?P<date>.*?[0-9A-Za-z])(?:(?:[Tt]|,? +)(?P<time>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(?: ?[AaPp][Mm])?) ?(?P<zone>[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?|))?\z"
)
#: The time of a date that a program wrote as a datetime.
_MIDNIGHT = r"(?:[Tt]|,? +)(?:0?0:00(?::00(?:\.0{1,9})?)?|12:00(?::00)? ?[Aa][Mm])(?: ?(?:[Zz]|UTC|GMT|\+00:?00))?\z"
#: Of the year nobody knows the century, and often not the place.
_SHORT_YEAR = r"\A[0-9]{1,2}([/.-])[0-9]{1,2}[/.-][0-9]{2}(?:\z|[Tt ,])"
_IN_WORDS = (
    r"\A(?P<day>[0-9]{1,2})(?:\.|er|º|°)?[ /-]?(?:de )?(?P<month>\p{L}{3,10})\.?(?:,? |/|-)(?:del? )?"
    r"(?P<year>[0-9]{4})\z"
)
#: German, French, Spanish, Italian, Dutch and Portuguese, whole and cut short; what English has as well is left out.
_MONTHS = (
    "januar jänner jan jän janvier janv enero ene gennaio gen januari janeiro",
    "februar feb février fév févr fevrier febrero febbraio febbr februari fevereiro fev",
    "märz mär mrz mars marzo mar maart mrt março marco",
    "april apr avril avr abril abr aprile",
    "mai mayo may maggio mag mei maio",
    "juni jun juin junio giugno giu junho",
    "juli jul juillet juil julio luglio lug julho",
    "august aug août aout agosto ago augustus",
    "september sep sept septembre septiembre setiembre settembre set setembro",
    "oktober okt oct octobre octubre ottobre ott outubro out",
    "november nov novembre noviembre novembro",
    "dezember dez déc décembre decembre diciembre dic dicembre december dec dezembro",
)

_TWO_READINGS = "03/04/2026 is the third of April or the fourth of March"
_TWO_DIGITS = "its year has two digits"
_FOUR_DIGITS = "Write years with four digits, best as YYYY-MM-DD."


class AnyDateCast:
    """A date → date32."""

    def __init__(
        self, expected: str = "date. Expected one with a single reading, such as YYYY-MM-DD", *, mixed: bool = True
    ) -> None:
        self._expected = expected
        #: Whether a column may have several ways of writing; else most of its cells decide.
        self._mixed = mixed

    def __call__(self, text: pa.StringArray, style: Style = UNKNOWN) -> Typed:
        """Cast one column; a datetime at midnight is a date as well."""
        typed = cast_date(text)
        if not typed.faults:
            return typed
        odd = typed.faults[0].positions
        # A column has few different days, or mistakes, in many cells.
        encoded = text.take(pa.array(odd)).dictionary_encode()
        cells, which = clean(encoded.dictionary), encoded.indices.to_numpy()
        further = self.read(pc.replace_substring_regex(cells, _MIDNIGHT, ""), style)
        faults = []
        for each in further.faults:
            is_faulty = np.zeros(len(cells), np.bool_)
            is_faulty[each.positions] = True
            faults.append(Fault(each.code, each.expected, odd[is_faulty[which]], each.hint))
        return Typed(replaced(typed.values, odd, further.values.take(encoded.indices)), faults)

    def read(self, cells: pa.StringArray, style: Style) -> Typed:
        """Cast cleaned cells of which few are canonical."""
        found = _Found(cells, cast_date(cells).values)
        was_read = present(found.values)
        if style.standard and not self._mixed:
            # Its column is written as the standard has it: another way of writing is a mistake.
            return found.typed(self._expected)
        for mark, order in zip(MARKS, style.dates, strict=True):
            left, cells = found.left()
            if not left.size:
                break
            # A date that contradicts what the feed says is not read: the feed was told so for a reason.
            if order:
                if order != "ymd":
                    found.add(left, _date(order, mark)(cells).values)
                continue
            one, other = (_date(each, mark)(cells).values for each in ("dmy", "mdy"))
            different = pc.fill_null(pc.not_equal(one, other), False)
            found.add(left, pc.if_else(different, pa.scalar(None, pa.date32()), pc.coalesce(one, other)))
            found.refuse(left[where_true(different)], Fault("ambiguous_date", _TWO_READINGS, left))
        found.try_each([_pattern(each, FieldType.DATE) for each in (*_YEAR_FIRST, *_NAMED)])
        left, cells = found.left()
        if left.size:
            found.add(left, _in_words(cells))
            left, cells = found.left()
            short = left[where_true(pc.match_substring_regex(cells, _SHORT_YEAR))]
            found.refuse(short, Fault("ambiguous_date", _TWO_DIGITS, short, _FOUR_DIGITS))
        if not (style.surveyed or any(style.dates) or self._mixed):
            # What the others are like decides whether these are a way of writing, or mistakes.
            read = np.flatnonzero(present(found.values) & ~was_read)
            found.unread(read, Fault("ambiguous_date", _TWO_READINGS, read))
        return found.typed(self._expected)


class AnyTimeCast:
    """A time of day → time64[us]."""

    def __init__(self) -> None:
        self._patterns = [_pattern(each, FieldType.TIME) for each in _TIMES]

    def __call__(self, text: pa.StringArray, _: Style = UNKNOWN) -> Typed:
        """Cast one column."""
        typed = cast_time(text)
        if not typed.faults:
            return typed
        odd = typed.faults[0].positions
        cells = clean(text.take(pa.array(odd)))
        found = _Found(cells, cast_time(cells).values)
        found.try_each(self._patterns)
        further = found.typed("time. Expected HH:MM:SS")
        faults = [Fault(each.code, each.expected, odd[each.positions]) for each in further.faults]
        return Typed(replaced(typed.values, odd, further.values), faults)


class AnyDatetimeCast:
    """A date, or a date with a time → timestamp[us, UTC]; without a time it is midnight."""

    def __init__(self, timezone: str, *, mixed: bool = True) -> None:
        self._dates = AnyDateCast(mixed=mixed)
        self._times = AnyTimeCast()
        self._cast = DatetimeCast(timezone)

    def __call__(self, text: pa.StringArray, style: Style = UNKNOWN) -> Typed:
        """Cast one column."""
        typed = self._cast(text)
        odd = next((fault.positions for fault in typed.faults if fault.code == "invalid_type"), None)
        if odd is None:
            return typed
        cells = clean(text.take(pa.array(odd)))
        parts = pc.extract_regex(cells, _MOMENT)
        date, clock, zone = (pc.struct_field(parts, name) for name in ("date", "time", "zone"))
        dates = self._dates.read(date, style)
        days = pc.cast(dates.values, pa.string())
        clocks = pc.if_else(pc.equal(clock, ""), "00:00:00.000000", pc.cast(self._times(clock).values, pa.string()))
        zone = pc.replace_substring_regex(zone, r"\A(?:z|UTC|GMT)\z", "Z")
        zone = pc.replace_substring_regex(zone, r"\A([+-][0-9]{2}):?([0-9]{2})?\z", r"\1:\2")
        zone = pc.replace_substring_regex(zone, r":\z", ":00")
        moments = pc.binary_join_element_wise(days, "T", clocks, zone, "")
        # What could not be taken apart fails once more, as it was sent.
        further = self._cast(pc.coalesce(moments, cells))
        ambiguous = [fault for fault in dates.faults if fault.code == "ambiguous_date"]
        named = np.concatenate([np.empty(0, np.int64), *(fault.positions for fault in ambiguous)])
        faults = [fault for fault in typed.faults if fault.code != "invalid_type"]
        faults += (Fault(each.code, each.expected, odd[each.positions], each.hint) for each in ambiguous)
        for fault in further.faults:
            left = np.setdiff1d(fault.positions, named)
            if left.size:
                faults.append(Fault(fault.code, fault.expected, odd[left]))
        return Typed(replaced(typed.values, odd, further.values), _joined(faults))


class _Found:
    """What has been read of a column of cleaned cells so far."""

    def __init__(self, text: pa.StringArray, values: pa.Array) -> None:
        self._text = text
        self._values = values
        self._faults: list[Fault] = []
        self._refused = np.zeros(len(text), np.bool_)

    def left(self) -> tuple[Positions, pa.StringArray]:
        """Where nothing has been read yet, and those cells."""
        left = np.flatnonzero(present(self._text) & ~present(self._values) & ~self._refused)
        return left, self._text.take(pa.array(left))

    def add(self, positions: Positions, values: pa.Array) -> None:
        """Take the values of the cells at `positions`; null for what is still not read."""
        self._values = replaced(self._values, positions, values)

    def refuse(self, positions: Positions, fault: Fault) -> None:
        """Let cells have a fault of their own; nothing more is tried."""
        if positions.size:
            self._refused[positions] = True
            self._faults.append(Fault(fault.code, fault.expected, positions, fault.hint))

    @property
    def values(self) -> pa.Array:
        """What has been read."""
        return self._values

    def unread(self, positions: Positions, fault: Fault) -> None:
        """Take back what was read, and let it have a fault of its own."""
        if positions.size:
            self.add(positions, pa.nulls(positions.size, self._values.type))
            self.refuse(positions, fault)

    def try_each(self, casts: Sequence[PatternCast]) -> None:
        """Read what is left, one way after the other."""
        for cast in casts:
            left, cells = self.left()
            if not left.size:
                break
            self.add(left, cast(cells).values)

    def typed(self, expected: str) -> Typed:
        """The column, and the fault of what nothing could read."""
        left, _ = self.left()
        faults = [*self._faults, *([Fault("invalid_type", expected, left)] if left.size else [])]
        return Typed(self._values, _joined(faults))


def _joined(faults: list[Fault]) -> list[Fault]:
    """One fault for each text."""
    found: dict[tuple[str, str, str], list[Positions]] = {}
    for fault in faults:
        found.setdefault((fault.code, fault.expected, fault.hint), []).append(fault.positions)
    return [Fault(*key[:2], np.unique(np.concatenate(at)), key[2]) for key, at in found.items()]


def _in_words(cells: pa.StringArray) -> pa.Array:
    """Dates with the name of the month in a language other than English, null for others."""
    names, numbers = _month_names()
    parts = pc.extract_regex(cells, _IN_WORDS)
    day, month, year = (pc.struct_field(parts, name) for name in ("day", "month", "year"))
    number = numbers.take(pc.index_in(pc.utf8_lower(month), value_set=names))
    text = pc.binary_join_element_wise(year, number, pc.utf8_lpad(day, 2, "0"), "-")
    return cast_date(text).values


@cache
def _month_names() -> tuple[pa.StringArray, pa.StringArray]:
    pairs = {word: f"{number:02}" for number, line in enumerate(_MONTHS, 1) for word in line.split()}
    pairs |= {name.lower(): f"{number:02}" for number, name in enumerate(MONTHS, 1)}
    return pa.array(pairs, pa.string()), pa.array(pairs.values(), pa.string())


@cache
def _pattern(pattern: str, kind: FieldType) -> PatternCast:
    return PatternCast(pattern, kind, "UTC")


def _date(order: str, mark: str) -> PatternCast:
    return _pattern(f"%d{mark}%m{mark}%Y" if order == "dmy" else f"%m{mark}%d{mark}%Y", FieldType.DATE)
