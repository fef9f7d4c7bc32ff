"""Every type and constraint against a slow, obvious reading of one cell at a time in plain Python."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingester.checks.cast import cast_of
from ingester.checks.compile import CompiledEntity, column_type
from ingester.checks.keyhash import key_hash
from ingester.checks.missing import MissingValues
from ingester.ruleset.model import Constraints, Entity, Field, FieldType
from tests.examples import examples

BLANKS = " \t\r\n\f\v"


class Wrong(Exception):
    def __init__(self, code: str = "invalid_type") -> None:
        self.code = code


def check(field: Field, cells: list[str], zone: str = "UTC") -> tuple[list[Any], dict[int, set[str]]]:
    """The values and the codes of every faulty cell, checked in two slices so that offsets are not all zero."""
    entity = Entity(catalogue="c", name="e", fields=(field,), missing_values=("", "NULL"))
    compiled = CompiledEntity(entity, zone)
    values: list[Any] = []
    codes: dict[int, set[str]] = {}
    whole = pa.array([*cells, "x"], pa.string())
    half = len(cells) // 2
    for start, end in ((0, half), (half, len(cells))):
        checked = compiled.check({field.name: whole.slice(start, end - start)})
        column = checked.columns[field.name]
        column.validate(full=True)
        assert column.type == column_type(field)
        values += column.to_pylist()
        for finding in checked.findings:
            assert finding.positions.size
            assert (np.diff(finding.positions) > 0).all()
            for position in finding.positions.tolist():
                found = codes.setdefault(start + position, set())
                assert finding.code not in found
                found.add(finding.code)
    return values, codes


def strictly(field: Field, cells: list[str], zone: str) -> tuple[list[Any], dict[int, set[str]]]:
    """The same as constants of rule files and items of lists are read: by the letter of the standard."""
    text, _ = MissingValues(("", "NULL")).blank_out(pa.array(["x", *cells], pa.string()).slice(1))
    typed = cast_of(field, zone)(text)
    codes = {position: {fault.code} for fault in typed.faults for position in fault.positions.tolist()}
    return typed.values.to_pylist(), codes


def compare(field: Field, cells: list[str], naive: Any, zone: str = "UTC") -> None:
    """Constants are read as plain Python reads them; cells as well, and where it refuses them maybe in another way."""
    values, codes = check(field, cells, zone)
    strict_values, strict_codes = strictly(field, cells, zone)
    for index, cell in enumerate(cells):
        if cell.strip(BLANKS) == "" or cell == "NULL":
            expected, code = None, set()
        else:
            try:
                expected, code = naive(cell), set()
            except Wrong as wrong:
                expected, code = None, {wrong.code}
        assert (strict_values[index], strict_codes.get(index, set())) == (expected, code), cell
        if code != {"invalid_type"}:
            assert (values[index], codes.get(index, set())) == (expected, code), cell


def cells_of(alphabet: str, *examples: str, max_size: int = 12) -> st.SearchStrategy[list[str]]:
    cell = st.one_of(
        st.text(st.sampled_from(alphabet), max_size=max_size), st.sampled_from(examples), st.text(max_size=4)
    )
    return st.lists(cell, max_size=20)


SETTINGS = examples(150)

NUMBERS = (
    "٣",
    "1e5",
    "1_000",
    " 12 ",
    "--1",
    "+5",
    "-0",
    "0x1F",
    "NaN",
    "inf",
    "1.",
    ".5",
    "00.50",
    "-.0",
    "12\n",
    "1 2",
)
BIG = ("9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "0" * 30 + "7")
LONG = ("9" * 38, "9" * 39, "0" * 50 + "1", "." + "9" * 39, "1." + "0" * 60, "-" + "9" * 38 + "." + "9" * 38, "1" * 300)


def naive_integer(cell: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", cell.strip(BLANKS)):
        raise Wrong
    value = int(cell)
    if not -(2**63) <= value < 2**63:
        raise Wrong
    return value


@SETTINGS
@given(cells_of("0123456789+- .", *NUMBERS, *BIG))
def test_integers_are_read_exactly_or_refused(cells: list[str]) -> None:
    compare(Field(name="f", type=FieldType.INTEGER), cells, naive_integer)


def naive_number(cell: str) -> str:
    text = cell.strip(BLANKS)
    if not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]+)?|\.[0-9]+)", text):
        raise Wrong
    sign, digits = ("-", text[1:]) if text[0] == "-" else ("", text.lstrip("+"))
    whole, _, fraction = digits.partition(".")
    whole, fraction = whole.lstrip("0"), fraction.rstrip("0")
    if len(whole) > 38 or len(fraction) > 38:
        raise Wrong("number_too_large")
    if not whole and not fraction:
        return "0"
    return f"{sign}{whole or '0'}{'.' * bool(fraction)}{fraction}"


@SETTINGS
@given(cells_of("0123456789+-. ", *NUMBERS, *BIG, *LONG))
def test_numbers_become_canonical_text_without_losing_a_digit(cells: list[str]) -> None:
    compare(Field(name="f", type=FieldType.NUMBER), cells, naive_number)


@SETTINGS
@given(
    st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=20, min_value=-(10**17), max_value=10**17)),
    st.decimals(allow_nan=False, allow_infinity=False, places=20, min_value=-(10**17), max_value=10**17),
    st.booleans(),
)
@example([Decimal("0.1"), Decimal("0.10000000000000000001"), Decimal("0.09999999999999999999")], Decimal("0.1"), True)
def test_bounds_of_numbers_are_exact_where_floats_are_equal(
    numbers: list[Decimal], bound: Decimal, is_minimum: bool
) -> None:
    ulp = Decimal("1E-20")
    numbers += [bound, bound + ulp, bound - ulp]
    constraints = Constraints(minimum=bound) if is_minimum else Constraints(maximum=bound)
    field = Field(name="f", type=FieldType.NUMBER, constraints=constraints)
    _, codes = check(field, [f"{number:f}" for number in numbers])
    expected = {
        index: {"below_minimum" if is_minimum else "above_maximum"}
        for index, number in enumerate(numbers)
        if (number < bound if is_minimum else number > bound)
    }
    assert codes == expected


def naive_boolean(cell: str) -> bool:
    if cell in {"true", "True", "TRUE", "1"}:
        return True
    if cell in {"false", "False", "FALSE", "0"}:
        return False
    raise Wrong


@SETTINGS
@given(
    cells_of("truefalsTRUEFALS10 ", "true", "True", "TRUE", "1", "false", "False", "FALSE", "0", " true", "tRue", "yes")
)
def test_booleans_are_the_table_schema_words_exactly(cells: list[str]) -> None:
    compare(Field(name="f", type=FieldType.BOOLEAN), cells, naive_boolean)


def naive_date(cell: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell):
        raise Wrong
    try:
        return date(*map(int, cell.split("-")))
    except ValueError:
        raise Wrong from None


DATES = ("2020-02-31", "2020-1-5", " 2020-01-05", "0000-01-01", "0001-01-01", "9999-12-31", "2020-02-29", "2100-02-29")
DATES += (
    "2000-02-29",
    "1900-02-29",
    "1969-12-31",
    "2020-13-01",
    "2020-00-10",
    "\u0662\u0660\u0662\u0660-\u0660\u0661-\u0660\u0661",
    "2020-01-01\n",
    "20200101",
)


@SETTINGS
@given(st.one_of(cells_of("0123-", *DATES), st.lists(st.dates().map(str))))
def test_dates_are_days_that_exist(cells: list[str]) -> None:
    compare(Field(name="f", type=FieldType.DATE), cells, naive_date)


CLOCK = r"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?"


def clock_of(hour: str, minute: str, second: str | None, fraction: str | None) -> time:
    try:
        return time(int(hour), int(minute), int(second or 0), int((fraction or "").ljust(6, "0")))
    except ValueError:
        raise Wrong from None


def naive_time(cell: str) -> time:
    match = re.fullmatch(CLOCK, cell)
    if not match:
        raise Wrong
    return clock_of(*match.groups())


TIMES = ("24:00", "23:59:60", "12:30", "1:30", "12:30:15.1234567", "12:30:15.", "12:30:", "12:30.5", "12:30:15.000001")


@SETTINGS
@given(st.one_of(cells_of("0123456789:.", *TIMES), st.lists(st.times().map(str))))
def test_times_are_read_to_the_microsecond(cells: list[str]) -> None:
    compare(Field(name="f", type=FieldType.TIME), cells, naive_time)


def naive_datetime(cell: str, zone: str) -> datetime:
    match = re.fullmatch(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})[T ]{CLOCK}(Z|[+-][0-9]{{2}}:[0-9]{{2}})?", cell)
    if not match:
        raise Wrong
    *parts, offset = match.groups()
    local = datetime.combine(naive_date(parts[0]), clock_of(*parts[1:]))
    try:
        if offset is None:
            early, late = (local.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
            if early.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) != local:
                raise Wrong("nonexistent_time")
            if early.utcoffset() != late.utcoffset():
                raise Wrong("ambiguous_time")
            return early.astimezone(UTC)
        if offset == "Z":
            return local.replace(tzinfo=UTC)
        hours, minutes = int(offset[1:3]), int(offset[4:])
        if hours > 23 or minutes > 59:
            raise Wrong
        shift = timedelta(hours=hours, minutes=minutes) * (-1 if offset[0] == "-" else 1)
        return local.replace(tzinfo=timezone(shift)).astimezone(UTC)
    except OverflowError:
        raise Wrong from None


#: Local, as Hypothesis wants its bounds; before 1950 the zone databases disagree.
EARLIEST, LATEST = (datetime.fromisoformat(text) for text in ("1950-01-01", "2037-01-01"))

DATETIMES = (
    "2024-03-31T02:30",
    "2024-10-27 02:30:00",
    "2024-10-27T02:30:00+02:00",
    "2024-01-01T00:00:00+24:00",
    "2024-01-01T00:00:00+23:59",
    "2024-01-01T00:00-00:60",
    "0001-01-01T00:00+01:00",
    "9999-12-31T23:59:59.999999-00:01",
    "9999-12-31T23:59:59.999999Z",
    "2024-01-01t00:00",
    "2024-01-01",
    "2024-01-01T00:00:00.123456+05:30",
    "2024-01-01T00:00:00.1234567Z",
    "2024-01-01T00:00z",
    "2024-01-01T00:00+0100",
    "2024-01-01T00:00:60Z",
    "2024-01-01T00:00 ",
    "2011-12-30T12:00",
)


@SETTINGS
@given(
    st.lists(
        st.one_of(
            st.sampled_from(DATETIMES),
            st.datetimes(min_value=EARLIEST, max_value=LATEST).map(str),
            st.datetimes(min_value=EARLIEST, timezones=st.timezones()).map(str),
            st.tuples(st.sampled_from(DATETIMES), st.text("0123456789TZ:+-. ", max_size=8)).map("".join),
        ),
        max_size=15,
    ),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]),
)
def test_datetimes_become_instants_or_say_why_not(cells: list[str], zone: str) -> None:
    compare(Field(name="f", type=FieldType.DATETIME), cells, lambda cell: naive_datetime(cell, zone), zone)


def naive_array(cell: str) -> str:
    if not cell.strip(BLANKS).startswith("["):
        if "\0" in cell:
            raise Wrong
        return json.dumps([item.strip(BLANKS) for item in cell.split("|")], ensure_ascii=False, separators=(",", ":"))
    try:
        value = json.loads(cell)
    except ValueError:
        raise Wrong from None
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@SETTINGS
@given(
    st.lists(
        st.one_of(
            st.text(st.sampled_from('ab| []"\0'), max_size=10),
            st.lists(
                st.one_of(
                    st.integers(-(10**37), 10**37), st.text(max_size=3).filter(lambda t: "\0" not in t), st.none()
                )
            ).map(json.dumps),
        ),
        max_size=15,
    )
)
def test_arrays_become_canonical_json(cells: list[str]) -> None:
    compare(Field(name="f", type=FieldType.ARRAY), cells, naive_array)


@SETTINGS
@given(
    cells=cells_of("ab1é\n ", "lead", "customer", "lead\n", "\0", "a\0", "😀" * 4),
    least=st.integers(0, 4),
    most=st.integers(0, 5),
    required=st.booleans(),
)
def test_every_fault_of_a_string_is_found(cells: list[str], least: int, most: int, required: bool) -> None:
    constraints = Constraints(
        required=required, min_length=least, max_length=most, enum=("lead", "ab", "é"), pattern=r"a.*|lead$|é"
    )
    values, codes = check(Field(name="f", constraints=constraints), cells)
    for index, cell in enumerate(cells):
        expected = set()
        if cell.strip(BLANKS) == "" or cell == "NULL":
            expected |= {"required"} if required else set()
            assert values[index] is None
        elif "\0" in cell:
            expected.add("invalid_text")
            assert values[index] is None
        else:
            assert values[index] == cell
            expected |= {"too_short"} if len(cell) < least else set()
            expected |= {"too_long"} if len(cell) > most else set()
            expected |= {"invalid_enum_value"} if cell not in {"lead", "ab", "é"} else set()
            expected |= {"pattern_mismatch"} if not re.fullmatch(r"a.*|lead|é", cell) else set()
        assert codes.get(index, set()) == expected, cell


@SETTINGS
@given(
    rows=st.lists(
        st.tuples(st.text(max_size=20), st.integers(-5, 5), st.none() | st.text("ab", max_size=200)), max_size=20
    ),
    cut=st.integers(0, 20),
)
def test_equal_keys_hash_alike_in_any_batch_and_unequal_ones_apart(
    rows: list[tuple[str, int, str | None]], cut: int
) -> None:
    def hashes(part: list[tuple[str, int, str | None]]) -> list[int]:
        kinds = (pa.string(), pa.int64(), pa.string())
        columns = [pa.array([row[index] for row in part], kind) for index, kind in enumerate(kinds)]
        return key_hash(columns).tolist()

    once = hashes(rows)
    assert once == hashes(rows[:cut]) + hashes(rows[cut:])
    assert len(set(once)) == len(set(rows))


def test_parts_of_a_key_do_not_run_together() -> None:
    left, right = (pa.array(["a", "ab", ""]), pa.array(["bc", "c", "abc"]))
    assert len(set(key_hash([left, right]).tolist())) == 3
    assert len(set(key_hash([pa.array(["", "\0", "\0\0", "a", "a\0"])]).tolist())) == 5
    assert len({*key_hash([left]).tolist(), *key_hash([left, left]).tolist()}) == 6


@pytest.mark.parametrize("kind", [pa.bool_(), pa.date32(), pa.time64("us"), pa.timestamp("us", "UTC"), pa.int64()])
def test_every_key_type_hashes_its_values_apart(kind: pa.DataType) -> None:
    column = pa.array([0, 1, None], pa.int64() if kind != pa.date32() else pa.int32()).cast(kind)
    assert len(set(key_hash([column]).tolist())) == 3
