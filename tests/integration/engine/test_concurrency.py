"""Imports that meet: the queue orders those of one line, and where it cannot, or is passed by, nothing is lost."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import col

from ingester import pipeline
from ingester.domain.errors import TransientError
from ingester.domain.status import Action
from ingester.pipeline import Order
from ingester.store import lock
from ingester.store.data_tables import ImportOutcome
from ingester.store.ledger_tables import Import
from ingester.store.scope import Scope
from tests.integration.engine.harness import Engine, armed

KEYS = [f"k{number:03}" for number in range(200)]


def items(keys: Sequence[str], label: str, *, sku: str = "", column: str = "stock") -> str:
    lines = "".join(f"{key},{label},{sku and f'{sku}-{key}'},{number}\n" for number, key in enumerate(keys))
    return f"external_id,label,sku,{column}\n{lines}"


@dataclass
class Attempt:
    """One import run past the queue, straight against the store; what a worker would retry is run again."""

    engine: Engine
    job: Import
    tries: int = 0

    def run(self) -> ImportOutcome:
        job, drop = self.engine.ledger.import_(self.job.id)
        assert job.catalogue
        assert job.entity
        entity = self.engine.rules.entity(job.catalogue, job.entity)
        referring = self.engine.rules.catalogues[job.catalogue].referring(entity)
        while True:
            self.tries += 1
            workspace = self.engine.directory.work / f"{job.id}.{self.tries}"
            workspace.mkdir()
            order = Order(job=job, drop=drop, entity=entity, referring=referring, block_bytes=2**16)
            try:
                return pipeline.run(order, self.engine.store, self.engine.directory, workspace)
            except TransientError:
                assert self.tries < 10, "they keep each other from working"


def attempt(engine: Engine, name: str, content: str, **policy: object) -> Attempt:
    job = engine.drop(name, content)
    if policy:
        with engine.ledger.writing() as session:
            session.exec(update(Import).where(col(Import.id) == job.id).values(**policy))
    return Attempt(engine, job)


def together(*attempts: Attempt) -> list[ImportOutcome]:
    """Run imports at once: none reads the database before all have read their files."""
    ready = threading.Barrier(len(attempts))

    def meet(point: str) -> None:
        if point == "phase.preparsing" and not ready.broken:
            # A second try meets nobody.
            with contextlib.suppress(threading.BrokenBarrierError):
                ready.wait(10)

    with armed(meet), ThreadPoolExecutor(len(attempts)) as pool:
        return [future.result(60) for future in [pool.submit(each.run) for each in attempts]]


def assert_same_apart_from_ids(engine: Engine, expected: Callable[[str], object]) -> None:
    assert {row["external_id"]: row["label"] for row in engine.rows("item")} == {key: expected(key) for key in KEYS}


# --- the same records ------------------------------------------------------------------------------------------------


def test_two_imports_of_one_scope_in_opposed_order_lose_nothing(engine: Engine) -> None:
    ahead, back = items(KEYS, "ahead"), items(KEYS[::-1], "back", column="price")
    outcomes = together(attempt(engine, "items.csv", ahead), attempt(engine, "items_2.csv", back))
    assert [outcome.outcome for outcome in outcomes] == ["accepted", "accepted"]
    rows = engine.rows("item")
    assert [sorted(row["external_id"] for row in rows)] == [KEYS]
    assert len({row["label"] for row in rows}) == 1, "one of them was last, for every record"
    assert {(row["external_id"], row["stock"]) for row in rows} == {(key, at) for at, key in enumerate(KEYS)}
    assert {(row["external_id"], row["price"]) for row in rows} == {(k, str(at)) for at, k in enumerate(KEYS[::-1])}


def test_they_lose_nothing_where_all_records_exist_already(engine: Engine) -> None:
    engine.take("items.csv", items(KEYS, "old"))
    created = {row["external_id"]: row["id"] for row in engine.rows("item")}
    together(
        attempt(engine, "items.csv", items(KEYS, "ahead")),
        attempt(engine, "items_2.csv", items(KEYS[::-1], "back", column="price")),
    )
    rows = engine.rows("item")
    assert {row["external_id"]: row["id"] for row in rows} == created
    assert len({row["label"] for row in rows}) == 1
    assert all(row["stock"] is not None and row["price"] is not None for row in rows)


@pytest.mark.parametrize("action", [Action.CREATE, Action.UPDATE, Action.DELETE, Action.OVERWRITE])
def test_of_two_that_want_the_same_the_second_sees_what_the_first_did(engine: Engine, action: Action) -> None:
    if action is not Action.CREATE:
        engine.take("items.csv", items(KEYS, "old"))
    content = items(KEYS, "new"), items(KEYS[::-1], "new")
    one, two = (attempt(engine, f"items_{i}.csv", text, action=action) for i, text in enumerate(content))
    outcomes = together(one, two)
    if action in (Action.CREATE, Action.DELETE):
        assert sorted(outcome.outcome for outcome in outcomes) == ["accepted", "rejected"]
    else:
        assert [outcome.outcome for outcome in outcomes] == ["accepted", "accepted"]
    assert len(engine.rows("item")) == (0 if action is Action.DELETE else len(KEYS))


def test_the_same_import_run_twice_at_once_is_applied_once(engine: Engine) -> None:
    job = engine.drop("items.csv", items(KEYS, "once"))
    one, two = Attempt(engine, job), Attempt(engine, job, tries=100)

    def run(each: Attempt) -> str:
        try:
            return each.run().outcome
        except (TransientError, IntegrityError, AssertionError):
            # As a worker does, whatever the trouble was.
            applied = engine.store.outcome(job.id)
            assert applied is not None
            return "was applied"

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(run, (one, two)))
    assert said == ["accepted", "was applied"]
    assert len(engine.rows("item")) == len(KEYS)


def test_a_unique_value_goes_to_one_of_two_imports(engine: Engine) -> None:
    other = [key.upper() for key in KEYS]
    outcomes = together(
        attempt(engine, "items.csv", items(KEYS, "a") + "x,a,same,1\n"),
        attempt(engine, "items_2.csv", items(other[::-1], "b") + "y,b,same,1\n"),
    )
    assert sorted(outcome.outcome for outcome in outcomes) == ["accepted", "partial"]
    assert [row["label"] for row in engine.rows("item") if row["sku"] == "same"] in (["a"], ["b"])
    assert len(engine.rows("item")) == 2 * len(KEYS) + 1


def test_two_sources_in_opposed_order_do_not_disturb_each_other(engine: Engine) -> None:
    outcomes = together(
        attempt(engine, "items.csv", items(KEYS, "mine", sku="s")),
        attempt(engine, "items_2.csv", items(KEYS[::-1], "theirs", sku="s"), source="crm"),
    )
    assert [outcome.outcome for outcome in outcomes] == ["accepted", "accepted"]
    found = {(row["source"], row["external_id"], row["label"]) for row in engine.rows("item")}
    assert found == {(s, key, label) for s, label in (("default", "mine"), ("crm", "theirs")) for key in KEYS}


# --- records that refer to each other --------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [Action.DELETE, Action.OVERWRITE])
def test_a_record_never_goes_while_an_import_comes_to_refer_to_it(engine: Engine, action: Action) -> None:
    engine.take("categories.csv", "external_id,label\nK,k\nL,l\n")
    content = "external_id\nK\n" if action is Action.DELETE else "external_id,label\nL,l\n"
    outcomes = together(
        attempt(engine, "items.csv", "external_id,label,category_external_id\nA,a,K\n"),
        attempt(engine, "categories_2.csv", content, action=action),
    )
    stored = {row["id"] for row in engine.rows("category")}
    assert {row["category_id"] for row in engine.rows("item")} <= stored
    assert len(engine.rows("item")) == (1 if len(stored) == 2 else 0)
    assert "rejected" in [each.outcome for each in outcomes] or action is Action.OVERWRITE


def test_imports_take_their_locks_in_one_order_whatever_they_do(engine: Engine) -> None:
    """Parents that remove, children that refer, and both kinds at once, many times over: nobody waits for ever."""
    engine.take("categories.csv", "external_id,label,parent_external_id\nP,p,\nK,k,P\n")
    attempts = [
        attempt(
            engine, "categories.csv", "external_id,label,parent_external_id\nP,p,\nK,k,P\n", action=Action.OVERWRITE
        ),
        attempt(engine, "categories_2.csv", "external_id\nK\nP\n", action=Action.DELETE),
        attempt(engine, "items.csv", "external_id,label,category_external_id\nA,a,K\n"),
        attempt(
            engine, "items_2.csv", "external_id,label,category_external_id\nA,a,P\nB,b,K\n", action=Action.OVERWRITE
        ),
    ]
    together(*attempts)
    stored = {row["id"] for row in engine.rows("category")}
    assert {row["category_id"] for row in engine.rows("item")} <= stored
    assert {row["parent_id"] for row in engine.rows("category")} - {None} <= stored
    assert [each.tries for each in attempts] == [1, 1, 1, 1] or engine.database is None


# --- locks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def on_postgres(tmp_path: Path, postgres_url: str) -> Iterator[Engine]:
    engine = Engine(tmp_path / "data", database=postgres_url)
    engine.add_tenant()
    yield engine
    engine.close()


def waits(engine: Engine, entity: str, action: Action, source: str = "default", tenant: str = "acme") -> bool:
    """Whether an import would have to wait now."""
    scope = Scope(tenant=tenant, source=source, import_id="other")
    with engine.store.engine.connect() as connection:
        connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
        try:
            lock.take(connection, engine.entity(entity), scope, action)
        except OperationalError:
            return True
    return False


def test_an_import_waits_only_for_those_that_it_might_disturb(on_postgres: Engine) -> None:
    mine = Scope(tenant="acme", source="default", import_id="mine")
    with on_postgres.store.writing() as connection:
        lock.take(connection, on_postgres.entity("item"), mine, Action.MERGE)
        assert waits(on_postgres, "item", Action.MERGE)
        assert not waits(on_postgres, "item", Action.OVERWRITE, source="crm")
        assert not waits(on_postgres, "item", Action.MERGE, tenant="other")
        assert not waits(on_postgres, "category", Action.MERGE)
        assert not waits(on_postgres, "remark", Action.OVERWRITE)
        # Its rows may refer to any category of the tenant, and to any supplier.
        for parent in ("category", "supplier"):
            assert waits(on_postgres, parent, Action.DELETE)
            assert waits(on_postgres, parent, Action.OVERWRITE, source="crm")
            assert not waits(on_postgres, parent, Action.DELETE, tenant="other")
    assert not waits(on_postgres, "item", Action.MERGE)
