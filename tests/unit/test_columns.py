"""Which column of a file is which field: by name, then by alias, whatever the case and spacing."""

from __future__ import annotations

import pytest

from ingester.ruleset.columns import match_columns
from ingester.ruleset.model import Entity, Field

ENTITY = Entity(
    catalogue="shop",
    name="item",
    fields=(
        Field(name="external_id", aliases=("Item ID", "id")),
        Field(name="label", aliases=("Title",)),
        Field(name="größe"),
    ),
)


@pytest.mark.parametrize(
    ("column", "field", "by"),
    [
        ("external_id", "external_id", "name"),
        ("External ID", "external_id", "name"),
        ("EXTERNAL-ID", "external_id", "name"),
        ("  external \t__ id ", "external_id", "name"),
        ("item id", "external_id", "alias"),
        ("ID", "external_id", "alias"),
        ("TITLE", "label", "alias"),
        ("GRÖSSE", "größe", "name"),
        ("externalid", "external_id", "name"),
        ("External-ID:", "external_id", "name"),
        ("Größe (cm)", None, None),
        ("external_id2", None, None),
        ("", None, None),
        ("_import", None, None),
    ],
)
def test_a_column_is_known_by_name_or_alias(column: str, field: str | None, by: str | None) -> None:
    (match,) = match_columns([column], ENTITY)
    assert (match.position, match.column, match.field, match.matched_by) == (0, column, field, by)
    assert match.score == (None if field is None else 1.0)


def test_two_columns_of_one_field_are_both_told() -> None:
    matches = list(match_columns(["label", "x", "Title"], ENTITY))
    assert [(match.position, match.field) for match in matches] == [(0, "label"), (1, None), (2, "label")]


def test_a_name_wins_over_another_field_s_alias() -> None:
    entity = Entity(catalogue="s", name="e", fields=(Field(name="a", aliases=("b",)), Field(name="b")))
    assert [match.field for match in match_columns(["b", "a"], entity)] == ["b", "a"]


FAMILIES = Entity(
    catalogue="s",
    name="e",
    fields=(
        Field(name="customFields.{name}"),
        Field(name="customFields.tier", aliases=("Level",)),
        Field(name="customFields.deep.{name}"),
        Field(name="event.key"),
        Field(name="größe.{name}"),
    ),
)


@pytest.mark.parametrize(
    ("column", "field", "member"),
    [
        ("customFields.seats", "customFields.{name}", "seats"),
        ("CUSTOMFIELDS.Seat Count", "customFields.{name}", "Seat Count"),
        (" customFields.seats ", "customFields.{name}", "seats"),
        ("customFields.a.b", "customFields.{name}", "a.b"),
        ("customFields.deep.x", "customFields.deep.{name}", "x"),
        ("customFields.deep", "customFields.{name}", "deep"),
        ("customFields.Tier", "customFields.tier", None),
        ("level", "customFields.tier", None),
        ("Event.Key", "event.key", None),
        ("GRÖSSE.x", "größe.{name}", "x"),
        ("customFields.", None, None),
        ("customFields. ", None, None),
        ("customFields", None, None),
        ("custom_Fields.x", None, None),
        ("xcustomFields.x", None, None),
        ("event.other", None, None),
        (".x", None, None),
    ],
)
def test_a_family_takes_every_column_of_its_prefix_that_no_other_field_takes(
    column: str, field: str | None, member: str | None
) -> None:
    (match,) = match_columns([column], FAMILIES)
    assert (match.field, match.member) == (field, member)
    assert (match.matched_by == "family") is (member is not None)


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("custmer_name", "customer_name"),
        ("Customer Nmae", None),
        ("start_tile", None),
        ("set_price", None),
        ("willing_city", None),
        ("biling_city", "billing_city"),
        ("customer_name_2", None),
        ("customr_id", None),
        ("amont", None),
        # A unit in brackets may matter.
        ("Amount (USD)", None),
    ],
)
def test_a_name_is_taken_for_another_only_where_a_finger_slipped(column: str, field: str | None) -> None:
    fields = ("customer_id", "customer_name", "start_time", "net_price", "billing_city", "amount")
    entity = Entity(
        catalogue="s", name="e", fields=tuple(Field(name=each) for each in fields), primary_key=("customer_id",)
    )
    (match,) = match_columns([column], entity)
    assert (match.field, match.matched_by) == (field, None if field is None else "likeness")
    assert (match.score is None) == (field is None)
