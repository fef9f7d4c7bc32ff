"""Engines with the tenant `acme`, copied from one made before: migrating two databases takes longer than most tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingester.ruleset.model import RuleSet
from tests.integration.engine.harness import Engine
from tests.postgres import Postgres


class Templates:
    """One engine for each set of rules and kind of database, kept below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: By the identity of the rules, which are kept lest another set takes it over.
        self._made: dict[tuple[int, bool], tuple[RuleSet, Path, str | None]] = {}

    @contextmanager
    def engine(self, root: Path, rules: RuleSet, postgres: Postgres | None) -> Iterator[Engine]:
        """An engine of one's own in the data directory `root`, which must not exist yet; without a server on SQLite."""
        key = id(rules), postgres is not None
        if key not in self._made:
            self._made[key] = rules, *self._make(rules, postgres)
        _, folder, template = self._made[key]
        shutil.copytree(folder, root)
        database = None if postgres is None else postgres.create_database(template)
        engine = Engine(root, rules, database=database, has_tables=True)
        yield engine
        engine.close()
        if postgres is not None and database is not None:
            postgres.drop_database(database)

    def _make(self, rules: RuleSet, postgres: Postgres | None) -> tuple[Path, str | None]:
        folder = self._folder / str(len(self._made))
        database = None if postgres is None else postgres.create_database()
        engine = Engine(folder, rules, database=database)
        engine.add_tenant()
        engine.close()
        return folder, database
