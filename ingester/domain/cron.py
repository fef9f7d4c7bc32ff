"""Cron expressions and names of weekdays, read as cron(8) reads them: 0 and 7 are Sunday."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_GROUPS = {"daily": "mon-sun", "everyday": "mon-sun", "weekdays": "mon-fri", "weekends": "sat-sun"}
_PART = re.compile(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/(\d+))?")


@dataclass(frozen=True, slots=True)
class Cron:
    """The minutes, hours and days at which something is due, by the wall clock."""

    minutes: frozenset[int]
    hours: frozenset[int]
    month_days: frozenset[int]
    months: frozenset[int]
    #: Monday is 0.
    week_days: frozenset[int]
    #: Whether a day needs only one of month day and weekday: cron's rule where both are restricted.
    either: bool = False
    #: Whether it goes by hours that pass, not by hours of the day: an hour that comes twice counts twice.
    hourly: bool = False

    def on(self, day: date) -> bool:
        """Whether anything is due on a day."""
        by_month, by_week = day.day in self.month_days, day.weekday() in self.week_days
        return day.month in self.months and (by_month or by_week if self.either else by_month and by_week)


def parse(text: str) -> Cron:
    """Read five fields: minute, hour, day of the month, month, weekday. ValueError says which one is wrong."""
    fields = text.lower().split()
    if len(fields) != 5:
        raise ValueError("a cron expression has five fields: minute, hour, day of the month, month, weekday")
    minute, hour, month_day, month, week_day = fields
    # Counted from Sunday, as cron does, so that ranges such as 0-5 and 5-7 keep their order.
    counted = _values("weekday", week_day, 0, 7, ("sun", *_DAYS[:6]))
    return Cron(
        minutes=_values("minute", minute, 0, 59),
        hours=_values("hour", hour, 0, 23),
        month_days=_values("day of the month", month_day, 1, 31),
        months=_values("month", month, 1, 12, _MONTHS),
        week_days=frozenset((day + 6) % 7 for day in counted),
        either=not month_day.startswith("*") and not week_day.startswith("*"),
        hourly=hour.startswith("*"),
    )


def weekdays(text: str) -> frozenset[int]:
    """The days that `daily`, `mon-fri` or `mon,thu` names, Monday as 0; ValueError for anything else."""
    named = _GROUPS.get(text.strip().lower(), text.strip().lower())
    found: set[int] = set()
    for part in named.split(","):
        ends = [_DAYS.index(day) if day in _DAYS else -1 for day in (end.strip()[:3] for end in part.split("-"))]
        if len(ends) > 2 or -1 in ends:
            raise ValueError(f"'{part}' names no days: write daily, weekdays, mon-fri or mon,thu")
        found.update((ends[0] + step) % 7 for step in range((ends[-1] - ends[0]) % 7 + 1))
    return frozenset(found)


def _values(name: str, field: str, low: int, high: int, words: tuple[str, ...] = ()) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        first, last, step = match.groups() if match else ("", None, None)
        if first == "*" and last is None:
            begin, end = low, high
        else:
            begin = _number(first, low, words)
            # As cron has it, 5/15 goes on to the end.
            end = _number(last, low, words) if last else high if step else begin
        if not low <= begin <= end <= high or (step is not None and int(step) < 1):
            raise ValueError(f"the {name} '{part}' of the cron expression is not within {low}-{high}")
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, low: int, words: tuple[str, ...]) -> int:
    if text in words:
        return low + words.index(text)
    return int(text) if text.isdecimal() else -1
