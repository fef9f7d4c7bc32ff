"""Which entity an operator's words name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingester.domain.errors import UsageError
from ingester.domain.status import Action
from ingester.ruleset.choice import choose, refuse_senseless
from ingester.ruleset.model import Catalogue, Entity, Field


def catalogue(name: str, *entities: str) -> Catalogue:
    made = (
        Entity(catalogue=name, name=each, primary_key=("key",), fields=(Field(name="key"),), path=Path(each))
        for each in entities
    )
    return Catalogue(name, {entity.name: entity for entity in made})


SALES, STOCK = catalogue("sales", "customer", "order"), catalogue("stock", "customer", "product")


@pytest.mark.parametrize(
    ("wanted", "within", "found"),
    [
        ("order", None, "sales.order"),
        ("sales.order", None, "sales.order"),
        ("stock.customer", None, "stock.customer"),
        ("customer", "sales", "sales.customer"),
    ],
)
def test_a_name_that_is_one_entity_s_alone_finds_it(wanted: str, within: str | None, found: str) -> None:
    assert choose([SALES, STOCK], wanted, within).full_name == found


@pytest.mark.parametrize(
    ("wanted", "within", "said"),
    [
        ("customer", None, "Say one of sales.customer, stock.customer"),
        ("custom", "sales", "no entity 'custom' in the catalogue 'sales', did you mean 'customer'"),
        ("sales.ordr", None, "did you mean 'sales.order'"),
        ("product", "sales", "no entity 'product' in the catalogue 'sales'"),
        ("zebra", None, "See `ingester rules list`"),
        ("customer", "nowhere", "in the catalogue 'nowhere'"),
    ],
)
def test_any_other_name_is_refused_with_what_would_help(wanted: str, within: str | None, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose([SALES, STOCK], wanted, within)
    assert said in str(caught.value)


def test_rows_without_a_key_are_never_updated_or_deleted() -> None:
    entity = Entity(catalogue="sales", name="call", primary_key=(), fields=(Field(name="key"),), path=Path("call"))
    for action in Action:
        refuse_senseless(SALES.entities["order"], action)
        if action in (Action.UPDATE, Action.DELETE):
            with pytest.raises(UsageError, match=f"which record to {action}"):
                refuse_senseless(entity, action)
        else:
            refuse_senseless(entity, action)
