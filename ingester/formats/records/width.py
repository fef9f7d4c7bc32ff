"""Whether the widths of a file of fixed width are characters or bytes, as on mainframes: told from all of its rows.

Only rows with characters of several bytes differ. Where lines are whole these have one length, the full one, in what
the widths count. Lines that lost their blanks at the end have any length, so that a short one proves nothing; what ends
in a blank has lost none.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ingester.domain import notice
from ingester.domain.errors import UnreadableFile

_BLOCK = 1 << 20
#: So many rows are of one length since they are whole, not by chance.
_ENOUGH = 3


def may_be_bytes(source: Path, encoding: str) -> bool:
    """Whether it makes a difference: there are characters of several bytes among others of one."""
    lengths = {len(each.encode(encoding, "replace")) for each in "a\u00e9\u3042"}
    if min(lengths) > 1 or max(lengths) == 1:
        return False
    with source.open("rb") as file:
        return any(not block.isascii() for block in iter(lambda: file.read(_BLOCK), b""))


def are_bytes(rows: Iterable[tuple[int, str]], last: slice, encoding: str) -> bool:
    """Whether widths, the last of which is `last`, are bytes. UnreadableFile where that cannot be told and matters."""
    full = last.stop
    plain, characters, in_bytes = set[int](), set[int](), set[int]()
    count = several = 0
    suspect, has_blank, matters = None, False, False
    for number, line in rows:
        count += 1
        if line.isascii():
            plain.add(len(line))
            continue
        length = len(line.encode(encoding, "replace"))
        characters.add(len(line))
        in_bytes.add(length)
        several += 1
        # In the last cell it is the same text either way.
        matters = matters or not line[: last.start].isascii()
        if length == full:
            suspect, has_blank = suspect or number, has_blank or line.endswith(" ")
    # What stands behind the last width, if it is blank, makes all lines longer.
    whole = {full, max(plain, default=0)} if max(plain, default=0) > full else {full}
    if not matters or _is_one_of(characters, whole):
        return False
    if _is_one_of(in_bytes, whole):
        differ = len(characters) + len(plain) > 1  # in characters, and are of one length in bytes
        if plain <= in_bytes and (has_blank or (count >= _ENOUGH and differ)):
            return True
        if plain <= in_bytes or several > 1 or has_blank:
            raise _undecided(suspect)
    elif has_blank:
        raise _undecided(suspect)
    return False


def _is_one_of(lengths: set[int], whole: set[int]) -> bool:
    return len(lengths) == 1 and lengths <= whole


def _undecided(line: int | None) -> UnreadableFile:
    which = "lines have" if line is None else f"line {line} has"
    reason = (
        f"{which} as many bytes as the widths come to, and fewer characters, so that nobody knows which of them the "
        "widths are; fill all lines up with blanks to one length"
    )
    return UnreadableFile("unreadable_file", notice.message("unreadable_file", expected=reason))
