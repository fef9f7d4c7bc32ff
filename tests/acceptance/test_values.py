"""A customer's export from a German desk goes in as it is; what has two readings comes back."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.service import Service
from tests.warm import Warm

RULES = """name: sale
title: Sales
primaryKey: external_id
fields:
  - {name: external_id, constraints: {required: true}}
  - {name: amount, type: number}
  - {name: pieces, type: integer}
  - {name: sold_on, type: date}
  - {name: paid, type: boolean}
  - {name: note}
"""
HEADER = "external_id,amount,pieces,sold_on,paid,note\n"


class Desk:
    def __init__(self, folder: Path, warm: Warm) -> None:
        (folder / "shop").mkdir()
        (folder / "shop" / "sale.yaml").write_text(RULES)
        self.folder, self.service = folder, Service(folder, warm=warm)

    def sent(self, content: str) -> tuple[int, dict[str, Any]]:
        """The exit code and the status document of an import."""
        (self.folder / "sales.csv").write_text(content, encoding="utf-8")
        given = ("--entity", "sale", "--rules", "shop", "--out", "out", "--json")
        done = self.service.run("import", self.folder / "sales.csv", *given, check=False)
        said: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, said

    def stored(self) -> dict[str, tuple[Any, ...]]:
        with closing(sqlite3.connect(self.service.data_dir / "ingester.db")) as database:
            rows = database.execute("SELECT external_id, amount, pieces, sold_on, paid, note FROM shop__sale")
            return {key: tuple(rest) for key, *rest in rows}


@pytest.fixture
def desk(tmp_path: Path, warm: Warm) -> Desk:
    return Desk(tmp_path, warm)


def test_an_export_in_the_way_of_its_country_is_read_as_it_was_meant(desk: Desk) -> None:
    # The first rows could be read in another way; the last ones tell.
    code, said = desk.sent(
        HEADER + 'a,1.234,"1.000",03.04.2026,ja,NULL\n'
        '\u00a0b,"(1.234,50)",7,13.04.2026,Nein,\u00a0c\n'
        'd,"\u20ac 5,00","1.234.567",NULL,J,None\n'
        "e,N/A,-,,,\n"
    )
    assert (code, said["outcome"]) == (0, "accepted")
    assert desk.stored() == {
        "a": ("1234", 1000, "2026-04-03", 1, "NULL"),
        "b": ("-1234.5", 7, "2026-04-13", 0, "\u00a0c"),
        "d": ("5", 1234567, None, 1, "None"),
        "e": (None, None, None, None, None),
    }
    warnings = {(each["code"], each["field"], each["message"]) for each in said["warnings"]}
    assert warnings == {
        ("read_as_missing", "amount", "Cells of this column that say 'N/A' (1) were read as empty"),
        ("read_as_missing", "pieces", "Cells of this column that say '-' (1) were read as empty"),
        ("read_as_missing", "sold_on", "Cells of this column that say 'NULL' (1) were read as empty"),
        ("invisible_characters", "external_id", "Characters around the value that nobody sees were left out"),
    }


def test_what_nothing_settles_is_refused_and_the_rows_around_it_go_in(desk: Desk) -> None:
    code, said = desk.sent(HEADER + 'a,"1,234",1,2026-04-03,1,\nb,5,2,03/04/2026,1,\nc,5,3,,,#REF!\nd,5,4,,,\n')
    assert (code, said["outcome"]) == (2, "partial")
    assert sorted((each["row"], each["field"], each["code"]) for each in said["errors"]) == [
        (1, "amount", "ambiguous_number"),
        (2, "sold_on", "ambiguous_date"),
        (3, "note", "spreadsheet_error"),
    ]
    assert set(desk.stored()) == {"d"}


def test_a_file_of_rejects_does_not_take_for_settled_what_the_original_settled(desk: Desk) -> None:
    code, said = desk.sent(HEADER + 'a,1.234,x,,,\nb,"12,50",1,,,\n')
    assert (code, desk.stored()) == (2, {"b": ("12.5", 1, None, None, None)})
    (rejects,) = (desk.folder / "out").glob("*.rejects.csv")
    with rejects.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    rows[1][rows[0].index("pieces")] = "1"
    code, said = desk.sent("\n".join(",".join(f'"{cell}"' for cell in row) for row in rows) + "\n")
    assert (code, [each["code"] for each in said["errors"]]) == (2, ["ambiguous_number"])
    assert set(desk.stored()) == {"b"}
