from __future__ import annotations

from pathlib import Path

import pytest

from ingester.domain.errors import ConfigurationError
from ingester.ruleset.load import load, load_folder
from ingester.ruleset.mistake import RuleErrors
from tests.unit.ruleset.conftest import Mistakes

FIELDS = "fields:\n  - name: key\n  - name: other\n"
PARENT = "name: parent\nprimaryKey: key\nfields:\n  - name: key\n  - {name: number, type: integer}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n- b\n", "1: expected keys and values"),
        ("name: thing\n", "1: fields: is missing"),
        ("name: thing\nfields: []\n", "2: fields: expected a list, not an empty list"),
        ("name: thing\nfields: {key: string}\n", "2: fields: expected a list, not keys and values"),
        (FIELDS, "1: name: is missing: write 'name: thing'"),
        (f"name: stuff\n{FIELDS}", "1: name: 'stuff' must equal the file's name, 'thing'"),
        (f"name: Thing\n{FIELDS}", "1: name: must be small letters, digits and single _"),
        (f"name: thing__\n{FIELDS}", "1: name: must be small letters, digits and single _"),
        (f"name: _thing\n{FIELDS}", "1: name: names that start with _ are reserved"),
        (f"name: jobs\n{FIELDS}", "1: name: 'jobs' is a reserved name"),
        (f"name: thing\nteir: 1\n{FIELDS}", "2: teir: unknown key, did you mean 'tier'?"),
        (f"name: thing\ntier: 0\n{FIELDS}", "2: tier: expected a whole number of at least 1, not the number 0"),
        (f"name: thing\ntier: true\n{FIELDS}", "2: tier: expected a whole number of at least 1, not true"),
        (f"name: thing\naliases: [stuff, Stuff]\n{FIELDS}", "2: aliases: 'Stuff' is given twice"),
        (f"name: thing\naliases: [Validate]\n{FIELDS}", "2: aliases: 'Validate' is a reserved name"),
        (f"name: thing\naliases: ['../x']\n{FIELDS}", "2: aliases: '../x' must be letters, digits and single _"),
        (f"name: thing\nmissingValues: ['-']\n{FIELDS}", "2: missingValues: must contain the empty text ''"),
        (f"name: thing\nmissingValues: ['', n/a, n/a]\n{FIELDS}", "2: missingValues: 'n/a' is given twice"),
        (f"name: thing\n{FIELDS}primaryKey: ky\n", "5: primaryKey: there is no field 'ky', did you mean 'key'?"),
        (f"name: thing\n{FIELDS}primaryKey: [key, key]\n", "5: primaryKey: 'key' is given twice"),
        (f"name: thing\n{FIELDS}primaryKey: []\n", "5: primaryKey: expected the name of a field, not an empty list"),
        (
            "name: thing\nprimaryKey: key\nfields:\n  - {name: key, default: a}\n",
            "2: primaryKey: 'key' cannot have a default",
        ),
    ],
)
def test_one_mistake_in_an_entity_is_reported_with_its_line_and_key(
    text: str, expected: str, mistakes: Mistakes
) -> None:
    found = mistakes(thing=text)
    assert len(found) == 1, found
    assert found[0].startswith(f"thing.yaml:{expected}")


@pytest.mark.parametrize(
    ("foreign_key", "expected"),
    [
        ("fields: other", "7: foreignKeys[0].reference: is missing"),
        ("reference: {resource: parent, fields: key}", "7: foreignKeys[0].fields: is missing"),
        ("fields: othr\n    reference: {resource: parent, fields: key}", "7: foreignKeys[0].fields: there is no field"),
        ("fields: other\n    reference: {resource: parent}", "8: foreignKeys[0].reference.fields: is missing"),
        (
            "fields: other\n    reference: {resource: 1, fields: key}",
            "8: foreignKeys[0].reference.resource: expected the",
        ),
        (
            "fields: [key, other]\n    reference: {resource: parent, fields: key}",
            "8: foreignKeys[0].reference.fields: expected 2, as many as the foreign key has, not 1",
        ),
        (
            "fields: other\n    reference: {resource: parents, fields: key}",
            "7: foreignKeys[0].reference.resource: there is no entity 'parents' in this catalogue, did you mean",
        ),
        (
            "fields: other\n    reference: {resource: parent, fields: kee}",
            "7: foreignKeys[0]: 'parent' has no field 'kee'",
        ),
        (
            "fields: number\n    reference: {resource: parent, fields: number}",
            "7: foreignKeys[0]: must refer to the prim",
        ),
        (
            "fields: number\n    reference: {resource: parent, fields: key}",
            "7: foreignKeys[0]: 'number' is of the type integer, but",
        ),
        (
            "fields: other\n    reference: {resource: parent, fields: key}\n    scope: world",
            "9: foreignKeys[0].scope: expected source or tenant, not 'world'",
        ),
        (
            "fields: other\n    reference: {resource: parent, fields: key}\n    on: 1",
            "9: foreignKeys[0].on: unknown key",
        ),
    ],
)
def test_one_mistake_in_a_reference_is_reported_with_its_line_and_key(
    foreign_key: str, expected: str, mistakes: Mistakes
) -> None:
    fields = "fields:\n  - name: key\n  - {name: number, type: integer}\n  - name: other\n"
    found = mistakes(parent=PARENT, thing=f"name: thing\n{fields}foreignKeys:\n  - {foreign_key}\n")
    assert len(found) == 1, found
    assert found[0].startswith(f"thing.yaml:{expected}")


