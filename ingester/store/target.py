"""Where rows go: a table, which of its columns the file provides, and what a provided cell does to a stored one.

`t` is the stored record in every expression here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ingester.checks.compile import default_value
from ingester.ruleset.model import Entity
from ingester.store.entity_table import key_columns
from ingester.store.scope import Scope
from ingester.store.statement import quoted


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What one import writes to.

    `columns` are those that the file provides: columns of fields, and of the ids that references resolved to.
    """

    entity: Entity
    columns: tuple[str, ...]
    scope: Scope
    #: Whether an empty cell erases what is stored; else it leaves it.
    erases: bool = False

    @property
    def table(self) -> str:
        """The table's quoted name."""
        return quoted(self.entity.table)

    @property
    def keyed(self) -> bool:
        """Whether records can be met again; without a key every row is a new one."""
        return bool(self.entity.primary_key)

    @property
    def changing(self) -> tuple[str, ...]:
        """The provided columns that a stored record may take over."""
        key = key_columns(self.entity)
        return tuple(name for name in self.columns if name not in key)

    @property
    def own_references(self) -> tuple[str, ...]:
        """The provided id columns of references to records of the same entity."""
        return tuple(
            key.id_column
            for key in self.entity.foreign_keys
            if key.entity == self.entity.name and key.id_column in self.columns
        )

    @property
    def shared(self) -> frozenset[str]:
        """The columns that hold JSON objects whose members are columns of the file."""
        return frozenset(each.column for each in self.entity.fields if each.is_family or each.is_extra)

    @property
    def defaults(self) -> dict[str, Any]:
        """What a new record has where the file says nothing, by column."""
        own = (each for each in self.entity.fields if not each.is_extra and not each.is_family)
        found = ((each.column, default_value(each, self.scope.timezone)) for each in own)
        return {name: value for name, value in found if value is not None}

    def same_record(self, given: dict[str, str]) -> str:
        """The condition that the stored record is the one that `given` (column to expression) names."""
        key = " AND ".join(f"t.{quoted(name)} = {given[name]}" for name in key_columns(self.entity))
        return f"t.tenant_id = :tenant AND t.source = :source AND {key}"

    def new_value(self, column: str, given: str, *, postgres: bool) -> str:
        """What becomes of a stored column."""
        stored = f"t.{quoted(column)}"
        if column in self.shared:
            return f"CASE WHEN {given} IS NULL THEN {stored} ELSE {self.patched(column, given, postgres=postgres)} END"
        return given if self.erases else f"coalesce({given}, {stored})"

    def differs(self, column: str, given: str, *, postgres: bool) -> str:
        """The condition that a provided cell changes the stored column."""
        unlike = "IS DISTINCT FROM" if postgres else "IS NOT"
        stored = f"t.{quoted(column)}"
        if column in self.shared:
            return f"({given} IS NOT NULL AND {self.patched(column, given, postgres=postgres)} {unlike} {stored})"
        changed = f"{given} {unlike} {stored}"
        return f"({changed})" if self.erases else f"({given} IS NOT NULL AND {changed})"

    def changed(self, given: dict[str, str], *, postgres: bool) -> str:
        """The condition that a row, of which `given` says the cells, changes its stored record."""
        return " OR ".join(self.differs(name, given[name], postgres=postgres) for name in self.changing) or "1 = 0"

    def patched(self, column: str, given: str, *, postgres: bool, stored: str | None = None) -> str:
        """The stored JSON object with the given members in place of its own; members given as null are gone."""
        stored = stored or f"coalesce(t.{quoted(column)}, '{{}}')"
        merged = f"jsonb_strip_nulls({stored} || {given})" if postgres else f"json_patch({stored}, {given})"
        return f"nullif({merged}, '{{}}')"
