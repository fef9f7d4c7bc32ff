"""When the drops of a feed may start: at once, or in windows that a cron expression opens; never on blackout days.

All of it is in the tenant's timezone. An expression names times on the wall clock. A time that the clock skips in
spring is taken as long after midnight as ever (02:30 becomes 03:30); a time that comes twice in autumn counts the first
time only. An expression for every hour (`*` or `*/n`) goes by real time instead: it runs in both of the two hours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ingester.domain.cron import Cron, parse
from ingester.domain.errors import UsageError

IMMEDIATE = "immediate"

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = re.compile(r"(?:([0-9]{4})-)?([0-9]{2})-([0-9]{2})")
#: Blackouts and rare expressions may follow one another for so long; after that nothing will ever start.
_LONGEST_WAIT = timedelta(days=366 * 8)
_DAY_LONG = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A feed's times. `schedule` is `immediate` or five cron fields; `blackout` holds days as `blackout_day` reads."""

    schedule: str = IMMEDIATE
    #: How long a window stays open after the moment that the schedule names; 0 is that moment alone.
    open_for: timedelta = timedelta()
    blackout: tuple[str, ...] = ()

    def start(self, landed_at: datetime, zone: ZoneInfo) -> datetime:
        """The first moment, aware and in UTC, at which what landed then may start.

        UsageError if there is none in the next eight years.
        """
        if self.schedule == IMMEDIATE:
            return self._after_blackout(landed_at, zone)
        for opens in _moments(self.schedule, landed_at - self.open_for, zone):
            if opens > landed_at + _LONGEST_WAIT:
                break
            if not self._is_blackout(opens.astimezone(zone).date()):
                return max(opens, landed_at)
        raise UsageError(f"the schedule '{self.schedule}' never runs", fix="Check its days, and the blackout days.")

    def _after_blackout(self, at: datetime, zone: ZoneInfo) -> datetime:
        day = at.astimezone(zone).date()
        if not self._is_blackout(day):
            return at
        for distance in range(1, _LONGEST_WAIT.days):
            if not self._is_blackout(day + timedelta(days=distance)):
                morning = datetime.combine(day + timedelta(days=distance), datetime.min.time(), zone)
                return morning.astimezone(UTC)
        raise UsageError("every day is a blackout day", fix="Leave some days out.")

    def _is_blackout(self, day: date) -> bool:
        return any(_covers(written, day) for written in self.blackout)


#: Every moment.
ALWAYS = Window()


def check(schedule: str, blackout: Sequence[str]) -> None:
    """Raise UsageError, with what is wrong, unless these words make a window that opens now and then."""
    if schedule != IMMEDIATE:
        _parsed(schedule)
    for written in blackout:
        _ends(written)
    Window(schedule, blackout=tuple(blackout)).start(datetime.now(UTC), ZoneInfo("UTC"))


def _covers(blackout: str, day: date) -> bool:
    first, last = _ends(blackout)
    if isinstance(first, str):
        return _WEEKDAYS[day.weekday()] == first
    if isinstance(first, tuple):
        return (day.month, day.day) == first
    assert isinstance(last, date)
    return first <= day <= last


@lru_cache(maxsize=1024)
def _ends(written: str) -> tuple[str | tuple[int, int] | date, date | None]:
    """A blackout's meaning: a weekday, a day of every year, or the first and last of some days."""
    text = written.strip().lower()
    if text in _WEEKDAYS:
        return text, None
    parts = text.split("..")
    found = [_DAY.fullmatch(part) for part in parts]
    try:
        if len(parts) == 1 and found[0] and not found[0][1]:
            leap = date(2000, int(found[0][2]), int(found[0][3]))
            return (leap.month, leap.day), None
        days = [date.fromisoformat(part) for part, match in zip(parts, found, strict=True) if match and match[1]]
    except ValueError:
        days = []
    if len(days) != len(parts) or len(days) > 2 or days[-1] < days[0]:
        raise UsageError(
            f"'{written}' is no blackout day",
            fix="Write sat, 12-24 (every year), 2026-12-24, or 2026-12-24..2027-01-02.",
        )
    return days[0], days[-1]


def _moments(schedule: str, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The moments of a schedule later than `after`, in order; ends where nothing would come of going on."""
    cron = _parsed(schedule)
    first = after.astimezone(zone).date()
    for distance in range(-1, _LONGEST_WAIT.days + 1):
        day = first + timedelta(days=distance)
        if cron.on(day):
            yield from (moment for moment in _on(day, schedule, zone) if moment > after)


@lru_cache(maxsize=64)
def _on(day: date, schedule: str, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The moments of one day, in order."""
    cron = _parsed(schedule)
    found = {
        datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold).astimezone(UTC)
        for hour in cron.hours
        for minute in cron.minutes
        for fold in ((0, 1) if cron.hourly else (0,))
    }
    return tuple(sorted(found))


@lru_cache(maxsize=256)
def _parsed(schedule: str) -> Cron:
    try:
        return parse(schedule)
    except ValueError as error:
        raise UsageError(
            f"'{schedule}' is not a schedule: {error}",
            fix="Write five fields, as `30 2 * * mon-fri`: minute, hour, day, month, weekday; or `immediate`.",
        ) from None
