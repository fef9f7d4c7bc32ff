"""Public holidays of a country, one of its parts or a market. The library that knows them loads when it is asked."""

from __future__ import annotations

from collections.abc import Container
from datetime import date
from functools import lru_cache


@lru_cache(maxsize=64)
def calendar(code: str) -> Container[date]:
    """The days off of `DE`, `DE-BY` or `XNYS`; ValueError for a code that the library does not know."""
    import holidays

    country, _, part = code.partition("-")
    try:
        # It looks a year up when a day of it is asked for.
        return holidays.country_holidays(country, subdiv=part or None)
    except NotImplementedError:
        raise ValueError(f"no holidays are known of '{code}': write a code as DE, US-CA or XNYS") from None


def is_free(codes: tuple[str, ...], day: date) -> bool:
    """Whether a day is a holiday in any of these places."""
    return any(day in calendar(code) for code in codes)
