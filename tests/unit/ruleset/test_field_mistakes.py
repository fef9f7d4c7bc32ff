from __future__ import annotations

import textwrap

import pytest

from tests.unit.ruleset.conftest import Load, Mistakes

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
        ("title: 2020-01-01", "4: fields.f.title: expected text, in quotes: not the date 2020-01-01"),
        ("example: 2020-01-01", "4: fields.f.example: expected the type string: put it in quotes"),
        ("example: =", "4: fields[0].example: put = in quotes"),
        (
            "type: year\nexample: 20",
            "5: fields.f.example: the field would refuse it: '20' is not of the type year: write",
        ),
        (
            "type: yearmonth\nexample: '2026-13'",
            "5: fields.f.example: the field would refuse it: '2026-13' is not of the",
        ),
        (
            "type: yearmonth\nconstraints: {minimum: '2026'}",
            "5: fields.f.constraints.minimum: expected the type yearmon",
        ),
        (
            "type: duration\nexample: 3 days",
            "5: fields.f.example: the field would refuse it: '3 days' is not of the type",
        ),
        (
            "type: duration\nexample: P",
            "5: fields.f.example: the field would refuse it: 'P' is not of the type duration",
        ),
        (
            "type: duration\nconstraints: {minimum: P1D}",
            "5: fields.f.constraints.minimum: does not apply to the type du",
        ),
        (
            "type: geopoint\nexample: 181, 0",
            "5: fields.f.example: the field would refuse it: '181, 0' is not of the type",
        ),
        (
            "type: geopoint\nexample: [1, 2, 3]",
            "5: fields.f.example: the field would refuse it: '1, 2, 3' is not of the",
        ),
        (
            "type: geopoint\nformat: object\nexample: '[1, 2]'",
            "6: fields.f.example: the field would refuse it: '[1, 2]' is not of the type geopoint: write a JSON object",
        ),
        (
            "type: geojson\nexample: {type: Dot}",
            '5: fields.f.example: the field would refuse it: \'{"type": "Dot"}\' is',
        ),
        ("type: geojson\nconstraints: {enum: [a]}", "5: fields.f.constraints.enum: does not apply to the type geojson"),
        (
            "type: object\nexample: '[1]'",
            "5: fields.f.example: the field would refuse it: '[1]' is not of the type object",
        ),
        (
            "type: object\nexample: {a: 1}\nconstraints: {minLength: 2}",
            "5: fields.f.example: the field would refuse it:",
        ),
        (
            "type: list\nitemType: object",
            "5: fields.f.itemType: expected string, integer, number, boolean, date, datet",
        ),
        ("itemType: integer", "4: fields.f.itemType: does not apply to the type string, only to list"),
        (
            "type: list\nitemType: integer\nexample: ['1', x]",
            "6: fields.f.example: the field would refuse it: '1,x' is",
        ),
        (
            "type: list\nitemType: integer\nexample: [1]",
            "6: fields.f.example: expected the type list: put it in quotes",
        ),
        (
            "type: any\nconstraints: {pattern: a}",
            "5: fields.f.constraints.pattern: does not apply to the type any, which",
        ),
        ("type: date\nformat: '%d/%m'", "5: fields.f.format: '%d/%m' cannot be read: a day needs %Y or %y, and %m"),
        (
            "type: date\nformat: '%d/%m/%Y %H'",
            "5: fields.f.format: '%d/%m/%Y %H' cannot be read: %H does not belong in",
        ),
        ("type: date\nformat: '%A %d/%m/%Y'", "5: fields.f.format: '%A %d/%m/%Y' cannot be read: unknown directive %A"),
        ("type: time\nformat: '%I:%M'", "5: fields.f.format: '%I:%M' cannot be read: %I and %p need each other"),
        (
            "type: time\nformat: fuzzy",
            "5: fields.f.format: unknown format 'fuzzy' of the type time, expected default or any",
        ),
        (
            "type: date\nformat: '%d/%m/%Y'\nexample: 2020-01-31",
            "6: fields.f.example: the field would refuse it: '2020-01-31' is not of the type date: it does not match",
        ),
        (
            "type: date\nformat: '%d/%m/%Y'\nconstraints: {minimum: 31/02/2020}",
            "6: fields.f.constraints.minimum: expected the type date: day is out of range for month",
        ),
        ("trueValues: ['Y']", "4: fields.f.trueValues: does not apply to the type string, only to boolean"),
        ("type: boolean\ntrueValues: ['Y', 'Y']", "5: fields.f.trueValues: 'Y' is given twice"),
        ("type: boolean\ntrueValues: ['0']", "5: fields.f.trueValues: '0' is true and false"),
        (
            "type: boolean\ntrueValues: ['Y']\nfalseValues: ['N']\nexample: 'true'",
            "7: fields.f.example: the field would refuse it: 'true' is not of the type boolean: write Y or N",
        ),
        (
            "type: integer\ndecimalChar: ','",
            "5: fields.f.decimalChar: does not apply to the type integer, only to number",
        ),
        ("type: number\ndecimalChar: ',,'", "5: fields.f.decimalChar: expected one character, such as ',' or '.'"),
        ('type: number\ndecimalChar: "\'"', "5: fields.f.decimalChar: expected one character, such as ',' or '.'"),
        ("type: number\ngroupChar: '\"'", "5: fields.f.groupChar: expected one character, such as ',' or '.'"),
        ("type: number\ngroupChar: '1'", "5: fields.f.groupChar: expected one character, such as ',' or '.'"),
        (
            "type: number\ngroupChar: '.'",
            "5: fields.f.groupChar: '.' cannot both begin the decimals and group the digits",
        ),
        ("type: number\nbareNumber: 'no'", "5: fields.f.bareNumber: expected true or false, not 'no'"),
        (
            "type: number\ndecimalChar: ','\nexample: '1,50'",
            "6: fields.f.example: write a plain number without quotes; it is shown as the field's options say",
        ),
        (
            "type: number\ndecimalChar: ','\nconstraints: {minimum: '1.5'}",
            "6: fields.f.constraints.minimum: expected the type number: its decimalChar is ,",
        ),
        ("type: integer\nconstraints: {maximum: 9223372036854775808}", "5: fields.f.constraints.maximum: expected the"),
        ("type: integer\nexample: true", "5: fields.f.example: expected the type integer: not true or false"),
        ("normalise: trim", "4: fields.f.normalise: expected a list, not 'trim'"),
        ("normalise: [trimm]", "4: fields.f.normalise: unknown step 'trimm', did you mean 'trim'?"),
        ("normalise: [trim, trim]", "4: fields.f.normalise: 'trim' is given twice"),
        ("normalise: [lower, upper]", "4: fields.f.normalise: lower and upper contradict each other"),
        (
            "normalise: [phone, country]",
            "4: fields.f.normalise: a field holds one of country, currency, email or phone",
        ),
        ("normalise: [{phone: usa}]", "4: fields.f.normalise: expected a region such as US: {phone: US}"),
        ("normalise: [{trim: US}]", "4: fields.f.normalise: only phone takes a region, not 'trim'"),
        (
            "normalise: [5]",
            "4: fields.f.normalise: expected a step: trim, collapse_spaces, lower, upper, nfc, phone, email",
        ),
        (
            "type: integer\nnormalise: [phone]",
            "5: fields.f.normalise: 'phone' does not apply to the type integer, only to",
        ),
        (
            "normalise: [lower]\nconstraints: {enum: [Lead]}",
            "5: fields.f.constraints.enum: can never be used: 'Lead' is normalised to 'lead'",
        ),
        (
            "normalise: [lower]\nconstraints: {enum: [lead]}\ndefault: Lead",
            "6: fields.f.default: the field would refuse it: 'Lead' is not in the enum",
        ),
        ("accepted: a", "4: fields.f.accepted: expected a list, not 'a'"),
        ("accepted: ['']", "4: fields.f.accepted: the field would refuse it: it is one of the missingValues"),
        (
            "constraints: {maxLength: 2}\naccepted:\n  - ab\n  - abc",
            "7: fields.f.accepted: the field would refuse it: 'abc' is longer than maxLength",
        ),
        (
            "format: binary\nexample: abc",
            "5: fields.f.example: the field would refuse it: 'abc' does not look like the",
        ),
        ("format: uri\nexample: 'http://a b'", "5: fields.f.example: the field would refuse it: 'http://a b' does not"),
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
        ("- name: a..b", "4: fields.a..b.name: must be letters, digits, _ and single dots"),
        ("- name: a b", "4: fields.a b.name: must be letters, digits, _ and single dots"),
        ("- name: 'a.{b}'", "4: fields.a.{b}.name: a family of columns is called like 'customFields.{name}'"),
        ("- name: 'a{name}'", "4: fields.a{name}.name: a family of columns is called like 'customFields.{name}'"),
        ("- name: " + "x" * 51, "4: fields." + "x" * 51 + ".name: must have at most 50 characters"),
        ("- name: 'F.{name}'", "4: fields.F.{name}: the name is taken by the field 'f'"),
        ("- name: 'created_at.{name}'", "4: fields.created_at.{name}: the name is taken by a column of the service"),
        ("- name: tenant.id", "4: fields.tenant.id: the name is taken by a column of the service"),
        (
            "- {name: 'g.{name}', aliases: [h]}",
            "4: fields.g.{name}.aliases: a family of columns is known by its prefix",
        ),
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
    "name", ["tenant_id", "source", "extra", "import_id", "import_row", "created_at", "updated_at"]
)
def test_a_field_cannot_take_a_column_of_the_service(name: str, mistakes: Mistakes) -> None:
    assert mistakes(thing=HEAD + f"  - name: {name}\n") == [
        f"thing.yaml:4: fields.{name}: the name is taken by a column of the service"
    ]


