"""What lies in inboxes for too long: unfinished names, done-markers without their files, files that cannot be taken.

After a day somebody is alerted; unfinished names and lone markers go after a week. Uploads over SFTP under unfinished
names lie in the same folders. How long a file has lain is told by its time of change, which its writer cannot set.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlmodel import col, select

from ingester.alert import raise_alert, resolve
from ingester.domain.alert import AlertKind
from ingester.domain.name import is_unfinished
from ingester.settings import FolderSettings
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Alert
from ingester.store.retention import held, record
from ingester.watch import tree
from ingester.watch.inbox import Inbox
from ingester.watch.tree import Facts, Place

log = structlog.get_logger()

#: How often somebody looks.
LYING_SECONDS = 600.0
_ALERT = timedelta(days=1)
_REMOVE = timedelta(days=7)
#: Nothing goes that was not there in so many looks of this process: a clock that jumps must not make files old.
_LOOKS = 6
#: Of one inbox in one look; the others come in the next.
_MOST = 1000
_KINDS = (AlertKind.STALE_UPLOAD, AlertKind.ORPHAN_MARKER)


@dataclass(frozen=True, slots=True)
class _Old:
    """A file that lies there for too long."""

    place: Place
    facts: Facts
    kind: AlertKind
    message: str
    #: Whether it goes after a week.
    goes: bool

    @property
    def subject(self) -> str:
        """What tells it from every other file, for ever."""
        _, size, modified, _ = self.facts
        return f"{_readable(tree.joined(*self.place))}:{size}:{modified}"


class Lying:
    """Looks for such files when it is told to."""

    def __init__(self, ledger: Ledger, settings: FolderSettings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._looks: Counter[tuple[str, Place, Facts]] = Counter()

    def sweep(self, inboxes: Iterable[Inbox], at: datetime) -> None:
        """Alert of what lies there for a day, remove what does for a week, and resolve the alerts of what is gone."""
        open_alerts: dict[str, set[tuple[AlertKind, str]]] = {}
        with self._ledger.reading() as session:
            is_ours = (col(Alert.kind).in_(_KINDS), col(Alert.resolved_at).is_(None))
            for tenant, kind, subject in session.exec(select(Alert.tenant, Alert.kind, Alert.subject).where(*is_ours)):
                open_alerts.setdefault(tenant, set()).add((AlertKind(kind), subject))
        looks: Counter[tuple[str, Place, Facts]] = Counter()
        for inbox in inboxes:
            try:
                old = self._old(inbox, at)
            except OSError as error:
                log.warning("inbox_not_read", tenant=inbox.tenant, error=str(error))
                continue
            for each in old:
                key = (inbox.tenant, each.place, each.facts)
                looks[key] = self._looks[key] + 1
            gone = [each for each in old if self._may_go(inbox, each, at, looks) and self._remove(inbox, each, at)]
            lying = {(each.kind, each.subject): each for each in old if each not in gone}
            before = open_alerts.get(inbox.tenant, set())
            if lying.keys() != before:
                self._tell(inbox.tenant, lying, before, at)
        self._looks = looks

    def _old(self, inbox: Inbox, at: datetime) -> list[_Old]:
        found: list[_Old] = []
        for folder, entry in tree.entries(inbox.root):
            if len(found) >= _MOST:
                break
            if not entry.is_file(follow_symlinks=False) or entry.name.startswith(".nfs"):
                continue  # what NFS calls so is a file that somebody still has open
            try:
                facts = tree.facts(entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue
            age = at - datetime.fromtimestamp(facts[3] / 1e9, UTC)
            place = (folder, entry.name)
            if (of := inbox.marked_by(place)) is not None:
                if age >= timedelta(seconds=self._settings.marker_seconds) and not _is_there(inbox, of):
                    message = f"The done-marker {_readable(entry.name)} lies in the inbox without its file"
                    found.append(_Old(place, facts, AlertKind.ORPHAN_MARKER, message, goes=True))
            elif age >= _ALERT:
                found.append(_stale(inbox, place, facts))
        return found

    def _may_go(self, inbox: Inbox, each: _Old, at: datetime, looks: Counter[tuple[str, Place, Facts]]) -> bool:
        age = at - datetime.fromtimestamp(each.facts[3] / 1e9, UTC)
        return each.goes and age >= _REMOVE and looks[(inbox.tenant, each.place, each.facts)] >= _LOOKS

    def _remove(self, inbox: Inbox, each: _Old, at: datetime) -> bool:
        folder, name = each.place
        what = _readable(tree.joined(folder, name))
        try:
            with self._ledger.writing() as session, tree.opened(inbox.root, folder) as here:
                if "" in held(session, inbox.tenant) or tree.look(here, name) != each.facts:
                    return False
                size, policy = each.facts[1], "left for a week"
                record(session, tenant=inbox.tenant, place="inbox", what=what, policy=policy, at=at, size=size)
                os.unlink(name, dir_fd=here)
        except OSError as error:
            log.warning("not_removed", tenant=inbox.tenant, file=name, error=str(error))
            return False
        log.info("inbox_file_removed", tenant=inbox.tenant, file=name, bytes=each.facts[1], reason=each.kind.value)
        return True

    def _tell(
        self,
        tenant: str,
        lying: dict[tuple[AlertKind, str], _Old],
        before: set[tuple[AlertKind, str]],
        at: datetime,
    ) -> None:
        with self._ledger.writing() as session:
            for (kind, subject), each in lying.items():
                if raise_alert(session, tenant=tenant, kind=kind, subject=subject, message=each.message, at=at):
                    log.warning("inbox_file_lies", tenant=tenant, file=each.place[1], kind=kind.value)
            for kind, subject in before - lying.keys():
                resolve(session, tenant=tenant, kind=kind, subject=subject, by="it is gone", at=at)


def _stale(inbox: Inbox, place: Place, facts: Facts) -> _Old:
    name = _readable(place[1])
    if is_unfinished(name):
        return _Old(place, facts, AlertKind.STALE_UPLOAD, f"{name} lies in the inbox unfinished", goes=True)
    why = "and waits for its done-marker" if inbox.is_awaited(place) else "and cannot be taken"
    return _Old(place, facts, AlertKind.STALE_UPLOAD, f"{name} lies in the inbox {why}", goes=False)


def _readable(name: str) -> str:
    """A name as a database can keep it: with something else for bytes that are no text."""
    return os.fsencode(name).decode(errors="replace")


def _is_there(inbox: Inbox, place: Place) -> bool:
    try:
        with tree.opened(inbox.root, place[0]) as folder:
            return tree.look(folder, place[1]) is not None
    except (FileNotFoundError, NotADirectoryError):
        return False
