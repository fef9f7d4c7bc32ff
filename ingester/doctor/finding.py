"""What a check of the doctor says: a state, a sentence, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """A warning can wait; what is wrong keeps the service from doing its work, or will soon."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `fix` is one sentence with the command, empty where nothing is to be mended."""

    state: State
    said: str
    fix: str = ""


def ok(said: str) -> Finding:
    """All is well."""
    return Finding(State.OK, said)


def warning(said: str, fix: str) -> Finding:
    """Something to look after."""
    return Finding(State.WARNING, said, fix)


def wrong(said: str, fix: str) -> Finding:
    """Something to mend."""
    return Finding(State.WRONG, said, fix)