def test_an_id_of_the_customer_gives_way_to_that_of_the_service(load_rules: Load, mistakes: Mistakes) -> None:
    thing = load_rules(thing=HEAD + "  - name: id\n").entities["thing"]
    assert thing.field("id").column == "external_id"
    assert mistakes(thing=HEAD + "  - name: id\n  - name: external_id\n") == [
        "thing.yaml:5: fields.external_id: the name is taken by the field 'id'"
    ]


def test_two_fields_cannot_share_an_alias(mistakes: Mistakes) -> None:
    text = HEAD + "  - {name: g, aliases: [Home  Mail]}\n  - {name: h, aliases: [home-mail]}\n"
    assert mistakes(thing=text) == ["thing.yaml:5: fields.h.aliases: 'home-mail' already means the field 'g'"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("default: a", "4: fields.f.{name}.default: does not apply to a family of columns, any of which may be left"),
        ("constraints: {required: true}", "4: fields.f.{name}.constraints.required: does not apply to a family of"),
        (
            "constraints: {unique: false}",
            "4: fields.f.{name}.constraints.unique: does not apply to a family of columns",
        ),
        (
            "example: {tier: gold}",
            "4: fields.f.{name}.example: write one cell of the type string; a mapping of names to",
        ),
        ("type: any\nexample: {tier: [gold]}", "5: fields.f.{name}.example: write a single value"),
        ("type: any\nexample: {' ': gold}", "5: fields.f.{name}.example: write names and cells: {tier: gold}"),
        (
            "type: any\nexample: {tier: ''}",
            "5: fields.f.{name}.example: tier: the field would refuse it: it is one of the",
        ),
        ("type: integer\nexample: x", "5: fields.f.{name}.example: example: the field would refuse it: 'x' is not of"),
    ],
)
def test_one_mistake_in_a_family_is_reported_with_its_line_and_key(
    keys: str, expected: str, mistakes: Mistakes
) -> None:
    found = mistakes(thing=rules(keys).replace("name: f", "name: 'f.{name}'"))
    assert len(found) == 1, found
    assert found[0].startswith(f"thing.yaml:{expected}")
