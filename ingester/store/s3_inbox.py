"""S3 inboxes in the ledger: which buckets and prefixes bring a tenant's files. Touches no bucket."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from sqlalchemy import update
from sqlmodel import Session, col, func, select

from ingester.domain.errors import UsageError
from ingester.domain.status import AfterImport
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import S3Inbox, S3Object, Tenant
from ingester.store.tenant import known_tenant

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")
_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,255}|arn:[!-~]{1,500}")
#: Of a key, in bytes; a name must fit behind a prefix.
_LONGEST_PREFIX = 700


class S3Inboxes:
    """What the ledger knows of buckets to watch."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def add(self, inbox: S3Inbox) -> None:
        """Add an inbox; UsageError for one that makes no sense, or that would take what another one takes or writes."""
        _refuse_odd(inbox)
        with self._ledger.writing() as session:
            known_tenant(session, inbox.tenant)
            others = session.exec(select(S3Inbox)).all()
            if any(other.tenant == inbox.tenant and other.name == inbox.name for other in others):
                raise UsageError(
                    f"tenant '{inbox.tenant}' has an S3 inbox '{inbox.name}' already",
                    fix=f"Remove it first: ingester s3 remove {inbox.tenant} {inbox.name}",
                )
            for other in (inbox, *others):
                _refuse_crossing(inbox, other)
            session.add(inbox)

    def all(self) -> Sequence[S3Inbox]:
        """Every inbox of a tenant that was not removed."""
        with self._ledger.reading() as session:
            return session.exec(
                select(S3Inbox)
                .join(Tenant, col(Tenant.name) == col(S3Inbox.tenant))
                .where(col(Tenant.removed_at).is_(None))
                .order_by(col(S3Inbox.id))
            ).all()

    def of(self, tenant: str) -> Sequence[S3Inbox]:
        """A tenant's inboxes."""
        with self._ledger.reading() as session:
            known_tenant(session, tenant)
            return session.exec(select(S3Inbox).where(S3Inbox.tenant == tenant).order_by(col(S3Inbox.id))).all()

    def get(self, tenant: str, name: str) -> S3Inbox:
        """One inbox; UsageError if there is none of that name."""
        with self._ledger.reading() as session:
            return _inbox(session, tenant, name)

    def remove(self, tenant: str, name: str) -> int:
        """Remove an inbox; the objects landed from it that are left as they are, since nobody sees to them any more."""
        with self._ledger.writing() as session:
            inbox = _inbox(session, tenant, name)
            unsettled = (S3Object.inbox_id == inbox.id, col(S3Object.settled_at).is_(None))
            left = session.exec(select(func.count()).select_from(S3Object).where(*unsettled)).one()
            session.delete(inbox)
            return left

    def keep_position(self, inbox: S3Inbox, key: str | None) -> None:
        """Remember how far the pass under way has come; None at its end."""
        self._change(inbox, position=key)

    def keep_trouble(self, inbox: S3Inbox, text: str | None) -> None:
        """Remember what keeps the inbox from working, or that it works again; nothing is written that is known."""
        if inbox.trouble != text:
            self._change(inbox, trouble=text, trouble_since=None if text is None else now())

    def _change(self, inbox: S3Inbox, **values: object) -> None:
        with self._ledger.writing() as session:
            session.exec(update(S3Inbox).where(col(S3Inbox.id) == inbox.id).values(**values))
        for name, value in values.items():
            setattr(inbox, name, value)


def _inbox(session: Session, tenant: str, name: str) -> S3Inbox:
    known_tenant(session, tenant)
    inbox = session.exec(select(S3Inbox).where(S3Inbox.tenant == tenant, S3Inbox.name == name)).first()
    if inbox is None:
        raise UsageError(f"tenant '{tenant}' has no S3 inbox '{name}'", fix=f"See `ingester s3 list {tenant}`.")
    return inbox


def _refuse_odd(inbox: S3Inbox) -> None:
    if not _NAME.match(inbox.name):
        raise UsageError(f"'{inbox.name}' cannot name an S3 inbox", fix="Use up to 63 letters, digits, _, . and -.")
    if not _BUCKET.fullmatch(inbox.bucket):
        raise UsageError(
            f"'{inbox.bucket}' is not the name of a bucket", fix="Give it without s3:// and without a path."
        )
    for prefix in (inbox.prefix, inbox.move_prefix, inbox.outbox_prefix):
        if prefix and (len(prefix.encode()) > _LONGEST_PREFIX or not prefix.isprintable() or not prefix.endswith("/")):
            raise UsageError(f"{prefix[:100]!r} is not a prefix", fix="It is printable text that ends in a slash.")
    for url in (inbox.endpoint_url, inbox.sqs_queue_url):
        if url is not None:
            _refuse_odd_url(url)
    if (inbox.access_key_variable is None) != (inbox.secret_key_variable is None):
        raise UsageError("the two variables of a key pair come together")
    if inbox.access_key_variable and (inbox.profile or inbox.credentials_file):
        raise UsageError("credentials come from variables or from a profile or file, not from both")
    if (inbox.after is AfterImport.MOVE) != (inbox.move_prefix is not None):
        raise UsageError("objects are moved to a prefix", fix="Say both --after move and --move-to PREFIX.")
    if not 1 <= inbox.poll_seconds <= 86_400:
        raise UsageError("a bucket is looked at every 1 to 86400 seconds")


def _refuse_odd_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"'{url}' is not the address of a server", fix="It begins with https://.")
    if "@" in parts.netloc:
        raise UsageError("an address holds no password", fix="See --profile, --access-key-env, --credentials-file.")


def _refuse_crossing(inbox: S3Inbox, other: S3Inbox) -> None:
    """Refuse what would be landed twice, or would come back as a drop after it was moved or reported."""
    if _place(inbox) != _place(other):
        return
    whose = "this" if other is inbox else f"'{other.name}' of tenant '{other.tenant}'"
    if other is not inbox and _nested(inbox.prefix, other.prefix):
        raise UsageError(
            f"the prefix '{inbox.prefix}' crosses '{other.prefix}' of the S3 inbox {whose}",
            fix="Give each inbox a prefix of its own.",
        )
    for one, its in ((inbox, other), (other, inbox)):
        for written in (one.move_prefix, one.outbox_prefix):
            # A moved object keeps the path below its prefix, which may lead anywhere; reports lie flat.
            into = written is not None and written.startswith(its.prefix)
            if into or (written == one.move_prefix and written is not None and its.prefix.startswith(written)):
                raise UsageError(
                    f"what is written to '{written}' would come back as drops: it crosses '{its.prefix}'",
                    fix="Give the inbox a prefix of its own, such as incoming/, and write beside it.",
                )


def _nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _place(inbox: S3Inbox) -> tuple[str, str]:
    return (inbox.endpoint_url or "").rstrip("/").casefold(), inbox.bucket
