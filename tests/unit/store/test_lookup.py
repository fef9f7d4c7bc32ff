"""Questions about stored records: which references are missing, which unique values are taken."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from ingester.ruleset.model import Constraints, Entity, Field, FieldType
from ingester.store.lookup import holders, record_ids
from ingester.store.scope import Scope
from tests.unit.store.conftest import Row, Store, rows_batch

PLACE = Entity(
    catalogue="shop",
    name="place",
    primary_key=("region", "number"),
    fields=(
        Field(name="region"),
        Field(name="number", type=FieldType.INTEGER),
        Field(name="code", constraints=Constraints(unique=True)),
    ),
)
KEY = PLACE.primary_key
BADGE = Entity(catalogue="shop", name="badge", fields=(Field(name="code", constraints=Constraints(unique=True)),))


@pytest.fixture
def shop(store: Store) -> Store:
    store.data.ensure_tables([PLACE, BADGE])
    store.merge(PLACE, [{"region": "a", "number": 1, "code": "X"}, {"region": "b", "number": 2, "code": "Y"}])
    store.merge(BADGE, [{"code": "X"}])
    return store


def scope(tenant: str = "acme", source: str = "default") -> Scope:
    return Scope(tenant=tenant, source=source, import_id="import-2")


def found(shop: Store, rows: Sequence[Row], **whose: str) -> list[bool]:
    with shop.data.engine.connect() as connection:
        _, keys = rows_batch(PLACE, KEY, rows)
        fields = [PLACE.field(name) for name in KEY]
        return (record_ids(connection, PLACE.table, KEY, fields, keys, scope(**whose)) > 0).tolist()


def taken(shop: Store, entity: Entity, rows: Sequence[Row], **whose: str) -> list[tuple[int, tuple[object, ...]]]:
    """Which of `rows` (from 1) want a value that another record has, and that record's key."""
    with shop.data.engine.connect() as connection:
        _, values = rows_batch(entity, ("code", *entity.primary_key), rows)
        at, found = holders(connection, entity, entity.field("code"), values, scope(**whose))
        by = [tuple(record.values())[1:] for record in found.to_pylist()]
        return list(zip((at + 1).tolist(), by, strict=True))


def test_a_composite_reference_is_answered_only_as_a_whole(shop: Store) -> None:
    wanted: list[Row] = [{"region": r, "number": n} for r, n in (("a", 1), ("a", 2), ("b", 2), ("A", 1))]
    assert found(shop, wanted) == [True, False, True, False]


@pytest.mark.parametrize("whose", [{"tenant": "other"}, {"source": "crm"}])
def test_records_of_others_answer_nothing(shop: Store, whose: dict[str, str]) -> None:
    assert found(shop, [{"region": "a", "number": 1}], **whose) == [False]
    assert taken(shop, PLACE, [{"code": "X", "region": "z", "number": 9}], **whose) == []


def test_a_value_is_taken_when_another_record_keeps_it(shop: Store) -> None:
    rows: list[Row] = [
        {"code": "X", "region": "new", "number": 1},
        {"code": "Z", "region": "new", "number": 2},
    ]
    assert taken(shop, PLACE, rows) == [(1, ("a", 1))]


def test_a_record_may_keep_its_own_value(shop: Store) -> None:
    assert taken(shop, PLACE, [{"code": "X", "region": "a", "number": 1}]) == []


def test_two_records_may_swap_their_values_if_both_are_good(shop: Store) -> None:
    rows: list[Row] = [{"code": "Y", "region": "a", "number": 1}, {"code": "X", "region": "b", "number": 2}]
    assert taken(shop, PLACE, rows) == [(1, ("b", 2)), (2, ("a", 1))]


def test_without_a_key_every_stored_value_is_taken(shop: Store) -> None:
    assert taken(shop, BADGE, [{"code": "X"}, {"code": "free"}]) == [(1, ())]


def test_no_question_has_no_answer(shop: Store) -> None:
    assert found(shop, []) == []
    assert taken(shop, BADGE, []) == []


def test_names_that_the_question_uses_itself_are_fine(store: Store) -> None:
    odd = Entity(
        catalogue="shop",
        name="odd",
        primary_key=("position", "c0"),
        fields=(Field(name="position"), Field(name="c0"), Field(name="code", constraints=Constraints(unique=True))),
    )
    store.data.ensure_tables([odd])
    store.merge(odd, [{"position": "p", "c0": "c", "code": "X"}])
    assert taken(store, odd, [{"code": "X", "position": "p", "c0": "other"}]) == [(1, ("p", "c"))]


def test_thousands_of_unique_values_are_looked_up_without_reading_the_table_for_each(store: Store) -> None:
    store.data.ensure_tables([PLACE])
    rows: list[Row] = [{"region": "r", "number": number, "code": f"C{number}"} for number in range(8_000)]
    store.merge(PLACE, rows)
    started = time.monotonic()
    assert taken(store, PLACE, rows) == []
    assert time.monotonic() - started < 10, "quadratic: it took half a minute"
