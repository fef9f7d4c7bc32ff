"""Templates and dictionaries say what the rule files say."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from ingester.domain.notice import CATALOGUE, Severity
from ingester.outbox import docs
from ingester.outbox.sample import sample
from ingester.ruleset.model import (
    Check,
    Constraints,
    Entity,
    Field,
    FieldType,
    ForeignKey,
    Normalisation,
    ReferenceScope,
    Step,
)

PARENT = Entity(
    catalogue="shop",
    name="parent",
    fields=(Field(name="key", example="P-1"), Field(name="region", example="north")),
    primary_key=("key", "region"),
)
ITEM = Entity(
    catalogue="shop",
    name="item",
    title="Items",
    description="What is sold.",
    fields=(
        Field(name="key", example="I-1", description="Your key.", constraints=Constraints(required=True)),
        Field(name="parent_key", example="P-9"),
        Field(name="parent_region", example="south"),
        Field(name="previous", example="I-0"),
        Field(name="more.{name}", type=FieldType.ANY, example='{"tier": "gold|1", "seats": "2"}'),
        Field(name="label", constraints=Constraints(required=True, enum=("a", "b"))),
        Field(name="day", type=FieldType.DATE, format="%d/%m/%Y", example="31/01/2026", accepted=("1/2/2026",)),
        Field(name="phone", normalise=(Normalisation(Step.PHONE, "US"),), aliases=("Tel",)),
        Field(name="own", is_extra=True),
    ),
    primary_key=("key",),
    foreign_keys=(
        ForeignKey(
            fields=("parent_key", "parent_region"),
            entity="parent",
            reference_fields=("key", "region"),
            scope=ReferenceScope.TENANT,
        ),
        ForeignKey(fields=("previous",), entity="item", reference_fields=("key",)),
    ),
    checks=(
        Check(
            code="late",
            assertion="day > '2020-01-01'",
            fields=("day",),
            message="Too | old",
            severity=Severity.WARNING,
            hint="Look again.",
        ),
    ),
    missing_values=("", "n/a"),
)


def rows(text: str) -> dict[str, str]:
    header, row = csv.reader(io.StringIO(text))
    return dict(zip(header, row, strict=True))


def test_a_template_refers_to_the_examples_of_what_it_refers_to() -> None:
    row = rows(docs.template(ITEM, [ITEM, PARENT]))
    assert (row["parent_key"], row["parent_region"]) == ("P-1", "north")
    assert row["previous"] == ""  # nothing can be sent before the first
    assert rows(docs.template(ITEM))["parent_key"] == "P-9"


def test_a_template_shows_a_family_by_its_example_and_fills_what_is_required() -> None:
    row = sample(ITEM)
    assert [*row] == [
        *("key", "parent_key", "parent_region", "previous", "more.tier", "more.seats", "label", "day", "phone", "own"),
    ]
    assert (row["more.tier"], row["label"], row["phone"]) == ("gold|1", "a", "")


@pytest.mark.parametrize("kind", [kind for kind in FieldType if kind is not FieldType.ANY])
def test_a_required_field_without_an_example_gets_a_cell_of_its_type(kind: FieldType) -> None:
    field = Field(name="f", type=kind, constraints=Constraints(required=True))
    assert sample(Entity(catalogue="s", name="e", fields=(field,)))["f"]


def test_a_dictionary_says_what_is_checked() -> None:
    page = docs.dictionary(ITEM)
    for said in (
        "# Items\n\nWhat is sold.\n\nFiles: `item….csv`",
        "A record is identified by `key`.",
        "Cells that count as empty: `n/a`.",
        "| `key` | yes | text |  | I-1 | Your key. |",
        "| `parent_key` |  | text | an existing parent from any source | P-9 |",
        "| `more.…`, any number of columns |  | anything, kept as sent |  | tier: gold\\|1, seats: 2 |",
        "| `label` | yes | text | one of a, b |",
        "| `day` |  | date in the form %d/%m/%Y | accepted too `1/2/2026` | 31/01/2026 |",
        "also called Tel; kept as +16025550142 (a number without a country code is taken for one of US)",
        "| `own` |  | text | your own column |",
        "| `late` | warning | `day` | Too \\| old | Look again. |",
    ):
        assert said in page, said


@pytest.mark.parametrize(
    ("field", "held"),
    [
        (Field(name="f", type=FieldType.BOOLEAN), "true or 1 for true, false or 0 for false"),
        (Field(name="f", type=FieldType.BOOLEAN, true_values=("Y",), false_values=("N",)), "Y for true, N for false"),
        (
            Field(name="f", type=FieldType.BOOLEAN, true_values=("Y", "yes", "y"), false_values=("no", "NO")),
            "Y or yes for true, no for false",
        ),
        (Field(name="f", type=FieldType.NUMBER), "decimal number, as 1234.50"),
        (
            Field(name="f", type=FieldType.NUMBER, decimal_char=",", group_char=".", bare_number=False),
            "decimal number, as 1.234,50, with or without a sign or unit around it",
        ),
        (Field(name="f", type=FieldType.INTEGER, group_char=" "), "whole number, as 1 234"),
        (Field(name="f", type=FieldType.ARRAY), "list, as a\\|b\\|c or as a JSON array"),
        (
            Field(name="f", type=FieldType.LIST, delimiter=",", item_type=FieldType.DATE),
            "list of date values, as a,b,c",
        ),
        (Field(name="f", type=FieldType.GEOPOINT, format="array"), "longitude and latitude, as [13.4, 52.5]"),
        (Field(name="f", format="uuid"), "UUID"),
        (Field(name="f", type=FieldType.DATE, format="any"), "date, as 2026-01-31, or in another usual form"),
    ],
)
def test_a_dictionary_says_how_cells_are_written(field: Field, held: str) -> None:
    assert f"| `f` |  | {held} |" in docs.dictionary(Entity(catalogue="s", name="e", fields=(field,)))


def test_every_type_and_step_has_words() -> None:
    for kind in FieldType:
        field = Field(name="f", type=kind, normalise=tuple(map(Normalisation, Step)))
        assert docs.dictionary(Entity(catalogue="s", name="e", fields=(field,)))


def test_every_notice_is_explained() -> None:
    page = docs.pages([])["notices.md"]
    assert not [code for code in CATALOGUE if f"| `{code}` |" not in page]


def test_pages_are_written_once_and_those_of_gone_entities_go(tmp_path: Path) -> None:
    docs.write(tmp_path, [PARENT, ITEM])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("item.md", "item.template.csv", "notices.md", "parent.md", "parent.template.csv"),
    ]
    before = (tmp_path / "item.md").stat().st_mtime_ns
    docs.write(tmp_path, [ITEM])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["item.md", "item.template.csv", "notices.md"]
    assert (tmp_path / "item.md").stat().st_mtime_ns == before


def test_entities_of_one_name_are_told_apart_by_their_catalogue() -> None:
    other = Entity(catalogue="store", name="item", fields=(Field(name="key"),))
    assert {"shop.item.md", "store.item.md", "parent.md"} <= docs.pages([ITEM, PARENT, other]).keys()
