"""How people vary one name: case, hyphens and spaces, singular and plural. English only; `aliases` say the rest."""

from __future__ import annotations

import re
import string
import unicodedata
from functools import lru_cache

from ingester.ruleset.model import Entity

#: Character for character, so that a position in the folded name is the same position in the name.
_FOLDED = str.maketrans(string.ascii_uppercase + "- ", string.ascii_lowercase + "__")
_PLURALS = (
    (re.compile(r"([^aeiou])y\Z"), r"\1ies"),
    (re.compile(r"(s|x|z|ch|sh)\Z"), r"\1es"),
    (re.compile(r"\Z"), "s"),
)
_SINGULARS = (
    (re.compile(r"ies\Z"), "y"),
    (re.compile(r"(ss|x|zz|ch|sh)es\Z"), r"\1"),
    (re.compile(r"([^s])s\Z"), r"\1"),
)


def fold(name: str) -> str:
    """The name as it is compared: small ASCII letters, `_` for hyphen and space, as long as it was."""
    return name.translate(_FOLDED)


def fold_header(header: str) -> str:
    """A column header or field name as it is compared: any case, any run of spaces, hyphens and `_` as one `_`."""
    return re.sub(r"[\s_-]+", "_", header.strip().casefold())


def letters(header: str) -> str:
    """Only the letters and digits of a header, small and without accents: `E-Mail`, `eMail` and `e_mail` are one."""
    decomposed = unicodedata.normalize("NFKD", header.casefold())
    return "".join(character for character in decomposed if character.isalnum())


def plural(name: str) -> str:
    """`territory` → `territories`, `brand` → `brands`, `proposal_item` → `proposal_items`."""
    return _first(_PLURALS, name)


def singular(name: str) -> str:
    """`clients` → `client`; a name that is no plural comes back as it is."""
    return _first(_SINGULARS, name)


def names_of(entity: Entity) -> frozenset[str]:
    """Every folded name a file or folder may use for the entity: name and aliases, each in singular and plural."""
    return frozenset().union(*(_forms(name) for name in (entity.name, *map(fold, entity.aliases))))


@lru_cache(maxsize=1024)  # every routed file asks for every name
def _forms(name: str) -> frozenset[str]:
    return frozenset({name, plural(name), singular(name)})


def _first(table: tuple[tuple[re.Pattern[str], str], ...], name: str) -> str:
    for ending, replacement in table:
        if ending.search(name):
            return ending.sub(replacement, name)
    return name
