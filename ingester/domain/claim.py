"""What a checksum file, a control file or a trailer claims of its file: how many rows, which sums, which digest.

Text in, claims out; what is in the file is found out elsewhere. Numbers stay as they are written, and may mean several:
`1,234` is one thing here and another there.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from ingester.domain.companion import fold

#: Hexadecimal digits of a digest.
_DIGITS = {32: "md5", 64: "sha256"}
_ROWS = re.compile(
    r"(?:total_|num_|number_of_|nr_of_|no_of_)?(?:data_)?(?:rows?|records?|recs)(?:_?count)?|count|(?:row|record)s?_?(?:count|total)"
)
_SUM = re.compile(r"(?:control_?)?(?:sum|total)(?:_of)?[\s_:.\-(]+(?P<column>.+?)\)?", re.IGNORECASE)
_DIGEST = re.compile(r"(?:md5|sha_?256|checksum|hash)(?:_?sum)?")
_FILE = re.compile(r"(?:data_?)?file(?:_?name)?")
#: `<hex>  <name>`, `<hex> *<name>` of md5sum, `<hex>` alone.
_GNU = re.compile(r"\\?(?P<hex>[0-9a-fA-F]{32}|[0-9a-fA-F]{64})(?:[ \t]+\*?(?P<name>.+?))?\s*")
#: `MD5 (<name>) = <hex>` of BSD and openssl.
_BSD = re.compile(r"(?:MD5|SHA2?-?256)\s*\((?P<name>.+)\)\s*=\s*(?P<hex>[0-9a-fA-F]{32,64})\s*", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9.,]*[0-9][0-9.,]*")
_PLACEHOLDER = re.compile(r"\{(rows|any|sum:[^{}]+)\}")
#: Longer ones are no numbers of anybody.
_LONGEST = 100
#: Numbers that a control file may have.
_MOST = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """What somebody says of a file. `source` is who, as a message names it: `The control file x.ctl`."""

    source: str
    rows: int | None = None
    #: Column → amount as written.
    sums: Mapping[str, str] = field(default_factory=dict)
    #: The same for words that may mean something else than a sum.
    maybe: Mapping[str, str] = field(default_factory=dict)
    #: Algorithm → hexadecimal digest.
    digests: Mapping[str, str] = field(default_factory=dict)


# --- checksums -----------------------------------------------------------------------------------------------------


def of_checksum(text: str, source: str, algorithm: str, name: str, *, whole: bool) -> Claims | None:
    """The digest of the file `name` that a checksum file has; None if it is about other files.

    `whole`: it is called after this very file, so that one line is about it whatever it says. ValueError for what is no
    checksum file of this algorithm.
    """
    found: list[tuple[str | None, str]] = []
    for line in text.splitlines():
        match = _GNU.fullmatch(line.strip()) or _BSD.fullmatch(line.strip())
        if match is not None and _DIGITS.get(len(match["hex"])) == algorithm:
            found.append((match["name"], match["hex"].lower()))
    if not found:
        raise ValueError(f"it has no {algorithm} digest")
    own = {digest for said, digest in found if said is not None and _is_name(said, name)}
    if not own and (whole or all(said is None for said, _ in found)):
        own = {digest for said, digest in found if whole or said is None}
    if len(own) > 1:
        raise ValueError("it has several digests")
    return Claims(source=source, digests={algorithm: own.pop()}) if own else None


def _is_name(said: str, name: str) -> bool:
    return fold(re.split(r"[/\\]", said.strip())[-1]) == fold(name)


# --- control files -------------------------------------------------------------------------------------------------


def of_control(text: str, source: str, name: str) -> Claims:
    """What a control file says: `key=value`, `key: value`, JSON, or a header and one row.

    ValueError if it says nothing that can be checked, or is about another file.
    """
    rows: set[int] = set()
    sums: dict[str, str] = {}
    maybe: dict[str, str] = {}
    digests: dict[str, str] = {}
    for key, value in _pairs(text):
        word = re.sub(r"[^a-z0-9]+", "_", key.casefold()).strip("_")
        if not value:
            continue
        if _FILE.fullmatch(word):
            if not _is_name(value, name):
                raise ValueError(f"it is about {value[:_LONGEST]!r}")
        elif _ROWS.fullmatch(word):
            rows.add(_count(value))
        elif _DIGEST.fullmatch(word):
            digest = value.strip().lower()
            if len(digest) not in _DIGITS or not re.fullmatch("[0-9a-f]+", digest):
                raise ValueError(f"its {word} is no MD5 or SHA-256")
            digests[_DIGITS[len(digest)]] = digest
        elif (match := _SUM.fullmatch(key.strip())) is not None:
            if not amounts(value):
                raise ValueError(f"its {key.strip()[:_LONGEST]} is no number")
            _once(sums, match["column"].strip(), value)
        elif amounts(value):
            _once(maybe, key.strip(), value)
    if len(sums) + len(maybe) > _MOST:
        raise ValueError(f"it has over {_MOST} numbers")
    if len(rows) > 1:
        raise ValueError("it has several counts of rows")
    if not (rows or sums or maybe or digests):
        raise ValueError("it has neither a count of rows, nor a sum, nor a digest")
    return Claims(source=source, rows=rows.pop() if rows else None, sums=sums, maybe=maybe, digests=digests)


def _once(said: dict[str, str], key: str, value: str) -> None:
    if said.setdefault(key, value) != value:
        raise ValueError(f"it says {key[:_LONGEST]} twice")


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    stripped = text.removeprefix("\ufeff").strip()
    if stripped.startswith("{"):
        try:
            document = json.loads(stripped, parse_int=str, parse_float=str)
        except (ValueError, RecursionError):
            raise ValueError("it is no JSON") from None
        yield from _members(document)
        return
    lines = [line for line in stripped.splitlines() if line.strip() and not line.lstrip().startswith(("#", "//"))]
    if len(lines) == 2 and (table := _table(lines)) is not None:
        yield from table
        return
    for line in lines:
        key, separator, value = line.partition("=")
        if not separator:
            # In `sum:amount: 12.50` the last one is between the word and what it says.
            is_sum = re.match(r"\s*sum\s*:", line, re.IGNORECASE) and line.count(":") > 1
            key, separator, value = line.rpartition(":") if is_sum else line.partition(":")
        if separator:
            yield key.strip().strip("\"'"), value.strip().strip("\"'")


def _members(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in document.items():
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, dict) and key.casefold() in ("sum", "sums", "totals", "total"):
            yield from ((f"sum:{column}", said) for column, said in value.items() if isinstance(said, str))


def _table(lines: list[str]) -> list[tuple[str, str]] | None:
    for delimiter in (";", "\t", "|", ","):
        rows = list(csv.reader(lines, delimiter=delimiter))
        header, row = rows if len(rows) == 2 else ([], [])
        # `rows=1,200` has a delimiter as well, and is no header.
        if len(header) == len(row) > 1 and not any("=" in cell or amounts(cell) for cell in header):
            return list(zip(header, row, strict=True))
    return None


def _count(value: str) -> int:
    digits = re.sub(r"(?<=\d)[ ,.'_\u00a0](?=\d{3}(?:\D|\Z))", "", value.strip())
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 19):
        raise ValueError(f"its count of rows is {value[:_LONGEST]!r}")
    return int(digits)


# --- trailers ------------------------------------------------------------------------------------------------------


def check_trailer(template: str) -> str:
    """A template of trailers as it was given; ValueError for one that has nothing in it, or is not understood."""
    rest = _PLACEHOLDER.sub("", template)
    if "{" in rest or "}" in rest:
        raise ValueError("it may have {rows}, {sum:field} and {any} in it")
    if not rest.strip():
        raise ValueError("a row could be one; begin with what tells it from rows, as TRL|{rows}")
    if re.search(r"\}\s*\{", template):
        raise ValueError("something has to stand between what it has in braces")
    if template.count("{rows}") > 1:
        raise ValueError("it has {rows} more than once")
    return template


def of_trailer(line: str, template: str) -> Claims | None:
    """What the last line of a file says; None if it is no such trailer."""
    pattern, columns = _pattern(template)
    match = pattern.fullmatch(line.strip())
    if match is None:
        return None
    sums = {column: match[f"s{index}"].strip() for index, column in enumerate(columns)}
    if not all(amounts(value) for value in sums.values()):
        return None
    rows = match["rows"] if "rows" in pattern.groupindex else None
    return Claims(source="The trailer", rows=None if rows is None else int(rows), sums=sums)


@lru_cache(maxsize=64)
def _pattern(template: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    parts: list[str] = []
    columns: list[str] = []
    split = _PLACEHOLDER.split(template.strip())
    for index, part in enumerate(split):
        # Up to what stands behind it: no line can make that slow.
        rest = f"[^{re.escape(split[index + 1][0])}]*" if index + 1 < len(split) and split[index + 1] else ".*"
        if index % 2 == 0:
            parts.append(re.escape(part))
        elif part == "rows":
            parts.append(r"[ \t]*(?P<rows>[0-9]{1,18})[ \t]*")
        elif part == "any":
            parts.append(rest)
        else:
            parts.append(rf"(?P<s{len(columns)}>{rest})")
            columns.append(part.removeprefix("sum:").strip())
    return re.compile("".join(parts), re.DOTALL), tuple(columns)


# --- numbers -------------------------------------------------------------------------------------------------------


def amounts(written: str, decimal: str | None = None) -> frozenset[Decimal]:
    """Every number that a text may mean; none if it is no number. `decimal` stands before fractions, if it is known."""
    text = re.sub(r"[ \u00a0\u202f'\u2019]", "", written.strip())
    if len(text) > _LONGEST:
        return frozenset()
    is_negative = text[:1] == "-" or text[-1:] == "-" or (text[:1] == "(" and text[-1:] == ")")
    text = text[1:-1] if text[:1] == "(" and text[-1:] == ")" else text.strip("+-") if text.count("-") < 2 else ""
    if not _NUMBER.fullmatch(text):
        return frozenset()
    found = {Decimal(plain) for plain in _plain(text, decimal)}
    return frozenset(-value if is_negative else value for value in found)


def _plain(text: str, decimal: str | None) -> set[str]:
    marks = [mark for mark in ".," if mark in text]
    if not marks:
        return {text}
    last = max(marks, key=text.rfind)
    whole, _, fraction = text.rpartition(last)
    digits, joined = re.sub(r"[.,]", "", whole) or "0", re.sub(r"[.,]", "", text)
    if decimal is not None:
        if text.count(decimal) > 1:
            return set()
        return {f"{digits}.{fraction or '0'}" if last == decimal else joined}
    if text.count(last) > 1:
        return {joined}
    as_fraction = f"{digits}.{fraction or '0'}"
    is_group = len(marks) == 1 and re.fullmatch(r"[1-9][0-9]{0,2}[.,][0-9]{3}", text)
    return {as_fraction, joined} if is_group else {as_fraction}
