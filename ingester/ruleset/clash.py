"""Two parts of an entity with one name, as databases (which may fold case) and the headers of files see names."""

from __future__ import annotations

from collections.abc import Mapping

from ingester.ruleset.mistake import Report
from ingester.ruleset.model import Entity, Field, column_name
from ingester.ruleset.naming import fold_header

#: Columns that every target table has of its own, or that come with every row on its way there.
SERVICE_COLUMNS = frozenset(
    {"id", "tenant_id", "source", "extra", "import_id", "import_row", "created_at", "updated_at"}
)


def refuse_clashes(entity: Entity, lines: Mapping[str, int], report: Report) -> None:
    """Report the later of each two; a tenant's own fields come after all else. `lines` says where the parts stand."""
    own = [field for field in entity.fields if field.is_extra]
    shared = [field for field in entity.fields if not field.is_extra]
    claims = [
        *((f"fields.{field.name}", column_name(field.name), _called(field)) for field in shared),
        *((f"foreignKeys[{i}]", key.id_column, f"foreignKeys[{i}]") for i, key in enumerate(entity.foreign_keys)),
        *((f"fields.{field.name}", column_name(field.name), _called(field)) for field in own),
    ]
    taken = dict.fromkeys(SERVICE_COLUMNS, "a column of the service")
    for key, column, mine in claims:
        owner = taken.setdefault(fold_header(column), mine)
        if owner != mine:
            what = "the name" if key != mine else f"its column '{column}'"
            report.add(lines.get(key, 0), key, f"{what} is taken by {owner}")
    _refuse_shared_headers(shared, own, lines, report)


def _refuse_shared_headers(shared: list[Field], own: list[Field], lines: Mapping[str, int], report: Report) -> None:
    headers: dict[str, str] = {}
    for fields in (shared, own):
        for field in fields:
            owner = headers.setdefault(fold_header(field.name), field.name)
            if owner != field.name and fold_header(field.name) != fold_header(owner):
                key = f"fields.{field.name}"
                report.add(lines.get(key, 0), key, f"the name already means the field '{owner}'")
        for field in fields:
            _refuse_shared_aliases(field, headers, lines, report)


def _refuse_shared_aliases(field: Field, headers: dict[str, str], lines: Mapping[str, int], report: Report) -> None:
    key = f"fields.{field.name}"
    if field.is_family and field.aliases:
        report.add(lines.get(key, 0), f"{key}.aliases", "a family of columns is known by its prefix alone")
        return
    for alias in field.aliases:
        owner = headers.setdefault(fold_header(alias), field.name)
        if owner != field.name:
            report.add(lines.get(key, 0), f"{key}.aliases", f"'{alias}' already means the field '{owner}'")


def _called(field: Field) -> str:
    return f"the family '{field.name}'" if field.is_family else f"the field '{field.name}'"
