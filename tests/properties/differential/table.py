"""A delimited file with its rule file, and which of its cells each of two readers flags: our engine, and frictionless.

What they say is brought to one form here: data rows count from 1, a fault of a whole row has no field, and whoever
repeats a value is named together with the row that had it first. Nothing is left out but what Table Schema has no
word for: columns, references and a rule file's own checks.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import frictionless
from dateutil.parser import UnknownTimezoneWarning
from frictionless import system
from frictionless.formats import CsvControl

from ingester import pipeline
from ingester.directory import DataDirectory
from ingester.pipeline import Order
from ingester.ruleset.load import load_folder
from ingester.ruleset.model import Entity
from tests.landed import landed
from tests.report import Report

#: A data row, from 1, and the field that is wrong; no field if it is the row as a whole.
Flag = tuple[int, str | None]

#: Stands for all fields of the primary key.
KEY = "(key)"

#: Our notices about what Table Schema does not describe, and those that keep no cell out.
_OTHER = {"unknown_column", "incomplete_reference", "read_as_missing", "invisible_characters"}
#: Ours about a whole row, and about rows that repeat another's key.
_RAGGED = {"wrong_cell_count", "broken_quotes"}
_KEY = {"duplicate_row", "identical_row"}

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Flags:
    """What one reader flags."""

    cells: frozenset[tuple[int, str]]
    #: Rows with too many or too few cells.
    ragged: frozenset[int] = frozenset()
    #: Rows without any value; 0 stands for all blank lines.
    blank: frozenset[int] = frozenset()
    #: Rows that share a value, or the key, with another.
    repeated: frozenset[tuple[int, str]] = frozenset()
    #: The same by value, where the reader says which rows share it.
    groups: frozenset[tuple[str, frozenset[int]]] = field(default=frozenset(), compare=False)


@dataclass(frozen=True)
class Table:
    """A rule file's descriptor and the rows of a file, as they are to be written."""

    descriptor: Mapping[str, Any]
    header: Sequence[str]
    #: A row without cells is a blank line.
    rows: Sequence[Sequence[str]]
    line_end: str = "\n"
    quote_all: bool = False
    bom: bool = False
    path: Path = field(default=Path(), compare=False)

    def written(self, folder: Path) -> Table:
        """The same, in a folder of its own, as `rules/row.yaml` and `rows.csv`."""
        place = folder / str(next(_numbers))
        (place / "rules").mkdir(parents=True)
        (place / "rules" / "row.yaml").write_bytes(rule_file(self.descriptor))
        text = io.StringIO(newline="")
        # The csv module of Python 3.11 would leave a lone CR unquoted.
        held = any(mark in cell for row in self.rows for cell in row for mark in "\r\n")
        quoting = csv.QUOTE_ALL if self.quote_all or held else csv.QUOTE_MINIMAL
        writer = csv.writer(text, quoting=quoting, lineterminator=self.line_end)
        for row in [self.header, *self.rows]:
            if row:
                writer.writerow(row)
            else:
                text.write(self.line_end)
        encoding = "utf-8-sig" if self.bom else "utf-8"
        (place / "rows.csv").write_bytes(text.getvalue().encode(encoding))
        return Table(self.descriptor, self.header, self.rows, path=place)

    @property
    def entity(self) -> Entity:
        """The rule file as we read it."""
        return load_folder(self.path / "rules").entities["row"]

    def cells(self) -> Mapping[int, Sequence[str]]:
        """The cells of each data row; a blank line is none."""
        return dict(enumerate((row for row in self.rows if row), 1))


def ours(table: Table, entity: Entity) -> Flags:
    """What the error CSV of `ingester validate` names."""
    report = _checked(table.path / "rows.csv", entity, table.path)
    cells: set[tuple[int, str]] = set()
    ragged: set[int] = set()
    repeated: set[tuple[int, str]] = set()
    ignored = _OTHER | {check.code for check in entity.checks}
    for line in report.errors:
        row, code, name = int(line["row"] or 0), line["code"], line["field"]
        if code in _RAGGED:
            ragged.add(row)
        elif code in _KEY:
            repeated.add((row, KEY))
        elif code == "not_unique":
            repeated.add((row, name))
        elif code not in ignored:
            cells.add((row, name))
    return Flags(frozenset(cells), frozenset(ragged), repeated=frozenset(repeated))


