"""Which entity a file is, by the folder it was put in or by its name. Feeds stand between the two: not here.

A name is read as `<entity>([_.-].*)?.<ext>`, in any case, in singular, plural or by an alias; the longest name wins,
so `proposal_item_2026.csv` is no `proposal`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ingester.ruleset.mistake import did_you_mean, one_of
from ingester.ruleset.model import Catalogue, Entity
from ingester.ruleset.naming import fold, names_of

_AFTER_ENTITY = re.compile(r"([_.-].*)?\.[A-Za-z0-9]+", re.DOTALL)
_EXTENSION = re.compile(r"\.[A-Za-z0-9]+\Z")
_SHOWN_NAMES = 40


@dataclass(frozen=True, slots=True)
class Unroutable:
    """Why a file belongs to no entity: a notice code, and the customer's sentence."""

    code: str
    message: str


def route(catalogues: Iterable[Catalogue], folder: str | None, name: str) -> Entity | Unroutable:
    """The entity of the file `name`, put into `folder` of the inbox (None: the inbox itself).

    `catalogues` are the tenant's. A folder that is no entity's says nothing.
    """
    known = tuple(catalogues)
    return (by_folder(known, folder) if folder is not None else None) or by_name(known, name)


def by_folder(catalogues: Iterable[Catalogue], folder: str) -> Entity | Unroutable | None:
    """The entity a folder of the inbox stands for; None if it stands for none, Unroutable for several."""
    wanted = fold(folder)
    claims = [entity for catalogue in catalogues for entity in catalogue if wanted in names_of(entity)]
    if len(claims) > 1:
        return _ambiguous(f"The folder {_quoted(folder)}", claims)
    return claims[0] if claims else None


def by_name(catalogues: Iterable[Catalogue], name: str) -> Entity | Unroutable:
    """The entity a file name means."""
    folded = fold(name)
    entities = [entity for catalogue in catalogues for entity in catalogue]
    claims: dict[int, list[Entity]] = {}
    for entity in entities:
        lengths = [
            len(form)
            for form in names_of(entity)
            if folded.startswith(form) and _AFTER_ENTITY.fullmatch(name, len(form))
        ]
        if lengths:
            claims.setdefault(max(lengths), []).append(entity)
    if not claims:
        return _unknown(name, entities)
    longest = claims[max(claims)]
    return longest[0] if len(longest) == 1 else _ambiguous(_quoted(name), longest)


def _unknown(name: str, entities: list[Entity]) -> Unroutable:
    if not entities:
        return Unroutable("unknown_entity", f"No entity matches {_quoted(name)}: this inbox takes no entities yet")
    names = sorted({entity.name for entity in entities})
    shown = names[:_SHOWN_NAMES] + (["…"] if len(names) > _SHOWN_NAMES else [])
    word = re.split(r"[0-9.]", fold(name), maxsplit=1)[0].rstrip("_")
    forms = {form for entity in entities for form in names_of(entity)}
    hint = "" if word in forms else did_you_mean(word, forms)
    start = f"{'Names' if hint else 'names'} start with {'' if len(shown) == 1 else 'one of '}{', '.join(shown)}"
    ending = "" if _EXTENSION.search(name) else " and end in an extension such as .csv"
    return Unroutable(
        "unknown_entity",
        f"No entity matches {_quoted(name)}{hint or ':'} {start}{ending}; or use the folder /inbox/<entity>/",
    )


def _ambiguous(what: str, claims: list[Entity]) -> Unroutable:
    names = one_of(sorted(entity.full_name for entity in claims))
    return Unroutable("ambiguous_entity", f"{what} can mean {names}: use a name or a folder that only one of them has")


def _quoted(name: str) -> str:
    """The name as it can be printed on one line, whatever a client called the file."""
    shown = name if len(name) <= 100 else f"{name[:99]}…"
    return "'" + "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown) + "'"
