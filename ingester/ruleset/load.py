"""Folders of rule files → catalogues. Reads every file before it complains, then complains about all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ingester.ruleset.document import MAX_BYTES
from ingester.ruleset.draft import Draft
from ingester.ruleset.entity import is_entity_name, read_entity
from ingester.ruleset.mistake import Report, RuleErrors, RuleMistake
from ingester.ruleset.model import Catalogue, RuleSet
from ingester.ruleset.naming import fold, names_of
from ingester.ruleset.reference import check_references


def load(folders: Mapping[str, Path]) -> RuleSet:
    """Every catalogue of a service, from catalogue name → folder. RuleErrors lists the mistakes of all folders."""
    catalogues: dict[str, Catalogue] = {}
    mistakes: list[RuleMistake] = []
    for name, folder in sorted(folders.items()):
        try:
            catalogues[name] = load_folder(folder, name)
        except RuleErrors as errors:
            mistakes += errors.mistakes
    if mistakes:
        raise RuleErrors(mistakes)
    return RuleSet(catalogues)


def load_folder(path: Path, catalogue: str | None = None) -> Catalogue:
    """One catalogue, named after its folder unless told: each `*.yaml` in it is an entity; other files are left alone.

    RuleErrors lists every mistake of every file.
    """
    name = catalogue or path.resolve().name
    mistakes: list[RuleMistake] = []
    if not is_entity_name(name):
        message = f"a catalogue cannot be called '{name}': small letters, digits and single _, at most 41 characters"
        mistakes.append(RuleMistake(path, 0, "", message))
    drafts: dict[str, Draft] = {}
    for file in _files(path, mistakes):
        if file.suffix != ".yaml":
            mistakes.append(RuleMistake(file, 0, "", f"rule files end in .yaml: rename it to {file.stem}.yaml"))
            continue
        try:
            with file.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            mistakes.append(RuleMistake(file, 0, "", f"cannot be read: {error.strerror}"))
            drafts[file.stem] = Draft(Report(file))
        else:
            drafts[file.stem] = read_entity(file, data, name)
    check_references(drafts)
    _refuse_shared_names(drafts)
    mistakes += [mistake for draft in drafts.values() for mistake in draft.report.mistakes]
    if mistakes:
        raise RuleErrors(mistakes)
    return Catalogue(name, {name: draft.entity for name, draft in drafts.items() if draft.entity is not None})


def _files(path: Path, mistakes: list[RuleMistake]) -> list[Path]:
    """The files that are rules or were meant to be."""
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        mistakes.append(RuleMistake(path, 0, "", f"cannot be read: {error.strerror}"))
        return []
    files = [each for each in entries if each.suffix.lower() in {".yaml", ".yml"} and not each.name.startswith(".")]
    if not files:
        folders = [each.name for each in entries if any(each.glob("*.yaml"))]
        hint = f", but in {', '.join(folders)}: name one of those" if folders else ""
        mistakes.append(RuleMistake(path, 0, "", f"no rule files (*.yaml) in this folder{hint}"))
    return files


def _refuse_shared_names(drafts: Mapping[str, Draft]) -> None:
    """An entity's own names must be its alone in a catalogue, or a file name would mean two of them."""
    entities = [draft.entity for draft in drafts.values() if draft.entity is not None]
    owners = {fold(entity.name): entity for entity in entities}
    for entity in sorted(entities, key=lambda each: bool(each.aliases)):
        for form in sorted(names_of(entity)):
            owner = owners.setdefault(form, entity)
            if owner is not entity:
                draft = drafts[entity.name]
                key = "aliases" if entity.aliases else "name"
                message = f"files called '{form}' would mean '{owner.name}' as well: choose another name or alias"
                draft.report.add(draft.lines[key], key, message)
                break
