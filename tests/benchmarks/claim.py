"""What the figures must show, and the verdict on it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from tests.benchmarks import figure
from tests.benchmarks.figure import Figures, Ref


class Verdict(StrEnum):
    """How a claim came out."""

    MET = "met"
    STRETCHED = "met, stretch too"
    MISSED = "MISSED"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Claim:
    """A number that is computed from figures and may be so much at most."""

    what: str
    value: Callable[[Figures], float]
    at_most: float
    #: What it would be good to reach.
    stretch: float | None = None
    #: Format of the numbers.
    shown: str = "{:.2f} x"

    def judge(self, figures: Figures) -> Judged:
        """The number, if all that it needs was measured, and the verdict."""
        try:
            value = self.value(figures)
        except KeyError:
            return Judged(self, None, Verdict.NOT_MEASURED)
        if value > self.at_most:
            return Judged(self, value, Verdict.MISSED)
        stretched = self.stretch is not None and value <= self.stretch
        return Judged(self, value, Verdict.STRETCHED if stretched else Verdict.MET)


@dataclass(frozen=True)
class Judged:
    """A claim and how it came out."""

    claim: Claim
    value: float | None
    verdict: Verdict

    def cells(self) -> tuple[str, str, str, str, str]:
        """What, measured, at most, stretch, verdict: as text."""
        numbers = (self.value, self.claim.at_most, self.claim.stretch)
        value, at_most, stretch = ("" if number is None else self.claim.shown.format(number) for number in numbers)
        return self.claim.what, value, at_most, stretch, self.verdict.value


def faster(what: str, ours: Ref, theirs: Ref, at_most: float, stretch: float | None = None) -> Claim:
    """Our median takes at most so many times theirs."""
    return Claim(what, partial(figure.ratio, ours=ours, theirs=theirs), at_most, stretch)


def lean(what: str, ours: Ref, megabytes: float) -> Claim:
    """Our process tree holds at most so much."""
    return Claim(what, partial(figure.megabytes, ref=ours), megabytes, shown="{:.0f} MB")


def bounded(what: str, small: Ref, large: Ref, share: float) -> Claim:
    """Peak memory grows by at most that share."""
    return Claim(what, partial(figure.growth, small=small, large=large), share, shown="{:+.0%}")


def flat(what: str, refs: Iterable[Ref], share: float) -> Claim:
    """The slowest size is at most that share behind the fastest, in rows per second."""
    return Claim(what, partial(figure.unevenness, refs=tuple(refs)), share, shown="{:.0%}")
