"""CONTRIBUTING.md explains the whole rule language, and its example loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingester.ruleset.entity import read_entity
from ingester.ruleset.model import FieldType, Step
from ingester.ruleset.option import FORMATS, OPTIONS
from ingester.ruleset.strptime import DIRECTIVES

CONTRIBUTING = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text()
LANGUAGE = CONTRIBUTING.partition("The rule language, key by key.")[2].partition("## How to add a notice")[0]


@pytest.mark.parametrize(
    "word",
    [
        *(f"`{kind}`" for kind in FieldType),
        *(f"`{option}`" for option in OPTIONS),
        *(f"`{form}`" for formats in FORMATS.values() for form in formats),
        *DIRECTIVES,
        *(f"`{step}`" for step in Step),
        *(f"`{each}`" for each in ("required", "unique", "enum", "pattern", "minimum", "maximum", "minLength")),
        *("`maxLength`", "`scope`", "`code`", "`assert`", "`hint`", "`message`", "severity", "accepted", "`extends"),
    ],
)
def test_every_key_and_word_of_the_language_is_explained(word: str) -> None:
    assert word in LANGUAGE


def test_the_example_of_the_guide_is_a_rule_file() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", CONTRIBUTING.partition("## How to add a notice")[0], re.DOTALL)
    text = "\n".join(line.removeprefix("   ") for line in example.splitlines())
    draft = read_entity(Path("vehicle.yaml"), text.encode(), "shop")
    assert draft.report.mistakes == []
