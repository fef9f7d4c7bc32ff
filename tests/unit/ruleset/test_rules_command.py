from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from ingester.cli.rules import app


def write(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_check_finds_nothing_wrong_with_what_ships() -> None:
    result = CliRunner().invoke(app, ["check"])
    assert (result.exit_code, result.stdout) == (0, "field_service: 4 entities, no mistakes\n")


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


def test_list_shows_entities_parents_first() -> None:
    result = CliRunner().invoke(app, ["list"])
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines() if "field_service" in line]
    assert [row[1] for row in rows] == ["brand", "product", "territory", "customer"]
    assert rows[-1][-1] == "territory"


def test_list_as_json_names_tables_keys_and_references() -> None:
    result = CliRunner().invoke(app, ["list", "--json"])
    customer = json.loads(result.stdout)[-1]
    assert (customer["table"], customer["primary_key"]) == ("field_service__customer", ["external_id"])
    assert customer["references"] == [
        {"fields": ["territory_external_id"], "entity": "territory", "reference_fields": ["external_id"]}
    ]


def test_list_of_broken_rules_prints_the_mistakes_and_exits_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["list", str(tmp_path / "absent")])
    assert result.exit_code == 1
    assert "absent: cannot be read: No such file or directory" in result.stderr
