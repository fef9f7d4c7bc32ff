"""The `checks` of a rule file: assertions over the fields of one row, each with a notice code of its own."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ingester.domain.notice import CATALOGUE, Severity
from ingester.ruleset.document import Node
from ingester.ruleset.expression import ExpressionError, parse
from ingester.ruleset.model import Check, Field
from ingester.ruleset.section import Section

#: As the codes of the catalogue of notices, and as long as their column in reports is expected to be.
_CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")
_MAX_CODE = 60


def read_checks(section: Section, fields: Mapping[str, Field], taken: Collection[str] = ()) -> tuple[Check, ...]:
    """The checks over `fields`, by name, in order; `taken` are the codes of checks that are there already."""
    found: dict[str, Check] = {}
    for index, node in enumerate(section.items("checks")):
        check = _read(node, f"checks[{index}]", section, fields)
        if check is None:
            continue
        if check.code in found or check.code in taken:
            section.report.add(node.line, f"checks[{index}].code", f"'{check.code}' is the code of another check")
            continue
        found[check.code] = check
    return tuple(found.values())


def _read(node: Node, path: str, outer: Section, fields: Mapping[str, Field]) -> Check | None:
    section = Section(node, path, outer.report)
    before = len(outer.report.mistakes)
    if isinstance(node.value, dict):
        for needed in ("code", "assert", "message"):
            if not section.has(needed):
                section.wrong(needed, "is missing")
    code, assertion = section.text("code"), section.text("assert")
    message, hint = section.text("message").strip(), section.text("hint").strip()
    severity = Severity(section.choice("severity", [*Severity], Severity.ERROR))
    if code and (not _CODE.match(code) or len(code) > _MAX_CODE):
        section.wrong("code", f"must be small letters, digits and single _, at most {_MAX_CODE} characters")
    elif code in CATALOGUE:
        section.wrong("code", f"'{code}' is a code of the product's own: its message would say something else")
    named = _names(section, fields)
    used: tuple[str, ...] = ()
    if assertion:
        try:
            used = parse(assertion, fields).fields
        except ExpressionError as error:
            # A field with a mistake of its own is missing here; saying so again helps nobody.
            section.wrong("assert", f"{error.message} (at character {error.column})")
    section.close()
    if len(outer.report.mistakes) > before:
        return None
    return Check(code=code, assertion=assertion, fields=named or used, message=message, severity=severity, hint=hint)


def _names(section: Section, fields: Mapping[str, Field]) -> tuple[str, ...]:
    names = section.names("fields", fields, "field")
    for name in names:
        if fields[name].is_family:
            section.wrong("fields", f"'{name}' is a family of columns: there is no one cell to name")
    return names
