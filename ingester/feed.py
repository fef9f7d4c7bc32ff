"""A tenant's feeds as an operator declares them: a single one, or a file that lists all of them.

Words are checked against the rules before anything reaches the ledger; what is in force is in `store/tenant.py`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ingester.domain import duration, window
from ingester.domain.errors import UsageError
from ingester.domain.name import refuse_odd_source
from ingester.domain.reads import Reads
from ingester.domain.status import (
    REMOVAL_GUARD_PERCENT,
    Action,
    CompleteOn,
    DuplicateHandling,
    HoldHandling,
    RepeatHandling,
)
from ingester.expectation.timetable import Timetable
from ingester.expectation.words import Expects
from ingester.ruleset.choice import choose, refuse_senseless
from ingester.ruleset.model import RuleSet
from ingester.store.database import now
from ingester.store.ledger_tables import Feed, Tenant

#: What a feed says; its tenant, and when it was made, are not its own words.
WORDS = (
    *("name", "catalogue", "entity", "pattern", "source", "action"),
    *("duplicate_handling", "empty_erases", "removal_guard_percent"),
    *("on_repeated", "on_renamed", "on_revised", "on_hold"),
    *("schedule", "window_seconds", "blackout", "settle_seconds", "priority", "time_limit_seconds"),
    *("expects", "reads", "complete_on"),
)
#: Those that may be changed one by one. Under another name it would be another feed.
_CHANGEABLE = (
    *(word for word in WORDS if word not in ("name", "expects", "reads")),
    *(f"expects.{word}" for word in Expects.model_fields),
    *(f"reads.{word}" for word in Reads.model_fields),
)


def _length(value: object) -> object:
    """A length of time in seconds, however it was written; what cannot be one is left for the type to refuse."""
    if not isinstance(value, str):
        return value
    try:
        return duration.seconds(value)
    except UsageError as error:
        raise ValueError(str(error)) from None


_Length = Annotated[int, BeforeValidator(_length), Field(ge=0, le=366 * 86_400)]


class Declared(BaseModel):
    """One feed in an operator's words, spelled as `ingester feed list --json` prints them."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(min_length=1)
    #: As `customer` or `field_service.customer`.
    entity: str
    catalogue: str | None = None
    pattern: str = Field(min_length=1)
    source: str | None = None
    action: Action = Action.MERGE
    duplicate_handling: DuplicateHandling = DuplicateHandling.IGNORE_ALL
    empty_erases: bool = False
    removal_guard_percent: int = Field(default=REMOVAL_GUARD_PERCENT, ge=0, le=100)
    on_repeated: RepeatHandling = RepeatHandling.SKIP
    on_renamed: RepeatHandling = RepeatHandling.SKIP
    on_revised: RepeatHandling = RepeatHandling.IMPORT
    on_hold: HoldHandling = HoldHandling.BLOCK
    schedule: str = window.IMMEDIATE
    window_seconds: _Length = 0
    blackout: tuple[str, ...] = ()
    settle_seconds: _Length = 0
    priority: int = Field(default=0, ge=-1000, le=1000)
    time_limit_seconds: Annotated[_Length, Field(ge=1)] | None = None
    #: Accepted so that a printed list can be applied again; whether a feed is paused is not its declaration's business.
    paused_at: datetime | None = None
    expects: Expects | None = None
    reads: Reads | None = None
    complete_on: CompleteOn | None = None
    #: Accepted so that a printed list can be applied again; the ledger knows better.
    created_at: datetime | None = None
    next_due_at: datetime | None = None
    alerts: list[Any] = []

    def feed(self, tenant: Tenant, rules: RuleSet) -> Feed:
        """The ledger's row; UsageError where the tenant has no such entity or its rows cannot be treated so."""
        catalogues = [rules.catalogues[name] for name in tenant.catalogues if name in rules.catalogues]
        entity = choose(catalogues, self.entity, self.catalogue)
        refuse_senseless(entity, self.action)
        if self.source is not None:
            refuse_odd_source(self.source)
        if "/" in self.pattern:
            raise UsageError(f"the pattern '{self.pattern}' has a /", fix="It is compared with the file's name alone.")
        window.check(self.schedule, self.blackout)
        if self.window_seconds and self.schedule == window.IMMEDIATE:
            raise UsageError("a window needs a schedule that opens it", fix="Give five cron fields, as `30 2 * * *`.")
        expects = None if self.expects is None else self.expects.said()
        if self.expects is not None and self.expects.timed and self._next_due(tenant) is None:
            raise UsageError("no drop would ever be due", fix="Look at `cron` and `days` of what it expects.")
        said = self.model_dump(include=set(WORDS)) | {
            "catalogue": entity.catalogue,
            "entity": entity.name,
            "blackout": list(self.blackout),
            "expects": expects,
            "reads": None if self.reads is None else self.reads.said() or None,
        }
        return Feed(tenant=tenant.name, created_at=now(), **said)

    def _next_due(self, tenant: Tenant) -> datetime | None:
        assert self.expects is not None
        return Timetable(self.expects, tenant.timezone).next(now())