@pytest.mark.parametrize("kind", ["array", "list", "object", "geojson", "geopoint"])
def test_what_has_parts_is_no_key(kind: str, mistakes: Mistakes) -> None:
    found = mistakes(thing=f"name: thing\nprimaryKey: key\nfields:\n  - {{name: key, type: {kind}}}\n")
    assert found == [f"thing.yaml:2: primaryKey: 'key' is of the type {kind}, by which no record can be found"]


def test_a_family_is_no_key_and_no_reference(mistakes: Mistakes) -> None:
    thing = """
        name: thing
        primaryKey: x.{name}
        fields:
          - {name: 'x.{name}', type: string}
        foreignKeys:
          - fields: x.{name}
            reference: {resource: parent, fields: key}
    """
    assert mistakes(parent=PARENT, thing=thing) == [
        "thing.yaml:2: primaryKey: 'x.{name}' is a family of columns, by which no record can be found",
        "thing.yaml:6: foreignKeys[0].fields: 'x.{name}' is a family of columns, which can refer to nothing",
    ]


def test_a_parent_of_a_later_tier_is_a_mistake(mistakes: Mistakes) -> None:
    thing = (
        "name: thing\nfields:\n  - name: p\nforeignKeys:\n  - fields: p\n    reference: {resource: parent, fields: key}"
    )
    assert mistakes(parent=PARENT + "tier: 2\n", thing=thing) == [
        "thing.yaml:5: foreignKeys[0]: 'parent' has the later tier 2: what is referred to is imported first"
    ]


def test_the_column_of_a_reference_cannot_be_a_field(mistakes: Mistakes) -> None:
    thing = """
        name: thing
        fields:
          - name: parent_external_id
          - name: Parent_id
        foreignKeys:
          - fields: parent_external_id
            reference: {resource: parent, fields: key}
    """
    assert mistakes(parent=PARENT, thing=thing) == [
        "thing.yaml:6: foreignKeys[0]: its column 'parent_id' is taken by the field 'Parent_id'"
    ]


def referring(name: str, *parents: str) -> str:
    fields = "".join(f"  - name: {parent}_key\n" for parent in parents)
    keys = "".join(
        f"  - fields: {parent}_key\n    reference: {{resource: {parent}, fields: key}}\n" for parent in parents
    )
    return f"name: {name}\nprimaryKey: key\nfields:\n  - name: key\n{fields}foreignKeys:\n{keys}"


def test_references_in_a_circle_are_reported_once_each(mistakes: Mistakes) -> None:
    found = mistakes(a=referring("a", "b"), b=referring("b", "c"), c=referring("c", "a"), d=referring("d", "a"))
    assert found == ["a.yaml:7: foreignKeys[0]: references in a circle: a → b → c → a"]
    two = mistakes(a=referring("a", "b", "c"), b=referring("b", "a"), c=referring("c", "a"), d=referring("d", "d"))
    assert two == [
        "a.yaml:8: foreignKeys[0]: references in a circle: a → b → a",
        "a.yaml:10: foreignKeys[1]: references in a circle: a → c → a",
    ]


def test_two_entities_of_a_catalogue_cannot_share_a_name(mistakes: Mistakes) -> None:
    found = mistakes(
        client=f"name: client\n{FIELDS}",
        person=f"name: person\naliases: [Clients]\n{FIELDS}",
    )
    assert found == [
        "person.yaml:2: aliases: files called 'client' would mean 'client' as well: choose another name or alias",
    ]


