"""A field's `normalise`: reading the steps, and taking those that need no library on one constant.

Phones, countries and currencies are recognised by `ingester.checks` alone: listeners read rules too, and stay small.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

from ingester.ruleset.document import Node
from ingester.ruleset.mistake import did_you_mean, one_of
from ingester.ruleset.model import FieldType, Normalisation, Step
from ingester.ruleset.section import Section

_TEXT_STEPS: Mapping[Step, Callable[[str], str]] = {
    Step.TRIM: str.strip,
    Step.COLLAPSE_SPACES: lambda text: re.sub(r"\s+", " ", text).strip(),
    Step.LOWER: str.lower,
    Step.UPPER: str.upper,
    Step.NFC: lambda text: unicodedata.normalize("NFC", text),
    Step.EMAIL: lambda text: "@".join((*text.strip().split("@")[:-1], text.strip().split("@")[-1].lower())),
}
#: What the result of a step that recognises something looks like.
_RECOGNISED: Mapping[Step, re.Pattern[str]] = {
    Step.PHONE: re.compile(r"\+[1-9][0-9]{6,14}"),
    Step.COUNTRY: re.compile(r"[A-Z]{2}"),
    Step.CURRENCY: re.compile(r"[A-Z]{3}"),
}
#: Steps of which a field has one at most.
_KINDS = frozenset({Step.EMAIL, *_RECOGNISED})
_REGION = re.compile(r"[A-Z]{2}")


def read_normalise(section: Section, kind: FieldType | None) -> tuple[Normalisation, ...]:
    """The steps in order; kinds of text such as phones are only for strings."""
    found: list[Normalisation] = []
    for item in section.items("normalise"):
        read = _item(section, item)
        if read is None:
            continue
        steps = {each.step for each in found}
        if read.step in steps:
            section.wrong("normalise", f"'{read.step}' is given twice", item.line)
        elif {read.step, *steps} >= {Step.LOWER, Step.UPPER}:
            section.wrong("normalise", "lower and upper contradict each other", item.line)
        elif read.step in _KINDS and steps & _KINDS:
            section.wrong("normalise", f"a field holds one of {one_of(sorted(_KINDS))}", item.line)
        elif read.step in _KINDS and kind not in {FieldType.STRING, None}:
            section.wrong("normalise", f"'{read.step}' does not apply to the type {kind}, only to string", item.line)
        else:
            found.append(read)
    return tuple(found)


def normalised(text: str, steps: Iterable[Normalisation]) -> str | None:
    """The text after the steps; None if telling takes a library: which phone is meant, which country or currency."""
    for each in steps:
        if each.step in _TEXT_STEPS:
            text = _TEXT_STEPS[each.step](text)
        elif not _RECOGNISED[each.step].fullmatch(text):
            return None
    return text


def _item(section: Section, item: Node) -> Normalisation | None:
    name, region = item.value, None
    if isinstance(name, dict) and len(name) == 1:
        name, argument = next(iter(name.items()))
        if name != Step.PHONE:
            section.wrong("normalise", f"only phone takes a region, not '{name}'", item.line)
            return None
        if not isinstance(argument.value, str) or not _REGION.fullmatch(argument.value):
            section.wrong("normalise", "expected a region such as US: {phone: US}", item.line)
            return None
        region = argument.value
    if not isinstance(name, str):
        section.wrong("normalise", f"expected a step: {one_of(Step)}", item.line)
        return None
    if name not in set(Step):
        section.wrong(
            "normalise", f"unknown step '{name}'{did_you_mean(name, Step) or f', expected {one_of(Step)}'}", item.line
        )
        return None
    return Normalisation(Step(name), region)
