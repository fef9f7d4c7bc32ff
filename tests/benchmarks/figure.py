"""What was measured: the times of one contender on one lap of one race, and what follows from them. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Ref(NamedTuple):
    """Names a figure."""

    race: str
    contender: str
    lap: str

    def __str__(self) -> str:
        return f"{self.race}: {self.contender}, {self.lap}"


@dataclass(frozen=True)
class Figure:
    """Wall seconds and peak bytes of every round."""

    ref: Ref
    rows: int
    seconds: Sequence[float]
    peaks: Sequence[int]

    @property
    def median(self) -> float:
        """Of the seconds."""
        return statistics.median(self.seconds)

    @property
    def rows_per_second(self) -> float:
        """At the median."""
        return self.rows / self.median

    @property
    def peak(self) -> int:
        """The most bytes of any round."""
        return max(self.peaks)


Figures = dict[Ref, Figure]


def ratio(figures: Figures, ours: Ref, theirs: Ref) -> float:
    """Our median time as a multiple of theirs."""
    return figures[ours].median / figures[theirs].median


def percentile(figures: Figures, ref: Ref, share: float) -> float:
    """The seconds that this share of the rounds stayed within; 0.5 is the median, 1 the slowest."""
    ordered = sorted(figures[ref].seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def unevenness(figures: Figures, refs: Iterable[Ref]) -> float:
    """How far the slowest of several sizes falls behind the fastest, in rows per second: 0 is flat, 1 is standstill."""
    speeds = [figures[ref].rows_per_second for ref in refs]
    return 1 - min(speeds) / max(speeds)


def growth(figures: Figures, small: Ref, large: Ref) -> float:
    """By which share the peak memory grows from one size to another; 0.15 is 15 % more."""
    return figures[large].peak / figures[small].peak - 1


def megabytes(figures: Figures, ref: Ref) -> float:
    """Peak memory in MB."""
    return figures[ref].peak / 1e6
