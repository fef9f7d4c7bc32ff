"""What our engine and frictionless say of one file, compared; and where they differ about whole rows, as data.

As with cells, whatever no difference explains is a bug of ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingester.ruleset.model import Entity, FieldType
from tests.properties.differential.difference import By, explained, has_offset
from tests.properties.differential.table import KEY, Flags, Table, ours, theirs


@dataclass(frozen=True)
class RowDifference:
    """One intended difference about rows, shown by rows of the columns `k` and `a` and by what is flagged of them."""

    name: str
    reason: str
    rows: Sequence[Sequence[str]]
    ours: Flags
    theirs: Flags
    keys: Mapping[str, Any]
    #: Constraints of `a`, which is a string.
    constraints: Mapping[str, Any]


def _flags(
    *cells: tuple[int, str],
    ragged: tuple[int, ...] = (),
    blank: tuple[int, ...] = (),
    repeated: tuple[tuple[int, str], ...] = (),
) -> Flags:
    return Flags(frozenset(cells), frozenset(ragged), frozenset(blank), frozenset(repeated))


_KEY = {"primaryKey": "k"}
_BOTH = {"primaryKey": ["k", "a"]}

ROW_DIFFERENCES = (
    RowDifference(
        name="a blank line is no row",
        reason="Editors and exports leave them behind; nothing is lost with them, and they are not counted as rows.",
        rows=[["1", "x"], [], ["2", "y"]],
        ours=_flags(),
        theirs=_flags(blank=(0,)),
        keys=_KEY,
        constraints={},
    ),
    RowDifference(
        name="a row of empty cells is a row like others",
        reason="What it lacks is named cell by cell, so that it can be mended; frictionless names the row alone.",
        rows=[["1", "x"], ["", ""]],
        ours=_flags((2, "a")),
        theirs=_flags(blank=(2,)),
        keys={},
        constraints={"required": True},
    ),
    RowDifference(
        name="the cells of a row of another width are not checked",
        reason="Nobody knows which cell belongs to which column, so each further notice could be a false one.",
        rows=[["1", "toolong"], ["2", "toolong", "x"], ["3"]],
        ours=_flags((1, "a"), ragged=(2, 3)),
        theirs=_flags((1, "a"), (2, "a"), (3, "a"), ragged=(2, 3)),
        keys=_KEY,
        constraints={"maxLength": 2, "required": True},
    ),
    RowDifference(
        name="every field of a key is needed",
        reason="Table Schema says so: a primary key's fields are required; frictionless asks for one of them.",
        rows=[["1", ""]],
        ours=_flags((1, "a")),
        theirs=_flags(),
        keys=_BOTH,
        constraints={},
    ),
    RowDifference(
        name="a wrong row makes no other ambiguous",
        reason="It is refused anyway; the good row that has its key need not wait for it.",
        rows=[["1", "toolong"], ["1", "x"]],
        ours=_flags((1, "a")),
        theirs=_flags((1, "a"), repeated=((1, KEY), (2, KEY))),
        keys=_KEY,
        constraints={"maxLength": 2},
    ),
    RowDifference(
        name="of exact copies the first is taken",
        reason="They do not contradict each other.",
        rows=[["1", "x"], ["1", "x"], ["1", "x"]],
        ours=_flags(repeated=((2, KEY), (3, KEY))),
        theirs=_flags(repeated=((1, KEY), (2, KEY), (3, KEY))),
        keys=_KEY,
        constraints={},
    ),
    RowDifference(
        name="a row with a duplicate key takes no unique value",
        reason="It is refused anyway, as a wrong one is.",
        rows=[["1", "x"], ["1", "y"], ["2", "x"]],
        ours=_flags(repeated=((1, KEY), (2, KEY))),
        theirs=_flags(repeated=((1, KEY), (2, KEY), (1, "a"), (3, "a"))),
        keys=_KEY,
        constraints={"unique": True},
    ),
)


def disagreements(table: Table) -> list[str]:
    """What one of the two flags in a written table, the other does not, and nobody intended; to be shown to people."""
    entity = table.entity
    return [*_compared(table, entity, ours(table, entity), theirs(table, entity))]


def _compared(table: Table, entity: Entity, mine: Flags, other: Flags) -> Iterator[str]:
    cells = table.cells()
    for row in sorted(mine.ragged ^ (other.ragged - other.blank)):
        if row not in other.blank or len(cells[row]) == len(table.header):
            yield f"row {row}, {cells[row]}: only {'we' if row in mine.ragged else 'they'} find it too long or short"
    skipped = mine.ragged | other.blank
    for row in sorted(other.blank - mine.ragged - {0}):
        lacking = {
            (row, field.name)
            for field in entity.fields
            if field.name in table.header and _is_needed(entity, field.name)
        }
        if found := lacking ^ {flag for flag in mine.cells if flag[0] == row}:
            yield f"row {row} has no values: we differ from what is required in {sorted(found)}"
    for row, name in sorted(flag for flag in mine.cells ^ other.cells if flag[0] not in skipped):
        field, cell = entity.field(name), cells[row][table.header.index(name)]
        by = By.US if (row, name) in mine.cells else By.THEM
        lacks = by is By.US and name in entity.primary_key and cell in entity.missing_values
        if not lacks and not explained(by, field, cell):
            yield f"row {row}, {name}: only {'we' if by is By.US else 'they'} flag {cell!r} of {_written(table, name)}"
    yield from _repeats(table, entity, mine, other)


def _repeats(table: Table, entity: Entity, mine: Flags, other: Flags) -> Iterator[str]:
    """Keys and unique values, of which we look at rows that are good otherwise."""
    cells = table.cells()
    good = cells.keys() - {row for row, _ in mine.cells} - mine.ragged
    by_us: dict[str, set[int]] = defaultdict(set)
    for row, name in mine.repeated:
        by_us[name].add(row)
    for name, groups in sorted(_groups(other).items(), key=lambda each: each[0] != KEY):
        wanted = set()
        for group in groups:
            rows = group & good
            if len(rows) > 1:
                wanted |= rows - {min(rows)} if name == KEY and _are_copies(rows, by_us[KEY], table, entity) else rows
        good -= wanted if name == KEY else set()
        for row in sorted(wanted ^ by_us.pop(name, set())):
            yield from _unexpected(row, name, table, entity, other, by_us=row not in wanted)
    for name, rows in by_us.items():
        for row in sorted(rows):
            yield from _unexpected(row, name, table, entity, other, by_us=True)


def _groups(other: Flags) -> Mapping[str, list[set[int]]]:
    found: dict[str, list[set[int]]] = defaultdict(list)
    for name, rows in other.groups:
        found[name].append(set(rows))
    return found


def _are_copies(rows: set[int], refused: set[int], table: Table, entity: Entity) -> bool:
    """Whether rows of one key say the same; where it is written differently, we are asked."""
    cells = table.cells()
    if len({tuple(cells[row]) for row in rows}) == 1:
        return True
    texts = [at for at, name in enumerate(table.header) if entity.field(name).type in {FieldType.STRING, FieldType.ANY}]
    if len({tuple(cells[row][at].strip() for at in texts) for row in rows}) > 1:
        return False
    return min(rows) not in refused


def _unexpected(row: int, name: str, table: Table, entity: Entity, other: Flags, *, by_us: bool) -> Iterator[str]:
    if by_us and name != KEY:
        if (row, name) in other.cells:
            return  # a value only for us, for a reason that the cell has
        column = [
            cells[table.header.index(name)] for cells in table.cells().values() if len(cells) == len(table.header)
        ]
        if entity.field(name).type is FieldType.DATETIME and len({has_offset(cell) for cell in column}) > 1:
            return  # two moments are one for us, since one of them is of the timezone
    yield f"row {row}, {name}: only {'we' if by_us else 'they'} say {table.cells()[row]} repeats another"


def _is_needed(entity: Entity, name: str) -> bool:
    field = entity.field(name)
    return field.constraints.required and field.default is None


def _written(table: Table, name: str) -> str:
    return next(str(each) for each in table.descriptor["fields"] if each["name"] == name)
