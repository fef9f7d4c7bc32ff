"""One tenant's inbox folder as the watch knows it: what lies there, since when it is still, and what is complete.

Times are those of the monotonic clock: whatever a file's own times say, and however the clock of the machine is set, a
file is still for as long as we have seen it so.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from ingester.domain.name import is_unfinished
from ingester.domain.status import CompleteOn
from ingester.settings import FolderSettings
from ingester.watch import tree
from ingester.watch.event import Evidence
from ingester.watch.tree import Facts, Place

log = structlog.get_logger()

#: How a file is known to be complete, by its folder and name.
Rule = Callable[[str, str], CompleteOn]

#: A file is never taken sooner after it was seen: times of files are as coarse as the kernel's tick, and what is put in
#: its place within the same tick would look like it.
TICK = 0.02
#: Where somebody still has a file open for writing, it must be still for so many times as long.
_OPEN_FACTOR = 10
_LONGEST_DELAY = 300.0
#: Of one inbox; what lies there beyond it is seen when others are gone.
_MOST = 100_000
#: How long a folder must be unchanged before its own time is trusted to say that nothing happened in it.
_QUIET_SECONDS = 2.5


@dataclass(slots=True)
class Waiting:
    """A file that has not been taken yet."""

    facts: Facts
    #: Since when it has had these facts.
    since: float
    rule: CompleteOn
    evidence: Evidence = Evidence.TOUCHED
    #: Not to be taken before.
    not_before: float = 0.0
    failures: int = 0
    #: Whether it may have landed before: it was there when we came, or an attempt failed half-way.
    uncertain: bool = False
    #: Whether somebody is taking it now.
    busy: bool = False


class Inbox:
    """What lies in one inbox."""

    def __init__(self, tenant: str, root: Path, settings: FolderSettings, rule: Rule) -> None:
        self.tenant = tenant
        self.root = root
        self._settings = settings
        self._path = os.fspath(root)
        self._rule = rule
        #: Whether it lies on another machine.
        self.remote = False
        #: Whether nothing is heard of it, so that it must be looked at often.
        self.polled = True
        #: When it is to be looked at as a whole, and not before when.
        self.scan_at = self._scan_from = 0.0
        self.waiting: dict[Place, Waiting] = {}
        #: Files whose done-marker is there.
        self._marked: set[Place] = set()
        #: What a crash left of files that were being taken away: folders by their own places.
        self.aside: list[Place] = []
        #: Every folder of it, and their inodes.
        self.folders: dict[str, int] = {}
        self._scanned_at = -math.inf
        #: The inbox folder's inode and time of modification, and since when they are these.
        self._quiet: tuple[tuple[int, int], float] = ((0, 0), 0.0)

    def obey(self, rule: Rule) -> None:
        """Go by another rule from now on."""
        self._rule = rule
        for (folder, name), file in self.waiting.items():
            file.rule = rule(folder, name)

    # --- looking -------------------------------------------------------------------------------------------------

    def scan(self, at: float) -> None:
        """Look at everything."""
        first = self._scanned_at == -math.inf
        found: dict[Place, Waiting] = {}
        marked: set[Place] = set()
        self.aside, self.folders, overlooked = [], {}, 0
        try:
            self.folders[""] = self.root.stat().st_ino
        except FileNotFoundError:
            return
        for folder, entry in tree.entries(self.root):
            place = (folder, entry.name)
            if entry.is_dir(follow_symlinks=False):
                if entry.name.startswith(tree.ASIDE):
                    self.aside.append(place)
                elif not entry.name.startswith("."):
                    self.folders[tree.joined(folder, entry.name)] = entry.inode()
                continue
            if is_unfinished(entry.name) or not entry.is_file(follow_symlinks=False):
                continue
            of = self.marked_by(place)
            if of is not None:
                marked.add(of)
                continue
            if len(found) >= _MOST:
                overlooked += 1
                continue
            try:
                facts = tree.facts(entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue
            found[place] = self._seen(place, facts, at, uncertain=first)
        if overlooked:
            log.warning("inbox_overfull", tenant=self.tenant, files=len(found), overlooked=overlooked)
        # Those being taken at this moment may be out of sight.
        busy = {place: file for place, file in self.waiting.items() if file.busy}
        self.waiting, self._marked = busy | found, marked
        self._scanned_at = at

    def scanned(self, again: float, soonest: float) -> None:
        """Say when it is to be looked at again, and when at the soonest if something is heard meanwhile."""
        self.scan_at, self._scan_from = again, soonest

    def look_soon(self, at: float) -> None:
        """Something was heard that only a look at everything can tell."""
        self.scan_at = min(self.scan_at, max(at, self._scan_from))

    def note(self, place: Place, evidence: Evidence, at: float) -> None:
        """Look at one file that something was heard of."""
        of = self.marked_by(place)
        if of is not None:
            self._marked.add(of)
            return
        try:
            with tree.opened(self.root, place[0]) as folder:
                facts = tree.look(folder, place[1])
        except OSError:
            facts = None
        if facts is None:
            if not (place in self.waiting and self.waiting[place].busy):
                self.waiting.pop(place, None)
            return
        if place not in self.waiting and len(self.waiting) >= _MOST:
            return
        file = self.waiting[place] = self._seen(place, facts, at)
        if evidence >= file.evidence:
            file.evidence, file.not_before = evidence, 0.0

    def _seen(self, place: Place, facts: Facts, at: float, *, uncertain: bool = False) -> Waiting:
        before = self.waiting.get(place)
        if before is not None and (before.facts == facts or before.busy):
            return before
        return Waiting(facts, at, self._rule(*place), uncertain=uncertain)

    def is_awaited(self, place: Place) -> bool:
        """Whether a file waits for a done-marker that is not there."""
        return self._rule(*place) is CompleteOn.MARKER and place not in self._marked

    def marked_by(self, place: Place) -> Place | None:
        """The file that a file of this name is the done-marker of, if that is what it is."""
        folder, name = place
        for suffix in self._settings.marker_suffixes:
            of = name.removesuffix(suffix)
            if of and of != name and self._rule(folder, of) is CompleteOn.MARKER:
                return (folder, of)
        return None

    def is_quiet(self, at: float) -> bool:
        """Whether there was nothing here, and the folder's own time says that nothing happened in it since."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 -- of a thousand inboxes, every other second
        except FileNotFoundError:
            return True
        key = (found.st_ino, found.st_mtime_ns)
        if key != self._quiet[0]:
            self._quiet = (key, at)
            return False
        empty = not (self.waiting or self._marked or self.aside) and len(self.folders) == 1
        return (
            empty
            and self._scanned_at - self._quiet[1] > _QUIET_SECONDS
            and at - self._scanned_at < self._settings.rescan_seconds
        )

    # --- deciding ------------------------------------------------------------------------------------------------

    def ready(self, at: float, most: int) -> list[tuple[Place, Waiting]]:
        """The first files that may be taken now."""
        found = []
        for place, file in self.waiting.items():
            if not file.busy and self._due(place, file) <= at:
                found.append((place, file))
                if len(found) == most:
                    break
        return found

    def next_due(self) -> float:
        """When the next file may be taken."""
        return min((self._due(place, file) for place, file in self.waiting.items() if not file.busy), default=math.inf)

    def _due(self, place: Place, file: Waiting) -> float:
        """When a file may be taken if it stays as it is."""
        settled = max(self._settings.settle_seconds, TICK)
        match file.rule:
            case CompleteOn.MARKER:
                # Without its marker only what has landed before is taken: away.
                wait = settled if place in self._marked else TICK if file.uncertain else math.inf
            case CompleteOn.CLOSE:
                wait = TICK if file.evidence >= Evidence.CLOSED else settled
            case CompleteOn.RENAME:
                wait = TICK if file.evidence is Evidence.MOVED else self._unheard()
            case CompleteOn.STABLE:
                wait = settled
        return max(file.since + wait, file.not_before)

    def _unheard(self) -> float:
        """How long a file must be still of which nothing was heard, since an event may have been lost."""
        settled = max(self._settings.settle_seconds, TICK)
        return settled if self.polled else max(settled, self._settings.rescan_seconds)

    def until(self, file: Waiting, at: float, *, written: bool | None) -> float | None:
        """Until when a file that is due should wait all the same; None if nothing speaks against taking it.

        `written`: whether somebody has it open for writing; None if that cannot be told.
        """
        later = at
        if file.rule is CompleteOn.STABLE and written:
            later = file.since + self._settings.settle_seconds * _OPEN_FACTOR
        elif file.rule is CompleteOn.CLOSE and written:
            later = at + max(self._settings.settle_seconds, TICK)
        elif file.rule is CompleteOn.CLOSE and written is None and file.evidence < Evidence.CLOSED:
            later = file.since + self._unheard()
        return later if later > at else None

    # --- what became of it ---------------------------------------------------------------------------------------

    def taken(self, place: Place) -> None:
        """A file is gone, whether we took it or somebody else did."""
        self.waiting.pop(place, None)
        self._marked.discard(place)

    def changed(self, place: Place, facts: Facts, at: float) -> None:
        """A file was not as it had been seen: it must be still anew."""
        if place in self.waiting:
            self.waiting[place] = Waiting(facts, at, self._rule(*place))

    def failed(self, file: Waiting, at: float) -> None:
        """A file could not be taken; it is tried less and less often."""
        file.busy, file.uncertain = False, True
        file.not_before = at + max(min(2.0**file.failures - 1, _LONGEST_DELAY), TICK)
        file.failures += 1
