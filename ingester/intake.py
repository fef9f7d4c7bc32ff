"""The one door: a complete file becomes a durable drop with a queued import.

Every origin hands its file to one landing thread, which commits together what arrives together:
fsync the files → rename them into place → fsync the folder → one ledger commit → answer OK. A crash before the
commit leaves a file that nobody was told about, and start-up removes it; after it, the file is ours.
"""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ingester import consequence, fault, turn
from ingester.directory import DataDirectory, sync_file, sync_folder
from ingester.domain.companion import MARKER_SUFFIXES, CompanionKind, fold, stem
from ingester.domain.errors import TransientError, UsageError
from ingester.domain.status import Origin, Status
from ingester.outbox import name as outbox_name
from ingester.outbox import status
from ingester.queue import Queue
from ingester.routing import Router, companion_of
from ingester.store.database import now
from ingester.store.ledger import Ledger, ShortIdTaken
from ingester.store.ledger_tables import Companion, Drop, Feed, Import, Tenant
from ingester.store.tenant import Tenants
from ingester.turn import Wait
from ingester.wake import Bell

log = structlog.get_logger()

#: Arrivals committed together at most; those that come meanwhile wait for the next commit.
_GROUP = 256
#: Files synced at once: a filesystem writes its journal once for all of them.
_SYNCING = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """A complete file, on the data directory's filesystem, that its origin will not touch again."""

    tenant: str
    origin: Origin
    #: Relative to the inbox; empty for the inbox itself.
    folder: str
    name: str
    path: Path
    size: int
    sha256: str
    origin_ref: str | None = None
    session: str | None = None
    address: str | None = None


@dataclass(slots=True)
class _Landing:
    arrival: Arrival
    answer: Future[str]
    submitted_at: float = field(default_factory=time.monotonic)
    drop: Drop | None = None
    job: Import | None = None
    #: Instead of both, of a file that only says something of another.
    companion: Companion | None = None


