"""Every template that customers find in /docs imports as it is, parents first."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingester.outbox.docs import template
from ingester.ruleset.load import load
from ingester.ruleset.model import RuleSet
from ingester.ruleset.order import ImportOrder
from ingester.ruleset.shipped import shipped
from tests.integration.engine.harness import Engine

RULES = load(shipped())


@pytest.mark.parametrize("name", list(RULES.catalogues))
def test_every_template_of_a_catalogue_imports_cleanly(name: str, tmp_path: Path) -> None:
    catalogue = RULES.catalogues[name]
    engine = Engine(tmp_path, RuleSet({name: catalogue}))
    try:
        engine.add_tenant()
        for entity in ImportOrder(catalogue):
            written = (engine.directory.tenant("acme").docs / f"{entity.name}.template.csv").read_text("utf-8")
            assert written == template(entity, catalogue)
            status = engine.take(f"{entity.name}.csv", written).status
            assert (status["outcome"], status["errors"], status["warnings"]) == ("accepted", [], []), entity.full_name
            assert status["stats"]["created_count"] == 1
    finally:
        engine.close()
