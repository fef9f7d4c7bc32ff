"""The set-based merge: what it inserts, what it changes, and what it never touches."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from ingester.ruleset.model import Entity, Field, FieldType, ForeignKey
from ingester.store.merge import Merged
from tests.examples import examples
from tests.unit.store.conftest import Row, Store

ITEM = Entity(
    catalogue="shop",
    name="item",
    primary_key=("external_id",),
    fields=(
        Field(name="external_id"),
        Field(name="label"),
        Field(name="price", type=FieldType.NUMBER),
        Field(name="stock", type=FieldType.INTEGER, default="7"),
        Field(name="active", type=FieldType.BOOLEAN, default="true"),
        Field(name="parent_external_id"),
    ),
    foreign_keys=(ForeignKey(fields=("parent_external_id",), entity="item", reference_fields=("external_id",)),),
)
PLACE = Entity(
    catalogue="shop",
    name="place",
    primary_key=("region", "number"),
    fields=(Field(name="region"), Field(name="number", type=FieldType.INTEGER), Field(name="label")),
)
VISIT = Entity(
    catalogue="shop",
    name="visit",
    primary_key=("external_id",),
    fields=(
        Field(name="external_id"),
        Field(name="region"),
        Field(name="number", type=FieldType.INTEGER),
        Field(name="note"),
    ),
    foreign_keys=(ForeignKey(fields=("region", "number"), entity="place", reference_fields=("region", "number")),),
)
REMARK = Entity(
    catalogue="shop", name="remark", fields=(Field(name="text"), Field(name="score", type=FieldType.INTEGER))
)
#: Names that SQL and the merge itself use, all of them allowed in a rule file.
ODD_NAMES = ("select", "target", "t", "s", "c", "rowid", "number", "new", "now", "tenant", "Group", "default_now")
ODD = Entity(
    catalogue="order",
    name="table",
    primary_key=("values", "index"),
    fields=(
        Field(name="values"),
        Field(name="index"),
        *(Field(name=name, default=f"d-{name}") for name in ODD_NAMES),
        Field(name="where_external_id"),
        Field(name="from"),
    ),
    foreign_keys=(
        ForeignKey(fields=("where_external_id", "from"), entity="table", reference_fields=("values", "index")),
    ),
)


@pytest.fixture
def shop(store: Store) -> Store:
    store.data.ensure_tables([ITEM, PLACE, VISIT, REMARK, ODD])
    return store


def picked(store: Store, entity: Entity, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in store.rows(entity)]


def test_new_records_are_inserted_in_the_order_of_the_file(shop: Store) -> None:
    assert shop.merge(ITEM, [{"external_id": key, "label": key.lower()} for key in "CAB"]) == Merged(3, 0, 0)
    assert picked(shop, ITEM, "external_id", "label", "tenant_id", "source", "import_id") == [
        (key, key.lower(), "acme", "default", "import-1") for key in "CAB"
    ]


def test_only_records_that_differ_are_touched(shop: Store) -> None:
    shop.merge(ITEM, [{"external_id": key, "label": "old"} for key in "AB"])
    before = shop.rows(ITEM)
    done = shop.merge(
        ITEM,
        [{"external_id": "A", "label": "old"}, {"external_id": "B", "label": "new"}, {"external_id": "C", "label": ""}],
        import_id="import-2",
    )
    assert done == Merged(created=1, updated=1, skipped=1)
    after = shop.rows(ITEM)
    assert after[0] == before[0]
    assert (after[1]["label"], after[1]["import_id"]) == ("new", "import-2")
    assert (after[1]["id"], after[1]["created_at"]) == (before[1]["id"], before[1]["created_at"])
    assert after[1]["updated_at"] > before[1]["updated_at"]


def test_an_empty_cell_leaves_what_is_stored(shop: Store) -> None:
    shop.merge(ITEM, [{"external_id": "A", "label": "kept", "price": "1.5"}])
    assert shop.merge(ITEM, [{"external_id": "A", "label": None, "price": "2"}]) == Merged(0, 1, 0)
    assert shop.merge(ITEM, [{"external_id": "A", "label": None, "price": None}]) == Merged(0, 0, 1)
    assert picked(shop, ITEM, "label", "price") == [("kept", "2")]


def test_an_absent_column_leaves_what_is_stored(shop: Store) -> None:
    shop.merge(ITEM, [{"external_id": "A", "label": "kept", "price": "1.5"}])
    assert shop.merge(ITEM, [{"external_id": "A", "price": "3"}]) == Merged(0, 1, 0)
    assert shop.merge(ITEM, [{"external_id": "A"}]) == Merged(0, 0, 1)
    assert picked(shop, ITEM, "label", "price") == [("kept", "3")]


@pytest.mark.parametrize("given", [{"stock": None, "active": None}, {}], ids=["empty cell", "absent column"])
def test_a_default_fills_in_on_create_only(shop: Store, given: Row) -> None:
    shop.merge(ITEM, [{"external_id": "A", "stock": 3, "active": False}])
    done = shop.merge(ITEM, [{"external_id": "A", **given}, {"external_id": "B", **given}])
    assert done == Merged(created=1, updated=0, skipped=1)
    assert picked(shop, ITEM, "external_id", "stock", "active") == [("A", 3, 0), ("B", 7, 1)]


def test_a_value_wins_over_the_default(shop: Store) -> None:
    shop.merge(ITEM, [{"external_id": "A", "stock": 0, "active": False}])
    assert picked(shop, ITEM, "stock", "active") == [(0, 0)]


def test_a_reference_to_a_later_row_of_the_same_file_is_resolved(shop: Store) -> None:
    shop.merge(
        ITEM,
        [
            {"external_id": "child", "parent_external_id": "parent"},
            {"external_id": "parent", "parent_external_id": None},
            {"external_id": "loop", "parent_external_id": "loop"},
        ],
    )
    ids = dict(picked(shop, ITEM, "external_id", "id"))
    assert picked(shop, ITEM, "external_id", "parent_id") == [
        ("child", ids["parent"]),
        ("parent", None),
        ("loop", ids["loop"]),
    ]


def test_a_record_moves_to_a_parent_that_comes_with_the_file(shop: Store) -> None:
    shop.merge(
        ITEM, [{"external_id": "old", "parent_external_id": None}, {"external_id": "A", "parent_external_id": "old"}]
    )
    again = [{"external_id": "A", "parent_external_id": "new"}, {"external_id": "new", "parent_external_id": None}]
    assert shop.merge(ITEM, again, import_id="import-2", dry_run=True) == Merged(1, 1, 0)
    assert shop.merge(ITEM, again, import_id="import-2") == Merged(1, 1, 0)
    ids = dict(picked(shop, ITEM, "external_id", "id"))
    assert dict(picked(shop, ITEM, "external_id", "parent_id"))["A"] == ids["new"]
    assert shop.merge(ITEM, again, import_id="import-3") == Merged(0, 0, 2)


def test_a_composite_key_tells_records_apart(shop: Store) -> None:
    rows: list[Row] = [{"region": r, "number": n, "label": "x"} for r, n in (("a", 1), ("a", 2), ("b", 1))]
    assert shop.merge(PLACE, rows) == Merged(3, 0, 0)
    assert shop.merge(PLACE, [{"region": "a", "number": 2, "label": "y"}]) == Merged(0, 1, 0)
    assert picked(shop, PLACE, "region", "number", "label") == [("a", 1, "x"), ("a", 2, "y"), ("b", 1, "x")]


def test_a_composite_reference_is_resolved_when_all_of_it_is_given(shop: Store) -> None:
    shop.merge(PLACE, [{"region": "a", "number": 1, "label": "x"}, {"region": "a", "number": 2, "label": "y"}])
    shop.merge(
        VISIT,
        [
            {"external_id": "1", "region": "a", "number": 2},
            {"external_id": "2", "region": "a", "number": None},
            {"external_id": "3", "region": None, "number": None},
        ],
    )
    ids = dict(picked(shop, PLACE, "number", "id"))
    assert picked(shop, VISIT, "external_id", "place_id") == [("1", ids[2]), ("2", None), ("3", None)]
    # Only a part of the reference is in the file: what it resolved to stays.
    shop.merge(VISIT, [{"external_id": "1", "note": "n"}])
    shop.merge(VISIT, [{"external_id": "1", "region": None, "number": None, "note": "m"}])
    assert picked(shop, VISIT, "place_id", "note")[0] == (ids[2], "m")


def test_without_a_key_every_row_is_a_new_record(shop: Store) -> None:
    rows: list[Row] = [{"text": "same", "score": 1}, {"text": "same", "score": 1}]
    assert shop.merge(REMARK, rows, dry_run=True) == Merged(2, 0, 0)
    assert shop.merge(REMARK, rows) == Merged(2, 0, 0)
    assert shop.merge(REMARK, rows, import_id="import-2") == Merged(2, 0, 0)
    assert picked(shop, REMARK, "import_id", "import_row") == [
        (import_id, row) for import_id in ("import-1", "import-2") for row in (1, 2)
    ]


def test_records_of_other_tenants_and_sources_are_never_touched_nor_found(shop: Store) -> None:
    rows: list[Row] = [
        {"external_id": "A", "label": "mine", "parent_external_id": None},
        {"external_id": "B", "label": "mine", "parent_external_id": "A"},
    ]
    for tenant, source in (("acme", "default"), ("acme", "crm"), ("other", "default")):
        assert shop.merge(ITEM, rows, tenant=tenant, source=source) == Merged(2, 0, 0)
    before = shop.rows(ITEM)
    parents = {row["id"]: row for row in before}
    for row in before:
        if row["external_id"] == "B":
            parent = parents[row["parent_id"]]
            assert (parent["tenant_id"], parent["source"]) == (row["tenant_id"], row["source"])
    shop.merge(
        ITEM, [{"external_id": "A", "label": "new"}, {"external_id": "C", "label": "new"}], source="crm", import_id="2"
    )
    kept = [row for row in shop.rows(ITEM) if (row["tenant_id"], row["source"]) != ("acme", "crm")]
    assert kept == [row for row in before if (row["tenant_id"], row["source"]) != ("acme", "crm")]


@pytest.mark.parametrize("text", ["123456789012345678.1", "-0.00000000000000000001", "12345678901234567890123456789"])
def test_decimals_are_kept_digit_for_digit(shop: Store, text: str) -> None:
    shop.merge(ITEM, [{"external_id": "A", "price": text}])
    assert picked(shop, ITEM, "price") == [(text,)]
    assert shop.merge(ITEM, [{"external_id": "A", "price": text}]) == Merged(0, 0, 1)


def test_every_type_is_stored_in_one_form_and_found_equal_again(store: Store) -> None:
    typed = Entity(
        catalogue="shop",
        name="typed",
        primary_key=("on", "at"),
        fields=(
            Field(name="on", type=FieldType.DATE),
            Field(name="at", type=FieldType.DATETIME),
            Field(name="clock", type=FieldType.TIME),
            Field(name="yes", type=FieldType.BOOLEAN),
            Field(name="count", type=FieldType.INTEGER),
            Field(name="tags", type=FieldType.ARRAY),
            Field(name="since", type=FieldType.DATE, default="1999-12-31"),
            Field(name="from_at", type=FieldType.DATETIME, default="2000-01-01T01:00:00+01:00"),
            Field(name="opens", type=FieldType.TIME, default="07:30"),
        ),
    )
    store.data.ensure_tables([typed])
    row: Row = {
        "on": date(2026, 2, 28),
        "at": datetime(2026, 2, 28, 23, 59, 59, 5, tzinfo=UTC),
        "clock": time(14, 30, 0, 250),
        "yes": True,
        "count": -(2**63),
        "tags": '["ä","b"]',
    }
    assert store.merge(typed, [row]) == Merged(1, 0, 0)
    assert store.merge(typed, [row]) == Merged(0, 0, 1)
    (stored,) = store.rows(typed)
    assert {name: stored[name] for name in (*row, "since", "from_at", "opens")} == {
        "on": "2026-02-28",
        "at": "2026-02-28 23:59:59.000005",
        "clock": "14:30:00.000250",
        "yes": 1,
        "count": -(2**63),
        "tags": '["ä","b"]',
        "since": "1999-12-31",
        "from_at": "2000-01-01 00:00:00.000000",
        "opens": "07:30:00.000000",
    }


def test_names_that_sql_uses_itself_are_fine(shop: Store) -> None:
    full: Row = {"values": "k", "index": "1", **dict.fromkeys(ODD_NAMES, "x"), "where_external_id": "k", "from": "1"}
    assert shop.merge(ODD, [full], dry_run=True) == Merged(1, 0, 0)
    assert shop.merge(ODD, [full, {**full, "index": "2"}]) == Merged(2, 0, 0)
    first, second = shop.rows(ODD)
    assert {name: first[name] for name in full} == full
    assert first["table_id"] == second["table_id"] == first["id"]
    assert shop.merge(ODD, [{**full, "target": "y"}]) == Merged(0, 1, 0)
    assert shop.merge(ODD, [{"values": "new", "index": "1"}]) == Merged(1, 0, 0)
    assert {name: shop.rows(ODD)[2][name] for name in ODD_NAMES} == {name: f"d-{name}" for name in ODD_NAMES}


def test_nothing_to_merge_is_fine(shop: Store) -> None:
    assert shop.merge(ITEM, [], fields=["external_id", "label"]) == Merged(0, 0, 0)


# --- predicted = actual ----------------------------------------------------------------------------------------------

KEYS = st.sampled_from([f"k{number}" for number in range(6)])
TEXT = st.none() | st.sampled_from(["", "a", "A", "ä", "0", "'", '"'])
VALUES = {
    "label": TEXT,
    "price": st.none() | st.sampled_from(["0", "1.5", "123456789012345678.1", "-2"]),
    "stock": st.none() | st.integers(-2, 7),
    "active": st.none() | st.booleans(),
    "parent_external_id": st.none() | KEYS,
}
FILES = st.sets(st.sampled_from(sorted(VALUES))).flatmap(
    lambda given: st.lists(
        st.fixed_dictionaries({"external_id": KEYS, **{name: VALUES[name] for name in sorted(given)}}),
        min_size=1,
        max_size=6,
        unique_by=lambda row: row["external_id"],
    )
)


#: Every example has a tenant of its own: the store outlives it.
NUMBERS = itertools.count()


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(FILES, min_size=1, max_size=4))
def test_a_dry_run_predicts_and_a_second_run_changes_nothing(files: list[list[Row]], shop: Store) -> None:
    tenant = f"tenant{next(NUMBERS)}"
    model: dict[str, Row] = {}
    for number, rows in enumerate(files):
        # A reference must be answered, as validation sees to before anything is merged.
        known = model.keys() | {row["external_id"] for row in rows}
        rows = [
            {name: value if name != "parent_external_id" or value in known else None for name, value in row.items()}
            for row in rows
        ]
        before = [row for row in shop.rows(ITEM) if row["tenant_id"] == tenant]
        predicted = shop.merge(ITEM, rows, tenant=tenant, import_id=f"{number}", dry_run=True)
        assert [row for row in shop.rows(ITEM) if row["tenant_id"] == tenant] == before
        assert shop.merge(ITEM, rows, tenant=tenant, import_id=f"{number}") == predicted
        assert shop.merge(ITEM, rows, tenant=tenant, import_id=f"{number}-again") == Merged(0, 0, len(rows))

        created = [row for row in rows if row["external_id"] not in model]
        assert predicted.created == len(created)
        for row in rows:
            fresh: Row = {"label": None, "price": None, "stock": 7, "active": True, "parent_external_id": None}
            stored = model.setdefault(row["external_id"], fresh)
            stored.update({name: value for name, value in row.items() if value is not None and name != "external_id"})
        after = {row["external_id"]: row for row in shop.rows(ITEM) if row["tenant_id"] == tenant}
        assert {key: {name: row[name] for name in VALUES} for key, row in after.items()} == model
        for row in after.values():
            parent = row["parent_external_id"]
            assert row["parent_id"] == (None if parent is None else after[parent]["id"])
