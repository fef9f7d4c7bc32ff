"""An engine of one's own for every test of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.engine.harness import Engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine with the tenant `acme`."""
    engine = Engine(tmp_path / "data")
    engine.add_tenant()
    yield engine
    engine.close()
