"""The less usual types and options against a slow, obvious reading of one cell at a time in plain Python."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingester.checks.compile import CompiledEntity
from ingester.ruleset.model import Entity, Field, FieldType
from tests.examples import examples

SETTINGS = examples(25)
BLANKS = " \t\r\n\f\v"
WRONG = object()


def read(field: Field, cells: list[str]) -> list[Any]:
    """The value of each cell, WRONG for what has none; as part of a longer column with a missing cell."""
    compiled = CompiledEntity(Entity(catalogue="c", name="e", fields=(field,)))
    checked = compiled.check({field.name: pa.array(["x", *cells, ""], pa.string()).slice(1)})
    column = checked.columns[field.column]
    column.validate(full=True)
    values = column.to_pylist()
    for finding in checked.findings:
        for position in finding.positions.tolist():
            assert values[position] is None
            values[position] = WRONG
    return values[:-1]


def naive(cell: str, meaning: Any) -> Any:
    if not cell.strip(BLANKS):
        return None
    try:
        return meaning(cell)
    except (ValueError, ArithmeticError):
        return WRONG


def cells(alphabet: str, *usual: st.SearchStrategy[str], size: int = 14) -> st.SearchStrategy[list[str]]:
    return st.lists(
        st.one_of(*usual, st.text(st.sampled_from(alphabet), max_size=size), st.text(max_size=3)), max_size=15
    )


def by_python(text: str, pattern: str) -> datetime:
    return datetime.strptime(text, pattern)  # noqa: DTZ007 -- a local time is what is asked for


def padded(value: datetime, pattern: str, zeros: bool) -> str:
    """strftime, maybe with days, months and hours of one digit."""
    text = value.strftime(pattern)
    return text if zeros else re.sub(r"(?<![0-9.])0(?=[0-9](?![0-9]))", "", text)


MOMENTS = st.datetimes(min_value=datetime.fromisoformat("1969-01-01"), max_value=datetime.fromisoformat("2068-12-31"))
DATE_PATTERNS = ("%d/%m/%Y", "%m/%d/%Y", "%Y%m%d", "%d%m%y", "%d %b %Y", "%B %d, %Y", "%Y.%j", "%y-%m-%d", "%d.%m.%Y")


@pytest.mark.parametrize("pattern", DATE_PATTERNS)
@SETTINGS
@given(data=st.data())
def test_a_date_by_a_pattern_is_what_python_reads(pattern: str, data: st.DataObject) -> None:
    usual = st.tuples(MOMENTS, st.booleans()).map(lambda pair: padded(pair[0], pattern, pair[1]))
    drawn = data.draw(cells("0123/.-, JanMay", usual))
    found = read(Field(name="f", type=FieldType.DATE, format=pattern), drawn)
    for cell, value in zip(drawn, found, strict=True):
        expected = naive(cell, lambda text: by_python(text, pattern).date())
        # We are stricter, never different: no blank for another, no digit beyond ASCII, no `1.1.20` for `01.01.20`.
        assert value == expected or value is WRONG
        if isinstance(expected, date) and (expected.strftime(pattern).lower() == cell.lower()):
            assert value == expected


TIME_PATTERNS = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%H%M%S", "%H:%M:%S.%f", "%I%p")


@pytest.mark.parametrize("pattern", TIME_PATTERNS)
@SETTINGS
@given(data=st.data())
def test_a_time_by_a_pattern_is_what_python_reads(pattern: str, data: st.DataObject) -> None:
    usual = st.tuples(MOMENTS, st.booleans()).map(lambda pair: padded(pair[0], pattern, pair[1]))
    drawn = data.draw(cells("0123456789:. amPM", usual))
    found = read(Field(name="f", type=FieldType.TIME, format=pattern), drawn)
    for cell, value in zip(drawn, found, strict=True):
        expected = naive(cell, lambda text: by_python(text, pattern).time())
        assert value == expected or value is WRONG
        if isinstance(expected, time) and expected.strftime(pattern).lower() == cell.lower():
            assert value == expected


ANY_FORMS = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d %b %Y", "%B %d, %Y", "%Y%m%d", "%d-%b-%Y")


@SETTINGS
@given(st.lists(st.tuples(st.dates(min_value=date(1000, 1, 1)), st.sampled_from(ANY_FORMS)), max_size=15))
def test_any_date_is_never_guessed(drawn: list[tuple[date, str]]) -> None:
    found = read(Field(name="f", type=FieldType.DATE, format="any"), [day.strftime(form) for day, form in drawn])
    for (day, form), value in zip(drawn, found, strict=True):
        numeric = form in {"%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y"}
        is_clear = not numeric or day.day > 12 or day.day == day.month
        assert value == (day if is_clear else WRONG)


@SETTINGS
@given(cells("0123/.-: AMJanT+Z,", MOMENTS.map(str), MOMENTS.map(lambda moment: moment.strftime("%d %b %Y %I:%M %p"))))
def test_anything_may_be_asked_of_any(drawn: list[str]) -> None:
    for kind in (FieldType.DATE, FieldType.TIME, FieldType.DATETIME):
        read(Field(name="f", type=kind, format="any"), drawn)
    found = read(Field(name="f", type=FieldType.DATETIME, format="any"), drawn)
    for cell, value in zip(drawn, found, strict=True):
        if re.fullmatch(r"[0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2} [AP]M", cell):
            expected = naive(cell, lambda text: by_python(text, "%d %b %Y %I:%M %p"))
            assert value == (expected if expected is WRONG else expected.replace(tzinfo=value.tzinfo))


def grouped(number: Decimal, decimal: str, group: str) -> str:
    return f"{number:,f}".replace(",", "G").replace(".", decimal).replace("G", group)


@pytest.mark.parametrize(("decimal", "group"), [(",", "."), (".", ","), (",", " "), (".", "'"), ("·", "")])
@pytest.mark.parametrize("bare", [True, False])
@SETTINGS
@given(data=st.data())
def test_a_written_number_is_read_as_written_or_refused(
    decimal: str, group: str, bare: bool, data: st.DataObject
) -> None:
    numbers = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9)
    usual = numbers.map(lambda number: grouped(number, decimal, group))
    around = st.tuples(st.sampled_from(["$", "EUR ", "", "kr. "]), usual, st.sampled_from(["", " each", "%"])).map(
        "".join
    )
    drawn = data.draw(cells(f"0123456789{decimal}{group}+-$ ().", usual, around))
    field = Field(name="f", type=FieldType.NUMBER, decimal_char=decimal, group_char=group, bare_number=bare)
    for cell, value in zip(drawn, read(field, drawn), strict=True):
        if value is None or value is WRONG:
            plain = cell.replace(group, "").replace(decimal, ".") if group else cell.replace(decimal, ".")
            assert not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", plain) or "." in cell.replace(decimal, "") or group in cell
            continue
        # Whatever stands around it, the digits of the cell are those of the number, in their order, and so is its sign.
        digits = re.sub(r"[^0-9]", "", cell)
        whole, _, fraction = value.lstrip("-").partition(".")
        assert digits.strip("0") == (whole + fraction).strip("0")
        assert ("-" in cell and bool(digits.strip("0"))) == value.startswith("-")
        assert Decimal(value) == naive_number(cell, decimal, group)


def naive_number(cell: str, decimal: str, group: str) -> Decimal:
    match = re.search(
        rf"[0-9][0-9{re.escape(group)}\u00a0\u202f]*(?:{re.escape(decimal)}[0-9]+)?|{re.escape(decimal)}[0-9]+", cell
    )
    assert match is not None
    text = re.sub(rf"[^0-9{re.escape(decimal)}]", "", match.group()).replace(decimal, ".")
    return Decimal(text) * (-1 if "-" in cell[: match.start()] else 1)


SECONDS = {"W": 604_800, "D": 86_400, "H": 3_600, "M": 60, "S": 1}


def length(text: str) -> tuple[int, Fraction]:
    """Months and seconds of a duration."""
    match = re.fullmatch(r"([+-]?)P(?:(\d+)Y)?(?:(\d+)M)?(.*)", text, re.ASCII)
    assert match is not None
    sign, years, months, rest = match.groups()
    seconds = sum(
        Fraction(number.replace(",", ".")) * SECONDS[unit] for number, unit in re.findall(r"([0-9.,]+)([WDHMS])", rest)
    )
    factor = -1 if sign == "-" else 1
    return factor * (int(years or 0) * 12 + int(months or 0)), factor * Fraction(seconds)


PARTS = st.tuples(*[st.integers(0, 99)] * 6, st.sampled_from(["", "-", "+"]), st.sampled_from(["", ".5", ",25"])).map(
    lambda p: f"{p[6]}P{p[0]}Y{p[1]}M{p[2]}DT{p[3]}H{p[4]}M{p[5]}{p[7]}S"
)


@SETTINGS
@given(cells("PT0123YMDHSW.,-", PARTS))
@example(["P1M", "PT1M", "P1W", "-PT0S", "PT0,5H"])
def test_a_duration_keeps_its_length(drawn: list[str]) -> None:
    field = Field(name="f", type=FieldType.DURATION)
    found = read(field, drawn)
    kept = [(cell, value) for cell, value in zip(drawn, found, strict=True) if isinstance(value, str)]
    assert [length(cell) for cell, _ in kept] == [length(value) for _, value in kept]
    values = [value for _, value in kept]
    assert read(field, values) == values
    assert len({length(value) for value in values}) == len(set(values))
    assert all(
        value is not WRONG for cell, value in zip(drawn, found, strict=True) if re.fullmatch(r"P\d+D", cell, re.ASCII)
    )


@SETTINGS
@given(
    cells(
        "0123456789.,-+ ", st.tuples(*[st.decimals(-200, 200, places=4)] * 2).map(lambda pair: f"{pair[0]}, {pair[1]}")
    )
)
def test_a_point_is_within_the_earth_or_refused(drawn: list[str]) -> None:
    def point(cell: str) -> tuple[Decimal, Decimal]:
        match = re.fullmatch(
            r"\s*([+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+))\s*,\s*([+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+))\s*", cell
        )
        if match is None or abs(Decimal(match[1])) > 180 or abs(Decimal(match[2])) > 90:
            raise ValueError
        return Decimal(match[1]), Decimal(match[2])

    found = read(Field(name="f", type=FieldType.GEOPOINT), drawn)
    assert [tuple(map(Decimal, each.split(","))) if isinstance(each, str) else each for each in found] == [
        naive(cell, point) for cell in drawn
    ]


@SETTINGS
@given(cells('ab,;| "\\\n\0é', st.lists(st.integers(), max_size=4).map(lambda items: ",".join(map(str, items)))))
def test_a_list_holds_its_items(drawn: list[str]) -> None:
    def texts(cell: str) -> str:
        if "\0" in cell:
            raise ValueError
        return json.dumps([item.strip(BLANKS) for item in cell.split(",")], ensure_ascii=False, separators=(",", ":"))

    def integers(cell: str) -> str:
        items = [item.strip(BLANKS) for item in cell.split(",")]
        if not all(re.fullmatch(r"[+-]?[0-9]+", item) and abs(int(item)) < 2**63 for item in items):
            raise ValueError
        return json.dumps([int(item) for item in items], separators=(",", ":"))

    field = Field(name="f", type=FieldType.LIST, delimiter=",")
    assert read(field, drawn) == [naive(cell, texts) for cell in drawn]
    field = Field(name="f", type=FieldType.LIST, delimiter=",", item_type=FieldType.INTEGER)
    assert read(field, drawn) == [naive(cell, integers) for cell in drawn]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


JSON_NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,3}0{0,40})(\.0{0,40}[0-9]{1,4}0{0,2})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)


@SETTINGS
@given(st.lists(JSON_NUMBERS, max_size=15))
@example(["1e5", "100000", "1.0", "1", "-0", "0.0", "1e38", "1e39", "10e38"])
def test_numbers_in_json_are_equal_where_their_texts_are(drawn: list[str]) -> None:
    found = read(Field(name="f", type=FieldType.ARRAY), [f"[{number}]" for number in drawn])
    assert [Decimal(each.strip("[]")) for each in found] == [*map(Decimal, drawn)]
    assert len(set(found)) == len(set(map(Decimal, drawn)))
    # What a number cell makes of it is the same text.
    plain = [number for number in drawn if "e" not in number.lower()]
    cells = read(Field(name="f", type=FieldType.NUMBER), plain)
    arrays = read(Field(name="f", type=FieldType.ARRAY), [f"[{number}]" for number in plain])
    assert all(array == f"[{cell}]" for cell, array in zip(cells, arrays, strict=True) if cell is not WRONG)


@SETTINGS
@given(st.lists(JSON.map(json.dumps), max_size=10))
def test_an_object_is_the_same_object_in_its_canonical_text(drawn: list[str]) -> None:
    def canonical(cell: str) -> str:
        value = json.loads(cell)
        if not isinstance(value, dict) or "\\u0000" in json.dumps(value).replace("\\\\", ""):
            raise ValueError
        return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    assert read(Field(name="f", type=FieldType.OBJECT), drawn) == [naive(cell, canonical) for cell in drawn]
    family = Field(name="f.{name}")
    compiled = CompiledEntity(Entity(catalogue="c", name="e", fields=(family,)))
    members = {f"f.{index}": pa.array([cell, ""]) for index, cell in enumerate(drawn)}
    if members:
        whole, nothing = compiled.check(members, dict.fromkeys(members, "f.{name}")).columns["f"].to_pylist()
        assert json.loads(whole) == {key.removeprefix("f."): cell[0].as_py() for key, cell in members.items()}
        assert nothing is None
