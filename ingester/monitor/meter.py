"""What this process counts itself, from zero when it starts: landings, its own resources, and what others register.

What must outlast the process is counted in the ledger (`ingester.store.totals`).
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Gauge, Histogram, Info, ProcessCollector, disable_created_metrics

from ingester.domain.status import Origin

#: Upper bounds in seconds, for what a customer waits for.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# When each series began is of no use to anybody here, and doubles their number.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library does not say that it returns nothing


class OwnProcess(ProcessCollector):
    """Memory, time and files of this process, also where /proc shows processes only, as under our unit."""

    def _boot_time(self) -> float:
        # The library reads /proc/stat, and without it tells nothing at all.
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


class Meter:
    """A registry of metrics with those that every role has."""

    def __init__(self, database: str) -> None:
        self.registry = CollectorRegistry()
        OwnProcess(registry=self.registry)
        Info("ingester_build", "What runs here.", registry=self.registry).info(
            {"version": version("ingester"), "python": platform.python_version(), "database": database}
        )
        self._landing = Histogram(
            "ingester_landing_seconds",
            "From the handing over of a complete file until it is synced to disk and recorded.",
            ["origin"],
            buckets=BOUNDS,
            registry=self.registry,
        )

    def landed(self, origin: Origin, seconds: float) -> None:
        """A file was made durable and recorded in that time."""
        self._landing.labels(origin.value).observe(seconds)

    def gauge(self, name: str, documentation: str, value: Callable[[], float]) -> None:
        """Show what `value` is at each scrape."""
        Gauge(name, documentation, registry=self.registry).set_function(value)
