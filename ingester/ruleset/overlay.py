"""A tenant's overlay of one entity: a small rule file that narrows known fields and adds the tenant's own.

A known field may ask for more: be required, take fewer values, shorter texts, tighter bounds, a pattern where it has
none; it may have further aliases, a default, and words and an example of the tenant's. Whatever would let a cell pass
that the catalogue refuses is a mistake: who reads the tables relies on the catalogue.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ingester.ruleset import expression
from ingester.ruleset.check import read_checks
from ingester.ruleset.clash import refuse_clashes
from ingester.ruleset.document import MAX_BYTES, Node, parse
from ingester.ruleset.field import MEMBER_TYPES, read_aliases, read_default, read_example, read_field, refusal
from ingester.ruleset.mistake import Report, RuleErrors, RuleMistake, did_you_mean
from ingester.ruleset.model import Entity, Field, RuleSet
from ingester.ruleset.narrower import narrower
from ingester.ruleset.section import Section


def apply_overlay(ruleset: RuleSet, path: Path) -> Entity:
    """The entity that the overlay at `path` extends, as the tenant sees it; its version is of both files.

    RuleErrors lists every mistake of the file.
    """
    report = Report(path)
    entity = _read(ruleset, path, report)
    if report.mistakes or entity is None:
        raise RuleErrors(report.mistakes)
    return entity


def load_overlays(folder: Path, ruleset: RuleSet) -> Mapping[tuple[str, str], Entity]:
    """(catalogue, entity) → the entity as extended by a file of `folder`; empty where there is no such folder.

    RuleErrors lists every mistake of every file.
    """
    found: dict[tuple[str, str], Entity] = {}
    files: dict[tuple[str, str], Path] = {}
    mistakes: list[RuleMistake] = []
    for path in sorted(folder.glob("*.y*ml")) if folder.is_dir() else ():
        try:
            entity = apply_overlay(ruleset, path)
        except RuleErrors as errors:
            mistakes += errors.mistakes
            continue
        key = (entity.catalogue, entity.name)
        if key in found:
            message = f"{entity.full_name} is extended by {files[key].name} already: write one file for both"
            mistakes.append(RuleMistake(path, 0, "extends", message))
        found[key], files[key] = entity, path
    if mistakes:
        raise RuleErrors(mistakes)
    return found


def _read(ruleset: RuleSet, path: Path, report: Report) -> Entity | None:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        report.add(0, "", f"cannot be read: {error.strerror}")
        return None
    root = parse(data, report)
    if root is None:
        return None
    section = Section(root, "", report)
    base = _extended(section, ruleset)
    if base is None:
        return None
    overlaid = _Overlaid(base, section, {})
    overlaid.read_fields()
    fields = overlaid.result
    entity = dataclasses.replace(
        base,
        fields=fields,
        checks=(
            *base.checks,
            *read_checks(section, {field.name: field for field in fields}, [check.code for check in base.checks]),
        ),
        version=hashlib.sha256(base.version.encode() + hashlib.sha256(data).digest()).hexdigest(),
    )
    section.close()
    refuse_clashes(entity, overlaid.lines, report)
    for check in base.checks:
        try:
            expression.parse(check.assertion, {field.name: field for field in fields})
        except expression.ExpressionError as error:  # such as an enum without a value that the assertion names
            section.wrong("fields", f"the catalogue's check '{check.code}' would make no sense: {error.message}")
    return entity


def _extended(section: Section, ruleset: RuleSet) -> Entity | None:
    name = section.text("extends")
    known = {entity.full_name: entity for entity in ruleset}
    if not section.has("extends"):
        section.wrong("extends", "is missing: name the entity, as field_service.customer")
    elif name and name not in known:
        section.wrong("extends", f"there is no entity '{name}'{did_you_mean(name, known)}")
    return known.get(name)


@dataclass(slots=True)
class _Overlaid:
    """The fields of `base` with those of the overlay; `lines` says where the overlay has each."""

    base: Entity
    section: Section
    lines: dict[str, int]
    result: tuple[Field, ...] = ()

    def read_fields(self) -> None:
        """Fill `result`, in the order of the catalogue, the tenant's own fields last."""
        known = {field.name: field for field in self.base.fields}
        own: list[Field] = []
        missing = frozenset(self.base.missing_values)
        for index, node in enumerate(self.section.items("fields")):
            stated = node.value.get("name") if isinstance(node.value, dict) else None
            name = stated.value if stated is not None and isinstance(stated.value, str) else ""
            if f"fields.{name}" in self.lines:
                message = f"duplicate field, first given in line {self.lines[f'fields.{name}']}"
                self.section.report.add(node.line, f"fields.{name}", message)
            elif name in known:
                self.lines[f"fields.{name}"] = node.line
                known[name] = self._narrowed(known[name], node, missing)
            elif (field := read_field(node, index, missing, self.section.report)) is not None:
                self.lines[f"fields.{name}"] = node.line
                own.append(self._own(field, node))
        self.result = (*known.values(), *own)

    def _own(self, field: Field, node: Node) -> Field:
        key = f"fields.{field.name}"
        if field.is_family:
            self.section.report.add(node.line, key, "a field of the tenant's own is one column, not a family")
        if field.constraints.unique:
            self.section.report.add(node.line, f"{key}.constraints.unique", "a field of the tenant's own cannot be")
        if field.type not in MEMBER_TYPES:
            self.section.report.add(
                node.line, f"{key}.type", "a field of the tenant's own holds a single value or a list"
            )
        if field.default is not None:
            self.section.report.add(node.line, f"{key}.default", "a field of the tenant's own cannot have one")
        return dataclasses.replace(field, is_extra=True, default=None)

    def _narrowed(self, field: Field, node: Node, missing: frozenset[str]) -> Field:
        section = Section(node, f"fields.{field.name}", self.section.report)
        section.node("name")
        _refuse_changes(section)
        constraints = field.constraints
        if (inner := section.node("constraints")) is not None:
            constraints = narrower(Section(inner, section.key("constraints"), section.report), field, missing)
        found = dataclasses.replace(
            field,
            constraints=constraints,
            aliases=tuple(dict.fromkeys((*field.aliases, *read_aliases(section)))),
            title=section.text("title", field.title).strip(),
            description=section.text("description", field.description).strip(),
        )
        if section.has("default"):
            if any(field.name in key.fields for key in self.base.foreign_keys) or field.name in self.base.primary_key:
                section.wrong("default", "a field of a key or a reference cannot have one")
            found = dataclasses.replace(found, default=read_default(section, found, missing))
        elif constraints.required:
            found = dataclasses.replace(found, default=None)
        if section.has("example"):
            found = dataclasses.replace(found, example=read_example(section, found, missing) or "")
        section.close()
        return self._fitting(section, found, missing)

    @staticmethod
    def _fitting(section: Section, field: Field, missing: frozenset[str]) -> Field:
        """What the catalogue says for people must still pass: examples that don't are asked for, or left out."""
        examples: Iterable[tuple[str, str | None]] = (("default", field.default), ("example", field.example))
        for key, text in examples:
            if text and not field.is_family and not section.has(key):
                normal = key == "example"
                if reason := refusal(field, text, missing, normal=normal):
                    section.wrong(key, f"give another, the field would refuse the catalogue's: {reason}")
        accepted = tuple(
            text for text in field.accepted if not refusal(field, text, missing, normal=True, strict=False)
        )
        return dataclasses.replace(field, accepted=accepted)


def _refuse_changes(section: Section) -> None:
    """The type of a column and how its cells are written are the catalogue's."""
    for key in (
        *("type", "format", "normalise", "accepted", "delimiter", "itemType", "trueValues", "falseValues"),
        *("decimalChar", "groupChar", "bareNumber"),
    ):
        if section.has(key):
            section.node(key)
            section.wrong(key, "an overlay cannot change it")
