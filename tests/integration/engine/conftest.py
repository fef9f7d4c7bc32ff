"""An engine of one's own for every test of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.engine.harness import Engine


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine with the tenant `acme`, on either database."""
    database = request.getfixturevalue("postgres_url") if request.param == "postgres" else None
    engine = Engine(tmp_path / "data", database=database)
    engine.add_tenant()
    yield engine
    engine.close()
