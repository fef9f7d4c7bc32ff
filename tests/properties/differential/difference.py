"""Where we differ from frictionless on purpose, as data: name, whose flag it is, which cells, why, and a cell to show.

A difference excuses a cell that one of the two flags and the other does not; every other such cell is a bug of ours.
Differences about whole rows are in `row.py`.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import partial
from typing import Any

from ingester.checks.any_boolean import words
from ingester.checks.cast import is_free
from ingester.ruleset.model import Field, FieldType, Step

BLANKS = " \t\r\n\f\v"


class By(Enum):
    """Who flags the cell alone."""

    US = auto()
    THEM = auto()


@dataclass(frozen=True)
class Difference:
    """One intended difference. `cell` of a field like `field` really is flagged by one reader only."""

    name: str
    by: By
    #: Whether it may explain that a cell of a field is flagged by `by` alone.
    applies: Callable[[Field, str], bool]
    reason: str
    field: Mapping[str, Any]
    cell: str
    #: Another cell of its column, where that one counts.
    beside: str = ""


def explained(by: By, field: Field, cell: str) -> list[str]:
    """The names of the differences that explain why only `by` flags a cell; none if nobody intended it."""
    return [each.name for each in DIFFERENCES if each.by is by and _applies(each, field, cell)]


def _applies(difference: Difference, field: Field, cell: str) -> bool:
    """A list has the differences of its items, whether blanks around them count or not."""
    if difference.applies(field, cell):
        return True
    if field.type is not FieldType.LIST:
        return False
    item = Field(name=field.name, type=field.item_type)
    parts = cell.split(field.delimiter)
    return any(difference.applies(item, part) or difference.applies(item, part.strip(BLANKS)) for part in parts)


# --- what the predicates ask -----------------------------------------------------------------------------------------

_NUMBERS = {FieldType.INTEGER, FieldType.NUMBER, FieldType.GEOPOINT}
_MOMENTS = {FieldType.DATE, FieldType.TIME, FieldType.DATETIME}
_JSON = {FieldType.ARRAY, FieldType.OBJECT, FieldType.GEOJSON, FieldType.GEOPOINT}
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_STANDARD = {
    FieldType.DATE: re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    FieldType.TIME: re.compile(_CLOCK),
    FieldType.DATETIME: re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ]{_CLOCK}(Z|[+-][0-9]{{2}}:[0-9]{{2}})?"),
    FieldType.YEAR: re.compile(r"[0-9]{4}"),
    FieldType.YEARMONTH: re.compile(r"[0-9]{4}-[0-9]{2}"),
}
_TEXT_STEPS: Mapping[Step, Callable[[str], str]] = {
    Step.TRIM: lambda cell: cell.strip(),
    Step.COLLAPSE_SPACES: lambda cell: " ".join(cell.split()),
    Step.LOWER: str.lower,
    Step.UPPER: str.upper,
    Step.NFC: lambda cell: unicodedata.normalize("NFC", cell),
}
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def _is_normalised(field: Field, cell: str) -> bool:
    """Whether `normalise` makes another text of a cell; of phones, addresses and codes it may."""
    text = cell
    for each in field.normalise:
        if each.step not in _TEXT_STEPS:
            return True
        text = _TEXT_STEPS[each.step](text)
    return text != cell


#: Hours or minutes that no offset from UTC has.
_NO_OFFSET = re.compile(r"[+-]((2[4-9]|[3-9][0-9]):[0-9]{2}|[0-9]{2}:[6-9][0-9])$")


def has_offset(cell: str) -> bool:
    """Whether a datetime says how far from UTC it is."""
    return re.search(r"(Z|[+-][0-9]{2}:?[0-9]{2})$", cell) is not None


#: What nobody sees, beyond ASCII.
_UNSEEN = "\u00a0\u00ad\u2003\u200b\u202f\ufeff\x85\u2028\u2029\u3000"
#: What says that there is no value.
_NO_VALUE = re.compile(
    r"(?i)\(?null\)?|<null>|\[null\]|#null|#?n/a|<?na>?|n\.a\.|nan|nat|none|nil|\\n|-{1,3}|[\u2013\u2014]"
)
#: Three letters may be a currency, an e an exponent.
_WRITTEN = re.compile(r"\W*([A-Z]{1,3}|kr)?\W*[0-9][\W0-9]*([eE][+-]?[0-9]+|[A-Z]{3}|kr)?\W*")


def _is_blank(_: Field, cell: str) -> bool:
    return cell != "" and not cell.strip(BLANKS + _UNSEEN + '"')


def _is_compared(field: Field) -> bool:
    return field.type in {FieldType.STRING, FieldType.ANY} and (
        field.constraints.enum is not None or field.format in {"uuid", "email"}
    )


def _is_written_number(field: Field, cell: str) -> bool:
    is_number = field.type in {FieldType.INTEGER, FieldType.NUMBER} and is_free(field)
    return is_number and _WRITTEN.fullmatch(cell) is not None


def _says_nothing(field: Field, cell: str) -> bool:
    return is_free(field) and _NO_VALUE.fullmatch(cell.strip(BLANKS + _UNSEEN)) is not None


def _of(types: set[FieldType], pattern: str, *formats: str) -> Callable[[Field, str], bool]:
    """Fields of the types (and formats) with cells in which the pattern is found."""
    compiled = re.compile(pattern)
    return lambda field, cell: (
        field.type in types and (not formats or field.format in formats) and compiled.search(cell) is not None
    )


def _is_no_standard(field: Field, cell: str) -> bool:
    return field.format == "default" and field.type in _STANDARD and not _STANDARD[field.type].fullmatch(cell)


def _has_blanks_of_unicode(field: Field, cell: str) -> bool:
    return field.type in _NUMBERS and cell.strip() != cell.strip(BLANKS)


def _is_beyond_utc(field: Field, cell: str) -> bool:
    edge = re.match(r"(0001-01-01|9999-12-31).*[+-][0-9]{2}:?[0-9]{2}$", cell)
    return field.type is FieldType.DATETIME and edge is not None


def _round_trips_not(field: Field, cell: str) -> bool:
    """Whether a date is read by its pattern, but would not be written so, give or take zeros in front and case."""
    if field.type not in _MOMENTS or "%" not in field.format:
        return False
    try:
        moment = datetime.strptime(cell, field.format)  # noqa: DTZ007 -- as frictionless does
    except ValueError:
        return False

    if re.search(r":[0-9](?![0-9])", cell):
        return True  # minutes and seconds have two digits

    # Where nothing stands between the digits, each zero counts.
    is_packed = re.search(r"%[YymdjHIMS](%[YymdjHIMSf]|[0-9])", field.format) is not None

    def bare(text: str) -> str:
        text = re.sub(r"(?i)z$", "+0000", text)
        text = re.sub(r"([+-][0-9]{2}):([0-9]{2})$", r"\1\2", text)
        text = re.sub(r"(\.[0-9]*?)0+$", r"\1", text)
        return (text if is_packed else re.sub(r"(?<![0-9])0(?=[0-9])", "", text)).casefold()

    return bare(moment.strftime(field.format).zfill(len(cell))) != bare(cell)


def _needs_fullmatch(field: Field, cell: str) -> bool:
    pattern = field.constraints.pattern
    return pattern is not None and re.match(f"^{pattern}$", cell) is not None and re.fullmatch(pattern, cell) is None


def _differs_beyond_ascii(field: Field, cell: str, *, is_stricter: bool) -> bool:
    pattern = field.constraints.pattern
    if pattern is None:
        return False
    matches, matches_ascii = (re.fullmatch(pattern, cell, flags) is not None for flags in (re.UNICODE, re.ASCII))
    return (matches and not matches_ascii) if is_stricter else (matches_ascii and not matches)


def _is_base64(cell: str) -> bool:
    try:
        base64.b64decode(cell, validate=True)
    except ValueError:
        return False
    return True


def _json(cell: str) -> Any:
    """The JSON value, its numbers as `Decimal`-like texts in a list; None if it is none."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return None


