"""Records that need not have the same keys, as JSON and XML have them, made rows of one width.

A record is a mapping. Its values are texts, numbers as bytes just as they are written, booleans, None, mappings, which
become columns with dots, and lists, which become cells of JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile
from ingester.domain.limits import Limits
from ingester.domain.reads import Reads
from ingester.formats.heading import IsKnown
from ingester.formats.plain import TYPED, PlainWriter, text, too_large, typed

#: Zeros that are written out for an exponent; a number with more stays as it was written.
_MOST_ZEROS = 40
#: Of a name in a message.
_SHORT = 60


class BadRecord(ValueError):
    """A record, or the text around records, is not as it must be; the message is for the customer."""

    code = "unreadable_file"

    def within(self, place: str) -> BadRecord:
        """The same, and where it is."""
        return type(self)(f"{place}: {self}")

    def refusal(self, place: str = "") -> UnreadableFile:
        """The error for the whole file."""
        return UnreadableFile(self.code, notice.message(self.code, expected=f"{self}{place}"))


class TooDeep(BadRecord):
    """There is more in one another than the limits let."""

    code = "too_large"

    def __init__(self, said: str = "it is nested too deeply") -> None:
        super().__init__(said)


def _number(digits: str) -> str:
    """A number without exponent, where that is not much longer."""
    if "e" not in digits and "E" not in digits:
        return digits
    mantissa, exponent = digits.lower().split("e")
    if len(exponent) > 4 or abs(int(exponent)) > _MOST_ZEROS:
        return digits
    return format(Decimal(digits), "f") if len(mantissa) <= _MOST_ZEROS else digits


def _typed(digits: bytes) -> str:
    plain = _number(digits.decode())
    # What has an exponent still is no plain decimal, and for the field to judge.
    return plain if "e" in plain or "E" in plain else TYPED + plain


def json_text(value: object, depth: int) -> str:
    """A nested value as JSON again, its numbers as they were written."""
    if depth <= 0:
        raise TooDeep
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        inside = (f"{json.dumps(key, ensure_ascii=False)}:{json_text(each, depth - 1)}" for key, each in value.items())
        return "{" + ",".join(inside) + "}"
    if isinstance(value, list):
        return "[" + ",".join(json_text(each, depth - 1) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def short(name: str) -> str:
    """A name as it is quoted in a message."""
    return name if len(name) <= _SHORT else name[:_SHORT] + "…"


class RecordTable:
    """Records made rows of one width."""

    def __init__(
        self, writer: PlainWriter, columns: dict[str, None], reads: Reads, limits: Limits, is_known: IsKnown | None
    ) -> None:
        self._writer = writer
        self._columns = columns
        self._order = list(columns)
        self._limits = limits
        self._is_known = is_known or (lambda _: False)
        self._heads = reads.columns if reads.header == 0 else None
        self._listed: tuple[str, ...] | None = None
        #: Whether there are columns that the rows written first do not have.
        self.outgrown = False
        self.first_line = 1
        self.header_row: int | None = None

    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self._columns) if self._listed is None else self._listed

    @property
    def rows(self) -> int:
        """How many were written."""
        return self._writer.rows

    def add(self, record: object, line: int) -> None:
        """A row for one record; `line` is its number."""
        if isinstance(record, dict) and self._listed is None:
            self._object(record, line)
        elif isinstance(record, list) and not self._columns:
            self._list(record, line)
        else:
            raise BadRecord("not every record is an object" if self.names() else "it is no object")

    def add_broken(self, raw: str, line: int) -> None:
        """A row for a record that cannot be read."""
        self._started(line)
        self._writer.write_broken(raw, len(self._listed or self._order), line)

    def _object(self, record: Mapping[str, object], line: int) -> None:
        cells: dict[str, str] = {}
        self._flatten(record, "", cells, self._limits.depth)
        if list(cells) != self._order:
            if not cells.keys() <= self._columns.keys():
                self._grow(cells)
            if not self.outgrown:
                row: Sequence[str] = [cells.get(name, "") for name in self._order]
        else:
            row = list(cells.values())
        self._started(line)
        if not self.outgrown:
            self._writer.write(row, line)

    def _grow(self, cells: Mapping[str, str]) -> None:
        for name in cells.keys() - self._columns.keys():
            if not _is_text(name):
                raise BadRecord("a key has half a character")
        self._columns.update(dict.fromkeys(cells))
        if len(self._columns) > self._limits.columns:
            raise too_large(f"over {self._limits.columns} columns")
        if self._writer.rows == 0:
            self._order = list(self._columns)
        else:
            self.outgrown = True

    def _flatten(self, record: Mapping[str, object], prefix: str, cells: dict[str, str], depth: int) -> None:
        before = len(cells)
        for key, value in record.items():
            kind, name = type(value), prefix + key
            if kind is str:
                cells[name] = text(value)  # type: ignore[arg-type]
            elif kind is bytes:
                cells[name] = _typed(value)  # type: ignore[arg-type]
            elif value is None:
                cells[name] = ""
            elif kind is bool:
                cells[name] = typed("true" if value else "false")
            elif isinstance(value, dict) and not self._is_known(name):
                if depth <= 1:
                    raise TooDeep
                at = len(cells)
                self._flatten(value, name + ".", cells, depth - 1)
                before += len(cells) - at - 1
            else:
                cells[name] = text(json_text(value, depth))
        if len(cells) - before != len(record):
            raise BadRecord("a key with dots and a nested one are the same column")

    def _list(self, record: Sequence[object], line: int) -> None:
        if self._listed is None:
            if self._heads is None:
                if self._writer.rows or not all(isinstance(cell, str) for cell in record):
                    raise BadRecord("the first list is no list of column names")
                self._listed = tuple(str(cell).strip() for cell in record)
                self.header_row, self.first_line = line, line + 1
                return
            self._listed = self._heads
        cells: dict[str, str] = {}
        places = {str(place): value for place, value in enumerate(record)}
        for place, value in places.items():
            if isinstance(value, dict | list):
                cells[place] = text(json_text(value, self._limits.depth))
            else:
                self._flatten({place: value}, "", cells, 1)
        self._started(line)
        self._writer.write(list(cells.values()), line)

    def _started(self, line: int) -> None:
        if self._writer.rows == 0 and self.header_row is None:
            self.first_line = line
