"""What each type of a field accepts, and the canonical form it is stored in."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import pyarrow as pa
import pytest

from ingester.checks.compile import CompiledEntity, column_type
from ingester.domain.errors import ConfigurationError
from ingester.ruleset.model import Constraints, Entity, Field, FieldType


def read(field: Field, *cells: str, timezone: str = "UTC") -> list[Any]:
    """The value of each cell, as text for what is wrong with it: `!invalid_type`."""
    entity = Entity(catalogue="c", name="e", fields=(field,))
    # As part of a longer column, with a missing cell: no offset is zero, no column is without nulls.
    column = pa.array(["padding", *cells, ""], pa.string()).slice(1)
    checked = CompiledEntity(entity, timezone).check({field.name: column})
    values = checked.columns[field.column]
    values.validate(full=True)
    assert values.type == column_type(field)
    assert not values[len(cells)].is_valid
    found = values.to_pylist()[:-1]
    for finding in checked.findings:
        for position in finding.positions.tolist():
            assert found[position] is None or finding.code not in {"invalid_type", "ambiguous_date", "ambiguous_number"}
            found[position] = f"!{finding.code}"
    return found


WRONG = "!invalid_type"


def test_a_year_has_four_digits_or_more() -> None:
    field = Field(name="f", type=FieldType.YEAR)
    assert read(field, "2026", "0044", "-0044", "-0001", "12026", "0000") == [2026, 44, -44, -1, 12026, 0]
    assert read(field, "26", "2026.0", "-0000", "02026", " 2026", "+2026", "٢٠٢٦", "9999999999") == [WRONG] * 8


def test_a_month_of_a_year_is_kept_as_written() -> None:
    field = Field(name="f", type=FieldType.YEARMONTH, constraints=Constraints(minimum="2024-02", maximum="2024-10"))
    assert read(field, "2024-02", "2024-10") == ["2024-02", "2024-10"]
    assert read(field, "2024-01", "2024-11") == ["!below_minimum", "!above_maximum"]
    assert read(field, "2024-13", "2024-00", "2024-1", "24-01", "2024-01-01", "2024/01") == [WRONG] * 6


def test_years_have_bounds() -> None:
    field = Field(name="f", type=FieldType.YEAR, constraints=Constraints(minimum=1900, maximum=2100))
    assert read(field, "1899", "1900", "2100", "2101") == ["!below_minimum", 1900, 2100, "!above_maximum"]


@pytest.mark.parametrize(
    ("cell", "canonical"),
    [
        ("P1Y2M3DT4H5M6.5S", "P1Y2M3DT4H5M6.5S"),
        ("PT60M", "PT1H"),
        ("PT24H", "P1D"),
        ("P2W", "P14D"),
        ("P14M", "P1Y2M"),
        ("PT0.5H", "PT30M"),
        ("PT0,5H", "PT30M"),
        ("PT90S", "PT1M30S"),
        ("PT0.000001S", "PT0.000001S"),
        ("P0D", "PT0S"),
        ("-P1M", "-P1M"),
        ("-PT36H", "-P1DT12H"),
        ("+P1D", "P1D"),
    ],
)
def test_a_duration_has_one_text_for_each_length(cell: str, canonical: str) -> None:
    field = Field(name="f", type=FieldType.DURATION)
    assert read(field, cell) == [canonical]
    assert read(field, canonical) == [canonical]


@pytest.mark.parametrize(
    "cell",
    [
        *("P", "PT", "P1", "1D", "P1DT", "P1H", "PT1D", "P0.5M", "P0.5DT1H", "P1S", "p1d", "P1D ", "PT0.0000001S"),
        *("P-1D", "P1M1Y", "P1D2D", "P٣D", "", "P" + "9" * 70 + "D"),
    ],
)
def test_what_is_no_duration_is_refused(cell: str) -> None:
    assert read(Field(name="f", type=FieldType.DURATION), cell) == ([WRONG] if cell else [None])


def test_an_enum_of_durations_compares_lengths() -> None:
    field = Field(name="f", type=FieldType.DURATION, constraints=Constraints(enum=("PT1H", "P1D")))
    assert read(field, "PT60M", "PT24H", "PT2H") == ["PT1H", "P1D", "!invalid_enum_value"]


@pytest.mark.parametrize(
    ("form", "right", "wrong"),
    [
        (
            "default",
            ["-111.98, 33.50", "-111.980,33.5", " +180 , -90 "],
            ["1", "1;2", "1,2,3", "a,b", "181,0", "0,90.1", "[1,2]"],
        ),
        (
            "array",
            ["[-111.98,33.50]", " [ -111.98 , 33.5 ] ", "[180,-90]"],
            ["1,2", "[1]", "[1,2,3]", '["1","2"]', "[181,0]", "[+1,2]", "[.5,2]", "[01,2]", "[1.,2]", "[1,\f2]"],
        ),
        (
            "object",
            ['{"lon": -111.98, "lat": 33.5}', '{"lat":33.50,"lon":-111.980}', '{"lon":180,"lat":-90}'],
            [
                *('{"lon":1}', '{"lon":1,"lat":2,"x":3}', '{"lon":1,"lon":2}', "[1,2]"),
                *('{"lon":+1,"lat":2}', '{"lon":1,"lat":.5}', '{"lat":00,"lon":1}', '{"lon":-,"lat":2}'),
            ],
        ),
    ],
)
def test_a_point_is_stored_as_longitude_and_latitude(form: str, right: list[str], wrong: list[str]) -> None:
    field = Field(name="f", type=FieldType.GEOPOINT, format=form)
    assert read(field, *right) == ["-111.98,33.5", "-111.98,33.5", "180,-90"]
    assert read(field, *wrong) == [WRONG] * len(wrong)


def test_the_limits_of_a_point_are_exact() -> None:
    field = Field(name="f", type=FieldType.GEOPOINT)
    near, beyond = "179.99999999999999999999,-89.99999999999999999999", "180.00000000000000000001,0"
    assert read(field, near, beyond, "0,-90.00000000000000000001") == [near, WRONG, WRONG]


def test_a_list_has_items_of_one_type() -> None:
    assert read(Field(name="f", type=FieldType.LIST, delimiter=","), "a", "a, b", "a,,b", 'é"\\') == [
        '["a"]',
        '["a","b"]',
        '["a","","b"]',
        '["é\\"\\\\"]',
    ]

    def items(kind: FieldType, *cells: str) -> list[Any]:
        return read(Field(name="f", type=FieldType.LIST, delimiter=";", item_type=kind), *cells)

    assert items(FieldType.INTEGER, "1; 2;+3", "1;x", "1;;2", "7") == ["[1,2,3]", WRONG, WRONG, "[7]"]
    assert items(FieldType.NUMBER, "1.50;.5", "1,5") == ["[1.5,0.5]", WRONG]
    assert items(FieldType.BOOLEAN, "true;0", "yes") == ["[true,false]", WRONG]
    assert items(FieldType.DATE, "2024-02-29;2024-03-01", "2024-02-30") == ['["2024-02-29","2024-03-01"]', WRONG]
    assert items(FieldType.TIME, "09:30;10:00:01.5") == ['["09:30:00","10:00:01.5"]']
    assert items(FieldType.DATETIME, "2024-01-01T10:00+01:00") == ['["2024-01-01T09:00:00Z"]']
    assert items(FieldType.STRING, "a\0;b") == [WRONG]


def test_lists_and_objects_are_counted() -> None:
    two = Constraints(min_length=2, max_length=2)
    field = Field(name="f", type=FieldType.LIST, delimiter=",", constraints=two)
    assert read(field, "a", "a,b", "a,b,c") == ["!too_short", '["a","b"]', "!too_long"]
    field = Field(name="f", type=FieldType.OBJECT, constraints=two)
    assert read(field, "{}", '{"a":1,"b":2}', '{"a":1,"b":2,"c":3}') == ["!too_short", '{"a":1,"b":2}', "!too_long"]


def test_an_object_has_one_text_whatever_the_order_of_its_members() -> None:
    field = Field(name="f", type=FieldType.OBJECT)
    assert read(field, '{"b": 1.10, "a": [1, {"d": null, "c": "é"}]}') == ['{"a":[1,{"c":"é","d":null}],"b":1.1}']
    assert read(field, "[]", "1", "{", '{"a":1,"a":2}', '{"a":NaN}', '{"a":"\\u0000"}', "x") == [WRONG] * 7


def test_geojson_has_the_shape_of_its_type() -> None:
    field = Field(name="f", type=FieldType.GEOJSON)
    point = '{"coordinates":[1.5,2],"type":"Point"}'
    feature = f'{{"geometry":{point},"properties":null,"type":"Feature"}}'
    assert read(field, '{"type": "Point", "coordinates": [1.50, 2]}', feature) == [point, feature]
    ring = "[[0,0],[1,0],[1,1],[0,0]]"
    assert read(field, f'{{"coordinates":[{ring}],"type":"Polygon"}}') == [
        f'{{"coordinates":[{ring}],"type":"Polygon"}}'
    ]
    wrong = [
        '{"type":"Point"}',
        '{"type":"Point","coordinates":["1","2"]}',
        '{"type":"Circle","coordinates":[1,2]}',
        "{}",
    ]
    wrong += ['{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1]]]}', "[1,2]"]
    assert read(field, *wrong) == [WRONG] * len(wrong)


def test_anything_is_kept_as_sent() -> None:
    field = Field(name="f", type=FieldType.ANY)
    assert read(field, " 1.0 ", "é", "a\0") == [" 1.0 ", "é", "!invalid_text"]


def test_a_boolean_has_the_fields_own_words() -> None:
    field = Field(name="f", type=FieldType.BOOLEAN, true_values=("yes", "Y"), false_values=("no",))
    assert read(field, "yes", "Y", "no", "true", "1", "YES") == [True, True, False, WRONG, WRONG, WRONG]


@pytest.mark.parametrize(
    ("true", "false", "said"),
    [
        (("yes", "Yes", "Y", "YES"), ("no", "No"), "yes | no | Y"),
        (("on",), ("off", "0", "none"), "on | off | 0 | none"),
        (tuple("abcdef"), tuple("uvwxyz"), "a | u | b | v | c | w | d | x | …"),
        (tuple("abcd"), tuple("wxyz"), "a | w | b | x | c | y | d | z"),
    ],
)
def test_a_wrong_boolean_is_answered_with_words_that_are_taken(
    true: tuple[str, ...], false: tuple[str, ...], said: str
) -> None:
    field = Field(name="f", type=FieldType.BOOLEAN, true_values=true, false_values=false)
    checked = CompiledEntity(Entity(catalogue="c", name="e", fields=(field,))).check({"f": pa.array(["?"])})
    assert [finding.message for finding in checked.findings] == [f"Invalid boolean. Expected {said}"]


def test_binary_is_base64_with_its_padding() -> None:
    field = Field(name="f", format="binary")
    assert read(field, "aGVsbG8=", "AA==", "abcd") == ["aGVsbG8=", "AA==", "abcd"]
    assert read(field, "abc", "a===", "ab=c", "ab cd", "YWJj\n", "a-_d", "é===") == ["!invalid_binary"] * 7


@pytest.mark.parametrize(
    ("pattern", "right", "wrong"),
    [
        (
            "%d/%m/%Y",
            {"29/02/2024": date(2024, 2, 29), "3/4/2024": date(2024, 4, 3)},
            ["31/02/2024", "3/4/24", "03/04/2024 ", "1//2024", "003/4/2024", "3-4-2024"],
        ),
        ("%m/%d/%Y", {"12/31/2024": date(2024, 12, 31)}, ["31/12/2024"]),
        ("%d%m%y", {"010269": date(1969, 2, 1), "010268": date(2068, 2, 1)}, ["10269", "01022069"]),
        (
            "%d %b %Y",
            {"1 feb 2024": date(2024, 2, 1), "01 MAY 2024": date(2024, 5, 1)},
            ["1 february 2024", "1 fev 2024", "30 Feb 2024"],
        ),
        (
            "%B %d, %Y",
            {"September 9, 2024": date(2024, 9, 9), "May 31, 2024": date(2024, 5, 31)},
            ["Sep 9, 2024", "Septembre 9, 2024"],
        ),
        ("%Y.%j", {"2024.366": date(2024, 12, 31), "2023.001": date(2023, 1, 1)}, ["2023.366", "2023.000", "2023.1"]),
        ("Q%%%Y-%m-%d", {"Q%2024-01-02": date(2024, 1, 2)}, ["Q2024-01-02", "q%2024-01-02"]),
        ("%dé%m %Y", {"1é2 2024": date(2024, 2, 1)}, ["1e2 2024"]),
    ],
)
def test_a_date_is_read_strictly_by_its_pattern(pattern: str, right: dict[str, date], wrong: list[str]) -> None:
    field = Field(name="f", type=FieldType.DATE, format=pattern)
    assert read(field, *right, *wrong) == [*right.values(), *[WRONG] * len(wrong)]
    for cell, value in right.items():
        assert read(field, cell) == [value]


@pytest.mark.parametrize(
    ("pattern", "right", "wrong"),
    [
        (
            "%I:%M %p",
            {"12:00 am": time(0), "12:30 PM": time(12, 30), "1:05 pm": time(13, 5)},
            ["0:30 AM", "13:00 PM", "1:5 PM", "1:05"],
        ),
        ("%H.%M", {"9.05": time(9, 5), "23.59": time(23, 59)}, ["24.00", "9.60", "9:05"]),
        (
            "%H:%M:%S.%f",
            {"9:00:01.5": time(9, 0, 1, 500_000), "09:00:01.123456": time(9, 0, 1, 123_456)},
            ["9:00:01.", "9:00:01.1234567", "9:00:60.0"],
        ),
        ("%Hh", {"7h": time(7)}, ["7", "h"]),
    ],
)
def test_a_time_is_read_strictly_by_its_pattern(pattern: str, right: dict[str, time], wrong: list[str]) -> None:
    field = Field(name="f", type=FieldType.TIME, format=pattern)
    assert read(field, *right, *wrong) == [*right.values(), *[WRONG] * len(wrong)]


def test_a_datetime_by_a_pattern_is_of_its_offset_or_of_the_timezone() -> None:
    field = Field(name="f", type=FieldType.DATETIME, format="%d.%m.%Y %H:%M")
    cells = ["1.7.2024 12:00", "31.3.2024 02:30", "27.10.2024 02:30", "32.1.2024 00:00"]
    assert read(field, *cells, timezone="Europe/Berlin") == [
        datetime(2024, 7, 1, 10, tzinfo=UTC),
        "!nonexistent_time",
        "!ambiguous_time",
        WRONG,
    ]
    field = Field(name="f", type=FieldType.DATETIME, format="%Y-%m-%d %H:%M%z")
    cells = [
        "2024-07-01 12:00Z",
        "2024-07-01 12:00+02:00",
        "2024-07-01 12:00-0330",
        "2024-07-01 12:00",
        "2024-07-01 12:00+2:00",
    ]
    assert read(field, *cells, timezone="Europe/Berlin") == [
        datetime(2024, 7, 1, 12, tzinfo=UTC),
        datetime(2024, 7, 1, 10, tzinfo=UTC),
        datetime(2024, 7, 1, 15, 30, tzinfo=UTC),
        WRONG,
        WRONG,
    ]


def test_a_pattern_is_shown_as_people_write_it_down() -> None:
    field = Field(name="f", type=FieldType.DATETIME, format="%d/%m/%Y %I:%M %p")
    checked = CompiledEntity(Entity(catalogue="c", name="e", fields=(field,))).check({"f": pa.array(["x"])})
    assert [finding.message for finding in checked.findings] == ["Invalid datetime. Expected DD/MM/YYYY HH:MM AM"]


def test_a_pattern_that_no_cell_can_be_read_by_is_named() -> None:
    entity = Entity(catalogue="c", name="e", fields=(Field(name="f", type=FieldType.DATE, format="%d/%m"),))
    with pytest.raises(ConfigurationError, match="field f"):
        CompiledEntity(entity)


def test_any_date_has_a_single_reading() -> None:
    field = Field(name="f", type=FieldType.DATE, format="any")
    same = ["2024-03-13", "2024/03/13", "20240313", "13/03/2024", "3/13/2024", "13.3.2024", "03-13-2024", "13 Mar 2024"]
    same += ["13-Mar-2024", "13 march 2024", "March 13, 2024", "Mar 13 2024", "13. March 2024", " 2024-03-13 "]
    assert read(field, *same) == [date(2024, 3, 13)] * len(same)
    assert read(field, "04/04/2024", "4.4.2024") == [date(2024, 4, 4)] * 2
    assert read(field, "03/04/2024", "3.4.2024", "03-04-2024", "13/03/24") == ["!ambiguous_date"] * 4
    wrong = [
        "31/02/2024",
        "13/13/2024",
        "45366",
        "2024",
        "tomorrow",
    ]
    wrong += ["03042024", "2024-13-03", "March 2024", "2024-03-13T10:00", "13,03,2024"]
    assert read(field, *wrong) == [WRONG] * len(wrong)


def test_any_time_is_a_clock_of_24_or_12_hours() -> None:
    field = Field(name="f", type=FieldType.TIME, format="any")
    cells = ["14:30", "2:30 PM", "2:30pm", "02:30:00 pm", "14:30:00", "14:30:00.000"]
    assert read(field, *cells, "2 PM", "2PM") == [time(14, 30)] * len(cells) + [time(14)] * 2
    assert read(field, "14:30 PM", "25:00", "14", "2:3", "noon") == [WRONG] * 5


def test_any_datetime_is_any_date_with_any_time() -> None:
    field = Field(name="f", type=FieldType.DATETIME, format="any")
    cells = ["2024-03-13T14:30Z", "13/03/2024 14:30+00:00", "13 Mar 2024, 2:30 PM UTC", "March 13, 2024 4:30 pm +0200"]
    cells += ["2024/03/13 13:30:00.000 -01", "20240313T14:30:00Z"]
    assert read(field, *cells, timezone="Asia/Tokyo") == [datetime(2024, 3, 13, 14, 30, tzinfo=UTC)] * len(cells)
    local = ["13 Mar 2024 23:30", "2024-03-13 11:30 pm"]
    assert read(field, *local, "13/3/2024", timezone="Asia/Tokyo") == [
        *[datetime(2024, 3, 13, 14, 30, tzinfo=UTC)] * 2,
        datetime(2024, 3, 12, 15, tzinfo=UTC),
    ]
    assert read(field, "03/04/2024 10:00", "3.4.24 10:00") == ["!ambiguous_date"] * 2
    wrong = ["10:00", "13/03/2024 25:00", "13/03/2024 10:00 CET", "13/03/2024 10:00 +25:00", "x"]
    assert read(field, *wrong) == [WRONG] * len(wrong)
    assert read(field, "31/3/2024 02:30", timezone="Europe/Berlin") == ["!nonexistent_time"]


@pytest.mark.parametrize(
    ("options", "right", "wrong"),
    [
        (
            {"decimal_char": ",", "group_char": "."},
            {"1.234.567,50": "1234567.5", "-1,5": "-1.5", ",5": "0.5", "12": "12", "1.234": "1234", " +7 ": "7"},
            ["1.23", "1,2,3", "1.2345", "1234.567", "1,", "1.234."],
        ),
        (
            {"group_char": ","},
            {"1,234.50": "1234.5", "12,34,567": "1234567", "1234567": "1234567"},
            ["1,2,3", ",123", "1,234,", "1,,234", "$5"],
        ),
        (
            {"group_char": " ", "decimal_char": ","},
            {"1 234,5": "1234.5", "1\u00a0234": "1234", "1\u202f234": "1234"},
            ["1 23", "12 34"],
        ),
        (
            {"bare_number": False},
            {
                "$ 5": "5",
                "$5.50 each": "5.5",
                "-$5": "-5",
                "$-5": "-5",
                "5 %": "5",
                "kr. 5": "5",
                "$.50": "0.5",
                ".5": "0.5",
                "EUR12": "12",
                "size 12": "12",
                "size12": "12",
                "-Euro 5": "-5",
                "12e": "12",
            },
            [
                "(5)",
                "5-",
                "5 -",
                "\u22125",
                "\u20135",
                "$+-5",
                "-$-5",
                "5\u00bd",
                "\u0663 5",
                "Nr.5",
                "1e5",
                "1e-28",
                "e28",
                "-e28",
                "$E28",
                "- e5",
                ".e5",
                "1 2",
                "$",
                "x",
                "5 x 3",
            ],
        ),
        (
            {"bare_number": False, "group_char": "'"},
            {"CHF 1'234.50": "1234.5", "1\u2019234'567": "1234567", "Fr. 12.50": "12.5"},
            ["CHF '234", "CHF 1'23", "1,234", "'12"],
        ),
        ({"group_char": "\u2019"}, {"1'234.50": "1234.5", "1\u2019234": "1234"}, ["'12", "12'"]),
    ],
)
def test_a_number_is_read_as_its_options_say_and_never_as_another(
    options: dict[str, Any], right: dict[str, str], wrong: list[str]
) -> None:
    field = Field(name="f", type=FieldType.NUMBER, **options)
    assert read(field, *right, *wrong) == [*right.values(), *[WRONG] * len(wrong)]


def test_an_integer_has_the_same_options() -> None:
    field = Field(name="f", type=FieldType.INTEGER, group_char=",", bare_number=False)
    assert read(field, "1,234 pcs", "#7", "-5") == [1234, 7, -5]
    assert read(field, "1.5", "1,23", "9,223,372,036,854,775,808") == [WRONG] * 3


def test_the_options_of_a_number_keep_the_limits_of_numbers() -> None:
    field = Field(name="f", type=FieldType.NUMBER, decimal_char=",")
    assert read(field, "9" * 38 + ",5", "9" * 39) == ["9" * 38 + ".5", "!number_too_large"]
