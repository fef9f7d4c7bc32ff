"""Whether a file is what its companions and its own trailer say: checksums before it is read, counts and sums after.

What differs holds the file, and the message has both numbers; somebody who approves it lets it past.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path

from ingester.checks.total import Total
from ingester.domain import claim, notice
from ingester.domain.claim import Claims
from ingester.domain.companion import CHECKSUMS, LARGEST_BYTES, CompanionKind, described, fold, recognise, stem
from ingester.domain.errors import Held
from ingester.domain.reads import Reads

_WIDE = Context(prec=200)
#: Digits of a sum that are shown after the point where it never ends: it cannot, as cells are decimals.
_SHOWN = 60
#: Of a message.
_LONGEST = 500
_NAMED = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """A companion as it came: what its name says its file is called, and its bytes."""

    kind: CompanionKind
    of: str
    name: str
    content: bytes


def vouched(path: Path, name: str, sha256: str, beside: Iterable[Beside], approved: Collection[str]) -> list[Claims]:
    """What the companions of the file `name` claim, its checksum found to be right. Raises Held."""
    found = [claims for each in beside if (claims := _claims(each, name, approved)) is not None]
    known = {"sha256": sha256}
    for claims in found if "checksum_mismatch" not in approved else ():
        for algorithm, said in claims.digests.items():
            if algorithm not in known:
                with path.open("rb") as file:
                    known[algorithm] = hashlib.file_digest(file, _md5).hexdigest()
            if known[algorithm] != said:
                words = f"{claims.source} says {algorithm} {said}, the file has {known[algorithm]}"
                raise _held("checksum_mismatch", words)
    return found


def missing(awaited: Sequence[str], approved: Collection[str]) -> None:
    """Raise Held if something has not come that its feed wants beside a file."""
    if awaited and "companion_missing" not in approved:
        raise _held("companion_missing", described(awaited))


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)


def _claims(each: Beside, name: str, approved: Collection[str]) -> Claims | None:
    what = "control file" if each.kind is CompanionKind.CONTROL else "checksum file"
    source = f"The {what} {each.name}"
    try:
        if each.kind is CompanionKind.CONTROL:
            return claim.of_control(_text(each.content), source, name)
        if each.kind in CHECKSUMS:
            whole = fold(each.of) == fold(name)
            return claim.of_checksum(_text(each.content), source, each.kind.value, name, whole=whole)
    except ValueError as error:
        if "companion_unreadable" not in approved:
            raise _held("companion_unreadable", f"{source} cannot be used: {error}") from None
    return None


def _text(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):  # as Windows' shell writes what is redirected
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def lying_beside(path: Path, reads: Reads) -> list[Beside]:
    """The checksum files and the control file that lie beside a file on disk, in whatever case their names are."""
    of = dict.fromkeys((path.name, stem(path.name)))
    likely = [f"{each}.{kind.value}" for each in of for kind in CHECKSUMS]
    if reads.control is not None:
        likely += [reads.control.replace("{stem}", each).replace("{name}", each) for each in of]
    found: dict[CompanionKind, Beside] = {}
    for name in _there(path.parent, likely):
        companion = path.with_name(name)
        if name == path.name or not companion.is_file() or companion.stat().st_size > LARGEST_BYTES:
            continue
        recognised = recognise(name, companion.stat().st_size, (), [reads.control] if reads.control else [])
        if recognised is not None and recognised[0] not in found:
            kind, its_file = recognised
            found[kind] = Beside(kind=kind, of=its_file, name=name, content=companion.read_bytes())
    return list(found.values())


def _there(folder: Path, likely: Sequence[str]) -> list[str]:
    """What a folder has by these names, the most likely first; of one name that which is spelled as it is said."""
    rank = {fold(name): place for place, name in reversed([*enumerate(likely)])}
    with os.scandir(folder) as entries:
        found = [entry.name for entry in entries if fold(entry.name) in rank]
    return sorted(found, key=lambda name: (rank[fold(name)], name not in likely, name))


# --- what was counted ----------------------------------------------------------------------------------------------


def summed(claims: Iterable[Claims]) -> dict[str, bool]:
    """The columns to be summed up; whether one has to be there."""
    wanted: dict[str, bool] = {}
    for each in claims:
        wanted |= dict.fromkeys(each.sums, True)
        for column in each.maybe:
            wanted.setdefault(column, False)
    return wanted


def judge(
    claims: Iterable[Claims], rows: int, totals: Mapping[str, Total], decimal: str | None, approved: Collection[str]
) -> None:
    """Raise Held if a file has not as many rows as was said, or its columns do not come to what was said."""
    for each in claims:
        _refuse_empty(each, totals, approved)
        if each.rows is not None and each.rows != rows and "count_mismatch" not in approved:
            raise _held("count_mismatch", f"{each.source} says {each.rows} rows, the file has {rows}")
        if "sum_mismatch" in approved:
            continue
        maybe = {column: written for column, written in each.maybe.items() if column in totals}
        for column, written in {**maybe, **each.sums}.items():
            said = f"{each.source} says that {column} comes to {written}"
            total = totals.get(column)
            if total is None:
                raise _held("sum_mismatch", f"{said}, the file has no such column of numbers")
            if not any(Fraction(value) == total.value for value in claim.amounts(written, decimal)):
                odd = f"; {total.unread} of its cells are no numbers" if total.unread else ""
                raise _held("sum_mismatch", f"{said}, the file has {_plain(total.value)}{odd}")


def _refuse_empty(said: Claims, totals: Mapping[str, Total], approved: Collection[str]) -> None:
    """Raise Held if numbers are all that is said, and none is of a column of the file: it would vouch for nothing."""
    if said.rows is not None or said.sums or said.digests or not said.maybe or totals.keys() & said.maybe.keys():
        return
    if "companion_unreadable" not in approved:
        named = ", ".join(list(said.maybe)[:_NAMED])
        words = f"{said.source} cannot be used: it has neither a count of rows, nor a sum, nor a digest, but {named}"
        raise _held("companion_unreadable", words)


def refuse_counts(claims: Iterable[Claims], files: int, approved: Collection[str]) -> None:
    """Raise Held if somebody says how many rows an archive of several files has: its files are counted one by one."""
    for each in claims:
        if (each.rows is not None or each.sums) and "count_mismatch" not in approved:
            raise _held("count_mismatch", f"{each.source} counts rows, the archive has {files} files of its own counts")


def _plain(value: Fraction) -> str:
    quotient = _WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))
    shown = f"{quotient:f}"
    return shown.rstrip("0").rstrip(".")[:_SHOWN] if "." in shown else shown


def _held(code: str, expected: str) -> Held:
    # Names of columns are whatever somebody wrote.
    expected = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in expected)
    expected = expected if len(expected) <= _LONGEST else f"{expected[:_LONGEST]}…"
    return Held(code, notice.message(code, expected=expected))
