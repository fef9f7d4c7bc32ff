from __future__ import annotations

import textwrap
from datetime import date
from pathlib import Path

import pytest

from ingester.ruleset.load import load
from ingester.ruleset.mistake import RuleErrors
from ingester.ruleset.model import Entity, RuleSet
from ingester.ruleset.overlay import apply_overlay, load_overlays
from tests.unit.ruleset.conftest import Load

AREA = "name: area\nprimaryKey: code\nfields:\n  - name: code\n"
VISIT = """
    name: visit
    primaryKey: key
    fields:
      - {name: key, constraints: {maxLength: 20}}
      - {name: status, example: closed, constraints: {enum: [open, closed, lost]}, default: open}
      - {name: fee, type: number, example: 50, constraints: {minimum: 0, maximum: 100}}
      - {name: day, type: date, constraints: {required: true}, accepted: [2026-01-31, 2020-01-31]}
      - {name: note, aliases: [Remark], constraints: {pattern: "[a-z]+", minLength: 2}}
      - {name: area_code}
    foreignKeys:
      - {fields: area_code, reference: {resource: area, fields: code}}
    checks:
      - {code: lost_fee, assert: status != 'lost' or fee == 0, message: No fee for what is lost}
"""


@pytest.fixture
def rules(load_rules: Load, tmp_path: Path) -> RuleSet:
    load_rules(area=AREA, visit=VISIT)
    return load({"shop": tmp_path / "shop"})


def overlay(folder: Path, text: str, name: str = "acme") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
    return path


def applied(rules: RuleSet, folder: Path, text: str) -> Entity:
    return apply_overlay(rules, overlay(folder / "overlays", "extends: shop.visit\n" + textwrap.dedent(text)))


def mistakes(rules: RuleSet, folder: Path, text: str) -> list[str]:
    with pytest.raises(RuleErrors) as caught:
        applied(rules, folder, text)
    return [str(mistake).removeprefix(f"{folder}/overlays/") for mistake in caught.value.mistakes]


def test_a_known_field_becomes_narrower(rules: RuleSet, tmp_path: Path) -> None:
    entity = applied(
        rules,
        tmp_path,
        """
        fields:
          - {name: key, constraints: {maxLength: 10, pattern: "[A-Z]+"}}
          - {name: status, constraints: {enum: [closed, lost], required: true}, title: State}
          - {name: fee, aliases: [Price], constraints: {maximum: 99.5, minimum: 1}, default: 10}
          - {name: day, constraints: {minimum: 2021-01-01}}
          - {name: note, constraints: {minLength: 3}, description: Ours., example: abc}
        """,
    )
    key, status, fee = entity.field("key"), entity.field("status"), entity.field("fee")
    assert (key.constraints.max_length, key.constraints.pattern, key.constraints.required) == (10, "[A-Z]+", True)
    assert (status.constraints.enum, status.constraints.required, status.title) == (("closed", "lost"), True, "State")
    assert status.default is None  # what is required is never filled in
    assert (fee.aliases, fee.default, fee.constraints.minimum) == (("Price",), "10", 1)
    assert entity.field("day").constraints.minimum == date(2021, 1, 1)
    assert entity.field("day").accepted == ("2026-01-31",)
    assert (entity.field("note").constraints.min_length, entity.field("note").example) == (3, "abc")


