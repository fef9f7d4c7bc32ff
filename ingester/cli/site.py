"""One data directory and its databases, as commands see them: each part is opened when it is first asked for."""

from __future__ import annotations

from functools import cached_property

from ingester.directory import DataDirectory
from ingester.recovery import refuse_strangers
from ingester.routing import Router
from ingester.ruleset.model import RuleSet
from ingester.ruleset.shipped import in_force
from ingester.settings import Settings
from ingester.store.datastore import DataStore
from ingester.store.ledger import Ledger
from ingester.store.tenant import Tenants
from ingester.wake import Bell


class Site:
    """What `settings` say there is; a service may be using it at the same time."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.directory = DataDirectory(settings.data_dir)
        self.directory.create()

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger."""
        ledger = Ledger.open(self.settings.ledger_url)
        refuse_strangers(ledger, self.directory)
        return ledger

    @cached_property
    def tenants(self) -> Tenants:
        """What the ledger knows of customers."""
        return Tenants(self.ledger)

    @cached_property
    def store(self) -> DataStore:
        """The database of entity tables and outcomes."""
        return DataStore.open(self.settings.data_url)

    @cached_property
    def rules(self) -> RuleSet:
        """Every catalogue there is."""
        return in_force(self.settings.rules_dirs)

    @cached_property
    def router(self) -> Router:
        """Where files belong, by these rules."""
        return Router(self.rules)

    def nudge(self) -> None:
        """Wake the workers of a service, if one is running."""
        Bell(self.directory, self.ledger).ring()

    def close(self) -> None:
        """Let go of what was opened."""
        if "ledger" in self.__dict__:
            self.ledger.close()
        if "store" in self.__dict__:
            self.store.close()