def _json_fault(field: Field, cell: str, found: Callable[[str], bool]) -> bool:
    return field.type in _JSON and _json(cell) is not None and found(cell)


def _names_twice(cell: str) -> bool:
    twice = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice.append(len(dict(pairs)) < len(pairs))
        return dict(pairs)

    json.loads(cell, object_pairs_hook=members)
    return any(twice)


def _has_constant(cell: str) -> bool:
    found: list[str] = []
    json.loads(cell, parse_constant=found.append)
    return bool(found)


def _has_bad_text(cell: str) -> bool:
    text = json.dumps(json.loads(cell), ensure_ascii=False)
    return "\\u0000" in text.replace("\\\\", "") or any("\ud800" <= each <= "\udfff" for each in text)


def _has_written_coordinate(field: Field, cell: str) -> bool:
    """Whether a point's coordinates are JSON values that are no plain numbers."""
    if field.type is not FieldType.GEOPOINT or field.format == "default":
        return False
    value = _json(cell)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | str) else ()
    return any(not isinstance(each, int | float) or isinstance(each, bool) for each in parts)


def _is_long(field: Field, cell: str) -> bool:
    return field.type in _NUMBERS and re.search(r"[0-9]{39}", re.sub(r"[^0-9.,]", "", cell)) is not None


