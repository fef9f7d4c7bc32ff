"""The data database: entity tables and the outcomes that prove an import was applied.

One transaction covers an import's merge, its outcome and the list of outbox files to publish.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy
from sqlalchemy import Connection, Engine
from sqlmodel import Session, col, select

from ingester.ruleset.model import Entity
from ingester.store import database, entity_table, migrate, writeback
from ingester.store.data_tables import ImportOutcome


class DataStore:
    """Entity tables and outcomes behind one database URL."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> DataStore:
        """Open the database at `url`, creating or upgrading the service's own tables in it."""
        return cls(migrate.opened(url, "data"))

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    def ensure_tables(self, entities: Iterable[Entity]) -> None:
        """Create or extend the tables of `entities`; ConfigurationError where a rule contradicts its table."""
        with database.translated(), database.writing(self.engine).begin() as connection:
            entity_table.ensure(connection, entities)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The transaction of one import; it commits when the block ends well."""
        with (
            database.translated(),
            writeback.eased(database.sqlite_file(self.engine.url)),
            database.merging(self.engine).begin() as connection,
        ):
            yield connection

    @contextmanager
    def short(self) -> Iterator[Connection]:
        """A short transaction that writes beside imports; it commits when the block ends well."""
        with database.translated(), database.writing(self.engine).begin() as connection:
            yield connection

    def outcome(self, import_id: str) -> ImportOutcome | None:
        """What an import did, if it is applied."""
        with database.translated(), Session(database.reading(self.engine), expire_on_commit=False) as session:
            return session.get(ImportOutcome, import_id)

    def unpublished(self) -> Sequence[ImportOutcome]:
        """Applied imports whose outbox files may not all be in place, oldest first."""
        statement = (
            select(ImportOutcome)
            .where(col(ImportOutcome.publish_pending).is_(True))
            .order_by(col(ImportOutcome.committed_at))
        )
        with database.translated(), Session(database.reading(self.engine), expire_on_commit=False) as session:
            return session.exec(statement).all()

    def published(self, import_id: str) -> None:
        """Note that an import's outbox files are in place."""
        statement = (
            sqlalchemy.update(ImportOutcome)
            .where(col(ImportOutcome.import_id) == import_id)
            .values(publish_pending=False)
        )
        # Its commit waits for no disk: start-up publishes again what it does not know to be published.
        with database.translated():
            if self.engine.dialect.name == "postgresql":
                # One row by its key, which waits for nobody: a single message does, since these are sent in a row.
                relaxed = sqlalchemy.func.set_config("synchronous_commit", "off", sqlalchemy.true()) == "off"
                with database.reading(self.engine).connect() as connection:
                    connection.execute(statement.where(relaxed))
            else:
                with database.noting(self.engine).begin() as connection:
                    connection.execute(statement)


def record(connection: Connection, outcome: ImportOutcome) -> None:
    """Add the applied marker to the import's transaction; a second one for the same import is refused."""
    connection.execute(sqlalchemy.insert(ImportOutcome), [outcome.model_dump()])
