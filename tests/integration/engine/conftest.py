"""An engine of one's own for every test of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingester.ruleset.model import RuleSet
from tests.integration.engine.harness import SHOP, Engine


@pytest.fixture
def rules() -> RuleSet:
    """The rules of the engine; a module may have others."""
    return SHOP


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, rules: RuleSet) -> Iterator[Engine]:
    """An engine with the tenant `acme`, on either database."""
    database = request.getfixturevalue("postgres_url") if request.param == "postgres" else None
    engine = Engine(tmp_path / "data", rules, database=database)
    engine.add_tenant()
    yield engine
    engine.close()
