"""The ledger's numbers as metrics: running totals as counters and histograms, what waits as gauges.

Series bear the names of a bounded number of tenants, those that were added first, so that they stay the same ones;
all others are one, `_others`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import ColumnElement, case, func
from sqlmodel import Session, col, select

from ingester.domain.alert import AlertKind
from ingester.domain.status import Status
from ingester.monitor.question import Question
from ingester.store.database import now
from ingester.store.ledger import Ledger
from ingester.store.ledger_tables import Alert, Import, Tenant, Total
from ingester.store.totals import EVERYBODY, PHASE_BOUNDS, Count
from ingester.turn import PAUSED

log = structlog.get_logger()

#: Stands for all tenants beyond the bound; no tenant can be called so.
OTHERS = "_others"
_FRESH_SECONDS = 5.0
_PATIENCE_SECONDS = 5.0
_BOUNDS = (*PHASE_BOUNDS, math.inf)
_UNFINISHED = tuple(status for status in Status if not status.ended)

#: (counted, metric, what it says, names of the parts of its label)
_COUNTERS = (
    (Count.DROPS, "ingester_drops", "Files that landed.", ("origin",)),
    (Count.DROP_BYTES, "ingester_drop_bytes", "Bytes of files that landed.", ("origin",)),
    (
        Count.IMPORTS,
        "ingester_imports",
        "Ends of imports; a failed one that is retried ends again.",
        ("status", "outcome"),
    ),
    (Count.ROWS, "ingester_rows", "Rows of completed imports, dry runs left out.", ("outcome",)),
    (
        Count.ATTEMPTS,
        "ingester_attempts",
        "Ends of attempts at imports; `lost` were taken over from dead workers.",
        ("result",),
    ),
)


@dataclass(frozen=True, slots=True)
class View:
    """One look at the ledger."""

    session: Session
    at: datetime
    #: How many tenants have series of their own.
    most_tenants: int

    def shown(self, tenant: Any) -> ColumnElement[str]:
        """What a tenant's series bear for its name, from the column `tenant`."""
        first = select(Tenant.name).order_by(col(Tenant.created_at), col(Tenant.name)).limit(self.most_tenants)
        return case((tenant.in_(first), tenant), (tenant == EVERYBODY, tenant), else_=OTHERS).label("shown")


def totals(view: View) -> Iterator[Metric]:
    """Everything that is counted."""
    shown = view.shown(col(Total.tenant))
    statement = select(shown, Total.name, Total.label, func.sum(Total.value)).group_by(
        "shown", col(Total.name), col(Total.label)
    )
    found: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
    for tenant, name, label, value in view.session.exec(statement):
        found[name].append((tenant, label, int(value)))
    for count, name, said, parts in _COUNTERS:
        of_tenants = count is not Count.ATTEMPTS
        family = CounterMetricFamily(name, said, labels=[*(["tenant"] if of_tenants else []), *parts])
        for tenant, label, value in found[count]:
            values = [*label.split("."), ""][: len(parts)]
            family.add_metric([*([tenant] if of_tenants else []), *values], value)
        yield family
    yield _phases(found[Count.PHASE_TIMES], found[Count.PHASE_MICROSECONDS])


def _phases(times: Sequence[tuple[str, str, int]], microseconds: Sequence[tuple[str, str, int]]) -> Metric:
    family = HistogramMetricFamily(
        "ingester_phase_seconds", "How long the phases of completed imports took.", labels=["phase"]
    )
    classes: dict[str, dict[float, int]] = defaultdict(dict)
    for _, label, value in times:
        phase, bound = label.split("<=")
        classes[phase][float(bound)] = value
    for _, phase, total in microseconds:
        # Counted with the bounds of another version: still true of every bound above.
        below = {bound: sum(n for upper, n in classes[phase].items() if upper <= bound) for bound in _BOUNDS}
        buckets = [("+Inf" if math.isinf(bound) else str(bound), float(n)) for bound, n in below.items()]
        family.add_metric([phase], buckets=buckets, sum_value=total / 1e6)
    return family


def queue(view: View) -> Iterator[Metric]:
    """What has not ended."""
    shown = view.shown(col(Import.tenant))
    statement = (
        select(shown, Import.status, func.count(), func.min(case((~PAUSED, col(Import.due_at)))))
        .where(col(Import.status).in_(_UNFINISHED))
        .group_by("shown", col(Import.status))
    )
    depth = GaugeMetricFamily(
        "ingester_queue_imports",
        "Imports that have not ended; `needs_attention` are held.",
        labels=["tenant", "status"],
    )
    oldest = GaugeMetricFamily(
        "ingester_queue_oldest_seconds",
        "For how long the longest waiting import could have run, unless it is paused.",
        labels=["tenant"],
    )
    for tenant, status, imports, due_at in view.session.exec(statement):
        depth.add_metric([tenant, status], imports)
        if status is Status.QUEUED and due_at is not None:
            oldest.add_metric([tenant], max(0.0, (view.at - due_at).total_seconds()))
    yield depth
    yield oldest


def lateness(view: View) -> Iterator[Metric]:
    """What somebody should look at, and how late files are."""
    shown = view.shown(col(Alert.tenant))
    statement = (
        select(shown, Alert.kind, func.count(), func.min(Alert.due_at))
        .where(col(Alert.resolved_at).is_(None))
        .group_by("shown", col(Alert.kind))
    )
    alerts = GaugeMetricFamily("ingester_open_alerts", "Alerts that are open.", labels=["tenant", "kind"])
    late = GaugeMetricFamily(
        "ingester_lateness_seconds", "For how long the file that is longest overdue has been due.", labels=["tenant"]
    )
    longest: dict[str, float] = {}
    for tenant, kind, count, due_at in view.session.exec(statement):
        alerts.add_metric([tenant, kind], count)
        if kind in (AlertKind.LATE, AlertKind.MISSING) and due_at is not None:
            longest[tenant] = max(longest.get(tenant, 0.0), (view.at - due_at).total_seconds())
    for tenant, seconds in longest.items():
        late.add_metric([tenant], seconds)
    yield alerts
    yield late


#: What is asked of the ledger at a scrape, each with one statement.
SUBJECTS: tuple[Callable[[View], Iterable[Metric]], ...] = (totals, queue, lateness)


class Counted(Collector):
    """Asks the ledger, at most every five seconds. When it does not answer, `ingester_ledger_up` says so."""

    def __init__(self, ledger: Ledger, most_tenants: int, is_mine: Callable[[], bool] = lambda: True) -> None:
        self._is_mine = is_mine
        self._ledger = ledger
        self._most_tenants = most_tenants
        self._question = Question(self._look, fresh=_FRESH_SECONDS)

    def collect(self) -> Iterator[Metric]:
        """The metrics of now, or of a few seconds ago; none while they are another process's to show."""
        if not self._is_mine():
            return
        up = GaugeMetricFamily(
            "ingester_ledger_up", "Whether the ledger answered; without it what it counts is left out."
        )
        try:
            found = self._question.answer(_PATIENCE_SECONDS)
        except Exception as error:  # noqa: BLE001 -- whatever it is, what this process counts is told all the same
            log.warning("ledger_not_scraped", error=repr(error))
            found = []
            up.add_metric([], 0)
        else:
            up.add_metric([], 1)
        yield up
        yield from found

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not ask the ledger."""
        return iter(())

    def _look(self) -> list[Metric]:
        with self._ledger.reading() as session:
            view = View(session, now(), self._most_tenants)
            return [metric for subject in SUBJECTS for metric in subject(view)]
