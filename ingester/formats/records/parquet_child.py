"""The process that reads one Parquet file: Arrow ends the one that it is in over some that are damaged.

An instant becomes UTC; a timestamp at midnight without a zone becomes a date, as in a workbook. What a struct holds
becomes columns with dots, lists and maps become JSON text. NaN and infinity are texts, which no number field takes.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from ingester import arrow_alone as _arrow_alone  # noqa: F401 -- before any other module makes an array
from ingester.domain.size import in_words
from ingester.formats.heading import IsKnown
from ingester.formats.plain import PlainWriter, too_large, unreadable
from ingester.formats.plain_columns import escaped, lines, typed_column
from ingester.formats.serving import Allowed, hear, say, serve

_BATCH_ROWS = 1 << 14
#: Of text that a batch becomes; one that would be more is halved until it is not.
_BATCH_BYTES = 64 << 20
_EXACT = float(2**53)
_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def _read(order: dict[str, Any]) -> None:
    source = Path(order["source"])
    with source.open("rb") as file:
        if file.read(4) == b"PARE":
            raise unreadable("the Parquet file is encrypted")
    with parquet.ParquetFile(source) as opened:
        texts = _texts(opened, source.stat().st_size, order)
        say(names=[name for name, kind in _named("", opened.schema_arrow) if not _is_plain(kind)])
    known = frozenset(hear()["known"])
    # Old timestamps span more years than nanoseconds count: 1676 would become 2261.
    with parquet.ParquetFile(source, read_dictionary=texts, coerce_int96_timestamp_unit="us") as opened:
        names, rows = _transcribe(opened, Path(order["target"]), Allowed.of(order), known.__contains__)
    say(names=names, rows=rows)


def _named(prefix: str, fields: pa.Schema | pa.StructType) -> Iterator[tuple[str, pa.DataType]]:
    """Every column, and what is in structs."""
    for place in range(len(fields) if isinstance(fields, pa.Schema) else fields.num_fields):
        field = fields.field(place)
        yield prefix + field.name, field.type
        if pa.types.is_struct(field.type):
            yield from _named(f"{prefix}{field.name}.", field.type)


def _is_plain(kind: pa.DataType) -> bool:
    """Whether it does not matter if a field takes it."""
    return not (
        pa.types.is_struct(kind) or pa.types.is_fixed_size_binary(kind) or _is_text(kind)
    ) or pa.types.is_string(kind)


def _texts(opened: parquet.ParquetFile, size: int, order: dict[str, Any]) -> list[str]:
    """The columns of text that are kept as dictionaries: until it is known how much text they stand for, they stay so.

    Raises UnreadableFile over a limit.
    """
    metadata = opened.metadata
    if metadata.num_rows > order["rows"]:
        raise too_large(f"{metadata.num_rows} rows; at most {order['rows']} are allowed")
    if metadata.num_columns > order["columns"]:
        raise too_large(f"{metadata.num_columns} columns; at most {order['columns']} are allowed")
    unpacked, texts = 0, set()
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(place)
            unpacked += chunk.total_uncompressed_size
            if chunk.physical_type == "BYTE_ARRAY" and any("DICTIONARY" in each for each in chunk.encodings):
                texts.add(chunk.path_in_schema)
    if unpacked > order["unpacked_bytes"]:
        raise too_large(f"a Parquet file of over {in_words(order['unpacked_bytes'])} unpacked")
    if unpacked > max(size * order["ratio"], order["ratio_bytes"]):
        raise too_large(f"a Parquet file over {order['ratio']} times as large when it is unpacked")
    return sorted(texts)


def _transcribe(
    opened: parquet.ParquetFile, target: Path, limits: Allowed, is_known: IsKnown
) -> tuple[tuple[str, ...], int]:
    columns = _Columns(is_known)
    schema = opened.schema_arrow
    empty = pa.record_batch([pa.array([], kind) for kind in schema.types], schema=schema)
    names = tuple(name for name, _ in columns.of(empty))
    if not names:
        raise unreadable("the Parquet file has no columns")
    with PlainWriter(target, len(names), limits) as writer:
        for batch in opened.iter_batches(_BATCH_ROWS, use_threads=False):
            for part in _parts(batch):
                cells = [column for _, column in columns.of(part)]
                writer.write_lines(lines(cells, limits.cell_bytes, writer.rows + 1), part.num_rows)
    return names, writer.rows


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in parts that are not too much as text."""
    if batch.num_rows > 1 and sum(map(_bytes, batch.columns)) > _BATCH_BYTES:
        half = batch.num_rows // 2
        yield from _parts(batch.slice(0, half))
        yield from _parts(batch.slice(half))
    elif batch.num_rows:
        yield batch