class Intake:
    """Lands files. One per process; `submit` may be called from any thread."""

    def __init__(
        self,
        ledger: Ledger,
        router: Router,
        directory: DataDirectory,
        on_landed: Callable[[Origin, float], None] = lambda _origin, _seconds: None,
        marker_suffixes: Sequence[str] = MARKER_SUFFIXES,
    ) -> None:
        self._ledger = ledger
        self._marker_suffixes = marker_suffixes
        self._tenants = Tenants(ledger)
        self._router = router
        self._directory = directory
        self._bell = Bell(directory, ledger)
        self._arrivals: queue.SimpleQueue[_Landing | None] = queue.SimpleQueue()
        #: Told of each file that landed, and how many seconds after it was handed over.
        self._on_landed = on_landed
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="landing", daemon=True)
        self._syncing = ThreadPoolExecutor(_SYNCING, thread_name_prefix="landing-sync")

    def start(self) -> None:
        """Begin to land."""
        self._thread.start()

    def stop(self) -> None:
        """Land what was submitted, then end."""
        self._arrivals.put(None)
        self._thread.join()
        self._syncing.shutdown()

    @property
    def is_alive(self) -> bool:
        """Whether files can land."""
        return self._thread.is_alive()

    def submit(self, arrival: Arrival) -> Future[str]:
        """Hand over a file. The future holds the drop's id once it is durable and recorded, or why it is not."""
        answer: Future[str] = Future()
        # From here on it cannot be canceled: the file lands, whether or not somebody still waits for the answer.
        answer.set_running_or_notify_cancel()
        self._arrivals.put(_Landing(arrival, answer))
        return answer

    def busy_seconds(self) -> float | None:
        """For how long the landing thread has been at one group of files, 0 if at none; None if it does not run."""
        since = self._busy_since
        if not self._thread.is_alive():
            return None
        return 0.0 if since is None else time.monotonic() - since

    def nudge(self) -> None:
        """Wake the workers for something that is queued by now."""
        self._bell.ring()

    def _run(self) -> None:
        while (first := self._arrivals.get()) is not None:
            self._busy_since = time.monotonic()
            group, more = [first], True
            while more and len(group) < _GROUP:
                try:
                    landing = self._arrivals.get_nowait()
                except queue.Empty:
                    break
                if landing is None:
                    # Come back for the end after this group.
                    self._arrivals.put(None)
                    more = False
                else:
                    group.append(landing)
            try:
                self._land(group)
            except Exception as error:
                # Nothing may end this thread: every later upload would wait for ever.
                log.exception("landing_failed", files=len(group))
                for landing in group:
                    if not landing.answer.done():
                        landing.answer.set_exception(error)
            self._busy_since = None

    def _land(self, group: Sequence[_Landing]) -> None:
        known = _Known(self._tenants, {landing.arrival.tenant for landing in group})
        ready = [landing for landing in group if self._attempt(landing, lambda each: self._decide(each, known))]
        companions = [landing for landing in ready if landing.companion is not None]
        ready = self._synced([landing for landing in ready if landing.companion is None])
        ready = [landing for landing in ready if self._attempt(landing, self._place)]
        try:
            for folder in {(self._directory.root / drop.location).parent for drop in _drops(ready)}:
                sync_folder(folder)
            fault.point("landing.folder_synced")
            landed_before = self._commit(ready, companions)
        except Exception as error:
            log.exception("landing_failed", files=len(ready) + len(companions))
            self._forget(ready)
            for landing in [*ready, *companions]:
                landing.answer.set_exception(TransientError("the file could not be recorded", cause=str(error)))
            return
        fault.point("landing.committed")
        # Before anything else that may fail.
        for drop, landing in zip(_drops(ready), ready, strict=True):
            landing.answer.set_result(landed_before.get(drop.id, drop.id))
        for landing in companions:
            self._attempt(landing, lambda each: self._tell_of_companion(each, landed_before))
        waits, new = self._waits([landing.job for landing in ready if landing.job is not None]), []
        for drop, landing in zip(_drops(ready), ready, strict=True):
            if drop.id in landed_before:
                self._attempt(landing, self._remove_copy)
                continue
            new.append(landing)
            self._on_landed(landing.arrival.origin, time.monotonic() - landing.submitted_at)
            self._attempt(landing, lambda each: self._tell(each, waits))
        self._forget_earlier_names(new)
        self.nudge()

    def _synced(self, ready: list[_Landing]) -> list[_Landing]:
        """Those whose bytes are durable now; the others are answered with what went wrong."""
        if len(ready) == 1:
            return [landing for landing in ready if self._attempt(landing, _sync)]
        done = self._syncing.map(lambda landing: self._attempt(landing, _sync), ready)
        return [landing for landing, synced in zip(ready, list(done), strict=True) if synced]

    def _forget(self, ready: Sequence[_Landing]) -> None:
        """Remove files whose commit failed, if the ledger can say for certain that it does not know them.

        If it cannot, they stay: should the commit have reached the disk after all, they are needed. Start-up decides.
        """
        files = {drop.id: self._directory.root / drop.location for drop in _drops(ready)}
        try:
            known = self._ledger.known_drops(files, after_all=True)
            for drop_id in files.keys() - known:
                files[drop_id].unlink(missing_ok=True)
        except Exception:
            log.exception("landing_not_cleaned_up")

    def _attempt(self, landing: _Landing, step: Callable[[_Landing], None]) -> bool:
        """Do one step for one file; its failure is not the others'."""
        try:
            step(landing)
        except Exception as error:
            log.exception("landing_failed", tenant=landing.arrival.tenant, file=landing.arrival.name)
            if not landing.answer.done():
                landing.answer.set_exception(error)
            return False
        return True

    def _decide(self, landing: _Landing, known: _Known) -> None:
        """Say what is to be done with a file, before anything moves."""
        arrival = landing.arrival
        tenant, feeds = known(arrival.tenant)
        recognised = companion_of(feeds, arrival.name, arrival.size, self._marker_suffixes)
        try:
            f"{arrival.folder}/{arrival.name}".encode()
        except UnicodeEncodeError:
            # No ledger could record it, and what arrives with it would fail as well.
            raise UsageError(f"the file name {arrival.name!a} is not UTF-8", fix="Rename the file.") from None
        if recognised is not None:
            landing.companion = _companion(arrival, *recognised)
            fault.point("landing.written")
            return
        route = self._router.route(tenant, feeds, arrival.folder, arrival.name)
        import_id, at = str(uuid.uuid4()), now()
        job = Import(
            id=import_id,
            short_id=import_id[:8],
            tenant=arrival.tenant,
            drop_id=str(uuid.uuid4()),
            due_at=at,
            created_at=at,
            # Their defaults are made anew for every row, at ten times the cost of the rest.
            ancestors=[],
            approved=[],
            awaits=[],
        )
        self._router.apply(route, job, at)
        landing.job = job
        fault.point("landing.written")

    def _place(self, landing: _Landing) -> None:
        """Give a durable file its place under its drop's id."""
        assert landing.job is not None
        fault.point("landing.fsynced")
        arrival, drop_id = landing.arrival, landing.job.drop_id
        home = self._directory.drops if not landing.job.status.ended else self._directory.quarantine
        arrival.path.rename(home / drop_id)
        fault.point("landing.renamed")
        landing.drop = Drop(
            id=drop_id,
            tenant=arrival.tenant,
            origin=arrival.origin,
            folder=arrival.folder,
            name=arrival.name,
            stem=fold(stem(arrival.name)),
            shown_folder=arrival.folder,
            shown_name=arrival.name,
            size=arrival.size,
            sha256=arrival.sha256,
            origin_ref=arrival.origin_ref,
            session=arrival.session,
            address=arrival.address,
            location=self._directory.relative(home / drop_id),
            landed_at=landing.job.created_at,
        )

    def _commit(self, ready: Sequence[_Landing], companions: Sequence[_Landing] = ()) -> dict[str, str]:
        """Record the group; a short id that the tenant has had before is drawn again.

        Returns, by the ids of those that were landed before by whoever else looks for files, the id that they have.
        """
        while True:
            try:
                return self._ledger.land(
                    [
                        (landing.drop, landing.job)
                        for landing in ready
                        if landing.drop is not None and landing.job is not None
                    ],
                    consequence.follow,
                    [landing.companion for landing in companions if landing.companion is not None],
                )
            except ShortIdTaken:
                for landing in ready:
                    assert landing.job is not None
                    landing.job.id = str(uuid.uuid4())
                    landing.job.short_id = landing.job.id[:8]

    def _tell_of_companion(self, landing: _Landing, landed_before: Mapping[str, str]) -> None:
        """Answer for a companion, and show what has become of the import that it is about."""
        assert landing.companion is not None
        companion = landing.companion
        landing.answer.set_result(landed_before.get(companion.id, companion.id))
        landing.arrival.path.unlink(missing_ok=True)
        facts = {"tenant": companion.tenant, "file": companion.name, "kind": companion.kind.value}
        log.info("companion_landed", **facts, origin=companion.origin.value, import_id=companion.import_id)
        if companion.import_id is not None:
            job, drop = self._ledger.import_(companion.import_id)
            if job.status is Status.QUEUED:
                Queue(self._ledger).tell(job, Status.QUEUED, lambda found: self._tell_again(found, drop))

    def _tell_again(self, job: Import, drop: Drop) -> None:
        """Show what an import waits for by now; nobody changes it meanwhile."""
        wait = self._waits([job]).get(job.id)
        found = None if wait is None else status.waiting(wait.reason, wait.expected)
        outbox = self._directory.tenant(job.tenant).outbox
        status.put(outbox, status.document(job, drop, found), self._directory.work)

    def _remove_copy(self, landing: _Landing) -> None:
        """Remove the bytes of a file that somebody else landed before."""
        assert landing.drop is not None
        (self._directory.root / landing.drop.location).unlink(missing_ok=True)

    def _forget_earlier_names(self, told: Sequence[_Landing]) -> None:
        """Remove what was told under the name of a file that its client has renamed right after our answer."""
        try:
            names = self._ledger.drop_names([drop.id for drop in _drops(told)])
            for landing in told:
                assert landing.drop is not None
                assert landing.job is not None
                drop = landing.drop
                if names.get(drop.id, drop.name) != drop.name:
                    earlier = outbox_name.status(drop.name, landing.job.short_id)
                    (self._directory.tenant(drop.tenant).outbox / earlier).unlink(missing_ok=True)
        except Exception:
            log.exception("earlier_names_not_forgotten")

    def _waits(self, landed: Sequence[Import]) -> Mapping[str, Wait]:
        """What keeps landed imports from starting for some time, by their ids."""
        try:
            with self._ledger.reading() as session:
                found = turn.waits(session, landed, now())
        except Exception:
            log.exception("waits_not_told")
            return {}
        return {import_id: wait for import_id, wait in found.items() if wait.lasting}

    def _tell(self, landing: _Landing, waits: Mapping[str, Wait]) -> None:
        """Show the first status. A worker may have been faster; its status stays."""
        assert landing.drop is not None
        assert landing.job is not None
        drop, job = landing.drop, landing.job
        outbox = self._directory.tenant(drop.tenant).outbox
        wait = waits.get(job.id)
        found = None if wait is None else status.waiting(wait.reason, wait.expected)
        status.put(outbox, status.document(job, drop, found), self._directory.work, replace=False)
        log.info(
            "drop_landed",
            tenant=drop.tenant,
            import_id=job.id,
            short_id=job.short_id,
            file=drop.name,
            bytes=drop.size,
            sha256=drop.sha256,
            origin=drop.origin.value,
            entity=job.entity,
            reason=job.reason,
        )


class _Known:
    """The tenants of one group and their feeds, asked for once."""

    def __init__(self, tenants: Tenants, names: Collection[str]) -> None:
        self._found = tenants.with_feeds(names)

    def __call__(self, name: str) -> tuple[Tenant, Sequence[Feed]]:
        found = self._found.get(name)
        if found is None:
            raise UsageError(f"there is no tenant '{name}'")
        return found


def _companion(arrival: Arrival, kind: CompanionKind, of: str) -> Companion:
    """The ledger's row: the commit makes its bytes durable."""
    return Companion(
        id=str(uuid.uuid4()),
        tenant=arrival.tenant,
        origin=arrival.origin,
        folder=arrival.folder,
        name=arrival.name,
        kind=kind,
        of=fold(of),
        size=arrival.size,
        sha256=arrival.sha256,
        content=arrival.path.read_bytes(),
        origin_ref=arrival.origin_ref,
        session=arrival.session,
        landed_at=now(),
    )


def _sync(landing: _Landing) -> None:
    sync_file(landing.arrival.path)


def _drops(landings: Sequence[_Landing]) -> list[Drop]:
    return [landing.drop for landing in landings if landing.drop is not None]
