"""Canonical JSON: no blanks, members sorted by name, one text for each number. Each distinct text is read once.

A number is plain as those of other cells are (`ingester.checks.number`) while as many digits as they may have suffice,
else `1.5e400`: equal ones are equal texts, as they are equal values for PostgreSQL's jsonb, and no digit is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import replaced, within
from ingester.checks.fault import Fault, Typed, where_true
from ingester.checks.number import MAX_DIGITS

#: A value of JSON: deeper ones are refused by Python's own limit of recursion.
Json = dict[str, "Json"] | list["Json"] | str | int | bool | None

#: Whether a byte of a text has an escape in JSON.
_ESCAPED = np.isin(np.arange(256), [*range(0x20), ord('"'), ord("\\")])


#: Digits as written and powers of ten of a number inside of JSON; those of other cells have limits of their own.
_MOST_DIGITS, _MOST_TENS = 1_000, 1_000

#: Those of JSON's numbers that are canonical when they are short.
_USUAL = re.compile(r"0|-?[1-9][0-9]*|-?[0-9]+\.[0-9]*[1-9]")


class Digits(str):
    """The canonical text of a JSON number: a float would round it."""

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
    """The canonical number; ValueError for one that PostgreSQL would have to write out in thousands of digits."""
    if len(text) <= MAX_DIGITS and _USUAL.fullmatch(text):
        return Digits(text)
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.removeprefix("-").partition(".")
    written = whole + fraction
    if len(written) > _MOST_DIGITS:
        raise ValueError("a number has too many digits")
    digits = written.lstrip("0")
    # Digits before the point: of 0.05 there are -1.
    before = len(whole) - len(written) + len(digits) + int(exponent or 0)
    digits = digits.rstrip("0")
    if not digits:
        return Digits("0")
    if abs(before - 1) > _MOST_TENS:
        raise ValueError("a number is too large or too small")
    return Digits("-" * text.startswith("-") + _shown(digits, before))


def _shown(digits: str, before: int) -> str:
    """The canonical text of a positive number; its digits neither begin nor end with a zero."""
    if max(before, len(digits) - before) > MAX_DIGITS:
        return f"{digits[0]}.{digits[1:]}".removesuffix(".") + f"e{before - 1}"
    point = max(before, 0)
    whole, fraction = digits[:point].ljust(point, "0"), "0" * -before + digits[point:]
    return f"{whole or 0}.{fraction}".removesuffix(".")


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