def theirs(table: Table, entity: Entity) -> Flags:
    """What `frictionless validate` names, with the limit of errors lifted.

    Families of columns and references to other files are taken out of the rule file: it would look for both in vain.
    """
    schema = frictionless.Schema.from_descriptor(str(table.path / "rules" / "row.yaml"))
    schema.foreign_keys = []
    for each in entity.fields:
        if each.is_family:
            schema.remove_field(each.name)
    control = CsvControl(delimiter=",", quote_char='"', double_quote=True, skip_initial_space=False)
    dialect = frictionless.Dialect(controls=[control])
    with system.use_context(trusted=True), warnings.catch_warnings():
        # dateutil, about formats `any`; as an error it would be one of the cell.
        warnings.simplefilter("ignore", UnknownTimezoneWarning)
        resource = frictionless.Resource(
            path=str(table.path / "rows.csv"), schema=schema, dialect=dialect, encoding="utf-8-sig"
        )
        report = resource.validate(limit_errors=2**31)
    assert not report.errors, report.errors
    assert not report.warnings, report.warnings
    return _normal(report.tasks[0].errors, table, entity)


def stops(descriptor: Mapping[str, Any], missing: Sequence[str]) -> Callable[[str], bool]:
    """Whether a cell of a field makes frictionless stop with an error of its own, so that it says nothing of others."""
    schema = frictionless.Schema.from_descriptor({"fields": [descriptor], "missingValues": [*missing]})
    read = schema.fields[0].create_cell_reader()
    is_unique = bool(descriptor.get("constraints", {}).get("unique"))

    def stopped(cell: str) -> bool:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UnknownTimezoneWarning)
                value, _ = read(cell)
            if is_unique:
                hash(value)
        except Exception:  # whatever it is, it would end the run
            return True
        return False

    return stopped


def _normal(errors: Sequence[Any], table: Table, entity: Entity) -> Flags:
    # It counts blank lines and the header as well.
    numbers: dict[int, int] = {}
    for physical, row in enumerate(table.rows, 2):
        if row:
            numbers[physical] = len(numbers) + 1
    cells: set[tuple[int, str]] = set()
    ragged: set[int] = set()
    blank: set[int] = set()
    # Each repeat names the row that had the value last.
    groups: dict[tuple[str, int], set[int]] = {}
    for error in errors:
        row = numbers.get(error.row_number)
        if row is None:
            assert error.type in {"blank-row", "primary-key"}, f"{error.type} in a blank line"
            blank.add(0)
            continue
        match error.type:
            case "extra-cell" | "missing-cell":
                ragged.add(row)
            case "blank-row":
                blank.add(row)
            case "primary-key" if "same as" not in error.note:
                cells.update((row, name) for name in entity.primary_key)
            case "primary-key" | "unique-error":
                is_key = error.type == "primary-key" or (error.field_name,) == entity.primary_key
                name = KEY if is_key else error.field_name
                group = groups.setdefault((name, numbers[int(error.note.rpartition(" ")[2])]), set())
                group |= {row, numbers[int(error.note.rpartition(" ")[2])]}
                groups[name, row] = group
            case "type-error" | "constraint-error":
                cells.add((row, error.field_name))
            case other:
                raise AssertionError(f"frictionless says {other}: {error.message}")
    return Flags(
        frozenset(cells),
        frozenset(ragged),
        frozenset(blank),
        frozenset((row, name) for (name, _), group in groups.items() for row in group),
        frozenset((name, frozenset(group)) for (name, _), group in groups.items()),
    )


def _checked(file: Path, entity: Entity, folder: Path) -> Report:
    job, drop = landed(file, entity, dry_run=True)
    workspace = folder / job.id
    workspace.mkdir()
    order = Order(job=job, drop=drop, entity=entity, block_bytes=2**16)
    outcome = pipeline.check(order, DataDirectory(folder), workspace)
    place = folder / outcome.workspace
    return Report.read(next(place / name for name in outcome.files if name.endswith(".status.json")))


def rule_file(descriptor: Mapping[str, Any]) -> bytes:
    """The bytes of a rule file called `row`: JSON is YAML as well, and has no surprises."""
    return json.dumps({"name": "row", **descriptor}, ensure_ascii=False).encode()
