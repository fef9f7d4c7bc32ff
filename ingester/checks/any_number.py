"""Numbers as people and programs write them, where the rule says nothing of it: signs, groups, currencies, exponents.

`1,234` is a thousand and more here and one and a bit there. Which one is said by the column's style, never by the
cell; a cell that has a single reading, such as `1,234.50`, needs none. What may change a value in silence is refused:
percent, units, marks of thousands and millions.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingester.checks.cells import BLANKS, kept, replaced, without
from ingester.checks.fault import Fault, Mask, Positions, Typed, present, where_false, where_true
from ingester.checks.invisible import clean
from ingester.checks.number import cast_integer, cast_number
from ingester.checks.style import Style
from ingester.ruleset.model import FieldType

_BYTES = np.arange(256)


def _keeping(characters: bytes, point: int = 0) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """A table for `kept`; `point` is the byte that becomes the decimal point."""
    table = np.where(np.isin(_BYTES, list(characters)), _BYTES, 0).astype(np.uint8)
    if point:
        table[point] = ord(".")
    return table


_CORE = _keeping(b"0123456789.,' ")
_POINTED = _keeping(b"0123456789+-.")
_COMMAED = _keeping(b"0123456789+-", ord(","))


def _grouped(mark: str) -> str:
    """Groups of three; a number that begins with a zero has none."""
    return rf"[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+"


def _number(decimal: str, group: str, further: str = "") -> str:
    whole = "|".join(("[0-9]+", _grouped(group), _grouped(" "), _grouped("'"))) + further
    return rf"(?:{whole})(?:{decimal}[0-9]+)?|{decimal}[0-9]+"


#: A number without anything around it, read with each decimal sign. `12,34,567` is how India groups.
_POINT = rf"\A(?:{_number('[.]', ',', '|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}')})\z"
_COMMA = rf"\A(?:{_number(',', '[.]')})\z"
#: The same as most cells have it.
_PLAIN_COMMA = rf"\A[+-]?(?:(?:[0-9]+|{_grouped('[.]')})(?:,[0-9]+)?|,[0-9]+)\z"
#: What is canonical, unless points group.
_DOUBT = rf"\A[{BLANKS}]*[+-]?[1-9][0-9]{{0,2}}[.][0-9]{{3}}[{BLANKS}]*\z"
_EXPONENT = r"\A[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]{1,3}\z"
#: What stands for a currency beside ISO 4217: signs, those of dollars with a country, some words.
_CURRENCY = r"(?:US|AU|CA|NZ|HK|SG|NT|MX|A|C|S|R)?\p{Sc}|kr|zł|Kč|Ft|Fr"
#: Codes of ISO 4217 that are no currencies: metals, units of account, tests.
_NO_CURRENCY = frozenset({"XAU", "XAG", "XPT", "XPD", "XTS", "XXX", "XBA", "XBB", "XBC", "XBD", "XSU", "XUA"})


class AnyNumberCast:
    """Cells of one number or integer field without options."""

    def __init__(self, kind: FieldType) -> None:
        self._is_integer = kind is FieldType.INTEGER
        self._cast = cast_integer if self._is_integer else cast_number
        self._name = kind.value

    def __call__(self, text: pa.StringArray, style: Style) -> Typed:
        """Cast one column."""
        if style.decimal == "," and not self._is_integer:
            # What looks canonical is written as the others are.
            other = where_false(pc.match_substring_regex(text, _PLAIN_COMMA))
            typed = self._cast(kept(without(text, other), _COMMAED))
            faults = typed.faults
        else:
            typed = self._cast(text)
            other = _together([fault.positions for fault in typed.faults if self._is_wrong(fault)])
            faults = [fault for fault in typed.faults if not self._is_wrong(fault)]
        values = typed.values
        doubt = np.flatnonzero(is_doubtful(text)) if style.doubtful and not self._is_integer else np.empty(0, np.int64)
        if doubt.size:
            faults.append(Fault("ambiguous_number", "", doubt))
            values = without(values, doubt)
        if not other.size:
            return Typed(values, faults)
        further = self._written(clean(text.take(pa.array(other))), style)
        faults += [Fault(each.code, each.expected, other[each.positions], each.hint) for each in further.faults]
        return Typed(replaced(values, other, further.values), _merged(faults))

    def _is_wrong(self, fault: Fault) -> bool:
        return fault.code == "invalid_type" and fault.expected == self._name

    def _written(self, text: pa.StringArray, style: Style) -> Typed:
        """Cells that are not canonical, cleaned."""
        written = Written(text, exponents=not self._is_integer)
        point, comma = written.point, written.comma
        comma_alone = comma & ~point
        # Before the column has been looked at, whatever is not written as the standard has it makes one wonder whether
        # the points of other cells group.
        unknown = point & comma & ~written.neutral if style.surveyed else comma & ~written.raised
        is_comma = comma & (style.decimal == ",") if style.decimal else comma_alone
        is_point = point & (style.decimal != ",") | written.neutral
        ambiguous = unknown & (style.decimal == "")
        read = (is_comma | is_point) & ~ambiguous
        number = written.plain(is_comma & ~is_point)
        if self._is_integer:
            # Spreadsheets and data frames write 12.0 where a column had gaps.
            number = pc.replace_substring_regex(number, r"[.]0+\z", "")
        typed = self._cast(without(number, np.flatnonzero(~read)))
        faults = list(typed.faults)
        if ambiguous.any():
            faults.append(Fault("ambiguous_number", "", np.flatnonzero(ambiguous)))
        wrong = np.flatnonzero(~read & ~ambiguous & present(text))
        percent = _positions_of(text, wrong, r"[0-9] *[%\x{2030}]\z|\A%")
        if percent.size:
            faults.append(Fault("invalid_type", self._name, percent, _PERCENT))
            wrong = np.setdiff1d(wrong, percent)
        if wrong.size:
            faults.append(Fault("invalid_type", self._name, wrong))
        return Typed(typed.values, faults)


_PERCENT = "Send the number without the percent sign, in the unit of the data dictionary."


class Written:
    """Cleaned cells taken apart: which can be read with a decimal point, which with a comma."""

    def __init__(self, text: pa.StringArray, *, exponents: bool) -> None:
        formed = pc.fill_null(pc.match_substring_regex(text, _form()), False)
        self._negative = pc.match_substring_regex(text, r"[-(]")
        self.core = pc.ascii_trim(kept(without(text, where_false(formed)), _CORE), characters=" ")
        self.point = _mask(pc.match_substring_regex(self.core, _POINT))
        self.comma = _mask(pc.match_substring_regex(self.core, _COMMA))
        #: The same number with either sign.
        self.neutral = self.point & self.comma & ~_mask(pc.match_substring_regex(self.core, "[.,]"))
        self._exponents: tuple[Positions, pa.StringArray] | None = None
        #: Whole numbers with an exponent.
        self.raised = np.zeros(len(text), np.bool_)
        raised = where_true(pc.match_substring_regex(text, _EXPONENT)) if exponents else np.empty(0, np.int64)
        if raised.size:
            # No one groups the digits before an exponent.
            cells = text.take(pa.array(raised))
            has_comma, has_point = _mask(pc.match_substring(cells, ",")), _mask(pc.match_substring(cells, "."))
            self.point[raised], self.comma[raised] = ~has_comma, ~has_point
            self.neutral[raised] = self.raised[raised] = ~has_comma & ~has_point
            self._exponents = raised, cells

    def plain(self, is_comma: Mask) -> pa.StringArray:
        """Each number with a decimal point and without groups; `is_comma` says where the comma is the decimal sign."""
        number = kept(self.core, _POINTED)
        if is_comma.any():
            number = pc.if_else(pa.array(is_comma), kept(self.core, _COMMAED), number)
        number = pc.if_else(self._negative, pc.binary_join_element_wise("-", number, ""), number)
        if self._exponents is not None:
            raised, cells = self._exponents
            number = replaced(number, raised, _expanded(cells))
        return number


def _expanded(cells: pa.StringArray) -> pa.StringArray:
    """`1.5E+3` written out, each distinct one once; a comma is the decimal sign as well."""
    encoded = pc.replace_substring(cells, ",", ".").dictionary_encode()
    texts = [format(Decimal(cell), "f") for cell in encoded.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(encoded.indices)


@cache
def _form() -> str:
    """A cleaned cell with one number, one sign at most and one currency at most."""
    import pycountry  # takes a while to load, and most files need none

    codes = "|".join(sorted({each.alpha_3 for each in pycountry.currencies} - _NO_CURRENCY))
    sign, currency, core = "[+-]", f"(?:{_CURRENCY}|{codes})", "[0-9.,](?:[0-9.,' ]*[0-9])?"
    return (
        rf"\A(?:(?:{sign} *(?:{currency} *)?|{currency} *(?:{sign} *)?)?{core}|(?:{sign} *)?{core} *{currency}|"
        rf"(?:{currency} *)?{core} *{sign}|{core} *{sign} *{currency}|{core} *{currency} *{sign}|"
        rf"(?:{currency} *)?[(] *{core} *[)]|[(] *{currency} *{core} *[)]|[(] *{core} *{currency} *[)]|"
        rf"[(] *{core} *[)] *{currency})\z"
    )


def is_doubtful(text: pa.StringArray) -> Mask:
    """Which cells are canonical decimals that would be whole numbers if points group."""
    return _mask(pc.match_substring_regex(text, _DOUBT))


def _mask(answers: pa.BooleanArray) -> Mask:
    mask: Mask = pc.fill_null(answers, False).to_numpy(zero_copy_only=False)
    return mask.copy()


def _positions_of(text: pa.StringArray, among: Positions, pattern: str) -> Positions:
    if not among.size:
        return among
    return among[where_true(pc.match_substring_regex(text.take(pa.array(among)), pattern))]


def _together(positions: list[Positions]) -> Positions:
    return np.unique(np.concatenate(positions)) if positions else np.empty(0, np.int64)


def _merged(faults: list[Fault]) -> list[Fault]:
    """One fault for each text."""
    found: dict[tuple[str, str, str], list[Positions]] = {}
    for fault in faults:
        found.setdefault((fault.code, fault.expected, fault.hint), []).append(fault.positions)
    return [Fault(code, expected, _together(positions), hint) for (code, expected, hint), positions in found.items()]
