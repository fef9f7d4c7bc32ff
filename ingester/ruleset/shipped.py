"""Where catalogues lie on this machine: those that come with the product, and folders the operator adds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ingester.domain.errors import ConfigurationError
from ingester.ruleset.load import load
from ingester.ruleset.mistake import RuleErrors, RuleMistake
from ingester.ruleset.model import RuleSet

_PACKAGE = Path(__file__).resolve().parent.parent
#: In a wheel the catalogues lie inside the package, in a checkout beside it.
_PLACES = (_PACKAGE / "_rules", _PACKAGE.parent / "rules")


def shipped() -> dict[str, Path]:
    """Catalogue name → folder, for every catalogue that ships with this installation."""
    for place in _PLACES:
        if place.is_dir():
            return {path.name: path for path in sorted(place.iterdir()) if _is_catalogue(path)}
    raise ConfigurationError("the shipped rule files are missing", fix="Install the package again.")


def with_added(folders: Sequence[Path]) -> dict[str, Path]:
    """The shipped catalogues and one for each added folder, named after it. RuleErrors if two share a name."""
    found = shipped()
    mistakes: list[RuleMistake] = []
    for folder in folders:
        path = folder.resolve()
        other = found.setdefault(path.name, path)
        if other.resolve() != path:
            message = f"there is a catalogue '{path.name}' already, from {other}: rename the folder"
            mistakes.append(RuleMistake(folder, 0, "", message))
    if mistakes:
        raise RuleErrors(mistakes)
    return found


def in_force(added: Sequence[Path]) -> RuleSet:
    """Every catalogue of a service that has `added` folders of its own."""
    return load(with_added(added))


def _is_catalogue(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "_"))
