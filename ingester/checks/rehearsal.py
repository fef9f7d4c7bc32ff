"""What a rule file shows people, put through its own checks: examples, defaults and accepted ways of writing.

Loading a rule file has told most of it already, without Arrow and without the libraries that know phones and countries;
this is for whoever writes rules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pyarrow as pa

from ingester.checks.compile import CompiledEntity
from ingester.domain.notice import CATALOGUE, Severity
from ingester.ruleset.model import Entity, Field


def rehearse(entity: Entity) -> Iterator[tuple[str, str]]:
    """(key, why it would be refused) for every cell of the rule file that the checks refuse; empty if all is well.

    ConfigurationError if the rules cannot be compiled.
    """
    CompiledEntity(entity)
    for field in entity.fields:
        cells = [(key, text) for key, text in _cells(field) if text]
        for position, message in _refused(entity, field, [text for _, text in cells]):
            key, text = cells[position]
            yield f"fields.{field.name}.{key}", f"the field would refuse '{text[:40]}': {message}"


def _cells(field: Field) -> Iterator[tuple[str, str]]:
    if field.is_family:
        yield from (("example", text) for text in field.members.values())
    else:
        yield "example", field.example
        yield "default", field.default or ""
    yield from (("accepted", text) for text in field.accepted)


def _refused(entity: Entity, field: Field, cells: list[str]) -> Iterator[tuple[int, str]]:
    """The positions of refused cells, of one column that stands alone."""
    alone = dataclasses.replace(field, name="cell", default=None)
    column = dataclasses.replace(entity, fields=(alone,), primary_key=(), foreign_keys=(), checks=())
    for finding in CompiledEntity(column).check({alone.name: pa.array(cells, pa.string())}).findings:
        if (finding.severity or CATALOGUE[finding.code].severity) is Severity.ERROR:
            yield from ((int(position), finding.message) for position in finding.positions)
