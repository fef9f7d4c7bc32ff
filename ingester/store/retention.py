"""What the ledger says about keeping: a tenant's own periods, legal holds, and the record of removals and decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlmodel import Session, col, select

from ingester.domain.errors import UsageError
from ingester.settings import RetentionSettings
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Import, LegalHold, Removal, Tenant

#: What a tenant may have its own period for.
PLACES = ("archive", "outbox", "quarantine", "history")
#: Longer periods are spelled `forever`.
MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Period:
    """How long something is kept: days, or for ever; `own` if the tenant has its own word."""

    days: int | None
    own: bool = False

    def limit(self, at: datetime) -> datetime | None:
        """What ended before this moment need not be kept at the moment `at`; None: everything is kept."""
        return None if self.days is None else at - timedelta(days=self.days)

    def __str__(self) -> str:
        return "forever" if self.days is None else f"{self.days} day{'' if self.days == 1 else 's'}"


Periods = Mapping[str, Period]


class Retention:
    """The ledger's words about keeping."""

    def __init__(self, ledger: Ledger, settings: RetentionSettings) -> None:
        self._ledger = ledger
        self._settings = settings

    # --- periods -------------------------------------------------------------------------------------------------

    def periods(self, tenant: Tenant | None = None) -> Periods:
        """How long what of a tenant is kept, by place; without one, how long where tenants say nothing."""
        own = {} if tenant is None else tenant.retention or {}
        return {
            place: Period(own[place], own=True) if place in own else Period(getattr(self._settings, f"{place}_days"))
            for place in PLACES
        }

    def tenants(self) -> Sequence[Tenant]:
        """Every tenant there is anything of, removed ones too."""
        with self._ledger.reading() as session:
            return session.exec(select(Tenant).where(col(Tenant.purging_at).is_(None)).order_by(Tenant.name)).all()

    def set(self, tenant: str, words: Mapping[str, int | None], default: Sequence[str] = ()) -> Tenant:
        """Give a tenant periods of its own, None being for ever; for those in `default`, what the settings say."""
        with self._ledger.writing() as session:
            row = _tenant(session, tenant)
            row.retention = {
                place: days for place, days in {**(row.retention or {}), **words}.items() if place not in default
            }
            session.add(row)
            said = [f"{place} {Period(days)}" for place, days in words.items()]
            said += [f"{place} as the service says" for place in default]
            _decided(session, tenant, "periods", ", ".join(said))
            return row

    # --- legal holds ---------------------------------------------------------------------------------------------

    def hold(self, tenant: str, reason: str, import_id: str = "", at: datetime | None = None) -> None:
        """Keep everything of a tenant, or of one import, until the hold is released."""
        with self._ledger.writing() as session:
            _tenant(session, tenant)
            if _hold(session, tenant, import_id) is not None:
                raise UsageError(f"{_named(tenant, import_id)} is under legal hold already")
            session.add(LegalHold(tenant=tenant, import_id=import_id, reason=reason, placed_at=at or now()))
            _decided(session, tenant, "hold", f"placed{f': {reason}' if reason else ''}", import_id, at)

    def release(self, tenant: str, import_id: str = "") -> None:
        """Lift a hold; other holds of the same tenant stay."""
        with self._ledger.writing() as session:
            found = _hold(session, tenant, import_id)
            if found is None:
                raise UsageError(
                    f"{_named(tenant, import_id)} is not under legal hold", fix="See `ingester retention show`."
                )
            session.delete(found)
            _decided(session, tenant, "hold", "released", import_id)

    def holds(self, tenant: str | None = None) -> Sequence[LegalHold]:
        """The holds there are, oldest first."""
        statement = select(LegalHold).order_by(col(LegalHold.id))
        if tenant is not None:
            statement = statement.where(LegalHold.tenant == tenant)
        with self._ledger.reading() as session:
            return session.exec(statement).all()

    # --- the record ----------------------------------------------------------------------------------------------

    def removals(self, tenant: str | None = None, limit: int = 100) -> Sequence[Removal]:
        """What was removed last, newest first."""
        statement = select(Removal).order_by(col(Removal.id).desc()).limit(limit)
        if tenant is not None:
            statement = statement.where(Removal.tenant == tenant)
        with self._ledger.reading() as session:
            return session.exec(statement).all()

    def forget_removals(self, at: datetime, most: int) -> int:
        """Drop the oldest entries of the record that need not be kept any more; how many."""
        limit = at - timedelta(days=self._settings.removals_days)
        old = select(Removal.id).where(col(Removal.removed_at) < limit).order_by(col(Removal.id)).limit(most)
        with self._ledger.writing() as session:
            return session.exec(delete(Removal).where(col(Removal.id).in_(old))).rowcount


def held(session: Session, tenant: str) -> set[str]:
    """The ids of a tenant's imports that are under legal hold; the empty one stands for everything of it.

    Asked in the transaction that decides a removal, so that a hold that was answered holds.
    """
    return set(session.exec(select(LegalHold.import_id).where(LegalHold.tenant == tenant)))


def record(
    session: Session,
    *,
    tenant: str,
    place: str,
    what: str,
    policy: str,
    at: datetime,
    files: int = 1,
    size: int = 0,
    import_id: str | None = None,
) -> None:
    """Add an entry to the record of what was removed, in the transaction that decides it."""
    session.add(
        Removal(
            tenant=tenant,
            place=place,
            what=what,
            import_id=import_id,
            files=files,
            size=size,
            policy=policy,
            removed_at=at,
        )
    )


def _decided(
    session: Session, tenant: str, place: str, what: str, import_id: str = "", at: datetime | None = None
) -> None:
    """Add what somebody decided about keeping to the same record, so that it says why something is still there."""
    record(
        session,
        tenant=tenant,
        place=place,
        what=what,
        policy="decision",
        at=at or now(),
        files=0,
        import_id=import_id or None,
    )


def import_of(session: Session, tenant: str, short_or_id: str) -> Import:
    """One import of a tenant; UsageError if there is none."""
    found = session.exec(
        select(Import).where(Import.tenant == tenant, (Import.id == short_or_id) | (Import.short_id == short_or_id))
    ).first()
    if found is None:
        raise UsageError(f"tenant '{tenant}' has no import {short_or_id}", fix="See `ingester imports list`.")
    return found


def _tenant(session: Session, name: str) -> Tenant:
    """A tenant, be it removed: what it left is kept or removed as well."""
    tenant = session.get(Tenant, name)
    if tenant is None or tenant.purging_at is not None:
        raise UsageError(f"there is no tenant '{name}'", fix="See `ingester tenant list`.")
    return tenant


def _hold(session: Session, tenant: str, import_id: str) -> LegalHold | None:
    return session.exec(select(LegalHold).where(LegalHold.tenant == tenant, LegalHold.import_id == import_id)).first()


def _named(tenant: str, import_id: str) -> str:
    return f"import {import_id} of '{tenant}'" if import_id else f"tenant '{tenant}'"
