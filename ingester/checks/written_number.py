"""Numbers as people and programs of other countries write them → plain ones, which `number` then casts.

Of `$ 1,234.50 each` the standard wants 1234.50, but nothing that may change the value is dropped on the way: a minus in
another place or script, brackets, further digits, the `e` of an exponent. Group characters must stand where groups end.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import re2

from ingester.checks.cells import BLANKS, kept, replaced, without
from ingester.checks.fault import Cast, Fault, Typed, where_false
from ingester.ruleset.model import Field, FieldType

#: What typography and spreadsheets put in the place of a group character.
_TYPESET = {" ": "\u00a0\u202f", "'": "\u2019", "\u2019": "'"}
#: What may stand around a number that is not bare.
_WORD = r"[^\p{N}\p{Pd}\x{2212}+\-(]"
_BYTES = np.arange(256)


class WrittenNumberCast:
    """Cells of a number or integer field with options → what `cast` makes of the plain number."""

    def __init__(self, field: Field, cast: Cast) -> None:
        self._cast = cast
        self._group = field.group_char
        self._decimal = field.decimal_char if field.type is FieldType.NUMBER else ""
        self._pattern = _pattern(self._group, self._decimal, field.bare_number, _WORD)
        self._captures = _captures(self._pattern)
        marks = _exactly(f".,{self._decimal}{_variants(self._group.strip())}")
        #: Of cells whose points and commas are all in the number, so that it is what is left without other bytes.
        self._plainly = _pattern(self._group, self._decimal, field.bare_number, f"{_WORD.removesuffix(']')}{marks}]")
        self._bytes = np.where(np.isin(_BYTES, list(b"+-0123456789")), _BYTES, 0).astype(np.uint8)
        for byte in self._decimal.encode()[:1]:
            self._bytes[byte] = ord(".")
        self._name = field.type.value

    def __call__(self, text: pa.StringArray) -> Typed:
        """Cast one column."""
        other = where_false(pc.match_substring_regex(text, self._plainly))
        plain = kept(without(text, other), self._bytes)
        faults = []
        if other.size:
            chosen = text.take(pa.array(other))
            wrong = where_false(pc.match_substring_regex(chosen, self._pattern))
            if wrong.size:
                faults.append(Fault("invalid_type", self._name, other[wrong]))
            number = pc.replace_substring_regex(
                without(chosen, wrong), pattern=self._pattern, replacement=self._captures
            )
            plain = replaced(plain, other, kept(number, self._bytes))
        typed = self._cast(plain)
        return Typed(typed.values, [*faults, *typed.faults])


def _variants(group: str) -> str:
    return group + _TYPESET.get(group, "")


def _captures(pattern: str) -> str:
    return "".join(rf"\{number}" for number in range(1, re2.compile(pattern).groups + 1))


def _pattern(group: str, decimal: str, is_bare: bool, word: str) -> str:
    """The whole cell; its captures are signs and digits, all but one of each empty."""
    whole = "[0-9]+"
    if group:
        between = f"[{_exactly(_variants(group))}]"
        # The last group has three digits; others have two in India.
        whole = f"(?:[0-9]{{1,3}}(?:{between}[0-9]{{2,3}})*{between}[0-9]{{3}}|[0-9]+)"
    fraction = f"{_exactly(decimal)}[0-9]+" if decimal else ""
    number = f"{whole}(?:{fraction})?" if decimal else whole
    around = f"[{BLANKS}]*"
    if is_bare:
        every = f"{number}|{fraction}" if decimal else number
        return rf"\A{around}([+-]?)({every}){around}\z"
    # A point right before the first digit may be the decimal one: `Nr.5` is refused, `kr. 5` and `$.50` are not. An `e`
    # there that ends no word is what is left of `1.5e28`.
    marks = _exactly(f".,{decimal}{_variants(group.strip())}")
    last = rf"(?:{word.removesuffix(']')}{marks}Ee]|\p{{L}}[Ee])"
    signed = _signed(f"{word}*{last}") + f"({number})"
    if decimal:
        signed += "|" + _signed(rf"{word}*[\p{{Sc}}{BLANKS}]") + f"({fraction})"
    return rf"\A{around}(?:{signed}){word}*\z"


def _signed(word: str) -> str:
    """A sign before or after a word, either of which may be missing."""
    return f"(?:([+-])(?:{word})?|(?:{word})?([+-]?))"


def _exactly(characters: str) -> str:
    return "".join(rf"\x{{{ord(character):x}}}" for character in characters)
