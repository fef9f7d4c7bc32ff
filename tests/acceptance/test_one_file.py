"""One file at once: `ingester import` and `ingester validate`, and the exit codes that scripts rely on."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.report import Report, assert_reconciles
from tests.service import Service
from tests.warm import Warm
from tests.zipped import zipped

RULES = """name: item
title: Items
primaryKey: external_id
fields:
  - {name: external_id, constraints: {required: true}}
  - {name: label, constraints: {required: true}}
  - {name: stock, type: integer}
"""
FOUR = "external_id,label,stock\na,A,1\nb,B,2\nc,C,3\nd,D,4\n"


class Desk:
    """An operator's folder with one rule file, whose commands run there."""

    def __init__(self, folder: Path, warm: Warm) -> None:
        (folder / "shop").mkdir()
        (folder / "shop" / "item.yaml").write_text(RULES)
        self.service = Service(folder, warm=warm)
        self.folder = folder

    def run(self, command: str, content: str | bytes, *options: str) -> subprocess.CompletedProcess[str]:
        """Run `import` or `validate` on a file with this content."""
        file = self.folder / "items.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        given = ("--entity", "item", "--rules", "shop", "--out", "out", "--json")
        return self.service.run(command, file, *given, *options, check=False)

    def report(self, code: int, command: str, content: str | bytes, *options: str) -> dict[str, Any]:
        """The status document, printed as it was put into the folder; the exit code is asserted."""
        done = self.run(command, content, *options)
        assert done.returncode == code, f"{done.stdout}{done.stderr}"
        said: dict[str, Any] = json.loads(done.stdout)
        (path,) = (self.folder / "out").glob(f"*.{said['short_id']}.status.json")
        assert json.loads(path.read_text()) == said
        if command == "import" and said["status"] == "completed":
            assert_reconciles(Report(path, said))
        return said

    def stock(self) -> dict[str, int | None]:
        with closing(sqlite3.connect(self.service.data_dir / "ingester.db")) as database:
            return dict(database.execute("SELECT external_id, stock FROM shop__item ORDER BY 1"))


@pytest.fixture
def desk(tmp_path: Path, warm: Warm) -> Desk:
    return Desk(tmp_path, warm)


def counts(said: dict[str, Any]) -> dict[str, int]:
    """What was done to records, without what was not."""
    return {name: count for name, count in said["stats"].items() if count and name.endswith("_count")}


def test_the_exit_code_tells_how_the_rows_fared(desk: Desk) -> None:
    assert desk.report(0, "import", FOUR)["outcome"] == "accepted"
    assert desk.report(2, "import", FOUR.replace("2", "two"))["outcome"] == "partial"
    assert desk.report(2, "import", "external_id,label\na,A\na,B\n")["stats"]["duplicate_rows"] == 2
    assert desk.report(3, "import", b"")["reason"] == "empty_file"
    assert desk.report(4, "import", FOUR + 'e,"E')["reason"] == "possibly_truncated"
    assert desk.report(2, "import", FOUR + 'e,"E', "--approve", "possibly_truncated")["stats"]["valid_rows"] == 4
    assert desk.stock() == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_each_action_does_what_it_is_called(desk: Desk) -> None:
    assert counts(desk.report(0, "import", FOUR, "--action", "create")) == {"created_count": 4}
    said = desk.report(2, "import", "external_id,label\na,A\nnew,N\n", "--action", "create")
    assert ([each["code"] for each in said["errors"]], counts(said)) == (["already_exists"], {"created_count": 1})
    said = desk.report(2, "import", "external_id,stock\na,9\nz,1\n", "--action", "update")
    assert ([each["code"] for each in said["errors"]], counts(said)) == (["not_found"], {"updated_count": 1})
    assert counts(desk.report(0, "import", "external_id\nnew\n", "--action", "delete")) == {"deleted_count": 1}
    assert desk.stock() == {"a": 9, "b": 2, "c": 3, "d": 4}


def test_an_overwrite_that_removes_much_waits_for_a_decision_unless_it_is_told_not_to(desk: Desk) -> None:
    desk.report(0, "import", FOUR)
    one = "external_id,label\na,A\n"
    overwrite = ("--action", "overwrite")
    assert desk.report(4, "import", one, *overwrite)["reason"] == "mass_removal"
    assert desk.report(4, "import", FOUR[:-6], *overwrite, "--removal-guard", "20")["status"] == "needs_attention"
    assert len(desk.stock()) == 4
    foreseen = desk.report(0, "import", one, *overwrite, "--removal-guard", "100", "--dry-run")
    assert counts(foreseen) == {"skipped_count": 1, "removed_count": 3}
    assert len(desk.stock()) == 4, "a dry run removed something"
    assert counts(desk.report(0, "import", one, *overwrite, "--removal-guard", "100")) == counts(foreseen)
    assert desk.stock() == {"a": 1}


