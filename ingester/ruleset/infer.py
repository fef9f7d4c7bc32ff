"""A first rule file for people to edit, drafted from a sample CSV. The only part of the rules that loads pandas.

The draft loads, and takes the sample it was made of. What a sample cannot tell is left out rather than made up:
descriptions, references, checks.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ingester.domain.errors import UsageError
from ingester.domain.name import RESERVED_ENTITIES
from ingester.ruleset.clash import SERVICE_COLUMNS
from ingester.ruleset.field import MAX_COLUMN
from ingester.ruleset.guess import MARKERS, guess
from ingester.ruleset.model import Constraints, Entity, Field, FieldType, column_name
from ingester.ruleset.naming import fold_header, singular
from ingester.ruleset.written import Draft, written

#: Rows read; more would not change the draft, and it is made in memory.
MAX_ROWS = 100_000
_DELIMITERS = ",;\t|"
#: With fewer rows, a column is not called required, unique or one of a few for having looked so.
_ENOUGH_ROWS = 10
_ENUM_VALUES, _ENUM_LENGTH = 10, 40
_LENGTHS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000)
_EXAMPLE_LENGTH = 100
_KEY = re.compile(r"(^|_)(id|key|code|number|no|sku|uuid)$")
_KEY_TYPES = frozenset({FieldType.STRING, FieldType.INTEGER})
_PART_TYPES = _KEY_TYPES | {FieldType.DATE, FieldType.DATETIME, FieldType.TIME}


def infer(sample: Path, name: str | None = None) -> str:
    """The text of a rule file for the rows of `sample`, a CSV in UTF-8 or Windows-1252, of any usual delimiter.

    `name` is the entity's, by default made of the file's. UsageError if the file is no table.
    """
    frame = _read(sample)
    entity = name or entity_name(sample)
    fields = _named(list(frame.columns), entity)
    columns = [_Column.of(field, frame[header]) for field, header in zip(fields, frame.columns, strict=True)]
    missing = tuple(dict.fromkeys(marker for column in columns for marker in column.markers))
    columns = [column.without(missing) for column in columns]
    key = _primary_key(columns, frame)
    drafts = [column.draft(is_key=column.field.name in key) for column in columns]
    found = Entity(
        catalogue="draft",
        name=entity,
        title=entity.replace("_", " ").capitalize(),
        fields=tuple(draft.field for draft in drafts),
        primary_key=key,
        missing_values=("", *missing),
    )
    return written(
        found, drafts, f"Drafted from {sample.name}, {len(frame):,} rows. Read every line before you use it."
    )


def entity_name(sample: Path) -> str:
    """The entity a file name suggests: `Customers_2026-11-21.csv` → `customer`."""
    words = re.findall(r"[a-z]+[0-9]*|[a-z]", _ascii(sample.name.split(".")[0]).lower())
    name = singular("_".join(words))[:41].strip("_") or "record"
    return f"{name}_record"[:41] if name in RESERVED_ENTITIES else name


def _read(sample: Path) -> pd.DataFrame:
    try:
        with sample.open("rb") as file:
            data = file.read()
    except OSError as error:
        raise UsageError(f"{sample} cannot be read: {error.strerror}", fix="Check the path.") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    first = text[:65_536].split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=lambda each: first.count(each))
    header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    folded = [fold_header(each) for each in header]
    if not any(folded):
        raise UsageError(f"{sample} has no header row", fix="Put the column names in the first row.")
    if not all(folded):
        raise UsageError(f"a column of {sample} has no name", fix="Name every column in the first row.")
    if twice := next((each for each in header if folded.count(fold_header(each)) > 1), None):
        raise UsageError(f"the column '{twice}' appears more than once", fix="Give every column its own name.")
    try:
        return pd.read_csv(
            io.StringIO(text, newline=""),
            sep=delimiter,
            names=header,
            header=0,
            dtype=object,
            keep_default_na=False,
            na_filter=False,
            index_col=False,
            nrows=MAX_ROWS,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UsageError(f"{sample} is no table: {error}", fix="Save it as CSV again.") from None


def _named(headers: Sequence[str], entity: str) -> list[Field]:
    """A field for each column, which the column's header means by name or by alias."""
    found: list[Field] = []
    taken = set(SERVICE_COLUMNS)
    for position, header in enumerate(headers, 1):
        parts = [re.sub(r"[^A-Za-z0-9]+", "_", _ascii(part)).strip("_") for part in header.strip().split(".")]
        name = ".".join(part for part in parts if part)[:MAX_COLUMN].strip("_.")
        name = name if name != name.upper() else name.lower()
        if " " in header.strip():
            name = name.lower()
        if not re.match(r"[A-Za-z]", name):
            name = f"column_{name or position}"[:MAX_COLUMN]
        if fold_header(column_name(name)) in taken:
            name = f"{entity}_{name}"[:MAX_COLUMN]
        while fold_header(column_name(name)) in taken:
            name = f"{name[: MAX_COLUMN - 6]}_{position}"
        taken.add(fold_header(column_name(name)))
        aliases = () if fold_header(name) == fold_header(header) else (header.strip(),)
        found.append(Field(name=name, aliases=aliases, title=_title(header)))
    return found


