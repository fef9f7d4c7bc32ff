"""Random rule files of every type, format, option and constraint, and random cells for them, most of them nearly right.

Only what frictionless knows as well: no normalise, no column families, no group character of an integer.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from ingester.ruleset.constraint import APPLICABLE
from ingester.ruleset.entity import read_entity
from ingester.ruleset.model import Entity, Field, FieldType
from tests.properties.differential.odd import ALPHABETS, ODD
from tests.properties.differential.table import Table, rule_file, stops

Descriptor = dict[str, Any]

_DATE_PATTERNS = ("%d/%m/%Y", "%m/%d/%Y", "%Y%m%d", "%d.%m.%y", "%d %b %Y", "%B %d, %Y", "%Y.%j")
_TIME_PATTERNS = ("%H:%M", "%I:%M %p", "%H%M%S", "%H:%M:%S.%f")
_DATETIME_PATTERNS = ("%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M", "%Y%m%dT%H%M%S%z", "%Y-%m-%dT%H:%M:%S%z")
_PATTERNS = (*("[a-z]+", "[A-Z0-9-]{2,6}", "a|b", r"\d{1,3}", "(new|old)", r"\w+", ".*", "a.b", "[^,]*", r"\S+"),)
_FORMS: Mapping[FieldType, Sequence[Descriptor]] = {
    FieldType.STRING: [{}, {}, {}, *({"format": name} for name in ("email", "uri", "uuid", "binary"))],
    FieldType.INTEGER: [{}, {}, {"bareNumber": False}],
    FieldType.NUMBER: [
        *({}, {}, {"bareNumber": False}, {"decimalChar": ","}, {"groupChar": ","}),
        {"decimalChar": ",", "groupChar": "."},
        {"decimalChar": ",", "groupChar": " ", "bareNumber": False},
        {"groupChar": ",", "bareNumber": False},
        {"groupChar": "'", "bareNumber": False},
    ],
    FieldType.BOOLEAN: [{}, {"trueValues": ["yes", "Y"], "falseValues": ["no", "N"]}, {"trueValues": ["on"]}],
    FieldType.DATE: [{}, {}, {"format": "any"}, *({"format": name} for name in _DATE_PATTERNS)],
    FieldType.TIME: [{}, {}, {"format": "any"}, *({"format": name} for name in _TIME_PATTERNS)],
    FieldType.DATETIME: [{}, {}, {"format": "any"}, *({"format": name} for name in _DATETIME_PATTERNS)],
    FieldType.GEOPOINT: [{}, {"format": "array"}, {"format": "object"}],
    FieldType.LIST: [
        *({}, {"delimiter": ";"}),
        *({"itemType": name} for name in ("integer", "number", "boolean", "date", "datetime", "time", "string")),
    ],
}
_WORDS = st.sampled_from(["new", "old", "a", "ab", "é", "日本", "1", "New"])
_CONSTANTS: Mapping[FieldType, st.SearchStrategy[Any]] = {
    FieldType.STRING: _WORDS,
    FieldType.ANY: _WORDS,
    FieldType.INTEGER: st.integers(-100, 10_000),
    FieldType.NUMBER: st.integers(-100, 10_000) | st.sampled_from([0.5, -1.25, 1.5, 12.75, 1234.5]),
    FieldType.BOOLEAN: st.booleans(),
    FieldType.YEAR: st.integers(1000, 9999).map(str),
    FieldType.YEARMONTH: st.dates(date(1900, 1, 1)).map(lambda day: day.strftime("%Y-%m")),
    FieldType.DURATION: st.sampled_from(["P1D", "PT1M", "P1M", "P1Y", "PT24H", "PT0S", "P1Y2M3DT4H5M6S"]),
    FieldType.GEOPOINT: st.sampled_from(["1,2", "180,90", "-1.5,2"]),
}
_OF_FORMAT = {
    "email": ("a@example.com", "A.b+c@sub.example.co"),
    "uri": ("http://example.com", "urn:isbn:1"),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000", "00000000-0000-0000-0000-000000000000"),
    "binary": ("YQ==", "YWJj"),
    "array": ("[1,2]", "[180, 90]"),
    "object": ('{"lon":1,"lat":2}', '{"lon": 180, "lat": 90}'),
}
_LENGTHS = st.integers(0, 6)
#: Parts of cells that are JSON.
_JSON = st.recursive(
    st.sampled_from(["1", "-0.5", '"a"', "true", "null", "NaN", '"\\u0000"', "x"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(st.sampled_from("abc"), inner), max_size=3).map(
            lambda pairs: "{" + ", ".join(f'"{name}": {item}' for name, item in pairs) + "}"
        ),
    ),
    max_leaves=5,
)


def _moments(kind: FieldType, format_name: str, *, zone: str | None) -> st.SearchStrategy[str]:
    """Texts of dates, times and datetimes in a field's own format; `zone` of all of them, None for any."""
    if "%" in format_name:
        pattern = format_name.replace("%z", "+0200")
        return st.datetimes(datetime(1970, 1, 1), datetime(2068, 1, 1)).map(lambda moment: moment.strftime(pattern))  # noqa: DTZ001 -- Hypothesis asks for naive ones
    moments = st.datetimes(datetime(1, 1, 1))  # noqa: DTZ001 -- the same
    match kind:
        case FieldType.DATE:
            return moments.map(lambda moment: f"{moment.date()}")
        case FieldType.TIME:
            return moments.map(lambda moment: f"{moment.time():%H:%M:%S}")
    zones = st.sampled_from(["", "Z", "+00:00", "-03:30", "+14:00"]) if zone is None else st.just(zone)
    return st.tuples(moments, zones).map(lambda pair: f"{pair[0]:%Y-%m-%dT%H:%M:%S}".zfill(19) + pair[1])


