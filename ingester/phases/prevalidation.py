"""Phase 1: read the drop block by block, map columns to fields, check and cast every cell, spill the typed rows.

Reading and checking run together in the reader's threads, and so does hashing what may not come twice, while it is at
hand; only spilling is done here, in file order. Rows with a wrong cell are spilled too, the cell as null, so that later
phases can report everything else that is wrong with them.

Some cells, such as `1,234` and `03/04/2026`, mean what the others of their column say they do. The first one stops the
pass: the file is read from its beginning as that block suggests, all cells are looked at on the way, and if they say
otherwise it is read once more. Most files are read once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.compile import UNSETTLED, CompiledEntity, Finding, Undecided, compiled
from ingester.checks.fault import present
from ingester.checks.style import UNKNOWN, Style
from ingester.checks.survey import Evidence
from ingester.checks.total import Summing, Total, is_number, summing
from ingester.domain import notice
from ingester.domain.errors import Held
from ingester.domain.phase import PhaseName, PhaseRecord
from ingester.domain.reads import Format
from ingester.formats.opening import Opened
from ingester.formats.text.block import Block
from ingester.formats.text.delimited import DelimitedReader
from ingester.phases.account import Account
from ingester.phases.assertions import Assertions
from ingester.ruleset.columns import ColumnMatch, match_columns
from ingester.ruleset.model import Entity, FieldType, column_name
from ingester.ruleset.naming import fold_header
from ingester.spill import hashes
from ingester.spill.asserted import Asserted
from ingester.spill.notices import Kind, Notices
from ingester.spill.rows import Rows, RowWriter
from ingester.spill.verdict import Verdict

_Found = list[tuple[Kind, npt.NDArray[np.int64]]]


@dataclass(frozen=True, slots=True)
class Prevalidated:
    """What the other phases work on."""

    opened: Opened
    reader: DelimitedReader
    columns: tuple[ColumnMatch, ...]
    rows: Rows
    #: A required column is missing or a column is there twice: no row can be right, and nothing else was checked.
    unusable: bool
    #: What the rules' own checks said, or could not say yet.
    assertions: Assertions
    #: How columns are written, by field name (by header in a family), as far as it had to be known; plain JSON.
    styles: dict[str, dict[str, Any]]
    record: PhaseRecord
    #: What those columns come to that somebody says it of, as they were named.
    totals: Mapping[str, Total]


@dataclass(frozen=True, slots=True)
class _CheckedBlock:
    rows: npt.NDArray[np.int64]
    columns: dict[str, pa.Array]
    found: _Found
    last_row: int
    asserted: _Found = field(default_factory=list)
    undecided: Undecided | None = None
    no_values: Mapping[str, Counter[str]] = field(default_factory=dict)
    totals: dict[str, Total] = field(default_factory=dict)
    evidence: Mapping[str, Evidence] = field(default_factory=dict)


class _UnsettledError(Exception):
    """What has been read so far may have to be read in another way, as `styles` say."""

    def __init__(self, styles: dict[str, Style]) -> None:
        self.styles = styles


@dataclass(frozen=True, slots=True)
class _Summed:
    """A column that is summed up: where it is, and where the checks leave what they make of it, if they do."""

    position: int
    typed: str | None
    total: Summing


def run(
    opened: Opened,
    entity: Entity,
    notices: Notices,
    verdict: Verdict,
    workspace: Path,
    *,
    timezone: str,
    block_bytes: int,
    truncation_approved: bool,
    whole: Entity | None = None,
    creates: bool = False,
    partial: bool = False,
    erases: bool = False,
    style: Style = UNKNOWN,
    known: Mapping[str, Mapping[str, Any]] | None = None,
    summed: Mapping[str, bool] | None = None,
) -> Prevalidated:
    """Check every cell of a drop that the rules of `entity` ask for; columns that only `whole` has are left alone.

    `creates`: every row is a new record, without anything that the file does not say; `partial`: rows only change
    records, so that no column but the key's has to be there; `erases`: empty cells erase; `style`: how the feed says
    that its numbers and dates are written; `known`: the `styles` of the import whose rejects this file is. Columns that
    are `summed` are so over every row, refused ones too; one that need not be meant (False) only if it is of numbers by
    the rules.
    Raises UnreadableFile, or Held when the last record is cut off.
    """
    account = Account(PhaseName.PREVALIDATION)
    reader = opened.reader(block_bytes=block_bytes, index=workspace / "rows.index")
    columns = tuple(match_columns(reader.header, whole or entity))
    # Only the rules' own entities are there again for the next file.
    make = compiled if entity is whole else CompiledEntity
    checks = make(entity, timezone, erases=erases, creates=creates)
    asked = {field.name for field in entity.fields}
    cells = {match.key: match for match in columns if match.key is not None and match.field in asked}
    sums = _summed(summed or {}, columns, whole or entity, set(cells), timezone)
    task = _Task(opened, reader, columns, cells, entity, checks, sums, partial=partial)
    pinned = task.pinned(style, known)
    try:
        read = _pass(task, _Styles(task, pinned), notices, verdict, workspace)
    except _UnsettledError as unsettled:
        read = _again(task, pinned, unsettled.styles, notices, verdict, workspace)
    while (told := read.styles.told(read.evidence)) is not None:
        read = _again(task, pinned, told, notices, verdict, workspace)
    if reader.truncated is not None and not truncation_approved:
        raise Held("possibly_truncated", notice.message("possibly_truncated", expected=reader.truncated))
    if not read.usable:
        verdict.reject_all()
    record = account.close(total=verdict.total, error=verdict.error_rows)
    return Prevalidated(
        opened=opened,
        reader=reader,
        columns=columns,
        rows=read.rows,
        unusable=not read.usable,
        assertions=Assertions(checks, read.asserted),
        styles=read.styles.to_json(read.evidence),
        record=record,
        totals=read.totals,
    )


class _Task:
    """What is read and by which rules; and how its columns are written."""

    def __init__(
        self,
        opened: Opened,
        reader: DelimitedReader,
        columns: tuple[ColumnMatch, ...],
        cells: Mapping[str, ColumnMatch],
        entity: Entity,
        checks: CompiledEntity,
        sums: Mapping[str, _Summed],
        *,
        partial: bool,
    ) -> None:
        self.opened = opened
        self.sums = sums
        self.reader, self.columns, self.entity, self.checks = reader, columns, entity, checks
        self.partial = partial
        self.cells = cells
        self.fields = {key: match.field for key, match in cells.items() if match.field is not None}
        self._styled = {key: cells[key].position for key, name in self.fields.items() if checks.has_style(name)}

    def pinned(self, style: Style, known: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Style]:
        """What is known of each column before it is read.

        A file of rejects has few of the rows that told how the columns of its original are written. Where that is not
        known any more, what looks canonical may not be.
        """
        if known is None:
            is_of_rejects = {match.column for match in self.columns} >= _MARKS_OF_REJECTS
            style = replace(style, doubtful=is_of_rejects and not style.decimal)
            styles = dict.fromkeys(self._styled, style)
        else:
            canonical = style if style.decimal else replace(style, decimal=".")
            styles = {key: Style.of_json(known[key]) if key in known else canonical for key in self._styled}
        return {key: each.of_type(self.entity.field(self.fields[key]).type) for key, each in styles.items()}

    def look(self, block: Block) -> dict[str, Evidence]:
        """What one block tells of how its columns are written."""
        return {
            key: self.checks.evidence(self.fields[key], block.written(position))
            for key, position in self._styled.items()
        }

    def settled(self, pinned: Mapping[str, Style], found: Mapping[str, Evidence]) -> dict[str, Style]:
        """How each column is written, by what has been seen of it."""
        styles = {key: evidence.style(pinned[key]) for key, evidence in found.items()}
        signs = {each.decimal for each in styles.values()}
        if "," in signs and "." not in signs:
            # The file has decimal commas: nobody knows what the points of its other columns are.
            return {
                key: replace(each, doubtful=not each.decimal) if found[key].is_of_numbers else each
                for key, each in styles.items()
            }
        return styles


class _Styles:
    """How the columns are taken to be written while a file is read, by several threads.

    At first as is known; from the first block on with cells that have several readings, as that block suggests, and
    all cells are looked at. Mostly that is right, which is known at the end, and what was read before it is right too.
    """

    def __init__(self, task: _Task, pinned: Mapping[str, Style], suggested: dict[str, Style] | None = None) -> None:
        self._task, self._pinned = task, pinned
        self._lock = Lock()
        #: What counts now, and whether it was suggested: one value, as threads read it at any time.
        self.state: tuple[Mapping[str, Style], bool] = (pinned, False) if suggested is None else (suggested, True)
        #: Whether blocks were read that nobody looked at: their cells are as the standard has them, or could be
        #: nothing else.
        self._unseen = False

    def doubt(self, block: Block) -> None:
        """A block has cells with several readings, by what was known. Raises _UnsettledError."""
        with self._lock:
            if self.state[1]:
                return
            found = self._task.settled(self._pinned, self._task.look(block))
            if self._unseen and any(each.decimal == "," or each.doubtful for each in found.values()):
                raise _UnsettledError(found)
            self.state = (found, True)

    def keep(self, used: Mapping[str, Style]) -> bool:
        """Whether a block that was read in this way may stay so."""
        with self._lock:
            now, is_suggested = self.state
            if now is not used:
                return False
            self._unseen = self._unseen or not is_suggested
            return True

    def told(self, evidence: Mapping[str, Evidence]) -> dict[str, Style] | None:
        """How the columns are written by all that was seen, if the file has to be read again in that way."""
        now, is_suggested = self.state
        if not is_suggested:
            return None
        told = self._task.settled(self._pinned, evidence)
        # What was not looked at speaks for the standard alone, so that nothing would come of it but that.
        is_known = not self._unseen or all(evidence[key].is_standard(each) for key, each in told.items())
        return None if told == now and is_known else told

    def to_json(self, evidence: Mapping[str, Evidence]) -> dict[str, dict[str, Any]]:
        """By column, what is known of it and is not what everybody would take it for."""
        said = {key: style.to_json() for key, style in self.state[0].items()}
        plain = {key for key, found in evidence.items() if found.is_plain and self._pinned[key].decimal != "."}
        return {key: each for key, each in said.items() if each and not (key in plain and each == {"decimal": "."})}


#: The columns that only a file of rejects has.
_MARKS_OF_REJECTS = {"_import", "_row", "_errors"}


class _Read(NamedTuple):
    rows: Rows
    asserted: Asserted
    usable: bool
    totals: Mapping[str, Total]
    styles: _Styles
    #: What cells tell of how their columns are written, as far as they were looked at.
    evidence: Mapping[str, Evidence]


def _again(
    task: _Task,
    pinned: Mapping[str, Style],
    styles: dict[str, Style],
    notices: Notices,
    verdict: Verdict,
    workspace: Path,
) -> _Read:
    """Read the file once more from its beginning, and look at all cells."""
    notices.clear()
    verdict.clear()
    return _pass(task, _Styles(task, pinned, styles), notices, verdict, workspace)


def _pass(task: _Task, styles: _Styles, notices: Notices, verdict: Verdict, workspace: Path) -> _Read:
    """Read the whole file. Raises _UnsettledError where what was read before may have another reading."""
    reader, entity, cells, fields = task.reader, task.entity, task.cells, task.fields
    for remark in task.opened.remarks:
        notices.add_to_file(remark.code, expected=remark.expected, value=remark.value)
    is_sheet = task.opened.detected.sheet is not None
    usable = _report_columns(task.columns, entity, notices, partial=task.partial, is_sheet=is_sheet)
    provided = set(fields.values())
    spilled_as = tuple(dict.fromkeys(field.column for field in entity.fields if field.name in provided))
    distinct = _distinct(entity, spilled_as)
    sums = task.sums
    totals = dict.fromkeys(sums, Total())
    evidence: dict[str, Evidence] = {}
    key = [column_name(name) for name in entity.primary_key]
    wrong_width = Kind("wrong_cell_count", (), notice.message("wrong_cell_count", expected=str(len(reader.header))))
    if task.opened.detected.format == Format.JSONL:
        wrong_width = Kind("invalid_record", (), notice.message("invalid_record"))
    repeated = Kind("repeated_header", (), notice.message("repeated_header"))
    broken = Kind("broken_quotes", (), notice.message("broken_quotes"))

    def check(block: Block) -> _CheckedBlock:
        numbers = block.rows.to_numpy()
        ragged = block.ragged.column("row").to_numpy()
        last_row = int(max(numbers[-1] if len(numbers) else 0, ragged[-1] if len(ragged) else 0))
        if not usable:
            return _CheckedBlock(numbers, {}, [], last_row)
        sent = {key: block.table.column(match.position) for key, match in cells.items()}
        certain = {key: mask for key, match in cells.items() if (mask := block.typed.get(match.position)) is not None}
        while True:
            used, is_suggested = styles.state
            checked = task.checks.check(sent, fields, used, certain)
            if not is_suggested and any(each.code in UNSETTLED for each in checked.findings):
                styles.doubt(block)
            elif styles.keep(used):
                break
        found = _kinds(checked.findings, numbers)
        if (again := _repeats(block, reader.header)).size:
            found.append((repeated, numbers[again]))
        cut = block.ragged.column("cells").to_numpy() == 0
        found += [(broken, ragged[cut]), (wrong_width, ragged[~cut])]
        typed = {name: checked.columns[name] for name in spilled_as}
        for group in distinct:
            typed[hashes.column_of(group)] = pa.array(hashes.hashes([typed[name] for name in group]))
        asserted = _kinds(checked.asserted, numbers)
        summed_up = {
            name: each.total(block.table.column(each.position), checked.columns.get(each.typed or ""))
            for name, each in sums.items()
        }
        return _CheckedBlock(
            numbers,
            typed,
            found,
            last_row,
            asserted,
            checked.undecided,
            checked.no_values,
            summed_up,
            task.look(block) if is_suggested else {},
        )

    spilled = workspace / "rows.arrow"
    no_values: dict[str, Counter[str]] = {}
    with RowWriter(spilled) as writer, Asserted(workspace, entity, notices) as asserted:
        for block in reader.map(check):
            verdict.extend(block.last_row)
            totals |= {name: totals[name] + total for name, total in block.totals.items()}
            evidence |= {key: evidence.get(key, Evidence()) + each for key, each in block.evidence.items()}
            verdict.reject(notices.add(PhaseName.PREVALIDATION, block.found))
            asserted.found(block.asserted)
            if block.undecided is not None:
                _leave(asserted, block.undecided, block, key)
            if usable and len(block.rows):
                writer.write(pa.array(block.rows), block.columns)
            for name, words in block.no_values.items():
                no_values.setdefault(name, Counter()).update(words)
    for name, words in no_values.items():
        # By frequency, then by word, however the file was cut into blocks.
        said = sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))
        shown = ", ".join(f"'{word}' ({count})" for word, count in said[:_NAMED]) + ", …" * (len(said) > _NAMED)
        notices.add_to_file("read_as_missing", (name,), expected=shown)
    return _Read(Rows(spilled, spilled_as), asserted, usable, totals, styles, evidence)


#: Words that the notice about them names.
_NAMED = 5


def _repeats(block: Block, header: Sequence[str]) -> npt.NDArray[np.int64]:
    """The rows that are the header once more, as where several exports were put into one file."""
    at = np.arange(block.table.num_rows)
    for name, column in zip(header, block.table.columns, strict=True):
        if not at.size or not name:
            return at[:0]
        cells = column if at.size == len(column) else column.take(pa.array(at))
        at = at[pc.equal(cells, name).to_numpy(zero_copy_only=False)]
    return at


def _kinds(findings: list[Finding], numbers: npt.NDArray[np.int64]) -> _Found:
    return [
        (Kind(each.code, each.fields, each.message, each.severity, each.hint), numbers[each.positions])
        for each in findings
    ]


def _leave(asserted: Asserted, undecided: Undecided, block: _CheckedBlock, key: Sequence[str]) -> None:
    """Let rows wait with their keys, of which nothing may be missing: nobody knows which record such a row is about."""
    at = undecided.positions
    keys = {name: block.columns[name].take(pa.array(at)) for name in key}
    whole = np.logical_and.reduce([present(column) for column in keys.values()])
    if not whole.any():
        return
    keep = pa.array(whole)
    asserted.leave(
        block.rows[at[whole]],
        {name: column.filter(keep) for name, column in keys.items()},
        {name: column.filter(keep) for name, column in undecided.values.items()},
        [waits[whole] for waits in undecided.waits],
    )


def _summed(
    wanted: Mapping[str, bool], columns: Sequence[ColumnMatch], whole: Entity, asked: set[str], timezone: str
) -> dict[str, _Summed]:
    """The columns of a file that `wanted` names, by those names."""
    fields = {each.name: each for each in whole.fields if not each.is_family}
    found = {}
    for name, is_meant in wanted.items():
        folded = fold_header(name)
        named = [match for match in columns if folded in (fold_header(match.column), fold_header(match.field or ""))]
        if not named:
            continue
        match, field_ = named[0], fields.get(named[0].field or "")
        if not is_meant and not (field_ is not None and field_.type is FieldType.NUMBER):
            continue
        is_typed = field_ is not None and is_number(field_) and not field_.is_extra and match.key in asked
        typed = field_.column if field_ is not None and is_typed else None
        found[name] = _Summed(match.position, typed, summing(whole, field_, timezone))
    return found


def _distinct(entity: Entity, spilled: Sequence[str]) -> list[tuple[str, ...]]:
    """The columns, alone or together, whose values later phases expect to differ from row to row."""
    unique = [(field.name,) for field in entity.fields if field.constraints.unique]
    groups = dict.fromkeys(tuple(map(column_name, names)) for names in (entity.primary_key, *unique) if names)
    return [group for group in groups if set(group) <= set(spilled)]


def _report_columns(
    columns: tuple[ColumnMatch, ...], entity: Entity, notices: Notices, *, partial: bool, is_sheet: bool
) -> bool:
    """Notices about the header; False where they make every row wrong.

    A sheet has columns as far as there are cells; the last column of text may be nothing but a delimiter too many.
    """
    if not columns:
        return True  # a document without records
    found = [match.field for match in columns if match.field is not None]
    keys = [(match.field, match.member) for match in columns]
    twice = sorted({match.key for match in columns if match.key and keys.count((match.field, match.member)) > 1})
    missing = [
        field.name
        for field in entity.fields
        if ((field.constraints.required and not partial) or field.name in entity.primary_key)
        and field.default is None
        and field.name not in found
    ]
    for name in twice:
        notices.add_to_file("duplicate_column", (name,), expected=f"'{name}'", value=name)
    for name in missing:
        notices.add_to_file("missing_column", (name,), expected=f"'{name}'")
    last = max((match.position for match in columns if match.column), default=-1)
    for match in columns:
        if match.matched_by == "likeness":
            said = f"'{match.column}' was taken for '{match.field}'"
            notices.add_to_file("similar_column", (match.field or "",), expected=said, value=match.column)
        elif match.field is None and match.column:
            notices.add_to_file("unknown_column", (), expected=f"'{match.column}'", value=match.column)
        elif match.field is None and (is_sheet or match.position < last):
            notices.add_to_file("unnamed_column", (), expected=str(match.position + 1))
    return not twice and not missing
