"""The moments at which drops are due: days and times of the wall clock, made into moments of one time zone."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo

from ingester.domain import cron
from ingester.expectation import holiday
from ingester.expectation.words import Expects

#: Days looked at for the next due moment: from one 29 February to the next but one.
_HORIZON_DAYS = 9 * 366
_WORDS = ("by", "days", "cron", "holidays")


class Timetable:
    """When drops are due, by what `expects` says, in a time zone.

    Where a clock is set forward or back, a time of day has no moment, or two: then the later of its two readings
    counts, so that a drop is late only when it is late by both. What is due every hour goes by hours that pass.
    """

    def __init__(self, expects: Expects, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._holidays = tuple(expects.holidays.split(",")) if expects.holidays else ()
        self._cron = cron.parse(expects.cron) if expects.cron else None
        self._week_days = cron.weekdays(expects.days)
        if self._cron is not None:
            hours, minutes = self._cron.hours, self._cron.minutes
            self._times = tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes))
        else:
            self._times = tuple(time.fromisoformat(text) for text in (expects.by or "").split(",") if text)

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The due moments after `moment`, in order, in UTC."""
        # A day earlier: a time of yesterday that does not exist may be read as one of today.
        day, last = moment.astimezone(self._zone).date() - timedelta(days=1), moment
        for _ in range(_HORIZON_DAYS):
            for found in self._on(day):
                if found > last:
                    last = found
                    yield found
            day += timedelta(days=1)

    def next(self, moment: datetime) -> datetime | None:
        """The first due moment after `moment`; None where there is none in the next years."""
        return next(self.after(moment), None)

    def last(self, moment: datetime) -> datetime | None:
        """The last due moment up to `moment`; None where there was none in a year."""
        for days in (2, 8, 32, 367):
            found = deque(takewhile(lambda due: due <= moment, self.after(moment - timedelta(days=days))), maxlen=1)
            if found:
                return found[0]
        return None

    def local(self, moment: datetime) -> str:
        """A moment for people: `Mon 2026-11-23 02:30 (Europe/Berlin)`."""
        return f"{moment.astimezone(self._zone):%a %Y-%m-%d %H:%M} ({self._zone.key})"

    def _on(self, day: date) -> list[datetime]:
        works = day.weekday() in self._week_days if self._cron is None else self._cron.on(day)
        if not works or (self._holidays and holiday.is_free(self._holidays, day)):
            return []
        return sorted({moment for at in self._times for moment in self._moments(datetime.combine(day, at))})

    def _moments(self, wall: datetime) -> tuple[datetime, ...]:
        readings = [wall.replace(tzinfo=self._zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
        if self._cron is None or not self._cron.hourly:
            return (max(readings),)
        return tuple(each for each in readings if each.astimezone(self._zone).replace(tzinfo=None) == wall)


def made_by(expects: Expects, zone: str) -> str:
    """What makes the due moments, as one text: where it changes, judging begins anew."""
    return json.dumps({"zone": zone, **{word: getattr(expects, word) for word in _WORDS}})


@lru_cache(maxsize=4096)
def timetable(text: str) -> Timetable:
    """The timetable that `made_by` wrote down; made once for as long as it is in use."""
    words = json.loads(text)
    zone = words.pop("zone")
    return Timetable(Expects.model_construct(**words), zone)


@lru_cache(maxsize=8192)
def next_due(text: str, moment: datetime) -> datetime | None:
    """The first due moment after `moment`, remembered: it is asked for again and again until it has come."""
    return timetable(text).next(moment)
