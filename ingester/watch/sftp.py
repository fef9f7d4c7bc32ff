"""The owner of the SFTP server: accounts from the ledger, uploads to the intake, the ledger's view of the inbox.

Everything that touches the ledger runs in a thread; the event loop only waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta

import structlog

from ingester import consequence
from ingester.decision import Decisions
from ingester.directory import DataDirectory
from ingester.domain.companion import MARKER_SUFFIXES
from ingester.domain.errors import UsageError
from ingester.domain.status import Origin, Status
from ingester.intake import Arrival, Intake
from ingester.outbox import name as outbox_name
from ingester.outbox import status
from ingester.routing import Router, companion_of
from ingester.store import companion
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Companion, Drop, Import
from ingester.store.tenant import Tenants
from sftp_server import Account, Event, Folder, Landed, LandingRefused, Upload

log = structlog.get_logger()

_INBOX = "inbox"


class SftpOwner:
    """What the SFTP server asks, answered from the ledger."""

    def __init__(
        self,
        ledger: Ledger,
        intake: Intake,
        router: Router,
        directory: DataDirectory,
        grace: timedelta,
        marker_suffixes: Sequence[str] = MARKER_SUFFIXES,
    ) -> None:
        self._ledger = ledger
        self._tenants = Tenants(ledger)
        self._decisions = Decisions(ledger, directory)
        self._intake = intake
        self._router = router
        self._directory = directory
        #: How long an ended drop stays listed after the session that uploaded it is gone.
        self._grace = grace
        self._marker_suffixes = marker_suffixes
        self._sessions: set[str] = set()

    def sessions(self) -> int:
        """How many clients are logged in."""
        return len(self._sessions)

    async def account(self, name: str) -> Account | None:
        """Look a tenant up by its login name."""
        return await asyncio.to_thread(self._account, name)

    def _account(self, name: str) -> Account | None:
        tenant = self._tenants.find(name)
        if tenant is None:
            return None
        folders = self._directory.tenant(name)
        return Account(
            name=name,
            keys=tuple(key.public_key for key in self._tenants.keys(name)),
            folders={
                _INBOX: Folder(path=folders.inbox, upload=True, remove=True, subfolders=self._router.folders(tenant)),
                "outbox": Folder(path=folders.outbox, remove=True),
                "archive": Folder(path=folders.archive),
                "docs": Folder(path=folders.docs),
            },
        )

    async def land(self, upload: Upload) -> None:
        """Land an upload; returns when it is durable and recorded."""
        arrival = Arrival(
            tenant=upload.account,
            origin=Origin.SFTP,
            folder=_below_inbox(upload.folder),
            name=upload.name,
            path=upload.path,
            size=upload.size,
            sha256=upload.sha256,
            session=upload.session,
            address=upload.address,
        )
        try:
            await asyncio.wrap_future(self._intake.submit(arrival))
        except UsageError as error:
            raise LandingRefused(str(error)) from error

    async def landed(self, account: str, folder: str, name: str | None = None) -> Sequence[Landed]:
        """List the drops that the inbox still shows."""
        drops = await asyncio.to_thread(self._ledger.shown_drops, account, _below_inbox(folder), name)
        found = [
            Landed(
                name=drop.shown_name,
                size=drop.size,
                modified_at=drop.landed_at,
                path=self._directory.drop_file(drop.id, drop.location),
            )
            for drop, job in drops
            if self._is_shown(drop, job)
        ]
        if name is None or not found:
            found += await asyncio.to_thread(self._companions, account, folder, name)
        return found

    def _companions(self, account: str, folder: str, name: str | None) -> list[Landed]:
        """Companions that one of these sessions has brought: clients look whether what they sent is there."""
        return [
            Landed(
                name=each.name,
                size=each.size,
                modified_at=each.landed_at,
                # Nowhere: the ledger has the bytes, and nobody reads them back.
                path=self._directory.drops / each.id,
            )
            for each in self._shown_companions(account, folder, name)
        ]

    def _shown_companions(self, account: str, folder: str, name: str | None) -> list[Companion]:
        since = now() - self._grace
        found = companion.shown(self._ledger, account, _below_inbox(folder), name)
        newest = {each.name: each for each in found if each.session in self._sessions and each.landed_at > since}
        return list(newest.values())

    def _is_shown(self, drop: Drop, job: Import) -> bool:
        """Until the import has ended and the session that brought the file has closed, or the grace has passed."""
        if not job.status.ended or job.completed_at is None:
            return True
        return drop.session in self._sessions and job.completed_at > now() - self._grace

    async def remove(self, account: str, folder: str, name: str) -> bool:
        """Take a drop from the inbox: cancels an import that has not begun, else only hides the file."""
        return await asyncio.to_thread(self._remove, account, folder, name)

    def _remove(self, account: str, folder: str, name: str) -> bool:
        found = self._shown(account, folder, name)
        beside = [each.number for each in self._shown_companions(account, folder, name) if each.number is not None]
        if beside:
            companion.hide(self._ledger, beside)
        for drop, job in found:
            self._decisions.reject_members(job)
            if _unclaimed(job) or job.status is Status.NEEDS_ATTENTION:
                with contextlib.suppress(UsageError):  # claimed a moment ago: then only the listing changes
                    self._decisions.cancel(job, drop)
            self._ledger.hide(drop.id)
        return bool(found or beside)

    async def rename(self, account: str, folder: str, name: str, new_folder: str, new_name: str) -> bool:
        """Rename a drop: one that nobody has claimed becomes what its new name says, else only the listing changes."""
        return await asyncio.to_thread(self._rename, account, folder, name, new_folder, new_name)

    def _rename(self, account: str, folder: str, name: str, new_folder: str, new_name: str) -> bool:
        found = self._shown(account, folder, name)
        if not found:
            return self._rename_companion(account, folder, name, new_folder, new_name)
        for other, _ in self._shown(account, new_folder, new_name):
            self._ledger.hide(other.id)
        place = _below_inbox(new_folder)
        for drop, _ in found[:-1]:
            self._ledger.hide(drop.id)
        drop, job = found[-1]
        if _unclaimed(job) or (job.status is Status.FAILED and job.entity is None):
            tenant, was = self._tenants.get(account), job.status
            outbox = self._directory.tenant(account).outbox
            earlier = outbox / outbox_name.status(drop.name, job.short_id)
            route = self._router.route(tenant, list(self._tenants.feeds(account)), place, new_name)
            self._router.apply(route, job, now())
            drop.folder = drop.shown_folder = place
            drop.name = drop.shown_name = new_name
            if self._ledger.reroute(job, drop, was, consequence.follow):
                earlier.unlink(missing_ok=True)
                # A worker may have been faster; its status stays.
                status.put(outbox, status.document(job, drop), self._directory.work, replace=False)
                self._intake.nudge()
                return True
        self._ledger.show_as(drop.id, place, new_name)
        return True

    def _rename_companion(self, account: str, folder: str, name: str, new_folder: str, new_name: str) -> bool:
        """A companion whose file has not come may be that of another; any other keeps what it is about."""
        found = self._shown_companions(account, folder, name)
        recognised = companion_of(list(self._tenants.feeds(account)), new_name, 0, self._marker_suffixes)
        if not found or recognised is None:
            return False
        job = companion.rename(self._ledger, found[-1], recognised, _below_inbox(new_folder), new_name, now())
        if job is not None:
            self._intake.nudge()
        return True

    def _shown(self, account: str, folder: str, name: str) -> list[tuple[Drop, Import]]:
        drops = self._ledger.shown_drops(account, _below_inbox(folder), name)
        return [(drop, job) for drop, job in drops if self._is_shown(drop, job)]

    async def session_opened(self, session: str, account: str) -> None:
        """Remember a session for as long as it lasts."""
        del account
        self._sessions.add(session)

    async def session_closed(self, session: str) -> None:
        """Forget a session; what it brought leaves the inbox as its imports end."""
        self._sessions.discard(session)


def record_event(event: Event) -> None:
    """Write one line of the audit log."""
    facts = event.facts()
    if "account" in facts:
        facts["tenant"] = facts.pop("account")
    log.info(f"sftp_{event.name}", **facts)


def _unclaimed(job: Import) -> bool:
    """No worker has ever had it: what was begun once may be applied."""
    return job.status is Status.QUEUED and not job.attempts


def _below_inbox(folder: str) -> str:
    return folder.removeprefix(_INBOX).removeprefix("/")
