"""Entity tables: their names, columns and types from rule files; created and extended, never narrowed.

Columns are those of the contract: `id, tenant_id, source,` the fields in rule order (a reference is followed by the
id it resolves to), `extra, import_id, created_at, updated_at`. Integrators read these tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Time,
    UniqueConstraint,
    func,
    inspect,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateColumn
from sqlalchemy.sql.compiler import DDLCompiler
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.types import TypeEngine

from ingester.domain.errors import ConfigurationError
from ingester.ruleset.model import Entity, Field, FieldType
from ingester.store.database import UtcDateTime

#: A rowid on SQLite, an identity on PostgreSQL.
_ID = BigInteger().with_variant(Integer(), "sqlite")

_TEXT = Text()
#: Compared by value on PostgreSQL; canonical text on SQLite.
_JSON = JSON().with_variant(JSONB(), "postgresql")

_TYPES: dict[FieldType, TypeEngine[Any]] = {
    FieldType.STRING: _TEXT,
    FieldType.INTEGER: BigInteger(),
    # Canonical text on SQLite, whose NUMERIC is a float beyond 15 digits.
    FieldType.NUMBER: Text().with_variant(Numeric(), "postgresql"),
    FieldType.BOOLEAN: Boolean(),
    FieldType.DATE: Date(),
    FieldType.TIME: Time(),
    FieldType.DATETIME: UtcDateTime(),
    FieldType.ARRAY: _JSON,
    FieldType.LIST: _JSON,
    FieldType.OBJECT: _JSON,
    FieldType.GEOJSON: _JSON,
    FieldType.YEAR: BigInteger(),
    FieldType.YEARMONTH: _TEXT,
    FieldType.DURATION: _TEXT,
    FieldType.GEOPOINT: _TEXT,
    FieldType.ANY: _TEXT,
}


class _Said(ColumnElement[str]):
    """What the transaction said of all its rows: a COPY that repeats it in each takes a fifth longer.

    A setting of PostgreSQL's own kind, local to a transaction; null, and so refused, where nobody said anything. SQLite
    has no such thing, and no default: every statement there says it.
    """

    inherit_cache = True

    def __init__(self, name: str) -> None:
        self.name = name


@compiles(_Said, "postgresql")
def _said(element: _Said, _compiler: DDLCompiler, **_: object) -> str:
    return f"current_setting('ingester.{element.name}', true)"


@compiles(_Said, "sqlite")
def _unsaid(_element: _Said, _compiler: DDLCompiler, **_: object) -> str:
    return "NULL"


def table(entity: Entity, metadata: MetaData | None = None) -> Table:
    """The target table of an entity."""
    columns: list[Column[Any]] = [
        Column("id", _ID, Identity(), primary_key=True),
        Column("tenant_id", Text(), nullable=False, server_default=_Said("tenant_id")),
        Column("source", Text(), nullable=False, server_default=_Said("source")),
    ]
    for field in entity.fields:
        if not field.is_extra:
            columns.append(_column(field, entity))
        columns += [Column(key.id_column, BigInteger()) for key in entity.foreign_keys if key.fields[-1] == field.name]
    columns.append(Column("extra", _JSON))
    columns.append(Column("import_id", Text(), nullable=False, server_default=_Said("import_id")))
    if not entity.primary_key:
        columns.append(Column("import_row", BigInteger(), nullable=False))
    columns += [
        Column("created_at", UtcDateTime(), nullable=False, server_default=func.now()),
        Column("updated_at", UtcDateTime(), nullable=False, server_default=func.now()),
    ]
    key = UniqueConstraint("tenant_id", "source", *key_columns(entity))
    return Table(entity.table, metadata or MetaData(), *columns, key, *_indexes(entity))


def _indexes(entity: Entity) -> list[Index]:
    """One for each unique field, whose values every import asks for; not unique itself, since two may swap theirs."""
    unique = [field for field in entity.fields if field.constraints.unique and entity.primary_key != (field.name,)]
    return [Index(_index_name(entity, field), "tenant_id", "source", field.column) for field in unique]


def _index_name(entity: Entity, field: Field) -> str:
    """Within the 63 bytes that PostgreSQL keeps, and different for each field."""
    digest = blake2b(field.column.encode(), digest_size=4).hexdigest()
    return f"{entity.table}_{digest}"


def key_columns(entity: Entity) -> tuple[str, ...]:
    """The columns that identify a record beside tenant and source; without a key every row is a new record."""
    key = tuple(entity.field(name).column for name in entity.primary_key)
    return key or ("import_id", "import_row")


def _column(field: Field, entity: Entity) -> Column[Any]:
    return Column(field.column, column_type(field), nullable=field.name not in entity.primary_key)


def column_type(field: Field) -> TypeEngine[Any]:
    """What the database keeps of a field; a family of columns is one JSON object."""
    return _JSON if field.is_family else _TYPES[field.type]


def ensure(connection: Connection, entities: Iterable[Entity]) -> None:
    """Create the tables of entities that have none and add the columns that a rule gained. Rewrites no row."""
    inspector = inspect(connection)
    existing = set(inspector.get_table_names())
    for entity in entities:
        wanted = table(entity)
        if entity.table not in existing:
            wanted.create(connection)
            continue
        keys = [tuple(key["column_names"]) for key in inspector.get_unique_constraints(entity.table)]
        if ("tenant_id", "source", *key_columns(entity)) not in keys:
            raise ConfigurationError(
                f"{entity.path}: the primaryKey of {entity.full_name} is no longer the one its table was made with",
                fix="Restore the primaryKey, or give the entity a new name.",
            )
        # A database compares the names of columns without their case.
        have = {column["name"].casefold(): column for column in inspector.get_columns(entity.table)}
        for column in wanted.columns:
            stored = have.get(column.name.casefold())
            if stored is None:
                ddl = str(CreateColumn(column).compile(dialect=connection.dialect))
                name = connection.dialect.identifier_preparer.format_table(wanted)
                connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {ddl}")
            elif (now := _spelled(connection, stored["type"])) != (new := _spelled(connection, column.type)):
                raise ConfigurationError(
                    f"{entity.path}: field '{column.name}' of {entity.full_name} is {new} now, "
                    f"but the table holds {now}",
                    fix="Give the field a new name, or migrate the table by hand.",
                )
        present = {index["name"] for index in inspector.get_indexes(entity.table)}
        for index in wanted.indexes:
            if index.name not in present:
                index.create(connection)


def _spelled(connection: Connection, kind: TypeEngine[Any]) -> str:
    return kind.compile(connection.dialect).upper()
