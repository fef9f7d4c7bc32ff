"""Whether drops come when their feeds expect them: looked at every few seconds, alerted of once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import structlog
from sqlmodel import Session, col, select

from ingester import alert
from ingester.domain.alert import AlertKind
from ingester.expectation.judge import OF_TIME, Judge, Watched
from ingester.expectation.timetable import made_by, next_due
from ingester.expectation.words import Expects
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Alert, Expectation, Feed, Tenant

log = structlog.get_logger()

_OF_SIZE = (AlertKind.EMPTY, AlertKind.SHRUNKEN)


class Lateness:
    """Raises `late` and `missing` alerts, and resolves them. Two of them at once do no harm."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def look(self, at: datetime) -> None:
        """Judge every due moment up to `at`. One feed's trouble is not the others'."""
        with self._ledger.reading() as session:
            expecting = list(_expecting(session))
            gone = _no_longer_expected(session, expecting)
        for each in expecting:
            try:
                if each.expects.timed:
                    self._look_at(each, at)
            except ValueError:
                log.exception("expectation_not_judged", tenant=each.tenant, feed=each.feed)
        for tenant, feed, kinds in gone:
            with self._ledger.writing() as session:
                _forget(session, tenant, feed, kinds, at)

    def _look_at(self, watched: Watched, at: datetime) -> None:
        state = watched.state
        if state is not None and state.timetable == watched.made_by:
            first = next_due(watched.made_by, state.settled_at)
            if first is None or first > at:
                return
            with self._ledger.reading() as session:
                if not Judge(session, watched, Expectation(**state.model_dump()), at, only_looks=True).judge():
                    return
        with self._ledger.writing() as session:
            state = session.get(Expectation, (watched.tenant, watched.feed))
            if state is None or state.timetable != watched.made_by:
                _begin(session, watched, state, at)
            else:
                Judge(session, watched, state, at).judge()


def _expecting(session: Session) -> Iterator[Watched]:
    statement = (
        select(Feed.tenant, Feed.name, Feed.expects, Tenant.timezone)
        .join(Tenant, col(Tenant.name) == col(Feed.tenant))
        .where(col(Feed.expects).is_not(None))
    )
    states: dict[tuple[str, str], Expectation] | None = None
    for tenant, feed, words, zone in session.exec(statement).all():
        if states is None:
            states = {(state.tenant, state.feed): state for state in session.exec(select(Expectation))}
        expects = Expects.model_construct(**words or {})
        yield Watched(tenant, feed, expects, made_by(expects, zone), states.get((tenant, feed)))


def _no_longer_expected(session: Session, expecting: Sequence[Watched]) -> list[tuple[str, str, tuple[AlertKind, ...]]]:
    """Feeds of which something is still open or remembered that nobody expects any more."""
    timed = {(each.tenant, each.feed) for each in expecting if each.expects.timed}
    sized = {(each.tenant, each.feed) for each in expecting}
    statement = select(Alert.tenant, Alert.feed, Alert.kind).where(col(Alert.resolved_at).is_(None))
    found = session.exec(statement.where(col(Alert.kind).in_((*OF_TIME, *_OF_SIZE))).distinct()).all()
    late = {(tenant, feed) for tenant, feed, kind in found if kind in OF_TIME}
    late |= set(session.exec(select(Expectation.tenant, Expectation.feed)).all())
    small = {(tenant, feed) for tenant, feed, kind in found if kind in _OF_SIZE}
    return [*((*pair, OF_TIME) for pair in late - timed), *((*pair, _OF_SIZE) for pair in small - sized)]


def _begin(session: Session, watched: Watched, state: Expectation | None, at: datetime) -> None:
    """Judge what is due from now on. A drop counts that came since what was due last."""
    if state is not None:
        _forget(session, watched.tenant, watched.feed, OF_TIME, at)
        session.flush()
    settled_at = watched.table.last(at) or at
    session.add(Expectation(tenant=watched.tenant, feed=watched.feed, timetable=watched.made_by, settled_at=settled_at))


def _forget(session: Session, tenant: str, feed: str, kinds: Sequence[AlertKind], at: datetime) -> None:
    state = session.get(Expectation, (tenant, feed))
    if state is not None and kinds == OF_TIME:
        session.delete(state)
    for kind in kinds:
        alert.resolve(session, tenant=tenant, feed=feed, kind=kind, by="a change of what is expected", at=at)
