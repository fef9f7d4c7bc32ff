"""Canonical JSON: no blanks, members sorted by name, numbers as they were written. Each distinct text is read once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import replaced, within
from ingester.checks.fault import Fault, Typed, where_true

#: A value of JSON: deeper ones are refused by Python's own limit of recursion.
Json = dict[str, "Json"] | list["Json"] | str | int | bool | None

#: Whether a byte of a text has an escape in JSON.
_ESCAPED = np.isin(np.arange(256), [*range(0x20), ord('"'), ord("\\")])


#: Of a number inside of JSON; those of other cells have limits of their own.
_MAX_DIGITS, _MAX_EXPONENT = 1_000, 1_000


class Digits(str):
    """A JSON number as it was written: a float would round it."""

    __slots__ = ()


def read(text: str) -> Json:
    """The value; ValueError for what is no JSON, names a member twice or holds what a database's text cannot."""
    try:
        value: Json = json.loads(
            text, parse_float=_number, parse_int=_number, parse_constant=_refuse, object_pairs_hook=_members
        )
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    return value


def _number(text: str) -> Digits:
    """A number as it is written; ValueError for one that PostgreSQL would have to write out in thousands of digits."""
    digits, _, exponent = text.lower().partition("e")
    if len(digits) > _MAX_DIGITS or abs(int(exponent or 0)) > _MAX_EXPONENT:
        raise ValueError("a number is too large")
    return Digits(text)


def write(value: Json) -> str:
    """Its canonical text; ValueError as for `read`."""
    try:
        text = _dump(value)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    text.encode()
    if "\\u0000" in text.replace("\\\\", ""):
        raise ValueError("it holds a NUL character")
    return text


def cast_distinct(text: pa.StringArray, canonical: Callable[[str], str], expected: str) -> Typed:
    """Cast by a function of one cell, which raises ValueError where it has no value; called for each distinct cell."""
    encoded = text.dictionary_encode()
    found: list[str | None] = []
    for cell in encoded.dictionary.to_pylist():
        try:
            found.append(canonical(cell))
        except ValueError:
            found.append(None)
    values = pa.array(found, pa.string()).take(encoded.indices)
    wrong = where_true(pc.and_(values.is_null(), text.is_valid()))
    return Typed(values, [Fault("invalid_type", expected, wrong)] if wrong.size else [])


def count(values: pa.StringArray) -> pa.Int64Array:
    """How many items or members each value of a column of canonical texts has; null for null."""
    encoded = values.dictionary_encode()
    counts = [len(json.loads(text)) for text in encoded.dictionary.to_pylist()]
    return pa.array(counts, pa.int64()).take(encoded.indices)


def quoted(text: pa.StringArray, before: str = "") -> pa.StringArray:
    """Each text as a JSON string after some other text; null for null."""
    plain = pc.binary_join_element_wise(f'{before}"', text, '"', "")
    if not _ESCAPED[within(text)].any():
        return plain
    special = where_true(pc.match_substring_regex(text, r'["\\\x00-\x1f]'))
    if not special.size:
        return plain
    chosen = [before + json.dumps(cell, ensure_ascii=False) for cell in text.take(pa.array(special)).to_pylist()]
    return replaced(plain, special, pa.array(chosen, pa.string()))


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _members(pairs: list[tuple[str, Json]]) -> Json:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member is named twice")
    return members


def _dump(value: Json) -> str:
    if isinstance(value, Digits):
        return value
    if isinstance(value, list):
        return f"[{','.join(map(_dump, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{_dump(name)}:{_dump(item)}' for name, item in sorted(value.items()))}}}"
    return json.dumps(value, ensure_ascii=False)
