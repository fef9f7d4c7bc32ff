"""Every key of the rule language, read into the model, and read by an independent reader of Table Schema."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import frictionless
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ingester.domain.notice import Severity
from ingester.ruleset.entity import read_entity
from ingester.ruleset.model import (
    Check,
    Constraints,
    Entity,
    Field,
    FieldType,
    Normalisation,
    ReferenceScope,
    Step,
)
from tests.examples import examples
from tests.unit.ruleset.conftest import Load, Mistakes

AREA = "name: area\nprimaryKey: code\nfields:\n  - {name: code, example: A-1}\n"
VISIT = r"""
    name: visit
    primaryKey: key
    fields:
      - {name: key, normalise: [trim, upper, nfc], example: " v-1 "}
      - {name: event.key, example: signup, aliases: [Event]}
      - {name: "customFields.{name}", type: any, example: {tier: gold, "seats": "12"}}
      - {name: "codes.{name}", example: REF-1, constraints: {maxLength: 20}}
      - {name: scan, format: binary, example: aGVsbG8=}
      - {name: started, type: year, example: 2026, constraints: {minimum: 1900, maximum: "2100"}}
      - {name: period, type: yearmonth, example: 2026-01, constraints: {minimum: 2000-01, enum: [2026-01, "2026-02"]}}
      - {name: lasts, type: duration, example: P1DT2H30M, constraints: {enum: [P1DT2H30M, PT0.5S]}}
      - {name: place, type: geopoint, example: "13.40, 52.5", constraints: {unique: true}}
      - {name: spot, type: geopoint, format: array, example: [13.4, -52]}
      - {name: dot, type: geopoint, format: object, example: '{"lon": 1, "lat": 2}'}
      - {name: shape, type: geojson, example: {type: Point, coordinates: [13.4, 52.5]}}
      - {name: settings, type: object, example: {depth: 2, names: [a, b]}, constraints: {minLength: 1, maxLength: 3}}
      - {name: words, type: list, example: [a, b], constraints: {minLength: 1}}
      - {name: counts, type: list, itemType: integer, delimiter: ";", example: ["1", "2"], accepted: ["1 ;2"]}
      - {name: anything, type: any, example: "x", constraints: {enum: [x, y]}}
      - {name: day, type: date, format: "%d/%m/%Y", example: 31/01/2026, constraints: {minimum: 01/01/2000}}
      - {name: at, type: time, format: "%I:%M %p", example: "02:30 PM", accepted: ["2:30 pm"]}
      - {name: moment, type: datetime, format: "%d.%m.%Y %H:%M %z", example: 31.01.2026 14:30 +0200}
      - {name: roughly, type: date, format: any, example: "2026-01-31", accepted: [31 Jan 2026]}
      - {name: noon, type: time, accepted: ["12:00", "12:00:00.5"]}
      - {name: then, type: datetime, accepted: ["2026-01-31 12:00", "2026-01-31T12:00Z"]}
      - {name: active, type: boolean, trueValues: ["Y", yep], falseValues: ["N"], default: true, example: "N"}
      - {name: price, type: number, decimalChar: ",", groupChar: ".", bareNumber: false, example: 1234.50,
         accepted: ["1.234,50", "€ 12"], constraints: {minimum: "0,5"}}
      - {name: units, type: integer, groupChar: " ", example: 12000, accepted: ["12 000"]}
      - {name: phone, normalise: [{phone: US}], accepted: [(602) 555-0142], constraints: {pattern: "[+].+"}}
      - {name: home, normalise: [country], accepted: [Germany, DE], constraints: {enum: [DE, US]}}
      - {name: mail, format: email, normalise: [email, lower], example: " Ann@Example.com "}
      - {name: status, normalise: [collapse_spaces, lower], accepted: ["  In   Use "], constraints: {enum: [in use]}}
      - {name: area_code, constraints: {maxLength: 20}}
    foreignKeys:
      - fields: area_code
        reference: {resource: area, fields: code}
        scope: tenant
    checks:
      - code: ends_before_it_starts
        assert: day <= roughly and event.key != 'x'
        message: The visit ends before it starts
      - code: many_units
        assert: units < 100000
        fields: [price, units]
        severity: warning
        message: That is a lot
        hint: Check the number.