def _bytes(column: pa.Array) -> int:
    """How much text a column is, before it is made."""
    if pa.types.is_dictionary(column.type):
        if not len(column.dictionary) or not _is_text(column.type.value_type):
            return 0
        return pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0
    return int(column.nbytes)


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
    )


class _Columns:
    """Columns of a batch as named columns of cells."""

    def __init__(self, is_known: IsKnown) -> None:
        self._is_known = is_known

    def of(self, batch: pa.RecordBatch) -> Iterator[tuple[str, pa.Array]]:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            yield from self._column(name, column)

    def _column(self, name: str, column: pa.Array) -> Iterator[tuple[str, pa.Array]]:
        if isinstance(column, pa.ExtensionArray):
            if column.type.extension_name == "arrow.uuid":
                yield (
                    name,
                    escaped(
                        pa.array([None if each is None else str(each) for each in column.to_pylist()], pa.string())
                    ),
                )
                return
            column = column.storage
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if pa.types.is_struct(column.type) and column.type.num_fields and not self._is_known(name):
            fields = [column.type.field(place).name for place in range(column.type.num_fields)]
            for field, inner in zip(fields, column.flatten(), strict=True):
                yield from self._column(f"{name}.{field}", inner)
        else:
            yield name, self._cells(name, column)

    def _cells(self, name: str, column: pa.Array) -> pa.Array:
        types, kind = pa.types, column.type
        if types.is_null(kind):
            return pa.nulls(len(column), pa.large_string())
        if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
            column.validate(full=True)
            return escaped(column)
        if types.is_boolean(kind) or types.is_integer(kind):
            return typed_column(column.cast(pa.string()))
        if types.is_floating(kind):
            return _floats(column)
        if types.is_decimal(kind):
            return typed_column(_without_exponent(column.cast(pa.string())))
        if types.is_date(kind):
            return _typed_if_valid(column.cast(pa.date32()).cast(pa.string()))
        if types.is_timestamp(kind):
            return _timestamps(column)
        if types.is_time(kind):
            return _typed_if_valid(_short(column.cast(pa.string())))
        if types.is_duration(kind):
            return _durations(column)
        if (
            types.is_binary(kind)
            or types.is_large_binary(kind)
            or types.is_binary_view(kind)
            or types.is_fixed_size_binary(kind)
        ):
            return self._bytes(name, column)
        if types.is_nested(kind):
            values = column.to_pylist(maps_as_pydicts="strict") if types.is_map(kind) else column.to_pylist()
            as_json = _json if _has_own_json(kind) else _ENCODER.encode
            return escaped(pa.array([None if each is None else as_json(each) for each in values], pa.large_string()))
        raise unreadable(f'the column "{name}" is of the type {kind}')

    def _bytes(self, name: str, column: pa.Array) -> pa.Array:
        """Bytes that are text, as old writers leave it; others only for a column that nobody knows, in base64."""
        try:
            return escaped(column.cast(pa.large_binary()).cast(pa.large_string()))
        except pa.ArrowInvalid:
            if self._is_known(name):
                raise unreadable(f'the column "{name}" holds bytes that are no text') from None
        cells = [None if each is None else b64encode(each).decode() for each in column.to_pylist()]
        return pa.array(cells, pa.large_string())


