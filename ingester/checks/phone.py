"""Telephone numbers → E.164, as phonenumbers reads them: of a possible length for their country.

Not whether a number is in use, which changes by the month. A number with an extension is refused: E.164 has no place
for it. The library takes 50 microseconds for each, so what is written plainly is read here, a column at a time; only
where the library's own tables leave no doubt about what it would say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt
import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc
from phonenumbers import PhoneMetadata, PhoneNumberFormat, ValidationResult

from ingester.checks.cells import content, kept, lengths, offsets, replaced, windows, within
from ingester.checks.fault import Fault, Mask, Positions, present
from ingester.checks.recognition import Recognised, recognise
from ingester.checks.words import WIDTH, Words, are_digits, word, words

_BYTES = np.arange(256, dtype=np.uint8)
_IS_PLAIN = np.isin(_BYTES, list(b"0123456789 ().-/"))
_DIGITS = np.where(np.isin(_BYTES, list(b"0123456789")), _BYTES, 0)
_CACHED = 100_000
#: Bytes of a number in E.164 that two words cover, the plus included; there are none with more.
_LEAST, _MOST = WIDTH + 1, 2 * WIDTH
_PLUS = word("+0000000")
_ZEROS = word("00000000")
_FIRST_BYTE = np.uint64(0xFF)


class PhoneNumbers:
    """Cells of one field; `region` (ISO 3166-1) is that of numbers without a country code, None refuses them."""

    def __init__(self, region: str | None) -> None:
        self._region = region
        self._home = _Plan.of_region(region) if region is not None else None
        self._calling_codes = np.zeros(1000, np.int32)
        for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            width = 10 ** (3 - len(str(code)))
            self._calling_codes[code * width : (code + 1) * width] = code
        self._standard = lru_cache(_CACHED)(self._read)

    def __call__(self, text: pa.StringArray) -> Recognised:
        """Recognise one column."""
        left = np.flatnonzero(present(text) & ~self._is_standard(text))
        if not left.size:
            return Recognised(text, [])
        if left.size == len(text):
            return self._recognise(text)
        found = self._recognise(text.take(pa.array(left)))
        faults = [Fault(fault.code, fault.expected, left[fault.positions]) for fault in found.faults]
        return Recognised(replaced(text, left, found.text), faults)

    def _is_standard(self, text: pa.StringArray) -> Mask:
        """Which cells are in E.164 already, as the plan of their country would write them; not all that are."""
        is_standard = np.zeros(len(text), np.bool_)
        ends, size = offsets(text), lengths(text)
        at = np.flatnonzero((size >= _LEAST) & (size <= _MOST))
        view = words(content(text))
        first, last = view[ends[:-1][at]] ^ _PLUS, view[ends[1:][at] - WIDTH] ^ _ZEROS
        right = (first & _FIRST_BYTE == 0) & are_digits(first) & are_digits(last)
        if not right.all():
            at, first = at[right], first[right]
        digits = first.view(np.uint8).reshape(-1, WIDTH)
        codes = self._calling_codes[digits[:, 1] * np.int32(100) + digits[:, 2] * np.int32(10) + digits[:, 3]]
        for code in np.flatnonzero(np.bincount(codes)).tolist():
            plan = _Plan.of_code(code) if code else None
            if plan is not None:
                mine = np.flatnonzero(codes == code)
                is_standard[at[mine]] = plan.is_standard(first[mine], size[at[mine]])
        return is_standard

    def _recognise(self, text: pa.StringArray) -> Recognised:
        there = present(text)
        digits, has_plus, is_plain = _digits(text)
        for at, plan, national in self._planned(digits, has_plus, is_plain & there):
            numbers, right = plan.read(national)
            if right.any():
                text = replaced(text, at[right], numbers.filter(pa.array(right)))
                there[at[right]] = False
        return recognise(text, np.flatnonzero(there), self._standard, "invalid_phone")

    def _planned(
        self, digits: pa.StringArray, has_plus: Mask, is_plain: Mask
    ) -> list[tuple[Positions, _Plan, pa.StringArray]]:
        """The plain numbers of each country's plan: where they are, and their digits without the country's code."""
        found = []
        abroad = np.flatnonzero(is_plain & has_plus & (lengths(digits) > 3))
        start = (windows(digits, abroad, 3) - np.uint8(ord("0"))).astype(np.int32)
        codes = self._calling_codes[start[:, 0] * 100 + start[:, 1] * 10 + start[:, 2]]
        for code in np.unique(codes[codes > 0]).tolist():
            plan, at = _Plan.of_code(code), abroad[codes == code]
            if plan is not None:
                chosen = digits.take(pa.array(at))
                found.append((at, plan, pc.utf8_slice_codeunits(chosen, len(str(code)))))
        if self._home is not None:
            at = np.flatnonzero(is_plain & ~has_plus)
            found.append((at, self._home, digits.take(pa.array(at))))
        return found

    def _read(self, cell: str) -> str | None:
        number = _recognised(cell, self._region)
        # Of a few odd ones the library makes another number when it sees them again.
        return number if number is not None and _recognised(number, None) == number else None


def _recognised(cell: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(cell, region)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is certain about the numbers of one country."""

    code: int
    sizes: npt.NDArray[np.int32]
    #: A number of the country, without its prefix.
    number: str
    #: What may be dialled before a number at home, when that is some digits and nothing more.
    prefix: str
    #: What may be dialled first to leave the country, or is its own code: only the library can tell.
    abroad: str
    #: The start of a number, without its prefix, of which the same is true: digits, and an expression.
    unclear_digits: tuple[str, ...]
    unclear: str

    @classmethod
    @cache
    def of_code(cls, code: int) -> _Plan | None:
        """The plan of a country code; None where nothing is certain."""
        region = phonenumbers.region_code_for_country_code(code)
        return cls._of(PhoneMetadata.metadata_for_region_or_calling_code(code, region), code, "")

    @classmethod
    def of_region(cls, region: str) -> _Plan | None:
        """The plan for calls inside a region: neither an international prefix nor its own code come first."""
        metadata = PhoneMetadata.metadata_for_region(region)
        if metadata is None:
            raise ValueError(f"phones of the region {region!r} are not known")
        code = phonenumbers.country_code_for_region(region)
        return cls._of(metadata, code, rf"\A(?:{code}|{metadata.international_prefix or '00'})")

    @classmethod
    def _of(cls, metadata: PhoneMetadata | None, code: int, abroad: str) -> _Plan | None:
        # Countries that share a code have their lengths apart; what counts in the end are those of the code's first.
        first = PhoneMetadata.metadata_for_region_or_calling_code(code, phonenumbers.region_code_for_country_code(code))
        if metadata is None or first is None or metadata.general_desc is None:
            return None
        prefix = metadata.national_prefix_for_parsing or ""
        # Zeros in front are part of the number in Italy and little else.
        prefixes = {"0", prefix, first.national_prefix_for_parsing or ""} - {""}
        if any(re.match(each, "") for each in prefixes):
            return None
        certain = _sizes(metadata) & _sizes(first)
        return cls(
            code,
            np.array(sorted(certain), np.int32),
            rf"\A(?:{metadata.general_desc.national_number_pattern})\z",
            prefix if prefix.isdigit() else "",
            abroad,
            tuple(sorted(each for each in prefixes if each.isdigit())),
            "|".join(sorted(each for each in prefixes if not each.isdigit())),
        )

    def is_standard(self, first: Words, size: npt.NDArray[np.int32]) -> Mask:
        """Whether `read` would change nothing: of numbers in E.164, their first word less `_PLUS`, and their bytes."""
        start = 1 + len(str(self.code))
        if self.unclear or any(start + len(digits) > WIDTH for digits in self.unclear_digits):
            return np.zeros(len(first), np.bool_)
        right = np.isin(size, self.sizes + start)
        for digits in self.unclear_digits:
            mask = word("\0" * start + "\x0f" * len(digits))
            right &= first & mask != word("\0" * start + digits) & mask
        return right

    def read(self, national: pa.StringArray) -> tuple[pa.StringArray, Mask]:
        """The numbers in E.164, and where that is certain."""
        certain = pa.scalar(True)
        if self.abroad:
            certain = pc.invert(pc.match_substring_regex(national, self.abroad))
        if self.prefix and (starts := pc.starts_with(national, self.prefix)).true_count:
            tail = pc.utf8_slice_codeunits(national, len(self.prefix))
            # The library keeps a prefix where it may be the start of a number.
            is_number = pc.match_substring_regex(tail, self.number)
            certain = pc.and_(certain, pc.or_(pc.invert(starts), is_number))
            national = pc.if_else(starts, tail, national)
        for digits in self.unclear_digits:
            certain = pc.and_not(certain, pc.starts_with(national, digits))
        if self.unclear:
            certain = pc.and_not(certain, pc.match_substring_regex(national, rf"\A(?:{self.unclear})"))
        right = certain.to_numpy(zero_copy_only=False) & np.isin(lengths(national), self.sizes)
        return pc.binary_join_element_wise(f"+{self.code}", national, ""), right


def _sizes(metadata: PhoneMetadata) -> set[int]:
    """Some lengths are also those of numbers that can only be dialled nearby: they are not certain."""
    general = metadata.general_desc
    return {*general.possible_length} - {*general.possible_length_local_only} if general is not None else set()


def _digits(text: pa.StringArray) -> tuple[pa.StringArray, Mask, Mask]:
    """The digits of each cell; whether a plus comes first; whether there is nothing else but usual punctuation."""
    data, ends = within(text), offsets(text)
    ends = ends - ends[0]
    has_plus = ends[1:] > ends[:-1]
    has_plus[has_plus] = data[ends[:-1][has_plus]] == ord("+")
    odd = np.append(0, np.cumsum(~_IS_PLAIN[data], dtype=np.int32))
    is_plain = odd[ends[1:]] - odd[ends[:-1]] == has_plus
    return kept(text, _DIGITS), has_plus, is_plain
