"""Companions whose file never came: somebody is alerted after an hour, and they go after a week."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import col, select

from ingester.alert import raise_alert, resolve
from ingester.domain.alert import AlertKind
from ingester.store import companion
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Alert, Companion
from ingester.store.retention import held, record

_ALERT = timedelta(hours=1)
_REMOVE = timedelta(days=7)
#: In one look; the others come in the next.
_MOST = 1000
_SUBJECT = "companion/"


def look(ledger: Ledger, at: datetime) -> None:
    """Alert of what has waited for its file for an hour, until it waits no more; remove what has for a week."""
    lonely = companion.lonely(ledger, at - _ALERT, _MOST)
    with ledger.reading() as session:
        is_open = (col(Alert.subject).startswith(_SUBJECT), col(Alert.resolved_at).is_(None))
        before = set(session.exec(select(Alert.tenant, Alert.subject).where(*is_open)))
    old = [each for each in lonely if each.landed_at < at - _REMOVE]
    waiting = {(each.tenant, f"{_SUBJECT}{each.id}"): each for each in lonely if each not in old}
    if len(lonely) == _MOST:
        # Of those beyond nothing is known now.
        before &= {(each.tenant, f"{_SUBJECT}{each.id}") for each in old}
    if not old and waiting.keys() == before:
        return
    with ledger.writing() as session:
        for tenant, subject in waiting.keys() - before:
            each = waiting[tenant, subject]
            message = f"{each.name} has come without the file that it is about"
            raise_alert(session, tenant=tenant, kind=AlertKind.ORPHAN_MARKER, subject=subject, message=message, at=at)
        for each in old:
            found = session.get(Companion, each.number)
            if found is None or found.import_id is not None or "" in held(session, each.tenant):
                continue
            policy = "left for a week"
            record(session, tenant=each.tenant, place="inbox", what=each.name, policy=policy, at=at, size=each.size)
            session.delete(found)
        for tenant, subject in before - waiting.keys():
            resolve(session, tenant=tenant, kind=AlertKind.ORPHAN_MARKER, subject=subject, by="it waits no more", at=at)