def _is_beyond_64_bits(field: Field, cell: str) -> bool:
    digits = re.sub(r"[^0-9]", "", cell)
    return field.type is FieldType.INTEGER and digits != "" and len(digits) < 4301 and int(digits) >= 2**63


_US, _THEM = partial(Difference, by=By.US), partial(Difference, by=By.THEM)

DIFFERENCES = (
    # --- any cell
    _THEM(
        name="a blank cell holds no value",
        applies=_is_blank,
        reason="People cannot see the blanks; where the empty cell is a missing value, so is one of blanks.",
        field={"type": "integer"},
        cell=" ",
    ),
    _US(
        name="a required cell is not blank",
        applies=lambda field, cell: _is_blank(field, cell) and field.constraints.required,
        reason="The same, seen from the other side: frictionless takes the blanks for the value.",
        field={"type": "string", "constraints": {"required": True}},
        cell=" ",
    ),
    _US(
        name="no NUL character",
        applies=lambda _, cell: "\0" in cell,
        reason="PostgreSQL cannot store it.",
        field={"type": "string"},
        cell="a\0b",
    ),
    _US(
        name="what a step of normalise cannot recognise",
        applies=lambda field, cell: _is_normalised(field, cell),
        reason="The steps are ours; a country nobody knows is no text to be kept.",
        field={"type": "string", "normalise": ["country"]},
        cell="Atlantis",
    ),
    _THEM(
        name="a cell is normalised before it is checked",
        applies=lambda field, cell: _is_normalised(field, cell),
        reason="The steps are ours; rule files ask for them where people are known to write in several ways.",
        field={"type": "string", "normalise": ["upper"], "constraints": {"enum": ["A"]}},
        cell="a",
    ),
    _THEM(
        name="words for no value in a column with a type",
        applies=_says_nothing,
        reason="Nothing else can be meant where numbers or dates are; the status file says which words were read so.",
        field={"type": "integer"},
        cell="N/A",
    ),
    _THEM(
        name="what nobody sees around a value",
        applies=lambda field, cell: _is_compared(field) and cell != cell.strip(BLANKS + _UNSEEN),
        reason="It comes of copying; nobody means another value by it.",
        field={"type": "string", "constraints": {"enum": ["a"]}},
        cell="a\u00a0",
    ),
    _US(
        name="an error of a spreadsheet is no text",
        applies=lambda _, cell: re.fullmatch(r"#(N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!)", cell) is not None,
        reason="It tells that a formula failed; the text was never meant.",
        field={"type": "string"},
        cell="#REF!",
    ),
    _US(
        name="a power of ten is no identifier",
        applies=lambda field, cell: (
            field.constraints.unique and re.fullmatch(r"[1-9]([.,][0-9]+)?E\+..", cell) is not None
        ),
        reason="A spreadsheet has dropped digits of it.",
        field={"type": "string", "constraints": {"unique": True}},
        cell="1.23E+12",
    ),
    _THEM(
        name="words for true and false",
        applies=lambda field, cell: (
            field.type is FieldType.BOOLEAN
            and is_free(field)
            and any(cell.strip(BLANKS + _UNSEEN + "'\"").lower() in each for each in words())
        ),
        reason="In no language of these has such a word another meaning.",
        field={"type": "boolean"},
        cell="yes",
    ),
    _THEM(
        name="dates and times in a usual form with one reading",
        applies=lambda field, cell: field.type in _MOMENTS and is_free(field) and re.search("[0-9]", cell) is not None,
        reason="People and programs write them so; what has two readings is read as its column tells, else refused.",
        field={"type": "date"},
        cell="13/04/2026",
    ),
    # --- numbers
    _THEM(
        name="numbers as people write them",
        applies=_is_written_number,
        reason="Signs, groups and currencies that leave one reading for the whole column.",
        field={"type": "number"},
        cell="($1,234.50)",
    ),
    _US(
        name="a point that may group",
        applies=lambda field, cell: (
            field.type is FieldType.NUMBER
            and is_free(field)
            and re.fullmatch(r" *[+-]?[1-9][0-9]{0,2}\.[0-9]{3} *", cell) is not None
        ),
        reason="Beside `$1.234` or `12,50` it may be a thousand and more.",
        field={"type": "number"},
        cell="1.234",
        beside="$1.234",
    ),
    _US(
        name="a number is a number",
        applies=_of(_NUMBERS, r"(?i)nan|inf"),
        reason="NaN and infinity come of a calculation that failed; sums over them are worthless. NaN is no value.",
        field={"type": "number"},
        cell="inf",
    ),
    _US(
        name="no exponent",
        applies=_of(_NUMBERS, r"(?i)[0-9.]e[+-]?[0-9]"),
        reason="A spreadsheet makes 1e5 of an article number such as 1E5. Only a plain number may have one.",
        field={"type": "geopoint"},
        cell="1e2,5",
    ),
    _US(
        name="no underscore in a number",
        applies=_of(_NUMBERS, "_"),
        reason="A spelling of Python's; the standard does not know it.",
        field={"type": "integer"},
        cell="1_000",
    ),
    _US(
        name="38 digits",
        applies=_is_long,
        reason="What databases hold exactly.",
        field={"type": "number"},
        cell="9" * 50,
    ),
    _US(
        name="64 bits",
        applies=_is_beyond_64_bits,
        reason="What the column of an integer holds.",
        field={"type": "integer"},
        cell="9223372036854775808",
    ),
    _US(
        name="no bare point",
        applies=_of(_NUMBERS, r"[.,·](?![0-9])"),
        reason="`5.` was probably cut off.",
        field={"type": "number"},
        cell="5.",
    ),
    _US(
        name="digits are ASCII",
        applies=lambda _, cell: any(each.isdecimal() and not each.isascii() for each in cell),
        reason="Other programs that read the file would not take them for digits.",
        field={"type": "integer"},
        cell="١٢",
    ),
    _US(
        name="blanks around a number are ASCII",
        applies=_has_blanks_of_unicode,
        reason="A no-break space or a separator character beside a number shows that a file was decoded wrongly.",
        field={"type": "list", "itemType": "integer"},
        cell="5\u00a0,6",
    ),
    _US(
        name="groups stand where groups end",
        applies=lambda field, cell: field.group_char != "" and field.group_char in cell,
        reason="Of `1,5` where the comma groups, frictionless makes 15.",
        field={"type": "number", "groupChar": ","},
        cell="1,5",
    ),
    _US(
        name="a point before the first digit is the decimal one",
        applies=lambda field, cell: not field.bare_number and re.match(r"[^0-9]*[^\w\s][^0-9]*[0-9]", cell) is not None,
        reason="Dropped with the other signs, as frictionless does, it makes 5 of `Nr.5`, and would of `x.5`.",
        field={"type": "number", "bareNumber": False},
        cell="Nr.5",
    ),
    _US(
        name="an e before the first digit is an exponent's",
        applies=lambda field, cell: not field.bare_number and re.search(r"(?<![^\W\d_])[Ee][0-9]", cell) is not None,
        reason="`e28` is what is left of a number that was cut in two, not 28.",
        field={"type": "number", "bareNumber": False},
        cell="e28",
    ),
    _US(
        name="no sign after a number is dropped",
        applies=lambda field, cell: not field.bare_number and re.search(r"[0-9][^0-9]*[+\-(\u2212]", cell) is not None,
        reason="Bookkeepers write `5-` for minus five; frictionless makes 5 of it.",
        field={"type": "integer", "bareNumber": False},
        cell="5-",
    ),
    _THEM(
        name="what is set for a group character groups as well",
        applies=lambda field, cell: (
            re.search({" ": r"[\u00a0\u202f]", "'": "\u2019"}.get(field.group_char, "(?!)"), cell) is not None
        ),
        reason="No-break spaces and curly apostrophes are what typography and spreadsheets put between the groups.",
        field={"type": "number", "groupChar": " "},
        cell="1\u202f000",
    ),
    _THEM(
        name="a sign before what stands before a number",
        applies=lambda field, cell: not field.bare_number and re.search(r"[+-][^0-9+-]+[0-9]", cell) is not None,
        reason="`-$5` is minus five dollars.",
        field={"type": "integer", "bareNumber": False},
        cell="-$5",
    ),
    _THEM(
        name="the point before the first digit is kept",
        applies=lambda field, cell: not field.bare_number and re.match(r"[^0-9]*[^\w\s][^0-9]*[0-9]", cell) is not None,
        reason="Of `.5` frictionless makes 5 when it drops signs, and 5 may be forbidden where a half is not.",
        field={"type": "number", "bareNumber": False, "constraints": {"maximum": 0.5}},
        cell=".5",
    ),
    # --- texts
    _US(
        name="base64 and nothing else",
        applies=lambda field, cell: field.format == "binary" and not _is_base64(cell),
        reason="Programs differ in what they make of other characters; frictionless drops them.",
        field={"type": "string", "format": "binary"},
        cell="YWJj!",
    ),
    _US(
        name="no blanks within an address",
        applies=_of({FieldType.STRING}, r"[\s\x00-\x20\x7f]", "email", "uri"),
        reason="A line end in an address is a way to inject headers.",
        field={"type": "string", "format": "email"},
        cell="a\n@example.com",
    ),
    _US(
        name="a domain is ASCII and ends with a letter's label",
        applies=_of({FieldType.STRING}, r"[^\x00-\x7f]|\.[0-9][^.]*$", "email"),
        reason="Most mail servers take international domains as xn-- only; no top-level domain begins with a digit.",
        field={"type": "string", "format": "email"},
        cell="a@exämple.com",
    ),
    _THEM(
        name="a top-level domain may hold digits",
        applies=_of({FieldType.STRING}, r"\.[A-Za-z][A-Za-z0-9-]*[0-9][A-Za-z0-9-]*$", "email"),
        reason="`xn--p1ai` is one.",
        field={"type": "string", "format": "email"},
        cell="a@example.xn--p1ai",
    ),
    _US(
        name="a URI with // has a host",
        applies=_of({FieldType.STRING}, r"^[^:]*://([/?#]|$)", "uri"),
        reason="`https:///img.example.com` leads nowhere; only `file:` may leave it out.",
        field={"type": "string", "format": "uri"},
        cell="https:///img.example.com",
    ),
    _US(
        name="a URI has more than a scheme",
        applies=_of({FieldType.STRING}, ":$", "uri"),
        reason="A heading or a cut off cell, not an address.",
        field={"type": "string", "format": "uri"},
        cell="http:",
    ),
    _US(
        name="a URI has only the characters of one",
        applies=_of({FieldType.STRING}, r"%(?![0-9A-Fa-f]{2})|[\"<>\\^`{|}]", "uri"),
        reason="RFC 3986, section 2: others are written as `%` and two digits; frictionless looks at the parts only.",
        field={"type": "string", "format": "uri"},
        cell="https://example.com/100%",
    ),
    _US(
        name="a UUID has hexadecimal digits and hyphens",
        applies=lambda field, cell: field.format == "uuid" and _UUID.fullmatch(cell) is None,
        reason="Python reads the digits as a number, for which it also takes blanks, underscores and foreign digits.",
        field={"type": "string", "format": "uuid"},
        cell="00000000-0000-0000-_000-000000000000",
    ),
    # --- patterns
    _US(
        name="a pattern is of the whole text",
        applies=_needs_fullmatch,
        reason="frictionless makes `^a|b$` of `a|b`: `a` and anything after it passes. Also `$` is before a line end.",
        field={"type": "string", "constraints": {"pattern": "a|b"}},
        cell="ax",
    ),
    _US(
        name="the classes of a pattern are ASCII",
        applies=lambda field, cell: _differs_beyond_ascii(field, cell, is_stricter=True),
        reason="RE2, which runs in linear time, reads `\\w` and `\\d` so.",
        field={"type": "string", "constraints": {"pattern": r"\w+"}},
        cell="日本",
    ),
    _THEM(
        name="the negated classes of a pattern are ASCII",
        applies=lambda field, cell: _differs_beyond_ascii(field, cell, is_stricter=False),
        reason="The same from the other side: a no-break space is no `\\s`.",
        field={"type": "string", "constraints": {"pattern": r"\S+"}},
        cell="a\u00a0b",
    ),
    # --- dates and times
    _US(
        name="one way to write dates, times, years and months",
        applies=_is_no_standard,
        reason="Table Schema has one form for each; what frictionless takes beside it (`2020-1-5`, `+0200`, "
        "`20-02`) other readers refuse or read otherwise. Offsets have no meaning in a time of day.",
        field={"type": "yearmonth"},
        cell="20-02",
    ),
    _US(
        name="a day begins at 00:00",
        applies=_of({FieldType.TIME, FieldType.DATETIME}, r"24:00"),
        reason="24:00 is the end of a day; of a time frictionless makes the day's beginning of it.",
        field={"type": "time"},
        cell="24:00:00",
    ),
    _US(
        name="a datetime is within the years 1 to 9999 in UTC",
        applies=_is_beyond_utc,
        reason="Databases hold it in UTC.",
        field={"type": "datetime"},
        cell="9999-12-31T23:59:59-14:00",
    ),
    _THEM(
        name="a datetime without an offset has one",
        applies=lambda field, cell: (
            field.type is FieldType.DATETIME and field.constraints.enum is not None and not has_offset(cell)
        ),
        reason="The feed's timezone, here UTC, says which moment is meant; for frictionless it is no moment.",
        field={"type": "datetime", "constraints": {"enum": ["2020-01-01T00:00:00Z"]}},
        cell="2020-01-01T00:00:00",
    ),
    _THEM(
        name="seconds may be left out",
        applies=_of(
            {FieldType.TIME, FieldType.DATETIME}, r"^([0-9-]{10}[T ])?[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})?$"
        ),
        reason="Spreadsheets do, and nothing else can be meant.",
        field={"type": "time"},
        cell="12:30",
    ),
    _THEM(
        name="years beyond four digits and before our era",
        applies=_of({FieldType.YEAR}, r"^-?[0-9]{4,9}$"),
        reason="XML Schema's gYear, which Table Schema refers to, has them.",
        field={"type": "year"},
        cell="-0044",
    ),
    _US(
        name="a date pattern is read strictly",
        applies=_round_trips_not,
        reason="strptime skips blanks, takes 9:5 for 9:05, and guesses where digits end: of `%d%m%y`, `11120` is 11 "
        "January or 1 November.",
        field={"type": "date", "format": "%d%m%y"},
        cell="11120",
    ),
    _US(
        name="any date is never guessed",
        applies=lambda field, cell: (
            field.format == "any"
            and field.type in _MOMENTS
            and (not _STANDARD[field.type].fullmatch(cell) or _NO_OFFSET.search(cell) is not None)
        ),
        reason="dateutil reads `5` as the fifth of this month and `1/2/2020` as the Americans do.",
        field={"type": "date", "format": "any"},
        cell="5",
    ),
    _US(
        name="a duration says its parts by letter",
        applies=_of({FieldType.DURATION}, r"-[0-9]+-|T$|[.,][0-9]+[YMWDH]."),
        reason="No XML Schema duration, which Table Schema refers to, has `P0001-02-03`, a T without a time after it, "
        "or a fraction before the end.",
        field={"type": "duration"},
        cell="P1DT",
    ),
    _US(
        name="no fraction of a year or month",
        applies=_of({FieldType.DURATION}, r"[.,][0-9]+Y|^[^T]*[.,][0-9]+M"),
        reason="Nobody knows how many days half a month has.",
        field={"type": "duration"},
        cell="P1.5Y",
    ),
    # --- values with parts
    _US(
        name="JSON without NaN",
        applies=lambda field, cell: _json_fault(field, cell, _has_constant),
        reason="RFC 8259 knows none, and databases refuse it.",
        field={"type": "object"},
        cell='{"a": NaN}',
    ),
    _US(
        name="a JSON member is named once",
        applies=lambda field, cell: _json_fault(field, cell, _names_twice),
        reason="Of two values one would be lost without a word.",
        field={"type": "object"},
        cell='{"a": 1, "a": 2}',
    ),
    _US(
        name="JSON that is text",
        applies=lambda field, cell: _json_fault(field, cell, _has_bad_text),
        reason="Databases cannot store a NUL character or half a surrogate pair.",
        field={"type": "array"},
        cell='["\\u0000"]',
    ),
    _US(
        name="the coordinates in JSON are plain numbers",
        applies=_has_written_coordinate,
        reason="frictionless takes `true` for 1 and a text for the number in it.",
        field={"type": "geopoint", "format": "array"},
        cell='["1", true]',
    ),
    _THEM(
        name="a position may have a height",
        applies=_of({FieldType.GEOJSON}, r"\[\s*-?[0-9.]+\s*,\s*-?[0-9.]+\s*,\s*-?[0-9.]+"),
        reason="RFC 7946, section 3.1.1, allows it; the profile that frictionless has does not.",
        field={"type": "geojson"},
        cell='{"type":"Point","coordinates":[1,2,3]}',
    ),
    _THEM(
        name="an array may be written as a|b",
        applies=lambda field, cell: field.type is FieldType.ARRAY and not cell.lstrip(BLANKS).startswith("["),
        reason="Nobody writes JSON in a spreadsheet.",
        field={"type": "array"},
        cell="a|b",
    ),
    _THEM(
        name="blanks around the items of a list are not theirs",
        applies=lambda field, cell: (
            field.type is FieldType.LIST and any(part != part.strip(BLANKS) for part in cell.split(field.delimiter))
        ),
        reason="People write a blank after a comma.",
        field={"type": "list", "itemType": "date"},
        cell="2020-01-01, 2020-01-02",
    ),
)
