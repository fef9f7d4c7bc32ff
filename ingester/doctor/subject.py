"""What the doctor looks at: settings, data directory, rules, and the databases, opened so that nothing can change."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from ingester.directory import DataDirectory
from ingester.domain.errors import ConfigurationError, IngesterError, TransientError
from ingester.ruleset.mistake import RuleErrors
from ingester.ruleset.model import RuleSet
from ingester.ruleset.shipped import in_force
from ingester.settings import Settings
from ingester.store import database, migrate
from ingester.store.database import now as clock
from ingester.store.ledger import Ledger
from ingester.store.migrate import Schema


@dataclass(frozen=True, slots=True)
class Running:
    """What the running service says of itself."""

    pid: int
    host: str
    sftp_port: int
    http_host: str
    http_port: int


class Subject:
    """One site. `config` is the settings' file, if one was named; `now` the time by this machine."""

    def __init__(self, settings: Settings, config: Path | None = None, now: Callable[[], datetime] = clock) -> None:
        self.settings = settings
        self.config = config
        self.now = now
        self.directory = DataDirectory(settings.data_dir)

    @property
    def exists(self) -> bool:
        """Whether there is a data directory to look into."""
        return self.directory.root.is_dir()

    @cached_property
    def read_rules(self) -> RuleSet | RuleErrors:
        """Every catalogue there is, or what is wrong with the rule files."""
        try:
            return in_force(self.settings.rules_dirs)
        except RuleErrors as errors:
            return errors

    @property
    def rules(self) -> RuleSet | None:
        """Every catalogue there is; None if a rule file is broken."""
        return self.read_rules if isinstance(self.read_rules, RuleSet) else None

    @cached_property
    def ledger(self) -> Ledger | None:
        """The ledger, to be read; None if it cannot be asked, since it is not there or of another version."""
        try:
            engine = self.engine(self.settings.ledger_url)
            return Ledger(engine) if engine is not None and migrate.state(engine, "ledger") is Schema.CURRENT else None
        except (ConfigurationError, TransientError):
            return None

    @cached_property
    def _engines(self) -> dict[str, Engine]:
        return {}

    def engine(self, url: str) -> Engine | None:
        """A database to be read; None if its file is not there yet. It fails when it is first used."""
        if url not in self._engines:
            path = database.sqlite_file(url)
            if path is not None and not path.exists():
                return None
            self._engines[url] = database.connect_to_read(url)
        return self._engines[url]

    @cached_property
    def running(self) -> Running | None:
        """The service that runs here; None if none does."""
        try:
            # A process id may have been given to another program since.
            is_it = self.announced is not None and b"ingester" in _command_line(self.announced.pid)
        except OSError:
            return None
        return self.announced if is_it else None

    @cached_property
    def announced(self) -> Running | None:
        """The service that last said that it was ready, and not that it ended."""
        try:
            said = json.loads(self.directory.announcement.read_text())
        except FileNotFoundError:
            return None
        return Running(**{name: said[name] for name in Running.__dataclass_fields__})

    def close(self) -> None:
        """Let go of the databases."""
        for engine in self._engines.values():
            engine.dispose()


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def reason(error: BaseException) -> str:
    """What an error says, in one line."""
    text = error.message if isinstance(error, IngesterError) else str(error) or type(error).__name__
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__
