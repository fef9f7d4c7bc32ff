from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingester.cli.rules import app
from ingester.domain.errors import UsageError
from ingester.ruleset.load import load_folder
from ingester.ruleset.shipped import shipped


def write(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def shop(folder: Path) -> Path:
    child = """name: child
primaryKey: key
fields:
  - {name: key, example: C-1}
  - {name: event.day, type: date, format: "%d/%m/%Y", example: 31/01/2026}
  - {name: parent_key, example: P-9}
foreignKeys:
  - {fields: parent_key, reference: {resource: parent, fields: key}, scope: tenant}
checks:
  - {code: too_early, assert: event.day > '2020-01-01', message: Too early}
"""
    return write(
        folder / "shop", child=child, parent="name: parent\nprimaryKey: key\nfields: [{name: key, example: P-1}]\n"
    )


def test_check_finds_nothing_wrong_with_what_ships() -> None:
    result = CliRunner().invoke(app, ["check"])
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [f"{name}: {len(load_folder(folder).entities)} entities, no mistakes" for name, folder in shipped().items()],
    )


def test_check_puts_examples_through_the_checks_of_files(tmp_path: Path) -> None:
    fields = """
fields:
  - {name: k, example: "2"}
  - name: home
    normalise: [country]
    accepted:
      - Germany
      - Narnia
  - name: call.{name}
    normalise: [{phone: US}]
    accepted: ["1"]
"""
    bad = write(tmp_path / "bad", a=f"name: a{fields}")
    result = CliRunner().invoke(app, ["check", str(bad), "--json"])
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["catalogues"] == []
    assert [(each["line"], each["key"]) for each in found["mistakes"]] == [
        (6, "fields.home.accepted"),
        (11, "fields.call.{name}.accepted"),
    ]
    assert found["mistakes"][0]["message"].startswith("the field would refuse 'Narnia': ")


def test_check_prints_every_mistake_of_every_folder_and_exits_1(tmp_path: Path) -> None:
    good = write(tmp_path / "good", a="name: a\nfields:\n  - name: k\n")
    bad = write(tmp_path / "bad", a="name: b\nfields:\n  - name: k\n", c="nam: c\nfields:\n  - name: k\n")
    result = CliRunner().invoke(app, ["check", str(good), str(bad)])
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{bad}/a.yaml:1: name: 'b' must equal the file's name, 'a'",
        f"{bad}/c.yaml:1: nam: unknown key, did you mean 'name'?",
        f"{bad}/c.yaml:1: name: is missing: write 'name: c'",
        "good: 1 entity, no mistakes",
    ]


def test_check_as_json_is_one_document(tmp_path: Path) -> None:
    bad = write(tmp_path / "bad", a="name: b\nfields:\n  - name: k\n")
    result = CliRunner().invoke(app, ["check", str(bad), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "ok": False,
        "catalogues": [],
        "mistakes": [
            {"path": f"{bad}/a.yaml", "line": 1, "key": "name", "message": "'b' must equal the file's name, 'a'"}
        ],
    }


def test_list_shows_entities_parents_first(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["list", str(shop(tmp_path))])
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines() if "shop" in line]
    assert [row[1] for row in rows] == ["parent", "child"]
    assert rows[-1][-1] == "parent"


def test_list_as_json_names_tables_keys_references_and_checks(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["list", str(shop(tmp_path)), "--json"])
    child = json.loads(result.stdout)[-1]
    assert (child["table"], child["primary_key"]) == ("shop__child", ["key"])
    assert child["fields"][1] == {
        "name": "event.day",
        "type": "date",
        "format": "%d/%m/%Y",
        "required": False,
        "column": "event_day",
    }
    assert child["references"] == [
        {"fields": ["parent_key"], "entity": "parent", "reference_fields": ["key"], "scope": "tenant"}
    ]
    assert child["checks"] == [{"code": "too_early", "severity": "error", "fields": ["event.day"]}]


def test_list_of_broken_rules_prints_the_mistakes_and_exits_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["list", str(tmp_path / "absent")])
    assert result.exit_code == 1
    assert "absent: cannot be read: No such file or directory" in result.stderr


def test_docs_of_one_entity_are_its_dictionary_and_its_template(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["docs", "shop.child", "--rules", str(shop(tmp_path))])
    assert result.exit_code == 0
    assert result.stdout.startswith("# child\n")
    assert "| `too_early` | error | `event.day` | Too early |  |" in result.stdout
    assert result.stdout.endswith("```csv\nkey,event.day,parent_key\nC-1,31/01/2026,P-1\n```\n\n")
    assert "# parent" not in result.stdout


def test_docs_are_written_into_a_folder_beside_what_is_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    result = CliRunner().invoke(app, ["docs", "shop", "--rules", str(shop(tmp_path)), "--out", str(out)])
    assert result.exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == [
        *("child.md", "child.template.csv", "mine.txt", "parent.md", "parent.template.csv"),
    ]


def test_docs_of_all_catalogues_have_a_folder_each(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["docs", "--out", str(tmp_path)])
    assert result.exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(shipped())
    assert (tmp_path / "field_service" / "customer.template.csv").exists()


@pytest.mark.parametrize("wanted", ["shopp", "shop.chld", "wealth"])
def test_docs_of_what_is_unknown_are_refused(wanted: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["docs", wanted, "--rules", str(shop(tmp_path))])
    assert isinstance(result.exception, UsageError)
    assert f"there is no '{wanted}'" in str(result.exception)


def test_infer_prints_a_draft_that_check_accepts(tmp_path: Path) -> None:
    sample = tmp_path / "Visits_2026.csv"
    sample.write_text("Visit No;Fee\nV-1;1,50\nV-2;2,75\n")
    result = CliRunner().invoke(app, ["infer", str(sample)])
    assert (result.exit_code, result.stdout.splitlines()[1]) == (0, "name: visit")
    out = tmp_path / "mine" / "visit.yaml"
    out.parent.mkdir()
    assert CliRunner().invoke(app, ["infer", str(sample), "--out", str(out)]).exit_code == 0
    assert out.read_text() == result.stdout
    assert CliRunner().invoke(app, ["check", str(out.parent)]).stdout == "mine: 1 entity, no mistakes\n"
    as_json = CliRunner().invoke(app, ["infer", str(sample), "--name", "trip", "--json"])
    assert json.loads(as_json.stdout)["fields"][1]["decimalChar"] == ","
    assert json.loads(as_json.stdout)["name"] == "trip"


def test_infer_overwrites_nothing_and_wants_a_name_that_can_be(tmp_path: Path) -> None:
    sample = tmp_path / "a.csv"
    sample.write_text("k\n1\n")
    for arguments in (["--out", str(sample)], ["--name", "Not A Name"], ["--out", str(sample / "a.yaml")]):
        result = CliRunner().invoke(app, ["infer", str(sample), *arguments])
        assert isinstance(result.exception, UsageError), arguments
    assert sample.read_text() == "k\n1\n"
    draft = tmp_path / "new" / "a.yaml"
    assert CliRunner().invoke(app, ["infer", str(sample), "--out", str(draft)]).exit_code == 0
    assert draft.exists()


@pytest.mark.parametrize("command", ["check", "list", "docs", "infer"])
def test_every_command_shows_examples(command: str) -> None:
    assert "ingester rules " + command in " ".join(CliRunner().invoke(app, [command, "--help"]).stdout.split())
