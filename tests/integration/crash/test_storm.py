"""A few random deaths under load; `make crash-soak` brings about hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.crash.conftest import FragileService
from tests.integration.crash.storm import storm
from tests.warm import Warm


@pytest.mark.alone
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_nothing_is_lost_or_done_twice_by_random_deaths(
    request: pytest.FixtureRequest, tmp_path: Path, warm: Warm, database: str
) -> None:
    url = request.getfixturevalue("postgres_url") if database == "postgres" else None
    service = FragileService(tmp_path, url, warm)
    try:
        storm(service, 6, seed=4, tell=lambda _: None)
    finally:
        service.kill()
