"""Countries and currencies → their codes. The lists are pycountry's; usual other names of countries are added here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pycountry

from ingester.checks.fault import present
from ingester.checks.recognition import Recognised, recognise
from ingester.ruleset.model import Step

#: Names that people use and pycountry does not have, as `_folded` writes them.
_OTHER_NAMES = {
    "uk": "GB",
    "great britain": "GB",
    "britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "northern ireland": "GB",
    "uae": "AE",
    "bosnia": "BA",
    "brunei": "BN",
    "cape verde": "CV",
    "congo brazzaville": "CG",
    "congo kinshasa": "CD",
    "dr congo": "CD",
    "drc": "CD",
    "east timor": "TL",
    "falkland islands": "FK",
    "holland": "NL",
    "ivory coast": "CI",
    "macau": "MO",
    "macedonia": "MK",
    "micronesia": "FM",
    "burma": "MM",
    "north korea": "KP",
    "palestine": "PS",
    "russia": "RU",
    "swaziland": "SZ",
    "turkey": "TR",
    "vatican": "VA",
    "vatican city": "VA",
    "virgin islands": "VI",
    "us virgin islands": "VI",
    "british virgin islands": "VG",
}


class CodeList:
    """Cells of one field → codes; those that are codes already cost one look at a set."""

    def __init__(self, codes: list[str], standard: Callable[[str], str | None], fault: str, expected: str) -> None:
        self._codes = pa.array(codes, pa.string())
        self._standard = standard
        self._fault = fault
        self._expected = expected

    def __call__(self, text: pa.StringArray) -> Recognised:
        """Recognise one column."""
        other = pc.invert(pc.is_in(text, value_set=self._codes)).to_numpy(zero_copy_only=False)
        left = np.flatnonzero(other & present(text))
        return recognise(text, left, self._standard, self._fault, self._expected)

    @classmethod
    @cache
    def of(cls, step: Step) -> CodeList:
        """The list that a step of `normalise` means; folding the names of all countries takes milliseconds."""
        if step is Step.COUNTRY:
            names = _country_names()
            codes = [country.alpha_2 for country in pycountry.countries]
            return cls(codes, lambda cell: names.get(_folded(cell)), "invalid_country", "")
        currencies = {currency.alpha_3 for currency in pycountry.currencies}
        return cls(
            sorted(currencies),
            lambda cell: code if (code := cell.strip().upper()) in currencies else None,
            "invalid_currency",
            "",
        )


def _country_names() -> dict[str, str]:
    names = dict(_OTHER_NAMES)
    for country in pycountry.countries:
        for name in _names(country):
            names[_folded(name)] = country.alpha_2
    return names


def _names(country: pycountry.db.Country) -> Iterator[str]:
    yield country.alpha_2
    yield country.alpha_3
    for key in ("name", "common_name", "official_name"):
        name = getattr(country, key, None)
        if name is not None:
            yield name
            # `Korea, Republic of`, `Falkland Islands (Malvinas)`
            first, comma, last = name.partition(", ")
            yield f"{last} {first}" if comma else name.partition(" (")[0]


def _folded(name: str) -> str:
    """Without case, accents, marks and article; `&` and `St` written out."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each))
    plain = plain.casefold().replace("&", " and ").replace(".", "").replace("'", "").replace("\u2019", "")
    words = re.sub(r"[\W_]+", " ", plain).split()
    return " ".join("saint" if word == "st" else word for word in words if word != "the")
