"""Where a file belongs: the folder it was put in wins, then the tenant's feeds in their order, then its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo

from ingester.domain import companion
from ingester.domain.companion import CompanionKind
from ingester.domain.name import is_archive, peeled
from ingester.domain.status import (
    REMOVAL_GUARD_PERCENT,
    Action,
    CompleteOn,
    DuplicateHandling,
    HoldHandling,
    RepeatHandling,
    Status,
)
from ingester.domain.window import ALWAYS, Window
from ingester.ruleset.model import Catalogue, Entity, RuleSet
from ingester.ruleset.order import ImportOrder
from ingester.ruleset.route import Unroutable, by_folder, by_name
from ingester.store.ledger_tables import Feed, Import, Tenant

#: The reserved folder whose drops are checked and reported but not imported.
VALIDATE = "validate"


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """What is to be done with a file; `unroutable` says why nothing can be."""

    entity: Entity | None = None
    unroutable: Unroutable | None = None
    feed: str | None = None
    source: str = "default"
    dry_run: bool = False
    action: Action = Action.MERGE
    duplicate_handling: DuplicateHandling = DuplicateHandling.IGNORE_ALL
    empty_erases: bool = False
    removal_guard_percent: int = REMOVAL_GUARD_PERCENT
    on_repeated: RepeatHandling = RepeatHandling.SKIP
    on_renamed: RepeatHandling = RepeatHandling.SKIP
    on_revised: RepeatHandling = RepeatHandling.IMPORT
    on_hold: HoldHandling = HoldHandling.BLOCK
    window: Window = ALWAYS
    timezone: str = "UTC"
    settle_seconds: int = 0
    priority: int = 0
    time_limit_seconds: int | None = None
    #: How its feed says that it is read.
    reads: dict[str, Any] | None = None
    #: What has to come beside the file.
    awaits: tuple[str, ...] = ()
    #: An archive whose files say what they are; `entity` is what its own name says, if anything.
    opens: bool = False


class Router:
    """Finds the way of every file, and the order of entities among each other."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self.order = ImportOrder(rules)

    def route(self, tenant: Tenant, feeds: Sequence[Feed], folder: str, name: str) -> Route:
        """The route of the file `name` in `folder`, which is relative to the inbox."""
        first, _, rest = folder.partition("/")
        dry_run = first == VALIDATE
        place = rest if dry_run else folder
        catalogues = self._catalogues(tenant)
        found = by_folder(catalogues, place) if place else None
        if isinstance(found, Entity):
            return Route(entity=found, dry_run=dry_run, settle_seconds=tenant.settle_seconds)
        for said in dict.fromkeys((name, peeled(name))):
            for feed in feeds:
                if fnmatchcase(said.casefold(), feed.pattern.casefold()):
                    return self._by_feed(feed, tenant, dry_run)
        found = found or by_name(catalogues, name)
        opens = is_archive(name)
        if isinstance(found, Entity):
            return Route(entity=found, dry_run=dry_run, settle_seconds=tenant.settle_seconds, opens=opens)
        if opens and found.code == "unknown_entity":
            return Route(dry_run=dry_run, opens=True)
        return Route(unroutable=found, dry_run=dry_run)

    def route_member(self, tenant: Tenant, feeds: Sequence[Feed], folder: str, archive: str, name: str) -> Route:
        """The route of the file `name` in an archive that was opened: its own, else what the archive's name says."""
        own = self.route(tenant, feeds, folder, name)
        if own.entity is None:
            named = self.route(tenant, feeds, folder, archive)
            if named.entity is not None:
                return replace(named, opens=False)
        return self._closed(own, tenant, name)

    def route_only_member(self, tenant: Tenant, feeds: Sequence[Feed], folder: str, archive: str, name: str) -> Route:
        """The route of an archive that holds the file `name` alone: what its own name says, else the file's."""
        named = self.route(tenant, feeds, folder, archive)
        if named.entity is not None:
            return replace(named, opens=False)
        return self._closed(self.route(tenant, feeds, folder, name), tenant, name)

    def _closed(self, route: Route, tenant: Tenant, name: str) -> Route:
        """A route of what will not be opened any more: an archive in an archive has to be named for what it holds."""
        if route.opens and route.entity is None:
            found = by_name(self._catalogues(tenant), name)
            assert not isinstance(found, Entity)
            return replace(route, opens=False, unroutable=found)
        return replace(route, opens=False)

    def _by_feed(self, feed: Feed, tenant: Tenant, dry_run: bool) -> Route:
        try:
            entity = self.rules.entity(feed.catalogue, feed.entity)
        except KeyError:
            # Rules change under feeds; the file is not refused for that, but kept until somebody sees to the feed.
            gone = f"The feed '{feed.name}' takes it for {feed.catalogue}.{feed.entity}, which does not exist any more"
            return Route(unroutable=Unroutable("unknown_entity", gone), feed=feed.name, dry_run=dry_run)
        return Route(
            entity=entity,
            feed=feed.name,
            source=feed.source or "default",
            dry_run=dry_run,
            action=feed.action,
            duplicate_handling=feed.duplicate_handling,
            empty_erases=feed.empty_erases,
            removal_guard_percent=feed.removal_guard_percent,
            on_repeated=feed.on_repeated,
            on_renamed=feed.on_renamed,
            on_revised=feed.on_revised,
            on_hold=feed.on_hold,
            window=Window(feed.schedule, timedelta(seconds=feed.window_seconds), tuple(feed.blackout or ())),
            timezone=tenant.timezone,
            settle_seconds=feed.settle_seconds,
            priority=feed.priority,
            time_limit_seconds=feed.time_limit_seconds,
            reads=feed.reads,
            awaits=() if dry_run else _awaited(feed),
        )

    def apply(self, route: Route, job: Import, at: datetime) -> None:
        """Make a new import, or one that has not begun, follow a route from the moment `at` on."""
        job.feed, job.source, job.dry_run = route.feed, route.source, route.dry_run
        job.action, job.duplicate_handling = route.action, route.duplicate_handling
        job.empty_erases, job.removal_guard_percent = route.empty_erases, route.removal_guard_percent
        job.on_repeated, job.on_renamed, job.on_revised = route.on_repeated, route.on_renamed, route.on_revised
        job.on_hold, job.priority, job.time_limit_seconds = route.on_hold, route.priority, route.time_limit_seconds
        job.reads = route.reads
        job.awaits, job.starts_at = list(route.awaits), None
        # Somebody waits for the report of a dry run, and nothing is imported.
        job.settle_seconds = 0 if route.dry_run else route.settle_seconds
        start = at if route.dry_run else route.window.start(at, ZoneInfo(route.timezone))
        job.due_at = max(start, at + timedelta(seconds=job.settle_seconds))
        job.opens = route.opens
        if route.opens:
            # Opening it imports nothing; its files wait, if they have to.
            job.settle_seconds, job.due_at = 0, at
        if route.entity is not None:
            job.catalogue, job.entity = route.entity.catalogue, route.entity.name
            job.rank = self.order.rank(route.entity)
            job.ancestors = sorted(self.order.ancestors(route.entity))
            job.status, job.completed_at, job.reason, job.message = Status.QUEUED, None, None, None
            if route.opens:
                job.rank, job.ancestors = 0, []
        elif route.opens:
            job.catalogue = job.entity = None
            job.rank, job.ancestors = 0, []
            job.status, job.completed_at, job.reason, job.message = Status.QUEUED, None, None, None
        elif route.unroutable is not None:
            job.catalogue = job.entity = None
            job.status, job.completed_at = Status.FAILED, at
            job.reason, job.message = route.unroutable.code, route.unroutable.message

    def known_folder(self, tenant: Tenant, path: Sequence[str]) -> str:
        """The beginning of a path below the inbox that says something: `validate`, a type, both; else empty."""
        said = [VALIDATE] if path[:1] == [VALIDATE] else []
        entity = path[len(said) : len(said) + 1]
        if entity and by_folder(self._catalogues(tenant), entity[0]) is not None:
            said += entity
        return "/".join(said)

    def folders(self, tenant: Tenant) -> tuple[str, ...]:
        """The subfolders a tenant's inbox has: one for each entity, and all of them again under `validate`."""
        names = sorted({entity.name for entity in self.entities(tenant)})
        return (*names, VALIDATE, *(f"{VALIDATE}/{name}" for name in names))

    def entities(self, tenant: Tenant) -> list[Entity]:
        """Every entity that a tenant may send."""
        return [entity for catalogue in self._catalogues(tenant) for entity in catalogue]

    def _catalogues(self, tenant: Tenant) -> list[Catalogue]:
        return [self.rules.catalogues[name] for name in tenant.catalogues if name in self.rules.catalogues]


def companion_of(
    feeds: Sequence[Feed], name: str, size: int, marker_suffixes: Sequence[str]
) -> tuple[CompanionKind, str] | None:
    """What kind of companion of another file a file is, and what it calls that one; None for a file of its own."""
    controls = [feed.reads["control"] for feed in feeds if feed.reads and "control" in feed.reads]
    return companion.recognise(name, size, marker_suffixes, controls, [feed.pattern for feed in feeds])


def _awaited(feed: Feed) -> tuple[str, ...]:
    marker = [CompanionKind.MARKER.value] if feed.complete_on is CompleteOn.MARKER else []
    return (*marker, *companion.demanded(feed.reads or {}))
