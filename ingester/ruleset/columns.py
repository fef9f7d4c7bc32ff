"""Which column of a file is which field of an entity: by name, by alias, by a family's prefix, else by likeness.

Case, spacing and punctuation never matter. A family takes every column that begins with its prefix and that no other
field takes. A name that is only like a field's is taken for it where nothing else could be meant, and never for a key.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ingester.ruleset.model import Entity, Field
from ingester.ruleset.naming import fold_header, letters

#: How like two names are that differ in a typing error or two.
_LIKE = 0.84
#: How much less like the second best field has to be.
_MARGIN = 0.06
#: Shorter names are too often like one another.
_SHORTEST = 5
_DIGITS = re.compile(r"\d+")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class ColumnMatch:
    """One column of the header, by position; `field` is None where the entity has none for it."""

    position: int
    column: str
    field: str | None = None
    #: `name`, `alias`, `family` or `likeness`.
    matched_by: str | None = None
    #: Of a column of a family, what follows the prefix, as sent: `tier` of `customFields.tier`.
    member: str | None = None
    #: How sure the match is, from 0 to 1; None without one.
    score: float | None = None

    @property
    def key(self) -> str | None:
        """What checks and reports call the column: its field, or its own header where the field is a family."""
        return self.column if self.member is not None else self.field


def match_columns(header: Sequence[str], entity: Entity) -> list[ColumnMatch]:
    """Match each column of `header`; two may match one field, or one member, which is for the caller to refuse."""
    names = _Names(entity)
    matches = [names.exactly(position, column) for position, column in enumerate(header)]
    loose = {match.position: names.loosely(match.column) for match in matches if match.field is None}
    matches = _completed(matches, loose, "name", 1.0)
    return _by_likeness(matches, entity)


def known_names(entity: Entity) -> Callable[[str], bool]:
    """Whether a text is what some column of the entity is called."""
    names = _Names(entity)
    return lambda text: bool(text) and (names.exactly(0, text).field or names.loosely(text)) is not None


class _Names:
    def __init__(self, entity: Entity) -> None:
        plain = [field for field in entity.fields if not field.is_family]
        self._names = {fold_header(field.name): field.name for field in plain}
        self._aliases = {fold_header(alias): field.name for field in plain for alias in field.aliases}
        self._letters = _only(
            (letters(name), field.name) for field in plain for name in (field.name, *field.aliases, field.title)
        )
        # The longest prefix first: `a.b.c` is of the family `a.b.{name}` before it is of `a.{name}`.
        self._families = sorted(
            (field for field in entity.fields if field.is_family), key=lambda field: -field.prefix.count(".")
        )

    def exactly(self, position: int, column: str) -> ColumnMatch:
        folded = fold_header(column)
        if folded in self._names:
            return ColumnMatch(position, column, self._names[folded], "name", score=1.0)
        if folded in self._aliases:
            return ColumnMatch(position, column, self._aliases[folded], "alias", score=1.0)
        return _of_family(position, column, self._families)

    def loosely(self, column: str) -> str | None:
        """The field whose name has the same letters, whatever stands between them."""
        return self._letters.get(letters(column))


def _only(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What stands for one field only."""
    fields: dict[str, set[str]] = {}
    for key, field in pairs:
        if key:
            fields.setdefault(key, set()).add(field)
    return {key: next(iter(found)) for key, found in fields.items() if len(found) == 1}


def _of_family(position: int, column: str, families: Sequence[Field]) -> ColumnMatch:
    for family in families:
        # Folding may change the length, dots it leaves alone: so the column is cut at its dots.
        parts = column.split(".", family.prefix.count("."))
        member = parts.pop().strip()
        # No database keeps a NUL in the name of a member.
        if member and "\0" not in member and fold_header(".".join(parts) + ".") == fold_header(family.prefix):
            return ColumnMatch(position, column, family.name, "family", member, 1.0)
    return ColumnMatch(position, column)


def _by_likeness(matches: list[ColumnMatch], entity: Entity) -> list[ColumnMatch]:
    """Columns that are still nobody's, each as the one field that it is like and that no other column is."""
    left = [match for match in matches if match.field is None and len(letters(match.column)) >= _SHORTEST]
    found: dict[int, str | None] = {}
    scores: dict[int, float] = {}
    for match in left:
        likely = _likely(match.column, entity)
        if likely is not None and likely[0] not in entity.primary_key:
            found[match.position], scores[match.position] = likely
    wanted = Counter(found.values())
    return [
        replace(match, score=scores[match.position]) if match.matched_by == "likeness" else match
        for match in _completed(
            matches, {at: field for at, field in found.items() if wanted[field] == 1}, "likeness", None
        )
    ]


def _completed(
    matches: list[ColumnMatch], found: Mapping[int, str | None], matched_by: str, score: float | None
) -> list[ColumnMatch]:
    """The matches with what was found for further columns, as far as its fields have no column yet."""
    taken = {match.field for match in matches}
    return [
        replace(match, field=field, matched_by=matched_by, score=score)
        if (field := found.get(match.position)) is not None and field not in taken
        else match
        for match in matches
    ]


def _words(name: str) -> list[str]:
    return _WORD.findall(name.casefold())


def _is_mistyped(words: Sequence[str], meant: Sequence[str]) -> bool:
    """Whether each word is the other or a slip of the fingers away from it: `net_price` is not `set_price`.

    Short words and those that begin otherwise are other words.
    """
    if len(words) != len(meant):
        return "".join(words) == "".join(meant)
    return all(
        one == other or (min(len(one), len(other)) >= _SHORTEST and one[0] == other[0])
        for one, other in zip(words, meant, strict=True)
    )


def _likely(column: str, entity: Entity) -> tuple[str, float] | None:
    scores = sorted(_scores(column, entity), reverse=True)
    if not scores or scores[0][0] < _LIKE or (len(scores) > 1 and scores[1][0] > scores[0][0] - _MARGIN):
        return None
    score, field = scores[0]
    return field, round(score, 2)


def _scores(column: str, entity: Entity) -> Iterator[tuple[float, str]]:
    """How like a column's name is to each field's; one with other digits is never like it: `phone2` is not `phone1`."""
    from rapidfuzz.distance import OSA  # only files with unknown columns need it

    name, digits, words = letters(column), _DIGITS.findall(column), _words(column)
    for field in entity.fields:
        if field.is_family:
            continue
        alike = [
            OSA.normalized_similarity(name, letters(each))
            for each in (field.name, *field.aliases)
            if _DIGITS.findall(each) == digits and _is_mistyped(words, _words(each))
        ]
        if alike:
            yield max(alike), field.name
