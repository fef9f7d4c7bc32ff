"""Files that come beside others and say something of them: done-markers, checksums, control files. By name alone.

`customers.csv.done` and `customers.done` are about `customers.csv`, in any case; so is `customers.done` about
`customers.csv.gz`. What such a file says is `claim`'s.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any

from ingester.domain.name import CONTAINER_SUFFIXES, peeled

#: What a done-marker's name adds to that of its file, unless the settings say otherwise.
MARKER_SUFFIXES = (".done", ".fin", ".trg", ".complete", ".ok")
#: Larger ones are files like any other.
LARGEST_BYTES = 64 * 2**10
#: What a pattern of control files has for the name of their file, or for that without its endings.
PLACEHOLDERS = ("{stem}", "{name}")

#: Endings of files with rows: no control file could be told from them by such an ending alone.
_DATA = (
    ".csv",
    ".txt",
    ".tsv",
    ".dat",
    ".xlsx",
    ".xlsm",
    ".xls",
    ".ods",
    ".json",
    ".jsonl",
    ".ndjson",
    ".parquet",
    ".xml",
)


class CompanionKind(StrEnum):
    """What a companion says of its file: that it is complete, its checksum, or its counts and sums."""

    MARKER = "marker"
    MD5 = "md5"
    SHA256 = "sha256"
    CONTROL = "control"


#: What a feed may demand beside its files: a kind, or a checksum of any kind.
ANY_CHECKSUM = "checksum"
CHECKSUMS = (CompanionKind.MD5, CompanionKind.SHA256)
_WORDS = {
    CompanionKind.MARKER.value: "its done-marker",
    CompanionKind.MD5.value: "its MD5 checksum",
    CompanionKind.SHA256.value: "its SHA-256 checksum",
    ANY_CHECKSUM: "its checksum",
    CompanionKind.CONTROL.value: "its control file",
}


def recognise(
    name: str, size: int, markers: Collection[str], controls: Iterable[str] = (), patterns: Iterable[str] = ()
) -> tuple[CompanionKind, str] | None:
    """What kind of companion a file is, and the name that it has of its file; None for a file of its own.

    `controls` are the patterns of control files; a feed whose own `patterns` end as the name does wants it as data.
    """
    if size > LARGEST_BYTES:
        return None
    for pattern in controls:
        if (of := _of_control(pattern, name)) is not None:
            return CompanionKind.CONTROL, of
    suffixes = {f".{kind.value}": kind for kind in CHECKSUMS} | dict.fromkeys(markers, CompanionKind.MARKER)
    for suffix, kind in suffixes.items():
        of = name[: -len(suffix)]
        if of and name.casefold().endswith(suffix.casefold()):
            is_data = any(pattern.casefold().endswith(suffix.casefold()) for pattern in patterns)
            return None if is_data else (kind, of)
    return None


def check_control(pattern: str) -> str:
    """A pattern of control files as it was given; ValueError for one that no control file could be told by."""
    if sum(pattern.count(each) for each in PLACEHOLDERS) != 1:
        raise ValueError("it has {stem} or {name} in it, once")
    if "/" in pattern:
        raise ValueError("it is compared with names alone")
    if pattern.casefold() in {
        f"{each}{suffix}" for each in PLACEHOLDERS for suffix in ("", *_DATA, *CONTAINER_SUFFIXES)
    }:
        raise ValueError("every file of rows would be one; say {stem}.ctl or {stem}_control.csv")
    return pattern


def _of_control(pattern: str, name: str) -> str | None:
    before, _, after = re.split(r"(\{stem\}|\{name\})", pattern, maxsplit=1)
    found = re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", name, re.IGNORECASE | re.DOTALL)
    return None if found is None else found[1]


def fold(name: str) -> str:
    """A name as it is compared."""
    return unicodedata.normalize("NFC", name).casefold()


def stem(name: str) -> str:
    """A name without the endings that say what it is packed in, and what it is."""
    inner = peeled(name)
    begin, dot, end = inner.rpartition(".")
    return begin if dot and begin and end else inner


def names(name: str) -> frozenset[str]:
    """All that the companions of a file may call it, folded."""
    return frozenset(map(fold, (name, name.rpartition(".")[0] or name, peeled(name), stem(name))))


def keys(of: str) -> frozenset[str]:
    """What the stem of its file may be, folded, by the name that a companion has of it."""
    return frozenset(map(fold, (of, stem(of))))


def accompanies(kind: CompanionKind, of: str, name: str) -> bool:
    """Whether a companion that calls its file `of` is about the file `name`."""
    if kind in CHECKSUMS:
        # One of `x.csv` says nothing of `x.csv.gz`.
        return fold(of) in {fold(name), fold(stem(name))}
    return fold(of) in names(name)


def demanded(reads: Mapping[str, Any]) -> list[str]:
    """What has to come beside a file, by the words of how it is read."""
    found = []
    if checksum := reads.get("checksum"):
        found.append(ANY_CHECKSUM if checksum == "any" else checksum)
    if reads.get("control"):
        found.append(CompanionKind.CONTROL.value)
    return found


def left(awaited: Iterable[str], kind: CompanionKind) -> list[str]:
    """What is still awaited when a companion of some kind has come."""
    return [word for word in awaited if word != kind.value and not (word == ANY_CHECKSUM and kind in CHECKSUMS)]


def described(awaited: Iterable[str]) -> str:
    """What is awaited, in words."""
    return " and ".join(_WORDS.get(word, word) for word in awaited)
