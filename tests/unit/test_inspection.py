from __future__ import annotations

from pathlib import Path

import pytest

from ingester.domain.limits import DEFAULT_LIMITS
from ingester.domain.reads import ANY_WAY
from ingester.inspection import Inspected, inspect


def inspected(tmp_path: Path, data: str) -> tuple[Inspected, str]:
    """What is found out about a file, and its table as written."""
    path, table, workspace = tmp_path / "file.csv", tmp_path / "table.csv", tmp_path / "workspace"
    workspace.mkdir()
    path.write_bytes(data.encode())
    found = inspect(path, path.name, workspace, ANY_WAY, DEFAULT_LIMITS, table)
    return found, table.read_bytes().decode()


def test_the_table_of_an_empty_file_is_empty(tmp_path: Path) -> None:
    found, table = inspected(tmp_path, "")
    assert found.error is not None
    assert (found.error["code"], found.csv, table) == ("empty_file", str(tmp_path / "table.csv"), "")


def test_rows_are_written_with_as_many_cells_as_they_have(tmp_path: Path) -> None:
    found, table = inspected(tmp_path, "id;name\n1;a\n2\n3;b;c\n4;d\n")
    assert (found.rows, found.ragged_rows) == (4, 2)
    assert table == "id,name\n1,a\n2\n3,b,c\n4,d\n"


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "", "-20"], "integer"),
        (["1.50", "2"], "number"),
        (["true", "False"], "boolean"),
        (["1", "0", "true"], "boolean"),
        (["2026-01-31", ""], "date"),
        (["12:30", "23:59:59"], "time"),
        (["2026-01-31T12:30:00Z"], "datetime"),
        (["31 January 2026"], "string"),
        (["A-17", "18"], "string"),
        (["https://example.com/1"], "string"),
        (["", ""], "string"),
    ],
)
def test_a_column_has_the_narrowest_type_that_all_of_its_cells_are_of(
    tmp_path: Path, cells: list[str], kind: str
) -> None:
    found, _ = inspected(tmp_path, "id,value\n" + "".join(f"A,{cell}\n" for cell in cells))
    assert [column["type"] for column in found.columns] == ["string", kind]


def test_a_line_with_broken_quotes_is_written_as_it_was_probably_meant(tmp_path: Path) -> None:
    found, table = inspected(tmp_path, 'id,name,note\n1,"a,"b, c"\n2,d,""e, f"\n3,"g","h"\n')
    assert found.ragged_rows == 2
    assert table == 'id,name,note\n1,"""a","b, c"\n2,d,"""e, f"\n3,g,h\n'


def test_names_are_written_as_the_file_has_them(tmp_path: Path) -> None:
    found, table = inspected(tmp_path, 'id ;" name"\n1;a\n')
    assert [column["name"] for column in found.columns] == ["id", "name"]
    assert table == 'id , name\n"1","a"\n'


def test_the_names_of_two_lines_are_written_as_one(tmp_path: Path) -> None:
    _, table = inspected(tmp_path, "id,size,\n,from,to\n1,2,3\n")
    assert table == 'id,size from,size to\n"1","2","3"\n'