def test_a_table_name_must_fit_every_database(tmp_path: Path) -> None:
    folder = tmp_path / ("c" * 40)
    folder.mkdir()
    (folder / "thingamajig.yaml").write_text(f"name: thingamajig\n{FIELDS}")
    with pytest.raises(RuleErrors, match=r"thingamajig.yaml:1: name: .* is longer than 50 characters"):
        load_folder(folder)


def test_every_mistake_of_every_file_is_reported_at_once(mistakes: Mistakes) -> None:
    customer = """
        name: custmer
        primaryKey: external_id
        fields:
          - name: email
            type: strng
            constraints:
              minimun: 1
          - name: territory_external_id
          - name: balance
            type: number
            constraints: {minimum: 10, maximum: 1}
        foreignKeys:
          - fields: territory_external_id
            reference: {resource: teritory, fields: external_id}
    """
    territory = "name: territory\nname: area\nfields:\n  - name: source\n"
    assert mistakes(customer=customer, territory=territory, broken="name: [\n") == [
        "broken.yaml:2: not YAML: did not find expected node content",
        "customer.yaml:1: name: 'custmer' must equal the file's name, 'customer'",
        "customer.yaml:2: primaryKey: there is no field 'external_id', did you mean 'territory_external_id'?",
        "customer.yaml:5: fields.email.type: unknown type 'strng', did you mean 'string'?",
        "customer.yaml:7: fields.email.constraints.minimun: unknown key, did you mean 'minimum'?",
        "customer.yaml:11: fields.balance.constraints.minimum: is greater than maximum",
        (
            "customer.yaml:13: foreignKeys[0].reference.resource: there is no entity 'teritory' in this catalogue,"
            " did you mean 'territory'?"
        ),
        "territory.yaml:2: name: duplicate key, first given in line 1",
        "territory.yaml:4: fields.source: the name is taken by a column of the service",
    ]


def test_a_mistake_does_not_drag_others_after_it(mistakes: Mistakes) -> None:
    parent = "name: parent\nprimaryKey: ky\nfields:\n  - {name: key, type: integr}\n"
    thing = (
        "name: thing\nfields:\n  - name: p\nforeignKeys:\n  - fields: p\n    reference: {resource: parent, fields: key}"
    )
    assert [each.partition(": ")[0] for each in mistakes(parent=parent, thing=thing)] == [
        "parent.yaml:2",
        "parent.yaml:4",
    ]


def test_a_folder_that_is_no_catalogue_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "Bad-Name").mkdir()
    (tmp_path / "Bad-Name" / "x.yml").write_text("name: x")
    (tmp_path / "parent" / "shop").mkdir(parents=True)
    (tmp_path / "parent" / "shop" / "x.yaml").write_text("name: x")
    folders = {name: tmp_path / name for name in ("empty", "Bad-Name", "parent", "absent")}
    with pytest.raises(RuleErrors) as caught:
        load(folders)
    assert isinstance(caught.value, ConfigurationError)
    assert [str(each).removeprefix(f"{tmp_path}/") for each in caught.value.mistakes] == [
        "Bad-Name: a catalogue cannot be called 'Bad-Name': small letters, digits and single _, at most 41 characters",
        "Bad-Name/x.yml: rule files end in .yaml: rename it to x.yaml",
        "absent: cannot be read: No such file or directory",
        "empty: no rule files (*.yaml) in this folder",
        "parent: no rule files (*.yaml) in this folder, but in shop: name one of those",
    ]


def test_a_file_that_cannot_be_opened_does_not_hide_the_mistakes_of_others(tmp_path: Path, mistakes: Mistakes) -> None:
    (tmp_path / "shop" / "a.yaml").mkdir(parents=True)
    assert mistakes(b="name: c\nfields:\n  - name: key\n") == [
        "a.yaml: cannot be read: Is a directory",
        "b.yaml:1: name: 'c' must equal the file's name, 'b'",
    ]


def test_the_error_prints_every_mistake_with_a_path_one_can_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules" / "x").mkdir(parents=True)
    (tmp_path / "rules" / "x" / "thing.yaml").write_text("name: thing\ntier: 0\nfields:\n  - nam: a\n")
    with pytest.raises(RuleErrors) as caught:
        load_folder(tmp_path / "rules" / "x")
    assert str(caught.value).splitlines() == [
        "3 mistakes in the rule files:",
        "rules/x/thing.yaml:2: tier: expected a whole number of at least 1, not the number 0",
        "rules/x/thing.yaml:4: fields[0].nam: unknown key, did you mean 'name'?",
        "rules/x/thing.yaml:4: fields[0].name: is missing",
    ]
