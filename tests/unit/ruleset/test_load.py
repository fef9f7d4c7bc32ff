from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from ingester.ruleset.entity import read_entity
from ingester.ruleset.load import load
from ingester.ruleset.model import Constraints, Entity, Field, FieldType, ForeignKey
from ingester.ruleset.reference import check_references
from tests.examples import examples
from tests.unit.ruleset.conftest import Load

INNER_KEYS = [
    *("name", "type", "format", "constraints", "default", "example", "aliases", "delimiter", "title", "fields"),
    *("enum", "pattern", "minimum", "maxLength", "required", "unique", "reference", "resource"),
]
#: Values that make sense somewhere in a rule file, so that some of them land where they do not.
VALUES = st.recursive(
    st.sampled_from(
        ["thing", "key", "", "string", "integer", "date", "array", "2020-01-01", "(", "[a", 0, -1, 1.5, None]
    )
    | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(INNER_KEYS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
KEYS = ["name", "fields", "primaryKey", "foreignKeys", "missingValues", "tier", "aliases", "title"]

AREA = "name: area\nprimaryKey: [country, code]\nfields:\n  - name: country\n  - name: code\n"
VISIT = """
    # every key of the language
    name: visit
    title: Visits
    description: >-
      Who went
      where.
    tier: 3
    aliases: [House Call, trips]
    missingValues: ["", n/a]
    primaryKey: number
    fields:
      - name: number
        type: integer
        title: Number
        description: Counts up.
        example: 17
        constraints: {minimum: 1, maximum: 99999}
      - name: previous
        type: integer
      - name: country
      - {name: area_code, aliases: [Area]}
      - {name: fee, type: number, default: 12.50, constraints: {minimum: -0.01, enum: [12.50, 20, "30"]}}
      - {name: paid, type: boolean, default: false}
      - {name: day, type: date, constraints: {minimum: 2020-01-31, maximum: "2030-12-31"}}
      - {name: at, type: time, constraints: {minimum: "07:30:00"}}
      - {name: left, type: datetime, constraints: {minimum: "2020-01-31T01:00:00+02:00", maximum: 2030-01-01T00:00:00}}
      - {name: crew, type: array, delimiter: ";", example: [ann, bob], constraints: {minLength: 1, maxLength: 4}}
      - {name: email, format: email, example: a@b.co, constraints: {unique: true, pattern: ".+@.+", maxLength: 99}}
    foreignKeys:
      - fields: [country, area_code]
        reference: {resource: area, fields: [country, code]}
      - fields: previous
        reference: {resource: "", fields: number}
"""


def visit(load_rules: Load) -> Entity:
    return load_rules(area=AREA, visit=VISIT).entities["visit"]


def test_everything_a_rule_file_says_is_in_the_entity(load_rules: Load) -> None:
    entity = visit(load_rules)
    assert (entity.table, entity.full_name, entity.tier) == ("shop__visit", "shop.visit", 3)
    assert (entity.title, entity.description) == ("Visits", "Who went where.")
    assert (entity.aliases, entity.missing_values) == (("house_call", "trips"), ("", "n/a"))
    assert entity.field("area_code") == Field(name="area_code", aliases=("Area",))
    assert (entity.field("number").title, entity.field("number").example) == ("Number", "17")
    assert entity.version == hashlib.sha256(entity.path.read_bytes()).hexdigest()


def test_constants_have_the_type_of_their_field(load_rules: Load) -> None:
    entity = visit(load_rules)
    assert entity.field("fee") == Field(
        name="fee",
        type=FieldType.NUMBER,
        default="12.50",
        constraints=Constraints(minimum=Decimal("-0.01"), enum=("12.50", "20", "30")),
    )
    assert entity.field("paid").default == "false"
    day = entity.field("day").constraints
    assert (day.minimum, day.maximum) == (date(2020, 1, 31), date(2030, 12, 31))
    assert entity.field("at").constraints.minimum == time(7, 30)
    assert entity.field("crew").example == "ann;bob"


def test_a_datetime_constant_is_in_utc_with_or_without_an_offset(load_rules: Load) -> None:
    left = visit(load_rules).field("left").constraints
    assert left.minimum == datetime(2020, 1, 30, 23, tzinfo=UTC)
    assert left.maximum == datetime(2030, 1, 1, tzinfo=UTC)


def test_a_field_of_the_primary_key_is_required_without_saying_so(load_rules: Load) -> None:
    catalogue = load_rules(area=AREA, visit=VISIT)
    assert [field.constraints.required for field in catalogue.entities["area"].fields] == [True, True]
    assert catalogue.entities["visit"].field("number").constraints.required
    assert not catalogue.entities["visit"].field("previous").constraints.required


def test_references_may_be_composite_or_to_the_entity_itself(load_rules: Load) -> None:
    assert visit(load_rules).foreign_keys == (
        ForeignKey(fields=("country", "area_code"), entity="area", reference_fields=("country", "code")),
        ForeignKey(fields=("previous",), entity="visit", reference_fields=("number",)),
    )


def test_other_files_in_the_folder_are_left_alone(load_rules: Load, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "README.md").write_text("# not a rule")
    (tmp_path / "shop" / ".hidden.yaml").write_text("not: a rule")
    assert list(load_rules(area=AREA).entities) == ["area"]


def test_a_rule_set_holds_its_catalogues_under_the_names_given(load_rules: Load, tmp_path: Path) -> None:
    load_rules(area=AREA)
    rules = load({"one": tmp_path / "shop", "two": tmp_path / "shop"})
    assert [entity.table for entity in rules] == ["one__area", "two__area"]
    assert rules.entity("two", "area").catalogue == "two"


@examples(200)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES | st.just([{"name": "key", "type": "date"}])))
def test_any_shape_of_rule_file_is_an_entity_or_a_list_of_mistakes(shape: dict[str, Any]) -> None:
    draft = read_entity(Path("thing.yaml"), yaml.safe_dump(shape).encode(), "shop")
    check_references({"thing": draft})
    assert draft.report.mistakes or (draft.entity and draft.entity.fields)
    assert all(mistake.line > 0 for mistake in draft.report.mistakes)