"""


@pytest.fixture
def visit(load_rules: Load) -> Entity:
    return load_rules(area=AREA, visit=VISIT).entities["visit"]


def test_families_and_dotted_names_have_one_column_each(visit: Entity) -> None:
    family, codes = visit.field("customFields.{name}"), visit.field("codes.{name}")
    assert (family.is_family, family.column, family.members) == (True, "customFields", {"tier": "gold", "seats": "12"})
    assert codes.members == {"example": "REF-1"}
    assert (visit.field("event.key").column, visit.field("event.key").members) == ("event_key", {})


def test_bounds_and_examples_are_cells_of_their_field(visit: Entity) -> None:
    started, period = visit.field("started").constraints, visit.field("period").constraints
    assert (started.minimum, started.maximum) == (1900, 2100)
    assert (period.minimum, period.enum) == ("2000-01", ("2026-01", "2026-02"))
    assert visit.field("day").constraints.minimum == date(2000, 1, 1)
    assert visit.field("price").constraints.minimum == Decimal("0.5")
    assert visit.field("price").example == "1234,50"
    assert visit.field("units").example == "12000"
    assert visit.field("active").default == "Y"
    assert visit.field("settings").example == '{"depth": 2, "names": ["a", "b"]}'
    assert visit.field("words").example == "a,b"
    assert visit.field("counts").example == "1;2"
    assert visit.field("spot").example == "[13.4, -52]"


def test_options_say_how_cells_are_written(visit: Entity) -> None:
    assert visit.field("counts") == Field(
        name="counts",
        type=FieldType.LIST,
        item_type=FieldType.INTEGER,
        delimiter=";",
        example="1;2",
        accepted=("1 ;2",),
    )
    price = visit.field("price")
    assert (price.decimal_char, price.group_char, price.bare_number) == (",", ".", False)
    active = visit.field("active")
    assert (active.true_values, active.false_values) == (("Y", "yep"), ("N",))
    assert visit.field("words").delimiter == ","
    assert visit.field("moment").format == "%d.%m.%Y %H:%M %z"


def test_normalise_is_a_list_of_steps_in_order(visit: Entity) -> None:
    assert visit.field("phone").normalise == (Normalisation(Step.PHONE, "US"),)
    assert [each.step for each in visit.field("key").normalise] == [Step.TRIM, Step.UPPER, Step.NFC]
    assert visit.field("home").normalise == (Normalisation(Step.COUNTRY),)


def test_references_say_where_they_look(visit: Entity) -> None:
    assert visit.foreign_keys[0].scope is ReferenceScope.TENANT


def test_checks_name_the_fields_of_their_assertion_unless_told(visit: Entity) -> None:
    assert visit.checks == (
        Check(
            code="ends_before_it_starts",
            assertion="day <= roughly and event.key != 'x'",
            fields=("day", "roughly", "event.key"),
            message="The visit ends before it starts",
        ),
        Check(
            code="many_units",
            assertion="units < 100000",
            fields=("price", "units"),
            message="That is a lot",
            severity=Severity.WARNING,
            hint="Check the number.",
        ),
    )


def test_an_independent_reader_loads_every_key_of_the_language(visit: Entity) -> None:
    schema = frictionless.Schema.from_descriptor(str(visit.path))
    assert [(field.name, field.type) for field in schema.fields] == [
        (field.name, field.type.value) for field in visit.fields
    ]
    for field in schema.fields:
        field.create_cell_reader()


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("assert: a > 1, message: M", "6: checks[0].code: is missing"),
        ("code: x, message: M", "6: checks[0].assert: is missing"),
        ("code: x, assert: a > 1", "6: checks[0].message: is missing"),
        ("code: Bad-Code, assert: a > 1, message: M", "6: checks[0].code: must be small letters, digits and single _"),
        ("code: required, assert: a > 1, message: M", "6: checks[0].code: 'required' is a code of the product's own"),
        ("code: x, assert: a > 1, message: M, severity: bad", "6: checks[0].severity: expected error or warning, not"),
        ("code: x, assert: a > 1, message: M, fields: [c]", "6: checks[0].fields: there is no field 'c'"),
        ("code: x, assert: a > 1, message: M, fields: ['f.{name}']", "6: checks[0].fields: 'f.{name}' is a family of"),
        (
            "code: x, assert: a > b, message: M",
            "6: checks[0].assert: `b` is a text, beside an integer (at character 5)",
        ),
        ("code: x, assert: a >, message: M", "6: checks[0].assert: invalid syntax (at character"),
        ("code: x, assert: c > 1, message: M", "6: checks[0].assert: there is no field 'c' (at character 1)"),
        ("code: x, assert: a > 1, message: M, when: 1", "6: checks[0].when: unknown key"),
    ],
)
def test_one_mistake_in_a_check_is_reported_with_its_line_and_key(
    check: str, expected: str, mistakes: Mistakes
) -> None:
    fields = "fields:\n  - {name: a, type: integer}\n  - name: b\n  - name: 'f.{name}'\n"
    found = mistakes(thing=f"name: thing\n{fields}checks: [{{{check}}}]\n")
    assert len(found) == 1, found
    assert found[0].startswith(f"thing.yaml:{expected}")


def test_a_code_is_one_check_s_alone(mistakes: Mistakes) -> None:
    check = "  - {code: x, assert: a > 1, message: M}\n"
    text = f"name: thing\nfields:\n  - {{name: a, type: integer}}\nchecks:\n{check}{check}"
    assert mistakes(thing=text) == ["thing.yaml:6: checks[1].code: 'x' is the code of another check"]


CONSTANTS = st.sampled_from(
    [
        *(
            "x",
            "a@b.co",
            "A@B.example",
            "a@b",
            "a.b@c-d.io",
            "https://x.example",
            "a:b",
            "http://[::1]/",
            "urn:x:y%20z",
        ),
        *("http://a/%zz", "mailto:a@b.co", "x://u@h:1/p?q#f", "aGk=", "123e4567-e89b-12d3-a456-426614174000"),
        *(1, -5, 0, 2026, 1.5, True, "1", "-1", "+1.50", ".5", "1.", "1,5", "12 kg", "1e5", "NaN", "007"),
        *("2026-01-31", "2026-1-5", "31/01/2026", "14:30:00", "14:30", "24:00:00", "2026-01-31T14:30:00Z"),
        *(
            "2026-01-31T14:30:00",
            "2026-01-31 14:30",
            "2026-01",
            "0000-01-01",
            "P1D",
            "P1Y2M3W4DT5H6M7.5S",
            "PT",
            "P1.5D",
        ),
        *("1, 2", "1,2", "[1, 2]", '{"lon": 1, "lat": 2}', '{"a": 1}', "true", "TRUE", "yes", "Y", "a|b", "", " x "),
    ]
) | st.sampled_from(
    [
        *(["a", "b"], ["1", "2"], [1, 2], [1.5, 2], {"a": 1}, {"type": "Point", "coordinates": [1, 2]}, []),
        {"type": "Feature", "geometry": None, "properties": {}},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
        {"type": "GeometryCollection", "geometries": [{"type": "LineString", "coordinates": [[0, 0], [1, 1]]}]},
        {"type": "Point", "coordinates": [1, 2], "bbox": [1, 2, 1, 2]},
    ]
)
FORMATS = ["email", "uri", "uuid", "binary", "any", "%d/%m/%Y", "%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "array", "object"]


@examples(600)
@given(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["f", "f.g", "f.{name}"]), "type": st.sampled_from([*FieldType])},
        optional={
            "format": st.sampled_from(FORMATS),
            "example": CONSTANTS,
            "default": CONSTANTS,
            "accepted": st.lists(CONSTANTS, min_size=1, max_size=2),
            "normalise": st.lists(st.sampled_from(["trim", "lower", "email", {"phone": "US"}]), min_size=1, max_size=2),
            "itemType": st.sampled_from(["integer", "date", "string"]),
            "trueValues": st.just(["Y"]),
            "falseValues": st.just(["N"]),
            "decimalChar": st.just(","),
            "groupChar": st.sampled_from([".", " ", "'"]),
            "bareNumber": st.booleans(),
            "constraints": st.dictionaries(
                st.sampled_from(["enum", "minimum", "maximum"]), CONSTANTS, min_size=1, max_size=1
            ).map(lambda found: {key: [value] if key == "enum" else value for key, value in found.items()}),
        },
    )
)
def test_an_independent_reader_loads_whatever_the_loader_accepts(field: dict[str, Any]) -> None:
    text = yaml.safe_dump({"name": "thing", "fields": [{**field, "type": field["type"].value}]})
    draft = read_entity(Path("thing.yaml"), text.encode(), "shop")
    if draft.report.mistakes:
        return
    schema = frictionless.Schema.from_descriptor(yaml.safe_load(text))
    reader = schema.fields[0].create_cell_reader()
    # The bounds and values mean something to it, too: none is None, which nothing could be compared with.
    rule = draft.entity.fields[0].constraints if draft.entity else Constraints()
    if rule.enum and schema.fields[0].format != "any":
        assert reader(field["constraints"]["enum"][0])[1] is None


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("time", "07:30:00", time(7, 30)),
        ("datetime", "2020-01-31T01:00:00+02:00", datetime(2020, 1, 30, 23, tzinfo=UTC)),
        ("number", "12.50", Decimal("12.5")),
    ],
)
def test_a_bound_has_the_type_of_its_field(kind: str, text: str, value: object, load_rules: Load) -> None:
    rules = f"name: thing\nfields:\n  - {{name: f, type: {kind}, constraints: {{minimum: '{text}'}}}}\n"
    assert load_rules(thing=rules).entities["thing"].fields[0].constraints.minimum == value
