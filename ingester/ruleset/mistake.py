"""Mistakes in rule files: where, what, and how to mend it. Collected over every file, then raised together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ingester.domain.errors import ConfigurationError


@dataclass(frozen=True, order=True, slots=True)
class RuleMistake:
    """One thing that is wrong in a rule file. `line` counts from 1, 0 means the file as a whole; `key` may be empty."""

    path: Path
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{_shown(self.path)}:{self.line}" if self.line else _shown(self.path)
        return ": ".join(part for part in (place, self.key, self.message) if part)


class RuleErrors(ConfigurationError):
    """Rule files contain mistakes. `mistakes` holds all of them, by file and line; `str()` prints one a line."""

    def __init__(self, mistakes: Iterable[RuleMistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes)))
        count = len(self.mistakes)
        super().__init__("1 mistake in the rule files" if count == 1 else f"{count} mistakes in the rule files")

    def __str__(self) -> str:
        return "\n".join((f"{self.message}:", *map(str, self.mistakes)))


class Report:
    """Where the readers of one file write its mistakes down, so that reading can go on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mistakes: list[RuleMistake] = []

    def add(self, line: int, key: str, message: str) -> None:
        """Note a mistake at `line` about `key`, a dotted path such as `fields.email.constraints`."""
        self.mistakes.append(RuleMistake(self.path, line, key, message))

    def blames(self, key: str) -> bool:
        """Whether there is a mistake about exactly this key: what rests on it cannot be judged."""
        return any(mistake.key == key for mistake in self.mistakes)


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """`, did you mean 'right'?` when one of `known` is close to `wrong`, else the empty string."""
    close = difflib.get_close_matches(wrong, sorted(known), n=1, cutoff=0.6)
    return f", did you mean '{close[0]}'?" if close else ""


def one_of(known: Iterable[str]) -> str:
    """The names in a sentence: `a, b or c`."""
    names = list(known)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _shown(path: Path) -> str:
    """The path as a person at this terminal would type it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
