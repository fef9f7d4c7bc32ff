"""Gives every S3 inbox its turns: bringing what is new, and answering for what was brought.

`tick` is called every second and never waits; turns run in threads that end with them. A service without S3 inboxes has
none of these threads, and boto3 is not loaded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

import structlog

from ingester.directory import DataDirectory
from ingester.domain.errors import IngesterError
from ingester.intake import Intake
from ingester.routing import Router
from ingester.settings import S3Settings
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import S3Inbox
from ingester.store.s3_inbox import S3Inboxes
from ingester.store.s3_object import S3Objects
from ingester.watch.s3.client import Access, Clients

if TYPE_CHECKING:
    from ingester.watch.s3.bring import Bringer
    from ingester.watch.s3.event import Listener

log = structlog.get_logger()

_PAGE_KEYS = 1000
#: A turn ends after so many seconds, so that other inboxes have theirs.
_TURN_SECONDS = 10.0
#: Of its time an inbox spends at most a tenth on listing, and the ledger on being asked.
_REST = 9.0
_FIRST_WAIT = 2.0
_LONGEST_WAIT = 300.0
#: How long the end of the service waits for what is being fetched; what is not landed by then is fetched again.
_STOP_SECONDS = 10.0
_LISTENERS_STOP_SECONDS = 1.0


class Work(StrEnum):
    """What a turn is for; an inbox may have one of each at a time."""

    BRING = "bring"
    ANSWER = "answer"


@dataclass(slots=True)
class _Turn:
    """When (monotonic) an inbox is next, and how it fared."""

    due: float = 0.0
    running: bool = False
    failures: int = 0
    #: Seconds that the pass under way has spent on listing.
    listing: float = 0.0


@dataclass(slots=True)
class _Inboxes:
    """What there is to watch, as the ledger was last asked."""

    all: dict[int, S3Inbox] = field(default_factory=dict)
    due: float = 0.0
    answers_due: float = 0.0


class S3Watch:
    """Watches the buckets of all tenants. One process of a service has one."""

    def __init__(
        self,
        ledger: Ledger,
        intake: Intake,
        router: Router,
        directory: DataDirectory,
        settings: S3Settings,
        *,
        page_keys: int = _PAGE_KEYS,
        clients: Clients | None = None,
        event_wait_seconds: int = 20,
    ) -> None:
        self._ledger = ledger
        self._inboxes = S3Inboxes(ledger)
        self._objects = S3Objects(ledger)
        self._intake = intake
        self._router = router
        self._directory = directory
        self._settings = settings
        self._page_keys = page_keys
        self._event_wait_seconds = event_wait_seconds
        self._clients = clients or Clients()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._known = _Inboxes()
        self._turns: dict[tuple[int, Work], _Turn] = {}
        self._threads: set[threading.Thread] = set()
        self._listeners: dict[tuple[Access, str], Listener] = {}
        self._made_bringer: Bringer | None = None

    def tick(self) -> None:
        """Begin the turns that are due. To be called every second, by one thread at a time."""
        if self._stopping.is_set():
            return
        at = time.monotonic()
        if at >= self._known.due:
            # What is known of one stays: nobody but us changes it.
            found = {inbox.id: inbox for inbox in self._inboxes.all() if inbox.id is not None}
            self._known.all = {number: self._known.all.get(number, inbox) for number, inbox in found.items()}
            self._known.due = at + self._settings.look_seconds
            self._listen()
        if not self._known.all:
            return
        wanted = [(number, Work.BRING) for number in self._known.all]
        if at >= self._known.answers_due:
            self._objects.reopen()
            settling, telling = self._objects.waiting()
            wanted += [(number, Work.ANSWER) for number in (settling | telling) & self._known.all.keys()]
            self._known.answers_due = at + _REST * (time.monotonic() - at)
        self._begin(wanted)

    def stop(self) -> None:
        """Begin nothing any more and wait a while for what is under way."""
        self._stopping.set()
        for listener in self._listeners.values():
            listener.stop()
        deadline = time.monotonic() + _STOP_SECONDS
        for thread in tuple(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        # One that waits for its queue ends with the process, and has nothing in its hands.
        deadline = time.monotonic() + _LISTENERS_STOP_SECONDS
        for listener in self._listeners.values():
            listener.join(max(0.0, deadline - time.monotonic()))

    def bring(self, inbox: S3Inbox) -> bool:
        """List a page after where the last one ended and land what is new on it; True if there are more."""
        from ingester.watch.s3 import listing

        client, turn = self._clients.s3(inbox), self._turn(inbox, Work.BRING)
        begun = time.monotonic()
        page = listing.page(client, inbox, inbox.position, self._page_keys)
        turn.listing += time.monotonic() - begun
        self._bringer.take(client, inbox, page.objects)
        if self._stopping.is_set():
            return False  # perhaps in the midst of the page
        if page.last != inbox.position:
            self._inboxes.keep_position(inbox, page.last)
        if page.last is None:
            self._objects.forget_gone(inbox)
        return page.last is not None

    def answer(self, inbox: S3Inbox) -> None:
        """Settle objects whose imports have ended, and write back what there is to tell."""
        from ingester.watch.s3.settle import settle
        from ingester.watch.s3.tell import tell

        client = self._clients.s3(inbox)
        try:
            tell(client, inbox, self._objects, self._directory, self._stopping)
        finally:
            settle(client, inbox, self._objects, self._stopping)

    def see(self, url: str, bucket: str, key: str) -> bool:
        """Look at one key, since a notification in a queue names it; False if it has to be looked at again."""
        from ingester.watch.s3 import listing
        from ingester.watch.s3.bring import Taken

        done = True
        for inbox in self._known.all.values():
            ours = inbox.sqs_queue_url == url and inbox.bucket == bucket and key.startswith(inbox.prefix)
            if ours and listing.is_file(inbox, key):
                client = self._clients.s3(inbox)
                found = listing.one(client, inbox, key)
                taken = self._bringer.take(client, inbox, [found] if found else [])
                done = done and Taken.LATER not in taken
        return done

    # --- turns ---------------------------------------------------------------------------------------------------

    def _turn(self, inbox: S3Inbox, work: Work) -> _Turn:
        assert inbox.id is not None
        return self._turns.setdefault((inbox.id, work), _Turn())

    def _begin(self, wanted: Sequence[tuple[int, Work]]) -> None:
        """Begin as many turns as there is room for, longest due first."""
        at = time.monotonic()
        with self._lock:
            for gone in [key for key, turn in self._turns.items() if key[0] not in self._known.all]:
                if not self._turns[gone].running:
                    del self._turns[gone]
            due = [(turn, key) for key in wanted if not (turn := self._turns.setdefault(key, _Turn())).running]
            for turn, (number, work) in sorted(due, key=lambda each: each[0].due):
                if turn.due > at or len(self._threads) >= self._settings.connections:
                    break
                turn.running = True
                run = partial(self._run, self._known.all[number], work, turn)
                thread = threading.Thread(target=run, name=f"s3-{work}", daemon=True)
                self._threads.add(thread)
                thread.start()

    def _run(self, inbox: S3Inbox, work: Work, turn: _Turn) -> None:
        do: Callable[[S3Inbox, _Turn], float] = self._bring_for_a_while if work is Work.BRING else self._answer_once
        try:
            wait = do(inbox, turn)
            turn.failures = 0
            if (inbox.trouble or "").startswith(work):
                self._inboxes.keep_trouble(inbox, None)
        except Exception as error:  # noqa: BLE001 -- see below
            # Whatever one inbox met, it is not the others'. It is tried again, less and less often.
            wait = min(_FIRST_WAIT * 2**turn.failures, _LONGEST_WAIT)
            turn.failures = min(turn.failures + 1, 16)
            self._tell_trouble(inbox, work, error, wait)
        with self._lock:
            turn.due = time.monotonic() + wait
            turn.running = False
            self._threads.discard(threading.current_thread())

    def _bring_for_a_while(self, inbox: S3Inbox, turn: _Turn) -> float:
        """Bring pages until there are none or the turn is over; seconds until the next turn."""
        ends = time.monotonic() + _TURN_SECONDS
        while self.bring(inbox):
            if time.monotonic() > ends or self._stopping.is_set():
                return 0.0
        spent, turn.listing = turn.listing, 0.0
        return max(inbox.poll_seconds, _REST * spent)

    def _answer_once(self, inbox: S3Inbox, _turn: _Turn) -> float:
        self.answer(inbox)
        return 0.0

    def _tell_trouble(self, inbox: S3Inbox, work: Work, error: Exception, wait: float) -> None:
        from ingester.watch.s3.trouble import words

        said = f"{work}: {words(error)}"
        self._clients.forget(inbox)
        log.warning(
            "s3_inbox_waits",
            tenant=inbox.tenant,
            inbox=inbox.name,
            bucket=inbox.bucket,
            error=said,
            again_after_seconds=wait,
        )
        try:
            self._inboxes.keep_trouble(inbox, said)
        except IngesterError as failure:
            log.warning("s3_trouble_not_kept", error=str(failure))

    @property
    def _bringer(self) -> Bringer:
        with self._lock:
            if self._made_bringer is None:
                from ingester.watch.s3.bring import Bringer

                self._made_bringer = Bringer(
                    self._ledger,
                    self._intake,
                    self._router,
                    self._directory,
                    self._stopping,
                    self._settings.max_object_bytes,
                )
            return self._made_bringer

    def _listen(self) -> None:
        """Listen to every queue that an inbox names, and to no other."""
        wanted = {
            (Access.of(inbox), inbox.sqs_queue_url): inbox for inbox in self._known.all.values() if inbox.sqs_queue_url
        }
        for key in self._listeners.keys() - wanted.keys():
            self._listeners.pop(key).stop()
        for key in wanted.keys() - self._listeners.keys():
            from ingester.watch.s3.event import Listener

            _, url = key
            connect = partial(self._clients.sqs, wanted[key])
            self._listeners[key] = Listener(connect, url, partial(self.see, url), self._event_wait_seconds)
            self._listeners[key].start()
