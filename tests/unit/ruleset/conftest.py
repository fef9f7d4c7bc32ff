"""Rule files written by a test, and what the loader says about them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from ingester.ruleset.load import load_folder
from ingester.ruleset.mistake import RuleErrors
from ingester.ruleset.model import Catalogue

Load = Callable[..., Catalogue]
Mistakes = Callable[..., list[str]]


@pytest.fixture
def load_rules(tmp_path: Path) -> Load:
    """Write each `entity="text"` to a rule file of the catalogue `shop` and load it."""

    def load_them(**files: str) -> Catalogue:
        folder = tmp_path / "shop"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / f"{name}.yaml").write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
        return load_folder(folder)

    return load_them


@pytest.fixture
def mistakes(load_rules: Load, tmp_path: Path) -> Mistakes:
    """The same, for files that are wrong: the mistakes as `file:line: key: message`."""

    def mistakes_of(**files: str) -> list[str]:
        with pytest.raises(RuleErrors) as caught:
            load_rules(**files)
        return [str(mistake).removeprefix(f"{tmp_path}/shop/") for mistake in caught.value.mistakes]

    return mistakes_of
