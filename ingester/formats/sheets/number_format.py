"""What the number format of a spreadsheet's cell makes of its number.

A format of nothing but zeros and characters between them, `00000` or `000-00-0000`, is how people keep the zeros in
front of a postcode: what they see is the value, and the number is not. All other formats are for the eye.
"""

from __future__ import annotations

import re
from collections.abc import Callable

#: What a format makes of a whole number that is not negative, below `EXACT`.
Show = Callable[[int], str]
#: A spreadsheet keeps fifteen digits: whole numbers are all there below this.
EXACT = 10**15

#: What shows a language, a colour or the width of a character, not a character of the value as the first group does.
_MODIFIER = re.compile(r'(\\.|"[^"]*")|\[(?:\$-[0-9A-Fa-f,]+|[A-Za-z]{3,7})\]|[_*].')
#: For which numbers a section is, as in `[<=99999]00000;00000-0000`.
_CONDITION = re.compile(r"\[(<=?)([0-9]{1,15})\]")
_SECTION = re.compile(r'(?:\\.|"[^"]*"|[^;"\\])*')
_TOKEN = re.compile(r'0|\\(.)|"([^"]*)"|([-+ ():])')
#: Characters that nobody sees, or that are no part of the value: text in quotes, escaped ones, the width of another.
_QUIET = re.compile(r'\\.|"[^"]*"|[_*].')
_DURATION = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_MOMENT = re.compile(r"[dmyhs]", re.IGNORECASE)
_BRACKETS = re.compile(r"\[[^]]*\]")


def is_duration(code: str) -> bool:
    """Whether it shows a number of days as hours, minutes or seconds that may be more than a day has."""
    return _DURATION.search(_first_section(code)) is not None


def is_moment(code: str) -> bool:
    """Whether it shows a number of days as a date or a time of day."""
    return not is_duration(code) and _MOMENT.search(_BRACKETS.sub("", _first_section(code))) is not None


def padding(code: str) -> Show | None:
    """How a format of zeros shows numbers; None for other formats."""
    sections = [section for section in _SECTION.findall(_MODIFIER.sub(lambda found: found[1] or "", code)) if section]
    condition = _CONDITION.match(sections[0]) if len(sections) > 1 else None
    if condition is None:
        return _shown(sections[0]) if sections else None
    below, others = _shown(sections[0][condition.end() :]), _shown(sections[1])
    if below is None or others is None:
        return None
    limit = int(condition[2]) + (condition[1] == "<=")
    return lambda value: below(value) if value < limit else others(value)


def _shown(section: str) -> Show | None:
    found = _parts(section)
    if found is None:
        return None
    zeros, separators, prefix, suffix = found

    def show(value: int) -> str:
        digits = str(value).zfill(zeros)
        extra = len(digits) - zeros
        pieces = [prefix, digits[:extra]]
        for digit, separator in zip(digits[extra:], separators, strict=True):
            pieces += (digit, separator)
        return "".join(pieces) + suffix

    return show


def is_rounded(digits: str) -> bool:
    """Whether a whole number of sixteen digits and more ends in zeros where a spreadsheet puts them."""
    return len(digits.lstrip("-").rstrip("0")) < len(str(EXACT))


def _parts(section: str) -> tuple[int, list[str], str, str] | None:
    """The zeros; what follows each but the last, what stands before all of them and behind."""
    after = [""]
    end = 0
    for token in _TOKEN.finditer(section):
        if token.start() != end:
            return None
        end = token.end()
        if token[0] == "0":
            after.append("")
        else:
            after[-1] += token[1] or token[2] or token[3] or ""
    zeros = len(after) - 1
    prefix, suffix = after[0], after[-1]
    # `0` shows the number itself; "00 kg" and "$ 00" are amounts.
    if end != len(section) or zeros < 2 or any(c.isalpha() for c in suffix) or not _is_of_a_name(prefix + suffix):
        return None
    if _is_number(prefix, "".join(after[1:-1]), suffix):
        return None
    return zeros, [*after[1:-1], ""], prefix, suffix


def _is_number(prefix: str, between: str, suffix: str) -> bool:
    """Whether what stands around the digits would make another number of them: a sign, a point before decimals."""
    points = between.count(".") + between.count(",")
    is_mixed = "." in between and "," in between
    is_sign = not any(map(str.isalnum, prefix)) and ("-" in prefix or "-" in suffix)
    return is_sign or ("(" in prefix and ")" in suffix) or points == 1 or is_mixed


def _is_of_a_name(characters: str) -> bool:
    return all(c.isalnum() or c in " -_/.:()#+" for c in characters)


def _first_section(code: str) -> str:
    return _QUIET.sub("", code).partition(";")[0]
