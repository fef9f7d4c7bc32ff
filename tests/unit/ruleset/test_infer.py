"""Drafting rules from a sample: what is guessed, and that a draft loads and takes the very file it was made of."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from ingester.checks.compile import CompiledEntity
from ingester.domain.errors import UsageError
from ingester.outbox.docs import template
from ingester.ruleset.columns import match_columns
from ingester.ruleset.infer import entity_name, infer
from ingester.ruleset.load import load, load_folder
from ingester.ruleset.model import Entity, FieldType
from ingester.ruleset.shipped import shipped
from tests.examples import examples

SHIPPED = load(shipped())


def write(folder: Path, text: str, name: str = "sample.csv") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def table(*columns: list[str]) -> str:
    """A CSV from columns, each its header and its cells."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(zip(*columns, strict=True))
    return text.getvalue()


def drafted(sample: Path, folder: Path, name: str = "thing") -> Entity:
    rules = folder / "draft"
    rules.mkdir(exist_ok=True)
    (rules / f"{name}.yaml").write_text(infer(sample, name), "utf-8")
    return load_folder(rules).entities[name]


def refused(sample: Path, entity: Entity, delimiter: str = ",") -> list[str]:
    """What the checks say about the sample, column by column."""
    with sample.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter=delimiter)
    matches = list(match_columns(header, entity))
    assert all(match.field for match in matches), matches
    cells = {str(match.field): pa.array([row[match.position] for row in rows], pa.string()) for match in matches}
    return [f"{finding.fields}: {finding.message}" for finding in CompiledEntity(entity).check(cells).findings]


@pytest.mark.parametrize("entity", list(SHIPPED), ids=lambda entity: entity.full_name)
def test_a_draft_of_a_shipped_template_loads_and_takes_the_template(entity: Entity, tmp_path: Path) -> None:
    others = SHIPPED.catalogues[entity.catalogue]
    sample = write(tmp_path, template(entity, others))
    assert refused(sample, drafted(sample, tmp_path)) == []


def test_every_type_is_guessed_from_cells_that_look_like_it(tmp_path: Path) -> None:
    names = [
        ("Customer ID", FieldType.STRING, "default", [f"C-{i:03}" for i in range(20)]),
        ("email", FieldType.STRING, "email", [f"a{i}@example.com" for i in range(20)]),
        ("ref", FieldType.STRING, "uuid", [f"123e4567-e89b-12d3-a456-4266141740{i:02}" for i in range(20)]),
        ("site", FieldType.STRING, "uri", [f"https://example.com/{i}?q=a" for i in range(20)]),
        ("visits", FieldType.INTEGER, "default", [str(i * 7) for i in range(20)]),
        ("zip", FieldType.STRING, "default", [f"{i:05}" for i in range(20)]),
        ("balance", FieldType.NUMBER, "default", [f"{i}.{i:02}" for i in range(20)]),
        ("born", FieldType.DATE, "default", [f"1990-01-{i:02}" for i in range(1, 21)]),
        ("since", FieldType.DATE, "%d/%m/%Y", [f"{i:02}/01/2020" for i in range(1, 21)]),
        ("due", FieldType.DATE, "%m/%d/%Y", [f"1/{i}/2020" for i in range(1, 21)]),
        ("said", FieldType.DATE, "%d %b %Y", [f"{i:02} Mar 2020" for i in range(1, 21)]),
        ("opens", FieldType.TIME, "default", ["07:30", "08:00:00"] * 10),
        ("shuts", FieldType.TIME, "%I:%M %p", ["7:30 pm", "08:00 pm"] * 10),
        ("seen", FieldType.DATETIME, "default", ["2020-01-31T10:00:00Z", "2020-01-31 10:00"] * 10),
        ("logged", FieldType.DATETIME, "%d.%m.%Y %H:%M", ["31.01.2020 10:00", "1.2.2020 7:05"] * 10),
        ("period", FieldType.YEARMONTH, "default", ["2020-01", "2020-12"] * 10),
        ("model_year", FieldType.YEAR, "default", ["1999", "2020"] * 10),
        ("took", FieldType.DURATION, "default", ["PT1H", "P1D"] * 10),
        ("active", FieldType.BOOLEAN, "default", ["true", "false"] * 10),
        ("vip", FieldType.BOOLEAN, "default", ["Y", "N"] * 10),
        ("is_open", FieldType.BOOLEAN, "default", ["1", "0"] * 10),
        ("tags", FieldType.ARRAY, "default", ["a|b", "c"] * 10),
        ("ids", FieldType.ARRAY, "default", ["[1, 2]", '["x"]'] * 10),
        ("more", FieldType.OBJECT, "default", ['{"a": 1}', "{}"] * 10),
        ("shape", FieldType.GEOJSON, "default", ['{"type": "Point", "coordinates": [1, 2]}'] * 20),
        ("status", FieldType.STRING, "default", ["lead", "customer"] * 10),
        ("notes", FieldType.STRING, "default", ["", "Zwei\nZeilen, ja"] * 10),
        ("nothing", FieldType.STRING, "default", [""] * 20),
    ]
    sample = write(tmp_path, table(*([name, *cells] for name, _, _, cells in names)))
    entity = drafted(sample, tmp_path)
    assert [(field.title, field.type, field.format) for field in entity.fields] == [
        (name[0].upper() + name[1:].replace("_", " "), kind, form) for name, kind, form, _ in names
    ]
    assert refused(sample, entity) == []
    assert entity.primary_key == ("customer_id",)
    status, email, notes = entity.field("status"), entity.field("email"), entity.field("notes")
    assert (status.constraints.enum, status.constraints.required) == (("customer", "lead"), True)
    assert email.constraints.unique
    assert (notes.constraints.required, notes.constraints.max_length) == (False, 50)
    assert entity.field("vip").true_values == ("Y",)
    assert entity.field("balance").example == "0.00"


