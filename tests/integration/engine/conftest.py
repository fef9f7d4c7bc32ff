"""An engine of one's own for every test of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingester.ruleset.model import RuleSet
from tests.integration.engine.harness import SHOP, Engine
from tests.integration.engine.template import Templates


@pytest.fixture
def rules() -> RuleSet:
    """The rules of the engine; a module may have others, the same for all of its tests."""
    return SHOP


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """What engines are copied from."""
    return Templates(tmp_path_factory.mktemp("templates"))


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, rules: RuleSet, templates: Templates) -> Iterator[Engine]:
    """An engine with the tenant `acme`, on either database."""
    postgres = request.getfixturevalue("postgres") if request.param == "postgres" else None
    with templates.engine(tmp_path / "data", rules, postgres) as engine:
        yield engine
