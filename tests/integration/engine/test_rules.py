"""Rules that the engine could not keep are refused before anything is imported by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingester.ruleset.load import load_folder
from ingester.ruleset.mistake import RuleErrors


def test_a_reference_has_no_default_since_nobody_would_look_it_up(tmp_path: Path) -> None:
    (tmp_path / "leaf.yaml").write_text(
        "name: leaf\ntitle: Leaves\nprimaryKey: external_id\n"
        "fields:\n  - {name: external_id}\n  - {name: root_external_id, default: R}\n"
        "foreignKeys:\n  - fields: root_external_id\n    reference: {resource: leaf, fields: external_id}\n"
    )
    with pytest.raises(RuleErrors, match="'root_external_id' cannot have a default"):
        load_folder(tmp_path, "shop")
