"""Entity tables grow with their rules and are never narrowed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from sqlalchemy import inspect

from ingester.domain.errors import ConfigurationError
from ingester.ruleset.model import Entity, Field, FieldType, ForeignKey
from tests.unit.store.conftest import Store

BRAND = Entity(
    catalogue="shop", name="brand", primary_key=("external_id",), fields=(Field(name="external_id"),), path=Path("b")
)
ITEM = Entity(
    catalogue="shop",
    name="item",
    primary_key=("region", "number"),
    fields=(
        Field(name="region"),
        Field(name="number", type=FieldType.INTEGER),
        Field(name="brand_external_id"),
        Field(name="price", type=FieldType.NUMBER),
        Field(name="sold", type=FieldType.BOOLEAN),
        Field(name="sold_on", type=FieldType.DATE),
        Field(name="sold_at", type=FieldType.TIME),
        Field(name="seen_at", type=FieldType.DATETIME),
        Field(name="tags", type=FieldType.ARRAY),
        Field(name="pair_a"),
        Field(name="pair_b", type=FieldType.INTEGER),
    ),
    foreign_keys=(
        ForeignKey(fields=("brand_external_id",), entity="brand", reference_fields=("external_id",)),
        ForeignKey(fields=("pair_a", "pair_b"), entity="item", reference_fields=("region", "number")),
    ),
    path=Path("item.yaml"),
)
REMARK = Entity(catalogue="shop", name="remark", fields=(Field(name="text"),), path=Path("remark.yaml"))


def columns(store: Store, entity: Entity) -> list[str]:
    return [column["name"] for column in inspect(store.data.engine).get_columns(entity.table)]


def test_columns_stand_in_the_order_of_the_contract(store: Store) -> None:
    store.data.ensure_tables([BRAND, ITEM])
    assert columns(store, ITEM) == [
        *("id", "tenant_id", "source"),
        *("region", "number", "brand_external_id", "brand_id", "price", "sold", "sold_on", "sold_at", "seen_at"),
        *("tags", "pair_a", "pair_b", "item_id"),
        *("extra", "import_id", "created_at", "updated_at"),
    ]


def test_a_record_is_unique_by_tenant_source_and_key(store: Store) -> None:
    store.data.ensure_tables([BRAND, ITEM, REMARK])
    found = inspect(store.data.engine)
    keys = {
        entity.name: [key["column_names"] for key in found.get_unique_constraints(entity.table)]
        for entity in (BRAND, ITEM, REMARK)
    }
    assert keys == {
        "brand": [["tenant_id", "source", "external_id"]],
        "item": [["tenant_id", "source", "region", "number"]],
        "remark": [["tenant_id", "source", "import_id", "import_row"]],
    }


def test_making_the_same_tables_again_changes_nothing(store: Store) -> None:
    store.data.ensure_tables([BRAND, ITEM, REMARK])
    before = inspect(store.data.engine).get_table_names(), columns(store, ITEM)
    store.data.ensure_tables([ITEM, REMARK, BRAND])
    assert (inspect(store.data.engine).get_table_names(), columns(store, ITEM)) == before


def test_a_field_that_a_rule_gained_becomes_a_column_and_the_rows_stay(store: Store) -> None:
    store.data.ensure_tables([BRAND])
    store.merge(BRAND, [{"external_id": "A"}])
    before = store.rows(BRAND)
    wider = dataclasses.replace(
        BRAND,
        fields=(*BRAND.fields, Field(name="order", type=FieldType.NUMBER), Field(name="parent_external_id")),
        foreign_keys=(ForeignKey(fields=("parent_external_id",), entity="brand", reference_fields=("external_id",)),),
    )
    store.data.ensure_tables([wider])
    assert store.rows(BRAND) == [{**before[0], "order": None, "parent_external_id": None, "parent_id": None}]
    store.merge(wider, [{"external_id": "A", "order": "1.50", "parent_external_id": "A"}])
    (row,) = store.rows(wider)
    assert (row["order"], row["parent_id"]) == ("1.50", row["id"])


def test_a_field_that_a_rule_lost_keeps_its_column_and_its_values(store: Store) -> None:
    wider = dataclasses.replace(BRAND, fields=(*BRAND.fields, Field(name="label")))
    store.data.ensure_tables([wider])
    store.merge(wider, [{"external_id": "A", "label": "kept"}])
    store.data.ensure_tables([BRAND])
    store.merge(BRAND, [{"external_id": "A"}, {"external_id": "B"}])
    assert [row["label"] for row in store.rows(BRAND)] == ["kept", None]


def test_a_changed_type_is_refused_by_file_and_field(store: Store) -> None:
    store.data.ensure_tables([ITEM])
    fields = tuple(
        dataclasses.replace(field, type=FieldType.INTEGER) if field.name == "price" else field for field in ITEM.fields
    )
    with pytest.raises(
        ConfigurationError, match=r"item\.yaml: field 'price' of shop\.item is BIGINT now, .* (TEXT|NUMERIC)"
    ):
        store.data.ensure_tables([dataclasses.replace(ITEM, fields=fields)])


def test_a_changed_key_is_refused(store: Store) -> None:
    store.data.ensure_tables([ITEM])
    with pytest.raises(ConfigurationError, match=r"item\.yaml: the primaryKey of shop\.item"):
        store.data.ensure_tables([dataclasses.replace(ITEM, primary_key=("region",))])


def test_a_refused_change_leaves_every_table_as_it_was(store: Store) -> None:
    store.data.ensure_tables([BRAND, ITEM])
    wider = dataclasses.replace(BRAND, fields=(*BRAND.fields, Field(name="label")))
    with pytest.raises(ConfigurationError):
        store.data.ensure_tables([wider, dataclasses.replace(ITEM, primary_key=("region",))])
    assert "label" not in columns(store, BRAND)
