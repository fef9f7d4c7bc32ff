"""Landing objects: what of a page is new is noted, fetched one after the other and handed to the intake, in order."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

import structlog

from ingester import fault
from ingester.directory import DataDirectory
from ingester.domain.errors import IngesterError, PermanentError
from ingester.domain.status import AfterImport, Origin
from ingester.intake import Arrival, Intake
from ingester.routing import Router
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import S3Inbox, S3Object, Tenant
from ingester.store.s3_object import S3Objects, Standing
from ingester.store.tenant import Tenants
from ingester.watch.s3 import listing, settle, trouble
from ingester.watch.s3.fetch import NotThere, Stopped, fetch
from ingester.watch.s3.listing import Seen
from ingester.watch.s3.place import place

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = structlog.get_logger()

#: So many objects in a row that cannot be fetched mean that something is wrong with the bucket, not with them.
_FAILURES = 3


class Taken(Enum):
    """What became of an object that was looked at."""

    LANDED = "landed"
    #: It was landed before, or nothing is to be done with it.
    KNOWN = "known"
    #: It is gone, or another upload has its key.
    GONE = "gone"
    #: It is to be looked at again.
    LATER = "later"


class Bringer:
    """Lands objects; several threads may, but one upload is in the hands of one only."""

    def __init__(
        self,
        ledger: Ledger,
        intake: Intake,
        router: Router,
        directory: DataDirectory,
        stopping: threading.Event,
        max_bytes: int,
    ) -> None:
        self._tenants = Tenants(ledger)
        self._objects = S3Objects(ledger)
        self._intake = intake
        self._router = router
        self._directory = directory
        self._stopping = stopping
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._under_way: set[str] = set()

    def take(self, client: S3Client, inbox: S3Inbox, found: Iterable[Seen]) -> Sequence[Taken]:
        """Land what is new of `found`, oldest first; returns once all of it is durable and recorded.

        Raises what keeps several objects in a row from being fetched, after what could be was landed.
        """
        seen = {listing.ref(inbox, each): each for each in found if listing.is_file(inbox, each.key)}
        with self._hands_on(seen) as mine:
            standing = self._objects.standing(mine) if mine else {}
            taken = {ref: self._judge(standing.get(ref)) for ref in mine}
            self._adopt(inbox, standing)
            new = {ref: each for ref, each in mine.items() if taken[ref] is None}
            new = self._without_tagged(client, inbox, new, taken)
            if new:
                self._note(inbox, new, standing)
                fault.point("s3.noted")
                taken.update(self._land(client, inbox, new, standing))
        return [taken.get(ref) or Taken.LATER for ref in seen]

    @contextmanager
    def _hands_on(self, seen: Mapping[str, Seen]) -> Iterator[Mapping[str, Seen]]:
        """Those of the uploads that no other thread is busy with."""
        with self._lock:
            mine = {ref: each for ref, each in seen.items() if ref not in self._under_way}
            self._under_way.update(mine)
        try:
            yield mine
        finally:
            with self._lock:
                self._under_way.difference_update(mine)

    def _judge(self, standing: Standing | None) -> Taken | None:
        """None for an upload that is to be landed now."""
        if standing is None:
            return None
        return Taken.KNOWN if standing.known else Taken.LATER if standing.due_at > now() else None

    def _adopt(self, inbox: S3Inbox, standing: Mapping[str, Standing]) -> None:
        strays = [ref for ref, each in standing.items() if each.inbox_id != inbox.id]
        if strays:
            self._objects.adopt(inbox, strays)

    def _without_tagged(
        self, client: S3Client, inbox: S3Inbox, new: dict[str, Seen], taken: dict[str, Taken | None]
    ) -> dict[str, Seen]:
        """Leave out objects that only look new since some servers change their time when they are tagged."""
        if inbox.after is not AfterImport.TAG or not new:
            return new
        done = self._objects.tagged(inbox, {each.key for each in new.values()})
        ours = {
            ref: each
            for ref, each in new.items()
            if (each.key, each.etag) in done and settle.has_our_tag(client, inbox, each.key)
        }
        if ours:
            at = now()
            rows = [_row(inbox, ref, each) for ref, each in ours.items()]
            for row in rows:
                row.settled_at = row.reported_at = at
            self._objects.note(rows)
            taken.update(dict.fromkeys(ours, Taken.KNOWN))
        return {ref: each for ref, each in new.items() if ref not in ours}

    def _note(self, inbox: S3Inbox, new: Mapping[str, Seen], standing: Mapping[str, Standing]) -> None:
        rows = [_row(inbox, ref, each) for ref, each in new.items() if ref not in standing]
        if rows:
            self._objects.note(rows)

    def _land(
        self, client: S3Client, inbox: S3Inbox, new: Mapping[str, Seen], standing: Mapping[str, Standing]
    ) -> Mapping[str, Taken]:
        tenant = self._tenants.get(inbox.tenant)
        taken: dict[str, Taken] = {}
        landing: dict[str, Future[str]] = {}
        versions: dict[str, str] = {}
        failed: list[Exception] = []
        # The server's clock says what was put first, as far as a second tells.
        for ref, each in sorted(new.items(), key=lambda item: (item[1].last_modified, item[1].key)):
            try:
                landing[ref], version = self._fetch(client, inbox, tenant, ref, each)
                if version is not None:
                    versions[ref] = version
            except Stopped:
                break
            except NotThere as error:
                self._objects.forget(ref)
                taken[ref] = Taken.GONE
                log.info("s3_object_gone", tenant=inbox.tenant, inbox=inbox.name, key=each.key, why=str(error))
            except (*trouble.S3_ERRORS, IngesterError, OSError) as error:
                self._put_off(inbox, ref, each, error, standing)
                failed = [*failed, error] if not isinstance(error, PermanentError) else failed
                if len(failed) >= _FAILURES:
                    break
            else:
                failed = []
        if versions:
            self._objects.keep_versions(versions)
        for ref, answer in landing.items():
            refused = answer.exception()
            if refused is None:
                taken[ref] = Taken.LANDED
            else:
                self._put_off(inbox, ref, new[ref], refused, standing)
        fault.point("s3.landed")
        if len(failed) >= _FAILURES:
            raise failed[-1]
        return taken

    def _fetch(
        self, client: S3Client, inbox: S3Inbox, tenant: Tenant, ref: str, seen: Seen
    ) -> tuple[Future[str], str | None]:
        """Hand an object to the intake; what the future holds, and the object's version."""
        if seen.size > self._max_bytes:
            raise PermanentError(f"it has {seen.size} bytes, more than s3.max_object_bytes allows")
        if self._stopping.is_set():
            raise Stopped
        path = self._directory.incoming / secrets.token_hex(16)
        try:
            fetched = fetch(client, inbox.bucket, seen, path, self._stopping)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        fault.point("s3.fetched")
        folder, name = place(self._router, tenant, inbox, seen.key)
        answer = self._intake.submit(
            Arrival(
                tenant=inbox.tenant,
                origin=Origin.S3,
                folder=folder,
                name=name,
                path=path,
                size=fetched.size,
                sha256=fetched.sha256,
                origin_ref=ref,
                address=f"s3://{inbox.bucket}/{seen.key}",
            )
        )
        # Wherever the landing stopped, what it did not take is of no use.
        answer.add_done_callback(lambda _: path.unlink(missing_ok=True))
        return answer, fetched.version_id

    def _put_off(
        self, inbox: S3Inbox, ref: str, seen: Seen, error: BaseException, standing: Mapping[str, Standing]
    ) -> None:
        delay = self._objects.later(ref, standing[ref].tries if ref in standing else 0)
        log.warning(
            "s3_object_not_landed",
            tenant=inbox.tenant,
            inbox=inbox.name,
            key=seen.key,
            error=trouble.words(error),
            again_after_seconds=delay.total_seconds(),
        )


def _row(inbox: S3Inbox, ref: str, seen: Seen) -> S3Object:
    assert inbox.id is not None
    at = now()
    return S3Object(
        ref=ref,
        inbox_id=inbox.id,
        key=seen.key,
        etag=seen.etag,
        last_modified=seen.last_modified,
        size=seen.size,
        due_at=at,
        reported_at=None if inbox.outbox_prefix else at,
        created_at=at,
    )