def _title(header: str) -> str:
    words = re.sub(r"[\s_]+", " ", header).strip()
    return words[0].upper() + words[1:]


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()


@dataclass(frozen=True)
class _Column:
    """One column of the sample: its field, and the different cells that are not missing, the most frequent first."""

    field: Field
    doubts: tuple[Field, ...]
    counts: pd.Series[int]
    rows: int
    markers: tuple[str, ...] = ()

    @classmethod
    def of(cls, field: Field, cells: pd.Series[str]) -> _Column:
        stripped = cells.str.strip()
        counts = stripped[stripped != ""].value_counts()
        column = cls._guessed(field, counts, len(cells))
        markers = [each for each in MARKERS if each in counts.index]
        if markers and column.field.type is FieldType.STRING and column.field.format == "default":
            # A marker is one only where all other cells say that the column has a type.
            other = cls._guessed(field, counts.drop(markers), len(cells))
            if len(other.counts) and other.field.type is not FieldType.STRING:
                return dataclasses.replace(other, markers=tuple(markers))
        return column

    @classmethod
    def _guessed(cls, field: Field, counts: pd.Series[int], rows: int) -> _Column:
        found, doubts = guess(field.name, list(counts.index))
        merged = dataclasses.replace(found, name=field.name, aliases=field.aliases, title=field.title)
        return cls(merged, doubts, counts, rows)

    def without(self, missing: Sequence[str]) -> _Column:
        """The column where these cells are missing, as they are in the whole entity."""
        counts = self.counts.drop([each for each in missing if each in self.counts.index])
        return dataclasses.replace(self, counts=counts)

    @property
    def is_full(self) -> bool:
        return bool(self.rows) and int(self.counts.sum()) == self.rows

    @property
    def is_distinct(self) -> bool:
        return self.is_full and len(self.counts) == self.rows

    def draft(self, *, is_key: bool) -> Draft:
        """The field with the constraints that its cells suggest, and an example."""
        enough = self.rows >= _ENOUGH_ROWS
        values = [str(value) for value in self.counts.index]
        is_text = self.field.type is FieldType.STRING
        few = (
            is_text
            and self.field.format == "default"
            and enough
            and not is_key
            and 1 < len(values) <= min(_ENUM_VALUES, self.rows // 5)
            and max(map(len, values)) <= _ENUM_LENGTH
        )
        longest = max(map(len, values), default=0)
        named_so = bool(_KEY.search(self.field.name.lower())) or self.field.format in {"email", "uuid"}
        constraints = Constraints(
            required=is_key or (enough and self.is_full),
            unique=enough and not is_key and named_so and self.is_distinct and self.field.type in _KEY_TYPES,
            enum=tuple(sorted(values)) if few else None,
            max_length=next((each for each in _LENGTHS if each >= 1.5 * longest), None)
            if is_text and longest and not few
            else None,
        )
        example = next((value for value in values if len(value) <= _EXAMPLE_LENGTH), "")
        return Draft(dataclasses.replace(self.field, constraints=constraints, example=example), self.doubts)


def _primary_key(columns: Sequence[_Column], frame: pd.DataFrame) -> tuple[str, ...]:
    """The column by which records are most likely known, or the two columns; none if nothing tells rows apart."""
    distinct = [each for each in columns if each.is_distinct and each.field.type in _KEY_TYPES]
    if ranked := sorted(_ranks(distinct, columns), key=lambda pair: pair[0]):
        return (ranked[0][1],)
    parts = [(i, each) for i, each in enumerate(columns[:8]) if each.is_full and each.field.type in _PART_TYPES]
    for (i, one), (j, other) in itertools.combinations(parts, 2):
        if len(frame) >= _ENOUGH_ROWS and not frame.iloc[:, [i, j]].duplicated().any():
            return (one.field.name, other.field.name)
    return ()


def _ranks(distinct: Sequence[_Column], columns: Sequence[_Column]) -> Iterator[tuple[int, str]]:
    first = columns[0].field.name
    for column in distinct:
        name = column.field.name.lower()
        if name == "external_id":
            yield 0, column.field.name
        elif _KEY.search(name):
            yield (1 if column.field.name == first else 2), column.field.name
        elif column.field.name == first and column.rows >= _ENOUGH_ROWS:
            yield 3, column.field.name