def test_an_empty_cell_erases_only_where_it_is_told_to(desk: Desk) -> None:
    desk.report(0, "import", FOUR)
    empty = "external_id,label,stock\na,A,\n"
    assert counts(desk.report(0, "import", empty)) == {"skipped_count": 1}
    assert counts(desk.report(0, "import", empty, "--empty-erases", "--dry-run")) == {"updated_count": 1}
    assert counts(desk.report(0, "import", empty, "--empty-erases")) == {"updated_count": 1}
    assert desk.stock()["a"] is None


def test_a_check_without_a_database_predicts_nothing_and_says_what_it_did_not_check(desk: Desk) -> None:
    said = desk.report(2, "validate", FOUR.replace("B", ""))
    assert (said["dry_run"], said["stats"]["valid_rows"], said["stats"]["created_count"]) == (True, 3, None)
    assert said["not_checked"]
    assert not desk.service.data_dir.exists()
    assert desk.report(0, "validate", "external_id,stock\na,1\n", "--action", "update")["action"] == "update"
    assert desk.report(2, "validate", "external_id,stock\na,1\n")["outcome"] == "rejected"


@pytest.mark.parametrize(
    "wrong",
    [
        ("--entity", "itme"),
        ("--action", "upsert"),
        ("--removal-guard", "101"),
        ("--source", "crm "),
        ("--tenant", "../acme"),
        ("--nonsense",),
        ("--database-url", "mysql://somewhere"),
    ],
)
def test_a_wrong_command_line_is_not_mistaken_for_refused_rows(desk: Desk, wrong: tuple[str, ...]) -> None:
    done = desk.run("import", FOUR, *wrong)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr


def test_a_report_once_delivered_is_not_owed_any_more(desk: Desk) -> None:
    desk.report(0, "import", FOUR)
    with closing(sqlite3.connect(desk.service.data_dir / "ingester.db")) as database:
        assert database.execute("SELECT publish_pending FROM import_outcomes").fetchall() == [(0,)]


def test_a_file_is_imported_into_postgresql_as_well(desk: Desk, postgres_url: str) -> None:
    said = desk.report(0, "import", FOUR, "--database-url", postgres_url)
    assert counts(said) == {"created_count": 4}
    assert counts(desk.report(0, "import", FOUR, "--database-url", postgres_url)) == {"skipped_count": 4}
    assert not desk.service.data_dir.exists()


@pytest.mark.parametrize("command", ["import", "validate"])
def test_an_archive_of_several_files_is_refused_with_their_names(desk: Desk, command: str) -> None:
    done = desk.run(command, zipped({"items.csv": FOUR, "more/others.csv": FOUR}))
    assert done.returncode == 1
    assert "holds 2 files: items.csv, others.csv. Unpack it" in " ".join(done.stderr.split())


def test_what_lies_beside_a_file_and_its_trailer_are_held_to(desk: Desk) -> None:
    rows = FOUR.replace(",", ";")
    trailer = ("--read", "trailer=TRL;{rows};{sum:stock}")
    assert desk.report(0, "import", f"{rows}TRL;4;10\n", *trailer)["stats"]["total_rows"] == 4
    said = desk.report(4, "validate", f"{rows}TRL;5;10\n", *trailer)
    assert said["reason"] == "count_mismatch"
    assert said["message"].startswith("The trailer says 5 rows, the file has 4. ")
    assert desk.report(4, "import", f"{rows}TRL;4;11\n", *trailer)["reason"] == "sum_mismatch"
    assert desk.report(4, "import", FOUR, *trailer)["reason"] == "trailer_missing"
    (desk.folder / "items.csv.md5").write_text("0" * 32 + "  items.csv\n")
    assert desk.report(4, "validate", FOUR)["reason"] == "checksum_mismatch"
    assert desk.report(0, "validate", FOUR, "--approve", "checksum_mismatch")["outcome"] == "accepted"
    (desk.folder / "items.csv.md5").unlink()
    (desk.folder / "items.ctl").write_text("rows=3\n")
    assert desk.report(4, "import", FOUR, "--read", "control={stem}.ctl")["reason"] == "count_mismatch"


@pytest.mark.parametrize("command", ["import", "validate"])
def test_what_is_demanded_beside_a_file_and_is_not_there_holds_it(desk: Desk, command: str) -> None:
    for demanded, said in (("checksum=sha256", "its SHA-256 checksum"), ("control={stem}.ctl", "its control file")):
        held = desk.report(4, command, FOUR, "--read", demanded)
        assert held["reason"] == "companion_missing"
        assert held["message"].startswith(f"It came without {said}. ")
        approved = desk.report(0, command, FOUR, "--read", demanded, "--approve", "companion_missing")
        assert approved["outcome"] == "accepted"


def test_what_lies_beside_a_file_is_found_in_any_case(desk: Desk) -> None:
    beside = desk.folder / "ITEMS.CSV.MD5"
    beside.write_text("0" * 32)
    assert desk.report(4, "validate", FOUR)["reason"] == "checksum_mismatch"
    beside.write_text(hashlib.md5(FOUR.encode()).hexdigest())
    assert desk.report(0, "validate", FOUR, "--read", "checksum=any")["outcome"] == "accepted"
    (desk.folder / "items.csv.md5").write_text("0" * 32)
    assert desk.report(4, "validate", FOUR)["reason"] == "checksum_mismatch"
