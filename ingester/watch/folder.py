"""The folder watch: files that local processes, or other machines over a mount, put into tenants' physical inboxes.

Events are hints that shorten the wait; a regular look at every inbox is the truth. `inbox.py` knows what lies in one
and when it is complete, `taking.py` takes it; this is the thread between them, which takes a slice of each inbox in
turn, so that nobody's burst keeps others waiting, and what many inboxes have together.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from ingester.directory import DataDirectory
from ingester.domain.companion import CompanionKind
from ingester.domain.status import CompleteOn
from ingester.intake import Intake
from ingester.routing import Router, companion_of
from ingester.settings import FolderSettings
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Feed
from ingester.store.tenant import Tenants
from ingester.watch.event import Hints
from ingester.watch.inbox import TICK, Inbox, Rule, Waiting
from ingester.watch.lying import LYING_SECONDS, Lying
from ingester.watch.mount import is_on, network_mounts
from ingester.watch.taking import Candidate, Flight, Result, Taking
from ingester.watch.tree import Place

log = structlog.get_logger()

#: Files of one inbox, or of several, taken together; the intake commits as many at once.
_SLICE = 256
#: Larger files are copied by a thread of their own, one after the other, while the others go on.
_LARGE = 64 * 2**20
#: Where nothing is heard, new tenants are asked for once in so many polls.
_RELOAD_POLLS = 5
#: A whole look takes at most this share of the time, however large a folder and however busy.
_SCAN_SHARE = 0.1
#: A stand-by looks this often whether it is its turn.
_STAND_BY_SECONDS = 1.0


class FolderWatch:
    """Watches every tenant's inbox in a thread of its own. One process of a service has one."""

    def __init__(
        self,
        ledger: Ledger,
        intake: Intake,
        router: Router,
        directory: DataDirectory,
        settings: FolderSettings,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._tenants = Tenants(ledger)
        self._router = router
        self._directory = directory
        self._settings = settings
        #: Whether this is the one process that watches.
        self._leads = leads
        self._taking = Taking(ledger, intake, directory, settings.marker_suffixes)
        self._lying = Lying(ledger, settings)
        self._hints = Hints()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="folder-watch", daemon=True)
        self._large = ThreadPoolExecutor(1, thread_name_prefix="folder-watch-large")
        self._finished: queue.SimpleQueue[tuple[Inbox, list[Result]]] = queue.SimpleQueue()
        self._inboxes: dict[str, Inbox] = {}
        self._words: dict[str, object] = {}
        self._reload_at = -math.inf
        self._lying_at = time.monotonic() + LYING_SECONDS

    def start(self) -> None:
        """Begin to watch."""
        if self._settings.events:
            self._hints.start()
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether inboxes are looked at."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Stop watching; files being copied are landed first."""
        self._stopping.set()
        self._hints.something.set()
        self._thread.join()
        self._hints.stop()
        self._large.shutdown()

    def rescan(self) -> None:
        """Look at every inbox now and take what is complete."""
        self._reload(time.monotonic())
        for inbox in self._inboxes.values():
            inbox.scan_at = 0.0
        while self._step() <= time.monotonic():
            pass

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._leads():
                self._stand_by()
                continue
            try:
                due = self._step()
            except Exception as error:  # noqa: BLE001 -- see below
                # Whatever one look met, the next one is due: this thread serves every tenant.
                log.warning("folder_watch_waits", error=str(error))
                due = time.monotonic() + min(1.0, self._settings.rescan_seconds)
            wait = due - time.monotonic()
            if wait > 0 and self._hints.something.wait(wait):
                self._stopping.wait(TICK)  # what happens together is looked at together

    def _stand_by(self) -> None:
        """Wait for the lead. What is heard meanwhile is another's to see to: whoever takes over looks at everything."""
        self._hints.take()
        self._reload_at = -math.inf
        for inbox in self._inboxes.values():
            inbox.scan_at = 0.0
        self._stopping.wait(_STAND_BY_SECONDS)

    def _step(self) -> float:
        """Do what is due, at most a slice of each inbox; when (monotonic) something is due next."""
        at = time.monotonic()
        heard = self._hints.take()
        while not self._finished.empty():
            self._settle(*self._finished.get(), at)
        if at >= self._reload_at or "" in heard.folders:
            self._reload(at)
        for name in heard.files.keys() & self._inboxes.keys():
            for place, evidence in heard.files[name].items():
                self._inboxes[name].note(place, evidence, at)
        for name in self._inboxes if heard.lost else heard.folders & self._inboxes.keys():
            self._inboxes[name].look_soon(at)
        for inbox in self._inboxes.values():
            if inbox.scan_at <= at:
                self._look(inbox, at)
        self._take((inbox, inbox.ready(at, _SLICE)) for inbox in self._inboxes.values() if inbox.waiting)
        if at >= self._lying_at:
            self._lying_at = at + LYING_SECONDS
            self._lying.sweep(self._inboxes.values(), now())
        scan_at = min((inbox.scan_at for inbox in self._inboxes.values()), default=math.inf)
        due = min((inbox.next_due() for inbox in self._inboxes.values() if inbox.waiting), default=math.inf)
        return min(scan_at, due, self._reload_at)

    # --- which inboxes there are ---------------------------------------------------------------------------------

    def _reload(self, at: float) -> None:
        """Find out which tenants there are, and how their files are known to be complete."""
        mounts = network_mounts()
        found: dict[str, Inbox] = {}
        for name, own, by_feed in self._tenants.completions():
            default = own or self._settings.complete_on
            words, rule = self._rule(name, default) if by_feed else (default, self._plain_rule(default))
            inbox = self._inboxes.get(name)
            if inbox is None:
                inbox = Inbox(name, self._directory.tenant(name).inbox, self._settings, rule)
            elif words != self._words.get(name):
                inbox.obey(rule)
            self._words[name] = words
            inbox.remote = is_on(inbox.root, mounts)
            found[name] = inbox
        self._inboxes = found
        home = self._directory.root / "tenants"
        deaf = not self._settings.events or self._hints.listen("", home, "", home.stat().st_ino) is None
        often = self._settings.poll_seconds * _RELOAD_POLLS if deaf else self._settings.rescan_seconds
        self._reload_at = at + min(often, self._settings.rescan_seconds)

    def _rule(self, tenant: str, default: CompleteOn) -> tuple[object, Rule]:
        """The rule of a tenant whose feeds have words of their own, and what it was made of."""
        row, feeds = self._tenants.get(tenant), list(self._tenants.feeds(tenant))
        words = {feed.name: feed.complete_on for feed in feeds if feed.complete_on is not None}

        def rule(folder: str, name: str) -> CompleteOn:
            said = words.get(self._router.route(row, feeds, folder, name).feed or "", default)
            return self._unless_beside(feeds, name, said)

        return (default, [(feed.name, feed.pattern, feed.complete_on, feed.reads) for feed in feeds]), rule

    def _plain_rule(self, default: CompleteOn) -> Rule:
        return lambda _folder, name: self._unless_beside((), name, default)

    def _unless_beside(self, feeds: Sequence[Feed], name: str, said: CompleteOn) -> CompleteOn:
        """A checksum or a control file has no marker of its own."""
        if said is not CompleteOn.MARKER:
            return said
        found = companion_of(feeds, name, 0, self._settings.marker_suffixes)
        return said if found is None or found[0] is CompanionKind.MARKER else CompleteOn.STABLE

    def _look(self, inbox: Inbox, at: float) -> None:
        """Look at a whole inbox, and listen to its folders from before the look on."""
        try:
            if inbox.polled and inbox.is_quiet(at):
                inbox.scanned(at + self._settings.poll_seconds, at)
                return
            self._listen(inbox)
            inbox.scan(at)
            for place in inbox.aside:
                self._taking.mend(inbox.tenant, inbox.root, place)
            # What came into a folder before we listened to it was not heard.
            if self._listen(inbox) or inbox.aside:
                inbox.scan(at)
        except Exception as error:  # noqa: BLE001 -- one inbox's trouble is not the others'; it is looked at again
            log.warning("inbox_not_read", tenant=inbox.tenant, error=str(error))
        took = time.monotonic() - at
        often = self._settings.poll_seconds if inbox.polled else self._settings.rescan_seconds
        inbox.scanned(at + max(often, took / _SCAN_SHARE), at + took / _SCAN_SHARE)

    def _listen(self, inbox: Inbox) -> bool:
        """Ask for the events of an inbox and its folders; whether any of them was not listened to before."""
        if inbox.remote or not self._settings.events:
            return False
        folders = inbox.folders or {"": inbox.root.stat().st_ino}
        heard = [
            self._hints.listen(inbox.tenant, inbox.root / folder, folder, inode) for folder, inode in folders.items()
        ]
        inbox.polled = None in heard
        return True in heard

    # --- taking --------------------------------------------------------------------------------------------------

    def _take(self, ready: Iterable[tuple[Inbox, Sequence[tuple[Place, Waiting]]]]) -> None:
        """Take what is ready, of many inboxes together: what lands together is made durable together."""
        flights: list[tuple[Inbox, Flight]] = []
        number = 0
        for inbox, files in ready:
            for place, file in files:
                if file.facts[1] >= _LARGE:
                    file.busy = True
                    self._large.submit(self._take_large, inbox, self._candidate(inbox, place, file))
            small = [self._candidate(inbox, place, file) for place, file in files if file.facts[1] < _LARGE]
            if small:
                flights.append((inbox, self._submitted(inbox, small)))
                number += len(small)
            if number >= _SLICE:
                self._land(flights)
                flights, number = [], 0
        self._land(flights)

    def _land(self, flights: Sequence[tuple[Inbox, Flight]]) -> None:
        for inbox, flight in flights:
            self._settle(inbox, self._landed(flight), time.monotonic())

    def _take_large(self, inbox: Inbox, candidate: Candidate) -> None:
        self._finished.put((inbox, self._landed(self._submitted(inbox, [candidate]))))
        self._hints.something.set()

    def _candidate(self, inbox: Inbox, place: Place, file: Waiting) -> Candidate:
        by_marker = file.rule is CompleteOn.MARKER
        return Candidate(place, file.facts, file.uncertain, by_marker, by_marker and inbox.is_awaited(place))

    def _submitted(self, inbox: Inbox, candidates: Sequence[Candidate]) -> Flight:
        def scruple(place: Place, written: bool | None) -> float | None:
            return inbox.until(inbox.waiting[place], time.monotonic(), written=written)

        try:
            return self._taking.submit(inbox.tenant, inbox.root, candidates, scruple, local=not inbox.remote)
        except Exception as error:  # noqa: BLE001 -- one inbox's trouble is not the others'; it is tried again
            return Flight(inbox.root, set(), [], [Result(each.place, error=error) for each in candidates])

    def _landed(self, flight: Flight) -> list[Result]:
        try:
            return self._taking.land(flight)
        except Exception as error:  # noqa: BLE001 -- as above
            return [Result(each.place, error=error) for each in flight.candidates]

    def _settle(self, inbox: Inbox, results: Sequence[Result], at: float) -> None:
        """Remember what became of files."""
        for result in results:
            file = inbox.waiting.get(result.place)
            if file is None:
                continue
            file.busy = False
            if result.error is not None:
                inbox.failed(file, at)
                facts = {"tenant": inbox.tenant, "file": result.place[1], "error": str(result.error)}
                log.warning("folder_drop_not_landed", **facts)
            elif result.gone:
                inbox.taken(result.place)
            elif result.facts is not None:
                inbox.changed(result.place, result.facts, at)
            elif result.wait_until is not None:
                file.not_before = result.wait_until
            else:
                file.uncertain = False  # it waits for its marker, and has not landed before