def _constants(kind: FieldType, form: Descriptor) -> st.SearchStrategy[Any]:
    """What may stand in an enum or a bound."""
    name = form.get("format", "default")
    if kind in {FieldType.DATE, FieldType.TIME, FieldType.DATETIME}:
        return _moments(kind, name, zone="Z")
    return st.sampled_from(_OF_FORMAT[name]) if name in _OF_FORMAT else _CONSTANTS[kind]


@st.composite
def _fields(draw: st.DrawFn, kind: FieldType, name: str) -> Descriptor:
    """A field of the type, with a form and at most two constraints beside `required`."""
    form = draw(st.sampled_from(_FORMS.get(kind, [{}])))
    known = sorted(APPLICABLE[kind] - {"required"})
    constraints: Descriptor = {}
    for constraint in sorted(draw(st.sets(st.sampled_from(known), max_size=2))) if known else ():
        match constraint:
            case "unique":
                constraints["unique"] = draw(st.booleans())
            case "pattern":
                constraints["pattern"] = draw(st.sampled_from(_PATTERNS))
            case "enum":
                constraints["enum"] = draw(st.lists(_constants(kind, form), min_size=1, max_size=3, unique_by=str))
            case "minLength" | "maxLength":
                constraints[constraint] = draw(_LENGTHS)
            case _:
                constraints[constraint] = draw(_constants(kind, form))
    if draw(st.booleans()):
        constraints["required"] = draw(st.booleans())
    return {"name": name, "type": kind.value, **form, "constraints": constraints}


def _cells(field: Field) -> st.SearchStrategy[str]:
    """Cells for a field: right ones, those with one character changed, the odd ones of all types, and noise."""
    alphabet = ALPHABETS[field.type]
    near = [st.text(st.sampled_from(alphabet), max_size=8)]
    rule = field.constraints
    if field.type in {FieldType.DATE, FieldType.TIME, FieldType.DATETIME}:
        near.append(_moments(field.type, field.format, zone=None))
        near.append(_moments(field.type, "default", zone=None))
    elif field.format in _OF_FORMAT:
        near.append(st.sampled_from(_OF_FORMAT[field.format]))
    elif field.type in {FieldType.OBJECT, FieldType.ARRAY, FieldType.GEOJSON}:
        near.append(_JSON)
    elif field.type is FieldType.LIST:
        item = _cells(Field(name="item", type=field.item_type))
        near.append(st.lists(item, max_size=3).map(field.delimiter.join))
    elif field.type in _CONSTANTS:
        near.append(_CONSTANTS[field.type].map(str))
    if field.type is FieldType.BOOLEAN:
        near.append(st.sampled_from([*field.true_values, *field.false_values]))
    if rule.enum is not None:
        near.append(st.sampled_from(rule.enum))
    usual = st.one_of(near)
    changed = st.tuples(
        usual, st.integers(0, 30), st.sampled_from([*alphabet, *"\0 \u00a0\uff11\u0663"]), st.integers(0, 1)
    ).map(lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + parts[3] :])
    return st.one_of(usual, changed, st.sampled_from(ODD), st.sampled_from(ODD), st.text(max_size=3))