@dataclass(frozen=True, slots=True)
class Change:
    """What applying a file does to one feed: `added`, `changed`, `moved` or `removed`."""

    feed: str
    kind: str
    #: Word → (before, after), of a changed feed.
    words: dict[str, tuple[Any, Any]] = field(default_factory=dict)


def declare(**words: Any) -> Declared:
    """One feed from words that were given one by one; UsageError names every wrong one."""
    try:
        return Declared(**words)
    except ValidationError as error:
        raise UsageError("; ".join(mistakes(error))) from None


def amended(feed: Feed, assignments: Iterable[str]) -> Declared:
    """A feed with some of its words changed, each as `word=value`; UsageError where one is none or says nothing known.

    An empty value takes a word back. What it expects is told by `expects.by` and the like, how its files are read by
    `reads.encoding` and the like, several days by commas.
    """
    said = feed.model_dump(mode="json", include=set(WORDS))
    # What was NULL before there was such a word says nothing.
    words = {word: value for word, value in said.items() if value is not None}
    parts = {"expects": dict(words.pop("expects", {})), "reads": dict(words.pop("reads", {}))}
    for each in assignments:
        word, equals, value = each.partition("=")
        of, _, part = word.rpartition(".")
        if not equals or word not in _CHANGEABLE:
            fix = f"Say WORD=VALUE for one of {', '.join(_CHANGEABLE)}."
            raise UsageError(f"'{each}' changes no word of a feed", fix=fix)
        place = parts[of] if of else words
        if not value:
            place.pop(part, None)
        else:
            place[part] = value.split(",") if part == "blackout" else value
        if word == "entity":
            words.pop("catalogue", None)  # one of that name may be another's
    return declare(**words, **{of: said or None for of, said in parts.items()})


def read(path: Path) -> tuple[str | None, list[Declared]]:
    """The tenant that a YAML or TOML file names, if any, and its feeds in order; UsageError names every mistake.

    The document is `{tenant: …, feeds: [{name: …, entity: …, pattern: …}, …]}`, or in YAML the list alone.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", fix="Check the path.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, yaml.YAMLError) as error:
        kind = "TOML" if path.suffix == ".toml" else "YAML"
        raise UsageError(f"{path} is not {kind}: {' '.join(str(error).split())}") from None
    document = {"feeds": content} if isinstance(content, list) else content
    if not isinstance(document, dict) or not isinstance(document.get("feeds"), list):
        raise UsageError(f"{path} has no list of feeds", fix="It begins with `feeds:`.")
    tenant: object = document.get("tenant")
    wrong = [f"unknown key '{key}'" for key in document if key not in ("tenant", "feeds")]
    feeds: list[Declared] = []
    for number, item in enumerate(document["feeds"], 1):
        place = f"feed {number}"
        if not isinstance(item, dict):
            wrong.append(f"{place}: not a mapping")
            continue
        try:
            feeds.append(Declared.model_validate(item))
        except ValidationError as error:
            wrong += [f"{place} ({item.get('name', '?')}) {mistake}" for mistake in mistakes(error)]
    names = [each.name for each in feeds]
    wrong += [f"two feeds are called '{name}'" for name in sorted(set(names)) if names.count(name) > 1]
    if tenant is not None and not isinstance(tenant, str):
        wrong.append("tenant: not a name")
    elif not wrong:
        return tenant, feeds
    raise UsageError(f"{path}: {'; '.join(wrong)}")


def resolved(declared: Iterable[Declared], tenant: Tenant, rules: RuleSet) -> list[Feed]:
    """The ledger's rows; UsageError names every feed that cannot be."""
    feeds, wrong = [], []
    for each in declared:
        try:
            feeds.append(each.feed(tenant, rules))
        except UsageError as error:
            wrong.append(f"feed '{each.name}': {error.message}")
    if wrong:
        raise UsageError("; ".join(wrong), fix="See `ingester rules list`.")
    return feeds


def changes(before: Sequence[Feed], after: Sequence[Feed]) -> list[Change]:
    """What becomes of each feed, removed ones last. The order counts: the first feed that matches a file wins."""
    old = {feed.name: feed for feed in before}
    staying = [feed.name for feed in after if feed.name in old]
    was = [feed.name for feed in before if feed.name in staying]
    found = []
    for feed in after:
        if feed.name not in old:
            found.append(Change(feed.name, "added"))
            continue
        pairs = {word: (getattr(old[feed.name], word), getattr(feed, word)) for word in WORDS}
        pairs["blackout"] = (old[feed.name].blackout or [], feed.blackout or [])
        if words := {word: pair for word, pair in pairs.items() if pair[0] != pair[1]}:
            found.append(Change(feed.name, "changed", words))
        elif staying.index(feed.name) != was.index(feed.name):
            found.append(Change(feed.name, "moved"))
    return [*found, *(Change(name, "removed") for name in old if name not in staying)]


def mistakes(error: ValidationError) -> list[str]:
    """What is wrong, a sentence for each word."""
    return [
        f"{'.'.join(str(part) for part in each['loc'])}: "
        + ("there is no such word" if each["type"] == "extra_forbidden" else each["msg"].removeprefix("Value error, "))
        for each in error.errors()
    ]
