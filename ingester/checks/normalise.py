"""`normalise`: steps that rewrite a cell before its type is checked. Each looks first whether there is anything to do.

What is recognised, telephone numbers, countries and currencies, has modules of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import content, offsets, replaced, within
from ingester.checks.fault import Fault, Mask, Positions, where_false, where_true
from ingester.checks.recognition import Recognised
from ingester.ruleset.model import Normalisation, Step

#: What Python calls space, as characters, and as the class of an expression.
WHITESPACE = "".join(map(chr, filter(lambda code: chr(code).isspace(), range(0x3001))))
_SPACE = "[" + "".join(rf"\x{{{ord(character):x}}}" for character in WHITESPACE) + "]"
#: A run to be collapsed.
_RUN = rf"{_SPACE}{{2,}}|" + _SPACE.replace(r"\x{20}", "")


def _table(*bytes_: int) -> Mask:
    table = np.zeros(256, np.bool_)
    table[list(bytes_)] = True
    return table


_SPACES = [character.encode() for character in WHITESPACE]
#: Whether a byte may begin, or end, a space.
_MAY_BEGIN = _table(*(space[0] for space in _SPACES))
_MAY_END = _table(*(space[-1] for space in _SPACES))

_Rewrite = Callable[[pa.StringArray], pa.StringArray]


class Normaliser:
    """The steps of one field, compiled."""

    def __init__(self, steps: Sequence[Normalisation]) -> None:
        self._steps = [_compiled(step) for step in steps]

    def __call__(self, text: pa.StringArray) -> tuple[pa.StringArray, list[Fault]]:
        """The cells rewritten, the very same column if none is; what is not recognised is left and has a fault."""
        faults = []
        for step in self._steps:
            rewritten = step(text)
            if isinstance(rewritten, Recognised):
                faults += rewritten.faults
                rewritten = rewritten.text
            text = rewritten
        return text, faults


def _compiled(normalisation: Normalisation) -> Callable[[pa.StringArray], pa.StringArray | Recognised]:
    match normalisation.step:
        case Step.PHONE:
            # Its tables take a tenth of a second to load, and most entities have no such step.
            from ingester.checks.phone import PhoneNumbers

            return PhoneNumbers(normalisation.region)
        case Step.COUNTRY | Step.CURRENCY as step:
            from ingester.checks.code_list import CodeList  # as above

            return CodeList.of(step)
        case step:
            return _REWRITES[step]


def trim(text: pa.StringArray) -> pa.StringArray:
    """No space around the text."""
    suspects = _at_the_edges(text)
    if not suspects.size:
        return text
    chosen = text.take(pa.array(suspects))
    trimmed = pc.utf8_trim(chosen, characters=WHITESPACE)
    return text if trimmed.equals(chosen) else replaced(text, suspects, trimmed)


def _collapse_spaces(text: pa.StringArray) -> pa.StringArray:
    text = trim(text)
    data = within(text)
    odd = _MAY_BEGIN.copy()
    odd[ord(" ")] = False
    if not odd[data].any() and not ((data[1:] == ord(" ")) & (data[:-1] == ord(" "))).any():
        return text
    return _where(text, _RUN, lambda chosen: pc.replace_substring_regex(chosen, rf"{_SPACE}+", " "))


def _lower(text: pa.StringArray) -> pa.StringArray:
    return _cased(text, pc.utf8_lower, str.lower)


def _upper(text: pa.StringArray) -> pa.StringArray:
    return _cased(text, pc.utf8_upper, str.upper)


def _cased(text: pa.StringArray, kernel: _Rewrite, of_any: Callable[[str], str]) -> pa.StringArray:
    """Beyond ASCII as Python has it, each distinct text once: to Arrow every letter stays one letter.

    Not Arrow's `ascii_lower`: it makes an invalid array of a column whose first cell is not where its bytes begin.
    """
    cased = kernel(text)
    other = where_false(pc.string_is_ascii(text))
    if not other.size:
        return cased
    encoded = text.take(pa.array(other)).dictionary_encode()
    distinct = pa.array(map(of_any, encoded.dictionary.to_pylist()), pa.string())
    return replaced(cased, other, distinct.take(encoded.indices))


def _nfc(text: pa.StringArray) -> pa.StringArray:
    data = within(text)
    return pc.utf8_normalize(text, form="NFC") if data.size and data.max() >= 0x80 else text


def _email(text: pa.StringArray) -> pa.StringArray:
    text = trim(text)
    data = within(text)
    if not ((data - np.uint8(ord("A")) < 26) | (data >= 0x80)).any():
        return text
    return _where(text, r"@[^@]*[\p{Lu}\p{Lt}][^@]*\z", _lower_domain)


def _lower_domain(text: pa.StringArray) -> pa.StringArray:
    parts = pc.extract_regex(text, r"\A(?s:(?P<local>.*)@(?P<domain>[^@]*))\z")
    local, domain = pc.struct_field(parts, "local"), pc.struct_field(parts, "domain")
    return pc.binary_join_element_wise(local, _lower(domain), "@")


_REWRITES: dict[Step, _Rewrite] = {
    Step.TRIM: trim,
    Step.COLLAPSE_SPACES: _collapse_spaces,
    Step.LOWER: _lower,
    Step.UPPER: _upper,
    Step.NFC: _nfc,
    Step.EMAIL: _email,
}


def _at_the_edges(text: pa.StringArray) -> Positions:
    """Cells that begin or end with a byte that a space may have there."""
    ends = offsets(text)
    data = content(text)
    filled = np.flatnonzero(ends[1:] > ends[:-1])
    if filled.size == len(text):
        first, last = data[ends[:-1]], data[ends[1:] - 1]
    else:
        first, last = data[ends[:-1][filled]], data[ends[1:][filled] - 1]
    suspects: Positions = filled[_MAY_BEGIN[first] | _MAY_END[last]]
    return suspects


def _where(text: pa.StringArray, pattern: str, rewrite: _Rewrite) -> pa.StringArray:
    """The cells that match rewritten, the others as they are."""
    chosen = where_true(pc.match_substring_regex(text, pattern))
    return replaced(text, chosen, rewrite(text.take(pa.array(chosen)))) if chosen.size else text
