"""One row that an entity takes, made of the examples in its rule file: what templates show, and tests import.

References name the examples of the records they refer to, so that templates import cleanly, parents first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ingester.ruleset.constraint import objection
from ingester.ruleset.model import Entity, Field, FieldType

#: What stands in for the example of a required field that has none.
_PLAIN = {
    FieldType.INTEGER: "1",
    FieldType.NUMBER: "1",
    FieldType.DATE: "2026-01-31",
    FieldType.TIME: "14:30:00",
    FieldType.DATETIME: "2026-01-31T14:30:00Z",
    FieldType.YEAR: "2026",
    FieldType.YEARMONTH: "2026-01",
    FieldType.DURATION: "PT1H",
    FieldType.GEOPOINT: "13.4, 52.5",
    FieldType.OBJECT: "{}",
    FieldType.GEOJSON: '{"type": "Point", "coordinates": [13.4, 52.5]}',
}


def sample(entity: Entity, others: Iterable[Entity] = ()) -> dict[str, str]:
    """Column → cell, in the order of the fields, a family's columns by its example. `others` may be referred to."""
    known = {(each.catalogue, each.name): each for each in others}
    row: dict[str, str] = {}
    for field, cell in _cells(entity, known).items():
        prefix = entity.field(field).prefix
        row |= {f"{prefix}{member}": text for member, text in entity.field(field).members.items()}
        if not entity.field(field).is_family:
            row[field] = cell
    return row


def _cells(entity: Entity, known: Mapping[tuple[str, str], Entity]) -> dict[str, str]:
    cells = {field.name: field.example or _stand_in(field) for field in entity.fields}
    for key in entity.foreign_keys:
        if key.entity == entity.name:
            own = {mine: cells[name] for mine, name in zip(key.fields, key.reference_fields, strict=True)}
            if any(entity.field(name).constraints.required for name in key.fields):
                cells |= own
            elif any(cells[name] != cell for name, cell in own.items()):
                cells |= dict.fromkeys(key.fields, "")  # the first record of all has no other to refer to
        elif (parent := known.get((entity.catalogue, key.entity))) is not None:
            theirs = _cells(parent, known)
            cells |= {mine: theirs[name] for mine, name in zip(key.fields, key.reference_fields, strict=True)}
    return cells


def _stand_in(field: Field) -> str:
    if not field.constraints.required or field.is_family:
        return ""
    if field.constraints.enum:
        return field.constraints.enum[0]
    minimum = field.constraints.minimum
    candidates = (
        *([minimum.isoformat() if hasattr(minimum, "isoformat") else str(minimum)] if minimum is not None else []),
        field.true_values[0] if field.type is FieldType.BOOLEAN else _PLAIN.get(field.type, field.name),
    )
    return next((text for text in candidates if objection(field, text, normal=True) is None), "")
