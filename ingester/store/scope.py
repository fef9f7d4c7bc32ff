"""Whose records an import may touch. Every statement about entity tables carries tenant and source from here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection, text

from ingester.store.statement import quoted


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """One import's share of the entity tables."""

    tenant: str
    source: str
    import_id: str
    timezone: str = "UTC"

    @property
    def parameters(self) -> dict[str, str]:
        """What `IN_SCOPE` binds."""
        return {"tenant": self.tenant, "source": self.source}

    @property
    def said(self) -> dict[str, str]:
        """The columns that are the same in all records of an import."""
        return {"tenant_id": self.tenant, "source": self.source, "import_id": self.import_id}

    def of(self, source: str) -> Scope:
        """The tenant's records of another source."""
        return replace(self, source=source)


#: The condition that a record, called `t`, is of the tenant and source.
IN_SCOPE = "t.tenant_id = :tenant AND t.source = :source"


def is_empty(connection: Connection, table: str, scope: Scope) -> bool:
    """Whether the tenant has no record of the source in a table yet."""
    query = f"SELECT 1 FROM {quoted(table)} AS t WHERE {IN_SCOPE} LIMIT 1"
    return connection.execute(text(query), scope.parameters).first() is None


def other_sources(connection: Connection, table: str, scope: Scope) -> list[str]:
    """The tenant's other sources in a table, found by skipping through its key's index."""
    query = (
        f"WITH RECURSIVE s(source) AS (SELECT min(source) FROM {quoted(table)} WHERE tenant_id = :tenant UNION ALL "
        f"SELECT (SELECT min(t.source) FROM {quoted(table)} AS t WHERE t.tenant_id = :tenant AND t.source > s.source) "
        f"FROM s WHERE s.source IS NOT NULL) SELECT source FROM s WHERE source IS NOT NULL AND source <> :source"
    )
    return [str(source) for (source,) in connection.execute(text(query), scope.parameters)]
