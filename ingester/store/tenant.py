"""Tenants, their SSH keys and their feeds in the ledger. Validates what an operator asks for; touches no files."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from ingester.domain.errors import UsageError
from ingester.domain.name import refuse_odd_tenant
from ingester.domain.status import CompleteOn, Status
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import (
    Alert,
    Expectation,
    Feed,
    Import,
    NotifyTarget,
    S3Inbox,
    Tenant,
    TenantKey,
)


class Tenants:
    """What the ledger knows of customers."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def add(self, name: str, catalogues: Sequence[str], timezone: str = "UTC") -> Tenant:
        """Add a tenant, or bring a removed one back."""
        refuse_odd_tenant(name)
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, IsADirectoryError):
            raise UsageError(f"'{timezone}' is not a time zone", fix="Use a name like Europe/Berlin.") from None
        with self._ledger.writing() as session:
            tenant = session.get(Tenant, name)
            if tenant is not None and tenant.purging_at is not None:
                raise UsageError(
                    f"tenant '{name}' is being purged", fix=f"Finish it: ingester tenant purge {name} --yes"
                )
            if tenant is not None and tenant.removed_at is None:
                raise UsageError(f"tenant '{name}' exists already", fix=f"See `ingester tenant show {name}`.")
            if tenant is None:
                tenant = Tenant(name=name, created_at=now())
            tenant.catalogues, tenant.timezone, tenant.removed_at = list(catalogues), timezone, None
            session.add(tenant)
            return tenant

    def get(self, name: str) -> Tenant:
        """One tenant; UsageError if there is none of that name."""
        with self._ledger.reading() as session:
            return known_tenant(session, name)

    def find(self, name: str) -> Tenant | None:
        """One tenant, or None."""
        with self._ledger.reading() as session:
            tenant = session.get(Tenant, name)
            return tenant if tenant is not None and tenant.removed_at is None else None

    def ever(self, name: str) -> Tenant:
        """A tenant that there is or was; UsageError if there never was one of that name."""
        with self._ledger.reading() as session:
            tenant = session.get(Tenant, name)
            return tenant if tenant is not None else known_tenant(session, name)

    def all(self) -> Sequence[Tenant]:
        """Every tenant, by name."""
        with self._ledger.reading() as session:
            return session.exec(select(Tenant).where(col(Tenant.removed_at).is_(None)).order_by(Tenant.name)).all()

    def completions(self) -> Sequence[tuple[str, CompleteOn | None, bool]]:
        """Every tenant with how its files are known to be complete, and whether a feed of it has a word of its own."""
        # What a feed reads may name files that come beside others.
        own = select(Feed.tenant).where(col(Feed.complete_on).is_not(None) | col(Feed.reads).is_not(None))
        statement = select(Tenant.name, Tenant.complete_on, col(Tenant.name).in_(own)).where(
            col(Tenant.removed_at).is_(None)
        )
        with self._ledger.reading() as session:
            return [
                (name, None if complete_on is None else CompleteOn(complete_on), by_feed)
                for name, complete_on, by_feed in session.exec(statement)
            ]

    def set_completion(self, name: str, complete_on: CompleteOn | None) -> None:
        """Say how files in a tenant's inbox folder are known to be complete; None: as the settings say."""
        with self._ledger.writing() as session:
            tenant = known_tenant(session, name)
            tenant.complete_on = complete_on
            session.add(tenant)

    def remove(self, name: str) -> None:
        """Take away a tenant's keys, feeds and S3 inboxes; refused while something of it waits. Its history stays."""
        with self._ledger.writing() as session:
            tenant = known_tenant(session, name)
            unfinished = [status for status in Status if not status.ended]
            waiting = session.exec(
                select(Import.id).where(Import.tenant == name, col(Import.status).in_(unfinished)).limit(1)
            ).first()
            if waiting is not None:
                raise UsageError(
                    f"tenant '{name}' has imports that have not ended",
                    fix=f"See `ingester imports list --tenant {name}`; cancel them or wait.",
                )
            session.exec(delete(TenantKey).where(col(TenantKey.tenant) == name))
            session.exec(delete(Feed).where(col(Feed.tenant) == name))
            session.exec(delete(S3Inbox).where(col(S3Inbox.tenant) == name))
            session.exec(delete(Expectation).where(col(Expectation.tenant) == name))
            session.exec(delete(NotifyTarget).where(col(NotifyTarget.tenant) == name))
            open_ones = update(Alert).where(col(Alert.tenant) == name, col(Alert.resolved_at).is_(None))
            session.exec(open_ones.values(resolved_at=now(), resolved_by="the end of the tenant"))
            tenant.removed_at = now()
            session.add(tenant)

    def limit(
        self, name: str, *, weight: int | None = None, concurrency: int | None = None, settle_seconds: int | None = None
    ) -> Tenant:
        """Say how much of the service a tenant gets; what is None stays as it is, a concurrency of 0 is no limit."""
        with self._ledger.writing() as session:
            tenant = known_tenant(session, name)
            if weight is not None:
                if not 1 <= weight <= 1000:
                    raise UsageError(f"a weight of {weight} is no weight", fix="Give a number from 1 to 1000.")
                tenant.weight = weight
            if concurrency is not None:
                tenant.concurrency = concurrency or None
            if settle_seconds is not None:
                tenant.settle_seconds = settle_seconds
            session.add(tenant)
            return tenant

    def pause(self, name: str, feed: str | None = None, *, at: datetime | None = None) -> None:
        """Let nothing of a tenant, or of one of its feeds, start from `at` on (now); what lands waits."""
        self._set_paused(name, feed, at or now())

    def resume(self, name: str, feed: str | None = None) -> None:
        """Let a paused tenant or feed go on."""
        self._set_paused(name, feed, None)

    def _set_paused(self, name: str, feed: str | None, at: datetime | None) -> None:
        with self._ledger.writing() as session:
            found = known_tenant(session, name)
            paused = found if feed is None else _feed(session, name, feed)
            if at is None or paused.paused_at is None:
                paused.paused_at = at
            session.add(paused)

    # --- keys ----------------------------------------------------------------------------------------------------

    def add_key(self, name: str, public_key: str) -> TenantKey:
        """Let a key log in as a tenant. `public_key` is one line in OpenSSH form: type, base64, comment."""
        kind, data, *comment = public_key.strip().split(None, 2)
        key = TenantKey(
            tenant=name,
            fingerprint=fingerprint(data),
            public_key=f"{kind} {data}",
            comment=comment[0] if comment else "",
            created_at=now(),
        )
        with self._ledger.writing() as session:
            known_tenant(session, name)
            if _key(session, name, key.fingerprint) is not None:
                raise UsageError(f"tenant '{name}' has this key already ({key.fingerprint})")
            session.add(key)
        return key

    def keys(self, name: str) -> Sequence[TenantKey]:
        """The keys that may log in as a tenant."""
        with self._ledger.reading() as session:
            return session.exec(select(TenantKey).where(TenantKey.tenant == name).order_by(col(TenantKey.id))).all()

    def remove_key(self, name: str, key_fingerprint: str) -> None:
        """Stop a key from logging in."""
        with self._ledger.writing() as session:
            known_tenant(session, name)
            key = _key(session, name, key_fingerprint)
            if key is None:
                raise UsageError(
                    f"tenant '{name}' has no key {key_fingerprint}", fix=f"See `ingester tenant key {name} list`."
                )
            session.delete(key)

    # --- feeds ---------------------------------------------------------------------------------------------------

    def add_feed(self, feed: Feed) -> None:
        """Add a feed after the tenant's others."""
        with self._ledger.writing() as session:
            known_tenant(session, feed.tenant)
            if session.exec(select(Feed).where(Feed.tenant == feed.tenant, Feed.name == feed.name)).first():
                raise UsageError(
                    f"tenant '{feed.tenant}' has a feed '{feed.name}' already",
                    fix=f"Remove it first: ingester feed remove {feed.tenant} {feed.name}",
                )
            session.add(feed)

    def with_feeds(self, names: Collection[str]) -> dict[str, tuple[Tenant, Sequence[Feed]]]:
        """Those of these tenants that there are, each with its feeds in the order in which they are matched."""
        those = select(Tenant).where(col(Tenant.name).in_(names), col(Tenant.removed_at).is_(None))
        theirs = select(Feed).where(col(Feed.tenant).in_(names)).order_by(col(Feed.id))
        with self._ledger.reading() as session:
            found = {tenant.name: (tenant, list[Feed]()) for tenant in session.exec(those)}
            for feed in session.exec(theirs):
                if feed.tenant in found:
                    found[feed.tenant][1].append(feed)
        return {name: (tenant, feeds) for name, (tenant, feeds) in found.items()}

    def feeds(self, name: str) -> Sequence[Feed]:
        """A tenant's feeds, in the order in which they are matched."""
        with self._ledger.reading() as session:
            return session.exec(select(Feed).where(Feed.tenant == name).order_by(col(Feed.id))).all()

    def feed(self, tenant: str, name: str) -> Feed:
        """One feed; UsageError if there is none of that name."""
        with self._ledger.reading() as session:
            known_tenant(session, tenant)
            return _feed(session, tenant, name)

    def replace_feeds(self, tenant: str, feeds: Sequence[Feed]) -> Sequence[Feed]:
        """Make `feeds` all that a tenant has, in that order; returns those it had. Past imports stay."""
        with self._ledger.writing() as session:
            known_tenant(session, tenant)
            before = session.exec(select(Feed).where(Feed.tenant == tenant).order_by(col(Feed.id))).all()
            known = {feed.name: (feed.created_at, feed.paused_at) for feed in before}
            # The order is that of the numbers, so all of them are numbered anew.
            session.exec(delete(Feed).where(col(Feed.tenant) == tenant))
            session.expunge_all()
            for feed in feeds:
                feed.created_at, feed.paused_at = known.get(feed.name, (feed.created_at, None))
                session.add(feed)
                session.flush()
            return before

    def change_feed(self, feed: Feed) -> Feed:
        """Let the feed of that name say what `feed` does from now on; returns what it said. It keeps its place."""
        with self._ledger.writing() as session:
            known_tenant(session, feed.tenant)
            stored = _feed(session, feed.tenant, feed.name)
            before = Feed(**stored.model_dump())
            for word, value in feed.model_dump(exclude={"id", "tenant", "created_at", "paused_at"}).items():
                setattr(stored, word, value)
            session.add(stored)
            return before

    def remove_feed(self, tenant: str, name: str) -> None:
        """Remove a feed; its past imports stay."""
        with self._ledger.writing() as session:
            known_tenant(session, tenant)
            session.delete(_feed(session, tenant, name))


def fingerprint(data: str) -> str:
    """The SHA-256 fingerprint of a key's base64 text, as `ssh-keygen -l` prints it."""
    try:
        digest = hashlib.sha256(base64.b64decode(data, validate=True)).digest()
    except binascii.Error:
        raise UsageError("that is not an SSH public key", fix="Give the .pub file made by ssh-keygen.") from None
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def known_tenant(session: Session, name: str) -> Tenant:
    """A tenant that was not removed, or UsageError."""
    tenant = session.get(Tenant, name)
    if tenant is None or tenant.removed_at is not None:
        raise UsageError(f"there is no tenant '{name}'", fix=f"Add it with: ingester tenant add {name}")
    return tenant


def _feed(session: Session, tenant: str, name: str) -> Feed:
    feed = session.exec(select(Feed).where(Feed.tenant == tenant, Feed.name == name)).first()
    if feed is None:
        raise UsageError(f"tenant '{tenant}' has no feed '{name}'", fix=f"See `ingester feed list {tenant}`.")
    return feed


def _key(session: Session, tenant: str, key_fingerprint: str) -> TenantKey | None:
    return session.exec(
        select(TenantKey).where(TenantKey.tenant == tenant, TenantKey.fingerprint == key_fingerprint)
    ).first()
