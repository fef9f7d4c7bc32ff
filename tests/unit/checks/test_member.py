"""Families of columns and extra fields: several columns of a file become one of JSON objects."""

from __future__ import annotations

import pyarrow as pa

from ingester.checks.compile import CompiledEntity, column_type
from ingester.ruleset.model import Constraints, Entity, Field, FieldType

CUSTOM = Field(name="custom.{name}")


def entity_of(*fields: Field) -> Entity:
    return Entity(catalogue="c", name="e", fields=fields)


def test_the_columns_of_a_family_are_one_column_of_objects() -> None:
    compiled = CompiledEntity(entity_of(Field(name="key"), CUSTOM))
    checked = compiled.check(
        {
            "key": pa.array(["1", "2", "3"]),
            "custom.tier": pa.array(["gold", "", 'a"\\\n']),
            "Custom.Ärger.x": pa.array(["é", "", ""]),
        },
        {"custom.tier": CUSTOM.name, "Custom.Ärger.x": CUSTOM.name},
    )
    assert list(checked.columns) == ["key", "custom"]
    assert checked.columns["custom"].to_pylist() == ['{"tier":"gold","Ärger.x":"é"}', None, '{"tier":"a\\"\\\\\\n"}']
    assert checked.columns["custom"].type == column_type(CUSTOM)


def test_a_finding_names_the_members_own_header() -> None:
    family = Field(name="score.{name}", type=FieldType.INTEGER, constraints=Constraints(maximum=10))
    checked = CompiledEntity(entity_of(family)).check(
        {"score.a": pa.array(["1", "x", "11"]), "score.b": pa.array(["2", "3", "+4"])},
        {"score.a": family.name, "score.b": family.name},
    )
    assert checked.columns["score"].to_pylist() == ['{"a":1,"b":2}', '{"b":3}', '{"a":11,"b":4}']
    assert [(each.fields, each.code) for each in checked.findings] == [
        (("score.a",), "invalid_type"),
        (("score.a",), "above_maximum"),
    ]


def test_values_in_an_object_are_of_their_type() -> None:
    cells = {
        FieldType.NUMBER: ("1.50", "1.5"),
        FieldType.BOOLEAN: ("1", "true"),
        FieldType.DATE: ("2024-02-29", '"2024-02-29"'),
        FieldType.TIME: ("10:00", '"10:00:00"'),
        FieldType.DATETIME: ("2024-02-29 10:00:00.100+01:00", '"2024-02-29T09:00:00.1Z"'),
        FieldType.YEAR: ("0044", "44"),
        FieldType.DURATION: ("PT60M", '"PT1H"'),
        FieldType.ARRAY: ("a|b", '["a","b"]'),
        FieldType.OBJECT: ('{"a": 1}', '{"a":1}'),
        FieldType.GEOPOINT: ("1, 2", '"1,2"'),
        FieldType.ANY: ("1", '"1"'),
    }
    for kind, (cell, json) in cells.items():
        family = Field(name="f.{name}", type=kind)
        checked = CompiledEntity(entity_of(family)).check({"f.x": pa.array([cell, ""])}, {"f.x": family.name})
        assert checked.columns["f"].to_pylist() == [f'{{"x":{json}}}', None]


def test_extra_fields_share_one_column() -> None:
    fields = (
        Field(name="key"),
        Field(name="floor", type=FieldType.INTEGER, is_extra=True),
        Field(name="access.code", is_extra=True),
        Field(name="own.{name}", is_extra=True),
    )
    checked = CompiledEntity(entity_of(*fields)).check(
        {
            "key": pa.array(["1", "2"]),
            "floor": pa.array(["3", "x"]),
            "access.code": pa.array(["a", ""]),
            "own.y": pa.array(["", "b"]),
        },
        {"own.y": "own.{name}"},
    )
    assert checked.columns["extra"].to_pylist() == ['{"access.code":"a","floor":3}', '{"own.y":"b"}']
    assert [each.fields for each in checked.findings] == [("floor",)]
    assert list(checked.columns) == ["key", "extra"]


def test_a_dotted_field_is_in_its_own_column() -> None:
    checked = CompiledEntity(entity_of(Field(name="event.key"))).check({"event.key": pa.array(["x"])})
    assert checked.columns["event_key"].to_pylist() == ["x"]


def test_a_required_family_needs_every_column_that_is_there() -> None:
    family = Field(name="f.{name}", constraints=Constraints(required=True))
    compiled = CompiledEntity(entity_of(family))
    checked = compiled.check(
        {"f.a": pa.array(["", "x"]), "f.b": pa.array(["x", "x"])}, {"f.a": "f.{name}", "f.b": "f.{name}"}
    )
    assert [(each.fields, each.positions.tolist()) for each in checked.findings] == [(("f.a",), [0])]