def test_a_tenant_s_own_fields_and_checks_come_last(rules: RuleSet, tmp_path: Path) -> None:
    entity = applied(
        rules,
        tmp_path,
        """
        fields:
          - {name: gate_code, aliases: [Gate], constraints: {maxLength: 8}, example: "4411"}
        checks:
          - {code: gate_without_note, assert: gate_code is None or note is not None, message: Say who has it}
        """,
    )
    own = entity.field("gate_code")
    assert (entity.fields[-1], own.is_extra, own.column) == (own, True, "extra")
    assert [check.code for check in entity.checks] == ["lost_fee", "gate_without_note"]
    base = rules.entity("shop", "visit")
    assert entity.fields[:-1] == base.fields
    assert entity.version != base.version
    assert (entity.full_name, entity.primary_key, entity.foreign_keys) == (
        base.full_name,
        base.primary_key,
        base.foreign_keys,
    )


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("{name: day, constraints: {required: false}}", "constraints.required: loosens the catalogue, where the field"),
        (
            "{name: status, constraints: {enum: [open, new]}}",
            "constraints.enum: loosens the catalogue, where 'new' is not",
        ),
        ("{name: fee, constraints: {minimum: -1}}", "constraints.minimum: loosens the catalogue, where it is 0"),
        ("{name: fee, constraints: {maximum: 101}}", "constraints.maximum: loosens the catalogue, where it is 100"),
        (
            "{name: fee, constraints: {minimum: 60}}",
            "example: give another, the field would refuse the catalogue's: 50",
        ),
        ("{name: fee, constraints: {minimum: 60, maximum: 55}}", "constraints.minimum: is greater than maximum"),
        ("{name: key, constraints: {maxLength: 21}}", "constraints.maxLength: loosens the catalogue, where it is 20"),
        ("{name: note, constraints: {minLength: 1}}", "constraints.minLength: loosens the catalogue, where it is 2"),
        ("{name: note, constraints: {pattern: '[A-Z]+'}}", "constraints.pattern: the field has a pattern already, and"),
        ("{name: note, constraints: {unique: true}}", "constraints.unique: an overlay cannot change it: the table is"),
        ("{name: note, constraints: {minimum: 1}}", "constraints.minimum: does not apply to the type string"),
        (
            "{name: status, constraints: {enum: [closed, lost]}}",
            "default: give another, the field would refuse the cat",
        ),
        (
            "{name: status, constraints: {enum: [open, lost]}}",
            "example: give another, the field would refuse the catalog",
        ),
        ("{name: day, default: 2026-01-31}", "default: never applies: the field is required"),
        ("{name: area_code, default: x}", "default: a field of a key or a reference cannot have one"),
        ("{name: fee, type: integer}", "type: an overlay cannot change it"),
        ("{name: fee, decimalChar: ','}", "decimalChar: an overlay cannot change it"),
        ("{name: note, aliases: [Status]}", "aliases: 'Status' already means the field 'status'"),
        ("{name: note, wibble: 1}", "wibble: unknown key"),
    ],
)
def test_whatever_would_loosen_or_break_a_known_field_is_a_mistake(
    field: str, expected: str, rules: RuleSet, tmp_path: Path
) -> None:
    name = field.removeprefix("{name: ").partition(",")[0]
    found = mistakes(rules, tmp_path, f"fields:\n  - {field}\n")
    assert len(found) == 1, found
    assert found[0].startswith(f"acme.yaml:3: fields.{name}.{expected}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fields: [{name: remark}]", "acme.yaml:2: fields.remark: the name already means the field 'note'"),
        ("fields: [{name: STATUS}]", "acme.yaml:2: fields.STATUS: the name is taken by the field 'status'"),
        ("fields: [{name: area_id}]", None),
        ("fields: [{name: source}]", "acme.yaml:2: fields.source: the name is taken by a column of the service"),
        ("fields: [{name: area_code_id}]", "acme.yaml:2: fields.area_code_id: the name is taken by foreignKeys[0]"),
        ("fields: [{name: 'x.{name}'}]", "acme.yaml:2: fields.x.{name}: a field of the tenant's own is one column"),
        ("fields: [{name: x, constraints: {unique: true}}]", "acme.yaml:2: fields.x.constraints.unique: a field of"),
        ("fields: [{name: x}, {name: x}]", "acme.yaml:2: fields.x: duplicate field, first given in line 2"),
        ("foreignKeys: []", "acme.yaml:2: foreignKeys: unknown key"),
        (
            "checks: [{code: lost_fee, assert: fee > 1, message: M}]",
            "acme.yaml:2: checks[0].code: 'lost_fee' is the code of another check",
        ),
        (
            "fields: [{name: status, constraints: {enum: [open, closed]}}]",
            "acme.yaml:2: fields: the catalogue's check 'lost_fee' would make no sense: 'lost' is not in the enum of",
        ),
    ],
)
def test_what_does_not_fit_the_catalogue_is_a_mistake(
    text: str, expected: str | None, rules: RuleSet, tmp_path: Path
) -> None:
    if expected is None:
        assert applied(rules, tmp_path, text)
        return
    found = mistakes(rules, tmp_path, text)
    assert len(found) == 1, found
    assert found[0].startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fields: []\n", "acme.yaml:1: extends: is missing: name the entity, as field_service.customer"),
        ("extends: shop.vist\n", "acme.yaml:1: extends: there is no entity 'shop.vist', did you mean 'shop.visit'?"),
        ("", "acme.yaml: the file is empty"),
    ],
)
def test_an_overlay_names_what_it_extends(text: str, expected: str, rules: RuleSet, tmp_path: Path) -> None:
    path = overlay(tmp_path / "overlays", text)
    with pytest.raises(RuleErrors) as caught:
        apply_overlay(rules, path)
    assert [str(each).removeprefix(f"{path.parent}/") for each in caught.value.mistakes] == [expected]


def test_overlays_of_a_folder_are_known_by_what_they_extend(rules: RuleSet, tmp_path: Path) -> None:
    folder = tmp_path / "overlays"
    assert load_overlays(folder, rules) == {}
    overlay(folder, "extends: shop.visit\nfields: [{name: x}]\n", "one")
    overlay(folder, "extends: shop.area\nfields: [{name: x}]\n", "two")
    found = load_overlays(folder, rules)
    assert {key: entity.fields[-1].name for key, entity in found.items()} == {
        ("shop", "visit"): "x",
        ("shop", "area"): "x",
    }


def test_mistakes_of_all_overlays_are_reported_at_once(rules: RuleSet, tmp_path: Path) -> None:
    folder = tmp_path / "overlays"
    for name in ("one", "two"):
        overlay(folder, "extends: shop.visit\nfields: [{name: x}]\n", name)
    overlay(folder, "extends: shop.area\nfields: [{name: code, type: integer}]\n", "three")
    with pytest.raises(RuleErrors) as caught:
        load_overlays(folder, rules)
    assert [str(each).removeprefix(f"{folder}/") for each in caught.value.mistakes] == [
        "three.yaml:2: fields.code.type: an overlay cannot change it",
        "two.yaml: extends: shop.visit is extended by one.yaml already: write one file for both",
    ]
