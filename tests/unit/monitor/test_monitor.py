"""The monitor: ready only while the service takes work, and it talks even if the ledger does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingester.directory import DataDirectory
from ingester.domain.errors import ConfigurationError
from ingester.domain.status import Origin
from ingester.monitor.meter import OwnProcess
from ingester.monitor.monitor import Monitor
from ingester.settings import HttpSettings
from ingester.store.database import connect, sqlite_url
from ingester.store.ledger import Ledger
from tests.scrape import Scrape, get, health

Make = Callable[..., Monitor]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A monitor on a free port; its ledger may be gone."""
    made: list[tuple[Monitor, Ledger]] = []

    def monitor(*, port: int = 0, gone: bool = False) -> Monitor:
        directory = DataDirectory(tmp_path / "data")
        directory.create()
        url = sqlite_url(tmp_path / "gone" / "ledger.db" if gone else directory.ledger)
        ledger = Ledger(connect(url)) if gone else Ledger.open(url)
        made.append((Monitor(HttpSettings(min_free_bytes=0), port, directory, ledger), ledger))
        made[-1][0].count_ledger()
        return made[-1][0]

    yield monitor
    for each, ledger in made:
        each.stop()
        ledger.close()


async def test_a_service_is_ready_while_it_serves_and_alive_all_the_time(make: Make) -> None:
    monitor = make()
    port = monitor.start(asyncio.get_running_loop())

    async def statuses() -> tuple[int, int]:
        return (await asyncio.to_thread(health, port))[0], (await asyncio.to_thread(health, port, "/healthz"))[0]

    assert await statuses() == (503, 200)
    monitor.ready()
    assert await statuses() == (200, 200)
    monitor.draining()
    assert await statuses() == (503, 200)


async def test_a_ledger_that_does_not_answer_takes_nothing_but_its_own_numbers_away(make: Make) -> None:
    monitor = make(gone=True)
    port = monitor.start(asyncio.get_running_loop())
    monitor.ready()
    monitor.meter.landed(Origin.SFTP, 0.03)
    found = await asyncio.to_thread(Scrape.of, port)
    assert found.value("ingester_ledger_up") == 0
    assert found.value("ingester_landing_seconds_bucket", origin="sftp", le="0.05") == 1
    assert found.value("process_resident_memory_bytes") > 0
    status, checks = await asyncio.to_thread(health, port)
    assert (status, checks["ledger"]["ok"], checks["disk"]["ok"]) == (503, False, True)


def test_the_process_is_measured_where_only_processes_are_visible(tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to("/proc/self")  # as ProcSubset=pid of systemd leaves it: no /proc/stat
    found = {family.name: family.samples[0].value for family in OwnProcess(proc=str(tmp_path), registry=None).collect()}
    assert found["process_resident_memory_bytes"] > 2**20
    assert abs(found["process_start_time_seconds"] - Path("/proc/self").stat().st_ctime) < 5
    assert found["process_open_fds"] > 0


async def test_metrics_are_told_in_the_form_that_is_asked_for(make: Make) -> None:
    port = make().start(asyncio.get_running_loop())
    for accept, kind in (
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ):
        _, headers, body = await asyncio.to_thread(get, port, "/metrics", Accept=accept)
        assert headers["Content-Type"].startswith(kind)
        assert b"ingester_ledger_up 1" in body


async def test_a_port_in_use_is_named_with_the_option_that_changes_it(make: Make) -> None:
    port = make().start(asyncio.get_running_loop())
    with pytest.raises(ConfigurationError, match=rf"port {port}: .*--http-port"):
        make(port=port).start(asyncio.get_running_loop())
