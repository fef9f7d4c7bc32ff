"""Which imports of one database wait for each other. On SQLite all do, since it has one writer at a time.

On PostgreSQL an import takes advisory locks before it reads anything, always in the same order, so that none waits for
one that waits for it. What an import finds to be stored is then still true when it writes.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from ingester.domain.status import Action
from ingester.ruleset.model import Entity
from ingester.store.database import is_postgres
from ingester.store.scope import Scope

_REMOVING = frozenset({Action.DELETE, Action.OVERWRITE})


def take(connection: Connection, entity: Entity, scope: Scope, action: Action) -> None:
    """Wait for imports of the same scope, and for those that remove what this one refers to, or the other way round.

    The locks end with the transaction. `entity` is as the rule file has it, whatever the action makes of it.
    """
    if not is_postgres(connection):
        return
    locks = sorted(_locks(entity, scope, action).items())
    # PostgreSQL takes them from left to right.
    taken = ", ".join(
        f"pg_advisory_xact_lock{'' if exclusive else '_shared'}(hashtextextended(:name_{number}, 0))"
        for number, (_, exclusive) in enumerate(locks)
    )
    connection.execute(text(f"SELECT {taken}"), {f"name_{number}": name for number, (name, _) in enumerate(locks)})


def _locks(entity: Entity, scope: Scope, action: Action) -> dict[str, bool]:
    """Names of locks, and whether nobody else may have them."""
    referred = {f"{entity.catalogue}__{key.entity}" for key in entity.foreign_keys}
    # A reference may lead to a record of another source, so the records that must stay are locked for the tenant.
    locks = {f"{table}/{scope.tenant}": False for table in referred}
    if action in _REMOVING:
        locks[f"{entity.table}/{scope.tenant}"] = True
    locks[f"{entity.table}/{scope.tenant}/{scope.source}"] = True
    return locks
