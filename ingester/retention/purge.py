"""The purge of a tenant: everything of it is removed for good. It can be interrupted anywhere and begun again.

From its first step on the tenant can neither log in nor send anything; its row in the ledger goes last, so that an
interrupted purge is known until it is done.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import update
from sqlmodel import Session, col, select

from ingester import fault, turn
from ingester.directory import DataDirectory
from ingester.domain import notice
from ingester.domain.errors import UsageError
from ingester.domain.status import Status
from ingester.store.database import now
from ingester.store.datastore import DataStore
from ingester.store.deletion import count, delete_drops, delete_imports, delete_rows, delete_tenant, stored_rows
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Drop, Import, Tenant
from ingester.store.retention import held, record

log = structlog.get_logger()

_FILES = 200
_IMPORTS = 100
_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Inventory:
    """What there is of a tenant."""

    #: In its own folders and in the spool.
    files: int
    size: int
    drops: int
    imports: int
    #: By table of the data database.
    rows: Mapping[str, int]


class Purge:
    """Removes one tenant for good. UsageError if there is none of that name."""

    def __init__(self, ledger: Ledger, store: Callable[[], DataStore], directory: DataDirectory, tenant: str) -> None:
        self._ledger = ledger
        self._store = store
        self._directory = directory
        self._tenant = tenant

    @staticmethod
    def unfinished(ledger: Ledger) -> list[str]:
        """Tenants whose purge was begun."""
        with ledger.reading() as session:
            return list(session.exec(select(Tenant.name).where(col(Tenant.purging_at).is_not(None))))

    def inventory(self) -> Inventory:
        """What would be removed now."""
        with self._ledger.reading() as session:
            self._known(session)
            drops, imports = count(session, self._tenant)
            locations = session.exec(select(Drop.id, Drop.location).where(Drop.tenant == self._tenant)).all()
        roots = (self._directory.tenant(self._tenant).root, self._directory.pgp(self._tenant))
        paths = {Path(folder, name) for root in roots for folder, _, names in os.walk(root) for name in names}
        paths |= {path for path in (self._directory.drop_file(*each) for each in locations) if path.exists()}
        size = sum(path.lstat().st_size for path in paths)
        return Inventory(len(paths), size, drops, imports, stored_rows(self._store(), self._tenant))

    def steps(self, at: datetime | None = None) -> Iterator[str]:
        """Remove everything; after each step the name of what it was about. UsageError under legal hold."""
        at = at or now()
        self._begin(at, self.inventory())
        yield "begun"
        for _ in delete_rows(self._store(), self._tenant, _ROWS):
            yield "records"
        fault.point("purge.records")
        yield from self._spool()
        for root in (self._directory.pgp(self._tenant), self._directory.tenant(self._tenant).root):
            if root.is_symlink():
                root.unlink()
            elif root.is_dir():
                shutil.rmtree(root)
        yield "folders"
        fault.point("purge.folders")
        yield from self._ledger_rows()
        fault.point("purge.ledger")
        self._end(at)
        log.info("tenant_purged", tenant=self._tenant)
        yield "tenant"

    def _begin(self, at: datetime, found: Inventory) -> None:
        with self._ledger.writing() as session:
            tenant = self._known(session)
            if kept := held(session, self._tenant):
                what = "" if "" in kept else f"import {min(kept)} of "
                raise UsageError(
                    f"{what}tenant '{self._tenant}' is under legal hold",
                    fix=f"See `ingester retention show {self._tenant}`.",
                )
            busy = session.exec(
                select(Import.short_id).where(Import.tenant == self._tenant, turn.IS_RUNNING).limit(1)
            ).first()
            if busy is not None:
                raise UsageError(f"import {busy} of tenant '{self._tenant}' is running", fix="Wait until it has ended.")
            waiting = [status for status in Status if not status.ended]
            ended = {"status": Status.CANCELED, "reason": "canceled", "message": notice.message("canceled")}
            session.exec(
                update(Import)
                .where(col(Import.tenant) == self._tenant, col(Import.status).in_(waiting))
                .values(**ended, completed_at=at)
            )
            if tenant.purging_at is None:
                record(
                    session,
                    tenant=self._tenant,
                    place="tenant",
                    what=f"purge of {found.imports} imports and {sum(found.rows.values())} stored rows begun",
                    policy="purge",
                    at=at,
                    files=found.files,
                    size=found.size,
                )
            tenant.removed_at, tenant.purging_at = tenant.removed_at or at, tenant.purging_at or at
            session.add(tenant)
        log.warning("tenant_purge_begun", tenant=self._tenant)

    def _spool(self) -> Iterator[str]:
        """Remove the tenant's drops and workspaces from the spool."""
        after = ""
        while True:
            with self._ledger.reading() as session:
                statement = select(Drop.id, Import.id).join(Import, col(Import.drop_id) == col(Drop.id), isouter=True)
                statement = statement.where(Drop.tenant == self._tenant, col(Drop.id) > after)
                some = session.exec(statement.order_by(col(Drop.id)).limit(_FILES)).all()
            if not some:
                return
            for drop_id, import_id in some:
                for place in (self._directory.drops, self._directory.quarantine):
                    (place / drop_id).unlink(missing_ok=True)
                for workspace in self._directory.work.glob(f"{import_id}.*") if import_id else ():
                    shutil.rmtree(workspace, ignore_errors=True)
            after = some[-1][0]
            yield "spool"

    def _ledger_rows(self) -> Iterator[str]:
        """Remove imports, then drops without any, a few at a time."""
        for of, delete in ((Import, delete_imports), (Drop, delete_drops)):
            while True:
                with self._ledger.writing() as session:
                    ids = session.exec(select(of.id).where(of.tenant == self._tenant).limit(_IMPORTS)).all()
                    if not ids:
                        break
                    delete(session, ids)
                yield "ledger"

    def _end(self, at: datetime) -> None:
        with self._ledger.writing() as session:
            delete_tenant(session, self._tenant)
            record(session, tenant=self._tenant, place="tenant", what="purged", policy="purge", files=0, at=at)

    def _known(self, session: Session) -> Tenant:
        """The tenant, be it removed."""
        tenant = session.get(Tenant, self._tenant)
        if tenant is None:
            raise UsageError(f"there is no tenant '{self._tenant}'", fix="See `ingester tenant list`.")
        return tenant
