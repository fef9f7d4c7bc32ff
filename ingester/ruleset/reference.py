"""Foreign keys: read from one file, then checked against the entities they refer to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from ingester.ruleset.document import Node
from ingester.ruleset.draft import Draft
from ingester.ruleset.mistake import did_you_mean
from ingester.ruleset.model import Field, ForeignKey, ReferenceScope
from ingester.ruleset.section import Section


def read_foreign_keys(
    section: Section, known: Sequence[Field], own: str, lines: dict[str, int]
) -> tuple[ForeignKey, ...]:
    """The `foreignKeys` of the entity called `own`; `lines` learns where each stands."""
    found: list[ForeignKey] = []
    for index, node in enumerate(section.items("foreignKeys")):
        path = f"foreignKeys[{index}]"
        key = Section(node, path, section.report)
        before = len(section.report.mistakes)
        fields = key.names("fields", [field.name for field in known], "field")
        for field in known:
            if field.is_family and field.name in fields:
                key.wrong("fields", f"'{field.name}' is a family of columns, which can refer to nothing")
        reference = key.node("reference")
        for needed in ("fields", "reference"):
            if isinstance(node.value, dict) and not key.has(needed):
                key.wrong(needed, "is missing")
        scope = ReferenceScope(key.choice("scope", [*ReferenceScope], ReferenceScope.SOURCE))
        key.close()
        if reference is None:
            continue
        target = Section(reference, f"{path}.reference", section.report)
        resource = _resource(target)
        reference_fields = _reference_fields(target.node("fields"), target)
        target.close()
        if len(section.report.mistakes) > before:
            continue
        if len(fields) != len(reference_fields):
            target.wrong(
                "fields", f"expected {len(fields)}, as many as the foreign key has, not {len(reference_fields)}"
            )
        elif resource is not None:
            lines[f"foreignKeys[{len(found)}]"] = node.line
            found.append(
                ForeignKey(fields=fields, entity=resource or own, reference_fields=reference_fields, scope=scope)
            )
    return tuple(found)


def _resource(target: Section) -> str | None:
    """The entity referred to: a name, empty for the file's own entity, None if there is none."""
    node = target.node("resource")
    if node is None and not target.has("resource"):
        return ""
    if node is not None and isinstance(node.value, str):
        return node.value
    if node is not None:
        target.wrong("resource", "expected the name of an entity")
    return None


def _reference_fields(node: Node | None, target: Section) -> tuple[str, ...]:
    if node is None:
        if not target.has("fields"):
            target.wrong("fields", "is missing")
        return ()
    if isinstance(node.value, str):
        return (node.value,)
    return tuple(dict.fromkeys(text for text, _ in target.texts("fields")))


def check_references(drafts: Mapping[str, Draft]) -> None:
    """Report every reference of a catalogue's files that names no entity, no key, or closes a circle."""
    for draft in drafts.values():
        entity = draft.entity
        if entity is None:
            continue
        for index, foreign_key in enumerate(entity.foreign_keys):
            key = f"foreignKeys[{index}]"
            line = draft.lines[key]
            if foreign_key.entity not in drafts:
                hint = did_you_mean(foreign_key.entity, drafts)
                draft.report.add(
                    line,
                    f"{key}.reference.resource",
                    f"there is no entity '{foreign_key.entity}' in this catalogue{hint}",
                )
                continue
            target = drafts[foreign_key.entity]
            if target.entity is not None and target.entity.fields:
                for message in _objections(draft, foreign_key, target):
                    draft.report.add(line, key, message)
    _refuse_circles(drafts)


def _objections(draft: Draft, foreign_key: ForeignKey, target: Draft) -> list[str]:
    """What speaks against one reference, save what follows from another mistake."""
    entity, other = draft.entity, target.entity
    assert entity is not None
    assert other is not None
    known = {field.name: field for field in other.fields}
    unknown = [name for name in foreign_key.reference_fields if name not in known]
    if unknown:
        return [f"'{other.name}' has no field '{name}'{did_you_mean(name, known)}" for name in unknown]
    found: list[str] = []
    is_key = set(foreign_key.reference_fields) == set(other.primary_key) or target.report.blames("primaryKey")
    if not is_key:
        # A key never changes; a reference to anything else could come to name another record, or none.
        found.append(f"must refer to the primaryKey of '{other.name}'")
    for name, reference in zip(foreign_key.fields, foreign_key.reference_fields, strict=True):
        one, two = entity.field(name).type, known[reference].type
        doubtful = draft.report.blames(f"fields.{name}.type") or target.report.blames(f"fields.{reference}.type")
        if one is not two and not doubtful:
            found.append(f"'{name}' is of the type {one}, but '{other.name}.{reference}' of the type {two}")
    found += [
        # It would be stored without ever being looked up.
        f"'{name}' cannot have a default: it refers to '{other.name}'"
        for name in foreign_key.fields
        if entity.field(name).default is not None
    ]
    if other.tier > entity.tier and not draft.report.blames("tier"):
        found.append(f"'{other.name}' has the later tier {other.tier}: what is referred to is imported first")
    return found


def _refuse_circles(drafts: Mapping[str, Draft]) -> None:
    """Records of entities in a circle could never be imported parents first. A reference to itself is no circle."""
    parents = {
        name: sorted({key.entity for key in draft.entity.foreign_keys if key.entity in drafts} - {name})
        for name, draft in sorted(drafts.items())
        if draft.entity is not None
    }
    while True:
        try:
            TopologicalSorter(parents).prepare()
        except CycleError as error:
            circle: list[str] = error.args[1][:0:-1]  # from child to parent, without coming back
            start = circle.index(min(circle))
            circle = circle[start:] + circle[:start]
            child, parent = circle[0], circle[1]
            draft = drafts[child]
            assert draft.entity is not None
            index = next(i for i, key in enumerate(draft.entity.foreign_keys) if key.entity == parent)
            key = f"foreignKeys[{index}]"
            draft.report.add(draft.lines[key], key, f"references in a circle: {' → '.join([*circle, child])}")
            parents[child].remove(parent)
        else:
            return
