from __future__ import annotations

from ingester.domain.status import Action
from ingester.ruleset.model import Check, Constraints, Entity, Field, ForeignKey
from ingester.ruleset.narrow import for_action

ENTITY = Entity(
    catalogue="shop",
    name="item",
    fields=(
        Field(name="key", constraints=Constraints(required=True, max_length=9)),
        Field(name="label", constraints=Constraints(required=True, max_length=9)),
        Field(name="state", default="new"),
        Field(name="group"),
    ),
    primary_key=("key",),
    foreign_keys=(ForeignKey(fields=("group",), entity="group", reference_fields=("key",)),),
    checks=(Check(code="x", assertion="label != 'x'", fields=("label",), message="M"),),
)


def test_an_update_needs_only_the_key_and_fills_nothing_in() -> None:
    narrowed = for_action(ENTITY, Action.UPDATE)
    assert [field.constraints.required for field in narrowed.fields] == [True, False, False, False]
    assert narrowed.field("label").constraints.max_length == 9
    assert narrowed.field("state").default is None
    assert (narrowed.foreign_keys, narrowed.checks) == (ENTITY.foreign_keys, ENTITY.checks)


def test_a_deletion_knows_the_key_alone() -> None:
    narrowed = for_action(ENTITY, Action.DELETE)
    assert [field.name for field in narrowed.fields] == ["key"]
    assert (narrowed.foreign_keys, narrowed.checks) == ((), ())


def test_the_other_actions_see_the_whole_entity() -> None:
    for action in (Action.MERGE, Action.OVERWRITE, Action.CREATE):
        assert for_action(ENTITY, action) is ENTITY
