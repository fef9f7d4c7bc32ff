from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from ingester.ruleset.model import Entity, Field, ForeignKey
from ingester.ruleset.order import ImportOrder
from tests.examples import examples


def entity(name: str, *parents: str, tier: int = 1) -> Entity:
    keys = tuple(ForeignKey(fields=(f"{each}_id",), entity=each, reference_fields=("id",)) for each in parents)
    return Entity(catalogue="c", name=name, fields=(Field(name="id"),), foreign_keys=keys, tier=tier)


JOB = entity("job", "proposal", "crew")
ENTITIES = [JOB, entity("proposal", "customer"), entity("customer", "customer", "area"), entity("area"), entity("crew")]


def test_parents_go_before_children_and_equals_by_tier_and_name() -> None:
    assert [each.name for each in ImportOrder(ENTITIES)] == ["area", "crew", "customer", "proposal", "job"]
    assert [each.name for each in ImportOrder([entity("a", tier=2), entity("b")])] == ["b", "a"]


def test_ancestors_are_everything_an_entity_rests_on_but_itself() -> None:
    order = ImportOrder(ENTITIES)
    assert order.ancestors(JOB) == {"c.proposal", "c.customer", "c.area", "c.crew"}
    assert order.ancestors(ENTITIES[2]) == {"c.area"}
    assert order.ancestors(ENTITIES[3]) == frozenset()


@examples(50)
@given(st.lists(st.sets(st.integers(0, 9)), min_size=1, max_size=10), st.randoms(use_true_random=False))
def test_a_rank_is_above_every_ancestor_and_does_not_depend_on_the_order_of_files(
    parents: list[set[int]], shuffled: random.Random
) -> None:
    entities = [
        entity(f"e{number}", *(f"e{parent}" for parent in each if parent <= number))
        for number, each in enumerate(parents)
    ]
    order = ImportOrder(entities)
    for each in entities:
        for ancestor in order.ancestors(each):
            assert order.rank(each) > order.rank(next(one for one in entities if one.full_name == ancestor))
    shuffled.shuffle(entities)
    assert list(ImportOrder(entities)) == list(order)
