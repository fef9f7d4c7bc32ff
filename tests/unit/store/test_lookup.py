"""Questions about stored records: which references are missing, which unique values are taken."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ingester.ruleset.model import Constraints, Entity, Field, FieldType, ForeignKey
from ingester.store.lookup import missing_references, taken_values
from ingester.store.merge import Scope
from tests.unit.store.conftest import Row, Store, batch

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
TO_PLACE = ForeignKey(fields=("region", "number"), entity="place", reference_fields=("region", "number"))
BADGE = Entity(catalogue="shop", name="badge", fields=(Field(name="code", constraints=Constraints(unique=True)),))


@pytest.fixture
def shop(store: Store) -> Store:
    store.data.ensure_tables([PLACE, BADGE])
    store.merge(PLACE, [{"region": "a", "number": 1, "code": "X"}, {"region": "b", "number": 2, "code": "Y"}])
    store.merge(BADGE, [{"code": "X"}])
    return store


def scope(tenant: str = "acme", source: str = "default") -> Scope:
    return Scope(tenant=tenant, source=source, import_id="import-2")


def missing(shop: Store, rows: Sequence[Row], **whose: str) -> list[int]:
    with shop.data.engine.connect() as connection:
        numbered = batch(PLACE, TO_PLACE.reference_fields, rows)
        return missing_references(connection, PLACE, TO_PLACE, [numbered], scope(**whose)).tolist()


def taken(shop: Store, entity: Entity, rows: Sequence[Row], **whose: str) -> list[tuple[int, int]]:
    with shop.data.engine.connect() as connection:
        numbered = batch(entity, ("code", *entity.primary_key), rows)
        values, by = taken_values(connection, entity, "code", [numbered], scope(**whose))
        return list(zip(values.tolist(), by.tolist(), strict=True))


def test_a_composite_reference_is_answered_only_as_a_whole(shop: Store) -> None:
    wanted: list[Row] = [{"region": r, "number": n} for r, n in (("a", 1), ("a", 2), ("b", 2), ("A", 1))]
    assert missing(shop, wanted) == [2, 4]


@pytest.mark.parametrize("whose", [{"tenant": "other"}, {"source": "crm"}])
def test_records_of_others_answer_nothing(shop: Store, whose: dict[str, str]) -> None:
    assert missing(shop, [{"region": "a", "number": 1}], **whose) == [1]
    assert taken(shop, PLACE, [{"code": "X", "region": "z", "number": 9}], **whose) == []


def test_a_value_is_taken_when_another_record_keeps_it(shop: Store) -> None:
    rows: list[Row] = [
        {"code": "X", "region": "new", "number": 1},
        {"code": "Z", "region": "new", "number": 2},
    ]
    assert taken(shop, PLACE, rows) == [(1, 0)]


def test_a_record_may_keep_its_own_value(shop: Store) -> None:
    assert taken(shop, PLACE, [{"code": "X", "region": "a", "number": 1}]) == []


def test_two_records_may_swap_their_values_if_both_are_good(shop: Store) -> None:
    rows: list[Row] = [{"code": "Y", "region": "a", "number": 1}, {"code": "X", "region": "b", "number": 2}]
    assert taken(shop, PLACE, rows) == [(1, 2), (2, 1)]


def test_a_value_that_its_owner_gives_up_is_free_if_the_owner_row_is_good(shop: Store) -> None:
    rows: list[Row] = [{"code": "new", "region": "a", "number": 1}, {"code": "X", "region": "c", "number": 3}]
    assert taken(shop, PLACE, rows) == [(2, 1)]


def test_without_a_key_every_stored_value_is_taken(shop: Store) -> None:
    assert taken(shop, BADGE, [{"code": "X"}, {"code": "free"}]) == [(1, 0)]


def test_no_question_has_no_answer(shop: Store) -> None:
    assert missing(shop, []) == []
    assert taken(shop, BADGE, []) == []
