"""Taking records out: who stands in the way of whom, and who is said to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pytest

from ingester.ruleset.model import Catalogue, Entity, Field, ForeignKey
from ingester.store.removal import Cleanup, Kept, delete, still_referenced
from ingester.store.scope import Scope
from ingester.store.target import Target
from tests.unit.store.conftest import Row, Store

FOLDER = Entity(
    catalogue="shop",
    name="folder",
    primary_key=("external_id",),
    fields=tuple(Field(name=name) for name in ("external_id", "parent_external_id", "twin_external_id")),
    foreign_keys=tuple(
        ForeignKey(fields=(name,), entity="folder", reference_fields=("external_id",))
        for name in ("parent_external_id", "twin_external_id")
    ),
)
PAGE = Entity(
    catalogue="shop",
    name="page",
    primary_key=("external_id",),
    fields=tuple(Field(name=name) for name in ("external_id", "folder_external_id", "origin_external_id")),
    foreign_keys=tuple(
        ForeignKey(fields=(name,), entity="folder", reference_fields=("external_id",))
        for name in ("folder_external_id", "origin_external_id")
    ),
)
LABEL = Entity(
    catalogue="shop",
    name="label",
    primary_key=("external_id",),
    fields=(Field(name="external_id"), Field(name="folder_external_id")),
    foreign_keys=(ForeignKey(fields=("folder_external_id",), entity="folder", reference_fields=("external_id",)),),
)
BOX = Entity(
    catalogue="shop",
    name="box",
    primary_key=("site", "code"),
    fields=(Field(name="site"), Field(name="code"), Field(name="in_site"), Field(name="in_code")),
    foreign_keys=(ForeignKey(fields=("in_site", "in_code"), entity="box", reference_fields=("site", "code")),),
)
SHOP = Catalogue("shop", {entity.name: entity for entity in (FOLDER, PAGE, LABEL, BOX)})


@pytest.fixture
def shop(store: Store) -> Store:
    store.data.ensure_tables(SHOP)
    return store


def target(entity: Entity, columns: Sequence[str] = ("external_id",), **whose: str) -> Target:
    scope = Scope(**{"tenant": "acme", "source": "default", "import_id": "import-2", **whose})
    return Target(entity=entity, columns=tuple(columns), scope=scope)


def folders(shop: Store, **parents: str | None) -> None:
    """Folders by key, each with its parent; written `key="parent/twin"`."""
    rows: list[Row] = []
    for key, parent in parents.items():
        up, _, twin = (parent or "").partition("/")
        rows.append({"external_id": key, "parent_external_id": up or None, "twin_external_id": twin or None})
    shop.merge(FOLDER, rows)


def keys(shop: Store, entity: Entity) -> list[str]:
    return sorted("|".join(str(row[name]) for name in entity.primary_key) for row in shop.rows(entity))


# --- delete ----------------------------------------------------------------------------------------------------------


def ids(shop: Store, *named: str, entity: Entity = FOLDER) -> list[tuple[np.ndarray, pa.RecordBatch]]:  # type: ignore[type-arg]  # of any shape
    known = {"|".join(str(row[name]) for name in entity.primary_key): row["id"] for row in shop.rows(entity)}
    batch = pa.RecordBatch.from_arrays([pa.array([known[name] for name in named], pa.int64())], names=["id"])
    return [(np.arange(1, len(named) + 1), batch)]


def held(shop: Store, *named: str, entity: Entity = FOLDER, **whose: str) -> list[tuple[str, list[int], list[int]]]:
    """By whom which rows (from 1) are held for certain, and which lean on another row."""
    with shop.data.writing() as connection:
        found = still_referenced(
            connection, target(entity, **whose), SHOP.referring(entity), ids(shop, *named, entity=entity)
        )
        return [
            (each.by, each.wrong.tolist(), list(zip(each.leaning.tolist(), each.on.tolist(), strict=True)))
            for each in found
            if each.wrong.size or each.leaning.size
        ]


def test_nobody_holds_what_nobody_refers_to(shop: Store) -> None:
    folders(shop, a=None, b="a")
    assert held(shop, "b") == []


def test_a_chain_leans_link_on_link_and_its_last_link_stands_alone(shop: Store) -> None:
    folders(shop, a=None, b="a", c="b", d="c")
    assert held(shop, "c", "a", "b") == [("folder", [1], [(2, 3), (3, 1)])]
    assert held(shop, "a", "b", "c", "d") == [("folder", [], [(1, 2), (2, 3), (3, 4)])]


def test_a_record_that_refers_to_itself_is_no_obstacle(shop: Store) -> None:
    folders(shop, a="a", b="/b")
    assert held(shop, "a", "b") == []


def test_a_ring_goes_as_a_whole_or_not_at_all(shop: Store) -> None:
    folders(shop, a="c", b="a", c="b")
    assert held(shop, "a", "b", "c") == [("folder", [], [(1, 2), (2, 3), (3, 1)])]
    assert held(shop, "a", "b") == [("folder", [2], [(1, 2)])]


def test_every_entity_that_holds_a_record_is_named_once(shop: Store) -> None:
    folders(shop, a=None, b=None)
    shop.merge(PAGE, [{"external_id": "p", "folder_external_id": "a", "origin_external_id": "a"}])
    shop.merge(LABEL, [{"external_id": key, "folder_external_id": "a"} for key in "lm"])
    assert held(shop, "b", "a") == [("page", [2], []), ("label", [2], [])]


def test_references_by_a_composite_key_hold_as_well(shop: Store) -> None:
    shop.merge(
        BOX,
        [
            {"site": "x", "code": "1", "in_site": None, "in_code": None},
            {"site": "x", "code": "2", "in_site": "x", "in_code": "1"},
        ],
    )
    assert held(shop, "x|1", entity=BOX) == [("box", [1], [])]
    assert held(shop, "x|1", "x|2", entity=BOX) == [("box", [], [(1, 2)])]


def test_delete_takes_records_of_its_own_scope_only(shop: Store) -> None:
    folders(shop, a=None, b=None)
    for whose in ({"tenant": "other"}, {"source": "crm"}):
        with shop.data.writing() as connection:
            assert delete(connection, target(FOLDER, **whose), ids(shop, "a")) == 0
    with shop.data.writing() as connection:
        assert delete(connection, target(FOLDER), ids(shop, "a")) == 1
    assert keys(shop, FOLDER) == ["b"]


# --- cleanup ---------------------------------------------------------------------------------------------------------


@contextmanager
def overwritten(shop: Store, entity: Entity, *named: str, **whose: str) -> Iterator[Cleanup]:
    """The cleanup after a file with the records `named`, which says nothing about references."""
    parts = list(zip(*(name.split("|") for name in named), strict=True)) or [()] * len(entity.primary_key)
    batch = pa.RecordBatch.from_arrays([pa.array(part, pa.string()) for part in parts], names=list(entity.primary_key))
    with (
        shop.data.writing() as connection,
        Cleanup(
            connection,
            target(entity, entity.primary_key, **whose),
            SHOP.referring(entity),
            [(np.arange(1, len(named) + 1), batch)],
        ) as cleanup,
    ):
        yield cleanup


def test_cleanup_removes_what_the_file_does_not_have(shop: Store) -> None:
    folders(shop, a=None, b=None, c=None)
    with overwritten(shop, FOLDER, "b") as cleanup:
        assert cleanup.keep_referenced() == []
        assert cleanup.counts() == (2, 3)
        assert cleanup.apply() == 2
    assert keys(shop, FOLDER) == ["b"]


def test_counting_alone_removes_nothing_and_leaves_nothing_behind(shop: Store) -> None:
    folders(shop, a=None, b=None)
    for _ in range(2):
        with overwritten(shop, FOLDER, "b") as cleanup:
            assert cleanup.counts() == (1, 2)
    assert keys(shop, FOLDER) == ["a", "b"]


def test_a_chain_stays_as_far_up_as_somebody_leans_on_it(shop: Store) -> None:
    folders(shop, a=None, b="a", c="b", d="c", e="d")
    with overwritten(shop, FOLDER, "c") as cleanup:
        assert cleanup.keep_referenced() == [Kept("folder", 2, ("a", "b"))]
        assert cleanup.apply() == 2
    assert keys(shop, FOLDER) == ["a", "b", "c"]


def test_what_only_leaving_records_refer_to_leaves_with_them(shop: Store) -> None:
    folders(shop, a="c", b="a", c="b", d="d", e=None)
    with overwritten(shop, FOLDER, "e") as cleanup:
        assert cleanup.keep_referenced() == []
        assert cleanup.apply() == 4


def test_what_a_kept_record_refers_to_is_kept_too(shop: Store) -> None:
    folders(shop, top=None, middle="top", leaf="middle", gone="top", other=None)
    shop.merge(PAGE, [{"external_id": "p", "folder_external_id": "leaf", "origin_external_id": None}])
    with overwritten(shop, FOLDER, "other") as cleanup:
        assert sorted(cleanup.keep_referenced(), key=lambda kept: kept.by) == [
            Kept("folder", 2, ("middle", "top")),
            Kept("page", 1, ("leaf",)),
        ]
        assert cleanup.apply() == 1
    assert keys(shop, FOLDER) == ["leaf", "middle", "other", "top"]


def test_references_of_two_kinds_keep_a_chain_that_goes_through_both(shop: Store) -> None:
    folders(shop, a=None, b="a", c="/b", d="c", e="/d", z=None)
    with overwritten(shop, FOLDER, "e", "z") as cleanup:
        assert cleanup.keep_referenced() == [Kept("folder", 4, ("a", "b", "c", "d"))]
        assert cleanup.apply() == 0


def test_two_entities_that_refer_to_records_keep_theirs_each(shop: Store) -> None:
    folders(shop, a=None, b=None, c=None, d=None)
    shop.merge(PAGE, [{"external_id": "p", "folder_external_id": "a", "origin_external_id": "b"}])
    shop.merge(LABEL, [{"external_id": "l", "folder_external_id": "c"}])
    with overwritten(shop, FOLDER) as cleanup:
        assert cleanup.keep_referenced() == [Kept("page", 2, ("a", "b")), Kept("label", 1, ("c",))]
        assert cleanup.apply() == 1


def test_of_many_kept_records_the_first_ten_are_shown(shop: Store) -> None:
    names = [f"f{number:02}" for number in range(12)]
    folders(shop, **dict.fromkeys(names))
    shop.merge(LABEL, [{"external_id": f"l{name}", "folder_external_id": name} for name in names])
    with overwritten(shop, FOLDER) as cleanup:
        assert cleanup.keep_referenced() == [Kept("label", 12, tuple(names[:10]))]


def test_a_composite_key_is_shown_as_one(shop: Store) -> None:
    shop.merge(
        BOX,
        [
            {"site": "x", "code": "1", "in_site": None, "in_code": None},
            {"site": "x", "code": "2", "in_site": "x", "in_code": "1"},
        ],
    )
    with overwritten(shop, BOX, "x|2") as cleanup:
        assert cleanup.keep_referenced() == [Kept("box", 1, ("x|1",))]


def test_records_of_other_tenants_and_sources_neither_go_nor_count(shop: Store) -> None:
    folders(shop, a=None, b=None)
    shop.merge(FOLDER, [{"external_id": "a"}], tenant="other")
    shop.merge(FOLDER, [{"external_id": "a"}, {"external_id": "c"}], source="crm")
    with overwritten(shop, FOLDER, "c", source="crm") as cleanup:
        assert cleanup.counts() == (1, 2)
        assert cleanup.apply() == 1
    assert keys(shop, FOLDER) == ["a", "a", "b", "c"]
    left = {(row["tenant_id"], row["source"], row["external_id"]) for row in shop.rows(FOLDER)}
    assert left == {("acme", "default", "a"), ("acme", "default", "b"), ("other", "default", "a"), ("acme", "crm", "c")}


def test_an_entity_without_references_to_it_cleans_up_alone(shop: Store) -> None:
    shop.merge(LABEL, [{"external_id": key, "folder_external_id": None} for key in "lm"])
    with overwritten(shop, LABEL, "m") as cleanup:
        assert cleanup.keep_referenced() == []
        assert cleanup.apply() == 1
    assert keys(shop, LABEL) == ["m"]