@pytest.mark.parametrize(
    ("cells", "decimal", "group", "bare", "kind"),
    [
        (["1.234,50", "7,1"], ",", ".", True, FieldType.NUMBER),
        (["1,234.50", "7.1"], ".", ",", True, FieldType.NUMBER),
        (["1'234.50", "7.1"], ".", "'", True, FieldType.NUMBER),
        (["1,5", "12"], ",", "", True, FieldType.NUMBER),
        (["1 234,5", "7"], ",", " ", True, FieldType.NUMBER),
        (["1,234", "12"], ".", ",", True, FieldType.INTEGER),
        (["$1,234.50", "$7.10"], ".", ",", False, FieldType.NUMBER),
        (["12 %", "3 %"], ".", "", False, FieldType.INTEGER),
    ],
)
def test_numbers_are_read_as_their_country_writes_them(
    cells: list[str], decimal: str, group: str, bare: bool, kind: FieldType, tmp_path: Path
) -> None:
    sample = write(tmp_path, table(["k", *map(str, range(len(cells)))], ["amount", *cells]))
    entity = drafted(sample, tmp_path)
    amount = entity.field("amount")
    assert (amount.type, amount.decimal_char, amount.group_char, amount.bare_number) == (kind, decimal, group, bare)
    assert refused(sample, entity) == []


def test_a_doubtful_date_says_so(tmp_path: Path) -> None:
    text = infer(write(tmp_path, table(["day", "01/02/2020", "03/04/2020"])), "thing")
    assert '    # The sample would also fit %m/%d/%Y: which is meant?\n    format: "%d/%m/%Y"\n' in text


def test_markers_are_missing_values_only_where_a_column_has_a_type(tmp_path: Path) -> None:
    sample = write(
        tmp_path, table(["count", "1", "NA", "3"], ["word", "a", "NULL", "b"], ["day", "2020-01-31", "-", "-"])
    )
    entity = drafted(sample, tmp_path)
    assert entity.missing_values == ("", "NA", "-")
    assert [field.type for field in entity.fields] == [FieldType.INTEGER, FieldType.STRING, FieldType.DATE]
    assert refused(sample, entity) == []


def test_few_rows_make_no_rules_of_chance(tmp_path: Path) -> None:
    entity = drafted(write(tmp_path, table(["external_id", "A"], ["colour", "red"])), tmp_path)
    assert entity.primary_key == ("external_id",)
    assert not entity.field("colour").constraints.required
    assert entity.field("colour").constraints.enum is None


def test_two_columns_are_a_key_where_none_is(tmp_path: Path) -> None:
    days = [f"2020-01-{day:02}" for day in range(1, 7) for _ in "ab"]
    sample = write(tmp_path, table(["station", *["a", "b"] * 6], ["day", *days], ["rain", *["0.1"] * 12]))
    assert drafted(sample, tmp_path).primary_key == ("station", "day")


def test_headers_that_are_no_names_are_aliases(tmp_path: Path) -> None:
    headers = ["Größe (cm)", "2nd", "source", "event.key", "ID", "a b", "A.B", "x" * 80, "日本"]
    sample = write(tmp_path, table(*([header, "1"] for header in headers)))
    entity = drafted(sample, tmp_path)
    assert [field.name for field in entity.fields[:7]] == [
        *("grosse_cm", "column_2nd", "thing_source", "event.key", "id", "a_b", "thing_a.b"),
    ]
    assert refused(sample, entity) == []


@pytest.mark.parametrize(
    ("name", "entity"),
    [
        ("Customers_2026-11-21.csv", "customer"),
        ("proposal-items.export.csv", "proposal_item"),
        ("JOBS.csv", "job"),
        ("jobs2.csv", "jobs2"),
        ("20261121.csv", "record"),
        ("Verträge.csv", "vertrage"),
        ("validate.csv", "validate_record"),
    ],
)
def test_an_entity_is_named_after_its_file(name: str, entity: str) -> None:
    assert entity_name(Path(name)) == entity


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_usual_delimiters_and_encodings_are_understood(delimiter: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    path.write_bytes(f'a{delimiter}name\r\n1{delimiter}"M{delimiter}üller"\r\n'.encode(encoding))
    assert drafted(path, tmp_path).field("name").example == f"M{delimiter}üller"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no header row"),
        ("a,A \n1,2\n", "appears more than once"),
        ("a,\n1,2\n", "has no name"),
        ('a,b\n1,"2\n', "is no table"),
        ("a,b\n1,2\n1,2,3\n", "is no table"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=reason):
        infer(write(tmp_path, text))


CELLS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(["", "NA", "-", "0", "1", "007", "1.5", "1,5", "1.234,5", "true", "Y", "n", "2026-01-31", "12:30"]),
    st.sampled_from(["1/2/2026", "a|b", "|", "[1]", "{}", "[", "P1D", "x@y.zz", "a:b", "$5", "1e5", "NaN", "%", "\n"]),
)


@examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12),
    name=st.sampled_from(["amount", "id", "is_x", "date"]),
)
def test_a_draft_of_any_sample_loads_and_takes_it(rows: list[tuple[str, str]], name: str, tmp_path: Path) -> None:
    one, other = zip(*rows, strict=True)
    sample = write(tmp_path, table([name, *one], ["b", *other]).replace("\r", " "))
    assert refused(sample, drafted(sample, tmp_path)) == []
