"""What the ledger knows of companions: those of an import, those that an inbox lists, those whose file never came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, update
from sqlmodel import col, select

from ingester.domain.companion import CompanionKind, fold
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Companion, Import
from ingester.store.pairing import arrive


def of_import(ledger: Ledger, import_id: str) -> list[Companion]:
    """The companions of an import that count, the newest of each kind."""
    statement = select(Companion).where(Companion.import_id == import_id).order_by(col(Companion.number))
    with ledger.reading() as session:
        newest = {each.kind: each for each in session.exec(statement)}
    return list(newest.values())


def shown(ledger: Ledger, tenant: str, folder: str, name: str | None = None) -> Sequence[Companion]:
    """Companions that a tenant's inbox folder may list, or only those called `name`."""
    statement = select(Companion).where(
        Companion.tenant == tenant, Companion.folder == folder, col(Companion.shown).is_(True)
    )
    if name is not None:
        statement = statement.where(Companion.name == name)
    with ledger.reading() as session:
        return session.exec(statement.order_by(col(Companion.number))).all()


def hide(ledger: Ledger, numbers: Sequence[int]) -> None:
    """Stop listing companions; one whose file has not come says nothing any more."""
    with ledger.writing() as session:
        these = col(Companion.number).in_(numbers)
        session.exec(delete(Companion).where(these, col(Companion.import_id).is_(None)))
        session.exec(update(Companion).where(these).values(shown=False))


def hide_old(ledger: Ledger, before: datetime) -> None:
    """Stop listing companions that landed before a moment."""
    with ledger.writing() as session:
        old = (col(Companion.shown).is_(True), col(Companion.landed_at) < before)
        session.exec(update(Companion).where(*old).values(shown=False))


def rename(
    ledger: Ledger,
    companion: Companion,
    recognised: tuple[CompanionKind, str],
    folder: str,
    name: str,
    at: datetime,
) -> Import | None:
    """Call a companion whose file has not come something else; the import that it is about now, if there is one."""
    with ledger.writing() as session:
        found = session.get(Companion, companion.number)
        if found is None or found.import_id is not None:
            return None
        found.folder, found.name = folder, name
        found.kind, found.of = recognised[0], fold(recognised[1])
        session.add(found)
        session.flush()
        return arrive(session, found, at)


def lonely(ledger: Ledger, before: datetime, most: int) -> Sequence[Companion]:
    """Companions that landed before a moment and whose file has not come, oldest first."""
    statement = select(Companion).where(col(Companion.import_id).is_(None), col(Companion.landed_at) < before)
    with ledger.reading() as session:
        return session.exec(statement.order_by(col(Companion.number)).limit(most)).all()
