"""An entity as one action sees it: what a file must bring differs between creating, changing and deleting records."""

from __future__ import annotations

import dataclasses

from ingester.domain.status import Action
from ingester.ruleset.model import Entity, Field


def for_action(entity: Entity, action: Action, *, erases: bool = False) -> Entity:
    """The entity with only what the action asks of a file.

    `update`: only the key is required, and no default fills a cell that was left out; where an empty cell `erases`, it
    may not erase what is required. `delete`: only the key is there,
    refers to nothing and is bound by no check. For the others, the entity itself.
    """
    match action:
        case Action.UPDATE:
            fields = tuple(_optional(field, entity, erases) for field in entity.fields)
            return dataclasses.replace(entity, fields=fields)
        case Action.DELETE:
            fields = tuple(field for field in entity.fields if field.name in entity.primary_key)
            return dataclasses.replace(entity, fields=fields, foreign_keys=(), checks=())
    return entity


def _optional(field: Field, entity: Entity, erases: bool) -> Field:
    if field.name in entity.primary_key:
        return field
    constraints = dataclasses.replace(field.constraints, required=field.constraints.required and erases)
    return dataclasses.replace(field, constraints=constraints, default=None)
