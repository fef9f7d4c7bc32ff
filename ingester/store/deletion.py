"""Deleting rows with all that refers to them, in the ledger and in the data database, a few at a time.

What refers to what is asked of the tables themselves, so that a table that is added later is not forgotten here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnClause, ColumnElement, Connection, Table, delete, func, update
from sqlmodel import Session, col, select

from ingester.store import database
from ingester.store.data_tables import DataTable
from ingester.store.datastore import DataStore
from ingester.store.ledger_tables import Drop, Import, LedgerTable, Removal, S3Inbox, S3Object, Tenant

#: Columns that only the table of an entity has all of.
_ENTITY = {"tenant_id", "source", "import_id", "created_at", "updated_at"}


def delete_imports(session: Session, ids: Sequence[str]) -> None:
    """Delete imports, what refers to them, and drops that no import is left of."""
    imports, drops = _table(Import), _table(Drop)
    wanted = imports.c.id.in_(ids)
    drop_ids = session.connection().scalars(sqlalchemy.select(imports.c.drop_id).where(wanted)).all()
    _delete(session.connection(), imports, wanted)
    left = sqlalchemy.select(imports.c.id).where(imports.c.drop_id == drops.c.id).exists()
    _delete(session.connection(), drops, drops.c.id.in_(drop_ids) & ~left)


def delete_drops(session: Session, ids: Sequence[str]) -> None:
    """Delete drops and what refers to them."""
    drops = _table(Drop)
    _delete(session.connection(), drops, drops.c.id.in_(ids))


def delete_tenant(session: Session, name: str) -> None:
    """Delete a tenant, what refers to it, and what only names it; the record of removals stays."""
    connection, tenants = session.connection(), _table(Tenant)
    seen = select(Drop.origin_ref).where(Drop.tenant == name)
    inboxes = select(S3Inbox.id).where(S3Inbox.tenant == name)
    # The inbox may be gone, or the object not landed.
    session.exec(delete(S3Object).where(col(S3Object.ref).in_(seen) | col(S3Object.inbox_id).in_(inboxes)))
    _delete(connection, tenants, tenants.c.name == name)
    for table in LedgerTable.metadata.tables.values():
        if "tenant" in table.c and table is not _table(Removal):
            _delete(connection, table, table.c.tenant == name)


def _delete(connection: Connection, table: Table, which: ColumnElement[bool], above: tuple[Table, ...] = ()) -> None:
    for other in LedgerTable.metadata.tables.values():
        for key in other.foreign_keys:
            if key.column.table is not table or other in above:
                continue
            refers = key.parent.in_(sqlalchemy.select(key.column).where(which))
            if other is table:
                connection.execute(update(other).where(refers).values({key.parent.name: None}))
            else:
                _delete(connection, other, refers, (*above, table))
    connection.execute(delete(table).where(which))


def _table(rows: type[LedgerTable]) -> Table:
    found: Table = rows.__table__  # type: ignore[attr-defined]  # SQLModel adds it
    return found


# --- the data database ---------------------------------------------------------------------------------------------


def delete_outcomes(store: DataStore, import_ids: Sequence[str]) -> None:
    """Forget that imports were applied: nobody will ask again."""
    with store.short() as connection:
        for table in DataTable.metadata.tables.values():
            if "import_id" in table.c:
                connection.execute(delete(table).where(table.c.import_id.in_(import_ids)))


def stored_rows(store: DataStore, tenant: str) -> Mapping[str, int]:
    """How many rows each table of the data database has of a tenant, those with none left out."""
    counts: dict[str, int] = {}
    with database.translated(), store.engine.connect() as connection:
        for table, column in _tables_of_tenants(connection):
            of_tenant = sqlalchemy.column(column) == tenant
            query = sqlalchemy.select(func.count()).select_from(sqlalchemy.table(table)).where(of_tenant)
            if found := connection.scalar(query):
                counts[table] = found
    return counts


def delete_rows(store: DataStore, tenant: str, most: int) -> Iterator[int]:
    """Delete everything of a tenant from the data database, `most` rows in a transaction; how many each time."""
    with database.translated(), store.engine.connect() as connection:
        tables = list(_tables_of_tenants(connection))
        postgres = database.is_postgres(connection)
    for name, column in tables:
        row: ColumnClause[Any] = sqlalchemy.column("ctid" if postgres else "rowid")
        table = sqlalchemy.table(name, row)
        some = sqlalchemy.select(row).select_from(table).where(sqlalchemy.column(column) == tenant).limit(most)
        statement = delete(table).where(row.in_(some))
        found = most
        while found == most:
            with store.short() as connection:
                found = connection.execute(statement).rowcount
            yield found


def _tables_of_tenants(connection: Connection) -> Iterator[tuple[str, str]]:
    """Every table with rows of tenants, and the column that says whose; also those whose rule file is gone."""
    for table in DataTable.metadata.tables.values():
        if "tenant" in table.c:
            yield table.name, "tenant"
    inspector = sqlalchemy.inspect(connection)
    for name in inspector.get_table_names():
        if "__" in name and {column["name"] for column in inspector.get_columns(name)} >= _ENTITY:
            yield name, "tenant_id"


def count(session: Session, name: str) -> tuple[int, int]:
    """How many drops and imports the ledger has of a tenant."""
    drops = session.exec(select(func.count(col(Drop.id))).where(Drop.tenant == name))
    jobs = session.exec(select(func.count(col(Import.id))).where(Import.tenant == name))
    return drops.one(), jobs.one()
