"""`normalise`: steps that rewrite a cell before its type is checked. Each looks first whether there is anything to do.

What is recognised, telephone numbers, countries and currencies, has modules of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import Bytes, content, offsets, replaced, within
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
_LONGER = [space for space in _SPACES if len(space) > 1]
#: Whether a byte may begin, or end, a space; many letters begin or end with such a byte.
_MAY_BEGIN = _table(*(space[0] for space in _SPACES))
_MAY_END = _table(*(space[-1] for space in _SPACES))
#: Whether a byte may come second, or last but one, in a space that begins or ends so: fewer letters do.
_MAY_BE_SECOND = _table(*(space[1] for space in _LONGER))
_MAY_BE_LAST_BUT_ONE = _table(*(space[-2] for space in _LONGER))
_ASCII = 0x80
#: Whether a byte may begin a space other than the blank.
_MAY_BEGIN_ODD = _MAY_BEGIN & (np.arange(256) != ord(" "))

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
    if not _has_odd_space(data) and not ((data[1:] == ord(" ")) & (data[:-1] == ord(" "))).any():
        return text
    return _where(text, _RUN, lambda chosen: pc.replace_substring_regex(chosen, rf"{_SPACE}+", " "))


def _has_odd_space(data: Bytes) -> bool:
    """Whether there may be a space other than the blank in UTF-8."""
    at = np.flatnonzero(_MAY_BEGIN_ODD[data])
    longer = at[data[at] >= _ASCII]
    return longer.size < at.size or bool(_MAY_BE_SECOND[data[longer + 1]].any())


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
    starts, last = (ends[:-1], ends[1:] - 1) if filled.size == len(text) else (ends[:-1][filled], ends[1:][filled] - 1)
    begins = _may_be_space(data, starts, _MAY_BEGIN, 1, _MAY_BE_SECOND)
    finishes = _may_be_space(data, last, _MAY_END, -1, _MAY_BE_LAST_BUT_ONE)
    suspects: Positions = filled[np.union1d(begins, finishes)]
    return suspects


def _may_be_space(data: Bytes, at: npt.NDArray[np.int32], outer: Mask, step: int, inner: Mask) -> Positions:
    """Which of the places `at` may be the outer byte of a space, whose next byte is a `step` further in."""
    found = np.flatnonzero(outer[data[at]])
    longer = data[at[found]] >= _ASCII
    return found[~longer | inner[data[at[found] + np.where(longer, step, 0)]]]


def _where(text: pa.StringArray, pattern: str, rewrite: _Rewrite) -> pa.StringArray:
    """The cells that match rewritten, the others as they are."""
    chosen = where_true(pc.match_substring_regex(text, pattern))
    return replaced(text, chosen, rewrite(text.take(pa.array(chosen)))) if chosen.size else text
