from __future__ import annotations

import textwrap

import pytest

from tests.unit.ruleset.conftest import Mistakes

#: The field under test starts in line 3 and has its own keys from line 4 on.
HEAD = "name: thing\nfields:\n  - name: f\n"


def rules(keys: str) -> str:
    return HEAD + textwrap.indent(textwrap.dedent(keys).strip("\n"), "    ") + "\n"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("titel: F", "4: fields.f.titel: unknown key, did you mean 'title'?"),
        ("wibble: F", "4: fields.f.wibble: unknown key"),
        ("title: 5", "4: fields.f.title: expected text, in quotes: not the number 5"),
        ("title: ''", "4: fields.f.title: expected text"),
        ("title:", "4: fields.f.title: has no value"),
        ("type: strin", "4: fields.f.type: unknown type 'strin', did you mean 'string'?"),
        (
            "type: blob",
            "4: fields.f.type: unknown type 'blob', expected string, integer, number, boolean, date, time, datetim",
        ),
        ("format: e-mail", "4: fields.f.format: unknown format 'e-mail' of the type string, expected default, email,"),
        ("type: date\nformat: email", "5: fields.f.format: unknown format 'email' of the type date, expected default"),
        ("constraints: [required]", "4: fields.f.constraints: expected keys and values"),
        ("constraints:\n  minimun: 1", "5: fields.f.constraints.minimun: unknown key, did you mean 'minimum'?"),
        ("constraints:\n  required: 'yes'", "5: fields.f.constraints.required: expected true or false, not 'yes'"),
        (
            "constraints: {minimum: 1}",
            "4: fields.f.constraints.minimum: does not apply to the type string, which takes",
        ),
        ("type: array\nconstraints: {enum: [[a]]}", "5: fields.f.constraints.enum: does not apply to the type array"),
        ("type: integer\nconstraints: {pattern: a}", "5: fields.f.constraints.pattern: does not apply to the type"),
        (
            "constraints: {minLength: -1}",
            "4: fields.f.constraints.minLength: expected a whole number of at least 0, not",
        ),
        ("constraints: {maxLength: 1.5}", "4: fields.f.constraints.maxLength: expected a whole number of at least 1"),
        (
            "constraints:\n  minLength: 3\n  maxLength: 2",
            "5: fields.f.constraints.minLength: is greater than maxLength",
        ),
        ("constraints: {enum: []}", "4: fields.f.constraints.enum: expected a list, not an empty list"),
        ("constraints: {enum: a}", "4: fields.f.constraints.enum: expected a list, not 'a'"),
        ("constraints:\n  enum:\n    - a\n    - a", "7: fields.f.constraints.enum: 'a' is given twice"),
        (
            "constraints:\n  enum:\n    - a\n    - 1",
            "7: fields.f.constraints.enum: expected values of the type string: put",
        ),
        ("constraints:\n  enum:\n    - a\n    - ''", "7: fields.f.constraints.enum: '' is one of the missingValues"),
        ("type: number\nconstraints: {enum: [1.0, 1.00]}", "5: fields.f.constraints.enum: '1.00' is given twice"),
        (
            "type: integer\nconstraints: {enum: [x]}",
            "5: fields.f.constraints.enum: expected values of the type integer",
        ),
        (
            "constraints:\n  enum: [lead, x]\n  minLength: 2",
            "5: fields.f.constraints.enum: can never be used: 'x' is shorter than minLength",
        ),
        ("constraints: {pattern: '(?=a)b'}", "4: fields.f.constraints.pattern: not an RE2 regular expression: invalid"),
        ("constraints: {pattern: '[a'}", "4: fields.f.constraints.pattern: not an RE2 regular expression: missing ]"),
        (
            "type: date\nconstraints: {minimum: 2020-02-30}",
            "5: fields.f.constraints.minimum: expected the type date: day is out",
        ),
        (
            "type: date\nconstraints: {minimum: 2020-1-5}",
            "5: fields.f.constraints.minimum: expected the type date: write YYYY",
        ),
        (
            "type: time\nconstraints: {minimum: '7:30'}",
            "5: fields.f.constraints.minimum: expected the type time: write HH:MM:SS",
        ),
        (
            "type: datetime\nconstraints: {minimum: 2020-01-01}",
            "5: fields.f.constraints.minimum: expected the type datetime:",
        ),
        (
            "type: integer\nconstraints: {minimum: 1.5}",
            "5: fields.f.constraints.minimum: expected the type integer: write dig",
        ),
        (
            "type: number\nconstraints: {maximum: 1e5}",
            "5: fields.f.constraints.maximum: expected the type number: write a plain",
        ),
        (
            "type: number\nconstraints:\n  maximum: 1\n  minimum: 1.1",
            "7: fields.f.constraints.minimum: is greater than",
        ),
        (
            "type: integer\ndefault: many",
            "5: fields.f.default: the field would refuse it: 'many' is not of the type integer:",
        ),
        (
            "type: boolean\ndefault: yes please",
            "5: fields.f.default: the field would refuse it: 'yes please' is not of the",
        ),
        ("default: 5", "4: fields.f.default: expected the type string: put it in quotes"),
        ("default: ''", "4: fields.f.default: the field would refuse it: it is one of the missingValues"),
        (
            "default: c\nconstraints: {enum: [a, b]}",
            "4: fields.f.default: the field would refuse it: 'c' is not in the",
        ),
        (
            "default: ab\nconstraints: {pattern: a}",
            "4: fields.f.default: the field would refuse it: 'ab' does not match",
        ),
        ("type: date\ndefault: 1999-12-31\nconstraints: {minimum: 2000-01-01}", "5: fields.f.default: the field would"),
        ("default: a\nconstraints: {required: true}", "4: fields.f.default: never applies: the field is required"),
        ("default: a\nconstraints: {unique: true}", "4: fields.f.default: never applies: the field is unique"),
        (
            "format: email\nexample: nobody",
            "5: fields.f.example: the field would refuse it: 'nobody' does not look like",
        ),
        ("type: array\nexample: a|b", "5: fields.f.example: expected the type array: write a list: [one, two]"),
        (
            "type: array\nexample: [a|b]",
            "5: fields.f.example: expected the type array: its items may not be empty or hold the",
        ),
        ("type: array\ndelimiter: x", "5: fields.f.delimiter: expected one of | ; , /"),
        ("delimiter: ';'", "4: fields.f.delimiter: does not apply to the type string, only to array"),
        ("aliases: [A, A]", "4: fields.f.aliases: 'A' is given twice"),
        ("aliases: [1]", "4: fields.f.aliases: expected a list of texts, in quotes: not the number 1"),
    ],
)
def test_one_mistake_in_a_field_is_reported_with_its_line_and_key(keys: str, expected: str, mistakes: Mistakes) -> None:
    found = mistakes(thing=rules(keys))
    assert len(found) == 1, found
    assert found[0].startswith(f"thing.yaml:{expected}")


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("- title: F", "4: fields[1].name: is missing"),
        ("- just text", "4: fields[1]: expected keys and values"),
        ("- name: 5", "4: fields[1].name: expected text, in quotes: not the number 5"),
        ("- name: _own", "4: fields._own.name: names that start with _ are reserved"),
        ("- name: a.b", "4: fields.a.b.name: must be letters, digits and _"),
        ("- name: " + "x" * 51, "4: fields." + "x" * 51 + ".name: must be letters"),
        ("- name: f", "4: fields.f: duplicate field, first given in line 3"),
        ("- name: F", "4: fields.F: the name is taken by the field 'f'"),
        ("- name: Tenant_ID", "4: fields.Tenant_ID: the name is taken by a column of the service"),
        ("- {name: g, aliases: [F]}", "4: fields.g.aliases: 'F' already means the field 'f'"),
    ],
)
def test_names_of_fields_are_usable_and_different(field: str, expected: str, mistakes: Mistakes) -> None:
    found = mistakes(thing=HEAD + f"  {field}\n")
    assert any(each.startswith(f"thing.yaml:{expected}") for each in found), found


@pytest.mark.parametrize(
    "name", ["id", "tenant_id", "source", "extra", "import_id", "import_row", "created_at", "updated_at"]
)
def test_a_field_cannot_take_a_column_of_the_service(name: str, mistakes: Mistakes) -> None:
    assert mistakes(thing=HEAD + f"  - name: {name}\n") == [
        f"thing.yaml:4: fields.{name}: the name is taken by a column of the service"
    ]


def test_two_fields_cannot_share_an_alias(mistakes: Mistakes) -> None:
    text = HEAD + "  - {name: g, aliases: [Home  Mail]}\n  - {name: h, aliases: [home-mail]}\n"
    assert mistakes(thing=text) == ["thing.yaml:5: fields.h.aliases: 'home-mail' already means the field 'g'"]