def odd_table(kind: FieldType) -> Table:
    """Every odd cell under every form of a type; and under patterns, lengths, bounds and `required`, one at a time."""
    forms: list[Descriptor] = [form for at, form in enumerate(_FORMS.get(kind, [{}])) if form or not at]
    bounds = {FieldType.INTEGER: 7, FieldType.NUMBER: 1.5, FieldType.YEAR: "2020", FieldType.YEARMONTH: "2020-02"}
    bounds |= {FieldType.DATE: "2020-02-29", FieldType.TIME: "12:30:00", FieldType.DATETIME: "2020-02-29T12:30:00Z"}
    ruled: list[Descriptor] = [{"required": True}]
    if "maxLength" in APPLICABLE[kind]:
        ruled += [{"minLength": 2}, {"maxLength": 1}, {"maxLength": 3}]
    if "pattern" in APPLICABLE[kind]:
        ruled += [{"pattern": pattern} for pattern in _PATTERNS]
    if "maximum" in APPLICABLE[kind]:
        ruled += [{"minimum": bounds[kind]}, {"maximum": bounds[kind]}, {"enum": [bounds[kind]]}]
    forms += [{"constraints": constraints} for constraints in ruled]
    names = [f"a{number}" for number in range(len(forms))]
    fields = [{"name": name, "type": kind.value, **form} for name, form in zip(names, forms, strict=True)]
    descriptor = {"missingValues": [""], "fields": [{"name": "k", "type": "string"}, *fields]}
    rows = _answerable([[f"k{number}", *[cell] * len(names)] for number, cell in enumerate(ODD)], descriptor)
    return Table(descriptor, ["k", *names], rows)


@st.composite
def tables(draw: st.DrawFn, kinds: st.SearchStrategy[FieldType], *, width: int, length: int, ragged: bool) -> Table:
    """A rule file with fields of these types, and rows for it. The key `k` is right, but for what `ragged` allows.

    `ragged` also means blank lines, rows of blanks, rows of another width, and keys that repeat.
    """
    names = string.ascii_lowercase[:width]
    fields = [draw(_fields(draw(kinds), name).filter(_is_rule)) for name in names]
    missing = draw(st.sampled_from([[""], [""], ["", "NA"], ["", "-", "null", " "]]))
    descriptor: Descriptor = {"missingValues": missing, "fields": [{"name": "k", "type": "string"}, *fields]}
    if ragged:
        keys = ["k", ["k", "a"], ["a", "k"]]
        descriptor["primaryKey"] = draw(
            st.sampled_from([key for key in keys if entity_of({**descriptor, "primaryKey": key})])
        )
    entity = entity_of(descriptor)
    assert entity is not None, descriptor
    columns = [draw(st.lists(_cells(field), min_size=length, max_size=length)) for field in entity.fields[1:]]
    rows = _answerable(
        [[f"k{number}", *cells] for number, cells in enumerate(zip(*columns, strict=True), 1)], descriptor
    )
    if ragged:
        _spoil(draw, rows)
    return Table(
        descriptor,
        ["k", *names],
        rows,
        line_end=draw(st.sampled_from(["\n", "\r\n"])),
        quote_all=draw(st.booleans()),
        bom=draw(st.booleans()),
    )


def _spoil(draw: st.DrawFn, rows: list[list[str]]) -> None:
    for at in draw(st.lists(st.integers(0, len(rows) - 1), max_size=len(rows) // 2, unique=True)):
        row = rows[at]
        match draw(st.integers(0, 6)):
            case 0:
                rows[at] = []
            case 1:
                rows[at] = [draw(st.sampled_from(["", " "]))] * len(row)
            case 2:
                rows[at] = row[: draw(st.integers(1, len(row) - 1))]
            case 3:
                rows[at] = [*row, *draw(st.lists(st.sampled_from(["", "x"]), min_size=1, max_size=2))]
            case 4:
                rows[at] = [rows[at - 1][0] if rows[at - 1] else "k", *row[1:]]
            case 5:
                rows[at] = list(rows[at - 1])
            case 6:
                rows[at] = ["", *row[1:]]


def _is_rule(field: Descriptor) -> bool:
    return entity_of({"fields": [field], "missingValues": ["", "-", "null", " ", "NA"]}) is not None


def entity_of(descriptor: Mapping[str, Any]) -> Entity | None:
    """The entity of a rule file that has this content; None if there is a mistake in it."""
    draft = read_entity(Path("row.yaml"), rule_file(descriptor), "rules")
    return None if draft.report.mistakes else draft.entity


def _answerable(rows: Sequence[Sequence[str]], descriptor: Descriptor) -> list[list[str]]:
    """The rows with one NUL character at most, as a file with many is no text, and without what stops frictionless."""
    stopped = [stops(field, descriptor["missingValues"]) for field in descriptor["fields"]]
    seen = False
    found: list[list[str]] = []
    for row in rows:
        cells = []
        for cell, is_stop in zip(row, stopped, strict=True):
            before, nul, _ = cell.partition("\0")
            kept = cell if not nul else before if seen else before + nul
            seen |= bool(nul)
            cells.append("" if is_stop(kept) else kept)
        found.append(cells)
    return found
