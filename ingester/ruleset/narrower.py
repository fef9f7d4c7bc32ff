"""The constraints of an overlay on a field that has constraints: together they may refuse more, never less."""

from __future__ import annotations

import dataclasses
from typing import Any

from ingester.ruleset.cast import cast
from ingester.ruleset.constraint import read_constraints, refuse_impossible
from ingester.ruleset.model import Constraints, Field
from ingester.ruleset.section import Section


def narrower(section: Section, field: Field, missing: frozenset[str]) -> Constraints:
    """The field's constraints with those of the section, after reporting each that would loosen one."""
    before = len(section.report.mistakes)
    asked = read_constraints(section, field, missing)
    if len(section.report.mistakes) > before:
        return field.constraints
    given = field.constraints
    if section.has("unique") and asked.unique != given.unique:
        section.wrong("unique", "an overlay cannot change it: the table is every tenant's")
    if given.required and section.has("required") and not asked.required:
        section.wrong("required", "loosens the catalogue, where the field is required")
    if asked.pattern and given.pattern not in {None, asked.pattern}:
        section.wrong("pattern", f"the field has a pattern already, and must keep it: {given.pattern}")
    allowed = {cast(field, each) for each in given.enum or ()}
    for text in asked.enum or ():
        if given.enum is not None and cast(field, text) not in allowed:
            section.wrong("enum", f"loosens the catalogue, where '{text}' is not in the enum")
    merged = dataclasses.replace(
        given,
        required=given.required or asked.required,
        enum=asked.enum or given.enum,
        pattern=given.pattern or asked.pattern,
        minimum=_bound(section, "minimum", asked.minimum, given.minimum, least=True),
        maximum=_bound(section, "maximum", asked.maximum, given.maximum, least=False),
        min_length=_bound(section, "minLength", asked.min_length, given.min_length, least=True),
        max_length=_bound(section, "maxLength", asked.max_length, given.max_length, least=False),
    )
    if len(section.report.mistakes) == before:
        refuse_impossible(section, merged, field)
    return merged if len(section.report.mistakes) == before else given


def _bound(section: Section, name: str, asked: Any, given: Any, *, least: bool) -> Any:
    """The asked bound if it is the tighter one; types of the two are those of one field."""
    if asked is None or given is None:
        return given if asked is None else asked
    if asked < given if least else asked > given:
        section.wrong(name, f"loosens the catalogue, where it is {given}")
        return given
    return asked