def _floats(column: pa.Array) -> pa.Array:
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    finite = pc.fill_null(pc.is_finite(column), False)
    values = np.nan_to_num(column.fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64), posinf=0, neginf=0)
    is_whole = (values == np.floor(values)) & (np.abs(values) < _EXACT)
    whole = pa.array(np.where(is_whole, values, 0).astype(np.int64)).cast(pa.string())
    # Arrow writes whole numbers of ten digits and more with an exponent, for which numbers are taken one by one.
    broken = pc.if_else(pa.array(is_whole), pa.scalar(None, column.type), column)
    digits = pc.if_else(pa.array(is_whole), whole, _without_exponent(broken.cast(pa.string())))
    return pc.if_else(
        pc.is_null(column),
        pa.scalar(None, pa.large_string()),
        pc.if_else(finite, typed_column(digits), column.cast(pa.string()).cast(pa.large_string())),
    )


def _without_exponent(digits: pa.Array) -> pa.Array:
    """Numbers in plain digits; few have an exponent."""
    has = pc.fill_null(pc.match_substring_regex(digits, "[0-9][eE][+-]?[0-9]"), False)
    if not pc.any(has).as_py():
        return digits
    plain = [format(Decimal(each), "f") for each in digits.filter(has).to_pylist()]
    return pc.replace_with_mask(digits, has, pa.array(plain, digits.type))


def _typed_if_valid(column: pa.Array) -> pa.Array:
    """Typed cells; Arrow writes a sentence for what is no date of the calendar."""
    odd = pc.starts_with(column, "<")
    return pc.if_else(odd, column.cast(pa.large_string()), typed_column(column))


def _short(column: pa.Array) -> pa.Array:
    """Without zeros at the end of a fraction."""
    return pc.if_else(pc.match_substring(column, "."), pc.utf8_rtrim(pc.utf8_rtrim(column, "0"), "."), column)


def _timestamps(column: pa.Array) -> pa.Array:
    zone = column.type.tz is not None
    # Without its zone it is UTC.
    shown = pc.replace_substring(column.cast(pa.timestamp(column.type.unit)).cast(pa.string()), " ", "T")
    shown = _short(shown)
    if zone:
        return _typed_if_valid(pc.binary_join_element_wise(shown, "Z", ""))
    return _typed_if_valid(pc.replace_substring_regex(shown, "T00:00:00$", ""))


def _durations(column: pa.Array) -> pa.Array:
    """Seconds of ISO 8601."""
    unit = _SECOND[column.type.unit]
    total = column.cast(pa.int64())
    whole = pc.divide(pc.abs(total), unit)
    rest = pc.subtract(pc.abs(total), pc.multiply(whole, unit))
    sign = pc.if_else(pc.less(total, 0), "-PT", "PT")
    digits = len(str(unit)) - 1
    fraction = pc.utf8_lpad(rest.cast(pa.string()), digits, "0") if digits else pa.array([""] * len(column))
    shown = pc.binary_join_element_wise(sign, whole.cast(pa.string()), ".", fraction, "")
    return typed_column(
        pc.binary_join_element_wise(pc.replace_substring_regex(shown, r"\.?0*$", "") if digits else shown, "S", "")
    )


def _json(value: Any) -> str:
    """JSON of what a list, a map or a struct holds; numbers have all their digits."""
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(f"{json.dumps(str(key), ensure_ascii=False)}:{_json(each)}" for key, each in value.items())
            + "}"
        )
    if isinstance(value, list):
        # A map is a list of pairs.
        if value and all(isinstance(each, tuple) for each in value):
            return _json(dict(value))
        return "[" + ",".join(map(_json, value)) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    if value is None or isinstance(value, bool | int | float | str):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(_as_text(value))


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


#: The same JSON, ten times as fast, of values that the standard library writes as we do.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_as_text)


def _has_own_json(kind: pa.DataType) -> bool:
    """Whether there are decimals or maps in it."""
    types = pa.types
    if types.is_decimal(kind) or types.is_map(kind) or types.is_dictionary(kind):
        return True
    return any(_has_own_json(kind.field(place).type) for place in range(kind.num_fields))


if __name__ == "__main__":
    serve(_read, "the Parquet file", {})
