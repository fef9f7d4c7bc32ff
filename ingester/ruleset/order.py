"""Which entities go before which: parents first, by the foreign keys alone (tiers only group)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ingester.ruleset.model import Entity


class ImportOrder:
    """The order of some entities, of one or of several catalogues: a `Catalogue` or a `RuleSet` will do.

    A reference of an entity to itself orders nothing; circles do not pass the loader.
    """

    def __init__(self, entities: Iterable[Entity]) -> None:
        self._entities = {entity.full_name: entity for entity in entities}
        self._ancestors: dict[str, frozenset[str]] = {}
        depths: dict[str, int] = {}
        for name in self._entities:
            self._climb(name, depths)
        self._sorted = tuple(
            sorted(self._entities.values(), key=lambda each: (depths[each.full_name], each.tier, each.full_name))
        )
        self._ranks = {entity.full_name: rank for rank, entity in enumerate(self._sorted)}

    def __iter__(self) -> Iterator[Entity]:
        return iter(self._sorted)

    def ancestors(self, entity: Entity) -> frozenset[str]:
        """The full names of all entities that this one refers to, directly or through others; never its own."""
        return self._ancestors[entity.full_name]

    def rank(self, entity: Entity) -> int:
        """The place of the entity, from 0; greater than that of any ancestor. Changes with the rules: do not store."""
        return self._ranks[entity.full_name]

    def _climb(self, name: str, depths: dict[str, int]) -> None:
        if name in depths:
            return
        entity = self._entities[name]
        parents = {f"{entity.catalogue}.{key.entity}" for key in entity.foreign_keys} - {name}
        for parent in parents:
            self._climb(parent, depths)
        depths[name] = 1 + max((depths[parent] for parent in parents), default=-1)
        self._ancestors[name] = frozenset(parents.union(*(self._ancestors[parent] for parent in parents)))
