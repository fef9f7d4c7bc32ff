"""An expectation in an operator's words, and what they mean. Kept in the ledger as they were written, once checked."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ingester.domain import cron
from ingester.domain.duration import seconds
from ingester.domain.errors import UsageError
from ingester.expectation import holiday

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


class Expects(BaseModel):
    """What `expects:` of a feed may say; anything else is a mistake with its key."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    #: Times of day in the tenant's time zone by which a drop is there: `02:30`, or several with commas.
    by: str | None = None
    #: The days on which it is due: `daily`, `weekdays`, `mon-fri`, `mon,thu`.
    days: str = "daily"
    #: Instead of `by` and `days`: five fields, in the tenant's time zone.
    cron: str | None = None
    #: How long after the due moment a drop is still in time, as `30m` or `1h30m`.
    grace: str = "0m"
    #: How long before the due moment a drop counts for it; without it, since the due moment before.
    window: str | None = None
    #: Fewer rows are an alert. Without rows a drop is empty, unless 0 are enough.
    min_rows: int = Field(default=1, ge=0)
    #: In percent: how much smaller than the median of the feed's last drops one may be.
    shrink: int | None = Field(default=None, ge=0, le=100)
    #: Where no drop is due on public holidays: a country, with a subdivision, or a market: `DE`, `DE-BY`, `XNYS`.
    holidays: str | None = None

    @field_validator("by", mode="before")
    @classmethod
    def _times(cls, value: Any) -> Any:
        # YAML 1.1 reads 14:30 without quotes as a number to the base of 60, TOML as a time.
        parts = value if isinstance(value, list | tuple) else [value]
        texts = [f"{part // 60:02}:{part % 60:02}" if type(part) is int and part >= 60 else part for part in parts]
        texts = [f"{part:%H:%M}" if isinstance(part, time) else part for part in texts]
        if value is None or not all(isinstance(text, str) for text in texts):
            return value
        times = [part.strip() for text in texts for part in text.split(",")]
        if not all(_TIME.fullmatch(each) for each in times):
            raise ValueError("a time of day is written as 02:30")
        return ",".join(sorted({each.zfill(5) for each in times}))

    @field_validator("days", mode="before")
    @classmethod
    def _days(cls, value: Any) -> Any:
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else value
        if isinstance(text, str):
            cron.weekdays(text)
        return text

    @field_validator("cron")
    @classmethod
    def _cron(cls, value: str | None) -> str | None:
        if value is not None:
            cron.parse(value)
        return value

    @field_validator("grace", "window")
    @classmethod
    def _duration(cls, value: str | None) -> str | None:
        if value is not None:
            duration(value)
        return value

    @field_validator("holidays", mode="before")
    @classmethod
    def _holidays(cls, value: Any) -> Any:
        # YAML 1.1 reads Norway's code as the boolean.
        parts = ["NO" if part is False else part for part in (value if isinstance(value, list | tuple) else [value])]
        if value is None or not all(isinstance(part, str) for part in parts):
            return value
        codes = [code.strip().upper() for part in parts for code in part.split(",")]
        for code in codes:
            holiday.calendar(code)
        return ",".join(codes)

    @model_validator(mode="after")
    def _senseful(self) -> Self:
        if self.by is not None and self.cron is not None:
            raise ValueError("either `by` or `cron` says when a drop is due")
        given = self.model_fields_set - {name for name in self.model_fields_set if getattr(self, name) is None}
        timed = {"days", "grace", "window", "holidays"} & given
        if self.by is None and self.cron is None and timed:
            raise ValueError(f"`{min(timed)}` needs `by` or `cron`: when is a drop due?")
        if self.cron is not None and "days" in given:
            raise ValueError("`cron` says the days itself")
        return self

    @property
    def timed(self) -> bool:
        """Whether drops are due at all; otherwise only their size matters."""
        return self.by is not None or self.cron is not None

    def said(self) -> dict[str, Any]:
        """The words as the ledger and `ingester feed list --json` have them: those that are not the default."""
        return self.model_dump(exclude_defaults=True)

    def __str__(self) -> str:
        when = f"cron {self.cron}" if self.cron else f"by {self.by} {self.days}" if self.by else ""
        size = f"at least {self.min_rows} rows" if self.min_rows > 1 else ""
        return ", ".join(
            part for part in (when, size, f"shrink {self.shrink} %" if self.shrink is not None else "") if part
        )


def duration(text: str) -> timedelta:
    """The time that `1h30m` names; ValueError for what is no such text."""
    try:
        return timedelta(seconds=seconds(text))
    except UsageError as error:
        raise ValueError(str(error)) from None
